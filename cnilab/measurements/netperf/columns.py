"""The titles of netperf's omni results: a line of CSV, or words stacked over aligned columns (``-O``).

Both end in omni keys; what the values mean is said in :mod:`.omni`.
"""

from __future__ import annotations

import re

from cnilab.measurements.netperf import omni
from cnilab.measurements.reading.numbers import number

#: Keys whose value is a word; under any other a number must stand.
_WORDS = (
    "THROUGHPUT_UNITS",
    "PROTOCOL",
    "DIRECTION",
    "SD_UNITS",
    "COMMAND_LINE",
    "LOCAL_CONG_CONTROL",
    "REMOTE_CONG_CONTROL",
)
_MOST = 500
_UNIT = re.compile(r"Trans/s|10\^\d+bits/s|[KMG]?Bytes/s")
_SPOKEN = {"DIRECTION": ("Send", "Receive", "Send|Recv"), "PROTOCOL": ("TCP", "UDP", "SCTP", "DCCP")}
_SOCKETS = ("Stream", "Datagram")


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


def unnamed(line: str) -> tuple[dict[str, str], bool] | None:
    """Return what a CSV row tells whose header ``-P 0`` has suppressed, and whether more was in it; None if it is none.

    Its own words are all there is to go by: the number before a unit is the throughput, and so is the one beside a
    direction where nothing else stands.
    """
    cells = [cell.strip() for cell in line.split(",")]
    words = [cell for cell in cells if number(cell) is None]
    found = {key: word for key, known in _SPOKEN.items() for word in words if word in known}
    units = [word for word in words if _UNIT.fullmatch(word)]
    others = [word for word in words if word not in (*found.values(), *units, *_SOCKETS)]
    if others or len(units) > 1 or len(cells) > 40:
        return None
    if units:
        at = cells.index(units[0])
        if at == 0 or number(cells[at - 1]) is None:
            return None
        found |= {"THROUGHPUT": cells[at - 1], "THROUGHPUT_UNITS": units[0]}
        return found, len(cells) - len(words) > 1
    if len(cells) == 2 and number(cells[0]) is not None and "DIRECTION" in found:
        return found | {"THROUGHPUT": cells[0]}, False
    return None


def numeric(values: dict[str, str]) -> bool:
    """Whether a number stands under every title that wants one."""
    return all(key in _WORDS or number(value) is not None for key, value in values.items())
