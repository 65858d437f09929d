"""Cost by the number of a policy's rules: a line a mode, a panel for new connections and one for standing ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnilab.report.blocks import Picture, Table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, titled

if TYPE_CHECKING:
    from cnilab.report.chapters.policy import Line

NAME = "fig-policy"
#: Markers of modes and dashes of where the rule stands: told apart without colour.
_MARKERS, _DASHES = "osD^vXP*", {"last": "-", "first": ":"}


def picture(found: Sequence[Line], language: Language, *, data: Table) -> Picture:
    """Return the figure of all lines; ``data`` is the table of the same."""
    slopes = [x.found.slope.estimate * 1e9 for x in found]
    return Picture(
        NAME,
        partial(draw, found),
        language.word(
            "policy.alt",
            series=language.count(len(found), "series"),
            most=f"{max(slopes):,.0f}",
            least=f"{min(slopes):,.0f}",
        ),
        language.word("policy.figure"),
        data,
        language.word("figure.data"),
        language,
    )


def draw(found: Sequence[Line], style: Style, *, language: Language) -> Figure:
    """Draw medians over blocks in microseconds; a level without a value is a gap."""
    panels = list(dict.fromkeys((x.what, x.placement) for x in found))
    names = list(dict.fromkeys(str(language.mode(x.mode, x.kernel_path)) for x in found))
    colours = [style.blue, style.orange, style.violet, style.quiet]
    figure, axes = axes_for(style, len(panels), 2.6)
    for ax, (what, place) in zip(axes, panels):
        for x in (x for x in found if (x.what, x.placement) == (what, place)):
            n = names.index(str(language.mode(x.mode, x.kernel_path)))
            ax.plot(
                x.levels,
                [1e6 * cost for cost in x.costs],
                color=colours[n % len(colours)],
                marker=_MARKERS[n % len(_MARKERS)],
                ls=_DASHES[x.match],
                ms=4,
                lw=1.2,
            )
        ax.set_ylim(bottom=0)
        ax.set_ylabel(language.word("policy.cost"), fontsize=8.5, color=style.quiet)
        short = language.word(f"policy.{what}_short")
        titled(ax, f"{short}{language.COMMA}{language.placement(place)}", language.word("policy.axis"), style)
    marks = [
        Line2D([], [], color=colours[n % len(colours)], marker=_MARKERS[n % len(_MARKERS)], ms=4, lw=1.2, label=name)
        for n, name in enumerate(names)
    ]
    for match in dict.fromkeys(x.match for x in found):
        marks.append(Line2D([], [], color=style.ink, ls=_DASHES[match], lw=1.2, label=language.word(f"policy.{match}")))
    legend(figure, style, marks, columns=4, narrow=1)
    return figure
