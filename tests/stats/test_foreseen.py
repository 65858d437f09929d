"""What a number of blocks will tell is what it then tells."""

import numpy as np
import pytest

from cnilab.errors import DataError
from cnilab.stats.foreseen import foresee
from cnilab.stats.ratio import hl_intervals
from cnilab.stats.sensitivity import outlying_cells

REGIMES = {
    "quiet": lambda rng, shape: rng.normal(0, 0.02, shape),
    "two states": lambda rng, shape: rng.normal(0, 0.02, shape) + 0.3 * (rng.random(shape) < 0.4),
    "a neighbour": lambda rng, shape: rng.normal(0, 0.02, shape) * np.where(rng.random(shape) < 0.25, 12, 1),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_half_widths_are_those_that_come(regime):
    rng = np.random.default_rng(5)
    told = np.median([foresee(REGIMES[regime](rng, 30), 10, m=6, seed=i).half_width for i in range(12)])
    _, [(low, high)] = hl_intervals(REGIMES[regime](rng, (2000, 10)), [0.05 / 6])
    assert told == pytest.approx(float(np.median(high - low) / 2), rel=0.25)


def test_the_difference_foretold_is_called_in_four_of_five_studies():
    rng = np.random.default_rng(6)
    d = rng.normal(0, 0.03, 200)
    told = foresee(d, 12, m=4)
    _, [(low, _)] = hl_intervals(told.difference + rng.normal(0, 0.03, (2000, 12)), [0.05 / 4])
    assert (low > 0).mean() == pytest.approx(0.8, abs=0.07)
    _, [(low, high)] = hl_intervals(rng.normal(0, 0.03, (2000, 12)), [2 * 0.05 / 4])
    assert (np.maximum(-low, high) <= told.same).mean() == pytest.approx(0.8, abs=0.07)


def test_too_few_blocks_tell_nothing_and_too_few_differences_are_no_noise():
    d = np.random.default_rng(7).normal(0, 0.02, 10)
    assert foresee(d, 7, m=8) == foresee(d, 3, m=1)
    assert foresee(d, 7, m=8).half_width is None
    with pytest.raises(DataError, match="3 recorded differences"):
        foresee(d[:3], 10, m=1)


def test_cells_without_a_gap_are_judged_as_those_with_one():
    rng = np.random.default_rng(8)
    values = rng.normal(0, 0.02, (4, 12))
    values[2, 5] += 0.5
    alone = np.vstack([values, np.full(12, np.nan)])  # a mode without values changes nothing but the way
    assert outlying_cells(values)[2, 5]
    assert (outlying_cells(values) == outlying_cells(alone)[:4]).all()
