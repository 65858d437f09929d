"""Is the mode that is reported the mode that carried the packets? Evidence in, one judged row a placement out.

The catalogue says what a mode's devices, routes and packets look like; the evidence is what a testbed read
from the kernel, from BGP, and off the wire during a short exchange. A mismatch makes the deployment
``failed: mode not in effect`` and its trials never become numbers. This module reads no kernel itself, so the
same judgement serves the lab and a real cluster.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cnilab.modes import MODES, UNDERLAY_MTU, Mode

SCHEMA_VERSION = 1
NOT_IN_EFFECT = "mode not in effect"
NOT_CROSSING = "does not cross subnets"
_SUBSTITUTE_KIND = {"ebpf": "tun", "userspace": "tun"}
_TUNNELS = {m.device for m in MODES.values() if m.device}


@dataclass(frozen=True)
class Check:
    """One expectation and what was found."""

    name: str
    expected: str
    found: str
    ok: bool


@dataclass(frozen=True)
class Row:
    """The proof of one placement.

    Parameters
    ----------
    status
        ``ok`` if every check holds (also when the mode is rightly unreachable here), else ``failed``;
        ``skipped`` where the testbed has no such placement.
    reason
        The first check that does not hold, or why no packet arrives, or None.
    reachable
        Whether packets arrived.
    outer
        What carried them on the underlay, as seen, e.g. ``"vxlan 8472"``; ``"plain"``; ``"-"`` if none passed.
    mtu
        Largest DF packet that arrived, in bytes, IP header included; None if none did.
    ttl
        TTL at the receiver of a packet sent with 64.
    """

    mode: str
    placement: str
    kernel_path: str
    status: str
    reason: str | None
    reachable: bool
    outer: str
    mtu: int | None
    ttl: int | None
    checks: tuple[Check, ...]

    def to_dict(self) -> dict:
        return asdict(self) | {"checks": [asdict(c) for c in self.checks]}


def absent(mode: str, placement: str, kernel_path: str, reason: str) -> Row:
    """A placement the testbed does not have."""
    return Row(mode, placement, kernel_path, "skipped", reason, False, "-", None, None, ())


def rows(mode: Mode, kernel_path: str, evidence: dict) -> list[Row]:
    """Judge the evidence for every placement in it.

    Parameters
    ----------
    mode
        The catalogue's entry.
    kernel_path
        Which implementation was put in place.
    evidence
        ``nodes``, ``topology``, ``placements``, ``underlay``, ``path`` as a testbed gathers them;
        ``underlay_mtu`` and a node's ``uplink`` where they are not the lab's 1500 and eth0. A testbed that may
        not look (no rights on the nodes) gives None for a node or for ``packets`` and says so in its notes:
        what was not looked at is not checked, and MTU and TTL still are.
    """
    return [_row(mode, kernel_path, evidence, placement) for placement in evidence["placements"]]


def _row(mode: Mode, kernel_path: str, evidence: dict, placement: str) -> Row:
    seen = evidence["placements"][placement]
    reaches = mode.reaches(placement, evidence["underlay"]) or evidence["path"] == "host_to_host"
    checks = [*_devices(mode, kernel_path, evidence, seen), *_bgp(mode, evidence, seen)]
    reported, mode = mode, MODES["host"] if evidence["path"] == "host_to_host" else mode
    for end, mtu in seen["end_mtus"].items():
        checks.append(_check(f"{end}: MTU of eth0", seen["mtu"], mtu))
    first = seen["probes"][0]
    reachable = first["result"] == "ok"
    if reaches:
        checks.append(_check("a packet arrives", "ok", _outcome(first)))
        if placement != "same_node":
            checks += _routes(mode, evidence, seen, placement)
        if reachable:
            checks += _packets(mode, seen, placement, _underlay_mtu(evidence))
    else:
        checks.append(
            _check("a packet does not arrive", "unreachable or lost", _outcome(first), reachable is False)
        )
    broken = next((c for c in checks if not c.ok), None)
    reason = None
    if broken:
        reason = f"{NOT_IN_EFFECT}: {broken.name}: expected {broken.expected}, found {broken.found}"
    elif not reachable:
        answer = seen.get("from_node") or first
        by = f" by {answer['by']}" if answer.get("by") else ""
        reason = f"{NOT_CROSSING}: {answer.get('error') or answer['result']}{by}"
    return Row(
        reported.id,
        placement,
        kernel_path,
        "failed" if broken else "ok",
        reason,
        reachable,
        _outer(seen, placement) if reachable else "-",
        max((p["length"] for p in seen["probes"] if p["result"] == "ok"), default=None),
        seen["received"][0]["ttl"] if seen["received"] else None,
        tuple(checks),
    )


def _check(name: str, expected: object, found: object, ok: bool | None = None) -> Check:
    return Check(name, str(expected), str(found), expected == found if ok is None else ok)


def _underlay_mtu(evidence: dict) -> int:
    return evidence.get("underlay_mtu", UNDERLAY_MTU)


def _outcome(probe: dict) -> str:
    detail = probe.get("error") or (f"mtu {probe['mtu']}" if probe.get("mtu") else "")
    return probe["result"] + (f" ({detail})" if detail else "")


# ---- kernel state -------------------------------------------------------------------------------------------


def _devices(mode: Mode, kernel_path: str, evidence: dict, seen: dict) -> Iterable[Check]:
    """The tunnel is there with its kind, MTU and identifiers, and no other mode's tunnel is up."""
    for node in dict.fromkeys((seen["client_node"], seen["server_node"])):
        if evidence["nodes"][node] is None:
            continue
        links = {link["ifname"]: link for link in evidence["nodes"][node]["links"] or ()}
        strangers = sorted(
            name for name in _TUNNELS & set(links) - {mode.device} if "UP" in links[name].get("flags", ())
        )
        if mode.wiring != "host":  # a cluster keeps its mode while its nodes' own network is measured
            yield _check(f"{node}: no other mode's tunnel is up", "none", ", ".join(strangers) or "none")
        if mode.device is None:
            continue
        link = links.get(mode.device)
        kind = mode.kind if kernel_path == "native" else _SUBSTITUTE_KIND[kernel_path]
        info = (link or {}).get("linkinfo", {})
        yield _check(f"{node}: {mode.device} is a {kind}", kind, info.get("info_kind", "missing"))
        if link is None:
            continue
        yield _check(f"{node}: MTU of {mode.device}", mode.pod_mtu(_underlay_mtu(evidence)), link["mtu"])
        data = info.get("info_data", {})
        if mode.encapsulation == "vxlan":
            found = (data.get("id"), data.get("port"), data.get("local"))
            yield _check(
                f"{node}: VNI, port, local", (mode.vni, mode.port, evidence["topology"][node]["ip"]), found
            )


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


