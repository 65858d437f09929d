"""Wins and rank-biserial of a comparison, against pingouin."""

import numpy as np
import pytest

from cnilab.stats.pairs import Family, Pair, analyse


def outcome(d):
    return analyse([Pair(np.asarray(d, dtype=float), Family(("x",), 1), None)], 0.05)[0]


@pytest.mark.parametrize("n", [6, 11, 25])
def test_rank_biserial_equals_pingouin(n):
    pingouin = pytest.importorskip("pingouin")
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.4, 1, n), rng.normal(0, 1, n)
    assert outcome(x - y).rank_biserial == pytest.approx(pingouin.wilcoxon(x, y)["RBC"].iloc[0], abs=1e-12)


def test_counts_by_sign():
    found = outcome([0.1, 0.2, -0.3, 0.0])
    assert (found.n, found.positive, found.negative) == (4, 2, 1)


def test_nothing_to_describe_is_none():
    assert outcome([]).rank_biserial is None
    assert outcome([0.0, 0.0]).rank_biserial is None
