"""What a reader must know before believing a run: every doubt a row, nothing dropped in silence.

Reads a run directory and looks: what is missing and why, whether the order was kept, whether the bench was
still, whether both sides of a comparison had the same conditions, whether the proofs hold. It changes no
number and removes no trial; verdicts are :mod:`cnilab.stats`' own.

Schema history, newest first
----------------------------
1  first version
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cnilab import samples as tables
from cnilab.archive import RunDir
from cnilab.modes import AA_SUFFIX
from cnilab.proof import NOT_CROSSING
from cnilab.stats import run_checks
from cnilab.stats.metrics import TAIL
from cnilab.stats.rows import REQUESTS_PER_TAIL
from cnilab.stats.steady import UNSTEADY_SHARE, unsteady_share

SCHEMA_VERSION = 1
SEVERITIES = ("serious", "warning", "info")
COLUMNS = {
    "code": "string",
    "severity": "string",
    "scope": "string",
    "mode": "string",
    "placement": "string",
    "test": "string",
    "trial_id": "string",
    "text": "string",
    "value": "float64",
    "threshold": "float64",
    "remedy": "string",
}
#: Share of one core from which on a program is taken to be bound by it.
FULL_CORE = 0.95


@dataclass
class Evidence:
    """What the checks look at, each part read once and only if a check asks."""

    run: RunDir
    rows: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self.run.samples()

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial."""
        return self.samples.drop_duplicates("trial_id")

    @cached_property
    def manifest(self) -> dict:
        return self.run.manifest

    @cached_property
    def metas(self) -> list[dict]:
        return self.run.metas()

    @cached_property
    def deployments(self) -> list[dict]:
        return list(self.manifest.get("deployments", {}).values())


def check(run_dir: str | Path | RunDir) -> pd.DataFrame:
    """Look a run over.

    Parameters
    ----------
    run_dir
        A run directory.

    Returns
    -------
    DataFrame
        One row a finding, serious ones first: ``code, severity, scope, mode, placement, test, trial_id, text,
        value, threshold, remedy``. No row means that nothing was found, not that nothing was looked at.
    """
    run = run_dir if isinstance(run_dir, RunDir) else RunDir.open(run_dir)
    found = []
    for look in CHECKS:
        found += [{"code": look.__name__.strip("_"), **row} for row in look(Evidence(run))]
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)
    frame["scope"] = [_scope(row) for row in frame.to_dict("records")]
    rank = frame["severity"].map({s: i for i, s in enumerate(SEVERITIES)})
    frame = frame.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame


def save(run: RunDir, found: pd.DataFrame) -> Path:
    """Write the findings beside the run they are about."""
    return tables.write(found, run.path / "warnings.parquet")


def _scope(row: dict) -> str:
    parts = [str(row[k]) for k in ("trial_id", "mode", "placement", "test") if not pd.isna(row[k])]
    return ", ".join(parts) or "the whole run"


def _finding(severity: str, text: str, **more: Any) -> dict[str, Any]:
    return {"severity": severity, "text": text, **more}


# ---- what is missing ----------------------------------------------------------------------------------------


def trials_without_result(e: Evidence) -> Iterator[dict]:
    """Failed, timed out and skipped trials, by the reason they gave."""
    bad = e.trials[e.trials["status"] != "ok"]
    for (mode, place, status, reason), group in bad.groupby(["mode", "placement", "status", "reason"], sort=True):
        where = {"mode": mode, "placement": place}
        tests = sorted(set(group["test"]))
        if len(tests) == 1:
            where["test"] = tests[0]
        text = f"{len(group)} of {_all_of(e, mode, place, tests)} trials {status}: {reason}"
        if str(reason).startswith(NOT_CROSSING):
            text = f"{reason}; a property of the mode, not an error ({len(group)} trials)"
            yield _finding("info", text, value=len(group), **where)
        elif status == "skipped":
            yield _finding("warning", text, value=len(group), remedy="`cnilab doctor` tells what is missing", **where)
        else:
            yield _finding("serious", text, value=len(group), remedy="read raw/<trial>/client.err of these trials", **where)


