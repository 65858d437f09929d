"""How a figure looks and travels: how wide, on which ground, in which colours and fonts, and as which bytes.

A page gets four renderings of each figure and the browser takes the one that fits: light or dark, wide or narrow.
What is drawn is :mod:`cnilab.report.figures`; no two verdicts share a marker, so that colour alone says nothing.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from cnilab.report.fonts import installed, legible
from cnilab.report.language import Language
from cnilab.verdicts import VERDICTS


@dataclass(frozen=True)
class Style:
    """Where a figure will be seen: how wide, on which ground."""

    width: float = 7.6
    #: Dots an inch, where an inch is 100 CSS pixels: phones' screens are finer than desks'.
    dpi: int = 160
    ink: str = "#1c2330"
    quiet: str = "#6a7280"
    ground: str = "#ffffff"
    rule: str = "#e3e5e8"
    band: str = "#eef1f4"
    dark: bool = False

    @property
    def narrow(self) -> bool:
        return self.width < 5

    @property
    def blue(self) -> str:
        return "#63b3ed" if self.dark else "#0173b2"

    @property
    def orange(self) -> str:
        return "#ff9a52" if self.dark else "#d55e00"

    @property
    def violet(self) -> str:
        return "#9a8cff" if self.dark else "#5b4fc4"


LIGHT = Style()
DARK = Style(ink="#e8eaed", quiet="#9aa3af", ground="#14171c", rule="#2a2f37", band="#20252d", dark=True)
PHONE, PHONE_DARK = (replace(style, width=3.7, dpi=220) for style in (LIGHT, DARK))
STYLES = {"light": LIGHT, "dark": DARK, "phone": PHONE, "phone_dark": PHONE_DARK}


#: Verdict -> its marker.
MARKERS = {
    "different_material": "D",
    "different_size_unclear": "d",
    "different_negligible": "s",
    "equivalent": "o",
    "inconclusive": "^",
    "insufficient_n": "v",
    "not_comparable": "X",
}
#: Kind of verdict -> its colour on a light and on a dark ground.
COLOURS = {
    "differs": ("#d55e00", "#ff9a52"),
    "alike": ("#029e73", "#35c99b"),
    "open": ("#0173b2", "#63b3ed"),
    "absent": ("#6a7280", "#9aa3af"),
}


class Draw(Protocol):
    """Makes a figure."""

    def __call__(self, style: Style, /, *, language: Language) -> Figure: ...


def drawn(draw: Draw, style: Style, language: Language) -> Figure:
    """Return what ``draw`` makes in ``style``, in a language that this machine's fonts can write."""
    spoken = legible(language)
    with sns.axes_style("white"), rc_context({"font.family": [*installed(spoken.FONTS), "sans-serif"]}):
        return draw(style, language=spoken)


def data_uri(figure: Figure, dpi: int) -> str:
    """Return the figure as a PNG in a data URI: few colours, nothing that differs between two runs."""
    from PIL import Image

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once; savefig would draw for the layout first, and encode a file only to be read again
    image = (
        Image.fromarray(np.asarray(canvas.buffer_rgba()))
        .convert("RGB")
        .quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    small = io.BytesIO()
    image.save(small, format="png", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def axes_for(
    style: Style, panels: int, height: float, *, stacked: bool = False, **more: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side, one under the other where asked for or the window is narrow."""
    rows, columns = (panels, 1) if stacked or style.narrow else (1, panels)
    figure = Figure(figsize=(style.width, height * rows + 0.35), layout="constrained", facecolor=style.ground)
    axes = list(np.atleast_1d(figure.subplots(rows, columns, **more)).ravel())
    for ax in axes:
        ax.set_facecolor(style.ground)
        ax.tick_params(colors=style.ink, labelsize=8.5, length=0, pad=4)
        for side, spine in ax.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(style.rule)
    return figure, axes


def titled(ax: Axes, title: str, label: str, style: Style) -> None:
    """Head a panel with its place, and name its horizontal axis."""
    ax.set_title(title, loc="left", fontsize=9.5, color=style.ink, fontweight="bold")
    ax.set_xlabel(label, fontsize=8.5, color=style.quiet)


def legend(figure: Figure, style: Style, handles: list, columns: int, narrow: int = 2) -> None:
    """Put a legend under the panels."""
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=narrow if style.narrow else columns,
        frameon=False,
        fontsize=8,
        labelcolor=style.ink,
        handletextpad=0.3,
        columnspacing=1.1,
        borderaxespad=0.1,
    )


def ratio_axis(ax: Axes, low: float, high: float, style: Style) -> None:
    """Make a logarithmic axis in per cent of the baseline, with a line at the baseline and few round ticks."""
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.axvline(1, color=style.quiet, lw=0.9, zorder=1)
    ticks = round_ratios(low, high, room=4 if style.narrow else 5)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{100 * t:g} %" for t in ticks])


def round_ratios(low: float, high: float, room: int) -> list[float]:
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


def colour_of(verdict: str, style: Style) -> str:
    """Return a verdict's colour on the style's ground."""
    return COLOURS[VERDICTS[verdict].kind][style.dark]


def tint(colour: str, style: Style) -> tuple[float, ...]:
    """Return a colour mixed into the ground."""
    share = 0.24 if style.dark else 0.2
    return tuple(share * a + (1 - share) * b for a, b in zip(to_rgb(colour), to_rgb(style.ground)))
