"""What the packets of an exchange must say: what carried them, both ways, UDP and TCP, from whom and over which hops.

Reads captures and what both ends saw; the kernel's own state is judged in :mod:`.state`.
"""

from __future__ import annotations

from collections.abc import Iterator

from cnilab.modes import Mode
from cnilab.testbeds.proof.base import Check, check, outcome

IP_TCP_HEADERS, TIMESTAMPS = 40, 12


def judged(mode: Mode, evidence: dict, seen: dict, placement: str, underlay_mtu: int) -> Iterator[Check]:
    """Judge an exchange of which at least the first packet arrived."""
    yield from _lengths(mode, seen, placement)
    yield from _addresses(mode, evidence, seen, placement)
    yield from _stream(mode, seen, placement)
    if not seen["packets"]:
        return
    if placement == "same_node":
        yield check("nothing_on_underlay", 0, len(_exchange(seen, 0, sent=True)))
        if len(seen["packets"]) > 1:
            for way, sent in (("there", False), ("back", True)):  # sent by the node is received by the pod
                yield check("passes_the_node", True, bool(_exchange(seen, 1, sent=sent)), way=way)
        return
    for way, sent in (("there", True), ("back", False)):
        yield from _carrier(mode, seen, placement, way, _exchange(seen, 0, sent=sent))
    yield from _headers(mode, seen, placement, underlay_mtu)
    yield from _hops(seen, placement)


def outer(seen: dict, placement: str) -> str:
    """Return what carried the exchange's packets as the client's node sent them, in a few words."""
    if placement == "same_node":
        return "stays on the node"
    if not seen["packets"]:
        return "not captured"
    carriers = {
        f"{p['carrier']} {p['port']}" if p["carrier"] in ("vxlan", "udp", "wireguard") else p["carrier"]
        for p in _probes(seen)
    }
    names = {"none": "plain", "ipip": "ipip (protocol 4)"}
    return ", ".join(sorted(names.get(c, c) for c in carriers)) or "-"


def _probes(seen: dict) -> list[dict]:
    """The exchange's own packets as the client's node sent them."""
    return [p for p in seen["packets"][0] if p["sent"] and (p["probe"] or p["carrier"] == "wireguard")]


def _exchange(seen: dict, tap: int, *, sent: bool) -> list[dict]:
    """The exchange's packets at one tap in one direction: marked ones, its TCP, and sealed ones.

    A node of a cluster has talk of its own on the same wire, so TCP is told by the exchange's port.
    """
    return [
        p
        for p in seen["packets"][tap]
        if p["sent"] is sent and (p["probe"] or _streamed(seen, p) or p["carrier"] == "wireguard")
    ]


def _streamed(seen: dict, packet: dict) -> bool:
    return bool(packet.get("tcp")) and seen.get("port") in packet["tcp"]["ports"]


def _lengths(mode: Mode, seen: dict, placement: str) -> Iterator[Check]:
    """The mode's MTU and not a byte more arrives with DF set, and each hop took one of the TTL."""
    probes = {p["length"]: p for p in seen["probes"]}
    if not (placement == "same_node" and mode.wiring == "host"):  # loopback has an MTU of its own
        size = seen["mtu"]
        yield check("whole_mtu_arrives", "ok", outcome(probes[size]), bytes=size)
        yield check("longer_is_refused", "too_long", outcome(probes[size + 1]), bytes=size + 1)
    yield check("ttl", [mode.ttl(placement)], sorted({r["ttl"] for r in seen["received"]}))


def _addresses(mode: Mode, evidence: dict, seen: dict, placement: str) -> Iterator[Check]:
    """The server sees the client's own address (Docker's published ports: its node's), and is reached at its own."""
    client = seen.get("client_address")
    if client is None:
        return
    translated = mode.wiring == "docker" and placement != "same_node"
    source = evidence["topology"][seen["client_node"]]["ip"] if translated else client
    for protocol, rows in (("udp", seen["received"]), ("tcp", seen.get("accepted") or [])):
        if rows:
            yield check("source_address", [source], sorted({r["from"] for r in rows}), protocol=protocol)
        if rows and "to" in rows[0]:
            found = sorted({r["to"] for r in rows})
            yield check("destination_address", [seen["server_address"]], found, protocol=protocol)


