"""flannel's data planes: what flanneld and the bridge plugin leave in the kernel, back end by back end.

After ``pkg/backend/{vxlan,hostgw,ipip,wireguard,udp}`` of flannel 0.28 and what that version was seen to leave
on three nodes in two subnets. One deliberate difference: flanneld tests "is the peer on my link" by a route
lookup and here the subnets are compared, which in this topology is the same.
"""

from __future__ import annotations

from cnilab.modes import Mode
from cnilab.setup.build import built
from cnilab.testbeds.lab import rules
from cnilab.testbeds.lab.steps import Batch, Bpf, Daemon, Phase, Restore, Step, Sysctl, Tun
from cnilab.testbeds.lab.topology import POD_NETWORK, Node, Topology
from cnilab.testbeds.lab.wireguard import setconf, start


def phases(topology: Topology, mode: Mode, kernel_path: str) -> list[Phase]:
    """Tunnel, neighbours, forwarding entries, routes and rules of every node."""
    make = {
        "none": _host_gw,
        "vxlan": _vxlan,
        "ipip": _ipip,
        "wireguard": _wireguard,
        "udp": _udp,
    }[mode.encapsulation]
    steps: list[Step] = []
    for node in topology.node_list:
        steps += make(topology, node, mode, kernel_path)
        steps.append(Restore(node.name, rules.flannel(node)))
    return [Phase(f"{mode.id}: what flanneld writes", tuple(steps))]


def _others(topology: Topology, node: Node) -> list[Node]:
    return [n for n in topology.node_list if n is not node]


def _direct(node: Node, peer: Node, mode: Mode) -> bool:
    return mode.outer("same_subnet" if peer.subnet == node.subnet else "cross_subnet") == "none"


def _host_gw(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    """``via NODE dev eth0``; towards another subnet the kernel refuses that route, so there is none."""
    near = [n for n in _others(topology, node) if n.subnet == node.subnet]
    return [Batch(node.name, tuple(f"route add {n.pod_cidr} via {n.ip} dev eth0" for n in near))]


def _vxlan(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    dev, mtu = mode.device, mode.pod_mtu()
    peers = _others(topology, node)
    tunnelled = [n for n in peers if not _direct(node, n, mode)]
    lines = [
        f"link add {dev} address {node.flannel_mac} mtu {mtu} txqueuelen 0 type vxlan id {mode.vni} local {node.ip} "
        f"dev eth0 dstport {mode.port} nolearning",
        f"addr add {node.flannel_ip}/32 dev {dev}",
        f"link set {dev} up",
        *(f"neigh replace {n.flannel_ip} lladdr {n.flannel_mac} dev {dev} nud permanent" for n in tunnelled),
    ]
    entries = tuple(f"fdb replace {n.flannel_mac} dev {dev} dst {n.ip} self permanent" for n in tunnelled)
    routes = [f"route replace {n.pod_cidr} via {n.flannel_ip} dev {dev} onlink" for n in tunnelled]
    routes += [f"route replace {n.pod_cidr} via {n.ip} dev eth0" for n in peers if n not in tunnelled]
    return [
        Batch(node.name, tuple(lines)),
        Sysctl(node.name, {f"net/ipv6/conf/{dev}/accept_ra": "0"}, optional=True),
        Batch(node.name, entries, program="bridge"),
        Batch(node.name, tuple(routes)),
    ]


def _ipip(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    dev, mtu = mode.device, mode.pod_mtu()
    make: list[Step]
    if kernel_path == "native":
        create = f"link add {dev} mtu {mtu} txqueuelen 0 type ipip local {node.ip} remote any ttl inherit nopmtudisc"
        make = [Batch(node.name, (create,))]
    else:
        make = ipip_substitute(node, str(dev), mtu, 0)
    routes = tuple(
        f"route replace {n.pod_cidr} via {n.ip} dev {'eth0' if _direct(node, n, mode) else dev} onlink"
        for n in _others(topology, node)
    )
    return [
        *make,
        Batch(node.name, (f"addr add {node.flannel_ip}/32 dev {dev}", f"link set {dev} up", *routes)),
    ]


def ipip_substitute(node: Node, dev: str, mtu: int, txqueuelen: int) -> list[Step]:
    """A TUN named as the tunnel with eBPF on it, for kernels without an ipip device."""
    return [
        Tun(node.name, dev),
        Batch(node.name, (f"link set {dev} mtu {mtu} txqueuelen {txqueuelen}", f"link set {dev} up")),
        Bpf(node.name, str(built("ipip.bpf.o")), dev, "eth0", node.ip),
    ]


def _wireguard(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    dev = str(mode.device)
    peers = [(n.name, n.ip, [n.pod_cidr]) for n in _others(topology, node)]
    return [
        *start(node.name, dev, kernel_path, mode.pod_mtu(), txqueuelen=0),
        setconf(node.name, dev, kernel_path, int(mode.port or 0), peers),
        Batch(
            node.name,
            (
                f"addr add {node.flannel_ip}/32 dev {dev}",
                f"link set {dev} up",
                f"route add {POD_NETWORK} dev {dev} scope link",
            ),
        ),
    ]


def _udp(topology: Topology, node: Node, mode: Mode, kernel_path: str) -> list[Step]:
    dev = str(mode.device)
    table = [f"{n.pod_cidr}={n.ip}" for n in _others(topology, node)]
    argv = (str(built("udp_proxy")), dev, node.ip, str(mode.port), node.flannel_ip, *table)
    return [
        Daemon(node.name, f"flanneld-{node.name}", argv, ready=f"dev {dev}"),
        Batch(
            node.name,
            (
                f"addr add {node.flannel_ip}/32 dev {dev}",
                f"link set {dev} mtu {mode.pod_mtu()} up",
                f"route add {POD_NETWORK} dev {dev} scope global",
            ),
        ),
    ]