def _routes(mode: Mode, evidence: dict, seen: dict, placement: str) -> Iterable[Check]:
    """The route to the other pod leaves by the expected device, with the expected gateway and writer."""
    if mode.wiring in ("host", "docker"):
        return
    node = seen["client_node"]
    state, peer = evidence["nodes"][node], evidence["topology"][seen["server_node"]]
    if state is None:
        return
    if state["routes"] is None:
        yield _check(f"{node}: routes", "readable", "not readable")
        return
    tunnelled = mode.outer(placement) != "none"
    by_rule = mode.plugin == "calico" and mode.encapsulation == "wireguard"
    if by_rule:
        rule: dict = next((r for r in state["rules"] or () if r.get("priority") == 99), {})
        yield _check(
            f"{node}: rule 99 leads to table 1", ("1", True), (str(rule.get("table")), "not" in rule)
        )
    route = _lookup(state["routes"], seen["server_pod"], "1" if by_rule else None)
    if route is None:
        yield _check(f"{node}: route to {seen['server_pod']}", "present", "absent")
        return
    yield _check(
        f"{node}: route to {seen['server_pod']} leaves by",
        mode.device if tunnelled else evidence["topology"][node].get("uplink", "eth0"),
        route.get("dev"),
    )
    expected = mode.route_protocol
    if mode.plugin == "calico" and mode.encapsulation == "vxlan" and not tunnelled:
        expected = "80"  # Felix marks direct routes with its own number
    yield _check(f"{node}: its protocol", expected, str(route.get("protocol")))
    gateway = _gateway(mode, evidence, node, seen["server_node"], tunnelled)
    if gateway:
        yield _check(f"{node}: its gateway", gateway, route.get("gateway"))
    if tunnelled and mode.encapsulation == "vxlan":
        yield from _forwarding(mode, node, state, route.get("gateway"), peer["ip"])


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


def _forwarding(mode: Mode, node: str, state: dict, gateway: str | None, peer_ip: str) -> Iterable[Check]:
    """VXLAN's next hop has a permanent MAC, and that MAC a forwarding entry to the other node."""
    neighbour: dict = next(
        (n for n in state["neighbours"] or () if n.get("dst") == gateway and n.get("dev") == mode.device), {}
    )
    yield _check(
        f"{node}: neighbour {gateway} on {mode.device}", ["PERMANENT"], neighbour.get("state", ["absent"])
    )
    entry: dict = next(
        (
            f
            for f in state["fdb"] or ()
            if f.get("mac") == neighbour.get("lladdr") and f.get("ifname") == mode.device
        ),
        {},
    )
    yield _check(
        f"{node}: forwarding entry of {neighbour.get('lladdr', '?')} leads to",
        peer_ip,
        entry.get("dst", "absent"),
    )


