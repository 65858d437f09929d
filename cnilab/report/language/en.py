"""English. Grammar is in methods, words are in the catalogues beside this module."""

from __future__ import annotations

from cnilab.modes import MODES
from cnilab.report.language.en_results import Results


class English(Results):
    """What a report says in English."""

    def about(self, mode: str) -> str:
        """Return the catalogue's sentence on a mode."""
        return MODES[mode].sentence
