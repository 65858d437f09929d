"""Where each mode's goodput goes, as sentences, a table and a picture: its own segment size, and the rest.

Shown only where the streams were measured both as shipped and at equal MSS. The parts are
:mod:`cnilab.stats.split`'s; nothing here is a verdict, and no sentence says more than an interval does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from cnilab import digits as numbers
from cnilab import modes
from cnilab.report import names, words
from cnilab.report.record import Record
from cnilab.report.styles import Look, Picture, axes_for
from cnilab.report.tables import Page
from cnilab.stats.cells import Table
from cnilab.stats.projection import test_label
from cnilab.stats.ratio import Interval
from cnilab.stats.split import Split, payload_share, split

METRIC = "goodput_bps"
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)


@dataclass(frozen=True)
class Loss:
    """One mode in one placement, and the test it was measured with."""

    mode: str
    label: str
    placement: str
    test: str
    parts: Split


def losses(record: Record) -> list[Loss]:
    """Return every mode's ratio to the baseline in parts; empty where equal MSS was not measured.

    On one node nothing is encapsulated and the baseline's packets pass the loopback device, so that there is
    no header to speak of: only placements between nodes are parted.
    """
    study, out = record.study, []
    test = next((t.name for t in study.tests if study.mss == "both" and _measured(record, t.name)), None)
    if test is None:
        return []
    for place in (p for p in study.placements if p != "same_node"):
        shipped = record.table(METRIC, "value", test, place)
        equal = record.table(METRIC, "value", _equal(test), place)
        if shipped is None or equal is None or study.baseline not in shipped.modes:
            continue
        for mode in modes.order(m for m in shipped.modes if m != study.baseline and m in study.modes):
            ends = [_values(shipped, shipped, m) for m in (mode, study.baseline)]
            fair = [_values(equal, shipped, m) for m in (mode, study.baseline)]
            headers = _share(record, mode, place) / _share(record, study.baseline, place)
            parts = split(*ends, *fair, headers=headers, alpha=study.alpha)
            if parts is not None:
                out.append(Loss(mode, record.label(mode), place, test, parts))
    return out


def _equal(test: str) -> str:
    """The label of a test at equal segment size."""
    return test_label(test, {"mss": "equal"})


def _measured(record: Record, test: str) -> bool:
    return any(record.table(METRIC, "value", _equal(test), p) for p in record.study.placements)


def _values(table: Table, order: Table, mode: str) -> np.ndarray:
    """Return a mode's cells in the blocks of ``order``; NaN where the table has none."""
    if mode not in table.modes:
        return np.full(len(order.blocks), np.nan)
    at = dict(zip(table.blocks, table.values[table.row(mode)], strict=True))
    return np.array([at.get(b, np.nan) for b in order.blocks])


def _share(record: Record, mode: str, place: str) -> float:
    """Return the payload share of a full segment; WireGuard pads none, its padding ends at the MTU."""
    about = modes.get(mode)
    seen = {p.get("evidence", {}).get("underlay_mtu") for p in record.proofs.values()} - {None}
    underlay = min(seen, default=modes.UNDERLAY_MTU)
    return payload_share(about.pod_mtu(underlay), modes.HEADER_BYTES[about.outer(place)])


def page(found: Sequence[Loss], baseline: str, level: float) -> Page:
    """Return the parts as a table: a line a mode, parted by placement."""
    lines = [
        {
            "mode": x.label,
            "where": names.placement(x.placement),
            f"ratio to {baseline}": _span(x.parts.ratio),
            "own segment size": _span(x.parts.segments),
            "the rest, at equal MSS": _span(x.parts.rest),
            "header bytes, by arithmetic": f"{x.parts.headers:.3f}",
            "blocks": str(x.parts.ratio.n),
        }
        for x in found
    ]
    frame = pd.DataFrame(lines)
    caption = (
        f"Goodput ({found[0].test}) against {baseline} in two factors: ratio = own segment size × the rest; "
        f"intervals hold one at a time, at {level:.0%}. Arithmetic: what headers would leave of a link bound by bytes"
    )
    return Page(
        "loss-table", caption, frame, [c for c in frame.columns if c not in ("mode", "where")], "where"
    )


def _span(interval: Interval) -> str:
    low, high = (v if np.isfinite(v) and v > 0 else None for v in (interval.low, interval.high))
    return numbers.ratio(interval.estimate, low, high)


def sentence(loss: Loss) -> str:
    """Say what the intervals of one mode's two parts say, and no more."""
    told = "; ".join(
        f"{what}: {_said(part)}"
        for what, part in (("own segment size", loss.parts.segments), ("the rest", loss.parts.rest))
    )
    return f"{loss.label}: {told}."


