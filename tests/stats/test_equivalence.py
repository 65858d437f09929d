"""Equivalence: the margin decides, and identical numbers are no proof of it."""

import numpy as np
import pytest
from scipy import stats as st

from cnilab.errors import DataError
from cnilab.stats.equivalence import log_margin, tost_p
from cnilab.stats.pairs import Family, Pair, analyse


def tost(d, margin):
    """Return the p of equivalence of one row of log ratios within ``margin``."""
    return float(tost_p(d, log_margin(margin))[0])


def test_is_the_larger_of_two_one_sided_tests():
    rng = np.random.default_rng(4)
    lam = np.log(1.05)
    for n in (6, 9, 14):
        d = rng.normal(0.01, 0.03, n)
        above = st.wilcoxon(d + lam, alternative="greater", method="exact").pvalue
        below = st.wilcoxon(d - lam, alternative="less", method="exact").pvalue
        assert tost(d, 0.05) == pytest.approx(max(above, below), abs=1e-12)


def test_agrees_in_direction_with_the_t_form():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    rng = np.random.default_rng(6)
    base = np.exp(rng.normal(0, 0.1, 30))
    for shift, same in ((0.0, True), (0.045, False), (0.3, False)):
        other = base * np.exp(rng.normal(shift, 0.03, 30))
        p = weightstats.ttost_paired(other, base, 1 / 1.05, 1.05, transform=np.log)[0]
        own = tost(np.log(other / base), 0.05)
        assert (own <= 0.05) == (p <= 0.05) == same


def test_identical_values_are_no_equivalence():
    """statsmodels' ttost_paired returns p = 0.0 here."""
    (same,) = analyse([Pair(np.zeros(12), Family(("x",), 1), log_margin(0.05))], 0.05)
    assert same.p_equivalence is None
    assert same.flags == ("identical_values",)
    assert same.verdict == "not_comparable"


def test_a_margin_a_row():
    d = np.random.default_rng(1).normal(0, 0.02, (2, 10))
    both = tost_p(d, np.array([0.05, 0.01]))
    assert both[0] == tost_p(d[0], 0.05)[0]
    assert both[1] == tost_p(d[1], 0.01)[0]


@pytest.mark.parametrize("margin", [0, -0.05, float("nan"), float("inf"), "5 %", None])
def test_refuses_a_margin_that_is_none(margin):
    with pytest.raises(DataError, match="above 0"):
        log_margin(margin)
