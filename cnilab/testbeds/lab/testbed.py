"""The lab as a testbed: a fresh process tree a deployment, trials as processes inside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cnilab.errors import LabError
from cnilab.setup.programs import find
from cnilab.study import Study
from cnilab.study.plan import Trial
from cnilab.testbeds.lab import kernel
from cnilab.testbeds.lab.lab import Lab
from cnilab.testbeds.lab.trace import trace
from cnilab.testbeds.proof import judge as proof


class LabDeployment:
    """One mode in its own lab; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    def __init__(self, lab: Lab, *, traced: bool = False) -> None:
        self.lab, self.traced = lab, traced
        self.kernel_path, self.substitute, self.notes = lab.kernel_path, lab.substitute, lab.notes

    @property
    def timings(self) -> dict[str, float]:
        return self.lab.timings

    def wait(self) -> None:
        self.lab.wait()

    def prove(self, placements: list[str], path: str) -> tuple[list[proof.Row], dict]:
        evidence = self.lab.evidence(placements, path)
        rows = proof.rows(self.lab.mode, self.kernel_path, evidence)
        if self.traced:
            reached = [p for p, row in zip(placements, rows, strict=True) if row.reachable]
            evidence["trails"] = {p: self._trail(p) for p in reached}
        return rows, evidence

    def _trail(self, placement: str) -> dict:
        """Follow one packet between the pods of ``placement``, for the report to draw."""
        ends = self.lab.client().ns, self.lab.server(placement).ns
        return trace(self.lab, *ends).to_dict()

    def run(self, trial: Trial, tool: Any, call: Any, folder: Path, timeout_s: float) -> dict:
        client, server = self.lab.client(trial.path), self.lab.server(trial.placement, trial.path)
        server_argv, client_argv = tool.server_argv(call, "0.0.0.0"), tool.client_argv(call, server.address)
        name = f"{tool.NAME}-server"
        called = {"client_argv": client_argv, "server_argv": server_argv}
        self.lab.serve(name, server, server_argv, folder / "server.out", folder / "server.err", tool.PORT)
        try:
            done = self.lab.run(client, client_argv, folder / "client.out", folder / "client.err", timeout_s)
        finally:
            stopped = self.lab.stop(name) if self.lab.running else None
        return {**done, **called, "server_code": stopped}

    def close(self) -> None:
        self.lab.close()


class LabTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` with :class:`Lab`."""

    name = "lab"
    builds_ahead = True

    def __init__(self, study: Study) -> None:
        self.study = study
        self._traced: set[str] = set()

    def can(self, mode: str) -> tuple[str | None, str]:
        return kernel.kernel_path(mode)

    def lacks(self, program: str) -> str:
        return "" if find(program) else f"{program} is not installed; `cnilab doctor` tells how to get it"

    def deploy(self, mode: str) -> LabDeployment:
        services = self.study.path == "pod_to_service"
        # one trail a mode is enough for a picture; it is the same in every block
        first = mode not in self._traced and self.study.path == "pod_to_pod"
        self._traced.add(mode)
        lab = Lab(mode, underlay=self.study.underlay, services=services).start()
        return LabDeployment(lab, traced=first)

    def provenance(self) -> dict:
        try:
            missing = kernel.probe().missing
        except LabError as error:
            missing = {"lab": str(error)}
        return {"testbed": "lab", "kernel_lacks": missing}

    def cpus(self) -> tuple[int | None, int | None]:
        return pinned_cpus()

    def close(self) -> str:
        """Nothing outlives a deployment."""
        return ""


def pinned_cpus() -> tuple[int | None, int | None]:
    """CPU for the client and for the server: the last two this process may use; (None, None) if it has one."""
    found = sorted(os.sched_getaffinity(0))
    return (found[-1], found[-2]) if len(found) > 1 else (None, None)
