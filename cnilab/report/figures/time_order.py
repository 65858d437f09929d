"""The bench itself: what moved from block to block, whatever mode was in place.

The checks behind it, with their rates of false alarms, are :mod:`cnilab.stats.assumptions`; here they are shown.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnilab import digits
from cnilab.modes import order
from cnilab.report.blocks import Picture, table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, titled
from cnilab.stats.cells import Table

NAME = "fig-stability"


def relative(cells: Table) -> pd.DataFrame:
    """Return one row per block and one column per mode: each mode relative to its own middle."""
    blocks = [int(b) for b in cells.blocks]
    frame = pd.DataFrame(cells.values.T, index=blocks, columns=list(cells.modes)).sort_index()
    frame = frame[[m for m in order(frame.columns) if frame[m].notna().any()]]
    middle = frame.median()
    return np.exp(frame - middle) if cells.scale == "log" else frame / middle.where(middle != 0)


def picture(
    series: dict[str, pd.DataFrame],
    language: Language,
    *,
    metric: str,
    stat: str,
    test: str,
    baseline: str,
    twin: str | None,
    flagged: int,
) -> Picture:
    """Return the figure of one metric in the order of time.

    Parameters
    ----------
    series
        Placement -> :func:`relative` of its cells.
    language
        Of labels, caption and description.
    metric, stat, test
        What was measured.
    baseline, twin
        The mode drawn in front, and the label of its blind copy, if there is one.
    flagged
        How many checks of these tables found a movement.
    """
    noun = language.quantity(metric, stat).Noun
    own = [v for frame in series.values() if baseline in frame for v in frame[baseline].dropna()]
    span = (
        language.word("steady.span", low=f"{100 * min(own):.0f}", high=f"{100 * max(own):.0f}")
        if own
        else language.word("steady.no_span")
    )
    found = (
        language.word("steady.flagged", checks=language.count(flagged, "check"))
        if flagged
        else language.word("steady.clear")
    )
    caption = language.word("steady.caption", Noun=noun, test=test)
    drawn = {mode for frame in series.values() for mode in frame.columns}
    modes = [
        label
        for mode in order(drawn - {twin})
        for label in (mode, *({twin} & drawn if mode == baseline else ()))
    ]
    lines = [
        (
            language.word("steady.where_block", where=language.placement(place), block=block),
            *(_share(frame, block, mode) for mode in modes),
        )
        for place, frame in series.items()
        for block in frame.index
    ]
    return Picture(
        NAME,
        partial(draw, series, baseline=baseline, twin=twin),
        language.word("steady.alt", Noun=noun, base=language.mode(baseline), span=span, found=found),
        caption,
        table(
            f"{NAME}-data",
            language.word("figure.data_caption", caption=caption),
            [language.word("column.block"), *(_name(m, language, baseline, twin) for m in modes)],
            lines,
            right=range(1, len(modes) + 1),
        ),
        language.word("figure.data"),
        language,
    )


def _share(frame: pd.DataFrame, block: int, mode: str) -> str:
    value = frame.at[block, mode] if mode in frame else np.nan
    return digits.MISSING if pd.isna(value) else f"{value:.3f}"


def _name(mode: str, language: Language, baseline: str, twin: str | None) -> str:
    return str(language.mode(baseline, twin=True) if mode == twin else language.mode(mode))


def draw(
    series: dict[str, pd.DataFrame], style: Style, *, language: Language, baseline: str, twin: str | None
) -> Figure:
    """Draw a panel per placement and a line per mode, the baseline and its twin in front."""
    figure, axes = axes_for(style, len(series), 2.3, sharey=True)
    front = ((baseline, "-", style.blue), (twin, "--", style.orange))
    for ax, (place, frame) in zip(axes, series.items()):
        for mode in frame.columns:
            if mode not in (baseline, twin):
                ax.plot(frame.index, frame[mode], color=style.quiet, lw=0.9, alpha=0.6)
        for mode, dashes, colour in front:
            if mode is not None and mode in frame:
                name = _name(mode, language, baseline, twin)
                ax.plot(frame.index, frame[mode], dashes, color=colour, lw=1.9, marker="o", ms=3, label=name)
        ax.axhline(1, color=style.rule, lw=1, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
        titled(ax, language.placement(place), language.word("steady.axis"), style)
    others = Line2D([], [], color=style.quiet, lw=0.9, label=language.word("steady.others"))
    legend(figure, style, [*axes[0].get_legend_handles_labels()[0], others], columns=3)
    return figure
