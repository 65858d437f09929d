"""Where the ends of a trial stand: which nodes make *same node*, *same subnet* and *cross subnet*.

Reads nodes and chooses; schedules nothing. A placement that the cluster has no nodes for comes back with its
reason, never with the nearest thing that would do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnilab.errors import ClusterError
from cnilab.facts import Fact

#: Prefix length assumed where nothing tells it; checked on the node itself once a pod runs there.
ASSUMED_PREFIX = 24
CALICO_ADDRESS = "projectcalico.org/IPv4Address"


@dataclass(frozen=True)
class Node:
    """One node.

    Parameters
    ----------
    ip, subnet
        Its first InternalIP (IPv4) and the network that lies in.
    told
        Who said how long the prefix is: ``study``, ``calico`` or ``assumed``.
    unusable
        Why no pod may be placed there, or nothing.
    """

    name: str
    ip: str
    subnet: str
    told: str
    unusable: str = ""
    pod_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placing:
    """The client's node, the server's node in each placement, and why a placement has none."""

    client: Node
    servers: Mapping[str, Node]
    missing: Mapping[str, Fact]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node in use, once, the client's first."""
        return tuple({n.name: n for n in (self.client, *self.servers.values())}.values())


def read(objects: Iterable[dict], subnets: Sequence[str] = ()) -> list[Node]:
    """Turn Node objects into :class:`Node`, in the order of their names (n2 before n10).

    Parameters
    ----------
    subnets
        Networks given by the study; an address in none of them has the prefix that Calico's annotation tells,
        else /24.
    """
    given = [ipaddress.ip_network(s) for s in subnets]
    found = []
    for item in objects:
        name = item["metadata"]["name"]
        ip = next(
            (
                a["address"]
                for a in (item.get("status") or {}).get("addresses") or ()
                if a["type"] == "InternalIP" and ":" not in a["address"]
            ),
            "",
        )
        subnet, told = _subnet(ip, given, (item["metadata"].get("annotations") or {}).get(CALICO_ADDRESS, ""))
        spec = item.get("spec") or {}
        cidrs = tuple(spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")]))
        found.append(Node(name, ip, subnet, told, _unusable(item, ip), cidrs))
    return sorted(found, key=lambda n: _natural(n.name))


def _subnet(ip: str, given: Sequence, calico: str) -> tuple[str, str]:
    if not ip:
        return "", "assumed"
    for network in given:
        if ipaddress.ip_address(ip) in network:
            return str(network), "study"
    if calico.partition("/")[0] == ip and "/" in calico:
        return str(ipaddress.ip_interface(calico).network), "calico"
    return str(ipaddress.ip_interface(f"{ip}/{ASSUMED_PREFIX}").network), "assumed"


def _unusable(item: dict, ip: str) -> str:
    if not ip:
        return "has no IPv4 InternalIP"
    spec, status = item.get("spec") or {}, item.get("status") or {}
    if spec.get("unschedulable"):
        return "is cordoned"
    if (status.get("nodeInfo") or {}).get("operatingSystem", "linux") != "linux":
        return "does not run Linux"
    ready = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    if ready.get("Ready") != "True":
        return "is not Ready"
    for taint in spec.get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute"):
            return f"is tainted {taint['key']}"
    return ""


def _natural(name: str) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def place(nodes: Sequence[Node], placements: Sequence[str]) -> Placing:
    """Choose nodes for the placements, the same ones every time.

    The client stands in the subnet that serves most placements, in the first of those with most usable nodes;
    its server for ``same_subnet`` on the next node there, for ``cross_subnet`` on the first node elsewhere.

    Raises
    ------
    ClusterError
        If no node is usable at all; every node's reason is told (at most ten).
    """
    usable = [n for n in nodes if not n.unusable]
    if not usable:
        why = "; ".join(f"{n.name} {n.unusable}" for n in nodes[:10]) or "the cluster has no nodes"
        raise ClusterError(f"no node can take a pod: {why}")
    groups: dict[str, list[Node]] = {}
    for node in usable:
        groups.setdefault(node.subnet, []).append(node)
    home = max(groups.values(), key=len)  # the first of the largest: max keeps the earliest
    servers: dict[str, Node] = {}
    missing: dict[str, Fact] = {}
    for placement in placements:
        if placement == "same_node":
            servers[placement] = home[0]
        elif placement == "same_subnet":
            if len(home) > 1:
                servers[placement] = home[1]
            else:
                missing[placement] = Fact("no_two_nodes_share_a_subnet", _nodes(usable, nodes))
        else:
            other = next((g[0] for s, g in groups.items() if s != home[0].subnet), None)
            if other:
                servers[placement] = other
            else:
                missing[placement] = Fact(
                    "one_subnet_only", {"subnet": home[0].subnet, **_nodes(usable, nodes)}
                )
    return Placing(home[0], servers, missing)


def _nodes(usable: Sequence[Node], nodes: Sequence[Node]) -> dict[str, Any]:
    """Return the nodes a placement was sought among, and those left out with what is wrong with them."""
    return {
        "usable": [f"{n.name} {n.ip}" for n in usable],
        "left_out": [f"{n.name} {n.unusable}" for n in nodes if n.unusable],
    }
