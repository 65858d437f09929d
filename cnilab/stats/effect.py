"""How large, in numbers beside the ratio: wins in blocks, and the matched-pairs rank-biserial correlation.

The ratio is the effect size. Cohen's d is not offered: it divides by this lab's noise, so it would grow
when the lab gets quieter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnilab.stats.signed_rank import DECIMALS, as_rows, signed_rank


@dataclass(frozen=True)
class Effect:
    """Blocks by the sign of their difference, and ``rank_biserial`` (None where there is none)."""

    positive: int
    negative: int
    zero: int
    rank_biserial: float | None


def rank_biserial(w_plus: np.ndarray, w_minus: np.ndarray, n: int) -> np.ndarray:
    """Return (W⁺ - W⁻) / (n(n+1)/2), shape (R,): -1 … 1, zeros counted in the denominator.

    References
    ----------
    D. S. Kerby (2014), Comprehensive Psychology 3.
    """
    return (w_plus - w_minus) / (n * (n + 1) / 2)


def effect(d: np.ndarray) -> Effect | None:
    """Describe one row of differences, shape (n,); None where there is none.

    ``rank_biserial`` is None where every difference is zero.

    >>> effect([0.1, 0.2, -0.05]).positive
    2
    """
    if np.size(d) == 0:
        return None
    row = np.round(as_rows(d), DECIMALS)
    positive, negative = int((row > 0).sum()), int((row < 0).sum())
    zero = row.size - positive - negative
    if zero == row.size:
        return Effect(0, 0, zero, None)
    test = signed_rank(row)
    return Effect(positive, negative, zero, float(rank_biserial(test.w_plus, test.w_minus, row.size)[0]))
