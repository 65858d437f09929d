"""Reading a frame: the columns the statistics need, checked, and coded as integers.

Everything after this works on integer codes and ``np.bincount``, which is what makes a million rows cheap.
Names are coded in sorted order, so that the order of rows never shows in a result. What the codes mean, and
what is a cell, is :mod:`cnilab.stats.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.layout import natural
from cnilab.runs.samples import with_codes
from cnilab.runs.schema1 import with_levels

SCENARIO = ("test", "placement", "path")
#: Columns that ought not to vary within a comparison.
VARYING = ("tool", "tool_version")


@dataclass(frozen=True)
class Coded:
    """A column as integers: ``names[codes]``, -1 for missing."""

    codes: np.ndarray
    names: list


def code(
    column: pd.Series, *, sort: bool = True, key: Callable[[Any], Any] = lambda name: name
) -> Coded:
    """Code a column, by sorted value unless told otherwise."""
    codes, names = pd.factorize(column, sort=False)
    names = list(names)
    if sort:  # by value, so that the order of rows never shows in a result
        try:
            order = sorted(range(len(names)), key=lambda i: key(names[i]))
        except TypeError:
            order = sorted(range(len(names)), key=lambda i: str(names[i]))
        place = np.empty(len(names) + 1, dtype=np.int64)
        place[order] = np.arange(len(names))
        place[-1] = -1
        codes, names = place[codes], [names[i] for i in order]
    return Coded(np.asarray(codes, dtype=np.int64), names)


def tidy(samples: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with every column the statistics read, from a samples table or a bare one.

    A bare frame needs ``block``, ``mode`` and ``value``; ``metric``, ``stat``, ``test``, ``placement``,
    ``path``, ``twin``, ``run`` (or ``trial_id``), ``status``, ``reason``, ``unit``, ``kernel_path`` are read if there.

    Raises
    ------
    DataError
        If there are no rows, a needed column is absent, or block or mode is missing in a row.
    """
    if not isinstance(samples, pd.DataFrame):
        raise DataError(
            f"a {type(samples).__name__} in place of a table; cnilab.load(PATH).samples is one, and so is any "
            "DataFrame with the columns block, mode, value"
        )
    need = [c for c in ("block", "mode", "value") if c not in samples]
    if need:
        raise DataError(
            f"columns {need} are absent; a comparison needs block, mode and value (and takes metric, "
            "placement, test, path, stat, run, status, reason if they are there)"
        )
    if samples.empty:
        raise DataError(
            "the table has no rows; `cnilab run STUDY.yaml` makes one, `cnilab load PATH` reads one"
        )
    frame = with_levels(with_codes(samples.reset_index(drop=True)))
    extra: dict[str, object] = {}
    if "metric" not in frame:
        extra["metric"] = "value"
    if "stat" not in frame:
        extra["stat"] = "value"
    extra |= {c: "" for c in SCENARIO if c not in frame}
    if "status" not in frame:
        extra["status"] = "ok"
    extra |= {
        c: None for c in ("unit", "kernel_path", "run_id", "duration_s", *VARYING) if c not in frame
    }
    if "trial_id" not in frame:
        extra["trial_id"] = frame.get("run", "")
    frame = frame.assign(**extra)
    frame = frame.assign(block=as_labels(frame["block"]), mode=as_labels(frame["mode"]))
    for column in ("block", "mode", "trial_id"):
        if (gone := frame[column].isna()).any():
            raise DataError(f"{column} is missing in row {int(np.flatnonzero(gone)[0])}; every row needs one")
    ok = (frame["status"] == "ok").to_numpy(dtype=bool, na_value=False)
    if (unnamed := ok & frame["metric"].isna().to_numpy()).any():
        raise DataError(f"metric is missing in row {int(np.flatnonzero(unnamed)[0])}, whose status is ok")
    return frame


def as_labels(column: pd.Series) -> pd.Series:
    """Return a column of names as text where its values are of mixed types: ``1``, ``1.0`` and ``"1"`` are one name."""
    if isinstance(column.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(column.dtype):
        return column
    codes, names = pd.factorize(column, sort=False)
    labels = [_label(name) for name in names]
    if all(label is name for label, name in zip(labels, names)):
        return column
    return pd.Series(pd.array([*labels, None], dtype="string").take(codes), index=column.index)


def _label(name: object) -> str:
    if isinstance(name, (float, np.floating)) and float(name).is_integer():
        name = int(name)
    return name if isinstance(name, str) else str(name)


def read_values(frame: pd.DataFrame, ok: np.ndarray) -> np.ndarray:
    """Return the values as float64, finite in ok rows and NaN in all others; else raise DataError."""
    try:
        values = pd.to_numeric(frame["value"]).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"the value column holds something that is not a number: {error}") from error
    if (bad := ok & ~np.isfinite(values)).any():
        i = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"value {float(values[i])!r} for mode {frame['mode'][i]!r}, block {frame['block'][i]} (row {i}) "
            "with status ok; a value that could not be read has status failed, a reason and no value"
        )
    if (ghost := ~ok & ~np.isnan(values)).any():
        i = int(np.flatnonzero(ghost)[0])
        raise DataError(
            f"value {float(values[i])!r} in row {i}, status {frame['status'][i]!r}; only ok rows have one"
        )
    return values


def block_codes(frame: pd.DataFrame) -> Coded:
    """Code blocks in time order. Equal numbers in two runs of a study are two blocks."""
    block = code(frame["block"], key=lambda name: natural(str(name)))
    if not frame["run_id"].notna().any():
        return Coded(block.codes, [str(name) for name in block.names])
    run = code(frame["run_id"].fillna(""))
    if len(run.names) > 1 and "started_at" in frame and frame["started_at"].notna().any():
        first = frame.groupby(run.codes)["started_at"].min()
        order = sorted(range(len(run.names)), key=lambda i: (str(first[i]), run.names[i]))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        run = Coded(place[run.codes], [run.names[i] for i in order])
    both, codes = np.unique(run.codes * len(block.names) + block.codes, return_inverse=True)
    labels = [(run.names[c // len(block.names)], block.names[c % len(block.names)]) for c in both]
    single = len(run.names) == 1
    return Coded(codes, [str(b) if single else f"{r}/{b}" for r, b in labels])


def refuse_twice(frame: pd.DataFrame, rows: np.ndarray, key: np.ndarray) -> None:
    """Raise DataError if two of ``rows`` have the same ``key``, naming what they are two values of."""
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    if not len(same):
        return
    i = int(rows[order[same[0] + 1]])
    names = ("mode", "block", "metric", "stat", "test", "placement", "trial_id")
    where = [f"{c}={frame[c][i]}" for c in names if not pd.isna(frame[c][i]) and frame[c][i] != ""]
    raise DataError(
        f"two values for {', '.join(where)} (row {i} is the second); a value is recorded once. If they are "
        "runs of one deployment, add a column `run` that tells them apart"
    )


def joint(codes: list[np.ndarray], sizes: list[int]) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Code the combinations that occur; returns a code a row and the parts of each code."""
    flat = (
        np.ravel_multi_index(codes, [max(1, n) for n in sizes])
        if len(codes[0])
        else np.empty(0, dtype=np.int64)
    )
    seen, codes_ = np.unique(flat, return_inverse=True)
    parts = np.unravel_index(seen, [max(1, n) for n in sizes]) if len(seen) else [[]] * len(sizes)
    return codes_, [tuple(int(p) for p in at) for at in zip(*parts)]
