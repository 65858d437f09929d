"""One picture a question, drawn from a record; each carries its description and its data.

Colour says nothing that a shape, a word or a place does not say too. A mode whose packets went through a
substitute has a hollow mark and is named so. Pictures come out the same for the same data: fixed sizes, fixed
order, no clock, no random placing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from cnilab import digits as numbers
from cnilab.modes import order
from cnilab.report import names, words
from cnilab.report.record import Record
from cnilab.report.styles import MARKS, Look, Picture, axes_for, colour_of, tint

# ---- how far from the baseline ---------------------------------------------------------------------------


def ratios(record: Record, metric: str, stat: str, test: str) -> Picture:
    """Draw each mode's ratio to the baseline: its interval, its verdict, and every block's own ratio."""
    rows = record.select(metric, stat, test)
    places = list(dict.fromkeys(r["placement"] for r in rows))
    modes = order([r["mode"] for r in rows])
    what = names.quantity(metric, stat)
    base, bound = record.study.baseline, record.study.margin
    clouds = {p: _clouds(record, metric, stat, test, p) for p in places}
    at = {(r["placement"], r["mode"]): r for r in rows}
    limits = _limits(rows, clouds, bound)

    def draw(look: Look) -> Figure:
        figure, axes = axes_for(look, len(places), 0.46 * len(modes) + 0.7, sharey=True)
        for ax, place in zip(axes, places):
            _panel(
                ax, look, [(m, at[place, m]) for m in modes if (place, m) in at], clouds[place], limits, bound
            )
            ax.set_title(names.placement(place), loc="left", fontsize=9.5, color=look.ink, fontweight="bold")
            ax.set_yticks(
                range(len(modes)), [words.label(at[place, m]) if (place, m) in at else m for m in modes]
            )
            ax.set_ylim(len(modes) - 0.45, -0.55)
            ax.set_xlabel(f"{what.noun}, {base} = 100 %", fontsize=8.5, color=look.quiet)
        figure.legend(
            handles=_legend(rows, look),
            loc="outside lower left",
            ncols=2 if look.narrow else 5,
            frameon=False,
            fontsize=8,
            labelcolor=look.ink,
            handletextpad=0.3,
            columnspacing=1.1,
            borderaxespad=0.1,
        )
        return figure

    caption = (
        f"{what.noun[0].upper()}{what.noun[1:]} ({test}) as a share of {base}'s. Mark: estimate; line: "
        f"interval that holds for all "
        f"comparisons at once; small dots: single blocks; band: the margin of {numbers.margin(bound)}."
        + _notes(rows)
    )
    return Picture(
        f"fig-{metric}-{stat}-{test}".replace("_", "-").replace("@", "-"),
        draw,
        words.alt(rows),
        caption,
        _ratio_data(rows),
    )


def _notes(rows: Sequence[dict]) -> str:
    """Explain the marks that only some pictures have."""
    drawn = [r for r in rows if r["ratio"] is not None]
    hollow = (
        " Hollow: a substitute carried the packets."
        if any(names.is_substitute(r["kernel_path"]) for r in drawn)
        else ""
    )
    dotted = (
        " Dotted: so few blocks set no bound."
        if any(r["sim_ci_low"] is None and r["sim_ci_high"] is None for r in drawn)
        else ""
    )
    return hollow + dotted


def _clouds(record: Record, metric: str, stat: str, test: str, place: str | None) -> dict[str, np.ndarray]:
    """Return each mode's ratio to the baseline in every block that has both."""
    table = record.table(metric, stat, test, place)
    if table is None or table.scale != "log":
        return {}
    base = table.values[table.row(record.study.baseline)]
    return {m: np.exp((v - base)[~np.isnan(v - base)]) for m, v in zip(table.modes, table.values)}


def _limits(rows: Sequence[dict], clouds: dict, bound: float) -> tuple[float, float]:
    ends = [r[k] for r in rows for k in ("ratio", "sim_ci_low", "sim_ci_high") if r[k] is not None]
    shown = {r["mode"] for r in rows}
    dots = [x for cloud in clouds.values() for m, xs in cloud.items() if m in shown for x in xs]
    low = min([*ends, *dots, 1 / (1 + bound)])
    high = max([*ends, *dots, 1 + bound])
    pad = (high / low) ** 0.06
    return low / pad, high * pad


def _panel(
    ax: Axes,
    look: Look,
    rows: Sequence[tuple[str, dict]],
    cloud: dict,
    limits: tuple[float, float],
    bound: float,
) -> None:
    ax.set_xscale("log")
    ax.set_xlim(*limits)
    ax.axvspan(1 / (1 + bound), 1 + bound, color=look.band, zorder=0, lw=0)
    ax.axvline(1, color=look.quiet, lw=0.9, zorder=1)
    ticks = _ticks(*limits, room=4 if look.narrow else 5)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{100 * t:g} %" for t in ticks])
    for y, (mode, row) in enumerate(rows):
        if row["ratio"] is None:
            text = names.verdict_words(row)[1]
            ax.text(
                0.02,
                y,
                text,
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=8.5,
                style="italic",
                color=look.quiet,
                bbox={"fc": look.ground, "ec": "none", "pad": 2},
            )
            continue
        dots = cloud.get(mode, np.empty(0))
        ax.plot(dots, y + _spread(len(dots)), ".", ms=3.2, color=look.quiet, alpha=0.55, zorder=2)
        marker = MARKS[row["verdict"]][0]
        colour = colour_of(row["verdict"], look)
        low, high = row["sim_ci_low"] or limits[0], row["sim_ci_high"] or limits[1]
        if (
            row["sim_ci_low"] is None and row["sim_ci_high"] is None
        ):  # no bound: a line across would look like one
            ax.plot([low, high], [y, y], ":", color=colour, lw=1.2, zorder=3)
        else:
            ax.plot([low, high], [y, y], color=colour, lw=2.2, solid_capstyle="round", zorder=3)
        hollow = names.is_substitute(row["kernel_path"])
        ax.plot(
            row["ratio"],
            y,
            marker,
            ms=7.5,
            color=colour,
            mfc=look.ground if hollow else colour,
            mew=1.8,
            zorder=4,
        )


