"""Hodges–Lehmann and its interval: the exact dual of the test, level as promised."""

import numpy as np
import pytest
from scipy.stats import binom

from cnilab.errors import DataError
from cnilab.stats.ratio import achieved_level, cut, hl_intervals, hodges_lehmann, median_ranks
from cnilab.stats.signed_rank import signed_rank


@pytest.mark.parametrize("n", [6, 7, 10, 15, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3, 0.01])
def test_interval_excludes_zero_exactly_when_the_test_rejects(n, alpha):
    d = np.random.default_rng(n).normal(0.6, 1, (3000, n))
    _, [(low, high)] = hl_intervals(d, [alpha])
    assert ((signed_rank(d).two_sided <= alpha) == ((low > 0) | (high < 0))).all()


def test_estimate_is_the_median_of_pairwise_means():
    d = np.array([0.3, -0.1, 0.7, 0.2])
    pairs = [(d[i] + d[j]) / 2 for i in range(4) for j in range(i, 4)]
    assert hodges_lehmann(d).estimate == pytest.approx(np.median(pairs), abs=1e-15)


@pytest.mark.parametrize(("n", "level"), [(6, 0.969), (8, 0.961), (10, 0.951), (12, 0.958)])
def test_achieved_level(n, level):
    assert achieved_level(n, 0.05) == pytest.approx(level, abs=6e-4)
    assert hodges_lehmann(np.arange(n) * 1.0).level == achieved_level(n, 0.05)


def test_too_few_blocks_bound_nothing():
    interval = hodges_lehmann([0.1, 0.2, 0.3, 0.4, 0.5])
    assert (interval.low, interval.high, interval.level) == (-np.inf, np.inf, 1.0)
    assert interval.estimate == pytest.approx(0.3)
    assert cut(5, 0.05) == 0


def test_rows_and_levels_do_not_mix():
    rng = np.random.default_rng(2)
    d = rng.normal(0, 1, (50, 11))
    alphas = np.where(np.arange(50) % 2, 0.05, 0.005)
    estimate, [(low, high), (wide_low, wide_high)] = hl_intervals(d, [alphas, 0.001])
    for r in range(50):
        one = hodges_lehmann(d[r], alphas[r])
        assert (estimate[r], low[r], high[r]) == (one.estimate, one.low, one.high)
        assert wide_low[r] <= low[r]
        assert wide_high[r] >= high[r]


def test_chunks_are_seamless():
    d = np.random.default_rng(3).normal(0, 1, (60, 600))  # 180 300 averages a row: several chunks
    estimate, [(low, _)] = hl_intervals(d, [0.05])
    assert estimate[-1] == hodges_lehmann(d[-1]).estimate
    assert low[25] == hodges_lehmann(d[25]).low


def test_worst_ranks_may_push_an_end_to_infinity():
    d = np.array([[-np.inf, -np.inf, 0.1, 0.12, 0.09, 0.11, 0.1, 0.08]])
    estimate, [(low, high)] = hl_intervals(d, [0.05], infinite=True)
    assert low[0] == -np.inf
    assert np.isfinite(estimate[0])
    assert np.isfinite(high[0])


@pytest.mark.parametrize("n", range(6, 60, 7))
def test_median_ranks_keep_their_level(n):
    low, high, level = median_ranks(n)
    assert high == n + 1 - low
    assert level == pytest.approx(binom.cdf(high - 1, n, 0.5) - binom.cdf(low - 1, n, 0.5))
    assert level >= 0.95


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0])
def test_refuses_impossible_levels(alpha):
    with pytest.raises(DataError, match="between 0 and 1"):
        hodges_lehmann(np.arange(8.0), alpha)


def test_refuses_nan_and_two_rows():
    with pytest.raises(DataError, match="left out"):
        hodges_lehmann([0.1, np.nan])
    with pytest.raises(DataError, match="one row"):
        hodges_lehmann(np.zeros((2, 8)))
