"""Showing that two modes are the same: two one-sided exact tests against a margin declared beforehand.

"Not significant" is no evidence of equality; with few noisy blocks everything is not significant. Equality
within a margin is a claim of its own and has its own test. The margin must exist before the data.
"""

from __future__ import annotations

import math

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.signed_rank import as_rows, signed_rank


def log_margin(margin: float) -> float:
    """Return λ = log(1 + δ): ratios within [1/(1+δ), 1+δ] count as the same.

    Raises
    ------
    DataError
        If the margin is not a number above 0 and below 1: 5 would be 500 %.
    """
    if not (isinstance(margin, (int, float)) and 0 < margin < 1):
        raise DataError(f"margin {margin!r}; a share of 1, above 0 and below 1: 5 % is 0.05")
    return math.log1p(margin)


def tost_p(d: np.ndarray, lam: np.ndarray | float) -> np.ndarray:
    """Return the p of both one-sided tests together, for rows (R, n) against ±``lam``, a number or (R,).

    References
    ----------
    D. J. Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15; S. Wellek, Testing
    Statistical Hypotheses of Equivalence and Noninferiority, ch. 5, for the signed-rank form.
    """
    rows = as_rows(d)
    shift = np.broadcast_to(np.asarray(lam, dtype=float), (len(rows),))[:, None]
    above = signed_rank(rows + shift).greater
    below = signed_rank(shift - rows).greater
    return np.maximum(above, below)
