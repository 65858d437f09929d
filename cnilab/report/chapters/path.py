"""The path of one packet through each mode: devices in order, its length at each, headers on and off.

Made of text and boxes that wrap, so that it is read on a phone, by a screen reader and in the dark alike. The paths
are those recorded in the run directory (``evidence.trails`` of a proof); nothing is sent here.
"""

from __future__ import annotations

from typing import Any

from cnilab.facts import Fact
from cnilab.modes import order
from cnilab.report.blocks import Block, Heading, Paths, Stop
from cnilab.report.language import Language
from cnilab.report.record import Record

#: The lab's wire: its ports only hand on what both ends already show.
_WIRE = "switch"


def applies(run: Record) -> Fact | None:
    """Where a path was recorded."""
    return None if recorded(run) else Fact("no_paths")


def content(run: Record, language: Language) -> list[Block]:
    """Return a row of boxes per mode in each placement."""
    found = recorded(run)
    return [
        Heading(language.word("path.title"), level=3),
        *(_diagram(run, place, found[place], language) for place in run.study.placements if place in found),
    ]


def recorded(run: Record) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``{placement: {mode: path}}``, the first path recorded of each; empty in a run that has none."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for proof in run.proofs.values():
        for place, trail in (proof.get("evidence", {}).get("trails") or {}).items():
            if trail["rows"]:
                out.setdefault(place, {}).setdefault(trail["mode"], trail)
    return out


def _diagram(run: Record, place: str, found: dict[str, dict[str, Any]], language: Language) -> Paths:
    rows = []
    for mode in order(found):
        said, boxes = stops(found[mode], language)
        rows.append((str(language.mode(mode, run.kernel_paths.get(mode))), said, boxes))
    caption = language.word(
        "path.caption", where=language.placement(place), length=next(iter(found.values()))["length"]
    )
    return Paths(f"trail-{place.replace('_', '-')}", tuple(rows), caption)


def stops(trail: dict[str, Any], language: Language) -> tuple[str, tuple[Stop, ...]]:
    """Return a recorded path as a sentence and as boxes, the wire's ports left out.

    A change of length stands before the device on which it was first seen: what was added is named by what carries the
    packet now, what was removed by what carried it before.
    """
    said, boxes = [], []
    carrier, length = "none", None
    for hop in trail["rows"]:
        if hop["namespace"] == _WIRE:
            continue
        change = 0 if length is None else hop["length"] - length
        what = _carrier(hop["carrier"] if change > 0 else carrier, language)
        if change:
            said.append(
                language.word(f"path.{'added' if change > 0 else 'removed'}", n=abs(change), carrier=what)
            )
        said.append(f"{hop['namespace']} {hop['device']} {hop['length']} B")
        boxes.append(
            Stop(
                hop["namespace"],
                hop["device"],
                f"{hop['length']} B",
                hop["carrier"] != "none",
                language.word(f"path.{'plus' if change > 0 else 'minus'}", n=abs(change), carrier=what)
                if change
                else "",
            )
        )
        carrier, length = hop["carrier"], hop["length"]
    return language.SEMICOLON.join(said) + language.STOP, tuple(boxes)


def _carrier(name: str, language: Language) -> str:
    key = f"carrier.{name}"
    return language.word(key if language.knows(key) else "carrier.")
