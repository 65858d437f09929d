"""The path of a packet, told: every device it passes from one pod to another, and how long it is there.

``Lab.trace`` sends one real packet through the running lab and orders what the taps on every device saw. It
explains a mode; it does not judge it (:mod:`cnilab.testbeds.proof.judge` does).
"""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass

from cnilab.bench import End
from cnilab.errors import LabError
from cnilab.layout import columns
from cnilab.testbeds.lab.docker import BRIDGE
from cnilab.testbeds.lab.lab import PROBE_PORT, Lab

SCHEMA_VERSION = 1
_FABRIC = "switch"
_BRIDGES = ("cni0", BRIDGE, "br-a", "br-b")
_CARRIED = {
    "none": "plain",
    "ipip": "in IP (protocol 4)",
    "vxlan": "in VXLAN",
    "udp": "in UDP",
    "wireguard": "encrypted",
}


@dataclass(frozen=True)
class Hop:
    """One sighting: where, which way, the IP packet's length there in bytes, and what it is wrapped in."""

    namespace: str
    device: str
    direction: str
    length: int
    carrier: str
    source: str
    destination: str
    ttl: int


@dataclass(frozen=True)
class Trail:
    """The hops of one packet in order; prints as a table."""

    mode: str
    kernel_path: str
    client: str
    server: str
    length: int
    result: str
    hops: tuple[Hop, ...]

    def to_dict(self) -> dict:
        head = {k: v for k, v in asdict(self).items() if k != "hops"}
        return {"schema_version": SCHEMA_VERSION, **head, "rows": [asdict(h) for h in self.hops]}

    def __repr__(self) -> str:
        title = f"{self.mode} ({self.kernel_path}): {self.length} B from {self.client} to {self.server}: {self.result}"
        rows = [("", "where", "device", "", "length", "wrapped", "from", "to", "TTL")]
        for number, h in enumerate(self.hops, start=1):
            path = (str(number), h.namespace, h.device, h.direction)
            rows.append((*path, f"{h.length} B", _CARRIED[h.carrier], h.source, h.destination, str(h.ttl)))
        return "\n".join([title, *columns(rows)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def trace(lab: Lab, client: str, server: str, length: int = 1000) -> Trail:
    """Follow one packet of ``length`` bytes, IP header included, from ``client`` to ``server``.

    Parameters
    ----------
    lab
        A running lab.
    client, server
        Names of pods (``p1``, ``p1b``, ``p2``, ``p3``), or of nodes where the mode has no pods.

    Raises
    ------
    LabError
        If there is no such pod, or the two are the same.
    """
    source, target = _endpoint(lab, client), _endpoint(lab, server)
    if client == server:
        raise LabError(f"from {client} to {server}: name two different ends")
    nodes = [_node_of(lab, client), _node_of(lab, server)]
    address = target.address
    if lab.mode.wiring == "docker" and nodes[0] != nodes[1]:
        address = lab.topology.node(nodes[1]).ip
    namespaces = list(dict.fromkeys([client, nodes[0], "", "router", nodes[1], server]))
    seen = lab.agent.call(
        "follow",
        namespaces=namespaces,
        client=source.where,
        server=target.where,
        address=address,
        port=PROBE_PORT,
        length=length,
    )
    mark = f"cnilab probe {length}:"
    hops = []

    def order(h: dict) -> tuple:
        # a bridge hands itself the packet under the stamp of the port it came in by
        return h["at"], namespaces.index(h["ns"]), h["device"] in _BRIDGES and not h["out"]

    for h in sorted(seen["sightings"], key=order):
        inner = h["inner"] or h["outer"]
        whole = mark in h["probe"] and (inner["length"] == length)
        # inside WireGuard nothing can be read: the data message of the right length towards the server is it
        hidden = h["carrier"] == "wireguard" and h.get("message") == 4 and h["outer"]["length"] > length
        if whole or hidden:
            where, outer = h["ns"] or _FABRIC, h["outer"]
            way = "out" if h["out"] else "in"
            hops.append(
                Hop(
                    where,
                    h["device"],
                    way,
                    outer["length"],
                    h["carrier"],
                    outer["src"],
                    outer["dst"],
                    outer["ttl"],
                )
            )
    fate = seen["probe"]["result"]
    detail = seen["probe"].get("error") or (f"mtu {seen['probe']['mtu']}" if seen["probe"].get("mtu") else "")
    result = "arrived" if fate == "ok" else f"{fate.replace('_', ' ')} ({detail})" if detail else fate
    return Trail(lab.mode.id, lab.kernel_path, client, server, length, result, tuple(hops))


def _endpoint(lab: Lab, name: str) -> End:
    if lab.mode.wiring == "host":
        node = next((n for n in lab.topology.node_list if n.name == name), None)
        if node is None:
            names = ", ".join(n.name for n in lab.topology.node_list)
            raise LabError(f"{lab.mode.id} has no pods, and no node {name!r}; it has {names}")
        return End(node.name, node.ip)
    pod = next((p for p in lab.topology.pod_list if p.name == name), None)
    if pod is None:
        raise LabError(f"no pod {name!r}; there are {', '.join(p.name for p in lab.topology.pod_list)}")
    return End(pod.name, pod.ip)


def _node_of(lab: Lab, name: str) -> str:
    return name if lab.mode.wiring == "host" else lab.topology.pod(name).node
