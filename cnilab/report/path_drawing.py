"""The path of one packet through each mode, as a diagram: devices in order, length at each, headers on and off.

Made of text and boxes that wrap, so that it is read on a phone, by a screen reader and in the dark alike. The
trails are those recorded in the run directory (``evidence.trails`` of a proof); nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from cnilab.modes import order
from cnilab.report import names
from cnilab.report.record import Record

_CARRIED = {
    "ipip": "IP in IP",
    "vxlan": "VXLAN",
    "udp": "UDP",
    "wireguard": "WireGuard",
}
#: The lab's wire: its ports only hand on what both ends already show.
_WIRE = "switch"


@dataclass(frozen=True)
class Step:
    """A device on the way, and what the packet gained (+) or lost (-) in bytes to get there."""

    where: str
    device: str
    length: int
    carrier: str
    change: int


def steps(trail: dict[str, Any]) -> list[Step]:
    """Return the devices of a recorded trail in order, the wire's ports left out."""
    out: list[Step] = []
    for hop in trail["rows"]:
        if hop["namespace"] != _WIRE:
            change = hop["length"] - out[-1].length if out else 0
            out.append(Step(hop["namespace"], hop["device"], hop["length"], hop["carrier"], change))
    return out


def recorded(record: Record) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``{placement: {mode: trail}}``, the first trail recorded of each; empty in a run that has none."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for proof in record.proofs.values():
        for place, trail in (proof.get("evidence", {}).get("trails") or {}).items():
            if trail["rows"]:
                out.setdefault(place, {}).setdefault(trail["mode"], trail)
    return out


def told(trail: dict[str, Any]) -> str:
    """Return a trail as a sentence, for who cannot see the boxes.

    >>> hop = {"namespace": "n1", "device": "eth0", "length": 100, "carrier": "none"}
    >>> told({"rows": [{**hop, "namespace": "p1"}, {**hop, "length": 150, "carrier": "vxlan"}]})
    'p1 eth0 100 B; 50 B of VXLAN added; n1 eth0 150 B.'
    """
    parts, before = [], "none"
    for step in steps(trail):
        if step.change:
            parts.append(_change(step, before))
        parts.append(f"{step.where} {step.device} {step.length} B")
        before = step.carrier
    return "; ".join(parts) + "."


def _change(step: Step, before: str) -> str:
    carrier = step.carrier if step.change > 0 else before
    what = _CARRIED.get(carrier, "headers")
    return f"{abs(step.change)} B of {what} {'added' if step.change > 0 else 'removed'}"


def diagram(record: Record, placement: str) -> str:
    """Return the figure of one placement as HTML: a row of boxes a mode; empty where nothing is recorded."""
    found = recorded(record).get(placement, {})
    rows = "".join(_row(record, mode, found[mode]) for mode in order(found))
    if not rows:
        return ""
    length = next(iter(found.values()))["length"]
    where = names.placement(placement)
    return (
        f'<figure id="trail-{placement.replace("_", "-")}" class="trails">{rows}<figcaption>{where}: one packet of '
        f"{length} B, IP header included, seen on every device it passed, and its length there. Thick frame: inside "
        f"another packet. The ports of the wire between the nodes are left out.</figcaption></figure>"
    )


def _row(record: Record, mode: str, trail: dict[str, Any]) -> str:
    boxes = "".join(_boxes(steps(trail)))
    label = escape(record.label(mode))
    return (
        f'<div class="trail"><p class="mode">{label}</p><ol role="img" aria-label="{label}: '
        f'{escape(told(trail), quote=True)}">{boxes}</ol></div>'
    )


def _boxes(found: list[Step]) -> Iterator[str]:
    before = "none"
    for step in found:
        if step.change:
            sign = "+" if step.change > 0 else "−"
            what = _CARRIED.get(step.carrier if step.change > 0 else before, "headers")
            yield f'<li class="change">{sign}{abs(step.change)} B {what}</li>'
        wrapped = " wrapped" if step.carrier != "none" else ""
        yield (
            f'<li class="hop{wrapped}"><span>{escape(step.where)}</span> {escape(step.device)} '
            f"<b>{step.length} B</b></li>"
        )
        before = step.carrier