def _said(part: Interval) -> str:
    if not (np.isfinite(part.high) and part.low > 0):
        return "too few blocks to say"
    head, ends = words.change(part.estimate, part.low, part.high, names.quantity(METRIC))
    if part.low <= 1 <= part.high:
        return f"may be none ({ends})"
    return f"{head} ({ends})"


def picture(found: Sequence[Loss], baseline: str) -> Picture:
    """Draw both parts as bars from the baseline with their intervals, and the arithmetic as a mark."""
    places = list(dict.fromkeys(x.placement for x in found))
    labels = list(dict.fromkeys(x.label for x in found))

    def draw(look: Look) -> Figure:
        figure, axes = axes_for(look, len(places), 0.5 * len(labels) + 0.7, sharey=True)
        colours = _colours(look)
        for ax, place in zip(axes, places):
            for x in (x for x in found if x.placement == place):
                _bars(ax, labels.index(x.label), x.parts, colours, look)
            low, high = _limits(found)
            ax.set_xscale("log")
            ax.set_xlim(low, high)
            inside = [t for t in _TICKS if low <= t <= high]
            while len(inside) > (4 if look.narrow else 5):
                inside = [t for i, t in enumerate(inside) if (i - inside.index(1.0)) % 2 == 0]
            ax.xaxis.set_major_locator(FixedLocator(inside))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticklabels([f"{100 * t:g} %" for t in inside])
            ax.axvline(1, color=look.quiet, lw=0.9, zorder=1)
            ax.set_yticks(range(len(labels)), labels)
            ax.set_ylim(len(labels) - 0.45, -0.55)
            ax.set_title(names.placement(place), loc="left", fontsize=9.5, color=look.ink, fontweight="bold")
            ax.set_xlabel(f"factor on goodput, {baseline} = 100 %", fontsize=8.5, color=look.quiet)
        figure.legend(
            handles=_legend(look), loc="outside lower left", ncols=1 if look.narrow else 3, frameon=False,
            fontsize=8, labelcolor=look.ink, borderaxespad=0.1,
        )  # fmt: skip
        return figure

    caption = (
        f"What a mode's own segment size makes of {baseline}'s goodput (upper bar), and the rest, with all modes at "
        f"one segment size (lower bar); lines: intervals, which hold one at a time. Ring: what headers would leave of "
        f"a link bound by bytes, by arithmetic."
    )
    return Picture("fig-loss", draw, _alt(found, baseline), caption, page(found, baseline, 0.95).frame)


def _alt(found: Sequence[Loss], baseline: str) -> str:
    spans = []
    for part in ("segments", "rest"):
        at = [getattr(x.parts, part).estimate for x in found]
        spans.append(f"{min(at):.2f} to {max(at):.2f}")
    return (
        f"Goodput of {words.count(len(found), 'comparison')} with {baseline} in two factors. Own segment size is "
        f"estimated at {spans[0]}, the rest at {spans[1]}."
    )


def _colours(look: Look) -> tuple[str, str]:
    return ("#9a8cff", "#ff9a52") if look.dark else ("#5b4fc4", "#d55e00")


def _bars(ax: Axes, y: float, parts: Split, colours: tuple[str, str], look: Look) -> None:
    """Bars from 100 % to either side; a bound that so few blocks do not give is not drawn."""
    for offset, part, colour in ((-0.16, parts.segments, colours[0]), (0.16, parts.rest, colours[1])):
        ax.fill_betweenx([y + offset - 0.1, y + offset + 0.1], 1, part.estimate, color=colour, lw=0, zorder=2)
        _whisker(ax, y + offset, part, look.ink)
    ax.plot(parts.headers, y - 0.16, "o", ms=5.5, mfc=look.ground, mec=look.ink, mew=1.2, zorder=4)


def _whisker(ax: Axes, y: float, interval: Interval, colour: str) -> None:
    if np.isfinite(interval.high) and interval.low > 0:
        ax.plot([interval.low, interval.high], [y, y], color=colour, lw=1.4, zorder=3, marker="|", ms=6)


def _limits(found: Sequence[Loss]) -> tuple[float, float]:
    ends = [1.0]
    for x in found:
        ends.append(x.parts.headers)
        for part in (x.parts.segments, x.parts.rest):
            ends += [v for v in (part.low, part.estimate, part.high) if np.isfinite(v) and v > 0]
    pad = (max(ends) / min(ends)) ** 0.05
    return min(ends) / pad, max(ends) * pad


def _legend(look: Look) -> list:
    first, second = _colours(look)
    return [
        Patch(color=first, label="own segment size"),
        Patch(color=second, label="the rest, at equal MSS"),
        Line2D(
            [],
            [],
            marker="o",
            ls="",
            ms=5.5,
            mfc=look.ground,
            mec=look.ink,
            mew=1.2,
            label="headers, by arithmetic",
        ),
    ]
