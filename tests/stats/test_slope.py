"""A planted cost a rule is found again, within its interval as often as is promised."""

import numpy as np
import pytest

from cnilab.errors import DataError
from cnilab.stats.slope import sloped, theil_sen

LEVELS = [0, 10, 50, 100, 200, 500, 1000]


def planted(rng, slope, blocks=8, bend=0.0, disturbed=10):
    """Costs of ``blocks``: a level and a slope of each block's own, noise, and one cell ``disturbed`` times as dear."""
    x = np.asarray(LEVELS, dtype=float)
    base = 80e-6 * np.exp(rng.normal(0, 0.1, (blocks, 1)))
    line = slope * x + bend * np.maximum(0, x - 100)
    costs = base + line * np.exp(rng.normal(0, 0.05, (blocks, 1)))
    costs = costs + rng.normal(0, 0.3e-6, costs.shape)
    costs[0, 3] *= disturbed
    return costs


def test_a_planted_cost_a_rule_is_found_within_its_interval():
    found = sloped(LEVELS, planted(np.random.default_rng(1), 20e-9))
    assert found.slope.low < 20e-9 < found.slope.high
    assert found.slope.estimate == pytest.approx(20e-9, rel=0.05)
    assert found.bend.low < 0 < found.bend.high
    assert found.slope.n == 8


def test_the_interval_holds_as_often_as_it_promises():
    rng = np.random.default_rng(2)
    held = [(s.low < 20e-9 < s.high) for s in (sloped(LEVELS, planted(rng, 20e-9)).slope for _ in range(400))]
    # 3.3 standard errors of 400 draws at 0.95
    assert np.mean(held) > 0.95 - 3.3 * np.sqrt(0.95 * 0.05 / 400)


def test_no_cost_is_not_found_and_a_bend_is():
    none = sloped(LEVELS, planted(np.random.default_rng(3), 0.0)).slope
    assert none.low < 0 < none.high
    bent = sloped(LEVELS, planted(np.random.default_rng(4), 20e-9, bend=40e-9, disturbed=1))
    assert bent.bend.low > 0
    assert bent.bend.estimate == pytest.approx(40e-9, rel=0.2)


def test_least_squares_would_have_followed_the_one_disturbed_level():
    costs = planted(np.random.default_rng(5), 20e-9)[0]
    assert abs(theil_sen(LEVELS, costs) / 20e-9 - 1) < 0.2
    assert abs(np.polyfit(LEVELS, costs, 1)[0] / 20e-9 - 1) > 1


def test_missing_cells_are_left_out_and_too_few_give_nothing():
    costs = planted(np.random.default_rng(6), 20e-9)
    costs[1, 4:] = np.nan
    costs[2, :] = np.nan
    costs[3, 2:] = np.nan
    found = sloped(LEVELS, costs)
    assert found.slope.n == 6
    assert found.bend.n == 5
    assert sloped(LEVELS, np.full((8, 7), np.nan)) is None
    assert np.isinf(sloped(LEVELS, costs[4:6]).slope.high), "two blocks bound nothing"
    with pytest.raises(DataError, match="each level once"):
        sloped([0, 0, 1], np.zeros((2, 3)))
    with pytest.raises(DataError, match="a column a level"):
        sloped([0, 1, 2], np.zeros((2, 4)))
