"""One packet's path as a figure of its own, for a slide or a page: a bar per device, its length, headers on top.

``cnilab lab trace MODE --figure FILE`` draws it; a report says the same as text and boxes
(:mod:`cnilab.report.chapters.path`). Only what was seen is drawn; whether it is right, the proof decides.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnilab.errors import WriteError
from cnilab.report.language import Language
from cnilab.report.style import LIGHT, Style, drawn

#: What a picture can be written as.
FORMATS = (".svg", ".pdf", ".png")
#: The lab's switches carry every mode alike, and are left out.
_SWITCH = "switch"
#: Heights: the packet as its sender made it, one byte of header, the names of places, the names of devices.
_PACKET, _BYTE, _TOP, _BOTTOM = 1.0, 0.011, 2.42, -1.75


def draw(trail: Mapping[str, Any], style: Style, *, language: Language) -> Figure:
    """Draw a trace as :meth:`cnilab.testbeds.lab.trace.Trail.to_dict` gives it."""
    figure = Figure(figsize=(style.width, 2.4), layout="constrained", facecolor=style.ground)
    ax = figure.subplots()
    ax.set_axis_off()
    title = language.word(
        "path.figure",
        mode=language.mode(trail["mode"], trail["kernel_path"]),
        length=trail["length"],
        client=trail["client"],
        server=trail["server"],
        fate="" if trail["result"] == "arrived" else f": {trail['result']}",
    )
    ax.set_title(
        "\n".join(textwrap.wrap(title, 44 if style.narrow else 90)),
        loc="left",
        fontsize=9,
        color=style.ink,
        fontweight="bold",
    )
    hops = [h for h in trail["rows"] if h["namespace"] != _SWITCH]
    _places(ax, style, hops)
    _bars(ax, style, hops, trail["length"], language)
    ax.set_xlim(-0.6, max(len(hops), 1) - 0.4)
    ax.set_ylim(_BOTTOM, _TOP)
    return figure


def save(trail: Mapping[str, Any], path: Path, language: Language) -> None:
    """Write the picture to ``path`` in the format its suffix names; the same trace gives the same bytes.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    no_clock = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix, {})
    try:
        with rc_context({"svg.hashsalt": "cnilab"}):
            drawn(partial(draw, trail), LIGHT, language).savefig(path, metadata=no_clock, dpi=200)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error


def _places(ax: Axes, style: Style, hops: Sequence[Mapping[str, Any]]) -> None:
    """Shade each pod, node and router, and name it."""
    left = 0
    for place, group in groupby(hops, key=lambda h: h["namespace"]):
        count = len(list(group))
        ax.add_patch(Rectangle((left - 0.47, -0.02), count - 0.06, _TOP, color=style.band, lw=0, zorder=0))
        ax.text(left + (count - 1) / 2, _TOP - 0.18, place, ha="center", va="center", fontsize=7.5)
        left += count


def _bars(ax: Axes, style: Style, hops: Sequence[Mapping[str, Any]], length: int, language: Language) -> None:
    for x, hop in enumerate(hops):
        more = hop["length"] - length
        ax.add_patch(Rectangle((x - 0.36, 0), 0.72, _PACKET, color=style.quiet, alpha=0.3, lw=0, zorder=1))
        if more > 0:
            # hatched, so that it is not the colour alone that says it
            cap = Rectangle(
                (x - 0.36, _PACKET), 0.72, more * _BYTE, fc=style.orange, ec=style.ground, hatch="////", lw=0
            )
            ax.add_patch(cap)
        upright: dict[str, Any] = {"rotation": 90, "ha": "center", "color": style.ink}
        ax.text(x, 0.5, f"{hop['length']} B", va="center", fontsize=7.5, **upright)
        ax.text(x, -0.08, hop["device"], va="top", fontsize=7, **upright)
    for start, carrier, count, more in wrapped(hops, length):
        label = language.word("path.plus", n=more, carrier=language.word(f"carrier.{carrier}"))
        height = _PACKET + more * _BYTE + 0.06
        ax.text(
            start + (count - 1) / 2, height, label, ha="center", va="bottom", fontsize=7.5, color=style.ink
        )


def wrapped(hops: Sequence[Mapping[str, Any]], length: int) -> list[tuple[int, str, int, int]]:
    """Return ``(first hop, carrier, hops, bytes added)`` of every stretch on which the packet is longer."""
    out, at = [], 0
    for (carrier, more), group in groupby(hops, key=lambda h: (h["carrier"], h["length"] - length)):
        count = len(list(group))
        if more > 0:
            out.append((at, carrier, count, more))
        at += count
    return out


__all__ = ["FORMATS", "draw", "save", "wrapped"]
