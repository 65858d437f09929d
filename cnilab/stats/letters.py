"""From decisions about pairs to ranks and letters. Pure combinatorics: no data, no p-values.

If the decisions keep the family-wise error at α, all rank intervals together cover the true ranks with at
least 1 - α. Letters are not transitive; the matrix they came from is printed with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnilab.errors import DataError


def _checked(reject: np.ndarray) -> np.ndarray:
    matrix = np.asarray(reject)
    if matrix.dtype != bool or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            f"reject matrix of dtype {matrix.dtype}, shape {matrix.shape}; it must be boolean (k, k)"
        )
    if (matrix != matrix.T).any() or matrix.diagonal().any():
        raise DataError("reject matrix is not symmetric with a false diagonal; a pair has one decision")
    return matrix


def compact_letters(reject: np.ndarray, order: Sequence[int] | None = None) -> list[str]:
    """Return letters such that two modes share one if and only if their difference was *not shown*.

    Parameters
    ----------
    reject
        Boolean, symmetric, shape (k, k): pairs shown to differ.
    order
        Modes from best to worst; letters are given out in this order.

    Raises
    ------
    DataError
        If ``reject`` is not boolean, square and symmetric.

    References
    ----------
    H.-P. Piepho (2004), Journal of Computational and Graphical Statistics 13(2), insert-and-absorb.
    """
    matrix = _checked(reject)
    k = len(matrix)
    order = list(range(k)) if order is None else list(order)
    sets = [frozenset(range(k))] if k else []
    for i in range(k):
        for j in range(i + 1, k):
            if matrix[i, j]:
                split = [part for s in sets for part in ((s - {i}, s - {j}) if {i, j} <= s else (s,))]
                unique = list(dict.fromkeys(split))
                sets = [s for s in unique if not any(s < other for other in unique)]
    place = {mode: at for at, mode in enumerate(order)}
    sets.sort(key=lambda s: sorted(place[mode] for mode in s))
    return ["".join(_letter(n) for n, s in enumerate(sets) if mode in s) for mode in range(k)]


def _letter(n: int) -> str:
    return chr(ord("a") + n) if n < 26 else _letter(n // 26 - 1) + chr(ord("a") + n % 26)


def rank_intervals(better: np.ndarray) -> list[tuple[int, int]]:
    """Return each mode's lowest and highest possible rank, 1 the best.

    Parameters
    ----------
    better
        Boolean, shape (k, k): ``better[i, j]`` if i was shown to be better than j.

    References
    ----------
    M. Mogstad, J. P. Romano, A. M. Shaikh and D. Wilhelm (2024), Review of Economic Studies 91(1).
    """
    matrix = np.asarray(better)
    if (
        matrix.dtype != bool
        or matrix.ndim != 2
        or matrix.shape[0] != matrix.shape[1]
        or (matrix & matrix.T).any()
    ):
        raise DataError("better must be a boolean (k, k) matrix in which no two modes beat each other")
    k = len(matrix)
    return [(1 + int(matrix[:, j].sum()), k - int(matrix[j].sum())) for j in range(k)]
