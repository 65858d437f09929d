"""How memory, CPU time and the time to every route grow, logarithmic both ways, with what the law predicts beyond."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from cnilab.report.blocks import Picture, Table
from cnilab.report.growing import Law
from cnilab.report.language import Language
from cnilab.report.style import COLOURS, Style, axes_for, legend, tint, titled
from cnilab.units import scale_for, unit_of

NAME = "fig-growth"
#: A panel each.
DRAWN = ("rss_bytes", "cpu_s", "converged_s")
_MARKS = {"mesh": "o", "reflectors:1": "s", "reflectors:2": "^", "reflectors:4": "D", "flannel-host-gw": "<"}
_ROUND = (4, 16, 64, 256, 1000, 5000)


def picture(found: Sequence[Law], language: Language, *, data: Table) -> Picture:
    """Return the figure of three quantities; ``data`` is the table of what was measured."""
    laws = [law for law in found if law.quantity in DRAWN]
    told = language.listing(dict.fromkeys(_name(law.topology, language) for law in laws))
    sizes = [n for law in laws for n, _ in law.points]
    return Picture(
        NAME,
        partial(draw, laws, language=language),
        language.word(
            "growth.figure.alt", topologies=told, low=f"{min(sizes):.0f}", high=f"{max(sizes):.0f}"
        ),
        language.word("growth.figure"),
        data,
        language.word("figure.data"),
        language,
    )


def draw(laws: Sequence[Law], style: Style, *, language: Language) -> Figure:
    """Draw what was measured, held-back sizes hollow, and each law with its band to the last size asked for."""
    panels = [q for q in DRAWN if any(law.quantity == q for law in laws)]
    topologies = list(dict.fromkeys(law.topology for law in laws))
    figure, axes = axes_for(style, len(panels), 2.9)
    for ax, quantity in zip(axes, panels):
        shown = [law for law in laws if law.quantity == quantity]
        scale = scale_for([v for law in shown for _, v in law.points], unit_of(quantity))
        for law in shown:
            _law(ax, law, scale.factor, _colour(topologies.index(law.topology), style), style)
        ax.set_xscale("log")
        ax.set_yscale("log")
        low, high = (f([p.size for law in shown for p in law.curve]) for f in (min, max))
        ax.set_xlim(low / 1.15, high * 1.15)
        ticks = [t for t in _ROUND if low <= t <= high]
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticklabels([f"{t:,}" for t in ticks])
        ax.yaxis.set_minor_locator(NullLocator())
        ax.grid(axis="y", color=style.rule, lw=0.6)
        title = language.word(
            "growth.panel", quantity=language.word(f"growth.panel.{quantity}"), unit=scale.label
        )
        titled(ax, title, language.word("growth.axis"), style)
    legend(figure, style, _handles(topologies, style, language), columns=4, narrow=2)
    return figure


def _law(ax: Axes, law: Law, factor: float, colour: str, style: Style) -> None:
    held = {p.size for p in law.growth.predictions if p.measured is not None}
    mark = _MARKS.get(law.topology, "v")
    last = max(n for n, _ in law.points)
    line = [p for p in law.curve if p.size <= last or (law.growth.law_holds is not False and p.useful)]
    band = [p for p in line if p.useful and p.low is not None]
    low, high = ([(getattr(p, end) or p.predicted) / factor for p in band] for end in ("low", "high"))
    ax.fill_between([p.size for p in band], low, high, color=tint(colour, style), lw=0, alpha=0.6, zorder=1)
    dashes = ":" if law.topology.startswith("flannel") else "-"
    ax.plot(
        [p.size for p in line], [p.predicted / factor for p in line], dashes, color=colour, lw=1, zorder=2
    )
    for n, value in law.points:
        face = style.ground if n in held else colour
        ax.plot(n, value / factor, mark, ms=5, mfc=face, mec=colour, mew=1.2, zorder=3)


def _colour(index: int, style: Style) -> str:
    return (style.orange, style.blue, style.violet, style.quiet, COLOURS["alike"][style.dark])[index % 5]


def _name(topology: str, language: Language) -> str:
    kind, _, number = topology.partition(":")
    return language.count(int(number), "reflector") if number else language.word(f"growth.topology.{kind}")


def _handles(topologies: Sequence[str], style: Style, language: Language) -> list:
    marks: list = [
        Line2D(
            [],
            [],
            marker=_MARKS.get(t, "v"),
            ls="-",
            lw=1,
            ms=5,
            color=_colour(i, style),
            label=_name(t, language),
        )
        for i, t in enumerate(topologies)
    ]
    hollow = Line2D(
        [],
        [],
        marker="o",
        ls="",
        ms=5,
        mfc=style.ground,
        mec=style.quiet,
        label=language.word("growth.held_back"),
    )
    return [*marks, hollow, Patch(color=style.band, label=language.word("growth.band"))]