def _bgp(mode: Mode, evidence: dict, seen: dict) -> Iterable[Check]:
    """Every session of both nodes is established."""
    if not mode.bgp:
        return
    for node in dict.fromkeys((seen["client_node"], seen["server_node"])):
        if evidence["nodes"][node] is None:
            continue
        sessions = evidence["nodes"][node]["bgp"]
        if sessions is None:
            yield _check(f"{node}: BGP", "readable", "birdc gave no answer")
            continue
        down = [f"{s['peer']} {s['info'] or s['state']}" for s in sessions if "Established" not in s["info"]]
        wanted = 1 if mode.bgp == "rr" else len(evidence["topology"]) - 1
        wanted += evidence["underlay"] == "routed"
        found = (
            "all established"
            if not down and len(sessions) >= wanted
            else ", ".join(down) or f"{len(sessions)} sessions"
        )
        yield _check(f"{node}: {wanted} BGP sessions", "all established", found)


# ---- packets --------------------------------------------------------------------------------------------------


def _carried(seen: dict) -> list[dict]:
    """The exchange's own packets as the client's node sent them."""
    return [p for p in seen["packets"][0] if p["sent"] and (p["probe"] or p["carrier"] == "wireguard")]


def _outer(seen: dict, placement: str) -> str:
    if placement == "same_node":
        return "stays on the node"
    if not seen["packets"]:
        return "not captured"
    carriers = {
        f"{p['carrier']} {p['port']}" if p["carrier"] in ("vxlan", "udp", "wireguard") else p["carrier"]
        for p in _carried(seen)
    }
    names = {"none": "plain", "ipip": "ipip (protocol 4)"}
    return ", ".join(sorted(names.get(c, c) for c in carriers)) or "-"


def _packets(mode: Mode, seen: dict, placement: str, underlay_mtu: int) -> Iterable[Check]:
    """Carrier, ports, lengths, DF, TTL and MTU are the mode's own."""
    probes = {p["length"]: p for p in seen["probes"]}
    local = placement == "same_node"
    loopback = local and mode.wiring == "host"
    if not loopback:
        yield _check(f"a DF packet of {seen['mtu']} B arrives", "ok", _outcome(probes[seen["mtu"]]))
        longer = probes[seen["mtu"] + 1]
        yield _check(f"one of {seen['mtu'] + 1} B does not", "too_long", longer["result"])
    ttls = sorted({r["ttl"] for r in seen["received"]})
    yield _check("TTL at the receiver", [mode.ttl(placement)], ttls)
    if not seen["packets"]:
        return
    sent = _carried(seen)
    if local:
        yield _check("nothing on the underlay", 0, len(sent))
        return
    expected = mode.outer(placement)
    yield _check("carried by", expected, ", ".join(sorted({p["carrier"] for p in sent})) or "nothing seen")
    if expected == "none" or not sent:
        return
    if mode.port:
        yield _check(
            "UDP port",
            mode.port,
            ", ".join(sorted({str(p["port"]) for p in sent})),
            all(p["port"] == mode.port for p in sent),
        )
    if expected == "vxlan":
        yield _check(
            "VNI",
            mode.vni,
            ", ".join(sorted({str(p["vni"]) for p in sent})),
            all(p["vni"] == mode.vni for p in sent),
        )
    if expected == "wireguard":
        yield _wireguard_length(mode, seen, sent)
        return
    extra = sorted({p["outer"]["length"] - p["inner"]["length"] for p in sent if p["inner"]})
    yield _check("header bytes on the wire", [mode.header_bytes], extra)
    if expected == "ipip":
        same = all(
            (p["outer"]["df"], p["outer"]["ttl"]) == (p["inner"]["df"], p["inner"]["ttl"])
            for p in sent
            if p["inner"]
        )
        yield _check("outer DF and TTL are the inner packet's", True, same)
    longest = max(p["outer"]["length"] for p in sent)
    yield _check("the longest fits the underlay", f"<= {underlay_mtu}", longest, longest <= underlay_mtu)


def _wireguard_length(mode: Mode, seen: dict, sent: list[dict]) -> Check:
    """A data message is 60 bytes and the padded inner packet (to 16, but never past the MTU)."""
    expected = {min(-(-r["length"] // 16) * 16, seen["mtu"]) + mode.header_bytes for r in seen["received"]}
    found = {p["outer"]["length"] for p in sent if p.get("message") == 4}
    return _check("lengths on the wire (padded + 60)", sorted(expected), sorted(found), expected <= found)