def _stream(mode: Mode, seen: dict, placement: str) -> Iterator[Check]:
    """A TCP connection carries whole segments both ways, as large as the mode's MTU lets them be."""
    opened = seen.get("stream")
    if opened is None:
        return
    yield check("stream_completes", "ok", opened["result"], step=opened.get("step"), error=opened.get("error"))
    if opened["result"] != "ok" or (placement == "same_node" and mode.wiring == "host"):
        return
    for end, info in (("client", opened), ("server", (seen["accepted"] or [None])[-1])):
        if info is not None:
            wanted = seen["mtu"] - IP_TCP_HEADERS - TIMESTAMPS * info["timestamps"]
            yield check("segment_size", wanted, info["mss"], end=end)


def _carrier(mode: Mode, seen: dict, placement: str, way: str, packets: list[dict]) -> Iterator[Check]:
    """UDP and TCP, there and back, are carried as the mode says; under encryption nothing passes that can be read."""
    expected = mode.outer(placement)
    streamed = (seen.get("stream") or {}).get("result") == "ok"
    if expected == "wireguard":
        yield check("carried_by", [expected], sorted({p["carrier"] for p in packets}), way=way, protocol="any")
        return
    for protocol, chosen in (
        ("udp", [p for p in packets if not p.get("tcp")]),
        ("tcp", [p for p in packets if p.get("tcp")]),
    ):
        if protocol == "udp" or streamed:
            yield check("carried_by", [expected], sorted({p["carrier"] for p in chosen}), way=way, protocol=protocol)
    if expected == "none" or not packets:
        return
    if mode.port:
        yield check("udp_port", [mode.port], sorted({p["port"] for p in packets if p["port"]}), way=way)
    if expected == "vxlan":
        yield check("vni", [mode.vni], sorted({p["vni"] for p in packets if p["vni"] is not None}), way=way)


def _headers(mode: Mode, seen: dict, placement: str, underlay_mtu: int) -> Iterator[Check]:
    """The header's length, DF and TTL are the mode's own, and the longest packet fits the underlay."""
    expected, sent = mode.outer(placement), _probes(seen)
    if expected == "none" or not sent:
        return
    if expected == "wireguard":
        yield _wireguard_length(mode, seen, sent)
        return
    extra = sorted({p["outer"]["length"] - p["inner"]["length"] for p in sent if p["inner"]})
    yield check("header_bytes", [mode.header_bytes], extra)
    udp = [p for p in sent if not p.get("tcp")]
    if expected == "ipip":
        same = all(
            (p["outer"]["df"], p["outer"]["ttl"]) == (p["inner"]["df"], p["inner"]["ttl"]) for p in udp if p["inner"]
        )
        yield check("outer_copies_inner", True, same)
    longest = max(p["outer"]["length"] for p in udp)
    yield check("fits_underlay", underlay_mtu, longest, longest <= underlay_mtu)


def _wireguard_length(mode: Mode, seen: dict, sent: list[dict]) -> Check:
    """A data message is 60 bytes and the padded inner packet (to 16, but never past the MTU)."""
    expected = {min(-(-r["length"] // 16) * 16, seen["mtu"]) + mode.header_bytes for r in seen["received"]}
    found = {p["outer"]["length"] for p in sent if p.get("message") == 4}
    return check("wireguard_lengths", sorted(expected), sorted(found), expected <= found)


def _hops(seen: dict, placement: str) -> Iterator[Check]:
    """Between the nodes lies the router, across subnets, and nothing else: so many hops does the outer header count."""
    if len(seen["packets"]) < 2:
        return
    routers = 1 if placement == "cross_subnet" else 0
    for way, first, last in (("there", 0, 1), ("back", 1, 0)):
        left = {p["outer"]["ttl"] for p in _exchange(seen, first, sent=True)}
        came = {p["outer"]["ttl"] for p in _exchange(seen, last, sent=False)}
        if left and came:
            yield check("underlay_hops", sorted(t - routers for t in left), sorted(came), way=way)
