"""What the kernel, netfilter and BGP of both end nodes must say for a mode to be in effect.

Devices, routes and who wrote them, rules, queues. What packets say is judged in :mod:`.packets`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from cnilab.modes import MODES, UNDERLAY_MTU, Mode
from cnilab.testbeds.proof.base import Check, check, ends

_SUBSTITUTE_KIND = {"ebpf": "tun", "userspace": "tun"}
_TUNNELS = {m.device for m in MODES.values() if m.device}
#: Queueing disciplines that neither limit a rate nor lose or delay packets on purpose: the kernel's own defaults
#: (net/sched/sch_api.c, sch_generic.c).
_UNLIMITED = {"noqueue", "noop", "pfifo_fast", "fq_codel", "fq", "mq", "mqprio"}
#: Holds programs, which can drop or rewrite; only the substitute for IP-in-IP hangs its own there.
_PROGRAMS = {"clsact", "ingress"}
#: The kernel's default, GSO_LEGACY_MAX_SIZE (include/linux/netdevice.h); with less, segments are cut smaller.
_GSO_MAX_SIZE = 65536
#: Chains that the plugins, kube-proxy and Docker hang into the built-in ones, and the mark of Felix's own rules there.
_KNOWN_CHAINS = re.compile(r"-[jg] (KUBE-|FLANNEL-|cali-|CNI-|DOCKER)|--comment \"cali:")
_BUILT_IN = re.compile(r"^-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ")


def devices(mode: Mode, kernel_path: str, evidence: dict, seen: dict) -> Iterator[Check]:
    """The tunnel is there with its kind, MTU and identifiers, and no other mode's tunnel is up."""
    underlay_mtu = evidence.get("underlay_mtu", UNDERLAY_MTU)
    for node in ends(seen):
        if evidence["nodes"][node] is None:
            continue
        links = {link["ifname"]: link for link in evidence["nodes"][node]["links"] or ()}
        strangers = sorted(
            name for name in _TUNNELS & set(links) - {mode.device} if "UP" in links[name].get("flags", ())
        )
        if mode.wiring != "host":  # a cluster keeps its mode while its nodes' own network is measured
            yield check("no_other_tunnel", [], strangers, node=node)
        if mode.device is None:
            continue
        link = links.get(mode.device)
        kind = mode.kind if kernel_path == "native" else _SUBSTITUTE_KIND[kernel_path]
        info = (link or {}).get("linkinfo", {})
        yield check("device_kind", kind, info.get("info_kind"), node=node, device=mode.device)
        if link is None:
            continue
        yield check("device_mtu", mode.pod_mtu(underlay_mtu), link["mtu"], node=node, device=mode.device)
        data = info.get("info_data", {})
        if mode.encapsulation == "vxlan":
            found = [data.get("id"), data.get("port"), data.get("local")]
            yield check("vxlan_settings", [mode.vni, mode.port, evidence["topology"][node]["ip"]], found, node=node)


def unlimited(kernel_path: str, evidence: dict, seen: dict) -> Iterator[Check]:
    """No queue of either node or end limits a rate or loses packets, and every device takes whole segments."""
    allowed = _UNLIMITED | (_PROGRAMS if kernel_path == "ebpf" else set())
    read = {node: evidence["nodes"][node] for node in ends(seen)}
    places = [(node, state.get("qdiscs"), state.get("links")) for node, state in read.items() if state is not None]
    for end, state in (seen.get("ends") or {}).items():
        if end not in read:  # without pods the nodes themselves are the ends
            places.append((end, state["qdiscs"], [state["link"]] if state["link"] else None))
    for place, qdiscs, links in places:
        if qdiscs is not None:
            limited = sorted(f"{q['dev']} {q['kind']}" for q in qdiscs if q["kind"] not in allowed)
            yield check("no_rate_limit", [], limited, where=place)
        sizes = {link["ifname"]: link.get("gso_max_size") for link in links or () if link["ifname"] != "lo"}
        small = sorted(name for name, size in sizes.items() if size is not None and size < _GSO_MAX_SIZE)
        if links is not None:
            yield check("whole_segments", [], small, where=place)


