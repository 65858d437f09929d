"""Chinese. Grammar is in methods, words are in the catalogues beside this module."""

from __future__ import annotations

from typing import ClassVar

from cnilab.report.language.zh_modes import ABOUT
from cnilab.report.language.zh_results import Results


class Chinese(Results):
    """What a report says in Chinese."""

    FONTS: ClassVar[tuple[str, ...]] = (
        "WenQuanYi Micro Hei",
        "Noto Sans CJK SC",
        "Noto Sans CJK JP",
        "Droid Sans Fallback",
    )
    FONT_PACKAGE = "fonts-wqy-microhei"

    def about(self, mode: str) -> str:
        """Return one sentence on a mode."""
        return ABOUT[mode]
