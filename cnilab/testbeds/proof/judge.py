"""Is the mode that is reported the mode that carried the packets? Evidence in, one judged row per placement out.

The catalogue says what a mode's devices, routes and packets look like; the evidence is what a testbed read
from the kernel, from BGP, and off the wire during a short exchange, both ways, UDP and TCP. A mismatch makes the
deployment ``mode_not_in_effect`` and its trials never become numbers. This module reads no kernel itself, so the
same judgement serves the lab and a real cluster.
"""

from __future__ import annotations

from cnilab.facts import Arg, Fact
from cnilab.modes import MODES, UNDERLAY_MTU, Mode
from cnilab.testbeds.proof import packets, state
from cnilab.testbeds.proof.base import SCHEMA_VERSION, Check, Row, absent, check, outcome

__all__ = ["SCHEMA_VERSION", "Check", "Row", "absent", "rows"]


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
    path = evidence["path"]
    if not mode.offers(path):
        return absent(mode.id, placement, kernel_path, Fact("path_not_offered", {"mode": mode.id, "path": path}))
    reaches = mode.reaches(placement, evidence["underlay"]) or path == "host_to_host"
    checks = [*state.devices(mode, kernel_path, evidence, seen), *state.sessions(mode, evidence, seen)]
    reported, mode = mode, MODES["host"] if path == "host_to_host" else mode
    checks += [check("end_mtu", seen["mtu"], mtu, end=end) for end, mtu in seen["end_mtus"].items()]
    checks += state.unlimited(kernel_path, evidence, seen)
    checks += state.offloads(reported, evidence, seen, placement)
    checks += state.filters(reported, evidence, seen)
    first = seen["probes"][0]
    reachable = first["result"] == "ok"
    if reaches:
        checks.append(check("packet_arrives", "ok", outcome(first)))
        if placement != "same_node":
            checks += state.routes(mode, evidence, seen, placement)
        if reachable:
            checks += packets.judged(mode, evidence, seen, placement, evidence.get("underlay_mtu", UNDERLAY_MTU))
    else:
        checks.append(check("packet_does_not_arrive", "unreachable", outcome(first), reachable is False))
    broken = next((c for c in checks if not c.ok), None)
    reason = None
    if broken:
        about = {"check": broken.code, "expected": broken.expected, "found": broken.found, **broken.args}
        reason = Fact("mode_not_in_effect", {k: _argument(v) for k, v in about.items()})
    elif not reachable:
        answer = seen.get("from_node") or first
        # behind a Service the complaint is translated back, and names the address that was called
        by = {"by": answer["by"]} if answer.get("by") not in (None, seen.get("address")) else {}
        reason = Fact("not_crossing", by, answer.get("error") or answer["result"])
    return Row(
        reported.id,
        placement,
        kernel_path,
        "failed" if broken else "ok",
        reason,
        reachable,
        packets.outer(seen, placement) if reachable else "-",
        _mtu(mode, seen, placement),
        seen["received"][0]["ttl"] if seen["received"] else None,
        tuple(checks),
    )


def _mtu(mode: Mode, seen: dict, placement: str) -> int | None:
    """The largest packet that arrived unbroken; a node's talk with itself takes loopback, whose MTU is no mode's."""
    if placement == "same_node" and mode.wiring == "host":
        return None
    return max((p["length"] for p in seen["probes"] if p["result"] == "ok"), default=None)


def _argument(value: object) -> Arg:
    if isinstance(value, list | tuple):
        return tuple(_argument(v) for v in value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
