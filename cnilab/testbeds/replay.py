"""A recorded run as a testbed: the same plan, the same raw bytes, no machine touched.

For trying notebooks and loaders where the lab cannot run. It replays what was recorded, including the failures;
a trial that the recording does not hold is a failure with that reason, never an invention.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from cnilab.bundled import bundled
from cnilab.errors import LabError
from cnilab.runs.run import RunDir
from cnilab.study import Study
from cnilab.study.plan import Trial
from cnilab.testbeds.proof import judge as proof

RECORDING = bundled("data/sample")


class ReplayDeployment:
    """One recorded deployment; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    def __init__(self, recording: RunDir, mode: str, deployment_id: str, proved: dict) -> None:
        self.recording, self.mode, self.proved = recording, mode, proved
        entry = recording.manifest["deployments"][deployment_id]
        self.kernel_path, self.substitute = entry["kernel_path"], entry["substitute"]
        self.notes: tuple[str, ...] = tuple(entry["notes"])
        self.timings: dict[str, float] = {}
        self.metas = {
            (m["placement"], m["test"]): m for m in recording.metas() if m["deployment_id"] == deployment_id
        }

    def wait(self) -> None:
        """Nothing to wait for."""

    def prove(self, placements: list[str], path: str) -> tuple[list[proof.Row], dict]:
        rows = [
            proof.Row(**{**row, "checks": tuple(proof.Check(**c) for c in row["checks"])})
            for row in self.proved["rows"]
            if row["placement"] in placements
        ]
        return rows, self.proved["evidence"]

    def run(self, trial: Trial, tool: Any, call: Any, folder: Path, timeout_s: float) -> dict:
        meta = self.metas.get((trial.placement, trial.test))
        if meta is None:
            raise LabError(f"the recording has no {trial.test} of {self.mode} in {trial.placement}")
        if "client_argv" not in meta:
            raise LabError(f"in the recording: {meta['reason']}")
        for file in (self.recording.path / "raw" / meta["trial_id"]).iterdir():
            if file.name != "meta.json":
                shutil.copyfile(file, folder / file.name)
        kept = {k: meta[k] for k in ("code", "timed_out", "wall_s", "client_argv", "server_argv")}
        return kept | {"started_at": datetime.fromisoformat(meta["started_at"]).timestamp()}

    def close(self) -> None:
        """Nothing to take down."""


class ReplayTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` from a run directory."""

    name = "replay"
    builds_ahead = True

    def __init__(self, study: Study, recording: Path = RECORDING) -> None:
        self.study, self.recording = study, RunDir.open(recording)
        self._used: dict[str, int] = {}

    def can(self, mode: str) -> tuple[str | None, str]:
        found = self._deployments(mode)
        return (found[0][1]["kernel_path"], "") if found else (None, f"the recording has no {mode}")

    def lacks(self, program: str) -> str:
        """Nothing: what ran, ran."""
        return ""

    def cpus(self) -> tuple[None, None]:
        """What was bound stands in the recording."""
        return None, None

    def close(self) -> str:
        return ""

    def _deployments(self, mode: str) -> list[tuple[str, dict]]:
        entries = self.recording.manifest["deployments"]
        return [(k, e) for k, e in sorted(entries.items()) if e["mode"] == mode and e.get("kernel_path")]

    def deploy(self, mode: str) -> ReplayDeployment:
        found = self._deployments(mode)
        index = self._used.get(mode, 0)
        if index >= len(found):
            raise LabError(f"the recording holds {len(found)} deployments of {mode}; the study asks for more")
        self._used[mode] = index + 1
        deployment_id = found[index][0]
        return ReplayDeployment(self.recording, mode, deployment_id, self.recording.proofs()[deployment_id])

    def provenance(self) -> dict:
        return {"testbed": "replay", "recorded": self.recording.manifest["provenance"]}
