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
from cnilab.loading.tabular import BARE, table
from cnilab.runs.run import Run
from cnilab.stats import Comparisons, Declared, compare
from cnilab.stats.metrics import describe


def compare_source(
    source: str | Path | list[str],
    *,
    baseline: str | None = None,
    margin: float | None = None,
    alpha: float | None = None,
    primary: str | None = None,
    better: str | None = None,
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
    alpha, primary, better
        What a table has nobody to declare for it: the family-wise error rate; the one family that is protected, as
        ``TEST/METRIC`` (or ``METRIC``, and ``/STAT`` behind it); which side, ``higher`` or ``lower``, of a metric is
        better that cnilab does not know. A run has all of these from its study.
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
        if told := [name for name, value in {"--alpha": alpha, "--primary": primary}.items() if value is not None]:
            raise DataError(f"{told[0]}: {path} is a run, and its study declared this before the first trial")
        return _of_run(Run.open(path, verify=verify), tell).compare(baseline=baseline, margin=margin, **view)
    data = None if raw else table(path)
    if data is None:
        data = _loaded(sources, pattern, mapping, tell)
    declared = Declared(primary=_primary(primary), better=_better(data, better, view.get("metric")))
    also = sorted({metric for metric in (view.get("metric"), (declared.primary or {}).get("metric")) if metric})
    found = compare(
        data,
        _baseline(data, baseline),
        margin=0.05 if margin is None else margin,
        alpha=0.05 if alpha is None else alpha,
        declared=declared,
        also=also,
    )
    if not found.rows:
        kept = ", ".join(found.header["not_compared"]) or "none"
        raise DataError(
            f"nothing in {', '.join(sources)} is of a kind that is compared unasked: {kept}; name one with --metric"
        )
    return found.only(**view)


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


def _loaded(
    sources: list[str], pattern: str | None, mapping: Any, tell: Callable[[str], object]
) -> pd.DataFrame:
    """Load raw output, and refuse it where it does not say which mode it is of."""
    if len(sources) == 1 and not any(c in sources[0] for c in "*?[") and not Path(sources[0]).exists():
        raise DataError(f"nothing at {sources[0]}; give a run directory, a .parquet, a .csv or raw output")
    found = load([*sources], pattern=pattern, mapping=mapping)
    rows = found.samples
    if not (rows["status"] == "ok").any():
        raise DataError(
            f"no value to compare in {', '.join(sources)}{_why(found)}. "
            f"A CSV of your own needs the columns {', '.join(BARE)} in its first line"
        )
    if set(rows["mode"]) == {DEFAULTS["mode"]}:
        example = str(found.files.loc[found.files["samples"] > 0, "path"].iloc[0])
        raise DataError(
            f"this output does not say which mode it is of (for example {example}); add --pattern "
            f"'{{mode}}/{{block}}/*' for where that stands in the path, or --mapping FILE. Fields: {', '.join(FIELDS)}"
        )
    tell(repr(found))
    if not _says_block(pattern, mapping):
        tell("  note     no {block} is given: the k-th file of each mode and test is taken for block k")
    return rows


def _says_block(pattern: str | None, mapping: Any) -> bool:
    if pattern is not None and "{block}" in pattern:
        return True
    return mapping is not None and all("block" in fields for _, fields in read_mapping(mapping))


def _why(found: Loaded) -> str:
    reasons = found.files["reason"].dropna()
    return f": {reasons.value_counts().index[0]}; see `cnilab load`" if len(reasons) else ""


def _primary(asked: str | None) -> dict[str, str] | None:
    """Read ``TEST/METRIC/STAT``, of which the metric alone must be there."""
    if asked is None:
        return None
    parts = asked.split("/")
    if len(parts) > 3 or not all(parts):
        raise DataError(f"primary {asked!r}; METRIC, TEST/METRIC or TEST/METRIC/STAT, e.g. tcp_stream/goodput_bps")
    names = ("metric",) if len(parts) == 1 else ("test", "metric", "stat")
    return dict(zip(names, parts))


def _better(data: pd.DataFrame, side: str | None, metric: str | None) -> dict[str, str]:
    """Return which side is better of the metrics asked for, or of all of which nobody knows it."""
    if side is None:
        return {}
    there = ["value"] if "metric" not in data else sorted(map(str, data["metric"].dropna().unique()))
    asked = [metric] if metric else [name for name in there if describe(name).direction is None]
    if not asked:
        raise DataError(f"--{side}-is-better: of {', '.join(there)} it is known which side is better")
    return dict.fromkeys(asked, side)


def _baseline(data: pd.DataFrame, asked: str | None) -> str:
    present = list(dict.fromkeys(data["mode"].dropna().astype(str)))
    if asked is not None:
        if asked not in present:
            raise DataError(f"baseline {asked!r} is not in the data; it has {', '.join(present)}")
        return asked
    if "host" in present:
        return "host"
    raise DataError(f"no baseline named and no mode 'host'; add --baseline, one of {', '.join(present)}")
