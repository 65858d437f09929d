"""Many routers on one link as a testbed: what a study of how routing grows is run on.

A deployment is an empty link with everybody on it; the daemons are started by the measurement, because their start is
what is measured (:mod:`cnilab.measurements.convergence`). Two modes of BGP and two of flannel's stand for all: what
they differ in is how routes come to be where they are needed, not how a packet is carried, so no packet is sent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from cnilab.bench import Argv, Bench
from cnilab.errors import LabError
from cnilab.facts import Fact
from cnilab.setup.programs import find
from cnilab.study.factors import Treatment
from cnilab.study.plan import Trial
from cnilab.testbeds.base import Spec, not_built
from cnilab.testbeds.lab import kernel
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.fabric import PINNED
from cnilab.testbeds.lab.routers import Shape
from cnilab.testbeds.lab.steps import FABRIC, Batch, Phase, Sysctl, to_ops
from cnilab.testbeds.proof.base import Row, check

#: Mode -> who brings its routes: BGP's speakers, or flannel's back end.
PLANES = {
    "calico-bgp-mesh": "bgp",
    "calico-bgp-rr": "bgp",
    "flannel-vxlan": "vxlan",
    "flannel-host-gw": "host-gw",
}
FACTORS = ("routers", "reflectors")
#: Beyond an act's own limit: every daemon is asked for every session it has.
KEEPING_S = 180.0
_ONE_QUEUE = "numtxqueues 1 numrxqueues 1"


def shape_of(treatment: Treatment) -> Shape:
    """Return how many routers a treatment asks for, and how they are wired."""
    plane = PLANES[treatment.mode]
    reflectors = int(treatment.levels.get("reflectors", 1)) if treatment.mode == "calico-bgp-rr" else 0
    return Shape(int(treatment.levels.get("routers", 8)), plane, reflectors)


def phases(shape: Shape) -> list[Phase]:
    """Namespaces, one bridge, cables and addresses; nobody speaks yet."""
    names = [r.name for r in shape.routers]
    cables = [f"link add v-{n} {_ONE_QUEUE} type veth peer name eth0 netns {n} {_ONE_QUEUE}" for n in names]
    ports = [f"link set v-{n} master br0 up" for n in names]
    bridge = ("link add br0 type bridge", "link set br0 up", *cables, *ports)
    return [
        Phase("a namespace each", (Batch(FABRIC, tuple(f"netns add {n}" for n in names)),)),
        Phase("pinned", tuple(Sysctl(n, PINNED, optional=True) for n in (FABRIC, *names))),
        Phase("one link", (Batch(FABRIC, bridge),)),
        Phase("addresses", tuple(Batch(r.name, tuple(shape.underlay(r))) for r in shape.routers)),
    ]


class RoutersDeployment:
    """One link with its routers; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    kernel_path = "native"
    substitute: Fact | None = None

    def __init__(self, treatment: Treatment) -> None:
        self.mode, self.shape = treatment.mode, shape_of(treatment)
        self.notes: tuple[Fact, ...] = ()
        began = time.monotonic()
        self.agent = AgentProcess()
        try:
            notes = self.agent.call("build", phases=to_ops(phases(self.shape)))["notes"]
        except LabError:
            self.close()
            raise
        # each namespace says the same of the same setting: once is enough
        self.notes = tuple(
            Fact("setting_not_made", {"where": n["where"]}, n["words"])
            for n in {n["words"]: n for n in reversed(notes)}.values()
        )
        self.timings: dict[str, float] = {"build_s": time.monotonic() - began}

    def wait(self) -> None:
        """Nothing is to be waited for: nobody speaks yet."""

    def prove(self, placements: list[str], path: str) -> tuple[list[Row], dict]:
        """Judge the link: everybody is on it, and knows whom it will speak with."""
        shape = self.shape
        commands = [
            (r.name, ["ip", "-o", "neigh", "show", "nud", "permanent", "dev", "eth0"]) for r in shape.routers
        ]
        seen = self.agent.call("read_many", commands=commands)["stdout"]
        neighbours = sum(len(text.splitlines()) for text in seen if text)
        wanted = 2 * shape.sessions(shape.nodes + 1)
        found = sum(text is not None for text in seen)
        checks = (
            check("routers_on_the_link", shape.nodes + 1, found),
            check("neighbours_permanent", wanted, neighbours),
        )
        broken = next((c for c in checks if not c.ok), None)
        about = broken and {"check": broken.code, "expected": broken.expected, "found": broken.found}
        why = Fact("mode_not_in_effect", about) if about else None
        status = "failed" if broken else "ok"
        rows = [Row(self.mode, p, "native", status, why, True, "-", None, None, checks) for p in placements]
        return rows, {"routers": shape.nodes, "neighbours": neighbours, "underlay": "plain", "path": path}

    def guard(self) -> None:
        """Nothing is to stay: what the routers do to routes is what is measured."""

    def lost(self) -> None:
        """Nothing: an agent that has died is told by the next order."""

    def bench(self, trial: Trial) -> AbstractContextManager[Bench]:
        return nullcontext(RoutersBench(self.agent, self.shape))

    def close(self) -> None:
        self.agent.close()


