"""The picture of the bench itself: what moved from block to block, whatever mode was in place.

The checks behind it, with their rates of false alarms, are :mod:`cnilab.stats.assumptions`; here they are shown.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnilab import digits as numbers
from cnilab.modes import order
from cnilab.report import names, words
from cnilab.report.record import Record
from cnilab.report.styles import BLUE, ORANGE, Look, Picture, axes_for


def stability(record: Record) -> Picture:
    """Draw the primary metric block by block, each mode relative to its own middle."""
    p = record.study.primary
    places = [q for q in names.PLACEMENTS if record.table(p.metric, p.stat, p.test, q) is not None]
    what = names.quantity(p.metric, p.stat)
    series = {q: _relative(record, p.metric, p.stat, p.test, q) for q in places}
    base = record.study.baseline
    tables = [record.table(p.metric, p.stat, p.test, q) for q in places]
    twin = next((t for table in tables if table for t, of in table.twins.items() if of == base), None)

    def draw(look: Look) -> Figure:
        figure, axes = axes_for(look, len(places), 2.3, sharey=True)
        for ax, place in zip(axes, places):
            frame = series[place]
            for mode in frame.columns:
                if mode not in (base, twin):
                    ax.plot(frame.index, frame[mode], color=look.quiet, lw=0.9, alpha=0.6)
            for mode, style, colour in (
                (base, "-", BLUE if not look.dark else "#63b3ed"),
                (twin, "--", ORANGE if not look.dark else "#ff9a52"),
            ):
                if mode in frame:
                    ax.plot(
                        frame.index,
                        frame[mode],
                        style,
                        color=colour,
                        lw=1.9,
                        marker="o",
                        ms=3,
                        label=names.mode_label(base, twin=mode == twin),
                    )
            ax.axhline(1, color=look.rule, lw=1, zorder=0)
            ax.set_title(names.placement(place), loc="left", fontsize=9.5, color=look.ink, fontweight="bold")
            ax.set_xlabel("block, in the order measured", fontsize=8.5, color=look.quiet)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
        handles = [
            *axes[0].get_legend_handles_labels()[0],
            Line2D([], [], color=look.quiet, lw=0.9, label="other modes"),
        ]
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=2 if look.narrow else 3,
            frameon=False,
            fontsize=8,
            labelcolor=look.ink,
        )
        return figure

    wide = [v for f in series.values() if base in f for v in f[base].dropna()]
    span = f"from {100 * min(wide):.0f} % to {100 * max(wide):.0f} % of its middle" if wide else "not known"
    drifts = record.warnings[record.warnings["code"] == "bench_moved"]
    flagged = int((drifts["severity"] == "warning").sum())
    found = (
        f"{words.count(flagged, 'check')} of the primary tables flagged a movement."
        if flagged
        else "No check of the primary tables flagged a movement."
    )
    alt = (
        f"{what.noun[0].upper()}{what.noun[1:]} by block relative to each mode's own middle; {base} "
        f"ranged {span}. {found}"
    )
    data = (
        pd.concat({names.placement(q): f for q, f in series.items()}, names=["where", "block"])
        if series
        else pd.DataFrame()
    )
    text = (
        data.map(lambda v: numbers.MISSING if pd.isna(v) else f"{v:.3f}")
        .rename(columns={twin: names.mode_label(base, twin=True)})
        .reset_index()
        if len(data)
        else pd.DataFrame({"block": []})
    )
    text = (
        text.assign(block=[f"{w}, {b}" for w, b in zip(text["where"], text["block"])]).drop(columns="where")
        if len(data)
        else text
    )
    caption = (
        f"{what.noun[0].upper()}{what.noun[1:]} ({p.test}) of every block, each mode relative to "
        f"its own median. What moves all lines together is the machine; blocks take it out of the "
        f"comparisons."
    )
    return Picture("fig-stability", draw, alt, caption, text)


def _relative(record: Record, metric: str, stat: str, test: str, place: str) -> pd.DataFrame:
    table = record.table(metric, stat, test, place)
    if table is None:
        return pd.DataFrame()
    blocks = [int(b) for b in table.blocks]
    frame = pd.DataFrame(table.values.T, index=blocks, columns=list(table.modes)).sort_index()
    frame = frame[[m for m in order(frame.columns) if frame[m].notna().any()]]
    middle = frame.median()
    return np.exp(frame - middle) if table.scale == "log" else frame / middle.where(middle != 0)
