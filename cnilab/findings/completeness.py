"""What is missing and why: failures and their reasons, absent trials, a changed order, failed proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.measurements.remarks import in_words
from cnilab.report.language import tell
from cnilab.runs import schema1
from cnilab.runs.run import Run
from cnilab.runs.samples import reason_of
from cnilab.stats.subjects import NOT_CROSSING
from cnilab.study.factors import Treatment
from cnilab.testbeds.proof.base import Row

#: What of a trial's meta the plan tells.
_PLANNED = ("treatment", "levels", "placement", "path", "test")


def trials_without_result(run: Run) -> Iterator[dict]:
    """Failed, timed out and skipped trials, by the reason they gave."""
    bad = run.trials[run.trials["status"] != "ok"]
    why = [reason_of(row) or Fact("no_reason") for row in bad.to_dict("records")]
    bad = bad.assign(why=[fact.to_json() for fact in why])
    for (mode, place, status, as_json), group in bad.groupby(["mode", "placement", "status", "why"], sort=True):
        fact = Fact.from_json(str(as_json))
        reason = tell(fact)
        where = {"mode": mode, "placement": place}
        tests = sorted(set(group["test"]))
        if len(tests) == 1:
            where["test"] = tests[0]
        text = f"{len(group)} of {_all_of(run, mode, place, tests)} trials {status}: {reason}"
        if fact.code == NOT_CROSSING:
            text = f"{reason}; a property of the mode, not an error ({len(group)} trials)"
            yield finding("info", text, value=len(group), **where)
        elif status == "skipped":
            yield finding(
                "warning", text, value=len(group), remedy="`cnilab doctor` tells what is missing", **where
            )
        else:
            yield finding(
                "serious",
                text,
                value=len(group),
                remedy="read raw/<trial>/client.err of these trials",
                **where,
            )


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
        text = f"stopped as declared before block {stopped['before_block']}: {stopped['reason']}"
        yield finding("info", text, value=len(missing))
        return
    text = (
        f"{len(missing)} of {len(plan.trials)} planned trials were not done (blocks {blocks[0]} to "
        f"{blocks[-1]})"
    )
    yield finding(
        "serious",
        text,
        value=len(missing),
        threshold=0,
        remedy=f"cnilab study {run.path}/study.yaml -o {run.path} --resume",
    )


def order_not_as_planned(run: Run) -> Iterator[dict]:
    """The data's order against the plan's: the tests rest on the order having been drawn."""
    planned = {t.trial_id: t for t in run.plan.trials}
    for meta in run.metas:
        trial = planned.get(meta["trial_id"])
        if trial is None:
            yield finding("serious", "a trial that was not planned", trial_id=meta["trial_id"])
        elif any(meta[k] != v for k, v in trial.to_dict().items() if k in _PLANNED):
            was = Treatment.from_dict(meta["treatment"]).label
            yield finding(
                "serious", f"was {was}, planned was {trial.treatment.label}", trial_id=trial.trial_id
            )
    started = [m for m in run.metas if m.get("started_at")]
    done = [m["trial_id"] for m in sorted(started, key=lambda m: m["started_at"])]
    known = set(done)
    wanted = [t for t in planned if t in known]
    if off := sum(a != b for a, b in zip(done, wanted)):
        text = f"{off} of {len(wanted)} trials ran out of the planned order"
        yield finding(
            "warning",
            text,
            value=off,
            threshold=0,
            remedy="a resumed run does this; otherwise do not trust it",
        )


def receiver_missing(run: Run) -> Iterator[dict]:
    """Trials in which only the sender said how much it sent: that is no goodput."""
    ok = run.samples[run.samples["status"] == "ok"]
    said = ok.groupby("trial_id")["metric"].agg(set)
    mute = {t for t, metrics in said.items() if "sent_bps" in metrics and "goodput_bps" not in metrics}
    for key, group in run.trials[run.trials["trial_id"].isin(mute)].groupby(["mode", "placement", "test"]):
        text = f"{len(group)} trials lack the receiver's count; the sender's is not used in its place"
        yield finding("warning", text, value=len(group), **dict(zip(("mode", "placement", "test"), key)))


def remarked(run: Run) -> Iterator[dict]:
    """What the readers remarked on values that stand: a unit that was not printed, an output cut short."""
    told = run.remarks.merge(run.trials[["trial_id", "mode", "placement", "test"]], on="trial_id")
    for key, group in told.groupby(["remark", "mode", "placement", "test"]):
        text = f"{len(group)} trials: {in_words(str(key[0]))}"
        yield finding("info", text, value=len(group), **dict(zip(("mode", "placement", "test"), key[1:])))


def proof_failed(run: Run) -> Iterator[dict]:
    """Deployments of which the wire did not show what was reported, or of which nothing was looked at."""
    proofs = run.proofs
    for name, proof in proofs.items():
        for row in proof.get("rows", ()):
            if row["status"] != "ok":
                yield finding(
                    "serious", f"{name}: {_told(row)}", mode=row["mode"], placement=row["placement"]
                )
    bare = [
        i
        for i, d in run.manifest.get("deployments", {}).items()
        if i not in proofs and d.get("status") is None
    ]
    if bare:
        yield finding(
            "warning", f"{len(bare)} deployments have no proof ({', '.join(bare[:3])} …)", value=len(bare)
        )


def _told(row: dict) -> str:
    """Return a proof row's reason in words."""
    reason = Row.from_dict(row).reason
    return tell(reason) if reason else "no reason"


def setting_not_made(run: Run) -> Iterator[dict]:
    """Optional settings of the bench that could not be made, in the testbed's words."""
    kept = [note for d in run.deployments for note in d.get("notes") or ()]
    kept += run.manifest.get("provenance", {}).get("notes") or ()
    notes = Counter(tell(fact) for note in kept if (fact := schema1.read(note)))
    for note, n in sorted(notes.items()):
        yield finding("info", f"{note} ({n} deployments)" if n > 1 else note, value=n)
