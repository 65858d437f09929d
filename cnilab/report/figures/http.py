"""Requests a second of each treatment: a dot a block, and a line where the generator itself ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnilab.report.blocks import Picture, Table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, titled

if TYPE_CHECKING:
    from cnilab.report.chapters.http import Row

NAME = "fig-http"


def picture(found: Sequence[Row], ceiling: float | None, language: Language, *, data: Table) -> Picture:
    """Return the figure of every block's capacity; ``data`` is the table of the same."""
    best, worst = max(found, key=lambda x: x.rate), min(found, key=lambda x: x.rate)
    return Picture(
        NAME,
        partial(draw, found, ceiling),
        language.word(
            "http.alt", best=best.label, high=f"{best.rate:,.0f}", worst=worst.label, low=f"{worst.rate:,.0f}"
        ),
        language.word("http.figure"),
        data,
        language.word("figure.data"),
        language,
    )


def draw(found: Sequence[Row], ceiling: float | None, style: Style, *, language: Language) -> Figure:
    """Draw a panel a placement, a line a treatment; the ceiling only where it was measured."""
    places = list(dict.fromkeys(x.placement for x in found))
    labels = list(dict.fromkeys(x.label for x in found))
    figure, axes = axes_for(style, len(places), 0.36 * len(labels) + 0.8, sharey=True)
    most = max([ceiling or 0.0, *(rate for x in found for rate in x.rates)])
    for ax, place in zip(axes, places):
        for x in (x for x in found if x.placement == place):
            _dots(ax, labels.index(x.label), x, style)
        if ceiling:
            ax.axvline(ceiling, color=style.violet, lw=1.2, ls="--", zorder=1)
        ax.set_xlim(0, 1.08 * most)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.xaxis.set_major_locator(MaxNLocator(4 if style.narrow else 6, steps=[1, 2, 2.5, 5, 10]))
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        titled(ax, language.placement(place), language.word("http.axis"), style)
    marks = [
        Line2D([], [], marker="o", ls="", ms=4, color=style.blue, alpha=0.6, label=language.word("http.block")),
        Line2D([], [], marker="|", ls="", ms=11, mew=2, color=style.ink, label=language.word("http.median")),
    ]
    if ceiling:
        marks.append(Line2D([], [], color=style.violet, lw=1.2, ls="--", label=language.word("http.limit")))
    legend(figure, style, marks, columns=3, narrow=1)
    return figure


def _dots(ax: Axes, y: float, row: Row, style: Style) -> None:
    ax.plot(row.rates, [y] * len(row.rates), "o", ms=4, color=style.blue, alpha=0.6, mew=0, zorder=2)
    ax.plot([row.rate], [y], "|", ms=13, mew=2, color=style.ink, zorder=3)
