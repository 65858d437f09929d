"""A run's trials: one act of measuring each, raw bytes first, and again where it was disturbed.

What a measurement does on its bench is :mod:`cnilab.measurements`'; when a trial is disturbed is :mod:`.quiet`'s. No
value is read here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cnilab.errors import RunDirError, Unavailable
from cnilab.execute.deployments import Standing
from cnilab.execute.outcome import PASSING, fact_of, outcome
from cnilab.execute.quiet import Judge, state_of
from cnilab.facts import Fact
from cnilab.measurements import measurement
from cnilab.measurements.base import Call
from cnilab.runs.writer import RunWriter
from cnilab.study.plan import Plan, Trial
from cnilab.testbeds.base import Testbed
from cnilab.testbeds.watch import Watch

TIMEOUT_GRACE_S = 15.0  # beyond a trial's own time, before it is killed and recorded as a timeout


class Trials:
    """Takes trials at standing deployments and records them.

    Parameters
    ----------
    judge
        Tells which are disturbed, and may be measured again.
    show, advance
        Shows what is under way, and by how many planned seconds it went on.
    """

    #: Looks at the machine around each trial; None where trials run elsewhere.
    watch: Watch | None = None

    def __init__(
        self,
        plan: Plan,
        archive: RunWriter,
        bed: Testbed,
        judge: Judge,
        show: Callable[[str], None],
        advance: Callable[[float], object],
    ) -> None:
        self.plan, self.archive, self.bed, self.judge = plan, archive, bed, judge
        self.show, self.advance = show, advance
        self.study = plan.study
        self.passing: list[Trial] = []  # failed by what may not come again
        self.cpus = bed.cpus() if self.study.pin_cpus else (None, None)

    def measure(self, standing: Standing, trial: Trial) -> tuple[Trial, float | None]:
        """Take one trial, and again for as often as it is disturbed and may be; return the last, and its state.

        The state is the log of the machine's reference (:func:`.quiet.state_of`), None for a disturbed trial.
        """
        if not standing.reaches(trial):
            entry, row = standing.entry, standing.proved.get(trial.placement)
            if row is None:  # it was never put in place
                self._without(trial, standing, entry["status"], Fact.from_dict(entry["reason"]))
            else:
                status = "skipped" if row.status == "skipped" else "failed"
                self._without(trial, standing, status, row.reason)
            self.advance(self.plan.measuring_s([trial]))
            return trial, None
        if standing.lost is not None:  # and it was built anew for as often as it may be
            self._without(trial, standing, "failed", standing.lost)
            self.advance(self.plan.measuring_s([trial]))
            return trial, None
        seconds = self.plan.measuring_s([trial])
        while True:
            record, cause = self._trial(standing, trial)
            if not trial.repeat:
                self.advance(seconds)
            if cause is None:
                return trial, state_of(record)
            again = trial.again()
            if not self.judge.may_repeat(seconds, trial.repeat, quiet=lambda: self.judge.wait(self.show) is None):
                return trial, None
            trial = again

    def _trial(self, standing: Standing, trial: Trial) -> tuple[dict[str, Any] | None, Fact | None]:
        """Run one trial and record it; return what the watch saw, and what disturbed it."""
        test = self.study.test(trial.test)
        tool = measurement(test.tool)
        absent = [why for p in tool.PROGRAMS if (why := self.bed.lacks(p.name))]
        if absent or isinstance(standing.made, Exception):
            self._without(trial, standing, "skipped", absent[0] if absent else None)
            return None, None
        call = Call(
            kind=test.kind,
            duration_s=test.duration_s,
            omit_s=test.omit_s,
            streams=test.streams,
            congestion_control=standing.congestion_control,
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
        before = self.watch.before() if self.watch else None
        began = time.monotonic()
        failed: Fact | None = None
        try:
            with standing.made.bench(trial) as bench:
                ended = tool.measure(bench, call, folder, limit)
        except RunDirError:
            raise
        except Unavailable as error:  # what the trial asks for besides cannot be put in place here
            self._without(trial, standing, "skipped", error.fact)
            return None, None
        except Exception as error:  # a testbed's defect costs one trial, not the matrix
            failed = fact_of(error)
        standing.lost = standing.made.lost()
        if why := standing.lost or failed:
            self._without(trial, standing, "failed", why)
            return None, None
        overhead = time.monotonic() - began - test.duration_s - test.omit_s
        record = self.watch.since(before) if self.watch and before else None
        cause = self.judge.cause(record)
        self._record(
            trial,
            standing,
            {
                **({"watch": record} if record else {}),
                **outcome(ended, test.tool, folder, limit),
                "disturbed": cause.to_dict() if cause else None,
                "congestion_control": call.congestion_control,
                "mss_bytes": call.mss_bytes,
                "client_cpu": call.client_cpu,
                "server_cpu": call.server_cpu,
                "overhead_s": overhead,
            },
        )
        return record, cause

    def _without(self, trial: Trial, standing: Standing, status: str, reason: Fact | None) -> None:
        """Record a trial of which there is nothing to be read."""
        self._record(trial, standing, {"status": status, "reason": reason.to_dict() if reason else None})

    def _record(self, trial: Trial, standing: Standing, meta: dict) -> None:
        tool = self.study.test(trial.test).tool
        meta = {"tool": tool, "kernel_path": standing.entry.get("kernel_path"), **meta}
        self.archive.finish(trial, meta)
        if meta["status"] == "ok":
            standing.measured.append(trial)
        elif (meta["reason"] or {}).get("code") in PASSING:
            self.passing.append(trial)
