"""One comparison in the making: its differences, its margin, its family, and what qualifies it.

A check that has something to say returns the :class:`Subject` with one flag more; what the flags mean is written in
:mod:`cnilab.stats.verdict`. The numbers themselves come from :mod:`cnilab.stats.pairs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from cnilab.facts import Fact
from cnilab.stats import strata
from cnilab.stats.cells import Table
from cnilab.stats.interleaving import one_after_the_other
from cnilab.stats.pairs import Family, Pair
from cnilab.stats.steady import LONG_S, UNSTEADY_SHARE
from cnilab.verdicts import FLAGS

#: The reason of a trial whose mode has, by design, no way for its packets.
NOT_CROSSING = "not_crossing"
#: Share of a side's cells that were disturbed and could not be measured again, above which a row says so.
DISTURBED_SHARE = 0.2


class Moving(NamedTuple):
    """The share of a mode's runs that changed level while they ran, and how long a run's series is."""

    share: float
    seconds: float


@dataclass(frozen=True)
class Subject:
    """One comparison on its way to a row, with the flags and the reason it has so far.

    ``by_state`` has shape (states, n): its differences in each state of the machine, none where there was one state.
    """

    table: Table
    mode: str
    baseline: str
    pair: Pair
    used: np.ndarray
    flags: tuple[str, ...]
    reason: Fact | None
    absent: str | None
    kernel_paths: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    outliers: tuple[str, ...] = ()
    by_state: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def flagged(self, *flags: str, **changed: Any) -> Subject:
        """Return it with more flags, and with other fields changed."""
        return replace(self, flags=(*self.flags, *flags), **changed)


def subject(
    table: Table,
    mode: str,
    base: str,
    family: Family,
    lam: float | None,
    kernel_paths: Mapping[str, str] | None = None,
    unsteady: Mapping[tuple, Moving] | None = None,
) -> Subject:
    """Return the comparison of ``mode`` with ``base`` in one table, with all that is known to qualify it.

    ``kernel_paths`` speaks for a mode of which the table says nothing; ``unsteady`` holds the share of runs that
    changed level by (test, placement, path, mode, metric).
    """
    a, b = table.row(mode), table.row(base)
    d, used = table.differences(mode, base)
    flags: list[str] = []
    reason: Fact | None = None
    carried: list[tuple[str, ...]] = []
    for name, row in ((mode, a), (base, b)):
        paths = table.kernel_paths.get(name) or tuple(
            [(kernel_paths or {})[name]] if name in (kernel_paths or {}) else []
        )
        carried.append(paths)
        if set(paths) - {"native"}:
            flags.append("substitute")
        if len(paths) > 1:
            flags.append("kernel_path_varies")
        if len(table.versions.get(name, ())) > 1:
            flags.append("mixed_versions")
        if ((table.runs[row] > 0) & (table.failed[row] > 0)).any():
            flags.append("partial_cells")
        moving = (unsteady or {}).get((table.test, table.placement, table.path, name, table.metric))
        if moving and moving.share > UNSTEADY_SHARE and table.stat in ("value", "mean"):
            if moving.seconds < LONG_S:
                flags.append("unsteady_short")
            else:
                flags.append("unsteady")
                reason = Fact("level_changes", {"mode": name, "share": moving.share})
    if table.versions.get(mode, ()) != table.versions.get(base, ()) and table.versions.get(mode):
        flags.append("mixed_versions")
    if table.started is not None and one_after_the_other(table.started[a], table.started[b]):
        flags.append("not_interleaved")
        reason = Fact("measured_apart", {"mode": mode, "baseline": base})
    unfit = next((table.nonpositive[name] for name in (mode, base) if name in table.nonpositive), None)
    if unfit is not None:  # a ratio of what is left would be of the better half
        flags.append("nonpositive_value")
        reason = Fact("no_ratio", {"value": unfit})
        d, used = d[:0], used[:0]
    by_state = strata.within(*table.by_state, a, b)[1] if table.by_state else np.empty((0, 0))
    if (p := strata.states_differ_p(by_state)) is not None and p <= strata.DIFFER:
        flags.append("states_differ")
    if max((table.disturbed[row] > 0).mean() for row in (a, b)) > DISTURBED_SHARE:
        flags.append("disturbed")
    if unfit is None and len(used) < len(table.blocks):
        flags.append("blocks_missing")
    if table.residue:
        flags.append("factor_varies")
    absent = None
    for name, row in ((mode, a), (base, b)):
        absent = absent or absence(table, name, row)
    if absent is not None:
        flags.append(absent[0])
        reason = absent[1]
    barred = any(FLAGS[flag].bars for flag in flags)
    nothing = table.scale == "linear" and len(used) > 0 and not table.values[[a, b]][:, used].any()
    pair = Pair(d, family, lam, barred, bool(nothing))
    absent_for = absent[0] if absent else None
    carriers = (carried[0], carried[1])
    return Subject(
        table, mode, base, pair, used, tuple(flags), reason, absent_for, carriers, by_state=by_state
    )


def absence(table: Table, mode: str, row: int) -> tuple[str, Fact] | None:
    """Say why a mode has no value at all in this table, as a flag and a reason, or None if it has one."""
    if table.runs[row].any():
        return None
    why = table.reasons.get(mode)
    if not why:
        return "no_rows", Fact("no_value", {"mode": mode, "metric": table.metric, "stat": table.stat})
    reason = Fact("mode_absent", {"mode": mode, "why": commonest(why)})
    if all(fact.code == NOT_CROSSING for fact in why):
        return "does_not_cross_subnets", reason
    return ("all_failed" if table.failed[row].any() else "all_skipped"), reason


def commonest(reasons: Counter[Fact]) -> Fact:
    """Return the reason given most often; of several, always the same one."""
    return max(reasons.items(), key=lambda item: (item[1], item[0].to_json()))[0]
