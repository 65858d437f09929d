"""Whether this machine can write a language in a figure: which of its fonts are there, and which characters they lack.

A page's own text is drawn by the reader's browser with the reader's fonts; a figure is drawn here. What cannot be
written here is drawn in English, and the page says which package brings the font (:func:`lacking`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from cnilab.report.language import Language, get

# A family of Chinese glyphs has one weight as a rule; that a heading is not bold is nothing to be warned of.
logging.getLogger("matplotlib.font_manager").addFilter(lambda record: "font weight" not in str(record.msg))


def legible(language: Language) -> Language:
    """Return the language in which figures are drawn: the one asked for, English where glyphs of it are missing."""
    return get("en") if lacking(language) else language


def lacking(language: Language) -> str:
    """Return the characters of a language's words that no font of its own and none of matplotlib's has."""
    return _lacking(language.FONTS, language.characters())


def installed(families: Iterable[str]) -> list[str]:
    """Return the families that are there, in the order given; fonts installed since matplotlib last looked count."""
    return [family for family in families if _file(family)]


@cache
def _lacking(families: tuple[str, ...], characters: frozenset[str]) -> str:
    known: set[int] = set()
    for family in (*families, "DejaVu Sans"):
        if file := _file(family):
            known |= set(FT2Font(file).get_charmap())
    return "".join(sorted(c for c in characters if ord(c) not in known and not c.isspace()))


@cache
def _file(family: str) -> str | None:
    """Return the file of a family, None where there is none."""
    known = _known(family)
    if known is None:
        _look_again()
        known = _known(family)
    return known


def _known(family: str) -> str | None:
    return next((entry.fname for entry in font_manager.fontManager.ttflist if entry.name == family), None)


@cache
def _look_again() -> None:
    """Add the fonts that matplotlib's list, which it keeps from the first time it was used, does not have yet."""
    listed = {entry.fname for entry in font_manager.fontManager.ttflist}
    for file in sorted(set(font_manager.findSystemFonts()) - listed):
        if Path(file).suffix.lower() in (".ttf", ".ttc", ".otf"):
            try:
                font_manager.fontManager.addfont(file)
            except (OSError, RuntimeError):
                continue  # no font that can be read, whatever its name says


__all__ = ["installed", "lacking", "legible"]