def _all_of(e: Evidence, mode: str, place: str, tests: list[str]) -> int:
    t = e.trials
    return int(((t["mode"] == mode) & (t["placement"] == place) & t["test"].isin(tests)).sum())


def trials_missing(e: Evidence) -> Iterator[dict]:
    """Planned trials that were never done; none are expected after a declared stop."""
    plan = e.run.plan
    missing = e.run.missing(plan.trials)
    if not missing:
        return
    blocks = sorted({t.block for t in missing})
    stopped = e.manifest.get("stopped")
    if stopped:
        text = f"stopped as declared before block {stopped['before_block']}: {stopped['reason']}"
        yield _finding("info", text, value=len(missing))
        return
    text = f"{len(missing)} of {len(plan.trials)} planned trials were not done (blocks {blocks[0]} to {blocks[-1]})"
    yield _finding("serious", text, value=len(missing), threshold=0, remedy=f"cnilab study {e.run.path}/study.yaml -o {e.run.path} --resume")


def order_not_as_planned(e: Evidence) -> Iterator[dict]:
    """The data's order against the plan's: the tests rest on the order having been drawn."""
    planned = {t.trial_id: t for t in e.run.plan.trials}
    for meta in e.metas:
        trial = planned.get(meta["trial_id"])
        if trial is None:
            yield _finding("serious", "a trial that was not planned", trial_id=meta["trial_id"])
        elif (meta["label"], meta["placement"], meta["test"]) != (trial.label, trial.placement, trial.test):
            yield _finding("serious", f"was {meta['label']}, planned was {trial.label}", trial_id=trial.trial_id)
    started = [m for m in e.metas if m.get("started_at")]
    done = [m["trial_id"] for m in sorted(started, key=lambda m: m["started_at"])]
    known = set(done)
    wanted = [t for t in planned if t in known]
    if off := sum(a != b for a, b in zip(done, wanted)):
        text = f"{off} of {len(wanted)} trials ran out of the planned order"
        yield _finding("warning", text, value=off, threshold=0, remedy="a resumed run does this; otherwise do not trust it")


def receiver_missing(e: Evidence) -> Iterator[dict]:
    """Trials in which only the sender said how much it sent: that is no goodput."""
    ok = e.samples[e.samples["status"] == "ok"]
    said = ok.groupby("trial_id")["metric"].agg(set)
    mute = {t for t, metrics in said.items() if "sent_bps" in metrics and "goodput_bps" not in metrics}
    for key, group in e.trials[e.trials["trial_id"].isin(mute)].groupby(["mode", "placement", "test"]):
        text = f"{len(group)} trials lack the receiver's count; the sender's is not used in its place"
        yield _finding("warning", text, value=len(group), **dict(zip(("mode", "placement", "test"), key)))


# ---- was the bench still ------------------------------------------------------------------------------------


def unsteady(e: Evidence) -> Iterator[dict]:
    """Level changes within a run, and runs too short to tell."""
    intervals = e.run.intervals()
    if intervals.empty:
        return
    share = unsteady_share(e.samples, intervals)
    for (test, metric), group in share[share["share"] > UNSTEADY_SHARE].groupby(["test", "metric"]):
        who = [f"{r.mode} {r.share:.0%} {r.placement}" for r in group.itertuples()]
        text = f"{metric} changes by more than a tenth from the first to the last third of a run, in this share of runs: {', '.join(who)}"
        where = {"test": test} | ({"mode": group["mode"].iloc[0]} if group["mode"].nunique() == 1 else {})
        top = float(group["share"].max())
        yield _finding("warning", text, value=top, threshold=UNSTEADY_SHARE, remedy="longer omit_s and duration_s", **where)
    for test, group in share.groupby("test"):
        unknown, runs = int(group["unknown"].sum()), int(group["runs"].sum())
        if unknown:
            text = f"whether runs are steady is not known for {unknown} of {runs} series: too few intervals in a run"
            yield _finding("info", text, value=unknown, test=test, remedy="duration_s of 10 or more")