def offloads(mode: Mode, evidence: dict, seen: dict, placement: str) -> Iterator[Check]:
    """Virtual devices keep the segmentation and checksum offloads that the kernel gives them.

    Physical ones differ, and are a condition of the bench. Felix takes the checksum off its tunnel on kernels before
    5.8 (felix/environment/feature_detect_linux.go), so only segmentation in software is asked of Calico's.
    """
    conditions = evidence.get("conditions")
    if conditions is None:
        return
    wanted = ("gso", "tso", "tx_checksum")
    links = {end: state.get("link") for end, state in (seen.get("ends") or {}).items()}
    for end in ("client", "server"):
        link, read = links.get(seen[end]), (conditions["placements"].get(placement) or {}).get(end)
        if read and link and link.get("linkinfo", {}).get("info_kind") == "veth":
            off = [name for name in wanted if (read["offloads"] or {}).get(name) is False]
            yield check("offloads", [], off, where=seen[end], device="eth0")
    for node in ends(seen):
        read = conditions["nodes"].get(node) or {}
        state = evidence["nodes"][node]
        kinds = {link["ifname"]: link.get("linkinfo", {}).get("info_kind") for link in (state or {}).get("links") or ()}
        uplink = evidence["topology"][node].get("uplink", "eth0")
        for device, part in ((uplink, read.get("underlay")), (mode.device, read.get("tunnel"))):
            kind = kinds.get(device)
            if part is None or kind not in ("veth", "vxlan"):
                continue
            asked = ("gso",) if kind == "vxlan" and mode.plugin == "calico" else wanted
            off = [name for name in asked if (part["offloads"] or {}).get(name) is False]
            yield check("offloads", [], off, where=node, device=device)


def filters(mode: Mode, evidence: dict, seen: dict) -> Iterator[Check]:
    """The built-in chains of netfilter hold the plugins' hooks and nothing else; a bridge's packets meet them."""
    for node in ends(seen):
        state = evidence["nodes"][node]
        if state is None:
            continue
        text = state.get("netfilter")
        if text is not None and mode.wiring != "docker":  # Docker writes its rules into the built-in chains
            strange = [line for line in text.splitlines() if _BUILT_IN.match(line) and not _KNOWN_CHAINS.search(line)]
            yield check("no_foreign_rules", 0, len(strange), node=node, first=strange[0] if strange else None)
        if state.get("bridge_nf") is not None and mode.wiring == "bridge":
            yield check("bridge_netfilter", "1", state["bridge_nf"], node=node)


def _lookup(routes: list[dict], address: str, table: str | None) -> dict | None:
    """Longest-prefix match in one table, as the kernel would, lower metric first."""
    target, best = ipaddress.ip_address(address), None
    for route in routes:
        if (route.get("table") or "main") != (table or "main"):
            continue
        network = ipaddress.ip_network(
            "0.0.0.0/0" if route["dst"] == "default" else route["dst"], strict=False
        )
        if target not in network:
            continue
        key = (network.prefixlen, -int(route.get("metric", 0)))
        if best is None or key > best[0]:
            best = (key, route)
    return best[1] if best else None


def routes(mode: Mode, evidence: dict, seen: dict, placement: str) -> Iterator[Check]:
    """Each node's route to the other's pod leaves by the expected device, with the expected gateway and writer."""
    if mode.wiring in ("host", "docker"):
        return
    client, server = seen["client_node"], seen["server_node"]
    yield from _route(mode, evidence, client, server, seen["server_pod"], placement)
    if seen.get("client_address"):
        yield from _route(mode, evidence, server, client, seen["client_address"], placement)


