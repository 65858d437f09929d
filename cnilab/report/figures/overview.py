"""Every mode in every placement at a glance: modes down, placements across, verdict and ratio in each field."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnilab import digits
from cnilab.modes import order
from cnilab.report.blocks import Picture
from cnilab.report.figures.ratios import data
from cnilab.report.language import Language
from cnilab.report.language.about import Row, shown_as, substitutes
from cnilab.report.style import Style, axes_for, colour_of, tint
from cnilab.verdicts import VERDICTS

NAME = "fig-map"


def picture(rows: Sequence[Row], language: Language) -> Picture:
    """Return the map of the comparisons of one metric, stat and test."""
    first = rows[0]
    caption = language.word(
        "overview.caption",
        Noun=language.quantity(first["metric"], first["stat"]).Noun,
        base=language.mode(first["baseline"]),
    )
    if any(substitutes(r["kernel_path"]) for r in rows):
        caption += language.word("overview.hatched")
    return Picture(
        NAME,
        partial(draw, rows),
        language.alt(rows),
        caption,
        data(rows, language, f"{NAME}-data", caption),
        language.word("figure.data"),
        language,
    )


def draw(rows: Sequence[Row], style: Style, *, language: Language) -> Figure:
    """Draw a field per mode and placement, in the colour of its verdict."""
    places = list(dict.fromkeys(r["placement"] for r in rows))
    modes = order([r["mode"] for r in rows])
    at = {(r["mode"], r["placement"]): r for r in rows}
    figure, (ax,) = axes_for(style, 1, 0.52 * len(modes) + 0.5)
    kinds = list(VERDICTS)
    codes = [[kinds.index(at[m, p]["verdict"]) if (m, p) in at else np.nan for p in places] for m in modes]
    sns.heatmap(
        np.array(codes),
        ax=ax,
        cmap=sns.color_palette([tint(colour_of(k, style), style) for k in kinds], as_cmap=False),
        vmin=-0.5,
        vmax=len(kinds) - 0.5,
        cbar=False,
        linewidths=3,
        linecolor=style.ground,
    )
    for y, mode in enumerate(modes):
        for x, place in enumerate(places):
            if row := at.get((mode, place)):
                if row["ratio"] is not None and substitutes(row["kernel_path"]):
                    hatch: dict[str, Any] = {"hatch": "///", "ec": style.quiet, "lw": 0, "alpha": 0.28}
                    ax.add_patch(Rectangle((x + 0.012, y + 0.035), 0.976, 0.93, fill=False, **hatch))
                ax.text(
                    x + 0.5,
                    y + 0.5,
                    _field(row, style, language),
                    ha="center",
                    va="center",
                    fontsize=8.2,
                    color=style.ink,
                    linespacing=1.3,
                )
    first = [at[m, places[0]]["kernel_path"] if (m, places[0]) in at else None for m in modes]
    names = [str(language.mode(m, kernel_path)) for m, kernel_path in zip(modes, first)]
    ax.set_yticks(np.arange(len(modes)) + 0.5, names, rotation=0)
    ax.set_xticks(np.arange(len(places)) + 0.5, [language.placement(p) for p in places])
    ax.xaxis.tick_top()
    ax.spines["bottom"].set_visible(False)
    return figure


def _field(row: Row, style: Style, language: Language) -> str:
    words = f"{shown_as(row).sign} {language.short_verdict(row)}"
    words = "\n".join(textwrap.wrap(words, 15)) if style.narrow else words
    if row["ratio"] is None:
        return words
    return f"{digits.ratio_text(row['ratio'], row['shown_low'], row['shown_high'])}\n{words}"
