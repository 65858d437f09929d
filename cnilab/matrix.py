"""The matrix of a plan on a testbed: deployment by deployment, proof before numbers, raw bytes before anything is read.

Order and identity come from the plan; what a mode is from the catalogue; how it is put in place from the testbed.
A deployment or trial that fails is a row with a status and a reason and never stops the matrix. While the last
trial of a deployment runs, the next one already stands and waits for its BGP sessions, so that no time is spent
on timers; it is *built* between trials, never during one. A testbed of which there is only one, a real cluster,
says that it cannot build ahead. Which directory is written, and whether it may be, is :mod:`cnilab.execute`'s.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tqdm import tqdm

from cnilab.errors import RunDirError, Unavailable
from cnilab.facts import Fact
from cnilab.measurements import measurement
from cnilab.measurements.base import Call
from cnilab.outcome import fact_of, outcome
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter
from cnilab.study.plan import Plan, Trial
from cnilab.testbeds.base import Deployment, Testbed
from cnilab.testbeds.proof import judge as proof

TIMEOUT_GRACE_S = 15.0  # beyond a trial's own time, before it is killed and recorded as a timeout


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after everything was put away; ``run`` is where it can be resumed."""

    def __init__(self, run: Run, done: int, total: int) -> None:
        super().__init__()
        self.run, self.done, self.total = run, done, total


@contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    """Let a batch system's polite kill end a run as cleanly as Ctrl-C; only the main thread may."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class _Begun:
    """A deployment that was begun, or the error it died of."""

    deployment_id: str
    made: Deployment | Exception


class Matrix:
    """One pass over what is missing of a plan."""

    def __init__(self, plan: Plan, archive: RunWriter, bed: Testbed, progress: bool) -> None:
        self.plan, self.archive, self.bed = plan, archive, bed
        self.study = plan.study
        self.log: dict[str, dict] = dict(archive.run.manifest["deployments"])
        done = archive.run.done()
        self.groups = [g for g in ([t for t in d if t.trial_id not in done] for d in plan.deployments) if g]
        self.cpus = bed.cpus() if self.study.pin_cpus else (None, None)
        self.next: _Begun | None = None
        self.measured: list[Trial] = []  # those of the standing deployment that gave values
        self.congestion_control: str | None = None  # what the standing deployment's ends can be given
        seconds = plan.measuring_s(t for g in self.groups for t in g)
        self.bar = tqdm(
            total=round(seconds, 1),
            desc=f"{self.study.name}:",
            unit="s",
            disable=not progress,
            file=sys.stderr,
            mininterval=0.2,
            bar_format="{desc} {percentage:3.0f}% {bar} [{elapsed} gone, {remaining} left]",
        )

    def run(self) -> None:
        self.archive.update_manifest(state="running")
        current: _Begun | None = None
        try:
            with _sigterm_is_ctrl_c():
                for index, trials in enumerate(self.groups):
                    if trials[0].slot == 1 and self._precise_enough(trials[0].block):
                        break
                    current = self.next if self.next is not None else self._prepare(trials[0])
                    self.next = None
                    following = self.groups[index + 1] if index + 1 < len(self.groups) else None
                    self._deployment(current, trials, following)
                    self._close(current)
                    current = None
                    self.archive.update_manifest(deployments=self.log)
        except KeyboardInterrupt:
            self.archive.update_manifest(state="interrupted", deployments=self.log)
            raise Interrupted(self.archive.run, len(self.archive.run.done()), len(self.plan.trials)) from None
        finally:
            self._close(current)
            self._close(self.next)
            self.bar.close()
            try:
                left = self.bed.close()
            except Exception as error:
                left = str(fact_of(error))
            if left:
                self.archive.update_manifest(left_behind=left)
                print(f"cnilab: {left}", file=sys.stderr)
        self.archive.update_manifest(
            state="complete",
            deployments=self.log,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    # ---- one deployment -------------------------------------------------------------------------------

    def _prepare(self, trial: Trial) -> _Begun:
        """Begin a deployment; a treatment that cannot be had here, or fails to be built, comes back as its error."""
        try:
            path, why = self.bed.can(trial.treatment)
            if path is None:
                return _Begun(trial.deployment_id, Unavailable(trial.treatment.label, fact=why))
            return _Begun(trial.deployment_id, self.bed.deploy(trial.treatment))
        except Exception as error:  # whatever a testbed dies of costs one deployment, not the matrix
            return _Begun(trial.deployment_id, error)

    def _close(self, begun: _Begun | None) -> None:
        """Take a deployment down; what goes wrong there is kept with it."""
        if begun is None or isinstance(begun.made, Exception):
            return
        try:
            begun.made.close()
        except Exception as error:
            self.log.setdefault(begun.deployment_id, {})["close_failed"] = fact_of(error).to_dict()
            self.archive.update_manifest(deployments=self.log)

    def _deployment(self, begun: _Begun, trials: list[Trial], following: list[Trial] | None) -> None:
        first, deployment = trials[0], begun.made
        width = max(len(t.label) for t in self.study.treatments)  # or the bar jumps with each mode
        self.bar.set_description_str(
            f"{self.study.name}: block {first.block}/{self.study.blocks} {first.treatment.label:<{width}}"
        )
        entry = {"mode": first.mode, **first.treatment.to_dict(), "block": first.block, "slot": first.slot}
        self.log[first.deployment_id] = entry
        if isinstance(deployment, Exception):
            status = "skipped" if isinstance(deployment, Unavailable) else "failed"
            self._give_up(entry, trials, status, fact_of(deployment))
            return
        entry |= {
            "kernel_path": deployment.kernel_path,
            "substitute": deployment.substitute.to_dict() if deployment.substitute else None,
            "notes": [note.to_dict() for note in deployment.notes],
        }
        began = time.monotonic()
        try:
            deployment.wait()
            proved = self._prove(deployment, trials)
            self.congestion_control, note = self.bed.congestion_control(self.study.congestion_control)
        except RunDirError:
            raise
        except Exception as error:
            self._give_up(entry, trials, "failed", fact_of(error))
            return
        entry |= {**deployment.timings, "ready_s": time.monotonic() - began}
        entry["notes"] = [note.to_dict() for note in (*deployment.notes, note) if note]
        self.measured = []
        reaching = [t for t in trials if proved[t.placement].reachable and proved[t.placement].status == "ok"]
        for trial in trials:
            last = not reaching or trial is reaching[-1]
            if self.bed.builds_ahead and self.next is None and following and last:
                self.next = self._prepare(following[0])
            row = proved[trial.placement]
            if row.status != "ok" or not row.reachable:
                status = "skipped" if row.status == "skipped" else "failed"
                self._without(trial, entry, status, row.reason)
            else:
                self._trial(deployment, trial, entry)
            self.bar.update(self.plan.measuring_s([trial]))
        self._look_again(deployment, entry)
        entry["total_s"] = time.monotonic() - began

    def _look_again(self, deployment: Deployment, entry: dict) -> None:
        """Prove the placements once more that gave values: a mode that was lost in between gave values of nothing.

        A trial's bytes stay as they are; its meta then says why they are no result.
        """
        if not self.measured:
            return
        began = time.monotonic()
        placements = list(dict.fromkeys(trial.placement for trial in self.measured))
        lost: dict[str, Fact] = {}
        try:
            rows, _ = deployment.prove(placements, self.study.path)
        except RunDirError:
            raise
        except Exception as error:
            lost = dict.fromkeys(placements, fact_of(error))
        else:
            for row in rows:
                if row.status != "ok" or not row.reachable:
                    why = row.reason or Fact("no_reason")
                    lost[row.placement] = Fact("bench_failed.mode_lost", why.args, why.quoted)
        for trial in self.measured:
            if reason := lost.get(trial.placement):
                self.archive.amend(trial, status="failed", reason=reason.to_dict())
        if lost:
            entry["lost"] = {placement: reason.to_dict() for placement, reason in lost.items()}
        entry["look_s"] = time.monotonic() - began

    def _give_up(self, entry: dict, trials: list[Trial], status: str, reason: Fact) -> None:
        entry |= {"status": status, "reason": reason.to_dict()}
        for trial in trials:
            self._without(trial, entry, status, reason)
            self.bar.update(self.plan.measuring_s([trial]))

    def _prove(self, deployment: Deployment, trials: list[Trial]) -> dict[str, proof.Row]:
        began = time.monotonic()
        placements: list[str] = [p for p in self.study.placements if any(t.placement == p for t in trials)]
        rows, evidence = deployment.prove(placements, self.study.path)
        identity = {
            "deployment_id": trials[0].deployment_id,
            "mode": trials[0].mode,
            "kernel_path": deployment.kernel_path,
        }
        self.archive.write_json(
            f"proof/{trials[0].deployment_id}.json",
            {
                "schema_version": proof.SCHEMA_VERSION,
                **identity,
                "rows": [r.to_dict() for r in rows],
                "evidence": evidence,
            },
            indent=None,
        )
        deployment.timings["prove_s"] = time.monotonic() - began
        return {row.placement: row for row in rows}

    # ---- one trial --------------------------------------------------------------------------------------

    def _trial(self, deployment: Deployment, trial: Trial, entry: dict) -> None:
        test = self.study.test(trial.test)
        tool = measurement(test.tool)
        absent = [why for p in tool.PROGRAMS if (why := self.bed.lacks(p.name))]
        if absent:
            self._without(trial, entry, "skipped", absent[0])
            return
        call = Call(
            kind=test.kind,
            duration_s=test.duration_s,
            omit_s=test.omit_s,
            streams=test.streams,
            congestion_control=self.congestion_control,
            client_cpu=self.cpus[0],
            server_cpu=self.cpus[1],
            options=dict(test.options),
        )
        asked = self.study.asked(trial.levels)
        options = call.options | asked.pop("options", {})
        call = replace(call, options=options, **asked)
        limit = test.duration_s + test.omit_s + TIMEOUT_GRACE_S
        folder = self.archive.raw(trial.trial_id)
        if self.study.rest_s:
            time.sleep(self.study.rest_s)
        began = time.monotonic()
        try:
            with deployment.bench(trial) as bench:
                ended = tool.measure(bench, call, folder, limit)
        except RunDirError:
            raise
        except Exception as error:  # a testbed's defect costs one trial, not the matrix
            self._without(trial, entry, "failed", fact_of(error))
            return
        self._record(
            trial,
            entry,
            {
                **outcome(ended, test.tool, folder, limit),
                "congestion_control": call.congestion_control,
                "mss_bytes": call.mss_bytes,
                "client_cpu": call.client_cpu,
                "server_cpu": call.server_cpu,
                "overhead_s": time.monotonic() - began - test.duration_s - test.omit_s,
            },
        )

    def _without(self, trial: Trial, entry: dict, status: str, reason: Fact | None) -> None:
        """Record a trial of which there is nothing to be read."""
        self._record(trial, entry, {"status": status, "reason": reason.to_dict() if reason else None})

    def _record(self, trial: Trial, entry: dict, meta: dict) -> None:
        tool = self.study.test(trial.test).tool
        meta = {"tool": tool, "kernel_path": entry.get("kernel_path"), **meta}
        self.archive.finish(trial, meta)
        if meta["status"] == "ok":
            self.measured.append(trial)

    # ---- stopping ---------------------------------------------------------------------------------------

    def _precise_enough(self, block: int) -> bool:
        """Whether the study may stop before ``block``: its primary intervals are narrow enough. Never looks at p."""
        rule = self.study.stop
        if rule is None or block <= rule.first_look:
            return False
        # Imported here: a run without the rule must not wait for scipy, and no testbed ever needs it.
        from cnilab.stats import precision_of

        run = self.archive.rebuild()
        primary = self.study.primary.model_dump()
        found = precision_of(
            run.samples,
            run.control,
            primary=primary,
            half_width=rule.half_width,
            n_first=rule.first_look,
            n_max=self.study.blocks,
            alpha=self.study.alpha,
            planned_modes=run.planned,
            view=run.view,
        )
        if found.stop:
            self.archive.update_manifest(
                stopped={"before_block": block, "reason": found.reason, "half_widths": found.half_widths}
            )
        return found.stop
