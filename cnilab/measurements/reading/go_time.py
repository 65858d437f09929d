"""How programs written in Go print a time: ``1m2.5s``, ``850µs``, ``0s``."""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.units import SECONDS

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|μs|ns|s)")


def seconds(word: str) -> float:
    """Return the seconds that ``word`` stands for.

    >>> seconds("1m2.5s")
    62.5

    Raises
    ------
    ParseError
        Where it is not such a time.
    """
    parts = _PART.findall(word)
    if not parts or "".join(a + u for a, u in parts) != word:
        raise ParseError(f"unreadable time {word!r}")
    return sum(float(amount) * SECONDS[unit] for amount, unit in parts)