def bench_moved(e: Evidence) -> Iterator[dict]:
    """Drift, one step, position in the block, and likeness of neighbouring blocks."""
    study = e.run.study
    ok = e.samples[e.samples["status"] == "ok"]
    if ok.empty:
        return
    checks = run_checks(e.samples, study.baseline, seed=study.seed)
    for row in checks[checks["status"] == "flagged"].itertuples():
        first = (row.test, row.metric, row.stat) == (study.primary.test, study.primary.metric, study.primary.stat)
        where: dict[str, Any] = {"placement": row.placement, "test": row.test}
        if not pd.isna(row.mode):
            where["mode"] = row.mode
        text = f"{row.metric}{'' if row.stat == 'value' else ' ' + row.stat}: {row.text} (p = {row.p:.3f})"
        remedy = "comparisons are within blocks and keep; read absolute numbers with care"
        yield _finding("warning" if first else "info", text, value=row.p, threshold=0.01, remedy=remedy, **where)
    asked = checks[checks["status"] != "unknown"]
    if len(asked):
        text = (
            f"{len(asked)} checks for drift, steps, position and carry-over; {int((asked['status'] == 'flagged').sum())} "
            f"flagged, {0.01 * len(asked):.2g} expected by chance; at this number of blocks small effects can be missed"
        )
        yield _finding("info", text, value=float((asked["status"] == "flagged").sum()))
    else:
        yield _finding("info", "drift, steps, position and carry-over are not known: fewer than 8 complete blocks")


def control_differs(e: Evidence) -> Iterator[dict]:
    """The baseline against itself: what the bench sees though it is not there."""
    from cnilab.comparing import compare_run

    if e.samples[e.samples["status"] == "ok"].empty:
        return
    rows = [r for r in compare_run(e.run).rows if r["family"] == "aa"]
    if not rows:
        yield _finding("warning", "no A/A control: the bench's own noise is not known", remedy="aa: true in the study")
    for row in rows:
        where = {"mode": row["mode"], "placement": row["placement"], "test": row["test"]}
        name = row["metric"] + ("" if row["stat"] == "value" else f" {row['stat']}")
        if row["verdict"].startswith("different_"):
            yield _finding("serious", f"{name}: the baseline differs from itself", value=row["p"], **where)
        elif "margin_below_noise" in row["flags"]:
            text = f"{name}: the margin is narrower than the A/A interval, so that 'the same' is out of reach"
            yield _finding("warning", text, value=row["margin"], remedy="more blocks, longer trials, or a wider margin declared beforehand", **where)


# ---- were conditions alike ----------------------------------------------------------------------------------


def hidden_difference(e: Evidence) -> Iterator[dict]:
    """What ought to be one value inside a comparison and is not."""
    ok = e.trials[e.trials["status"] == "ok"]
    for test, group in ok.groupby("test"):
        versions = sorted(group["tool_version"].dropna().unique())
        if len(versions) > 1:
            yield _finding("serious", f"tool versions vary: {', '.join(versions)}", test=test, remedy="run it again with one")
    for mode, group in ok.groupby("mode"):
        paths = sorted(group["kernel_path"].dropna().unique())
        if len(paths) > 1:
            yield _finding("serious", f"carried by different implementations: {', '.join(paths)}", mode=mode)
    for key in ("congestion_control", "kernel", "mss_bytes"):
        seen = Counter(str(m[key]) for m in e.metas if m.get(key) is not None)
        if len(seen) > 1:
            yield _finding("serious", f"{key.replace('_', ' ')} varies: {', '.join(sorted(seen))}", remedy="set it in the study")
    mtus: dict[int, set[str]] = {}
    for proof in e.run.proofs().values():
        for row in proof.get("rows", ()):
            if row.get("mtu") is not None:
                mtus.setdefault(int(row["mtu"]), set()).add(row["mode"])
    if len(mtus) > 1 and e.run.study.mss == "as_shipped":
        told = "; ".join(f"{mtu} B: {', '.join(sorted(modes))}" for mtu, modes in sorted(mtus.items(), reverse=True))
        yield _finding("info", f"each mode has its own MTU, as shipped ({told}); part of a difference can be this alone", remedy="mss: equal")