class RoutersBench:
    """Routers that can be let act; fulfils :class:`cnilab.bench.Acting`. Programs with two ends find no ends here."""

    def __init__(self, agent: AgentProcess, shape: Shape) -> None:
        self.agent, self.shape = agent, shape

    @property
    def acts(self) -> Sequence[str]:
        return ("cold", "joined", "withdrawal", *(("reflector_lost",) if self.shape.reflectors else ()))

    def act(self, name: str, *, folder: Path, limit_s: float) -> dict[str, Any]:
        shape = {"nodes": self.shape.nodes, "plane": self.shape.plane, "reflectors": self.shape.reflectors}
        asked = {"act": name, "shape": shape, "folder": str(folder.absolute()), "limit_s": limit_s}
        return self.agent.call("fleet", answer_within_s=limit_s + KEEPING_S, **asked)

    def nodes(self) -> Sequence[str]:
        return [r.name for r in self.shape.routers]

    def ask(self, node: str, argv: Argv, *, out: Path) -> str:
        printed = self.agent.call("read", ns=node, argv=list(map(str, argv)))["stdout"]
        with open(out, "a", encoding="utf-8") as file:
            file.write(printed)
        return str(printed)

    def _no_ends(self, *_: Any, **__: Any) -> NoReturn:
        raise LabError("routers have no two ends for a program", Fact("bench_failed.no_ends"))

    client = servers = serve = run = _no_ends


class RoutersTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` with daemons that are watched."""

    name = "routers"
    builds_ahead = False  # building hundreds of namespaces takes the CPU that is measured
    here = True

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def can(self, treatment: Treatment) -> tuple[str | None, Fact | None]:
        if why := not_built(treatment, FACTORS):
            return None, why
        if treatment.mode not in PLANES:
            return None, Fact("no_routing_to_watch", {"mode": treatment.mode, "known": list(PLANES)})
        shape = shape_of(treatment)
        if shape.reflectors > shape.nodes:
            about = {"reflectors": shape.reflectors, "routers": shape.nodes}
            return None, Fact("more_reflectors_than_routers", about)
        if PLANES[treatment.mode] == "bgp" and (why := self.lacks("bird")):
            return None, why
        return kernel.kernel_path(treatment.mode)

    def lacks(self, program: str) -> Fact | None:
        return (
            None
            if find(program)
            else Fact("program_missing", {"program": program, "remedy": "cnilab doctor"})
        )

    def deploy(self, treatment: Treatment) -> RoutersDeployment:
        return RoutersDeployment(treatment)

    def congestion_control(self, wanted: str | None) -> tuple[str | None, None]:
        return wanted, None

    def provenance(self) -> dict:
        """What a reader needs besides the machine: how many learned neighbours all its namespaces may hold together."""
        try:
            limit = int(Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3").read_text())
        except (OSError, ValueError):
            return {"testbed": "routers", "gc_thresh3": None}
        return {"testbed": "routers", "gc_thresh3": limit}

    def cpus(self) -> tuple[None, None]:
        """Daemons go where the kernel puts them."""
        return None, None

    def close(self) -> str:
        """Nothing outlives a deployment."""
        return ""
