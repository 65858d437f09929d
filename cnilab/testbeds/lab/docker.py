"""The baseline without an overlay: what docker-compose gives on hosts that know nothing of each other.

Each host has its own user-defined bridge network with the same private addresses; a container on another host
is reached through a published port of that host, with NAT on both sides. No userland proxy: libnetwork's DNAT
rules carry everything that comes from outside.
"""

from __future__ import annotations

import hashlib

from cnilab.testbeds.lab import rules
from cnilab.testbeds.lab.steps import Batch, Phase, Restore, Step, Sysctl
from cnilab.testbeds.lab.topology import Topology

NETWORK, GATEWAY = "172.18.0.0/16", "172.18.0.1"
BRIDGE = "br-" + hashlib.sha1(b"cnilab_default").hexdigest()[:12]


def phases(topology: Topology, ports: list[tuple[str, int]]) -> list[Phase]:
    """Bridge, containers and published ports on every node; the first container of each publishes."""
    host: list[Step] = []
    inside: list[Step] = []
    for node in topology.node_list:
        lines = [
            f"link add {BRIDGE} type bridge",
            f"addr add {GATEWAY}/16 brd + dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ]
        for pod in node.pods:
            lines += [
                f"link add {pod.veth} numtxqueues 1 numrxqueues 1 txqueuelen 0 type veth "
                f"peer name eth0 netns {pod.name} numtxqueues 1 numrxqueues 1",
                f"link set {pod.veth} master {BRIDGE} up",
            ]
            container = (
                "link set lo up",
                f"addr add {pod.ip}/16 brd + dev eth0",
                "link set eth0 up",
                f"route add default via {GATEWAY} dev eth0",
            )
            inside.append(Batch(pod.name, container))
        published = [(protocol, number, node.pods[0].ip) for protocol, number in ports]
        host += [
            Batch(node.name, tuple(lines)),
            Sysctl(node.name, {"net/ipv4/ip_forward": "1"}),
            Restore(node.name, rules.docker(BRIDGE, NETWORK, published)),
        ]
    return [
        Phase("docker-bridge: networks and published ports", tuple(host)),
        Phase("containers", tuple(inside)),
    ]
