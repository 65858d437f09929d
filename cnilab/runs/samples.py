"""The tidy table every stage reads: one row per trial x metric x stat, and the per-interval series beside it.

This module owns columns, dtypes, units and the rule that *missing is never zero*: a value that could not be
read has a status, a reason and no value. It does not read tools' output (:mod:`cnilab.measurements`) and does not
judge values (:mod:`cnilab.findings`).

Schema history, newest first
----------------------------
2  ``round`` is the pass over a block's deployments, ``disturbed`` what else the machine did in the trial (a code),
   ``machine_state`` the stratum that its references tell, 0 for the fastest; ``twin`` marks the baseline's blind copy,
   and each factor that a study varies beside the mode has a column of its own behind these; why a row has no value is
   a code (``reason_code``) with arguments (``reason_args``), and ``reason`` holds quoted words only; ``wall_s`` is how
   long the tool's process ran; ``duration_s`` is the time the tool itself measured
1  first version; ``duration_s`` is the process's time in a run, and the tool's in a loaded table

A file of an older schema is read: what it lacks is filled as :data:`COLUMNS` says, and what it holds stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cnilab.errors import DataError, RunDirError
from cnilab.facts import Fact
from cnilab.runs import files, schema1
from cnilab.runs.files import replacing

SCHEMA_VERSION = 2

STATUSES = ("ok", "failed", "skipped", "timeout")
PLACEMENTS = ("same_node", "same_subnet", "cross_subnet")
PATHS = ("pod_to_pod", "pod_to_service", "host_to_host")
KERNEL_PATHS = ("native", "ebpf", "userspace")
STATS = ("value", "mean", "min", "p50", "p90", "p99", "p999", "max", "stddev")


#: Metrics of which a trial has a distribution and so no single value.
SPREAD = ("rtt_s", "latency_s")


@dataclass(frozen=True)
class Column:
    """One column of the samples table.

    Parameters
    ----------
    dtype
        Its pandas dtype.
    nullable
        Whether a row may lack it.
    since
        The schema that has it first.
    older
        What it is in the file of an older schema, made of the columns that file has; None: missing.
    """

    dtype: str
    nullable: bool = False
    since: int = 1
    older: Callable[[pd.DataFrame], Any] | None = None


def _wall_time(frame: pd.DataFrame) -> pd.Series:
    """Schema 1 has a run's process times (and only those rows have a start) as ``duration_s``."""
    return frame["duration_s"].where(frame["started_at"].notna())


#: In the order of the file.
COLUMNS: dict[str, Column] = {
    "run_id": Column("string"),
    "trial_id": Column("string"),
    "block": Column("int64"),
    "slot": Column("int64"),
    "deployment_id": Column("string"),
    "mode": Column("string"),
    "twin": Column("bool", since=2),
    "kernel_path": Column("string", nullable=True),
    "placement": Column("string"),
    "path": Column("string"),
    "test": Column("string"),
    "tool": Column("string"),
    "tool_version": Column("string", nullable=True),
    "metric": Column("string", nullable=True),
    "stat": Column("string", nullable=True),
    "value": Column("float64", nullable=True),
    "unit": Column("string", nullable=True),
    "status": Column("string"),
    "reason_code": Column("string", nullable=True, since=2),
    "reason_args": Column("string", nullable=True, since=2),
    "reason": Column("string", nullable=True),
    "started_at": Column("string", nullable=True),
    "duration_s": Column("float64", nullable=True),
    "wall_s": Column("float64", nullable=True, since=2, older=_wall_time),
    "raw_path": Column("string", nullable=True),
    "round": Column("Int64", nullable=True, since=2),
    "disturbed": Column("string", nullable=True, since=2),
    "machine_state": Column("Int64", nullable=True, since=2),
}
DTYPES = {name: column.dtype for name, column in COLUMNS.items()}
#: What identifies a value.
KEY = ("run_id", "trial_id", "metric", "stat")

INTERVAL_COLUMNS = {
    "run_id": "string",
    "trial_id": "string",
    "t_start_s": "float64",
    "t_end_s": "float64",
    "metric": "string",
    "value": "float64",
    "unit": "string",
    "omitted": "bool",
}


class Tables(NamedTuple):
    """What the raw bytes of trials say: values, series, and what the readers remarked on values that stand."""

    samples: pd.DataFrame
    intervals: pd.DataFrame
    remarks: pd.DataFrame


