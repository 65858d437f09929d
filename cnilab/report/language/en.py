"""English. Grammar is in methods, words are in the catalogues beside this module."""

from __future__ import annotations

from collections.abc import Sequence

from cnilab.modes import MODES
from cnilab.report.language.en_results import Results


class English(Results):
    """What a report says in English."""

    def about(self, mode: str) -> str:
        """Return the catalogue's sentence on a mode."""
        return MODES[mode].sentence

    def departures(self, mode: str) -> Sequence[str]:
        """Return the catalogue's departures of a mode."""
        return MODES[mode].departures
