"""Comparisons of whatever people have: a run directory, a samples table, a bare CSV, or raw output.

Chooses what the study declared (baseline, margin, primary family, planned modes) where there is a study, and
says so where there is none. Raw output is loaded first (:mod:`cnilab.load`); which mode a file belongs to has to
come from a pattern, a mapping or the output itself. The numbers are :mod:`cnilab.stats`' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cnilab.errors import DataError
from cnilab.loading import Loaded, load
from cnilab.loading.places import FIELDS, read_mapping
from cnilab.loading.table import DEFAULTS
from cnilab.runs import samples as tables
from cnilab.runs.run import Run
from cnilab.stats import Comparisons, compare

BARE = ("block", "mode", "value")


def compare_source(
    source: str | Path | list[str],
    *,
    baseline: str | None = None,
    margin: float | None = None,
    pattern: str | None = None,
    mapping: str | Path | Mapping | None = None,
    tell: Callable[[str], object] = lambda remark: None,
    verify: bool = False,
    **view: str | None,
) -> Comparisons:
    """Compare the modes in ``source``.

    Parameters
    ----------
    source
        A run directory, a samples table (parquet or CSV), a CSV with the columns ``block, mode, value``, or raw
        output: files, folders, globs and archives, one or several.
    baseline, margin
        Override what the study declared; a margin chosen now is marked as such.
    pattern, mapping
        Which mode and block a file of raw output belongs to, as :func:`cnilab.loading.load` takes them.
    tell
        Called with what a reader of the result should know of raw output: what was left out, and why.
    verify
        Hash every raw file of a run directory anew (:class:`cnilab.runs.raw.Raw`).
    view
        ``metric``, ``test``, ``placement``, ``path``: which rows to show; no number depends on it.

    Raises
    ------
    DataError
        If the table breaks its contract, raw output names no mode, or the baseline is not to be had.
    """
    if margin is not None and not 0 < margin < 1:
        raise DataError(f"margin {margin:g}: a share of 1, above 0 and below 1: 0.05 for 5 %")
    sources = [str(one) for one in (source if isinstance(source, list) else [source])]
    path = Path(sources[0])
    raw = pattern is not None or mapping is not None or len(sources) > 1
    if not raw and path.is_dir() and (path / "study.yaml").exists():
        return _of_run(Run.open(path, verify=verify), tell).compare(baseline=baseline, margin=margin, **view)
    data = None if raw else _table(path)
    if data is None:
        data = _loaded(sources, pattern, mapping, tell)
    also = [metric] if (metric := view.get("metric")) else []
    return compare(
        data, _baseline(data, baseline), margin=0.05 if margin is None else margin, also=also
    ).only(**view)


def _of_run(run: Run, tell: Callable[[str], object]) -> Run:
    """Return the run, having told what was changed in it since it was recorded, if there is a value in it."""
    for edit in run.edits:
        tell(f"cnilab: changed after the run began: {edit}")
    if run.altered:
        tell(
            f"cnilab: raw files of {len(run.altered)} trials are not what was recorded; those trials count as "
            f"failed: {', '.join(sorted(run.altered)[:5])}"
        )
    if not (run.samples["status"] == "ok").any():
        raise DataError(
            f"{run.path} has no value to compare yet; "
            f"go on with: cnilab run {run.path / 'study.yaml'} -o {run.path} --resume"
        )
    return run


def _table(path: Path) -> pd.DataFrame | None:
    """Return the samples or the bare table in a file, or None where it is something else."""
    if not path.is_file() or path.suffix not in (".csv", ".parquet"):
        return None
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except ValueError as problem:  # CSV of a tool: rows of different lengths, or bytes that are no text
        if path.suffix == ".csv":
            return None
        raise DataError(f"{path} is no parquet file: {problem}") from problem
    if tables.is_samples(frame):
        return tables.read(path)
    return frame if set(BARE) <= set(frame.columns) else None


def _loaded(
    sources: list[str], pattern: str | None, mapping: Any, tell: Callable[[str], object]
) -> pd.DataFrame:
    """Load raw output, and refuse it where it does not say which mode it is of."""
    if len(sources) == 1 and not any(c in sources[0] for c in "*?[") and not Path(sources[0]).exists():
        raise DataError(f"nothing at {sources[0]}; give a run directory, a .parquet, a .csv or raw output")
    found = load([*sources], pattern=pattern, mapping=mapping)
    table = found.samples
    if not (table["status"] == "ok").any():
        raise DataError(
            f"no value to compare in {', '.join(sources)}{_why(found)}. "
            f"A CSV of your own needs the columns {', '.join(BARE)}"
        )
    if set(table["mode"]) == {DEFAULTS["mode"]}:
        example = str(found.files.loc[found.files["samples"] > 0, "path"].iloc[0])
        raise DataError(
            f"this output does not say which mode it is of (for example {example}); add --pattern "
            f"'{{mode}}/{{block}}/*' for where that stands in the path, or --mapping FILE. Fields: {', '.join(FIELDS)}"
        )
    tell(repr(found))
    if not _says_block(pattern, mapping):
        tell("  note     no {block} is given: the k-th file of each mode and test is taken for block k")
    return table


def _says_block(pattern: str | None, mapping: Any) -> bool:
    if pattern is not None and "{block}" in pattern:
        return True
    return mapping is not None and all("block" in fields for _, fields in read_mapping(mapping))


def _why(found: Loaded) -> str:
    reasons = found.files["reason"].dropna()
    return f": {reasons.value_counts().index[0]}; see `cnilab load`" if len(reasons) else ""


def _baseline(data: pd.DataFrame, asked: str | None) -> str:
    present = list(dict.fromkeys(data["mode"].dropna().astype(str)))
    if asked is not None:
        if asked not in present:
            raise DataError(f"baseline {asked!r} is not in the data; it has {', '.join(present)}")
        return asked
    if "host" in present:
        return "host"
    raise DataError(f"no baseline named and no mode 'host'; add --baseline, one of {', '.join(present)}")