def empty() -> pd.DataFrame:
    """Return a samples table with no rows and the right columns and dtypes."""
    return typed([], DTYPES)


def typed(rows: list[dict] | pd.DataFrame, dtypes: dict[str, str]) -> pd.DataFrame:
    """Return rows or a frame with exactly these columns and dtypes; absent ones are missing values, or False."""
    frame = pd.DataFrame(rows, columns=list(dtypes)) if not isinstance(rows, pd.DataFrame) else rows
    frame = frame.reindex(columns=list(dtypes))
    no = {name: frame[name].eq(True).fillna(False) for name, dtype in dtypes.items() if dtype == "bool"}
    frame = frame.assign(**no).astype(dtypes)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame


def is_samples(frame: pd.DataFrame) -> bool:
    """Whether a frame is a samples table, of this schema or an older one."""
    return {name for name, column in COLUMNS.items() if column.since == 1} <= set(frame.columns)


def upgrade(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table of an older schema with the columns it lacks, as :data:`COLUMNS` says.

    Raises
    ------
    DataError
        If it was written by a newer schema, which this code cannot read.
    """
    if (version := frame.attrs.get("schema_version", 1)) > SCHEMA_VERSION:
        raise DataError(
            f"samples table of schema {version}; this cnilab reads up to {SCHEMA_VERSION}, install a newer one"
        )
    frame = schema1.with_levels(with_codes(frame))
    filled = {
        name: column.older(frame)
        for name, column in COLUMNS.items()
        if name not in frame and column.older is not None
    }
    return frame.assign(**filled)


def from_rows(rows: list[dict]) -> pd.DataFrame:
    """Build and validate a samples table from dicts; absent keys are missing values, others are factors."""
    return validate(with_factors(pd.DataFrame(rows)))


def with_factors(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the columns of the table in order, and behind them those of factors that vary."""
    levels = {str(c): frame[c].convert_dtypes() for c in frame.columns if c not in DTYPES}
    out = typed(frame, DTYPES).assign(**levels)
    out.attrs["schema_version"] = SCHEMA_VERSION
    return out


def intervals_from_rows(rows: list[dict]) -> pd.DataFrame:
    """Build the table of per-interval values; ``t`` is seconds since the trial's start."""
    return typed(rows, INTERVAL_COLUMNS)


def reason_columns(fact: Fact | None) -> dict[str, str | None]:
    """Return the columns that hold why a row has no value: code, arguments as JSON, and quoted words."""
    if fact is None:
        return {"reason_code": None, "reason_args": None, "reason": None}
    args = (
        json.dumps(fact.to_dict().get("args", {}), ensure_ascii=False, sort_keys=True) if fact.args else None
    )
    return {"reason_code": fact.code, "reason_args": args, "reason": fact.quoted}


def reason_of(row: Mapping[str, Any]) -> Fact | None:
    """Return why a row has no value.

    >>> fact = Fact("timeout", {"tool": "iperf3", "limit_s": 16.0})
    >>> reason_of(reason_columns(fact)) == fact
    True
    """
    code, args, quoted = (
        None if pd.isna(row[c]) else str(row[c]) for c in ("reason_code", "reason_args", "reason")
    )
    return None if code is None else Fact(code, json.loads(args) if args else {}, quoted)


def with_codes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which each reason is a code; schema 1 and bare frames have sentences."""
    if "reason_code" in frame:
        return frame
    if "reason" not in frame or not frame["reason"].notna().any():
        return frame.assign(reason_code=None, reason_args=None, reason=None)
    known = {text: reason_columns(schema1.fact_of(str(text))) for text in frame["reason"].dropna().unique()}
    none = reason_columns(None)
    columns = [known.get(text, none) if isinstance(text, str) else none for text in frame["reason"]]
    return frame.assign(**{name: [c[name] for c in columns] for name in none})


def validate(samples: pd.DataFrame) -> pd.DataFrame:
    """Check a samples table against the contract and return it unchanged.

    Parameters
    ----------
    samples
        One row per trial x metric x stat, columns as in :data:`COLUMNS`.

    Raises
    ------
    DataError
        Naming the first column, key or value that breaks the contract.
    """
    missing = [c for c in COLUMNS if c not in samples]
    if missing:
        raise DataError(f"samples table lacks the columns {missing}; it needs {list(COLUMNS)}")
    for name, allowed in (
        ("status", STATUSES),
        ("placement", PLACEMENTS),
        ("path", PATHS),
        ("kernel_path", KERNEL_PATHS),
        ("stat", STATS),
    ):
        bad = samples[name].dropna()
        bad = bad[~bad.isin(allowed)]
        if len(bad):
            raise DataError(f"{name} {bad.iloc[0]!r} in row {bad.index[0]}; allowed: {', '.join(allowed)}")
    for name, about in COLUMNS.items():
        if not about.nullable and samples[name].isna().any():
            raise DataError(f"{name} is missing in row {samples.index[samples[name].isna()][0]}")
    ok = samples["status"] == "ok"
    values = samples["value"].to_numpy(dtype=float, na_value=np.nan)
    if (bad_ok := ok & ~np.isfinite(values)).any():
        row = samples[bad_ok].iloc[0]
        raise DataError(f"trial {row.trial_id}, metric {row.metric}: status ok but value {row.value!r}")
    if (wrong := ok & np.asarray([impossible(m, v) for m, v in zip(samples["metric"], values)], bool)).any():
        row = samples[wrong].iloc[0]
        raise DataError(f"trial {row.trial_id}, metric {row.metric}: a value of {row.value!r} cannot be")
    if (ghost := ~ok & ~np.isnan(values)).any():
        row = samples[ghost].iloc[0]
        raise DataError(f"trial {row.trial_id}: status {row.status} must have no value, it has {row.value!r}")
    if (mute := ~ok & samples["reason_code"].isna()).any():
        row = samples[mute].iloc[0]
        raise DataError(f"trial {row.trial_id}: status {row.status} without a reason")
    if (twice := samples.duplicated(list(KEY))).any():
        row = samples[twice].iloc[0]
        raise DataError(
            "two rows for " + ", ".join(f"{k}={row[k]}" for k in KEY) + "; a value is recorded once"
        )
    return samples


def impossible(metric: object, value: float) -> bool:
    """Whether no measurement of ``metric`` can give ``value``: nothing is negative, and no loss is more than all.

    >>> impossible("rtt_s", -0.001), impossible("loss_ratio", 1.2), impossible("cpu_client_ratio", 1.2)
    (True, True, False)
    """
    return value < 0 or (value > 1 and metric == "loss_ratio")


def write(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table to parquet (or CSV by the file's ending), replacing the file in one step."""
    path = Path(path)
    with replacing(path) as part:
        if path.suffix == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
    return path


@contextmanager
def writing(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield a function that adds rows to a parquet file, which takes its place in one step when all are there."""
    import pyarrow as pa  # here: only writers need it
    import pyarrow.parquet as pq

    with replacing(path) as part, ExitStack() as until:
        out: list[pq.ParquetWriter] = []

        def add(frame: pd.DataFrame) -> None:
            if not out:
                schema = pa.Schema.from_pandas(frame, preserve_index=False)
                attrs = {b"PANDAS_ATTRS": json.dumps(frame.attrs).encode()} if frame.attrs else {}
                schema = schema.with_metadata({**(schema.metadata or {}), **attrs})
                out.append(until.enter_context(pq.ParquetWriter(part, schema)))
            out[0].write_table(pa.Table.from_pandas(frame, schema=out[0].schema, preserve_index=False))

        yield add


def read(path: str | Path) -> pd.DataFrame:
    """Read a samples table back from a parquet or CSV file, or from a run directory, and validate it.

    Raises
    ------
    DataError
        If there is no such table, or it breaks the contract.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "samples.parquet"
    if not path.exists():
        raise DataError(
            f"no samples table at {path}; `cnilab run` writes one, `cnilab load` makes one from raw output"
        )
    try:
        data = BytesIO(files.read(path.resolve()))
        frame = pd.read_csv(data) if path.suffix == ".csv" else pd.read_parquet(data)
    except (OSError, ValueError, RunDirError) as error:
        raise DataError(f"{path} is no table: {str(error)[:200] or 'it is empty'}") from error
    return upgraded(frame)


def upgraded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a samples table of this schema or an older one, validated, with this schema's columns."""
    if not is_samples(frame):
        return validate(frame)
    try:
        return validate(with_factors(upgrade(frame)))
    except (ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"a samples table with a column of another kind: {error}") from error
