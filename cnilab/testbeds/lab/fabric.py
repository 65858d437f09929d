"""The underlay: two subnets, each a bridge in the fabric's namespace, and a router between them.

The bridges stand in a namespace of their own, because in a namespace with the host's rules and br_netfilter
every bridged packet would meet the host's FORWARD chain. Also here: what is pinned in every namespace so that
a machine's own settings do not slip into a comparison.
"""

from __future__ import annotations

from cnilab.testbeds.lab.steps import FABRIC, Batch, Phase, Step, Sysctl
from cnilab.testbeds.lab.topology import ROUTER_IPS, RR_IP, Topology

#: The kernel's own defaults, written down because namespaces inherit the machine's tuning.
PINNED = {
    "net/ipv6/conf/all/disable_ipv6": "1",  # no router solicitations between the probes
    "net/ipv6/conf/default/disable_ipv6": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
}
PINNED_IF_ALLOWED = {
    "net/ipv4/tcp_no_metrics_save": "1",  # or one trial teaches the next
    "net/ipv4/tcp_rmem": "4096 131072 6291456",
    "net/ipv4/tcp_wmem": "4096 16384 4194304",
    "net/ipv4/tcp_mtu_probing": "0",
    "net/ipv4/tcp_ecn": "2",
}
_ONE_QUEUE = "numtxqueues 1 numrxqueues 1"  # as the CNI plugins' netlink library makes them


def port(name: str) -> str:
    """The fabric's end of a namespace's cable."""
    return f"v-{name}"


def phases(topology: Topology) -> list[Phase]:
    """Namespaces, cables, bridges, addresses: everything a mode finds before it starts."""
    nodes, inside = topology.node_list, topology.namespaces
    near = [n.name for n in nodes if n.subnet.startswith("192.0.2.")] + (["rr"] if topology.reflector else [])
    far = [n.name for n in nodes if n.name not in near]
    cables = [
        *(("router", f"v-r{letter}", f"eth{i}", f"br-{letter}") for i, letter in enumerate("ab")),
        *((n, port(n), "eth0", "br-a") for n in near),
        *((n, port(n), "eth0", "br-b") for n in far),
    ]
    fabric = [
        *(f"link add {b} type bridge" for b in ("br-a", "br-b")),
        *(
            f"link add {out} {_ONE_QUEUE} type veth peer name {dev} netns {ns} {_ONE_QUEUE}"
            for ns, out, dev, _ in cables
        ),
        *(f"link set {out} master {bridge} up" for _, out, _, bridge in cables),
        *(f"link set {d} up" for d in ("lo", "br-a", "br-b")),
    ]
    ends: list[Step] = [
        Batch(
            "router",
            (
                "link set lo up",
                *(f"addr add {ip}/24 dev eth{i}" for i, ip in enumerate(ROUTER_IPS.values())),
                *(f"link set eth{i} up" for i in range(2)),
            ),
        ),
        Sysctl("router", {"net/ipv4/ip_forward": "1"}),
    ]
    hosts = [(n.name, n.ip, n.gateway) for n in nodes]
    if topology.reflector:
        hosts.append(("rr", RR_IP, ROUTER_IPS["192.0.2"]))
    for name, ip, gateway in hosts:
        lines = (
            "link set lo up",
            f"addr add {ip}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {gateway} dev eth0",
        )
        ends.append(Batch(name, lines))
    pins: list[Step] = [Sysctl(ns, PINNED, optional=True) for ns in (FABRIC, *inside)]
    pins += [Sysctl(ns, PINNED_IF_ALLOWED, optional=True) for ns in inside]
    pins.append(Sysctl(FABRIC, {"net/bridge/bridge-nf-call-iptables": "0"}, optional=True))
    return [
        Phase(
            "namespaces for the router, the nodes and the pods",
            (Batch(FABRIC, tuple(f"netns add {n}" for n in inside)),),
        ),
        Phase("what would otherwise come from this machine's own settings", tuple(pins)),
        Phase("two subnets and the cables into them", (Batch(FABRIC, tuple(fabric)),)),
        Phase("addresses of the underlay", tuple(ends)),
    ]
