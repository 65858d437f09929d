"""The exact Wilcoxon signed-rank test, conditional on ties, for one pair of modes or for thousands at once.

Rows without ties are looked up in one table a number of blocks; rows with ties or zeros get their own exact
distribution by dynamic programming. There is no normal approximation anywhere: a p-value never changes its
method with the data.

Zeros are ranked and then left out (Pratt 1959), so a block in which nothing differed is neither evidence for
a difference nor thrown away. Missing blocks are the caller's business (:mod:`cnilab.stats.cells`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import rankdata

from cnilab.errors import DataError

#: Decimals that count. log() of equal ratios differs in the last bits, which would break true ties.
DECIMALS = 12
#: Most pairs one test takes: 2**-1000 is still a number, so no p-value is ever rounded to zero.
MAX_PAIRS = 1000


@dataclass(frozen=True)
class SignedRank:
    """Signed-rank tests of R rows of differences. Every field is an array of shape (R,).

    ``w_plus`` and ``w_minus`` are the sums of the (mid)ranks of positive and negative differences;
    ``greater`` tests that differences tend above zero, ``less`` below, ``two_sided`` either.
    """

    w_plus: np.ndarray
    w_minus: np.ndarray
    two_sided: np.ndarray
    greater: np.ndarray
    less: np.ndarray
    tied: np.ndarray


@lru_cache(maxsize=512)
def null_cdf(n: int) -> np.ndarray:
    """Return P(T <= t) for t = 0 … n(n+1)/2, T the rank sum of ``n`` untied differences under the null.

    Raises
    ------
    DataError
        If ``n`` is not within 1 … 1000.
    """
    if not 1 <= n <= MAX_PAIRS:
        raise DataError(f"{n} pairs in an exact signed-rank test; it takes 1 to {MAX_PAIRS}")
    return _cdf_of(tuple(range(1, n + 1)))


@lru_cache(maxsize=4096)
def _cdf_of(ranks: tuple[int, ...]) -> np.ndarray:
    """Return P(T <= t), T the sum of the ``ranks`` each taken with probability one half."""
    mass = np.zeros(sum(ranks) + 1)
    mass[0] = 1.0
    for rank in ranks:
        moved = mass[:-rank].copy()
        mass *= 0.5
        mass[rank:] += 0.5 * moved
    cdf = np.cumsum(mass)
    cdf[-1] = 1.0
    cdf.flags.writeable = False
    return cdf


def as_rows(d: np.ndarray, *, infinite: bool = False) -> np.ndarray:
    """Return ``d`` as float64 of shape (R, n), refusing what no test of differences may swallow.

    Raises
    ------
    DataError
        If a difference is NaN, is infinite where that is not asked for, or there is none at all.
    """
    rows = np.atleast_2d(np.asarray(d, dtype=float))
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DataError(
            f"differences of shape {np.shape(d)}; expected (n,) or (rows, n) with n of at least 1"
        )
    bad = np.isnan(rows) if infinite else ~np.isfinite(rows)
    if bad.any():
        row, block = np.argwhere(bad)[0]
        raise DataError(
            f"difference {float(rows[row, block])!r} in row {row}, block {block}; a missing block is left out"
        )
    return rows


def signed_rank(d: np.ndarray, *, infinite: bool = False) -> SignedRank:
    """Test rows of within-block differences for symmetry about zero.

    Parameters
    ----------
    d
        Shape (n,) or (R, n), 1 <= n <= 1000, of order one (log ratios, or differences already divided by
        their scale): differences that agree to 12 decimals are ties.
    infinite
        Allow infinite differences, the worst ranks of failed blocks.

    Returns
    -------
    SignedRank
        Arrays of shape (R,). No p-value is NaN or zero; it is 1.0 where every difference is zero.

    Raises
    ------
    DataError
        If a difference is NaN, or infinite without ``infinite``.

    References
    ----------
    F. Wilcoxon (1945), Biometrics Bulletin 1(6); J. W. Pratt (1959), JASA 54(287), for zeros.

    Examples
    --------
    >>> float(signed_rank([0.11, 0.12, 0.13, 0.14, 0.15, 0.16]).two_sided[0])
    0.03125
    """
    rows = as_rows(d, infinite=infinite)
    n = rows.shape[1]
    size = np.round(np.abs(rows), DECIMALS)
    order = np.argsort(size, axis=1, kind="stable")
    ordered = np.take_along_axis(size, order, axis=1)
    tied = (ordered[:, 0] == 0) | (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    cdf, total = null_cdf(n), n * (n + 1) // 2

    ranks = np.empty(rows.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1, n + 1), rows.shape), axis=1)
    plus = (ranks * (rows > 0)).sum(axis=1)
    less, greater = cdf[plus], cdf[total - plus]
    w_plus = plus.astype(float)
    w_minus = total - w_plus
    for r in np.flatnonzero(tied):
        # Midranks are halves; doubled they are integers, which the exact distribution needs.
        doubled = np.rint(2 * rankdata(size[r])).astype(np.int64)
        live = size[r] > 0
        taken = int(doubled[live & (rows[r] > 0)].sum())
        own = _cdf_of(tuple(np.sort(doubled[live]).tolist()))
        less[r], greater[r] = own[taken], own[len(own) - 1 - taken]
        w_plus[r], w_minus[r] = taken / 2, (len(own) - 1 - taken) / 2
    two_sided = np.minimum(1.0, 2 * np.minimum(less, greater))
    return SignedRank(w_plus, w_minus, two_sided, greater, less, tied)
