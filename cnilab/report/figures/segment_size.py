"""Where each mode's goodput goes: what its own segment size makes of it, and the rest, as bars from the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cnilab.report.blocks import Picture, Table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, ratio_axis, titled
from cnilab.stats.ratio import Interval
from cnilab.stats.split import Split

NAME = "fig-loss"


@dataclass(frozen=True)
class Factors:
    """One mode's ratio to the baseline in one placement, in factors, and the test it was measured with."""

    mode: str
    kernel_path: str | None
    placement: str
    test: str
    parts: Split


def picture(found: Sequence[Factors], language: Language, *, baseline: str, data: Table) -> Picture:
    """Return the figure of both factors; ``data`` is the table of the same."""
    spans = []
    for part in ("segments", "rest"):
        at = [getattr(x.parts, part).estimate for x in found]
        spans.append(language.word("from_to", low=f"{min(at):.2f}", high=f"{max(at):.2f}"))
    base = language.mode(baseline)
    return Picture(
        NAME,
        partial(draw, found, baseline=baseline),
        language.word(
            "segment.alt",
            comparisons=language.count(len(found), "comparison"),
            base=base,
            own=spans[0],
            rest=spans[1],
        ),
        language.word("segment.figure", base=base),
        data,
        language.word("figure.data"),
        language,
    )


def draw(found: Sequence[Factors], style: Style, *, language: Language, baseline: str) -> Figure:
    """Draw both factors as bars from the baseline with their intervals, and the arithmetic as a ring."""
    places = list(dict.fromkeys(x.placement for x in found))
    names = list(dict.fromkeys(str(language.mode(x.mode, x.kernel_path)) for x in found))
    label = language.word("segment.axis", base=language.mode(baseline))
    figure, axes = axes_for(style, len(places), 0.5 * len(names) + 0.7, sharey=True)
    for ax, place in zip(axes, places):
        ratio_axis(ax, *_limits(found), style)
        for x in found:
            if x.placement == place:
                _bars(ax, names.index(str(language.mode(x.mode, x.kernel_path))), x.parts, style)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.45, -0.55)
        titled(ax, language.placement(place), label, style)
    legend(figure, style, _marks(style, language), columns=3, narrow=1)
    return figure


def _bars(ax: Axes, y: float, parts: Split, style: Style) -> None:
    """Bars from 100 % to either side; a bound that so few blocks do not give is not drawn."""
    for offset, part, colour in ((-0.16, parts.segments, style.violet), (0.16, parts.rest, style.orange)):
        ax.fill_betweenx([y + offset - 0.1, y + offset + 0.1], 1, part.estimate, color=colour, lw=0, zorder=2)
        if _bounded(part):
            ends, at = [part.low, part.high], [y + offset] * 2
            ax.plot(ends, at, color=style.ink, lw=1.4, zorder=3, marker="|", ms=6)
    ax.plot(parts.headers, y - 0.16, "o", ms=5.5, mfc=style.ground, mec=style.ink, mew=1.2, zorder=4)


def _bounded(part: Interval) -> bool:
    return bool(np.isfinite(part.high)) and part.low > 0


def _limits(found: Sequence[Factors]) -> tuple[float, float]:
    ends = [1.0]
    for x in found:
        ends.append(x.parts.headers)
        for part in (x.parts.segments, x.parts.rest):
            ends += [v for v in (part.low, part.estimate, part.high) if np.isfinite(v) and v > 0]
    pad = (max(ends) / min(ends)) ** 0.05
    return min(ends) / pad, max(ends) * pad


def _marks(style: Style, language: Language) -> list:
    ring: dict[str, Any] = {"mfc": style.ground, "mec": style.ink, "mew": 1.2}
    return [
        Patch(color=style.violet, label=language.word("segment.own")),
        Patch(color=style.orange, label=language.word("segment.rest_equal")),
        Line2D([], [], marker="o", ls="", ms=5.5, label=language.word("segment.headers"), **ring),
    ]
