"""Calico's data planes: what Felix and BIRD leave in the kernel, pool by pool.

After ``felix/dataplane/linux`` of v3.32 and what that version was seen to leave on three nodes in two subnets.
"""

from __future__ import annotations

from cnilab.modes import Mode
from cnilab.testbeds.lab import bird, felix
from cnilab.testbeds.lab.flannel import ipip_substitute
from cnilab.testbeds.lab.steps import Batch, Phase, Restore, Run, Step, Sysctl
from cnilab.testbeds.lab.topology import Node, Topology
from cnilab.testbeds.lab.wireguard import setconf, start

PROTO_FELIX = 80  # DefaultRouteProto, felix/dataplane/linux/dataplanedefs
WG_MARK, WG_TABLE, WG_PRIORITY = "0x200000", 1, 99


def phases(topology: Topology, mode: Mode, kernel_path: str, routed_underlay: bool) -> list[Phase]:
    """Tunnel, neighbours, routes, rules of every node, and the BGP speakers."""
    make = {"none": _plain, "vxlan": _vxlan, "ipip": _ipip, "wireguard": _wireguard}[mode.encapsulation]
    steps: list[Step] = []
    for node in topology.node_list:
        steps += make(topology, node, mode, kernel_path)
        steps.append(Run(node.name, ("ipset", "restore"), stdin=felix.ip_sets(topology)))
        steps.append(Restore(node.name, felix.rules(node, mode)))
        # after the rules, which bring connection tracking with them
        steps.append(Sysctl(node.name, {"net/netfilter/nf_conntrack_acct": "1"}, optional=True))
    out = []
    if mode.bgp:
        # first, because sessions need most of a second (RFC 4271 section 10 lets BIRD jitter its 1 s timer)
        out.append(
            Phase(f"{mode.id}: BIRD on every speaker", tuple(bird.daemons(topology, mode, routed_underlay)))
        )
    out.append(Phase(f"{mode.id}: what Felix writes", tuple(steps)))
    return out


def _others(topology: Topology, node: Node) -> list[Node]:
    return [n for n in topology.node_list if n is not node]


def _plain(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    """Nothing but BIRD's routes."""
    return []


def _vxlan(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    dev, mtu = mode.device, mode.pod_mtu()
    peers = _others(topology, node)
    near = [n for n in peers if n.subnet == node.subnet and mode.outer("same_subnet") == "none"]
    far = [n for n in peers if n not in near]
    lines = [
        f"link add {dev} address {node.vtep_mac} mtu {mtu} type vxlan id {mode.vni} dev eth0 local {node.ip} "
        f"dstport {mode.port} nolearning",
        f"addr add {node.tunnel_ip}/32 dev {dev}",
        f"link set {dev} up",
        # Felix keeps these for every peer, also for those it has a direct route to
        *(f"neigh replace {n.tunnel_ip} lladdr {n.vtep_mac} dev {dev} nud permanent" for n in peers),
    ]
    entries = tuple(f"fdb replace {n.vtep_mac} dev {dev} dst {n.ip} self permanent" for n in peers)
    routes = [f"route replace {n.block} via {n.tunnel_ip} dev {dev} onlink mtu {mtu}" for n in far]
    routes += [f"route replace {n.block} via {n.ip} dev eth0 proto {PROTO_FELIX} onlink" for n in near]
    routes.append(f"route replace blackhole {node.block} proto {PROTO_FELIX}")
    return [
        Batch(node.name, tuple(lines)),
        Sysctl(node.name, {f"net/ipv6/conf/{dev}/accept_ra": "0"}, optional=True),
        Batch(node.name, entries, program="bridge"),
        Batch(node.name, tuple(routes)),
    ]


def _ipip(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    """tunl0, the module's own any/any device; the routes through it come from BIRD."""
    dev, mtu = str(mode.device), mode.pod_mtu()
    address = f"addr add {node.tunnel_ip}/32 dev {dev}"
    if kernel_path != "native":
        return [*ipip_substitute(node, dev, mtu, 1000), Batch(node.name, (address,))]
    # where the module is loaded tunl0 is in every new namespace; where namespaces start empty it is not
    exists = Run(
        node.name, ("sh", "-c", f"ip link show {dev} >/dev/null 2>&1 || ip link add {dev} type ipip")
    )
    return [exists, Batch(node.name, (f"link set {dev} mtu {mtu} txqueuelen 1000 up", address))]


def _wireguard(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    """Table 1, reached by a rule that encrypted packets themselves skip by their mark."""
    dev = str(mode.device)
    peers = [(n.name, n.ip, [n.block, f"{n.tunnel_ip}/32"]) for n in _others(topology, node)]
    routes = [f"route add {n.block} dev {dev} scope link table {WG_TABLE}" for n in _others(topology, node)]
    return [
        *start(node.name, dev, kernel_path, mode.pod_mtu(), txqueuelen=1000),
        setconf(node.name, dev, kernel_path, int(mode.port or 0), peers, fwmark=WG_MARK),
        Batch(
            node.name,
            (
                f"addr add {node.tunnel_ip}/32 dev {dev}",
                f"link set {dev} up",
                *routes,
                f"route add throw {node.block} table {WG_TABLE}",
                f"rule add not from all fwmark {WG_MARK}/{WG_MARK} priority {WG_PRIORITY} table {WG_TABLE}",
            ),
        ),
    ]
