"""The seven verdicts, and the flags that qualify one. Codes only: what they mean in words is the report's language's.

"The same", "different" and "cannot tell yet" are three answers and are never mixed. A verdict is decided
from adjusted p-values and simultaneous intervals alone; nothing here looks at raw p.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """One of the seven answers.

    Parameters
    ----------
    code
        As rows have it.
    sign
        The one character that stands beside its words.
    kind
        Which of the three answers it is, or that there is none: ``differs``, ``alike``, ``open``, ``absent``.
    """

    code: str
    sign: str
    kind: Literal["differs", "alike", "open", "absent"]


@dataclass(frozen=True)
class Flag:
    """What qualifies a verdict; no flag deletes data.

    Parameters
    ----------
    code
        As rows have it.
    kind
        ``absence``: the mode has no value here. ``doubt``: changes how the verdict is to be read. ``note``: all else.
    bars
        Whether it rules a comparison out: the verdict is ``not_comparable`` once there are blocks enough.
    settled
        Of an absence: more blocks would not give the mode a value.
    """

    code: str
    kind: Literal["absence", "doubt", "note"]
    bars: bool = False
    settled: bool = False


#: Code -> verdict, in the order in which they are told: what is known first.
VERDICTS: dict[str, Verdict] = {
    v.code: v
    for v in (
        Verdict("different_material", "≠", "differs"),
        Verdict("different_size_unclear", "≠", "differs"),
        Verdict("different_negligible", "≈", "alike"),
        Verdict("equivalent", "=", "alike"),
        Verdict("inconclusive", "?", "open"),
        Verdict("insufficient_n", "?", "open"),
        Verdict("not_comparable", "×", "absent"),
    )
}

#: Code -> flag, in the order in which rows have them.
FLAGS: dict[str, Flag] = {
    f.code: f
    for f in (
        Flag("substitute", "note"),
        Flag("kernel_path_varies", "doubt"),
        Flag("aa_differs", "doubt"),
        Flag("identical_values", "note", bars=True),
        Flag("resolution_limited", "note"),
        Flag("depends_on_failures", "doubt", bars=True),
        Flag("failures_not_assessed", "doubt"),
        Flag("depends_on_block", "doubt"),
        Flag("outlier_unchecked", "note"),
        Flag("tail_unreliable", "doubt"),
        Flag("tail_count_unknown", "note"),
        Flag("post_hoc_margin", "doubt"),
        Flag("does_not_cross_subnets", "absence", settled=True),
        Flag("all_failed", "absence", settled=True),
        Flag("all_skipped", "absence", settled=True),
        Flag("no_rows", "absence"),
        Flag("unsteady", "note", bars=True),
        Flag("nonpositive_value", "note", bars=True),
        Flag("bh_not_rejected", "note"),
        Flag("ci_unbounded", "note"),
        Flag("blocks_missing", "note"),
        Flag("partial_cells", "doubt"),
        Flag("difference_scale", "note"),
        Flag("no_margin", "note"),
        Flag("margin_below_noise", "note"),
        Flag("mixed_versions", "doubt"),
        Flag("factor_varies", "doubt"),
    )
}

#: An end this close to the margin is on it: the last bits of a logarithm decide no verdict.
TOLERANCE = 1e-12


def absence_in(flags: Iterable[str]) -> str | None:
    """Return the flag that says why the mode has no value here, if one does.

    >>> absence_in(["blocks_missing", "all_failed"])
    'all_failed'
    """
    return next((f for f in flags if FLAGS[f].kind == "absence"), None)


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
        A key of :data:`VERDICTS`.
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
