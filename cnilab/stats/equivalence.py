"""Showing that two modes are the same: two one-sided exact tests against a margin declared beforehand.

"Not significant" is no evidence of equality; with few noisy blocks everything is not significant. Equality
within a margin is a claim of its own and has its own test. The margin must exist before the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.signed_rank import DECIMALS, as_rows, signed_rank


@dataclass(frozen=True)
class Equivalence:
    """Result of :func:`tost`: ``p`` is None, with the reason, where the data can support no such claim."""

    p: float | None
    margin: float
    n: int
    reason: str | None = None


def log_margin(margin: float) -> float:
    """Return λ = log(1 + δ): ratios within [1/(1+δ), 1+δ] count as the same.

    Raises
    ------
    DataError
        If the margin is not a finite number above 0.
    """
    if not (isinstance(margin, (int, float)) and math.isfinite(margin) and margin > 0):
        raise DataError(f"margin {margin!r}; it must be above 0, e.g. 0.05 for 5 %")
    return math.log1p(margin)


def tost_p(d: np.ndarray, lam: np.ndarray | float) -> np.ndarray:
    """Return the p of both one-sided tests together, for rows (R, n) against ±``lam``, a number or (R,)."""
    rows = as_rows(d)
    shift = np.broadcast_to(np.asarray(lam, dtype=float), (len(rows),))[:, None]
    above = signed_rank(rows + shift).greater
    below = signed_rank(shift - rows).greater
    return np.maximum(above, below)


def tost(d: np.ndarray, margin: float = 0.05) -> Equivalence:
    """Test one row of log ratios for equivalence within ``margin``.

    Parameters
    ----------
    d
        Within-block log ratios, shape (n,).
    margin
        δ above 0; equivalence means a ratio within [1/(1+δ), 1+δ].

    Returns
    -------
    Equivalence
        ``p`` is None if every ratio is exactly 1: identical numbers point to a copied file, not to equality.

    Raises
    ------
    DataError
        If a value is not finite or ``margin`` is not above 0.

    References
    ----------
    D. J. Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15; S. Wellek, Testing
    Statistical Hypotheses of Equivalence and Noninferiority, ch. 5, for the signed-rank form.
    """
    lam = log_margin(margin)
    rows = as_rows(d)
    if len(rows) != 1:
        raise DataError(f"differences of shape {np.shape(d)}; tost takes one row")
    if not np.round(rows, DECIMALS).any():
        return Equivalence(None, margin, rows.shape[1], "identical_values")
    return Equivalence(float(tost_p(rows, lam)[0]), margin, rows.shape[1])
