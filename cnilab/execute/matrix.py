"""The matrix of a plan on a testbed: deployment by deployment, or a block's all at once.

Order and identity come from the plan. A deployment or trial that fails is a row with a status and a reason and never
stops the matrix. Deployment by deployment, the next one already stands and waits for its BGP sessions while the last
trial of one runs, so that no time is spent on timers; it is *built* between trials, never during one. A testbed of
which there is only one, a real cluster, says that it cannot build ahead. Which directory is written, and whether it may
be, is :mod:`cnilab.execute`'s.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import groupby

from tqdm import tqdm

from cnilab.execute.deployments import Deployments, Standing
from cnilab.execute.outcome import fact_of
from cnilab.execute.quiet import Judge
from cnilab.execute.trials import Trials
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter
from cnilab.study.plan import Plan, Trial, planned_id
from cnilab.testbeds.base import Testbed
from cnilab.testbeds.watch import Watch


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


class Matrix:
    """One pass over what is missing of a plan."""

    def __init__(
        self, plan: Plan, archive: RunWriter, bed: Testbed, missing: Sequence[Trial], progress: bool
    ) -> None:
        self.plan, self.archive, self.bed = plan, archive, bed
        self.study = plan.study
        self.missing = missing
        self.next: Standing | None = None
        seconds = plan.measuring_s(self.missing)
        self.judge = Judge(self.study.quiet if bed.here else None, seconds)
        self.bar = tqdm(
            total=round(seconds, 1),
            desc=f"{self.study.name}:",
            unit="s",
            disable=not progress,
            file=sys.stderr,
            mininterval=0.2,
            bar_format="{desc} {percentage:3.0f}% {bar} [{elapsed} gone, {remaining} left]",
        )
        self.deployments = Deployments(self.study, archive, bed, self._show)
        self.trials = Trials(plan, archive, bed, self.judge, self._show, self.bar.update)

    def run(self) -> None:
        self.archive.update_manifest(state="running")
        try:
            with _sigterm_is_ctrl_c(), ExitStack() as watching:
                if self.bed.here:
                    self.trials.watch = watching.enter_context(Watch(*self.trials.cpus))
                    if busy := self.judge.wait(self._show, first=True):
                        self.archive.update_manifest(began_busy=busy.to_dict())
                    self.judge.learn(self.trials.watch.references() if self.judge.rule else [])
                passes = self._blocks if self.study.together and self.bed.builds_ahead else self._one_by_one
                passes()
                if again := {planned_id(t.trial_id) for t in self.trials.passing}:
                    self.missing = [t for t in self.plan.trials if t.trial_id in again]
                    self.bar.total += self.plan.measuring_s(self.missing)
                    passes()
        except KeyboardInterrupt:
            self.archive.update_manifest(state="interrupted")
            raise Interrupted(self.archive.run, len(self.archive.run.done()), len(self.plan.trials)) from None
        finally:
            self.deployments.close(self.next)
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
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            **({"quiet": self.judge.to_dict()} if self.judge.rule else {}),
        )

    def _one_by_one(self) -> None:
        """Measure each deployment from its begin to its end, then the next."""
        groups = [list(each) for _, each in groupby(self.missing, lambda t: t.deployment_id)]
        for index, trials in enumerate(groups):
            if trials[0].slot == 1 and self._precise_enough(trials[0].block):
                break
            standing = self.next if self.next is not None else self.deployments.begin(trials[0])
            self.next = None
            following = groups[index + 1] if index + 1 < len(groups) else None
            try:
                self.deployments.put_in_place(standing, trials)
                reaching = [t for t in trials if standing.reaches(t)]
                for trial in trials:
                    standing = self.deployments.renewed(standing)
                    last = not reaching or trial is reaching[-1]
                    if self.bed.builds_ahead and self.next is None and following and last:
                        self.next = self.deployments.begin(following[0])
                    self.trials.measure(standing, trial)
                self.trials.passing += self.deployments.look_again(standing)
            finally:
                self.deployments.close(standing)

    def _blocks(self) -> None:
        """Put all deployments of a block in place, measure cell by cell at each of them, take all down."""
        for block, each in groupby(self.missing, lambda t: t.block):
            trials = list(each)
            if self._precise_enough(block):
                break
            of: dict[str, list[Trial]] = {}
            for trial in sorted(trials, key=lambda t: t.slot):
                of.setdefault(trial.deployment_id, []).append(trial)
            standing: dict[str, Standing] = {}
            try:
                for name, own in of.items():
                    standing[name] = self.deployments.begin(own[0])
                for name, own in of.items():
                    self.deployments.put_in_place(standing[name], own)
                self._show(f"block {block}/{self.study.blocks}")
                for _, cell in groupby(trials, lambda t: t.cell):
                    self._cell(standing, list(cell))
                for one in standing.values():
                    self.trials.passing += self.deployments.look_again(one)
            finally:
                for one in standing.values():
                    self.deployments.close(one)

    def _cell(self, standing: dict[str, Standing], trials: Sequence[Trial]) -> None:
        """Measure one cell at every deployment; then again where the machine was in another state than at the end.

        Neither of two such trials is disturbed: each is compared within its state.
        """
        states: dict[str, list[float]] = {t.deployment_id: [] for t in trials}
        latest: dict[str, Trial] = {}
        for trial in trials:
            standing[trial.deployment_id] = self.deployments.renewed(standing[trial.deployment_id])
            latest[trial.deployment_id], state = self.trials.measure(standing[trial.deployment_id], trial)
            if state is not None:
                states[trial.deployment_id].append(state)
        for _ in range(self.judge.rule.repeat if self.judge.rule else 0):
            known = [found[-1] for found in states.values() if found]
            if not known or self.trials.watch is None:
                return
            now = known[-1]
            elsewhere = [
                name
                for name, found in states.items()
                if found and all(abs(state - now) > self.judge.limit for state in found)
            ]
            if not elsewhere:
                return
            for name in elsewhere:
                again = latest[name].again()
                if not self.judge.may_repeat(self.plan.measuring_s([again]), again.repeat - 1):
                    return
                latest[name], state = self.trials.measure(standing[name], again)
                if state is not None:
                    states[name].append(state)

    def _show(self, words: str) -> None:
        self.bar.set_description_str(f"{self.study.name}: {words}")
        self.bar.refresh()

    def _precise_enough(self, block: int) -> bool:
        """Whether the study may stop before ``block``: its primary intervals are narrow enough. Never looks at p."""
        rule = self.study.stop
        if rule is None or block <= rule.first_look:
            return False
        # Imported here: a run without the rule must not wait for scipy, and no testbed ever needs it.
        from cnilab.stats import precision_of

        run = self.archive.rebuild()
        found = precision_of(
            run.samples,
            run.control,
            declared=run.declared,
            half_width=rule.half_width,
            n_first=rule.first_look,
            n_max=self.study.blocks,
            alpha=self.study.alpha,
            view=run.view,
        )
        if found.stop:
            self.archive.update_manifest(
                stopped={"before_block": block, "reason": found.reason, "half_widths": found.half_widths}
            )
        return found.stop
