"""How a pod is attached to its node, as the real plugins do it.

``bridge``: containernetworking's bridge plugin as flannel's conflist calls it (isDefaultGateway, hairpinMode);
``routed``: Calico's CNI plugin and Felix' endpoint manager; ``docker``: a user-defined bridge network.
"""

from __future__ import annotations

import hashlib

from cnilab.testbeds.lab.steps import Batch, Step, Sysctl
from cnilab.testbeds.lab.topology import POD_NETWORK, Node

_ONE_QUEUE = "numtxqueues 1 numrxqueues 1"
LINK_LOCAL_GATEWAY = "169.254.1.1"
CALI_MAC = "ee:ee:ee:ee:ee:ee"
METRIC = 1024  # Felix 3.32's IPv4NormalRoutePriority


def _veth(host: str, pod: str, mtu: int, extra: str = "") -> list[str]:
    """A one-queue pair with the host end's txqueuelen 0, as the plugins' netlink library leaves it."""
    return [
        f"link add {host} {extra}mtu {mtu} txqueuelen 0 {_ONE_QUEUE} type veth "
        f"peer name eth0 netns {pod} mtu {mtu} {_ONE_QUEUE}"
    ]


def bridge(node: Node, mtu: int) -> list[Step]:
    """cni0 with the subnet's first address; pods as ports with hairpin on, a default route through it."""
    lines = [
        f"link add cni0 mtu {mtu} type bridge",
        f"addr add {node.bridge_ip}/24 brd + dev cni0",
        "link set cni0 up",
    ]
    sysctls = {"net/ipv6/conf/cni0/accept_ra": "0"}
    inside: list[Step] = []
    for pod in node.pods:
        lines += _veth(pod.veth, pod.name, mtu)
        lines += [
            f"link set {pod.veth} master cni0",
            f"link set {pod.veth} type bridge_slave hairpin on",
            f"link set {pod.veth} up",
        ]
        sysctls[f"net/ipv6/conf/{pod.veth}/accept_ra"] = "0"
        inside += [
            Batch(
                pod.name,
                (
                    "link set lo up",
                    f"addr add {pod.ip}/24 brd + dev eth0",
                    "link set eth0 up",
                    f"route add default via {node.bridge_ip} dev eth0",
                    f"route add {POD_NETWORK} via {node.bridge_ip} dev eth0",
                ),
            ),
            Sysctl(
                pod.name,
                {"net/ipv4/conf/eth0/arp_notify": "1", "net/ipv6/conf/eth0/accept_dad": "0"},
                optional=True,
            ),
        ]
    forward = Sysctl(node.name, {"net/ipv4/ip_forward": "1"})
    seen = Sysctl(node.name, {"net/bridge/bridge-nf-call-iptables": "1"}, optional=True)
    return [Batch(node.name, tuple(lines)), forward, Sysctl(node.name, sysctls, optional=True), seen, *inside]


def routed(node: Node, mtu: int) -> list[Step]:
    """A cali veth a pod: /32 in the pod, 169.254.1.1 by proxy ARP, a host route and a permanent neighbour."""
    lines: list[str] = []
    sysctls: dict[str, str] = {}
    late: list[str] = []
    inside: list[Step] = []
    for pod in node.pods:
        cali = pod.host_interface
        lines += [*_veth(cali, pod.name, mtu, f"address {CALI_MAC} "), f"link set {cali} up"]
        late.append(f"route add {pod.ip} dev {cali} scope link proto boot metric {METRIC}")
        conf = f"net/ipv4/conf/{cali}"
        sysctls |= {
            f"{conf}/proxy_arp": "1",
            f"net/ipv4/neigh/{cali}/proxy_delay": "0",
            f"{conf}/route_localnet": "1",
            f"{conf}/forwarding": "1",
            f"net/ipv6/conf/{cali}/accept_ra": "0",
        }
        inside.append(
            Batch(
                pod.name,
                (
                    "link set lo up",
                    f"link set eth0 address {pod_mac(pod.ip)} up",
                    f"addr add {pod.ip}/32 dev eth0",
                    f"route add {LINK_LOCAL_GATEWAY} dev eth0 scope link",
                    f"route add default via {LINK_LOCAL_GATEWAY} dev eth0",
                ),
            )
        )
        late.append(f"neigh replace {pod.ip} lladdr {pod_mac(pod.ip)} dev {cali} nud permanent")
    forward = Sysctl(node.name, {"net/ipv4/ip_forward": "1"})
    return [forward, Batch(node.name, (*lines, *late)), Sysctl(node.name, sysctls), *inside]


def pod_mac(ip: str) -> str:
    """A fixed locally administered address for a pod's eth0; random in the original."""
    return ":".join(f"{b:02x}" for b in b"\x02" + hashlib.sha1(ip.encode()).digest()[:5])
