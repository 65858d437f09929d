"""What is missing and why: failures and their reasons, absent trials, a changed order, failed proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.runs import schema1
from cnilab.runs.run import Run
from cnilab.runs.samples import reason_of
from cnilab.stats.beside import BENCH_FAILED
from cnilab.stats.subjects import NOT_CROSSING
from cnilab.study.factors import Treatment
from cnilab.study.plan import planned_id
from cnilab.testbeds.proof.base import Row

#: What of a trial's meta the plan tells.
_PLANNED = ("treatment", "levels", "placement", "path", "test")


def trials_without_result(run: Run) -> Iterator[dict]:
    """Failed, timed out and skipped trials, by the reason they gave."""
    bad = run.trials[run.trials["status"] != "ok"]
    why = [reason_of(row) or Fact("no_reason") for row in bad.to_dict("records")]
    bad = bad.assign(why=[fact.to_json() for fact in why])
    for (mode, place, status, as_json), group in bad.groupby(
        ["mode", "placement", "status", "why"], sort=True
    ):
        fact = Fact.from_json(str(as_json))
        where = {"mode": mode, "placement": place}
        tests = sorted(set(group["test"]))
        if len(tests) == 1:
            where["test"] = tests[0]
        n = len(group)
        ended = {"trials": n, "of": _all_of(run, mode, place, tests), "status": status, "why": fact}
        if fact.code == NOT_CROSSING:
            yield finding("info", Fact("no_way_by_design", {"trials": n, "why": fact}), value=n, **where)
        elif fact.within(BENCH_FAILED):
            remedy = Fact("remedy.run_again")
            yield finding("serious", Fact("bench_failed_trials", ended), value=n, remedy=remedy, **where)
        elif status == "skipped":
            yield finding(
                "warning", Fact("trials_ended", ended), value=n, remedy=Fact("remedy.doctor"), **where
            )
        else:
            remedy = Fact("remedy.read_stderr")
            yield finding("serious", Fact("trials_ended", ended), value=n, remedy=remedy, **where)


def _all_of(run: Run, mode: str, place: str, tests: list[str]) -> int:
    t = run.trials
    return int(((t["mode"] == mode) & (t["placement"] == place) & t["test"].isin(tests)).sum())


def trials_missing(run: Run) -> Iterator[dict]:
    """Planned trials that were never done; none are expected after a declared stop."""
    plan = run.plan
    missing = run.missing(plan.trials)
    if not missing:
        return
    blocks = sorted({t.block for t in missing})
    stopped = run.manifest.get("stopped")
    if stopped:
        declared = Fact("stopped_as_declared", {"block": stopped["before_block"], "rule": stopped["reason"]})
        yield finding("info", declared, value=len(missing))
        return
    absent = {"missing": len(missing), "of": len(plan.trials), "first": blocks[0], "last": blocks[-1]}
    remedy = Fact("remedy.resume", {"run": str(run.path)})
    yield finding("serious", Fact("trials_absent", absent), value=len(missing), threshold=0, remedy=remedy)


def order_not_as_planned(run: Run) -> Iterator[dict]:
    """The data's order against the plan's: the tests rest on the order having been drawn."""
    planned = {t.trial_id: t for t in run.plan.trials}
    for meta in run.metas:
        trial = planned.get(planned_id(meta["trial_id"]))
        if trial is None:
            yield finding("serious", Fact("not_planned"), trial_id=meta["trial_id"])
        elif any(meta[k] != v for k, v in trial.to_dict().items() if k in _PLANNED):
            was = Treatment.from_dict(meta["treatment"]).label
            other = Fact("planned_otherwise", {"was": was, "planned": trial.treatment.label})
            yield finding("serious", other, trial_id=trial.trial_id)
    started = [m for m in run.metas if m.get("started_at") and m["trial_id"] in planned]
    done = [m["trial_id"] for m in sorted(started, key=lambda m: m["started_at"])]
    known = set(done)
    wanted = [t for t in planned if t in known]
    if off := sum(a != b for a, b in zip(done, wanted)):
        disordered = Fact("out_of_order", {"trials": off, "of": len(wanted)})
        yield finding("warning", disordered, value=off, threshold=0, remedy=Fact("remedy.resumed_run"))


def receiver_missing(run: Run) -> Iterator[dict]:
    """Trials in which only the sender said how much it sent: that is no goodput."""
    ok = run.samples[run.samples["status"] == "ok"]
    said = ok.groupby("trial_id")["metric"].agg(set)
    mute = {t for t, metrics in said.items() if "sent_bps" in metrics and "goodput_bps" not in metrics}
    for key, group in run.trials[run.trials["trial_id"].isin(mute)].groupby(["mode", "placement", "test"]):
        lacking = Fact("receiver_silent", {"trials": len(group)})
        yield finding("warning", lacking, value=len(group), **dict(zip(("mode", "placement", "test"), key)))


def remarked(run: Run) -> Iterator[dict]:
    """What the readers remarked on values that stand: a unit that was not printed, an output cut short."""
    told = run.remarks.merge(run.trials[["trial_id", "mode", "placement", "test"]], on="trial_id")
    for key, group in told.groupby(["remark", "mode", "placement", "test"]):
        remark = Fact("remark", {"trials": len(group), "remark": str(key[0])})
        yield finding("info", remark, value=len(group), **dict(zip(("mode", "placement", "test"), key[1:])))


def proof_failed(run: Run) -> Iterator[dict]:
    """Deployments of which the wire did not show what was reported, or of which nothing was looked at."""
    proofs = run.proofs
    for name, proof in proofs.items():
        for row in proof.get("rows", ()):
            if row["status"] != "ok":
                why = Row.from_dict(row).reason or Fact("no_reason")
                failed = Fact("proof_does_not_hold", {"deployment": name, "why": why})
                yield finding("serious", failed, mode=row["mode"], placement=row["placement"])
    bare = [
        i
        for i, d in run.manifest.get("deployments", {}).items()
        if i not in proofs and d.get("status") is None
    ]
    if bare:
        unproved = Fact("not_proved", {"deployments": bare})
        yield finding("warning", unproved, value=len(bare))


def setting_not_made(run: Run) -> Iterator[dict]:
    """Optional settings of the bench that could not be made, in the testbed's words."""
    kept = [note for d in run.deployments for note in d.get("notes") or ()]
    kept += run.manifest.get("provenance", {}).get("notes") or ()
    notes = Counter(fact for note in kept if (fact := schema1.read(note)))
    for note, n in sorted(notes.items(), key=lambda item: item[0].to_json()):
        yield finding("info", Fact("noted", {"note": note, "deployments": n}), value=n)
