"""The seven verdicts, and the flags that qualify one: codes, and what holds of each whatever the language.

"The same", "different" and "cannot tell yet" are three answers and are never mixed. What they mean in words is the
report's language's; how one is decided is :mod:`cnilab.stats.verdict`'s.
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
        Flag("not_interleaved", "note", bars=True),
        Flag("identical_values", "note", bars=True),
        Flag("none_in_either", "note"),
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
        Flag("unsteady_short", "doubt"),
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
        Flag("states_differ", "doubt"),
        Flag("disturbed", "doubt"),
    )
}


def absence_in(flags: Iterable[str]) -> str | None:
    """Return the flag that says why the mode has no value here, if one does.

    >>> absence_in(["blocks_missing", "all_failed"])
    'all_failed'
    """
    return next((f for f in flags if FLAGS[f].kind == "absence"), None)
