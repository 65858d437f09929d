"""What each check of a proof expects, in English, and how the values it compares are shown.

The codes are :mod:`cnilab.testbeds.proof`'s. An expectation starts small and ends without a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Args = Mapping[str, Any]


def value(given: Any) -> str:
    """Return a check's value as a reader meets it; what is not there is nothing, an empty list none.

    >>> value(("vxlan",)), value(()), value(True), value(None)
    ('vxlan', 'none', 'yes', 'nothing')
    """
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, tuple | list):
        return ", ".join(value(v) for v in given) if given else "none"
    return str(given)


_WAYS = {"there": "to the server", "back": "back to the client"}

#: Check of a proof -> its expectation in words.
CHECKS: dict[str, Callable[[Args], str]] = {
    "bgp_established": lambda a: f"{a['node']}: BGP sessions that are not established",
    "bgp_readable": lambda a: f"{a['node']}: birdc answers",
    "bgp_sessions": lambda a: f"{a['node']}: number of BGP sessions",
    "bridge_netfilter": lambda a: f"{a['node']}: bridged packets pass netfilter (bridge-nf-call-iptables)",
    "carried_by": lambda a: (
        f"{a['protocol'].upper()} {_WAYS[a['way']]} is carried by"
        if a["protocol"] != "any"
        else f"packets {_WAYS[a['way']]} are carried by"
    ),
    "destination_address": lambda a: f"{a['protocol'].upper()} reaches the server at",
    "device_kind": lambda a: f"{a['node']}: kind of {a['device']}",
    "device_mtu": lambda a: f"{a['node']}: MTU of {a['device']}",
    "end_mtu": lambda a: f"{a['end']}: MTU of eth0",
    "fits_underlay": lambda a: "longest packet on the underlay, at most",
    "forwarding_entry": lambda a: f"{a['node']}: forwarding entry of {value(a['mac'])} leads to",
    "header_bytes": lambda a: "header bytes on the wire",
    "longer_is_refused": lambda a: f"a packet of {a['bytes']} B with DF set",
    "neighbour": lambda a: f"{a['node']}: neighbour {value(a['address'])} on {a['device']} is",
    "neighbours_permanent": lambda a: "permanent neighbour entries on the link",
    "no_earlier_rule": lambda a: f"{a['node']}: routing rules before the mode's own",
    "no_foreign_rules": lambda a: (
        f"{a['node']}: netfilter rules that are not the plugin's"
        + (f" (first: {a['first']})" if a.get("first") else "")
    ),
    "no_other_tunnel": lambda a: f"{a['node']}: other modes' tunnels that are up",
    "no_rate_limit": lambda a: f"{a['where']}: queues that limit or lose packets",
    "nothing_on_underlay": lambda a: "packets of one node seen on the underlay",
    "offloads": lambda a: f"{a['where']}: offloads of {a['device']} that are off",
    "outer_copies_inner": lambda a: "outer DF and TTL are the inner packet's",
    "packet_arrives": lambda a: "a packet arrives",
    "packet_does_not_arrive": lambda a: "a packet does not arrive",
    "passes_the_node": lambda a: f"packets {_WAYS[a['way']]} pass the node's end of the pod's link",
    "recorded": lambda a: str(a["text"]),
    "route_device": lambda a: f"{a['node']}: route to {a['address']} leaves by",
    "route_from_bgp": lambda a: f"{a['node']}: BIRD has the route to {a['prefix']} from a BGP session",
    "route_gateway": lambda a: f"{a['node']}: gateway of the route to {a['address']}",
    "route_present": lambda a: f"{a['node']}: route to {a['address']}",
    "route_protocol": lambda a: f"{a['node']}: protocol of the route to {a['address']}",
    "routers_on_the_link": lambda a: "routers on the link, the one that will join among them",
    "routes_readable": lambda a: f"{a['node']}: routes can be read",
    "segment_size": lambda a: f"TCP segment of the {a['end']}, B",
    "source_address": lambda a: f"{a['protocol'].upper()} reaches the server from",
    "stream_completes": lambda a: (
        "a TCP exchange of whole segments" + (f" ({a['step']}: {a['error']})" if a.get("error") else "")
    ),
    "ttl": lambda a: "TTL at the receiver",
    "udp_port": lambda a: f"UDP port of packets {_WAYS[a['way']]}",
    "underlay_hops": lambda a: f"TTL on the underlay after the way {_WAYS[a['way']]}",
    "vni": lambda a: f"VNI of packets {_WAYS[a['way']]}",
    "vxlan_settings": lambda a: f"{a['node']}: VNI, port and local address",
    "whole_mtu_arrives": lambda a: f"a packet of {a['bytes']} B with DF set",
    "whole_segments": lambda a: f"{a['where']}: devices that cut segments below 64 KiB",
    "wireguard_lengths": lambda a: "lengths on the wire (padded, and 60)",
    "wireguard_rule": lambda a: f"{a['node']}: table of routing rule 99, and that it excludes by mark",
}


def expectation(code: str, args: Args) -> str:
    """Return what a proof's check expects; a code that is not known stands for itself."""
    return CHECKS[code](args) if code in CHECKS else code
