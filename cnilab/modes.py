"""The catalogue of CNI modes: one literal table that the lab, the proof, the cluster driver and the report read.

It says what each mode *is*: its headers, devices, MTU rule, who writes its routes and what a packet looks
like in each placement. It builds nothing (:mod:`cnilab.testbeds.lab`) and checks nothing
(:mod:`cnilab.testbeds.proof.judge`). Nothing about a mode is written a second time anywhere else.

Sources: flannel ``pkg/backend/*`` (v0.28) and ``Documentation/backends.md``; Calico ``felix/dataplane/linux``
and confd's BIRD templates (v3.32); RFC 7348 (VXLAN), RFC 2003 (IP in IP), the WireGuard paper (NDSS 2017).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cnilab.errors import UnknownKey

#: MTU of the underlay everywhere in the lab, Ethernet's.
UNDERLAY_MTU = 1500

#: Header bytes an encapsulation puts between the underlay's IP payload limit and the inner IP packet.
HEADER_BYTES = {
    "none": 0,
    "udp": 28,  # IPv4 20 + UDP 8; the inner packet follows raw
    "vxlan": 50,  # IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14, RFC 7348 section 5
    "ipip": 20,  # IPv4 20, RFC 2003 section 3.1
    "wireguard": 60,  # IPv4 20 + UDP 8 + data message 32; plus up to 15 of padding to a multiple of 16
}


@dataclass(frozen=True)
class Mode:
    """One CNI mode, as its authors ship it.

    Parameters
    ----------
    id, plugin, sentence
        Its name here, whose it is, and one plain sentence for a reader.
    encapsulation
        ``none``, ``udp``, ``vxlan``, ``ipip`` or ``wireguard``.
    scope
        When it encapsulates: ``always`` between nodes, ``cross_subnet`` only, or ``never``.
    wiring
        How a pod is attached: ``host`` (it is not), ``docker`` bridge, CNI ``bridge`` cni0, ``routed`` cali veth.
    device, kind
        The tunnel's name and its kernel link kind; None without a tunnel.
    mtu_reserve
        Bytes the plugin takes off the underlay's MTU for pods; may exceed the header bytes.
    port, vni
        UDP port and VXLAN network identifier where there is one.
    route_writer, route_protocol
        Who writes the routes to other nodes' pods, and the protocol name the kernel shows for them.
    bgp
        ``mesh`` or ``rr`` where BIRD carries the routes, else None.
    encrypted
        Whether the payload is encrypted between nodes.
    crosses_subnets
        Whether it reaches a node behind a router that knows no pod routes.
    departures
        Where this lab leaves the original on purpose, as codes that the report has words for.
    """

    id: str
    plugin: str
    encapsulation: str
    scope: str
    wiring: str
    sentence: str
    device: str | None = None
    kind: str | None = None
    mtu_reserve: int = 0
    port: int | None = None
    vni: int | None = None
    route_writer: str = "nobody"
    route_protocol: str | None = None
    bgp: str | None = None
    encrypted: bool = False
    crosses_subnets: bool = True
    departures: tuple[str, ...] = ()

    @property
    def header_bytes(self) -> int:
        """Bytes of header a tunnelled packet gains, without WireGuard's padding."""
        return HEADER_BYTES[self.encapsulation]

    @property
    def needs_one_l2(self) -> bool:
        """Whether all nodes must share one layer-2 network."""
        return not self.crosses_subnets

    def pod_mtu(self, underlay: int = UNDERLAY_MTU) -> int:
        """MTU a pod gets over an underlay of ``underlay`` bytes."""
        return underlay - self.mtu_reserve

    def outer(self, placement: str) -> str:
        """Encapsulation expected on the underlay in ``placement``: ``none`` where packets travel plain."""
        if placement == "same_node" or self.scope == "never":
            return "none"
        return "none" if self.scope == "cross_subnet" and placement == "same_subnet" else self.encapsulation

    def reaches(self, placement: str, underlay: str = "plain") -> bool:
        """Whether packets arrive in ``placement``; ``underlay="routed"`` means the router speaks BGP too."""
        if placement != "cross_subnet" or self.crosses_subnets:
            return True
        return underlay == "routed" and self.bgp is not None

    def offers(self, path: str) -> bool:
        """Whether clients can take ``path``: Docker knows no Services, and its published ports hide the host's own."""
        return path == "pod_to_pod" or self.wiring != "docker"

    def ttl(self, placement: str) -> int:
        """TTL that a packet sent with 64 has when the receiver reads it: one less a routed hop.

        A node that forwards between a pod and the underlay is a hop; so is the router, except inside a
        tunnel, whose inner TTL it does not touch; flannel's UDP proxy counts once more on either side.
        """
        if self.wiring == "host":
            return 63 if placement == "cross_subnet" else 64
        if placement == "same_node":
            return 63 if self.wiring == "routed" else 64
        tunnelled = self.outer(placement) != "none"
        return 62 - (placement == "cross_subnet" and not tunnelled) - 2 * (self.encapsulation == "udp")


_VXLAN_PORT_LINUX, _VXLAN_PORT_IANA, _WIREGUARD_PORT, _FLANNEL_UDP_PORT = 8472, 4789, 51820, 8285

