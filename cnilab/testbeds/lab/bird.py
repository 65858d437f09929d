"""BIRD's configuration per node, in the shape Calico's confd templates give it, for Debian's BIRD 2.

What differs from Calico's fork of BIRD 1.6 and why: the options that BIRD 2 moved into the ``ipv4`` channel;
``krt_metric`` set in the kernel filter (the fork does it there too since v3.32); and, because only the fork has
``krt_tunnel``, next hops that must leave through a tunnel are resolved in a second table, ``nexthops``, which
says ``NODE via NODE%tunl0 onlink``. The routes the kernel ends up with are Calico's to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnilab.modes import Mode
from cnilab.testbeds.lab.steps import Daemon
from cnilab.testbeds.lab.topology import AS_NUMBER, POD_NETWORK, ROUTER_IPS, RR_IP, Node, Topology
from cnilab.testbeds.lab.wiring import METRIC

CLUSTER_ID = "244.0.0.1"


@dataclass(frozen=True)
class Peer:
    """One BGP neighbour of a speaker."""

    name: str
    ip: str
    client: bool = False


def _header(router_id: str) -> str:
    return f"""
router id {router_id};
log stderr all;
debug protocols {{ states, events }};
protocol device {{ scan time 2; }}
"""


_KERNEL = f"""
filter kernel_programming {{
  if (source = RTS_BGP) then krt_metric = {METRIC};
  if (source = RTS_DEVICE) then reject;
  accept;
}}
protocol kernel {{
  # scan time is 2 in the original; BIRD 2 may hold back its first routes until the second scan
  learn; persist; scan time 1; metric 0; merge paths on;
  ipv4 {{ import all; export filter kernel_programming; }};
}}
"""


def _peer(peer: Peer, own_ip: str, channel: str) -> str:
    # one initiator a session: the side with the smaller address, compared as text, as confd's template does
    passive = "passive on;" if peer.ip > own_ip else ""
    reflect = f"rr client; rr cluster id {CLUSTER_ID};" if peer.client else ""
    return f"""
protocol bgp {peer.name} {{
  local {own_ip} as {AS_NUMBER};
  neighbor {peer.ip} as {AS_NUMBER};
  multihop; {passive} {reflect}
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  graceful restart;
  ipv4 {{ {channel} }};
}}
"""


def node_config(node: Node, peers: list[Peer], nexthops: dict[str, tuple[str, str]]) -> str:
    """Configuration of a node that owns one block.

    Parameters
    ----------
    nexthops
        Node address -> (gateway, device) for next hops that must be resolved otherwise than by the main
        table; empty when the main table will do.
    """
    table, igp = "", ""
    if nexthops:
        routes = "\n".join(
            # a neighbour on the link needs no onlink, and Calico's BIRD leaves none there
            f"  route {ip}/32 via {gateway}%{dev}{'' if dev == 'eth0' else ' onlink'};"
            for ip, (gateway, dev) in nexthops.items()
        )
        table = (
            f"ipv4 table nexthops;\nprotocol static tunnel {{\n  ipv4 {{ table nexthops; }};\n{routes}\n}}\n"
        )
        igp = "igp table nexthops; "
    channel = f"import all; export filter own_blocks; add paths on; gateway recursive; {igp}"
    return (
        _header(node.ip)
        + f"""
protocol direct {{ ipv4; interface -"cali*", -"kube-ipvs*", "*"; }}
protocol static blocks {{ ipv4; route {node.block} blackhole; }}
filter own_blocks {{
  if (source = RTS_STATIC && net ~ {POD_NETWORK}) then accept;
  reject;
}}
"""
        + _KERNEL
        + table
        + "".join(_peer(p, node.ip, channel) for p in peers)
    )


def reflector_config(clients: list[Peer]) -> str:
    """A reflector holds no block and programs no pod route: next hops stay the owners', data never visits it."""
    channel = "import all; export where net ~ " + POD_NETWORK + "; add paths on; gateway recursive;"
    body = "".join(_peer(p, RR_IP, channel) for p in clients)
    return _header(RR_IP) + 'protocol direct { ipv4; interface "*"; }\n' + body


def router_config(topology: Topology) -> str:
    """The underlay's router taking part in BGP: it learns every block from its owner and tells nobody."""
    text = _header(ROUTER_IPS["192.0.2"]) + 'protocol direct { ipv4; interface "*"; }\n' + _KERNEL
    for node in topology.node_list:
        channel = "import all; export none; gateway recursive;"
        text += _peer(Peer(f"node_{node.name}", node.ip), node.gateway, channel)
    return text


def daemons(topology: Topology, mode: Mode, routed_underlay: bool) -> list[Daemon]:
    """One BIRD a node, and one for the reflector and the router where they speak BGP."""
    out = []
    for node in topology.node_list:
        others = [n for n in topology.node_list if n is not node]
        peers = (
            [Peer("reflector", RR_IP)] if mode.bgp == "rr" else [Peer(f"mesh_{n.name}", n.ip) for n in others]
        )
        if routed_underlay:
            peers.append(Peer("underlay", node.gateway))  # "router" is a word of BIRD's language
        nexthops = {}
        if mode.encapsulation == "ipip" and mode.device:
            for other in others:
                placement = "same_subnet" if other.subnet == node.subnet else "cross_subnet"
                dev = "eth0" if mode.outer(placement) == "none" else mode.device
                nexthops[other.ip] = (other.ip, dev)
        out.append(_daemon(node.name, node_config(node, peers, nexthops)))
    if mode.bgp == "rr":
        clients = [Peer(n.name, n.ip, client=True) for n in topology.node_list]
        out.append(_daemon("rr", reflector_config(clients)))
    if routed_underlay:
        out.append(_daemon("router", router_config(topology)))
    return out


def _daemon(ns: str, config: str) -> Daemon:
    folder = f"/run/cnilab/bird/{ns}"
    argv = ("bird", "-f", "-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid")
    return Daemon(ns, f"bird-{ns}", argv, files={f"{folder}/bird.conf": config}, ready=f"{folder}/bird.ctl")


def control(ns: str) -> str:
    """Path of a speaker's control socket, for ``birdc -s``."""
    return f"/run/cnilab/bird/{ns}/bird.ctl"
