"""Was the bench still while it measured: within runs, over the blocks, and against itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cnilab.findings.finding import finding
from cnilab.runs.run import Run
from cnilab.stats import run_checks
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
        who = [f"{r.mode} {r.share:.0%} {r.placement}" for r in group.itertuples()]
        text = (
            f"{metric} changes by more than a tenth from the first to the last third of a run, in this "
            f"share of runs: {', '.join(who)}"
        )
        where = {"test": test} | ({"mode": group["mode"].iloc[0]} if group["mode"].nunique() == 1 else {})
        top = float(group["share"].max())
        yield finding(
            "warning",
            text,
            value=top,
            threshold=UNSTEADY_SHARE,
            remedy="longer omit_s and duration_s",
            **where,
        )
    for test, group in share.groupby("test"):
        unknown, runs = int(group["unknown"].sum()), int(group["runs"].sum())
        if unknown:
            text = (
                f"whether runs are steady is not known for {unknown} of {runs} series: too few "
                f"intervals in a run"
            )
            yield finding("info", text, value=unknown, test=test, remedy="duration_s of 10 or more")


def bench_moved(run: Run) -> Iterator[dict]:
    """Drift, one step, position in the block, and likeness of neighbouring blocks."""
    study = run.study
    ok = run.samples[run.samples["status"] == "ok"]
    if ok.empty:
        return
    checks = run_checks(run.cells, run.samples, study.baseline, seed=study.seed)
    for row in checks[checks["status"] == "flagged"].itertuples():
        first = (row.test, row.metric, row.stat) == (
            study.primary.test,
            study.primary.metric,
            study.primary.stat,
        )
        where: dict[str, Any] = {"placement": row.placement, "test": row.test}
        if not pd.isna(row.mode):
            where["mode"] = row.mode
        text = f"{row.metric}{'' if row.stat == 'value' else ' ' + row.stat}: {row.text} (p = {row.p:.3f})"
        remedy = "comparisons are within blocks and keep; read absolute numbers with care"
        yield finding(
            "warning" if first else "info", text, value=row.p, threshold=0.01, remedy=remedy, **where
        )
    asked = checks[checks["status"] != "unknown"]
    if len(asked):
        text = (
            f"{len(asked)} checks for drift, steps, position and carry-over; "
            f"{int((asked['status'] == 'flagged').sum())} "
            f"flagged, {0.01 * len(asked):.2g} expected by chance; at this number of blocks small effects "
            f"can be missed"
        )
        yield finding("info", text, value=float((asked["status"] == "flagged").sum()))
    else:
        yield finding(
            "info", "drift, steps, position and carry-over are not known: fewer than 8 complete blocks"
        )


def control_differs(run: Run) -> Iterator[dict]:
    """The baseline against itself: what the bench sees though it is not there."""
    if run.samples[run.samples["status"] == "ok"].empty:
        return
    rows = run.comparisons.controls
    if not rows:
        yield finding(
            "warning", "no A/A control: the bench's own noise is not known", remedy="aa: true in the study"
        )
    narrow: dict[tuple[str, str, str], list[Comparison]] = {}
    for row in rows:
        if is_difference(row["verdict"]):
            where = {"mode": row["mode"], "placement": row["placement"], "test": row["test"]}
            text = f"{_named(row)}: the baseline differs from itself"
            yield finding("serious", text, value=row["p"], **where)
        elif "margin_below_noise" in row["flags"]:
            narrow.setdefault((row.mode, str(row.placement), str(row.test)), []).append(row)
    for (mode, placement, test), those in narrow.items():
        yield finding(
            "warning",
            "the margin is narrower than the A/A interval, so that 'the same' is out of reach for "
            + ", ".join(map(_named, those)),
            value=those[0]["margin"],
            remedy="more blocks, longer trials, or a wider margin declared beforehand",
            mode=mode,
            placement=placement,
            test=test,
        )


def _named(row: Comparison) -> str:
    return row["metric"] + ("" if row["stat"] == "value" else f" {row['stat']}")
