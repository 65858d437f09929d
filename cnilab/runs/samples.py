"""The tidy table every stage reads: one row a trial x metric x stat, and the per-interval series beside it.

This module owns columns, dtypes, units and the rule that *missing is never zero*: a value that could not be
read has a status, a reason and no value. It does not read tools' output (:mod:`cnilab.measurements`) and does not
judge values (:mod:`cnilab.findings`).

Schema history, newest first
----------------------------
1  first version
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.runs.files import replacing

SCHEMA_VERSION = 1

STATUSES = ("ok", "failed", "skipped", "timeout")
PLACEMENTS = ("same_node", "same_subnet", "cross_subnet")
PATHS = ("pod_to_pod", "pod_to_service", "host_to_host")
KERNEL_PATHS = ("native", "ebpf", "userspace")
STATS = ("value", "mean", "min", "p50", "p90", "p99", "p999", "max", "stddev")

#: Column -> dtype, in the order of the file. ``string`` columns may be missing only where NULLABLE says so.
COLUMNS = {
    "run_id": "string",
    "trial_id": "string",
    "block": "int64",
    "slot": "int64",
    "deployment_id": "string",
    "mode": "string",
    "kernel_path": "string",
    "placement": "string",
    "path": "string",
    "test": "string",
    "tool": "string",
    "tool_version": "string",
    "metric": "string",
    "stat": "string",
    "value": "float64",
    "unit": "string",
    "status": "string",
    "reason": "string",
    "started_at": "string",
    "duration_s": "float64",
    "raw_path": "string",
}
NULLABLE = {
    "kernel_path", "tool_version", "metric", "stat", "value", "unit", "reason", "started_at", "duration_s",
    "raw_path",
}  # fmt: skip
#: What identifies a value. ``mode`` may be a blind label (``host#aa``) for the A/A control.
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


def empty() -> pd.DataFrame:
    """Return a samples table with no rows and the right columns and dtypes."""
    return _typed([], COLUMNS)


def _typed(rows: list[dict] | pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns)) if not isinstance(rows, pd.DataFrame) else rows
    frame = frame.reindex(columns=list(columns)).astype(columns)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame


def from_rows(rows: list[dict]) -> pd.DataFrame:
    """Build and validate a samples table from dicts; absent keys are missing values."""
    return validate(_typed(rows, COLUMNS))


def intervals_from_rows(rows: list[dict]) -> pd.DataFrame:
    """Build the table of per-interval values; ``t`` is seconds since the trial's start."""
    return _typed(rows, INTERVAL_COLUMNS)


def validate(samples: pd.DataFrame) -> pd.DataFrame:
    """Check a samples table against the contract and return it unchanged.

    Parameters
    ----------
    samples
        One row a trial x metric x stat, columns as in :data:`COLUMNS`.

    Raises
    ------
    DataError
        Naming the first column, key or value that breaks the contract.
    """
    missing = [c for c in COLUMNS if c not in samples]
    if missing:
        raise DataError(f"samples table lacks the columns {missing}; it needs {list(COLUMNS)}")
    for column, allowed in (
        ("status", STATUSES),
        ("placement", PLACEMENTS),
        ("path", PATHS),
        ("kernel_path", KERNEL_PATHS),
        ("stat", STATS),
    ):
        bad = samples[column].dropna()
        bad = bad[~bad.isin(allowed)]
        if len(bad):
            raise DataError(f"{column} {bad.iloc[0]!r} in row {bad.index[0]}; allowed: {', '.join(allowed)}")
    for column in COLUMNS:
        if column not in NULLABLE and samples[column].isna().any():
            raise DataError(f"{column} is missing in row {samples.index[samples[column].isna()][0]}")
    ok = samples["status"] == "ok"
    values = samples["value"].to_numpy(dtype=float, na_value=np.nan)
    if (bad_ok := ok & ~np.isfinite(values)).any():
        row = samples[bad_ok].iloc[0]
        raise DataError(f"trial {row.trial_id}, metric {row.metric}: status ok but value {row.value!r}")
    if (ghost := ~ok & ~np.isnan(values)).any():
        row = samples[ghost].iloc[0]
        raise DataError(f"trial {row.trial_id}: status {row.status} must have no value, it has {row.value!r}")
    if (mute := ~ok & samples["reason"].isna()).any():
        row = samples[mute].iloc[0]
        raise DataError(f"trial {row.trial_id}: status {row.status} without a reason")
    if (twice := samples.duplicated(list(KEY))).any():
        row = samples[twice].iloc[0]
        raise DataError(
            "two rows for " + ", ".join(f"{k}={row[k]}" for k in KEY) + "; a value is recorded once"
        )
    return samples


def write(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table to parquet (or CSV by the file's ending), replacing the file in one step."""
    path = Path(path)
    with replacing(path) as part:
        if path.suffix == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
    return path


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
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return validate(_typed(frame, COLUMNS))
