"""A run's deployments: begun, waited for, proved, looked at again after the last trial, taken down.

What fails on the way is in the deployment's entry, and costs its trials and never the matrix. In which order they come
is :mod:`.matrix`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnilab.errors import RunDirError, Unavailable
from cnilab.execute.outcome import fact_of
from cnilab.facts import Fact
from cnilab.runs.writer import RunWriter
from cnilab.study import Study
from cnilab.study.plan import Trial
from cnilab.testbeds.base import Deployment, Testbed
from cnilab.testbeds.proof import judge as proof

RENEWALS = 2  # of one deployment: what is lost a third time costs its trials


@dataclass
class Standing:
    """A deployment that was begun, or the error it died of, and what became of it.

    ``entry`` is what is recorded of it, ``proved`` each placement's row, ``measured`` the trials with values,
    ``trials`` all it was put in place for; ``lost`` is why it is no longer what was proved, ``renewals`` how often it
    was built anew.
    """

    deployment_id: str
    made: Deployment | Exception
    began: float = field(default_factory=time.monotonic)
    entry: dict[str, Any] = field(default_factory=dict)
    proved: dict[str, proof.Row] = field(default_factory=dict)
    measured: list[Trial] = field(default_factory=list)
    congestion_control: str | None = None
    trials: Sequence[Trial] = ()
    lost: Fact | None = None
    renewals: int = 0

    def reaches(self, trial: Trial) -> bool:
        """Whether a trial can be measured: its placement is proved, and there is a way."""
        row = self.proved.get(trial.placement)
        return row is not None and row.reachable and row.status == "ok"


class Deployments:
    """Puts treatments in place on a testbed and takes them down.

    Parameters
    ----------
    show
        Shows whoever looks on what is under way.
    """

    def __init__(
        self,
        study: Study,
        archive: RunWriter,
        bed: Testbed,
        show: Callable[[str], None],
    ) -> None:
        self.study, self.archive, self.bed, self.show = study, archive, bed, show

    def begin(self, trial: Trial) -> Standing:
        """Begin a deployment; a treatment that cannot be had here, or fails to be built, comes back as its error."""
        made: Deployment | Exception
        try:
            path, why = self.bed.can(trial.treatment)
            made = (
                Unavailable(trial.treatment.label, fact=why)
                if path is None
                else self.bed.deploy(trial.treatment)
            )
        except Exception as error:  # whatever a testbed dies of costs one deployment, not the matrix
            made = error
        return Standing(trial.deployment_id, made)

    def close(self, standing: Standing | None) -> None:
        """Take a deployment down and record it; what goes wrong there is kept with it."""
        if standing is None:
            return
        if not isinstance(standing.made, Exception):
            try:
                standing.made.close()
            except Exception as error:
                standing.entry["close_failed"] = fact_of(error).to_dict()
        if "mode" in standing.entry:  # else it was begun ahead and never used
            self.archive.record(standing.deployment_id, standing.entry)

    def put_in_place(self, standing: Standing, trials: Sequence[Trial]) -> None:
        """Wait until a deployment carries traffic, and prove it; what fails is in its entry."""
        first, deployment, standing.trials = trials[0], standing.made, trials
        width = max(len(t.label) for t in self.study.treatments)  # or the bar jumps with each mode
        self.show(f"block {first.block}/{self.study.blocks} {first.treatment.label:<{width}}")
        entry = {"mode": first.mode, **first.treatment.to_dict(), "block": first.block, "slot": first.slot}
        standing.entry = entry
        if isinstance(deployment, Exception):
            status = "skipped" if isinstance(deployment, Unavailable) else "failed"
            entry |= {"status": status, "reason": fact_of(deployment).to_dict()}
            return
        entry |= {
            "kernel_path": deployment.kernel_path,
            "substitute": deployment.substitute.to_dict() if deployment.substitute else None,
            "notes": [note.to_dict() for note in deployment.notes],
        }
        began = time.monotonic()
        try:
            deployment.wait()
            standing.proved = self._prove(deployment, trials)
            standing.congestion_control, note = self.bed.congestion_control(self.study.congestion_control)
            deployment.guard()
        except RunDirError:
            raise
        except Exception as error:
            standing.proved = {}
            entry |= {"status": "failed", "reason": fact_of(error).to_dict()}
            return
        entry |= {**deployment.timings, "ready_s": time.monotonic() - began}
        entry["notes"] = [note.to_dict() for note in (*deployment.notes, note) if note]

    def renewed(self, standing: Standing) -> Standing:
        """Return a deployment that stands: the one given, or one built anew where that was lost, some times at most."""
        if standing.lost is None or standing.renewals == RENEWALS:
            return standing
        self.close(standing)
        again = self.begin(standing.trials[0])
        again.renewals = standing.renewals + 1
        self.put_in_place(again, standing.trials)
        again.entry["renewed_after"] = standing.lost.to_dict()
        return again

    def look_again(self, standing: Standing) -> list[Trial]:
        """Prove the placements once more that gave values: a mode that was lost in between gave values of nothing.

        A trial's bytes stay as they are; its meta then says why they are no result.

        Returns
        -------
        list of Trial
            Those that are no result.
        """
        deployment, entry, gone = standing.made, standing.entry, list[Trial]()
        if standing.measured and standing.lost is None and not isinstance(deployment, Exception):
            began = time.monotonic()
            placements = list(dict.fromkeys(trial.placement for trial in standing.measured))
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
            for trial in standing.measured:
                if reason := lost.get(trial.placement):
                    self.archive.amend(trial, status="failed", reason=reason.to_dict())
                    gone.append(trial)
            if lost:
                entry["lost"] = {placement: reason.to_dict() for placement, reason in lost.items()}
            entry["look_s"] = time.monotonic() - began
        entry["total_s"] = time.monotonic() - standing.began
        return gone

    def _prove(self, deployment: Deployment, trials: Sequence[Trial]) -> dict[str, proof.Row]:
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
