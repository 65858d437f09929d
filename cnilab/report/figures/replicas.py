"""Capacity by the number of replicas: a line a mode, a panel for one node and one for all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import exp
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnilab.report.blocks import Picture, Table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, titled

if TYPE_CHECKING:
    from cnilab.report.chapters.replicas import Step

NAME = "fig-replicas"
_MARKERS = "osD^vXP*"


def picture(found: Sequence[Step], language: Language, *, data: Table) -> Picture:
    """Return the figure of all steps; ``data`` is the table of the same."""
    best, worst = max(found, key=lambda x: x.rate), min(found, key=lambda x: x.rate)
    return Picture(
        NAME,
        partial(draw, found),
        language.word(
            "replicas.alt",
            best=best.mode,
            n=best.replicas,
            high=f"{best.rate:,.0f}",
            worst=worst.mode,
            m=worst.replicas,
            low=f"{worst.rate:,.0f}",
        ),
        language.word("replicas.figure"),
        data,
        language.word("figure.data"),
        language,
    )


def draw(found: Sequence[Step], style: Style, *, language: Language) -> Figure:
    """Draw medians over blocks as lines, every block as a dot."""
    panels = list(dict.fromkeys((x.placement, x.spread) for x in found))
    modes = list(dict.fromkeys((x.mode, x.kernel_path) for x in found))
    counts = sorted({x.replicas for x in found})
    colours = [style.blue, style.orange, style.violet, style.quiet]
    figure, axes = axes_for(style, len(panels), 2.4, sharey=True)
    for ax, (place, spread) in zip(axes, panels):
        for n, (mode, _) in enumerate(modes):
            line = [x for x in found if (x.placement, x.spread, x.mode) == (place, spread, mode)]
            look: dict[str, Any] = {"color": colours[n % len(colours)], "marker": _MARKERS[n % len(_MARKERS)]}
            ax.plot([counts.index(x.replicas) for x in line], [x.rate for x in line], lw=1.3, ms=5, **look)
            for x in line:
                at = [counts.index(x.replicas)] * len(x.logs)
                ax.plot(at, [exp(v) for v in x.logs.values()], ls="", ms=2.5, alpha=0.5, **look)
        ax.set_xticks(range(len(counts)), [str(n) for n in counts])
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        head = f"{language.placement(place)}{language.COMMA}{language.word(f'replicas.{spread}')}"
        titled(ax, head, language.word("replicas.count"), style)
    axes[0].set_ylabel(language.word("http.rate"), fontsize=8.5, color=style.quiet)
    marks = [
        Line2D(
            [], [], color=colours[n % len(colours)], marker=_MARKERS[n % len(_MARKERS)], ms=5, lw=1.3,
            label=str(language.mode(mode, path)),
        )
        for n, (mode, path) in enumerate(modes)
    ]  # fmt: skip
    legend(figure, style, marks, columns=4, narrow=1)
    return figure
