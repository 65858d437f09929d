"""Many routers on one link: who is who, who speaks with whom, and what each daemon or kernel is told.

Pure text and numbers from a shape; nothing is executed and nothing measured. Standard library only, because the lab's
first process (:mod:`.agent`) imports it by path and writes from it what would otherwise be megabytes of orders. One
bridge, one subnet, no pods: what grows here is routing.

Where it leaves Calico's own configuration on purpose: no graceful restart, so that a reflector's death is seen at once
and not after two minutes; connect timers of one second, as in :mod:`.bird`; a log of warnings alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

AS_NUMBER = 64512  # as in topology.py, which the agent cannot import
CLUSTER_ID = "244.0.0.1"
METRIC = 1024
#: 16,384 flannel subnets of 256 addresses, 65,536 Calico blocks of 64.
POD_NETWORK = "10.192.0.0/10"
DEVICE = "flannel.1"


@dataclass(frozen=True)
class Router:
    """One router: its number from 1, and the addresses that follow from it."""

    number: int
    block_bits: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def ip(self) -> str:
        """Its address on the link, of the range for benchmarks (RFC 2544)."""
        return f"198.18.{self.number >> 8}.{self.number & 255}"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:{self.number >> 8:02x}:{self.number & 255:02x}"

    @property
    def base(self) -> str:
        """First address of its block."""
        at = (10 << 24) + (192 << 16) + (self.number << (32 - self.block_bits))
        return ".".join(str(at >> shift & 255) for shift in (24, 16, 8, 0))

    @property
    def block(self) -> str:
        """What it owns: Calico's /26, flannel's /24."""
        return f"{self.base}/{self.block_bits}"


@dataclass(frozen=True)
class Shape:
    """How many routers there are and how routes spread among them.

    Parameters
    ----------
    nodes
        Routers in all, reflectors among them; one more stands by, to join later.
    plane
        ``bgp``, or flannel's ``vxlan`` or ``host-gw``, where nobody speaks and every kernel is programmed.
    reflectors
        The first so many routers reflect to all others; 0: every router speaks with every other.
    """

    nodes: int
    plane: str = "bgp"
    reflectors: int = 0

    @cached_property
    def routers(self) -> tuple[Router, ...]:
        """Every router, the one that will join at the end."""
        bits = 26 if self.plane == "bgp" else 24
        return tuple(Router(number, bits) for number in range(1, self.nodes + 2))

    @property
    def joining(self) -> Router:
        return self.routers[-1]

    def peers(self, router: Router) -> Iterator[Router]:
        """Yield whom a router has a session with, the one that joins included."""
        if self.plane != "bgp":
            return
        for other in self.routers:
            meshed = not self.reflectors or min(router.number, other.number) <= self.reflectors
            if other is not router and meshed:
                yield other

    def sessions(self, nodes: int | None = None) -> int:
        """Return the number of sessions among the first ``nodes`` routers, each pair once.

        >>> Shape(256).sessions(), Shape(256, reflectors=2).sessions(), Shape(256, "vxlan").sessions()
        (32640, 509, 0)
        """
        n, r = self.nodes if nodes is None else nodes, self.reflectors
        if self.plane != "bgp":
            return 0
        return r * (n - r) + r * (r - 1) // 2 if r else n * (n - 1) // 2

    def underlay(self, router: Router) -> list[str]:
        """Return the ``ip`` lines of one router's namespace.

        Neighbour entries are permanent: those that are learned count against the machine's one ``gc_thresh3``.
        """
        lines = ["link set lo up", f"link set eth0 address {router.mac}", f"addr add {router.ip}/15 dev eth0"]
        lines.append("link set eth0 up")
        lines += [f"neigh add {p.ip} lladdr {p.mac} dev eth0 nud permanent" for p in self.peers(router)]
        if self.plane == "vxlan":
            kind = f"type vxlan id 1 local {router.ip} dev eth0 dstport 8472 nolearning"
            lines.append(f"link add {DEVICE} address {vtep(router)} mtu 1450 txqueuelen 0 {kind}")
            lines += [f"addr add {router.base}/32 dev {DEVICE}", f"link set {DEVICE} up"]
        return lines


def vtep(router: Router) -> str:
    """Return the address of a router's VXLAN device."""
    return "06" + router.mac[2:]


def programs(plane: str, peer: Router, *, gone: bool = False) -> dict[str, str]:
    """Return what flanneld tells a kernel of one peer, by the program whose batch takes the line."""
    if plane == "host-gw":
        return {"ip": f"route {'del' if gone else 'add'} {peer.block} via {peer.ip} dev eth0"}
    if gone:
        neighbour = f"route del {peer.block}\nneigh del {peer.base} dev {DEVICE}"
        return {"ip": neighbour, "bridge": f"fdb del {vtep(peer)} dev {DEVICE} dst {peer.ip} self"}
    neighbour = f"neigh replace {peer.base} lladdr {vtep(peer)} dev {DEVICE} nud permanent"
    route = f"route replace {peer.block} via {peer.base} dev {DEVICE} onlink"
    entry = f"fdb replace {vtep(peer)} dev {DEVICE} dst {peer.ip} self permanent"
    return {"ip": f"{neighbour}\n{route}", "bridge": entry}


def configuration(shape: Shape, router: Router, folder: str) -> str:
    """Return a speaker's configuration; whom it speaks with is in ``peers.conf`` and ``joined.conf`` beside it."""
    reflects = router.number <= shape.reflectors
    export = f"where net ~ {POD_NETWORK}" if reflects else "filter own_blocks"
    return f"""
router id {router.ip};
log stderr {{ warning, error, fatal, bug }};
protocol device {{ scan time 2; }}
protocol direct {{ ipv4; interface "eth0"; }}
protocol static blocks {{ ipv4; route {router.block} blackhole; }}
filter own_blocks {{
  if (source = RTS_STATIC && net ~ {POD_NETWORK}) then accept;
  reject;
}}
filter kernel_programming {{
  if (source = RTS_BGP) then krt_metric = {METRIC};
  if (source = RTS_DEVICE) then reject;
  accept;
}}
protocol kernel {{
  learn; persist; scan time 1; metric 0; merge paths on;
  ipv4 {{ import all; export filter kernel_programming; }};
}}
template bgp peer {{
  local {router.ip} as {AS_NUMBER};
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import all; export {export}; add paths on; gateway recursive; }};
}}
include "{folder}/peers.conf";
include "{folder}/joined.conf";
"""


def session(shape: Shape, router: Router, peer: Router) -> str:
    """Return one line of ``peers.conf``; of two the one with the smaller address, as text, begins."""
    more = " passive on;" if peer.ip > router.ip else ""
    if router.number <= shape.reflectors < peer.number:
        more += f" rr client; rr cluster id {CLUSTER_ID};"
    elif shape.reflectors and router.number <= shape.reflectors:
        more += f" rr cluster id {CLUSTER_ID};"
    return f"protocol bgp {peer.name} from peer {{ neighbor {peer.ip} as {AS_NUMBER};{more} }}\n"
