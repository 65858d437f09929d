"""How far each mode is from the baseline: estimate, interval, verdict, and every block's own ratio."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnilab import digits
from cnilab.modes import order
from cnilab.published import Figure as Figure_
from cnilab.report.blocks import Picture, Table, table
from cnilab.report.language import Language
from cnilab.report.language.about import Row, interval, shown_as, substitutes, unbounded
from cnilab.report.style import MARKERS, Style, axes_for, colour_of, legend, ratio_axis, titled

#: Columns of the single blocks' ratios.
BLOCKS = ("placement", "mode", "ratio")


def picture(
    rows: Sequence[Row],
    language: Language,
    blocks: pd.DataFrame | None = None,
    published: Sequence[Figure_] = (),
) -> Picture:
    """Return the figure of the comparisons of one metric, stat and test.

    Parameters
    ----------
    rows
        In the order in which they are shown.
    language
        Of labels, caption and description.
    blocks
        Each block's own ratio to the baseline, in block order: ``placement, mode, ratio``.
    published
        What others published of the same ratios: drawn beside them, and in no way judged by.
    """
    published = [f for f in published if any((r["mode"], r["placement"]) == (f.mode, f.placement) for r in rows)]
    first, drawn = rows[0], [r for r in rows if r["ratio"] is not None]
    quantity = language.quantity(first["metric"], first["stat"])
    caption = language.word(
        "ratios.caption",
        Noun=quantity.Noun,
        test=first["test"],
        base=language.mode(first["baseline"]),
        margin=digits.margin(first["margin"]),
    )
    if any(substitutes(r["kernel_path"]) for r in drawn):
        caption += language.word("ratios.hollow")
    if any(unbounded(r) for r in drawn):
        caption += language.word("ratios.dotted")
    if published:
        caption += language.word("ratios.published")
    name = f"fig-{first['metric']}-{first['stat']}-{first['test']}".replace("_", "-").replace("@", "-")
    return Picture(
        name,
        partial(draw, rows, blocks=blocks, published=published),
        language.alt(rows),
        caption,
        data(rows, language, f"{name}-data", caption, published),
        language.word("figure.data"),
        language,
    )


def draw(
    rows: Sequence[Row],
    style: Style,
    *,
    language: Language,
    blocks: pd.DataFrame | None = None,
    published: Sequence[Figure_] = (),
) -> Figure:
    """Draw a panel per placement and a line per mode."""
    places = list(dict.fromkeys(r["placement"] for r in rows))
    modes = order([r["mode"] for r in rows])
    at = {(r["placement"], r["mode"]): r for r in rows}
    blocks = pd.DataFrame(columns=list(BLOCKS)) if blocks is None else blocks
    limits = _limits(rows, blocks, [f.ratio for f in published if f.ratio])
    label = language.word(
        "ratios.axis",
        noun=language.quantity(rows[0]["metric"], rows[0]["stat"]).noun,
        base=language.mode(rows[0]["baseline"]),
    )
    figure, axes = axes_for(style, len(places), 0.46 * len(modes) + 0.7, sharey=True)
    for ax, place in zip(axes, places):
        ratio_axis(ax, *limits, style)
        ax.axvspan(*_margin(rows), color=style.band, zorder=0, lw=0)
        here = blocks[blocks["placement"] == place]
        for y, mode in enumerate(modes):
            if (place, mode) in at:
                dots = here.loc[here["mode"] == mode, "ratio"].to_numpy(float)
                _line(ax, y, at[place, mode], dots, limits, style, language)
                _band(ax, y, [f.ratio for f in published if (f.mode, f.placement) == (mode, place) and f.ratio], style)
        names = [
            str(language.mode(m, at[place, m]["kernel_path"] if (place, m) in at else None)) for m in modes
        ]
        ax.set_yticks(range(len(modes)), names)
        ax.set_ylim(len(modes) - 0.45, -0.55)
        titled(ax, language.placement(place), label, style)
    legend(figure, style, _marks(rows, style, language, bool(published)), columns=5)
    return figure


def data(
    rows: Sequence[Row], language: Language, id: str, caption: str, published: Sequence[Figure_] = ()
) -> Table:
    """Return what is drawn as a table."""
    others = [
        (f.mode, language.placement(f.placement), digits.rounded(f.ratio, 2), digits.MISSING,
         language.word("published.by", source=f.source))
        for f in published
    ]  # fmt: skip
    return table(
        id,
        language.word("figure.data_caption", caption=caption),
        [language.word(f"column.{c}") for c in ("mode", "where", "ratio", "blocks", "verdict")],
        [
            (
                str(language.mode(r["mode"], r["kernel_path"])),
                language.placement(r["placement"]),
                digits.ratio(r["ratio"], *interval(r)),
                f"{r['n_used']:.0f}",
                f"{shown_as(r).sign} {language.short_verdict(r)}",
            )
            for r in rows
        ]
        + others,
        right=range(1, 5),
    )


def _margin(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the band of the margin that these comparisons were judged by."""
    return 1 / (1 + rows[0]["margin"]), 1 + rows[0]["margin"]


