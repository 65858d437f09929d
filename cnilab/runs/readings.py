"""From readings to rows: what a tool said, with where and when it was said, as the tables every stage reads.

The one place where this is done, for a run's trials and for raw output from anywhere else. A trial is its
*identity*, a mapping that holds the columns of the samples table which no tool prints (mode, block, test …), and
its *reading*. Columns are built one value per trial and then stretched over its samples, because a table made row by
row costs more than parsing what is in it. Nothing here decides what a value means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cnilab import measurements
from cnilab.errors import ParseError, RunDirError, UnknownKey
from cnilab.facts import Fact
from cnilab.measurements.base import Reading, Sample
from cnilab.runs import files, raw, schema1, watched
from cnilab.runs import samples as tables
from cnilab.study import Study
from cnilab.study.factors import Level, Treatment
from cnilab.units import unit_of

Trials = Sequence[tuple[Mapping[str, Any], Reading]]

#: Columns that say why there is no value.
REASON = ("reason_code", "reason_args", "reason")
#: Columns that are the reading's own, under the same name.
_SAID = ("tool_version", "status", "duration_s")
#: Columns of the samples table that a trial's meta holds under the same name.
_FROM_META = (
    "trial_id", "block", "slot", "deployment_id", "kernel_path", "placement", "path", "test", "tool",
    "started_at", "wall_s", "round",
)  # fmt: skip
REMARK_COLUMNS = {"trial_id": "string", "remark": "string"}


def tables_of(
    metas: Sequence[Mapping[str, Any]], path: Path, run_id: str, study: Study, states: Mapping[str, int]
) -> tables.Tables:
    """Read the raw bytes of some trials of a run directory into its tables; ``states`` is the machine's, by trial."""
    read = [
        (
            identity_of(meta, run_id, study.varying) | {"machine_state": states.get(meta["trial_id"])},
            reading_of(meta, path / "raw" / meta["trial_id"]),
        )
        for meta in metas
    ]
    levels = {name: study.factors[name] for name in study.varying if name != "mode"}
    return tables.Tables(samples(read, levels), intervals(read), remarks(read))


def samples(trials: Trials, levels: Mapping[str, Sequence[Level]] | None = None) -> pd.DataFrame:
    """Build the samples table; a trial without a value is one row with its status and reason.

    Parameters
    ----------
    trials
        Each trial's identity and reading.
    levels
        Factor -> all levels that the study has, which decide its column's type; by default those in ``trials``.
    """
    kept: list[tuple[Sample, ...]] = [_once(reading.samples) for _, reading in trials]
    spread = np.repeat(np.arange(len(kept)), [max(1, len(each)) for each in kept])
    own: dict[str, list] = {"metric": [], "stat": [], "value": []}
    for each in kept:
        own["metric"] += [s.metric for s in each] or [None]
        own["stat"] += [s.stat for s in each] or [None]
        own["value"] += [s.value for s in each] or [np.nan]
    units = {metric: unit_of(metric) for metric in set(own["metric"]) if metric}
    own["unit"] = [units.get(metric) for metric in own["metric"]]
    why = [tables.reason_columns(reading.fact) for _, reading in trials]
    columns = {}
    for name, dtype in tables.DTYPES.items():
        if name in own:
            columns[name] = pd.array(own[name], dtype=dtype)
        elif name in REASON:
            columns[name] = _column([each[name] for each in why], dtype).take(spread)
        elif name in _SAID:
            columns[name] = _column([getattr(reading, name) for _, reading in trials], dtype).take(spread)
        else:
            absent = False if dtype == "bool" else None
            told = [identity.get(name, absent) for identity, _ in trials]
            columns[name] = _column(told, dtype).take(spread)
    for name in dict.fromkeys(name for identity, _ in trials for name in identity.get("levels", ())):
        own_levels = pd.Series([identity.get("levels", {}).get(name) for identity, _ in trials], dtype=object)
        all_levels = pd.Series((levels or {}).get(name, own_levels), dtype=object)
        columns[name] = own_levels.astype(all_levels.convert_dtypes().dtype).array.take(spread)
    return tables.validate(tables.with_factors(pd.DataFrame(columns)))


def intervals(trials: Trials) -> pd.DataFrame:
    """Build the table of per-interval values; a failed trial's series stands beside its failure."""
    rows = [
        {
            "run_id": identity["run_id"],
            "trial_id": identity["trial_id"],
            "unit": unit_of(i.metric),
            **i._asdict(),
        }
        for identity, reading in trials
        for i in reading.intervals
    ]
    return tables.intervals_from_rows(rows)


def remarks(trials: Trials) -> pd.DataFrame:
    """Return what the readers remarked on values that stand, one row per remark."""
    rows = [
        {"trial_id": identity["trial_id"], "remark": note}
        for identity, reading in trials
        if reading.status == "ok"
        for note in reading.notes
    ]
    return tables.typed(rows, REMARK_COLUMNS)


def identity_of(meta: Mapping[str, Any], run_id: str, varying: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns that a trial's ``meta.json`` tells, and under ``levels`` those of factors that vary.

    ``machine_state`` follows from all trials of a run and is told by it.
    """
    treatment = Treatment.from_dict(meta["treatment"])
    levels = {**treatment.levels, **meta["levels"]}
    return {
        "run_id": run_id,
        "mode": treatment.mode,
        "twin": treatment.twin,
        "levels": {name: levels.get(name) for name in varying if name != "mode"},
        "raw_path": f"raw/{meta['trial_id']}/client.out" if meta.get("client_argv") else None,
        "disturbed": watched.cause_of(meta.get("disturbed")),
        **{name: meta.get(name) for name in _FROM_META},
    }


def reading_of(meta: Mapping[str, Any], folder: Path) -> Reading:
    """Return what a trial measured, read from the raw bytes in ``folder``, or why it has no value."""
    if meta["status"] != "ok":
        return Reading(status=meta["status"], reason=schema1.read(meta["reason"]) or Fact("no_reason"))
    try:
        if changed := raw.changed(folder.parents[1], meta):
            return Reading(status="failed", reason=changed)
        files.check(folder, folder.parents[1])
        read = measurements.measurement(meta["tool"]).read(folder)
    except RunDirError as error:
        return Reading(status="failed", reason=Fact("raw_output_unreadable", quoted=str(error)))
    except OSError as error:
        return Reading(status="failed", reason=Fact("raw_output_unreadable", quoted=error.strerror))
    except (ParseError, UnknownKey) as error:
        return Reading(status="failed", reason=Fact("output_not_understood", quoted=str(error)))
    if len(read) > 1:
        return Reading(status="failed", reason=Fact("several_results", {"count": len(read)}))
    if not read or (read[0].status == "ok" and not read[0].samples):
        return Reading(status="failed", reason=Fact("no_result"))
    for sample in read[0].samples:
        if not math.isfinite(sample.value) or tables.impossible(sample.metric, sample.value):
            about = {"metric": sample.metric, "stat": sample.stat, "value": repr(sample.value)}
            return Reading(status="failed", reason=Fact("impossible_value", about))
    return read[0]


def _once(said: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Keep the first of two values of one metric and stat: a value is recorded once, whatever is printed twice."""
    if len(said) < 2:
        return said
    return tuple({(s.metric, s.stat): s for s in reversed(said)}.values())[::-1]


def _column(values: list, dtype: str) -> Any:
    if dtype == "float64":
        return np.asarray([np.nan if v is None else v for v in values], dtype=dtype)
    return pd.array(values, dtype=dtype)
