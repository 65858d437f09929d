"""The titles of netperf's omni results: a line of CSV, or words stacked over aligned columns (``-O``).

Both end in omni keys; what the values mean is said in :mod:`.omni`.
"""

from __future__ import annotations

import re

from cnilab.tools.checks import number
from cnilab.tools.netperf import omni

#: Keys whose value is a word; under any other a number must stand.
_WORDS = ("THROUGHPUT_UNITS", "PROTOCOL", "DIRECTION", "SD_UNITS", "COMMAND_LINE")
_MOST = 500


def named(line: str) -> list[str] | None:
    """Return the omni keys of a CSV header ('' for a title that is not read), or None if it is no header."""
    keys = [omni.TITLES.get(cell.strip(), "") for cell in line.split(",")]
    return keys if any(keys) else None


def row(line: str, above: list[str]) -> dict[str, str] | None:
    """Return key -> value of a row under stacked titles, or None where ``line`` is no such row.

    Parameters
    ----------
    line
        The line as it was printed, blanks before it too: columns are told by their position.
    above
        The lines before it that may be its titles. A second line of titles is told from a row by its words.
    """
    starts = [m.start() for m in re.finditer(r"\S+", line)]
    if not above or not starts or len(starts) > _MOST:
        return None
    found = {}
    for start, end, value in zip(starts, [*starts[1:], None], line.split()):
        title = " ".join(part for titles in above for part in titles[start:end].split())
        key = omni.TITLES.get(title)
        if key is None:
            continue
        if key not in _WORDS and number(value) is None:
            return None
        found[key] = value
    return found if any(key not in _WORDS for key in found) else None


def numeric(values: dict[str, str]) -> bool:
    """Whether a number stands under every title that wants one."""
    return all(key in _WORDS or number(value) is not None for key, value in values.items())