def substitute_used(e: Evidence) -> Iterator[dict]:
    """Modes whose packets were not carried by the real implementation."""
    said: dict[tuple[str, str], int] = {}
    for entry in e.deployments:
        if entry.get("kernel_path") in ("ebpf", "userspace"):
            key = (entry["mode"], str(entry.get("substitute") or entry["kernel_path"]))
            said[key] = said.get(key, 0) + 1
    for (mode, why), n in sorted(said.items()):
        yield _finding("warning", f"a substitute carried its packets: {why}", mode=mode, value=n, remedy="a kernel that has the device")


def core_full(e: Evidence) -> Iterator[dict]:
    """Streams bound by one full core: what is compared there is CPU cost, not the link."""
    cpu = e.samples[e.samples["metric"].isin(("cpu_client_ratio", "cpu_server_ratio")) & (e.samples["status"] == "ok")]
    cpu = cpu[~cpu["mode"].str.endswith(AA_SUFFIX)]
    top = cpu.groupby(["test", "placement", "mode", "metric"])["value"].median().groupby(["test", "placement", "mode"]).max()
    full = top[top >= FULL_CORE].reset_index()
    for (test, place), group in full.groupby(["test", "placement"]):
        text = f"one core was full for {', '.join(group['mode'])}: goodput is bound by CPU there, not by a link"
        yield _finding("info", text, value=group["value"].max(), threshold=FULL_CORE, test=test, placement=place, remedy="compare cpu_s_per_byte as well")


def tail_unreliable(e: Evidence) -> Iterator[dict]:
    """Percentiles with too few requests behind them."""
    ok = e.samples[e.samples["status"] == "ok"]
    for test in e.run.study.tests:
        own = ok[ok["test"] == test.name]
        rates = own.loc[own["metric"].isin(("transaction_rate_per_s", "request_rate_per_s")), "value"]
        if rates.empty:
            continue
        fewest = float(rates.min()) * test.duration_s
        for stat in sorted(set(own.loc[own["metric"] == "rtt_s", "stat"]) & set(TAIL)):
            needed = REQUESTS_PER_TAIL / (1 - TAIL[stat])
            if fewest < needed - 1e-6:
                text = f"{stat} of the round trip: {fewest:.0f} requests stand behind the thinnest trial, {needed:.0f} are wanted"
                yield _finding("warning", text, test=test.name, value=fewest, threshold=needed, remedy=f"duration_s of {test.duration_s * needed / fewest:.2g} or more")


# ---- were the modes what they say ---------------------------------------------------------------------------


def proof_failed(e: Evidence) -> Iterator[dict]:
    """Deployments of which the wire did not show what was reported, or of which nothing was looked at."""
    proofs = e.run.proofs()
    for name, proof in proofs.items():
        for row in proof.get("rows", ()):
            if row["status"] != "ok":
                yield _finding("serious", f"{name}: {row['reason']}", mode=row["mode"], placement=row["placement"])
    bare = [i for i, d in e.manifest.get("deployments", {}).items() if i not in proofs and d.get("status") is None]
    if bare:
        yield _finding("warning", f"{len(bare)} deployments have no proof ({', '.join(bare[:3])} …)", value=len(bare))


def setting_not_made(e: Evidence) -> Iterator[dict]:
    """Optional settings of the bench that could not be made, in the testbed's words."""
    notes = Counter(str(note) for d in e.deployments for note in d.get("notes") or ())
    notes.update(str(note) for note in e.manifest.get("provenance", {}).get("notes") or ())
    for note, n in sorted(notes.items()):
        yield _finding("info", f"{note} ({n} deployments)" if n > 1 else note, value=n)


CHECKS: tuple[Callable[[Evidence], Iterator[dict]], ...] = (
    trials_missing, order_not_as_planned, proof_failed, trials_without_result, control_differs, hidden_difference,
    substitute_used, tail_unreliable, receiver_missing, unsteady, bench_moved, core_full, setting_not_made,
)  # fmt: skip

__all__ = ["CHECKS", "COLUMNS", "SEVERITIES", "check", "save"]
