"""What else the machine did during a run's trials, as a table, from what each trial's record keeps of its watch.

A record may come from anywhere: what is missing or of another kind is missing here. How it was taken is
:mod:`cnilab.testbeds.watch`'s, what follows from it :mod:`cnilab.stats.strata`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from cnilab.runs.samples import typed

#: ``before_s``, ``after_s``: the wake-up reference at a trial's ends; ``foreign_cpus``, ``steal_cpus``: CPUs' worth of
#: work that was not the run's; ``disturbers``: names of those who did most of it, joined by ``, ``.
COLUMNS = {
    "trial_id": "string",
    "started_at": "string",
    "before_s": "float64",
    "after_s": "float64",
    "foreign_cpus": "float64",
    "steal_cpus": "float64",
    "disturbers": "string",
    "disturbed": "string",
}


def table(metas: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per watched trial, in the order of time, with the columns of :data:`COLUMNS`."""
    rows = []
    for meta in metas:
        record = meta.get("watch")
        if not isinstance(record, Mapping):
            continue
        wall = _number(record.get("wall_s")) or math.nan
        named = record.get("disturbers")
        names = (
            [str(d.get("name")) for d in named if isinstance(d, Mapping)] if isinstance(named, list) else []
        )
        cause = meta.get("disturbed")
        rows.append(
            {
                "trial_id": meta["trial_id"],
                "started_at": meta.get("started_at"),
                "before_s": _end(record, "before"),
                "after_s": _end(record, "after"),
                "foreign_cpus": _number(record.get("foreign_cpu_s")) / wall,
                "steal_cpus": _number(record.get("steal_s")) / wall,
                "disturbers": ", ".join(names) or None,
                "disturbed": cause_of(cause),
            }
        )
    return typed(sorted(rows, key=lambda row: str(row["started_at"])), COLUMNS)


def cause_of(fact: Any) -> str | None:
    """Return the short code of what disturbed a trial (``foreign_cpu``), None where nothing did."""
    code = fact.get("code") if isinstance(fact, Mapping) else None
    return code.partition(".")[2] or code if isinstance(code, str) else None


def _end(record: Mapping[str, Any], name: str) -> float:
    end = record.get(name)
    value = _number(end.get("wake_up_s")) if isinstance(end, Mapping) else math.nan
    return value if value > 0 else math.nan


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
