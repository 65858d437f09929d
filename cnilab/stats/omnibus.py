"""Do the modes differ at all: a permutation F within blocks, with Friedman beside it for readers.

Reported, and not a gate: the pairwise comparisons are protected by Holm already, and a gate would only cost
power. The permutation is licensed by the design, which drew the order inside each block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare

from cnilab.errors import DataError
from cnilab.stats.signed_rank import DECIMALS


@dataclass(frozen=True)
class Omnibus:
    """Result over ``n`` complete blocks of ``n_blocks``; ``p`` is None unless ``status`` is ``ok``.

    ``status``: ``ok``, ``identical_values`` (p is 1), ``insufficient_n`` or ``skipped`` (two modes: the pair
    says it). ``friedman_chi2`` is corrected for ties; ``kendall_w`` is its effect size, 0 … 1.
    """

    status: str
    n: int
    n_blocks: int
    p: float | None = None
    statistic: float | None = None
    permutations: int | None = None
    seed: int | None = None
    friedman_chi2: float | None = None
    friedman_p: float | None = None
    kendall_w: float | None = None


def permutation_p(z: np.ndarray, rng: np.random.Generator, permutations: int = 9999) -> tuple[float, float]:
    """Return ``(statistic, p)`` of within-row permutation of ``z``, shape (n, k), rows centred here.

    The statistic is the sum over columns of the squared column mean; p counts the observed arrangement, so it
    is never zero.
    """
    z = z - z.mean(axis=1, keepdims=True)
    n, k = z.shape
    observed = float((z.mean(axis=0) ** 2).sum())
    extreme, left = 0, permutations
    while left:
        step = min(left, max(1, 2_000_000 // (n * k)))
        order = rng.random((step, n, k)).argsort(axis=2)
        moved = np.take_along_axis(np.broadcast_to(z, order.shape), order, axis=2)
        extreme += int((((moved.mean(axis=1)) ** 2).sum(axis=1) >= observed - 1e-12).sum())
        left -= step
    return observed, (1 + extreme) / (permutations + 1)


def permutation_f(cells: np.ndarray, *, permutations: int = 9999, seed: int = 0) -> Omnibus:
    """Test all modes of one table at once.

    Parameters
    ----------
    cells
        Shape (k, n): modes by blocks, on the scale compared; NaN where a cell is missing.
    permutations, seed
        Number drawn and the generator's seed; both are recorded in the result.

    Returns
    -------
    Omnibus
        Blocks that lack a mode are excluded and counted.

    Raises
    ------
    DataError
        If a value is infinite or ``permutations`` is not positive.

    References
    ----------
    E. S. Edgington, Randomization Tests; M. Friedman (1937), JASA 32(200).
    """
    c = np.atleast_2d(np.asarray(cells, dtype=float))
    if np.isinf(c).any() or permutations < 1:
        raise DataError(f"an infinite cell, or permutations={permutations}; cells are finite or missing")
    k, n_blocks = c.shape
    full = c[:, ~np.isnan(c).any(axis=0)].T
    n = len(full)
    if k < 3:
        return Omnibus("skipped", n, n_blocks)
    if n < 3:
        return Omnibus("insufficient_n", n, n_blocks)
    if not np.round(np.ptp(full, axis=1), DECIMALS).any():
        return Omnibus("identical_values", n, n_blocks, 1.0, 0.0)
    statistic, p = permutation_p(full, np.random.default_rng(seed), permutations)
    chi2, friedman_p = friedmanchisquare(*np.round(full, DECIMALS).T)
    return Omnibus(
        "ok", n, n_blocks, p, statistic, permutations, seed, float(chi2), float(friedman_p),
        float(chi2) / (n * (k - 1)),
    )  # fmt: skip
