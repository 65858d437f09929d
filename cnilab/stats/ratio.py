"""The estimate and its exact interval: Hodges–Lehmann on within-block differences.

The pseudo-median is the middle of all pairwise (Walsh) averages; its interval is cut from the same averages
so that it excludes zero exactly when the signed-rank test rejects. Its coverage comes from the randomised
blocks and not from a bell curve. No bootstrap: at the numbers of blocks a lab affords it covers too little.

The functions know only differences; whether ``exp`` of one is a ratio is decided by the metric's scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import binom

from cnilab.errors import DataError
from cnilab.stats.signed_rank import as_rows, null_cdf

#: Stand-in for a failed block's infinite difference: further out than any log ratio of two measured numbers.
_FAR = 1e6


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval. ``low``/``high`` are infinite where so few blocks allow no finite one.

    ``level`` is the confidence achieved, at least the one asked for; 1.0 for an infinite interval.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int


def check_alpha(alpha: float, what: str = "alpha") -> float:
    """Return ``alpha`` if it is a probability strictly between 0 and 1, else raise DataError."""
    if not 0 < alpha < 1:
        raise DataError(f"{what} {alpha!r}; it must lie between 0 and 1, e.g. 0.05")
    return float(alpha)


@lru_cache(maxsize=4096)
def cut(n: int, alpha: float) -> int:
    """Return how many ordered Walsh averages to leave out at each end; 0: no finite interval exists."""
    return int(np.searchsorted(null_cdf(n), check_alpha(alpha) / 2, side="right"))


def achieved_level(n: int, alpha: float) -> float:
    """Return the exact confidence of the interval at 1 - ``alpha`` with ``n`` blocks."""
    c = cut(n, alpha)
    return 1.0 if c == 0 else float(1 - 2 * null_cdf(n)[c - 1])


@lru_cache(maxsize=64)
def _pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every i <= j below ``n``; only ever read."""
    i, j = np.triu_indices(n)
    return i, j


def walsh_averages(d: np.ndarray) -> np.ndarray:
    """Return the sorted averages of all pairs i <= j, shape (R, n(n+1)/2), of differences of shape (R, n)."""
    i, j = _pairs(d.shape[1])
    averages = d[:, i]
    averages += d[:, j]
    averages *= 0.5
    averages.sort(axis=1)
    return averages


def hl_intervals(
    d: np.ndarray, alphas: Sequence[float | np.ndarray], *, infinite: bool = False
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Estimate many rows at once, with several intervals from one sort.

    Parameters
    ----------
    d
        Shape (R, n), n >= 1.
    alphas
        One or more levels; each a number, or an array of shape (R,) with a level a row.
    infinite
        Allow infinite differences (worst ranks).

    Returns
    -------
    estimate, intervals
        ``estimate`` of shape (R,), and one ``(low, high)`` pair of arrays of shape (R,) a level.

    Raises
    ------
    DataError
        If a difference is NaN, or infinite without ``infinite``.
    """
    rows = as_rows(d, infinite=infinite)
    n_rows, n = rows.shape
    total = n * (n + 1) // 2
    if infinite:
        rows = np.clip(rows, -_FAR, _FAR)
    cuts = [np.broadcast_to([cut(n, float(a)) for a in np.atleast_1d(level)], (n_rows,)) for level in alphas]
    estimate = np.empty(n_rows)
    bounds = [(np.full(n_rows, -np.inf), np.full(n_rows, np.inf)) for _ in alphas]
    step = max(1, 4_000_000 // total)  # keeps a chunk of averages near 32 MB
    for start in range(0, n_rows, step):
        part = slice(start, min(start + step, n_rows))
        averages = walsh_averages(rows[part])
        estimate[part] = (averages[:, (total - 1) // 2] + averages[:, total // 2]) / 2
        line = np.arange(len(averages))
        for (low, high), c in zip(bounds, cuts):
            finite = c[part] > 0
            low[part] = np.where(finite, averages[line, np.maximum(c[part] - 1, 0)], -np.inf)
            high[part] = np.where(finite, averages[line, np.minimum(total - c[part], total - 1)], np.inf)
    if infinite:
        for values in (estimate, *(side for pair in bounds for side in pair)):
            values[values > _FAR / 4] = np.inf
            values[values < -_FAR / 4] = -np.inf
    return estimate, bounds


def hodges_lehmann(d: np.ndarray, alpha: float = 0.05) -> Interval:
    """Estimate the pseudo-median of one row of differences with its exact interval.

    Parameters
    ----------
    d
        Shape (n,), n >= 1, in any unit.
    alpha
        One minus the confidence asked for.

    Returns
    -------
    Interval
        In the unit of ``d``. Below 6 differences the 95 % interval is infinite: no data could bound it.

    Raises
    ------
    DataError
        If a difference is not finite, or ``alpha`` not a probability.

    References
    ----------
    J. L. Hodges and E. L. Lehmann (1963), Annals of Mathematical Statistics 34(2); M. Hollander and D. A.
    Wolfe, Nonparametric Statistical Methods, §3.2 and §3.3.

    Examples
    --------
    >>> hodges_lehmann([1.0, 2.0, 3.0]).estimate
    2.0
    """
    rows = as_rows(d)
    if len(rows) != 1:
        raise DataError(
            f"differences of shape {np.shape(d)}; hodges_lehmann takes one row, hl_intervals many"
        )
    estimate, [(low, high)] = hl_intervals(rows, [alpha])
    n = rows.shape[1]
    return Interval(float(estimate[0]), float(low[0]), float(high[0]), achieved_level(n, alpha), n)


def median_ranks(n: int, alpha: float = 0.05) -> tuple[int, int, float] | None:
    """Return ``(low, high, level)``: the 1-based order statistics that bracket the median, symmetric ones.

    None where ``n`` is too small for a finite interval (below 6 at 95 %, 8 at 99 %).

    References
    ----------
    J.-Y. Le Boudec, Performance Evaluation of Computer and Communication Systems, Theorem 2.1 and Table A.1.
    """
    below = binom.cdf(np.arange(n), n, 0.5)
    j = int(np.searchsorted(below, check_alpha(alpha) / 2, side="right"))
    return None if j == 0 else (j, n + 1 - j, float(1 - 2 * below[j - 1]))
