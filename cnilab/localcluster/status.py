"""What a cluster on this machine is doing: nodes, back end, memory, age. Reads only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cnilab.errors import ClusterError
from cnilab.localcluster.lifecycle import Cluster, Machine
from cnilab.testbeds.kubernetes.api import Api, ApiError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Status:
    """One cluster at one moment; what could not be read is None and ``trouble`` says why.

    Parameters
    ----------
    name
        Of the cluster.
    up
        Whether its process tree is there.
    nodes
        Those that have joined.
    wanted
        How many there should be.
    cni, backend
        The plugin, and flannel's back end or Calico's pool as their configuration names them.
    memory_bytes
        Proportional set size of all its processes.
    age_s, left_s
        Seconds since it was raised, and until it ends itself.
    kubeconfig
        Path.
    trouble
        What is wrong, in the cluster's own words; empty if nothing.
    """

    name: str
    up: bool
    nodes: tuple[Machine, ...]
    wanted: int
    cni: str
    backend: str | None
    memory_bytes: int | None
    age_s: float | None
    left_s: float | None
    kubeconfig: str
    trouble: str

    @property
    def ok(self) -> bool:
        """Whether every node is Ready and nothing is wrong."""
        return self.up and not self.trouble and sum(n.ready for n in self.nodes) == self.wanted

    def to_dict(self) -> dict:
        """Return one row, as ``--json`` prints it."""
        return asdict(self) | {"ok": self.ok}

    def __str__(self) -> str:
        ready = sum(n.ready for n in self.nodes)
        lines = [f"cluster     {self.name}: {'up' if self.up else 'not running'}"]
        if self.up:
            names = ", ".join(f"{n.name} {n.address}{'' if n.ready else ' NOT READY'}" for n in self.nodes)
            memory = f"{self.memory_bytes / 2**20:.0f} MiB" if self.memory_bytes is not None else "unknown"
            lines += [
                f"nodes       {ready} of {self.wanted} Ready: {names or 'none has joined'}",
                f"CNI         {self.cni}, back end {self.backend or 'unknown'}",
                f"memory      {memory}",
                f"age         {_minutes(self.age_s)}; ends itself in {_minutes(self.left_s)}",
                f"kubeconfig  {self.kubeconfig}",
            ]
        if self.trouble:
            lines.append(f"trouble     {self.trouble}")
        return "\n".join(lines)


def status(cluster: Cluster) -> Status:
    """Look at a cluster."""
    settings, trouble = cluster.settings, ""
    nodes: tuple[Machine, ...] = ()
    backend = None
    first = cluster.tree.first
    try:
        cluster.check()
    except ClusterError as error:
        trouble = str(error)
    if first is not None:
        cluster.api.patience_s = 3.0
        try:
            nodes = tuple(cluster.machines())
            backend = _BACKENDS[settings.cni](cluster.api)
        except (ApiError, KeyError, ValueError) as error:
            trouble = trouble or str(error)
    age = cluster.tree.age_s if first is not None else None
    return Status(
        name=settings.name,
        up=first is not None,
        nodes=nodes,
        wanted=settings.nodes,
        cni=settings.cni,
        backend=backend,
        memory_bytes=memory_bytes(first) if first is not None else None,
        age_s=age,
        left_s=settings.lifetime_s - age if age is not None else None,
        kubeconfig=str(settings.kubeconfig),
        trouble=trouble,
    )


def _flannel(api: Api) -> str:
    configured = api.get("/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg")
    network = json.loads(configured["data"]["net-conf.json"])["Backend"]
    return network["Type"] + (" with DirectRouting" if network.get("DirectRouting") else "")


def _calico(api: Api) -> str:
    pool = api.get("/apis/crd.projectcalico.org/v1/ippools/default-ipv4-ippool")["spec"]
    modes = {"vxlan": pool.get("vxlanMode", "Never"), "ipip": pool.get("ipipMode", "Never")}
    return (
        ", ".join(f"{kind} {mode}" for kind, mode in modes.items() if mode != "Never") or "no encapsulation"
    )


_BACKENDS = {"flannel": _flannel, "calico": _calico}


def memory_bytes(first: int) -> int | None:
    """Sum the proportional set sizes of a process and all its descendants; None where they may not be read."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # ended meanwhile
    family = {first}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    total = 0
    for pid in family:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except PermissionError:
            return None
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) << 10
    return total


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
