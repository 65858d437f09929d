"""More than one comparison: Holm for what was declared beforehand, Benjamini–Hochberg for the rest.

The number of comparisons ``m`` is the number *planned*. A comparison without a p-value (a mode that failed)
stays in ``m``, so that one mode's failure never makes another significant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.ratio import check_alpha


def _checked(p: Sequence[float | None], m: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    present = np.array([i for i, value in enumerate(p) if value is not None], dtype=int)
    values = np.array([p[i] for i in present], dtype=float)
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise DataError(
            f"p-value {float(values[bad][0])!r} at position {present[bad][0]}; each must lie in [0, 1], or "
            "be None where there is no test"
        )
    m = len(p) if m is None else int(m)
    if m < len(values):
        raise DataError(
            f"family of m={m} with {len(values)} comparisons; m is the number planned, at least as many"
        )
    return present, values, m


def _adjusted(p: Sequence[float | None], m: int | None, holm: bool) -> list[float | None]:
    present, values, m = _checked(p, m)
    out: list[float | None] = [None] * len(p)
    if not len(values):
        return out
    order = np.argsort(values, kind="stable")
    steps = np.arange(1, len(values) + 1)
    if holm:
        adjusted = np.maximum.accumulate((m - steps + 1) * values[order])
    else:
        adjusted = np.minimum.accumulate((m / steps * values[order])[::-1])[::-1]
    for place, value in zip(present[order], np.minimum(adjusted, 1.0)):
        out[int(place)] = float(value)
    return out


def holm(p: Sequence[float | None], m: int | None = None) -> list[float | None]:
    """Adjust p-values by Holm's step-down; rejecting those ``<= alpha`` keeps the family-wise error at alpha.

    Parameters
    ----------
    p
        P-values, None where a planned comparison has none.
    m
        Size of the family; by default the length of ``p``, None entries included.

    Returns
    -------
    list
        Adjusted p-values in the order of ``p``; None stays None.

    Raises
    ------
    DataError
        If a p-value is NaN or outside [0, 1], or ``m`` is smaller than the number of comparisons.

    References
    ----------
    S. Holm (1979), Scandinavian Journal of Statistics 6(2).

    Examples
    --------
    >>> holm([0.25, None, 0.0625])
    [0.5, None, 0.1875]
    """
    return _adjusted(p, m, holm=True)


def benjamini_hochberg(p: Sequence[float | None], m: int | None = None) -> list[float | None]:
    """Adjust p-values to false-discovery rates (q-values); arguments and errors as :func:`holm`.

    For tables that explore. A row with ``q <= 0.05`` is a lead, not a finding.

    References
    ----------
    Y. Benjamini and Y. Hochberg (1995), Journal of the Royal Statistical Society B 57(1).
    """
    return _adjusted(p, m, holm=False)


def n_min(m: int = 1, alpha: float = 0.05, *, sides: int = 2) -> int:
    """Return the fewest blocks with which *any* data could be significant after Holm over ``m`` comparisons.

    The smallest p an exact signed-rank test of n blocks can give is ``sides * 2**-n``.

    >>> [n_min(m) for m in (1, 3, 6, 10, 15)]
    [6, 7, 8, 9, 10]
    """
    if m < 1 or sides not in (1, 2):
        raise DataError(f"m={m}, sides={sides}; m is at least 1, and a test has 1 or 2 sides")
    return max(1, math.ceil(math.log2(sides * m / check_alpha(alpha))))
