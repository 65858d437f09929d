"""How a picture looks and travels: how wide, on which ground, in which colours, and as described HTML.

A page gets four renderings of each picture and the browser takes the one that fits: light or dark, wide or
narrow. What is drawn is :mod:`cnilab.report.figures`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

#: Dots an inch, where an inch is 100 CSS pixels: phones' screens are finer than desks'.
DPI, DPI_NARROW = 160, 220


@dataclass(frozen=True)
class Look:
    """Where a picture will be seen: how wide, on which ground."""

    width: float = 7.6
    ink: str = "#1c2330"
    quiet: str = "#6a7280"
    ground: str = "#ffffff"
    rule: str = "#e3e5e8"
    band: str = "#eef1f4"
    dark: bool = False

    @property
    def narrow(self) -> bool:
        return self.width < 5


LIGHT = Look()
DARK = Look(ink="#e8eaed", quiet="#9aa3af", ground="#14171c", rule="#2a2f37", band="#20252d", dark=True)
PHONE, PHONE_DARK = (Look(**{**vars(k), "width": 3.7}) for k in (LIGHT, DARK))

PALETTE = sns.color_palette("colorblind").as_hex()
BLUE, ORANGE, GREEN = PALETTE[0], PALETTE[3], PALETTE[2]
#: Verdict -> (marker, colour on light, colour on dark).
MARKS = {
    "different_material": ("D", ORANGE, "#ff9a52"),
    "different_size_unclear": ("d", ORANGE, "#ff9a52"),
    "different_negligible": ("s", GREEN, "#35c99b"),
    "equivalent": ("o", GREEN, "#35c99b"),
    "inconclusive": ("^", BLUE, "#63b3ed"),
    "insufficient_n": ("v", BLUE, "#63b3ed"),
    "not_comparable": ("X", "#6a7280", "#9aa3af"),
}


@dataclass(frozen=True)
class Picture:
    """A figure to be, with all a reader who cannot see it needs.

    Parameters
    ----------
    name
        Unique in the page.
    draw
        Makes the figure for a look.
    alt
        At most two sentences: what is compared, and the finding.
    caption
        How to read it.
    data
        What is drawn, as text.
    """

    name: str
    draw: Callable[[Look], Figure]
    alt: str
    caption: str
    data: pd.DataFrame

    def figure(self, look: Look = LIGHT) -> Figure:
        """Return the matplotlib figure."""
        with sns.axes_style("white"):
            return self.draw(look)

    def _repr_html_(self) -> str:
        from cnilab.report.tables import Page

        uri = {
            k: data_uri(self.figure(look), DPI_NARROW if look.narrow else DPI) for k, look in _LOOKS.items()
        }
        table = Page(
            f"{self.name}-data",
            f"Data of the figure: {self.caption}",
            self.data,
            tuple(self.data.columns[1:]),
        )
        return (
            f'<figure id="{self.name}"><picture>'
            f'<source media="screen and (max-width: 640px) and (prefers-color-scheme: dark)" '
            f'srcset="{uri["phone_dark"]}">'
            f'<source media="screen and (max-width: 640px)" srcset="{uri["phone"]}">'
            f'<source media="screen and (prefers-color-scheme: dark)" srcset="{uri["dark"]}">'
            f'<img src="{uri["light"]}" alt="{escape(self.alt)}" width="{LIGHT.width * 100:.0f}"></picture>'
            f"<figcaption>{escape(self.caption)}</figcaption>"
            f"<details><summary>The data of this figure</summary>{table._repr_html_()}</details></figure>"
        )

    def __repr__(self) -> str:
        return self.alt


_LOOKS = {"light": LIGHT, "dark": DARK, "phone": PHONE, "phone_dark": PHONE_DARK}


def data_uri(figure: Figure, dpi: int = DPI) -> str:
    """Return the figure as a PNG in a data URI: few colours, nothing that differs between two runs."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    image = (
        Image.open(buffer)
        .convert("RGB")
        .quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    small = io.BytesIO()
    image.save(small, format="png", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def axes_for(look: Look, panels: int, height: float, **more: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side, one under the other where the window is narrow."""
    rows, columns = (panels, 1) if look.narrow else (1, panels)
    figure = Figure(figsize=(look.width, height * rows + 0.35), layout="constrained", facecolor=look.ground)
    axes = list(np.atleast_1d(figure.subplots(rows, columns, **more)).ravel())
    for ax in axes:
        ax.set_facecolor(look.ground)
        ax.tick_params(colors=look.ink, labelsize=8.5, length=0, pad=4)
        for side, spine in ax.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(look.rule)
    return figure, axes


def colour_of(verdict: str, look: Look) -> str:
    return MARKS[verdict][2 if look.dark else 1]


def tint(colour: str, look: Look) -> tuple[float, ...]:
    share = 0.24 if look.dark else 0.2
    return tuple(share * a + (1 - share) * b for a, b in zip(to_rgb(colour), to_rgb(look.ground)))