#: id -> Mode, in the order of reports: baselines, flannel, Calico.
MODES: dict[str, Mode] = {
    m.id: m
    for m in (
        Mode(
            "host", "none", "none", "never", "host",
            "No pod network: programs use the node's own address.",
        ),
        Mode(
            "docker-bridge", "docker", "none", "never", "docker",
            "Containers on a private bridge per host, reached through published ports and NAT, as docker-compose does.",
            departures=("compose_bridge", "one_network"),
        ),
        Mode(
            "flannel-udp", "flannel", "udp", "always", "bridge",
            "Each packet is copied to a userspace proxy and sent in UDP; deprecated, kept for kernels without VXLAN.",
            device="flannel0", kind="tun", mtu_reserve=28, port=_FLANNEL_UDP_PORT,
            route_writer="flanneld", route_protocol="boot",
        ),
        Mode(
            "flannel-vxlan", "flannel", "vxlan", "always", "bridge",
            "Kernel VXLAN between all nodes, flannel's and k3s' default.",
            device="flannel.1", kind="vxlan", mtu_reserve=50, port=_VXLAN_PORT_LINUX, vni=1,
            route_writer="flanneld", route_protocol="boot",
        ),
        Mode(
            "flannel-vxlan-directrouting", "flannel", "vxlan", "cross_subnet", "bridge",
            "Plain routes to nodes on the same network, VXLAN to the others; the MTU stays VXLAN's everywhere.",
            device="flannel.1", kind="vxlan", mtu_reserve=50, port=_VXLAN_PORT_LINUX, vni=1,
            route_writer="flanneld", route_protocol="boot",
        ),
        Mode(
            "flannel-host-gw", "flannel", "none", "never", "bridge",
            "Plain routes with the other node as gateway: no headers, but all nodes must share one layer-2 network.",
            route_writer="flanneld", route_protocol="boot", crosses_subnets=False,
        ),
        Mode(
            "flannel-ipip", "flannel", "ipip", "always", "bridge",
            "IP in IP between all nodes: 20 bytes of header, IPv4 unicast only.",
            device="flannel.ipip", kind="ipip", mtu_reserve=20,
            route_writer="flanneld", route_protocol="boot", departures=("ebpf_ipip",),
        ),
        Mode(
            "flannel-wireguard", "flannel", "wireguard", "always", "bridge",
            "Encrypted WireGuard tunnels between all nodes (k3s' wireguard-native).",
            device="flannel-wg", kind="wireguard", mtu_reserve=80, port=_WIREGUARD_PORT,
            route_writer="flanneld", route_protocol="boot", encrypted=True, departures=("wireguard_go",),
        ),
        Mode(
            "calico-ipip", "calico", "ipip", "always", "routed",
            "IP in IP for all traffic between nodes, routes by BGP.",
            device="tunl0", kind="ipip", mtu_reserve=20,
            route_writer="BIRD", route_protocol="bird", bgp="mesh",
            departures=("ebpf_ipip", "bird2", "second_table", "felix_rules"),
        ),
        Mode(
            "calico-ipip-crosssubnet", "calico", "ipip", "cross_subnet", "routed",
            "Plain BGP routes inside a subnet, IP in IP across: Calico's ipip-bgp hybrid.",
            device="tunl0", kind="ipip", mtu_reserve=20,
            route_writer="BIRD", route_protocol="bird", bgp="mesh",
            departures=("ebpf_ipip", "bird2", "second_table", "felix_rules"),
        ),
        Mode(
            "calico-vxlan", "calico", "vxlan", "always", "routed",
            "Kernel VXLAN between all nodes; Felix writes the routes, no BGP needed.",
            device="vxlan.calico", kind="vxlan", mtu_reserve=50, port=_VXLAN_PORT_IANA, vni=4096,
            route_writer="Felix", route_protocol="boot", departures=("felix_rules",),
        ),
        Mode(
            "calico-vxlan-crosssubnet", "calico", "vxlan", "cross_subnet", "routed",
            "Plain routes inside a subnet, VXLAN across.",
            device="vxlan.calico", kind="vxlan", mtu_reserve=50, port=_VXLAN_PORT_IANA, vni=4096,
            route_writer="Felix", route_protocol="boot", departures=("felix_rules",),
        ),
        Mode(
            "calico-bgp-mesh", "calico", "none", "never", "routed",
            "No headers; nodes tell each other their pods by BGP; routers between subnets must know them too.",
            route_writer="BIRD", route_protocol="bird", bgp="mesh", crosses_subnets=False,
            departures=("bird2", "felix_rules"),
        ),
        Mode(
            "calico-bgp-rr", "calico", "none", "never", "routed",
            "No encapsulation; nodes peer with reflectors, not each other. Same data path as the mesh.",
            route_writer="BIRD", route_protocol="bird", bgp="rr", crosses_subnets=False,
            departures=("bird2", "felix_rules"),
        ),
        Mode(
            "calico-wireguard", "calico", "wireguard", "always", "routed",
            "Encrypted WireGuard tunnels chosen by a routing rule, on top of a plain Calico.",
            device="wireguard.cali", kind="wireguard", mtu_reserve=60, port=_WIREGUARD_PORT,
            route_writer="Felix", route_protocol="boot", bgp="mesh", encrypted=True,
            departures=("wireguard_go", "bird2", "felix_rules"),
        ),
    )
}  # fmt: skip


def get(mode_id: str) -> Mode:
    """Return the mode named ``mode_id``.

    Raises
    ------
    UnknownKey
        If the catalogue has no such mode; the message lists those it has.
    """
    try:
        return MODES[mode_id]
    except KeyError:
        raise UnknownKey("mode", mode_id, MODES) from None


def order(mode_ids: Iterable[str]) -> list[str]:
    """Sort mode ids in the catalogue's order; unknown ones last."""
    rank = {name: i for i, name in enumerate(MODES)}
    return sorted(
        dict.fromkeys(mode_ids),
        key=lambda m: (rank.get(m, len(rank)), m),
    )
