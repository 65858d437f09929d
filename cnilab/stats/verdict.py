"""How a verdict is decided: from adjusted p-values and simultaneous intervals alone; nothing here looks at raw p.

The verdicts and flags themselves are :mod:`cnilab.verdicts`.
"""

from __future__ import annotations

#: An end this close to the margin is on it: the last bits of a logarithm decide no verdict.
TOLERANCE = 1e-12


def decide(
    *,
    n: int,
    n_min: int,
    p: float | None,
    p_equivalence: float | None,
    low: float,
    high: float,
    lam: float | None,
    alpha: float,
    barred: bool = False,
) -> str:
    """Return the first verdict that holds.

    Parameters
    ----------
    n, n_min
        Blocks used, and the fewest with which any data could be significant in this family.
    p, p_equivalence
        Adjusted p of the difference test and of the equivalence test; None where there is none.
    low, high
        Simultaneous interval, on the scale compared.
    lam
        Margin on that scale; None if none was declared.
    alpha
        Level of the family.
    barred
        Whether something rules the comparison out (a flag that ``bars``).

    Returns
    -------
    str
        A key of :data:`cnilab.verdicts.VERDICTS`.
    """
    if n < n_min or p is None:
        return "insufficient_n"
    if barred:
        return "not_comparable"
    same = p_equivalence is not None and p_equivalence <= alpha
    if p <= alpha:
        if lam is not None and (low > lam + TOLERANCE or high < -lam - TOLERANCE):
            return "different_material"
        return "different_negligible" if same else "different_size_unclear"
    return "equivalent" if same else "inconclusive"


def is_difference(verdict: str) -> bool:
    """Whether the verdict claims a difference of any size."""
    return verdict in ("different_material", "different_size_unclear", "different_negligible")
