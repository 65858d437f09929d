"""Who writes Calico's routes between nodes: BIRD by a mesh or by peers, or Felix; and whether anybody does.

VXLAN's routes are always Felix'. For IP-in-IP and plain pools it depends on two fields whose defaults changed with
the version. Sources: Calico v3.32 ``libcalico-go/lib/apis/v3/bgpconfig.go``, ``felixconfig.go``, its main branch
("as of v3.33"), ``node/filesystem/etc/rc.local``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cnilab.testbeds.kubernetes.detecting.reading import Fact, Finding, Reader, name, notes_of, some

_REFLECTOR = "projectcalico.org/RouteReflectorClusterID"
_KNOB = "programClusterRoutes"


@dataclass(frozen=True)
class Routes:
    """What may write routes.

    Parameters
    ----------
    networks
        Whether Calico carries the pods at all; not so where it only does policy.
    bird
        Whether BIRD runs.
    mesh, peers
        The node-to-node mesh, and whether there are BGPPeers.
    ipip, plain
        Who writes the routes of IP-in-IP and of plain pools.
    """

    networks: bool
    bird: bool
    mesh: bool
    peers: bool
    ipip: tuple[str, ...]
    plain: tuple[str, ...]

    @property
    def plain_mode(self) -> str:
        """The mode of a pool without encapsulation."""
        return "calico-bgp-mesh" if self.mesh else "calico-bgp-rr"

    def why_not(self, plain: bool) -> str:
        """Why a pool without VXLAN has no mode of the catalogue, or nothing."""
        writers = self.plain if plain else self.ipip
        if not writers:
            off = "" if self.bird else ", BIRD is off"
            return f"neither BIRD nor Felix writes its routes{off}: no routes between nodes"
        if "Felix" in writers:
            return (
                ""
                if self.bird or not plain
                else "plain routes by Felix without BGP are no mode of the catalogue"
            )
        if not self.mesh and not self.peers:
            return "the node-to-node mesh is off and there are no BGPPeers: no routes between nodes"
        return ""


def read(
    reader: Reader, found: Finding, group: str, daemonset: dict, installation: dict | None, felix: dict
) -> Routes:
    """Read it from the DaemonSet, the Installation or ``calico-config``, and the BGP objects."""
    backend = _backend(reader, found, daemonset, installation)
    cni = (((installation or {}).get("spec") or {}).get("cni") or {}).get("type", "Calico")
    networks = backend != "none" and cni == "Calico"
    if not networks:
        why = "backend none" if cni == "Calico" else f"CNI {cni}"
        found.warnings.append(f"Calico does policy only ({why}); another plugin carries the pods")
    spec = (reader.get(f"{group}/bgpconfigurations/default") or {}).get("spec") or {}
    mesh = spec.get("nodeToNodeMeshEnabled", True)
    found.facts.append(Fact("BGPConfiguration default", "nodeToNodeMeshEnabled", mesh))
    for key in ("asNumber", "listenPort", _KNOB):
        if key in spec:
            found.facts.append(Fact("BGPConfiguration default", key, spec[key]))
    peers = [name(p) for p in reader.items(f"{group}/bgppeers")]
    found.facts.append(Fact("BGPPeers", "names", peers))
    bird = backend == "bird"
    _reflectors(reader, found, bird and mesh, bird and bool(peers) and not mesh)
    told = _knobs(found.version, felix.get(_KNOB), spec.get(_KNOB))
    ipip, plain = (_writers(*told, bird, only) for only in ("EnabledIPIPOnly", "EnabledNoEncapOnly"))
    return Routes(networks, bird, mesh, bool(peers), ipip, plain)


def _knobs(version: str | None, felix: str | None, bgp: str | None) -> tuple[str, str]:
    """What both fields mean in this version: Felix' since 3.31, BGP's since 3.32, other defaults from 3.33 on."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version or "")
    release = (int(numbers[1]), int(numbers[2])) if numbers else (3, 32)
    if release < (3, 31):
        return "Disabled", "Enabled"
    if release == (3, 31):
        return felix or "Disabled", "Disabled" if felix == "Enabled" else "Enabled"
    if release == (3, 32):
        return felix or "Disabled", bgp or "Enabled"
    return felix or "EnabledIPIPOnly", bgp or "EnabledNoEncapOnly"


def _writers(felix: str, bgp: str, bird: bool, only: str) -> tuple[str, ...]:
    writers = []
    if bird and bgp in ("Enabled", only):
        writers.append("BIRD")
    if felix in ("Enabled", only):
        writers.append("Felix")
    return tuple(writers)


def _reflectors(reader: Reader, found: Finding, mesh: bool, peered: bool) -> None:
    marked = [name(n) for n in reader.nodes() if _REFLECTOR in notes_of(n)]
    if mesh and marked:
        found.warnings.append(f"{some(marked)} reflect(s) routes, but the node-to-node mesh is still on")
    if peered and not marked:
        found.warnings.append(
            "no node reflects routes: the BGPPeers are outside of the cluster, or nobody reflects"
        )


def _backend(reader: Reader, found: Finding, daemonset: dict, installation: dict | None) -> str:
    """``bird``, ``vxlan`` or ``none``: by the DaemonSet itself, else the Installation, else ``calico-config``."""
    for container in daemonset["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == "CALICO_NETWORKING_BACKEND" and variable.get("value"):
                where = Fact("DaemonSet calico-node", variable["name"], variable["value"])
                found.facts.append(where)
                return variable["value"]
    if installation is not None:
        told = ((installation.get("spec") or {}).get("calicoNetwork") or {}).get("bgp", "Enabled")
        found.facts.append(Fact("Installation default", "calicoNetwork.bgp", told))
        return "bird" if told == "Enabled" else "vxlan"
    namespace = daemonset["metadata"]["namespace"]
    config = reader.get(f"/api/v1/namespaces/{namespace}/configmaps/calico-config")
    told = ((config or {}).get("data") or {}).get("calico_backend")
    where = Fact(f"ConfigMap {namespace}/calico-config", "calico_backend", told or "bird (default)")
    found.facts.append(where)
    return told or "bird"
