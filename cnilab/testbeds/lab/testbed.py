"""The lab as a testbed: a fresh process tree per deployment, trials as processes inside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnilab import modes
from cnilab.bench import Argv, Bench, End, Ended, Served, spelled
from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.setup.build import built
from cnilab.setup.programs import find
from cnilab.study.factors import Level, Treatment
from cnilab.study.plan import Trial
from cnilab.testbeds.base import Spec, not_built, not_put_in_place
from cnilab.testbeds.lab import kernel
from cnilab.testbeds.lab.lab import Lab
from cnilab.testbeds.lab.policies import set_policy
from cnilab.testbeds.lab.trace import trace
from cnilab.testbeds.proof import judge as proof


@dataclass(frozen=True)
class Branch:
    """How the lab puts a level of a factor in place: arguments it is made with, or an act once it stands."""

    arguments: Callable[[Level], Mapping[str, Any]] = lambda level: {}
    act: Callable[[Lab, Level], object] = lambda lab, level: None


#: Factor by deployment -> its branch; the mode is what a lab is.
BRANCHES: dict[str, Branch] = {
    "nodes": Branch(arguments=lambda level: {"nodes": level}),
    "replicas": Branch(arguments=lambda level: {"replicas": level}),
    "spread": Branch(arguments=lambda level: {"spread": level == "every_node"}),
}


@contextmanager
def _policy(lab: Lab, placement: str, levels: Mapping[str, Level]) -> Iterator[None]:
    """The server's pod under a policy for as long as the context lasts."""
    count = int(levels["policy_rules"])
    if count:
        set_policy(lab, placement, count, str(levels.get("policy_match", "last")))
    try:
        yield
    finally:
        if count and lab.running:
            set_policy(lab, placement, 0, "last")


#: Factor by bench -> what stands around one trial; ``policy_match`` is how ``policy_rules`` stand.
AROUND: dict[str, Callable[[Lab, str, Mapping[str, Level]], AbstractContextManager[None]]] = {
    "policy_rules": _policy,
    "policy_match": lambda lab, placement, levels: nullcontext(),
}


class LabDeployment:
    """One treatment in its own lab; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    def __init__(self, lab: Lab, treatment: Treatment, *, traced: bool = False) -> None:
        self.lab, self.treatment, self.traced = lab, treatment, traced
        self.kernel_path, self.substitute, self.notes = lab.kernel_path, lab.substitute, lab.notes

    @property
    def timings(self) -> dict[str, float]:
        return self.lab.timings

    def wait(self) -> None:
        self.lab.wait()
        for name, level in self.treatment.levels.items():
            if name in BRANCHES:
                BRANCHES[name].act(self.lab, level)

    def prove(self, placements: list[str], path: str) -> tuple[list[proof.Row], dict]:
        evidence = self.lab.evidence(placements, path)
        rows = proof.rows(self.lab.mode, self.kernel_path, evidence)
        if self.traced:
            reached = [p for p, row in zip(placements, rows, strict=True) if row.reachable]
            evidence["trails"] = {p: self._trail(p) for p in reached}
        return rows, evidence

    def guard(self) -> None:
        self.lab.guard()

    def lost(self) -> Fact | None:
        try:
            changes = self.lab.changes()
        except LabError as error:
            return error.fact
        return Fact("bench_failed.lab_changed", {"changes": changes[:8]}) if changes else None

    def _trail(self, placement: str) -> dict:
        """Follow one packet between the pods of ``placement``, for the report to draw."""
        ends = self.lab.client().where, self.lab.server(placement).where
        return trace(self.lab, *ends).to_dict()

    @contextmanager
    def bench(self, trial: Trial) -> Iterator[Bench]:
        if why := not_put_in_place(trial, AROUND):
            raise Unavailable("a factor that the lab does not put in place", fact=why)
        with ExitStack() as standing:
            for name in trial.levels.keys() & AROUND.keys():
                standing.enter_context(AROUND[name](self.lab, trial.placement, trial.levels))
            yield LabBench(self.lab, trial.placement, trial.path)

    def close(self) -> None:
        self.lab.close()


class LabBench:
    """Two namespaces of a running lab; fulfils :class:`cnilab.measurements.base.Bench`."""

    def __init__(self, lab: Lab, placement: str, path: str) -> None:
        self.lab, self.placement, self.path = lab, placement, path

    def client(self) -> End:
        return self.lab.client(self.path)

    def servers(self) -> Sequence[End]:
        return self.lab.servers(self.placement, self.path)

    def nodes(self) -> Sequence[str]:
        return [node.name for node in self.lab.topology.node_list]

    @contextmanager
    def serve(self, end: End, argv: Argv, *, port: int, out: Path, err: Path) -> Iterator[Served]:
        served, name = Served(), f"{end.where}:{port}"
        self.lab.serve(name, end, spelled(argv, _own), out, err, port)
        try:
            yield served
        finally:
            if self.lab.running:
                served.code = self.lab.stop(name)

    def run(self, end: End, argv: Argv, *, out: Path, err: Path, limit_s: float) -> Ended:
        return Ended(**self.lab.run(end, spelled(argv, _own), out, err, limit_s))

    def ask(self, node: str, argv: Argv, *, out: Path) -> str:
        printed = self.lab.agent.call("read", ns=node, argv=spelled(argv, _own))["stdout"]
        with open(out, "a", encoding="utf-8") as file:
            file.write(printed)
        return printed


def _own(path: Path) -> list[str]:
    """The command that runs a file of ours here: compiled, or with this Python, as a system's may be missing or old."""
    return [str(built(path.stem))] if path.suffix == ".c" else [sys.executable, "-I", str(path)]


class LabTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` with :class:`Lab`."""

    name = "lab"
    builds_ahead = True
    here = True

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._traced: set[str] = set()

    def can(self, treatment: Treatment) -> tuple[str | None, Fact | None]:
        why = not_built(treatment, BRANCHES)
        podless = modes.get(treatment.mode).wiring in ("host", "docker")
        if not why and podless and treatment.levels.get("replicas", 1) != 1:
            why = Fact("replicas_need_pods", {"mode": treatment.mode})
        return (None, why) if why else kernel.kernel_path(treatment.mode)

    def lacks(self, program: str) -> Fact | None:
        return (
            None
            if find(program)
            else Fact("program_missing", {"program": program, "remedy": "cnilab doctor"})
        )

    def deploy(self, treatment: Treatment) -> LabDeployment:
        mode, spec = treatment.mode, self.spec
        # one trail a mode is enough for a picture; it is the same in every block
        first = mode not in self._traced and spec.path == "pod_to_pod"
        self._traced.add(mode)
        arguments: dict[str, Any] = {}
        for name, level in treatment.levels.items():
            if name in BRANCHES:
                arguments |= BRANCHES[name].arguments(level)
        lab = Lab(mode, underlay=spec.underlay, services=spec.path == "pod_to_service", **arguments)
        return LabDeployment(lab.start(), treatment, traced=first)

    def congestion_control(self, wanted: str | None) -> tuple[str | None, None]:
        """All that the kernel has; what it has not, the program says itself."""
        return wanted, None

    def provenance(self) -> dict:
        try:
            missing = kernel.probe().missing
        except LabError as error:
            missing = {"lab": error.fact}
        return {"testbed": "lab", "kernel_lacks": {name: why.to_dict() for name, why in missing.items()}}

    def cpus(self) -> tuple[int | None, int | None]:
        return pinned_cpus()

    def close(self) -> str:
        """Nothing outlives a deployment."""
        return ""


def pinned_cpus() -> tuple[int | None, int | None]:
    """CPU for the client and for the server: the last two this process may use; (None, None) if it has one."""
    found = sorted(os.sched_getaffinity(0))
    return (found[-1], found[-2]) if len(found) > 1 else (None, None)