def _limits(rows: Sequence[Row], blocks: pd.DataFrame, others: Sequence[float]) -> tuple[float, float]:
    ends = [*others]
    ends += [r[k] for r in rows for k in ("ratio", "shown_low", "shown_high") if r[k] is not None]
    dots = blocks.loc[blocks["mode"].isin([r["mode"] for r in rows]), "ratio"].tolist()
    low, high = min([*ends, *dots, *_margin(rows)]), max([*ends, *dots, *_margin(rows)])
    pad = (high / low) ** 0.06
    return low / pad, high * pad


def _line(
    ax: Axes,
    y: int,
    row: Row,
    dots: np.ndarray,
    limits: tuple[float, float],
    style: Style,
    language: Language,
) -> None:
    if row["ratio"] is None:
        ax.text(
            0.02,
            y,
            language.short_verdict(row),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            style="italic",
            color=style.quiet,
            bbox={"fc": style.ground, "ec": "none", "pad": 2},
        )
        return
    ax.plot(dots, y + _spread(len(dots)), ".", ms=3.2, color=style.quiet, alpha=0.55, zorder=2)
    colour = colour_of(row["verdict"], style)
    low, high = interval(row)
    low, high = limits[0] if low is None else low, limits[1] if high is None else high
    if unbounded(row):  # a line across would look like a bound
        ax.plot([low, high], [y, y], ":", color=colour, lw=1.2, zorder=3)
    else:
        ax.plot([low, high], [y, y], color=colour, lw=2.2, solid_capstyle="round", zorder=3)
    fill = style.ground if substitutes(row["kernel_path"]) else colour
    marker = MARKERS[row["verdict"]]
    ax.plot(row["ratio"], y, marker, ms=7.5, color=colour, mfc=fill, mew=1.8, zorder=4)


def _band(ax: Axes, y: int, ratios: Sequence[float], style: Style) -> None:
    """Draw what others published of one mode: a tick a figure, and the band they span, under the mode's own line."""
    if ratios:
        at = y + 0.34
        ax.plot([min(ratios), max(ratios)], [at, at], color=style.quiet, lw=0.9, zorder=1)
        ax.plot(ratios, [at] * len(ratios), "|", color=style.quiet, ms=6, mew=1.2, zorder=1)


def _spread(n: int) -> np.ndarray:
    """Offsets that keep dots apart, the same every time, in block order."""
    return 0.22 * np.linspace(-1, 1, n) if n > 1 else np.zeros(n)


def _marks(rows: Sequence[Row], style: Style, language: Language, others: bool) -> list[Line2D]:
    """Return the legend: the verdicts that are drawn, and what a hollow mark is."""
    drawn = [r for r in rows if r["ratio"] is not None]
    out = [
        Line2D([], [], marker=marker, ls="", ms=6.5, color=colour_of(verdict, style),
               label=language.word(f"verdict.{verdict}"))
        for verdict, marker in MARKERS.items()
        if any(r["verdict"] == verdict for r in drawn)
    ]  # fmt: skip
    if any(substitutes(r["kernel_path"]) for r in drawn):
        hollow: dict[str, Any] = {"mfc": style.ground, "mec": style.ink, "mew": 1.5}
        out.append(Line2D([], [], marker="o", ls="", ms=6.5, label=language.word("legend.hollow"), **hollow))
    if others:
        tick: dict[str, Any] = {"color": style.quiet, "lw": 0.9, "mew": 1.2}
        out.append(Line2D([], [], marker="|", ms=6.5, label=language.word("legend.published"), **tick))
    return out
