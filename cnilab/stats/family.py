"""What was declared, and which comparisons are protected together.

A family is formed from what was *planned*: its size never depends on which trials worked or on which rows
somebody looks at. Adjusting p-values is :mod:`cnilab.stats.multiplicity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cnilab.errors import DataError, UnknownKey
from cnilab.stats.cells import AA_SUFFIX, Cells
from cnilab.stats.frame import tidy

#: Which stat a declared metric means if the study does not say.
STAT_ORDER = ("value", "p50", "mean")


def declare(
    samples: pd.DataFrame, primary: Mapping[str, Any]
) -> tuple[tuple[str | None, str, str], dict[str, Any]]:
    """Return the declared ``(test, metric, stat)`` in full, and the placement and path it is restricted to.

    A stat that is not declared is the first of ``value``, ``p50``, ``mean`` that the metric has.

    Raises
    ------
    UnknownKey
        If the test, the metric or the stat is not in the table although its test has values.
    DataError
        If no metric is named.
    """
    allowed = ("test", "metric", "placement", "path", "stat")
    if odd := [k for k in primary if k not in allowed]:
        raise UnknownKey("key of primary", odd[0], allowed)
    if not primary.get("metric"):
        raise DataError(f"primary {dict(primary)!r} names no metric; it needs at least test and metric")
    frame = tidy(samples)
    tests = sorted(str(t) for t in frame["test"].dropna().unique() if t)
    test = primary.get("test")
    if test is None and len(tests) == 1:
        test = tests[0]
    if (test is None and tests) or (test is not None and test not in tests):
        raise UnknownKey("primary test", test, tests)
    here = frame if test is None else frame[frame["test"] == test]
    ok = here[here["status"] == "ok"]
    there = ok[ok["metric"] == primary["metric"]]
    if there.empty and len(ok):
        raise UnknownKey(
            "primary metric", primary["metric"], sorted(map(str, ok["metric"].dropna().unique()))
        )
    stats = set(there["stat"].dropna())
    stat = primary.get("stat") or next((s for s in STAT_ORDER if s in stats), STAT_ORDER[0])
    if stats and stat not in stats:
        raise UnknownKey("primary stat", stat, sorted(map(str, stats)))
    within = {k: primary[k] for k in ("placement", "path") if primary.get(k) is not None}
    for key, value in within.items():
        if value not in (known := sorted(map(str, here[key].dropna().unique()))):
            raise UnknownKey(f"primary {key}", value, known)
    return (test, str(primary["metric"]), str(stat)), within


def compared_modes(cells: Cells, baseline: str) -> list[str]:
    """Return the modes to compare with the baseline: all but itself and the controls."""
    if baseline not in cells.modes:
        raise UnknownKey("baseline", baseline, cells.modes)
    own = controls(cells)
    compared = [m for m in cells.modes if m != baseline and m not in own]
    if not compared and not own:
        raise DataError(
            f"only {baseline!r} was measured; a comparison needs a second mode in the same blocks"
        )
    return compared


def controls(cells: Cells) -> list[str]:
    """Return the blind labels: those that are another mode's name with ``#aa`` behind it."""
    return [m for m in cells.modes if m.endswith(AA_SUFFIX) and m.removesuffix(AA_SUFFIX) in cells.modes]


def scenarios_planned(cells: Cells, placements: Sequence[str] | None) -> dict[str | None, set[tuple]]:
    """Return, a test, the (placement, path) in which it was planned."""
    out: dict[str | None, set[tuple]] = {}
    for t in cells.tables:
        out.setdefault(t.test, set()).add((("placement", t.placement), ("path", t.path)))
    for planned in out.values():
        paths = {where[1] for where in planned}
        planned |= {(("placement", p), path) for p in placements or () for path in paths}
    return out