def _spread(n: int) -> np.ndarray:
    """Offsets that keep dots apart, the same every time: up and down in turn, in block order."""
    return 0.22 * np.linspace(-1, 1, n) if n > 1 else np.zeros(n)


def _ticks(low: float, high: float, room: int) -> list[float]:
    """Return at most ``room`` round ratios in the range, 1 among them."""
    ladders = (
        [0.9, 0.95, 1, 1.05, 1.1],
        [0.7, 0.8, 0.9, 1, 1.1, 1.2],
        [0.5, 0.6, 0.8, 1, 1.2, 1.5],
        [0.25, 0.5, 0.75, 1, 1.5, 2],
        [0.1, 0.25, 0.5, 1, 2, 4],
        [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
        [0.001, 0.01, 0.1, 1, 10, 100],
    )
    for ladder in ladders:
        if ladder[0] <= low * 1.12 and ladder[-1] >= high / 1.12:
            inside = [t for t in ladder if low <= t <= high]
            while len(inside) > room:
                inside = [t for i, t in enumerate(inside) if (i - inside.index(1)) % 2 == 0]
            return inside
    return [t for t in (1e-3, 1e-2, 0.1, 1, 10, 100, 1000) if low <= t <= high]


def _legend(rows: Sequence[dict], look: Look) -> list[Line2D]:
    out = []
    for verdict in words.ORDER:
        if any(r["verdict"] == verdict and r["ratio"] is not None for r in rows):
            text = names.VERDICT_WORDS[verdict][1]
            colour = colour_of(verdict, look)
            out.append(Line2D([], [], marker=MARKS[verdict][0], ls="", ms=6.5, color=colour, label=f"{text}"))
    if any(names.is_substitute(r["kernel_path"]) and r["ratio"] is not None for r in rows):
        out.append(
            Line2D(
                [],
                [],
                marker="o",
                ls="",
                ms=6.5,
                mfc=look.ground,
                mec=look.ink,
                mew=1.5,
                label="hollow: substitute",
            )
        )
    return out


def _ratio_data(rows: Sequence[dict]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "mode": words.label(r),
                "where": names.placement(r["placement"]),
                "ratio": numbers.ratio(r["ratio"], r["sim_ci_low"], r["sim_ci_high"]),
                "blocks": f"{r['n_used']:.0f}",
                "verdict": names.short_verdict(r),
            }
            for r in rows
        ]
    )


# ---- mode x placement ------------------------------------------------------------------------------------


def overview(record: Record) -> Picture:
    """Draw the primary family as a map: modes down, placements across, verdict and ratio in each field."""
    rows = record.primary or record.rows
    places = list(dict.fromkeys(r["placement"] for r in rows))
    modes = order([r["mode"] for r in rows])
    at = {(r["mode"], r["placement"]): r for r in rows}
    what = names.quantity(rows[0]["metric"], rows[0]["stat"])

    def draw(look: Look) -> Figure:
        figure, (ax,) = axes_for(look, 1, 0.52 * len(modes) + 0.5)
        kinds = list(MARKS)
        codes = np.array(
            [[kinds.index(at[m, p]["verdict"]) if (m, p) in at else np.nan for p in places] for m in modes]
        )
        tints = [tint(colour_of(k, look), look) for k in kinds]
        sns.heatmap(
            codes,
            ax=ax,
            cmap=sns.color_palette(tints, as_cmap=False),
            vmin=-0.5,
            vmax=len(kinds) - 0.5,
            cbar=False,
            linewidths=3,
            linecolor=look.ground,
        )
        for y, mode in enumerate(modes):
            for x, place in enumerate(places):
                row = at.get((mode, place))
                if row is None:
                    continue
                text = names.short_verdict(row)
                text = "\n".join(textwrap.wrap(text, 15)) if look.narrow else text
                if row["ratio"] is not None:
                    text = f"{_ratio_only(row)}\n{text}"
                    if names.is_substitute(row["kernel_path"]):
                        ax.add_patch(
                            Rectangle(
                                (x + 0.012, y + 0.035),
                                0.976,
                                0.93,
                                fill=False,
                                hatch="///",
                                ec=look.quiet,
                                lw=0,
                                alpha=0.28,
                            )
                        )
                ax.text(
                    x + 0.5,
                    y + 0.5,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8.2,
                    color=look.ink,
                    linespacing=1.3,
                )
        labels = [words.label(at[m, places[0]]) if (m, places[0]) in at else m for m in modes]
        ax.set_yticks(np.arange(len(modes)) + 0.5, labels, rotation=0)
        ax.set_xticks(np.arange(len(places)) + 0.5, [names.placement(p) for p in places])
        ax.xaxis.tick_top()
        ax.spines["bottom"].set_visible(False)
        return figure

    caption = (
        f"{what.noun[0].upper()}{what.noun[1:]} as a multiple of {record.study.baseline}'s, by mode and "
        f"place."
        + (
            " Hatched: a substitute carried the packets."
            if any(names.is_substitute(r["kernel_path"]) for r in rows)
            else ""
        )
    )
    return Picture("fig-map", draw, words.alt(rows), caption, _ratio_data(rows))


def _ratio_only(row: dict) -> str:
    return numbers.ratio_text(row["ratio"], row["sim_ci_low"], row["sim_ci_high"])
