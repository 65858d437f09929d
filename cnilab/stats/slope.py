"""What one more unit of a numeric factor costs: a slope a block, and the blocks' slopes with an exact interval.

Levels stand in random order inside each (block, mode), so that a block's slope is one number and blocks are the sample.
Theil–Sen within a block, because one disturbed level must not turn the line; Hodges–Lehmann over blocks. Least squares
over all points of all blocks takes points for the sample and covers two thirds where 95 % are promised.

Costs are compared (seconds, not logarithms of rates): a rule that is walked past adds time and multiplies nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.ratio import Interval, hodges_lehmann

#: Levels of a block without which its slope is no line.
FEWEST = 3


@dataclass(frozen=True)
class Sloped:
    """Cost of one more unit, in the cost's unit a level's unit.

    Parameters
    ----------
    slope
        Over all levels.
    bend
        The slope of the upper half of the levels less that of the lower half; 0 where the line is straight.
        None where a half has too few levels.
    """

    slope: Interval
    bend: Interval | None


def theil_sen(levels: np.ndarray, costs: np.ndarray) -> float:
    """Return the median of the slopes of all pairs of points; NaN where fewer than three have a cost.

    References
    ----------
    P. K. Sen (1968), Estimates of the regression coefficient based on Kendall's tau, JASA 63.

    Examples
    --------
    >>> theil_sen([0, 1, 2, 3, 4], [5.0, 7.0, 9.0, 11.0, 99.0])
    2.0
    """
    x, y = np.asarray(levels, dtype=float), np.asarray(costs, dtype=float)
    there = np.isfinite(y)
    x, y = x[there], y[there]
    if len(np.unique(x)) < FEWEST:
        return float("nan")
    i, j = np.triu_indices(len(x), 1)
    apart = x[i] != x[j]
    return float(np.median((y[j] - y[i])[apart] / (x[j] - x[i])[apart]))


def sloped(levels: Sequence[float], costs: np.ndarray, alpha: float = 0.05) -> Sloped | None:
    """Estimate what one more unit costs.

    Parameters
    ----------
    levels
        Shape (k,), distinct.
    costs
        Shape (blocks, k); NaN where a cell has none.
    alpha
        One minus the confidence asked for.

    Returns
    -------
    Sloped or None
        None where no block has a slope.

    Raises
    ------
    DataError
        If the shapes do not belong together, or a level stands twice.
    """
    x, y = np.asarray(levels, dtype=float), np.atleast_2d(np.asarray(costs, dtype=float))
    if y.shape[1] != len(x) or len(np.unique(x)) != len(x):
        raise DataError(
            f"costs of shape {y.shape} at levels {list(levels)}; a column a level, each level once"
        )
    found = _over_blocks(np.array([theil_sen(x, row) for row in y]), alpha)
    if found is None:
        return None
    middle = float(np.median(x))
    low, high = x <= middle, x >= middle
    bends = np.array([theil_sen(x[high], row[high]) - theil_sen(x[low], row[low]) for row in y])
    return Sloped(found, _over_blocks(bends, alpha))


def _over_blocks(each: np.ndarray, alpha: float) -> Interval | None:
    each = each[np.isfinite(each)]
    return hodges_lehmann(each, alpha) if len(each) else None