def _route(mode: Mode, evidence: dict, node: str, peer: str, pod: str, placement: str) -> Iterator[Check]:
    state = evidence["nodes"][node]
    if state is None:
        return
    if state["routes"] is None:
        yield check("routes_readable", True, False, node=node)
        return
    tunnelled = mode.outer(placement) != "none"
    by_rule = mode.plugin == "calico" and mode.encapsulation == "wireguard"
    if by_rule:
        rule: dict = next((r for r in state["rules"] or () if r.get("priority") == 99), {})
        yield check("wireguard_rule", ["1", True], [str(rule.get("table")), "not" in rule], node=node)
    if state["rules"] is not None:
        early = sorted(
            r.get("priority", 0) for r in state["rules"] if r.get("table") != "local" and r.get("priority", 0) < 99
        )
        yield check("no_earlier_rule", [], early, node=node)
    route = _lookup(state["routes"], pod, "1" if by_rule else None)
    yield check("route_present", True, route is not None, node=node, address=pod)
    if route is None:
        return
    own = evidence["topology"][node]
    device = mode.device if tunnelled else own.get("uplink", "eth0")
    yield check("route_device", device, route.get("dev"), node=node, address=pod)
    expected = mode.route_protocol
    if mode.plugin == "calico" and mode.encapsulation == "vxlan" and not tunnelled:
        expected = "80"  # Felix marks direct routes with its own number
    yield check("route_protocol", expected, str(route.get("protocol")), node=node, address=pod)
    gateway = _gateway(mode, evidence, node, peer, tunnelled)
    if gateway:
        yield check("route_gateway", gateway, route.get("gateway"), node=node, address=pod)
    if tunnelled and mode.encapsulation == "vxlan":
        yield from _forwarding(mode, node, state, route.get("gateway"), evidence["topology"][peer]["ip"])
    if mode.route_protocol == "bird" and state.get("bgp_routes") is not None:
        speakers = {s["peer"] for s in state["bgp"] or ()}
        given = sorted(r["protocol"] for r in state["bgp_routes"] if r["prefix"] == route["dst"])
        yield check("route_from_bgp", True, bool(speakers & set(given)), node=node, prefix=route["dst"])


def _gateway(mode: Mode, evidence: dict, client: str, server: str, tunnelled: bool) -> str | None:
    """The next hop's address: the other node's, or its tunnel's for VXLAN; None where the device says it all."""
    own, peer = evidence["topology"][client], evidence["topology"][server]
    if mode.encapsulation in ("udp", "wireguard") and tunnelled:
        return None
    if tunnelled and mode.encapsulation == "vxlan":
        return None  # checked through the neighbour table and the forwarding entry instead
    if not tunnelled and own["subnet"] != peer["subnet"]:
        return own["gateway"]
    return peer["ip"]


def _forwarding(mode: Mode, node: str, state: dict, gateway: str | None, peer_ip: str) -> Iterator[Check]:
    """VXLAN's next hop has a permanent MAC, and that MAC a forwarding entry to the other node."""
    neighbour: dict = next(
        (n for n in state["neighbours"] or () if n.get("dst") == gateway and n.get("dev") == mode.device), {}
    )
    yield check("neighbour", ["PERMANENT"], neighbour.get("state"), node=node, address=gateway, device=mode.device)
    entry: dict = next(
        (
            f
            for f in state["fdb"] or ()
            if f.get("mac") == neighbour.get("lladdr") and f.get("ifname") == mode.device
        ),
        {},
    )
    yield check("forwarding_entry", peer_ip, entry.get("dst"), node=node, mac=neighbour.get("lladdr"))


def sessions(mode: Mode, evidence: dict, seen: dict) -> Iterator[Check]:
    """Every BGP session of both nodes is established, and there are as many as the topology wants."""
    if not mode.bgp:
        return
    for node in ends(seen):
        if evidence["nodes"][node] is None:
            continue
        found = evidence["nodes"][node]["bgp"]
        yield check("bgp_readable", True, found is not None, node=node)
        if found is None:
            continue
        down = [f"{s['peer']} {s['info'] or s['state']}" for s in found if "Established" not in s["info"]]
        wanted = 1 if mode.bgp == "rr" else len(evidence["topology"]) - 1
        wanted += evidence["underlay"] == "routed"
        yield check("bgp_established", [], down, node=node)
        exact = mode.bgp == "rr" and evidence["nodes"][node].get("bgp_routes") is not None
        enough = len(found) == wanted if exact else len(found) >= wanted
        yield check("bgp_sessions", wanted, len(found), enough, node=node)
