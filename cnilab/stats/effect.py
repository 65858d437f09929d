"""How large, in a number beside the ratio: the matched-pairs rank-biserial correlation.

The ratio is the effect size. Cohen's d is not offered: it divides by this lab's noise, so it would grow
when the lab gets quieter.
"""

from __future__ import annotations

import numpy as np


def rank_biserial(w_plus: np.ndarray, w_minus: np.ndarray, n: int) -> np.ndarray:
    """Return (W⁺ - W⁻) / (n(n+1)/2), shape (R,): -1 … 1, zeros counted in the denominator.

    References
    ----------
    D. S. Kerby (2014), Comprehensive Psychology 3.
    """
    return (w_plus - w_minus) / (n * (n + 1) / 2)
