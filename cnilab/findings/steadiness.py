"""Was the bench still while it measured: within runs, over the blocks, and against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.runs.run import Run
from cnilab.stats import run_checks
from cnilab.stats.assumptions import ALPHA, FEWEST
from cnilab.stats.comparison import Comparison
from cnilab.stats.steady import UNSTEADY_SHARE, unsteady_share
from cnilab.stats.verdict import is_difference


def unsteady(run: Run) -> Iterator[dict]:
    """Level changes within a run, and runs too short to tell."""
    intervals = run.intervals
    if intervals.empty:
        return
    share = unsteady_share(run.samples, intervals)
    for (test, metric), group in share[share["share"] > UNSTEADY_SHARE].groupby(["test", "metric"]):
        shares = [(r.mode, r.placement, float(r.share)) for r in group.itertuples()]
        where = {"test": test} | ({"mode": group["mode"].iloc[0]} if group["mode"].nunique() == 1 else {})
        top = float(group["share"].max())
        yield finding(
            "warning",
            Fact("level_drifts", {"metric": metric, "shares": shares}),
            value=top,
            threshold=UNSTEADY_SHARE,
            remedy=Fact("remedy.longer_trials"),
            **where,
        )
    for test, group in share.groupby("test"):
        unknown, runs = int(group["unknown"].sum()), int(group["runs"].sum())
        if unknown:
            unclear = Fact("steadiness_unknown", {"series": unknown, "of": runs})
            remedy = Fact("remedy.duration", {"seconds": 10})
            yield finding("info", unclear, value=unknown, test=test, remedy=remedy)


#: Check of :mod:`cnilab.stats.assumptions` -> the fact it is stated as once it is flagged.
_MOVED: dict[str, Callable[[dict], Fact]] = {
    "drift": lambda about: Fact("drift", about),
    "lag_one": lambda about: Fact("neighbours_alike", about),
    "change_point": lambda about: Fact("step", about),
    "position": lambda about: Fact("position_matters", about),
}


def bench_moved(run: Run) -> Iterator[dict]:
    """Drift, one step, position in the block, and likeness of neighbouring blocks."""
    study = run.study
    ok = run.samples[run.samples["status"] == "ok"]
    if ok.empty:
        return
    checks = run_checks(run.cells, run.samples, run.control, seed=study.seed)
    for row in checks[checks["status"] == "flagged"].itertuples():
        first = (row.test, row.metric, row.stat) == (
            study.primary.test,
            study.primary.metric,
            study.primary.stat,
        )
        where: dict[str, Any] = {"placement": row.placement, "test": row.test}
        if not pd.isna(row.mode):
            where["mode"] = row.mode
        about = {"series": _series(row.metric, row.stat), "estimate": float(row.estimate), "p": float(row.p)}
        yield finding(
            "warning" if first else "info",
            _MOVED[row.check](about),
            value=row.p,
            threshold=0.01,
            remedy=Fact("remedy.within_blocks"),
            **where,
        )
    asked = checks[checks["status"] != "unknown"]
    if len(asked):
        flagged = int((asked["status"] == "flagged").sum())
        counted = {"checks": len(asked), "flagged": flagged, "by_chance": ALPHA * len(asked)}
        yield finding("info", Fact("movement_checked", counted), value=float(flagged))
    else:
        yield finding("info", Fact("movement_unknown", {"blocks": FEWEST}))


def control_differs(run: Run) -> Iterator[dict]:
    """The baseline against itself: what the bench sees though it is not there."""
    if run.samples[run.samples["status"] == "ok"].empty:
        return
    rows = run.comparisons.controls
    if not rows:
        yield finding("warning", Fact("no_control"), remedy=Fact("remedy.aa"))
    narrow: dict[tuple[str, str, str], list[Comparison]] = {}
    for row in rows:
        if is_difference(row["verdict"]):
            where = {"mode": row["mode"], "placement": row["placement"], "test": row["test"]}
            differs = Fact("baseline_differs", {"series": _series(row["metric"], row["stat"])})
            yield finding("serious", differs, value=row["p"], **where)
        elif "margin_below_noise" in row["flags"]:
            narrow.setdefault((row.mode, str(row.placement), str(row.test)), []).append(row)
    for (mode, placement, test), those in narrow.items():
        yield finding(
            "warning",
            Fact("margin_out_of_reach", {"series": [_series(r["metric"], r["stat"]) for r in those]}),
            value=those[0]["margin"],
            remedy=Fact("remedy.more_precision"),
            mode=mode,
            placement=placement,
            test=test,
        )


def _series(metric: str, stat: str) -> str:
    return metric if stat == "value" else f"{metric} {stat}"
