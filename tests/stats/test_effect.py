"""Wins and rank-biserial against pingouin."""

import numpy as np
import pytest

from cnilab.stats.effect import effect


@pytest.mark.parametrize("n", [6, 11, 25])
def test_rank_biserial_equals_pingouin(n):
    pingouin = pytest.importorskip("pingouin")
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.4, 1, n), rng.normal(0, 1, n)
    assert effect(x - y).rank_biserial == pytest.approx(pingouin.wilcoxon(x, y)["RBC"].iloc[0], abs=1e-12)


def test_counts_by_sign():
    found = effect([0.1, 0.2, -0.3, 0.0])
    assert (found.positive, found.negative, found.zero) == (2, 1, 1)


def test_nothing_to_describe_is_none():
    assert effect([]) is None
    assert effect([0.0, 0.0]).rank_biserial is None
