"""Holm and Benjamini–Hochberg against statsmodels and pingouin; what was planned stays in the family."""

import numpy as np
import pytest

from cnilab.errors import DataError
from cnilab.stats.multiplicity import benjamini_hochberg, holm, n_min


@pytest.mark.parametrize("m", [1, 2, 5, 40])
@pytest.mark.parametrize(("own", "theirs"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_equals_statsmodels_and_pingouin(m, own, theirs):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    pingouin = pytest.importorskip("pingouin")
    p = np.random.default_rng(m).random(m) ** 3
    p[: m // 3] = p[0]  # ties among p
    expected = multitest.multipletests(p, method=theirs)[1]
    assert own(list(p)) == pytest.approx(list(expected), abs=1e-12)
    assert own(list(p)) == pytest.approx(list(pingouin.multicomp(p, method=theirs)[1]), abs=1e-12)


def test_a_comparison_without_p_stays_in_the_family():
    with_gap, filled = holm([0.01, None, 0.02]), holm([0.01, 1.0, 0.02])
    assert with_gap[0] == filled[0] == pytest.approx(0.03)
    assert with_gap[2] == filled[2] == pytest.approx(0.04)
    assert with_gap[1] is None
    assert holm([0.01], m=3) == pytest.approx([0.03])
    assert benjamini_hochberg([0.01, None]) == [pytest.approx(0.02), None]


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_empty_and_all_missing(adjust):
    assert adjust([]) == []
    assert adjust([None, None]) == [None, None]


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1, float("inf")])
def test_refuses_what_is_no_probability(adjust, bad):
    with pytest.raises(DataError, match="position 1"):
        adjust([0.5, bad])


def test_refuses_a_family_smaller_than_its_members():
    with pytest.raises(DataError, match="m=1"):
        holm([0.1, 0.2], m=1)


def test_fewest_blocks_is_where_the_smallest_p_can_reject():
    for m in range(1, 60):
        n = n_min(m)
        assert 2 * 2.0**-n * m <= 0.05 < 2 * 2.0 ** -(n - 1) * m
