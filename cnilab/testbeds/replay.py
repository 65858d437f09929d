"""A recorded run as a testbed: the same plan, the same raw bytes, no machine touched.

For trying notebooks and loaders where the lab cannot run. It replays what was recorded, including the failures;
a trial that the recording does not hold is a failure with that reason, never an invention.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from cnilab.bench import Argv, Bench, End, Ended, Served
from cnilab.bundled import bundled
from cnilab.errors import LabError
from cnilab.facts import Fact
from cnilab.runs import schema1
from cnilab.runs.run import Run
from cnilab.study.factors import Treatment
from cnilab.study.plan import Trial
from cnilab.testbeds.base import Spec
from cnilab.testbeds.proof import judge as proof

RECORDING = bundled("data/sample")


class ReplayDeployment:
    """One recorded deployment; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    def __init__(self, recording: Run, treatment: Treatment, deployment_id: str, proved: dict) -> None:
        self.recording, self.treatment, self.proved = recording, treatment, proved
        entry = recording.manifest["deployments"][deployment_id]
        self.kernel_path, self.substitute = entry["kernel_path"], schema1.read(entry["substitute"])
        self.notes = tuple(note for n in entry["notes"] if (note := schema1.read(n)))
        self.timings: dict[str, float] = {}
        self.metas = {
            (m["placement"], m["test"], frozenset(m["levels"].items())): m
            for m in recording.metas
            if m["deployment_id"] == deployment_id
        }

    def wait(self) -> None:
        """Nothing to wait for."""

    def prove(self, placements: list[str], path: str) -> tuple[list[proof.Row], dict]:
        rows = [proof.Row.from_dict(row) for row in self.proved["rows"] if row["placement"] in placements]
        return rows, self.proved["evidence"]

    def guard(self) -> None:
        """What was recorded stays."""

    def lost(self) -> None:
        """Nothing: what was recorded stays."""

    def bench(self, trial: Trial) -> AbstractContextManager[Bench]:
        meta = self.metas.get((trial.placement, trial.test, frozenset(trial.levels.items())))
        if meta is None:
            raise LabError(
                f"the recording has no {trial.test} of {self.treatment.label} in {trial.placement}",
                Fact(
                    "bench_failed.not_recorded",
                    {"test": trial.test, "mode": self.treatment.mode, "placement": trial.placement},
                ),
            )
        if "code" not in meta:
            raise LabError("failed in the recording", schema1.read(meta["reason"]))
        return nullcontext(ReplayBench(self.recording.path / "raw" / meta["trial_id"], meta))

    def close(self) -> None:
        """Nothing to take down."""


class ReplayBench:
    """One recorded trial; fulfils :class:`cnilab.measurements.base.Bench` by giving what was recorded.

    Which file is asked for is known by its name: a measurement names its files alike each time.
    """

    def __init__(self, recorded: Path, meta: Mapping) -> None:
        self.recorded, self.meta = recorded, meta

    def client(self) -> End:
        return End("recording", "recorded")

    def servers(self) -> Sequence[End]:
        return [End("recording", "recorded")]

    def nodes(self) -> Sequence[str]:
        return ["recording"]

    @contextmanager
    def serve(self, end: End, argv: Argv, *, port: int, out: Path, err: Path) -> Iterator[Served]:
        self._copy(out, err)
        served = Served()
        served.code = self.meta.get("server_code")
        yield served

    def run(self, end: End, argv: Argv, *, out: Path, err: Path, limit_s: float) -> Ended:
        self._copy(out, err)
        called = {k: self.meta[k] for k in ("client_argv", "server_argv", "server_code") if k in self.meta}
        began = datetime.fromisoformat(self.meta["started_at"]).timestamp()
        return Ended(began, self.meta["wall_s"], self.meta["code"], self.meta["timed_out"], called)

    def ask(self, node: str, argv: Argv, *, out: Path) -> str:
        """Return all that was answered into that file; a recording does not tell the questions apart."""
        self._copy(out)
        return out.read_text(encoding="utf-8", errors="replace")

    def _copy(self, *files: Path) -> None:
        for file in files:
            if not (self.recorded / file.name).is_file():
                raise LabError(f"the recording holds no {file.name} of {self.recorded.name}")
            shutil.copyfile(self.recorded / file.name, file)


class ReplayTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` from a run directory."""

    name = "replay"
    builds_ahead = True
    here = False

    def __init__(self, spec: Spec, recording: Path = RECORDING) -> None:
        self.spec, self.recording = spec, Run.open(recording)
        self._used: dict[frozenset, int] = {}

    def can(self, treatment: Treatment) -> tuple[str | None, Fact | None]:
        found = self._deployments(treatment)
        if found:
            return found[0][1]["kernel_path"], None
        return None, Fact("recording_lacks_mode", {"mode": Treatment(treatment.levels).label})

    def congestion_control(self, wanted: str | None) -> tuple[str | None, None]:
        """What was set stands in the recording."""
        return wanted, None

    def lacks(self, program: str) -> None:
        """Nothing: what ran, ran."""

    def cpus(self) -> tuple[None, None]:
        """What was bound stands in the recording."""
        return None, None

    def close(self) -> str:
        return ""

    def _deployments(self, treatment: Treatment) -> list[tuple[str, dict]]:
        """Return the recorded deployments of a treatment; a twin is a deployment like another."""
        entries = self.recording.manifest["deployments"]
        return [
            (k, e)
            for k, e in sorted(entries.items())
            if e.get("levels", {"mode": e["mode"]}) == dict(treatment.levels) and e.get("kernel_path")
        ]

    def deploy(self, treatment: Treatment) -> ReplayDeployment:
        found = self._deployments(treatment)
        key = frozenset(treatment.levels.items())
        index = self._used.get(key, 0)
        if index >= len(found):
            label = Treatment(treatment.levels).label
            raise LabError(
                f"the recording holds {len(found)} deployments of {label}; the study asks for more",
                Fact("bench_failed.recording_ends", {"mode": label, "deployments": len(found)}),
            )
        self._used[key] = index + 1
        deployment_id = found[index][0]
        proved = self.recording.proofs[deployment_id]
        return ReplayDeployment(self.recording, treatment, deployment_id, proved)

    def provenance(self) -> dict:
        return {"testbed": "replay", "recorded": self.recording.manifest["provenance"]}
