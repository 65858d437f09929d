"""Comparisons of whatever people have: a run directory, a samples table, or a bare CSV.

Chooses what the study declared (baseline, margin, primary family, planned modes) where there is a study, and
says so where there is none. The numbers are :mod:`cnilab.stats`' own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cnilab import samples as tables
from cnilab.archive import RunDir
from cnilab.errors import DataError
from cnilab.stats import Comparisons, compare

BARE = ("block", "mode", "value")


def compare_source(
    source: str | Path, *, baseline: str | None = None, margin: float | None = None, **view: str | None
) -> Comparisons:
    """Compare the modes in ``source``.

    Parameters
    ----------
    source
        A run directory, a samples table (parquet or CSV), or a CSV with the columns ``block, mode, value``.
    baseline, margin
        Override what the study declared; a margin chosen now is marked as such.
    view
        ``metric``, ``test``, ``placement``: which rows to show; no number depends on it.

    Raises
    ------
    DataError
        If the table breaks its contract, or the baseline is not to be had.
    """
    path = Path(source)
    chosen: dict[str, Any] = {k: v for k, v in view.items() if v is not None}
    if path.is_dir():
        return compare_run(RunDir.open(path), baseline=baseline, margin=margin, **chosen)
    if not path.exists():
        raise DataError(f"nothing at {path}; give a run directory, a .parquet or a .csv")
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    bare = not set(tables.COLUMNS) <= set(frame.columns)
    if bare and not set(BARE) <= set(frame.columns):
        raise DataError(
            f"{path} has the columns {', '.join(map(str, frame.columns))}; needed are {', '.join(BARE)}"
        )
    data = frame if bare else tables.read(path)
    return compare(data, _baseline(data, baseline), margin=0.05 if margin is None else margin, **chosen)


def compare_run(
    run: RunDir, *, baseline: str | None = None, margin: float | None = None, **view: Any
) -> Comparisons:
    """Compare the modes of a run as its study declared it before the first trial."""
    study, manifest = run.study, run.manifest
    return compare(
        run.samples(),
        baseline or study.baseline,
        margin=study.margin if margin is None else margin,
        alpha=study.alpha,
        primary=study.primary.model_dump(),
        planned_modes=study.modes,
        planned_placements=study.placements,
        margin_declared=margin is None or margin == study.margin,
        sequential=study.stop is not None,
        intervals=run.intervals(),
        provenance=manifest["provenance"],
        **view,
    )


def _baseline(data: pd.DataFrame, asked: str | None) -> str:
    present = list(dict.fromkeys(data["mode"].dropna().astype(str)))
    if asked is not None:
        if asked not in present:
            raise DataError(f"baseline {asked!r} is not in the data; it has {', '.join(present)}")
        return asked
    if "host" in present:
        return "host"
    raise DataError(f"no baseline named and no mode 'host'; add --baseline, one of {', '.join(present)}")
