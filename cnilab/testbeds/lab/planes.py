"""From a mode's name to all the phases that build it: underlay, pods, and the plugin's own part."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cnilab import modes
from cnilab.testbeds.lab import calico, docker, fabric, flannel, rules, wiring
from cnilab.testbeds.lab.steps import Phase, Restore, Step
from cnilab.testbeds.lab.topology import CLUSTER_IPS, Topology


def topology_for(mode_id: str, **shape: Any) -> Topology:
    """The topology a mode needs; ``shape`` is passed on (nodes, pods, peer)."""
    mode = modes.get(mode_id)
    return Topology(wiring=mode.wiring, reflector=mode.bgp == "rr", **shape)


def phases(
    topology: Topology,
    mode_id: str,
    kernel_path: str = "native",
    *,
    ports: list[tuple[str, int]] | None = None,
    routed_underlay: bool = False,
    services: Mapping[str, Sequence[str]] | None = None,
    balanced: Collection[int] = (),
) -> list[Phase]:
    """Everything from bare namespaces to a working mode, in order.

    Parameters
    ----------
    kernel_path
        Which implementation of the tunnel to build: ``native``, ``ebpf`` or ``userspace``.
    ports
        ``(protocol, port)`` pairs that servers will use: what Docker publishes and a Service forwards.
    routed_underlay
        Whether the router takes part in BGP.
    services
        Placement -> addresses of the endpoints behind its ClusterIP, where kube-proxy's rules are wanted.
    balanced
        Ports that all endpoints serve, and not the first alone.
    """
    mode, ports = modes.get(mode_id), ports or []
    out = fabric.phases(topology)
    if mode.wiring == "docker":
        return [*out, *docker.phases(topology, ports)]
    if mode.wiring in ("bridge", "routed"):
        out += _pods(topology, mode)
    if mode.plugin == "flannel":
        out += flannel.phases(topology, mode, kernel_path)
    elif mode.plugin == "calico":
        out += calico.phases(topology, mode, kernel_path, routed_underlay)
    if services:
        clusters = [(CLUSTER_IPS[placement], list(ends)) for placement, ends in services.items()]
        nodes = tuple(Restore(n.name, rules.service(clusters, ports, balanced)) for n in topology.node_list)
        out.append(Phase("kube-proxy: a ClusterIP a placement", nodes))
    return out


def _pods(topology: Topology, mode: modes.Mode) -> list[Phase]:
    attach = wiring.bridge if mode.wiring == "bridge" else wiring.routed
    steps: list[Step] = [s for node in topology.node_list for s in attach(node, mode.pod_mtu())]
    nodes = {n.name for n in topology.node_list}
    return [
        Phase("pods: the nodes' ends", tuple(s for s in steps if s.ns in nodes)),
        Phase("pods: inside", tuple(s for s in steps if s.ns not in nodes)),
    ]
