"""From a word to a number; what is none is never taken for one, and never for zero."""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError

_PRINTED = re.compile(r"\d+(?:\.\d+)?")


def number(value: object) -> float | None:
    """Return ``value`` as a finite float, or None where it is no number (``null``, ``nan``, a word)."""
    if type(value) is float and -math.inf < value < math.inf:
        return value
    if type(value) is int and -(2**63) < value < 2**63:
        return float(value)
    if isinstance(value, bool) or value is None or (isinstance(value, str) and "_" in value):
        return None  # Python would read 1_5 as 15
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def printed(word: str) -> float:
    """Return the number that ``word`` is, written plainly: no sign, no exponent, a point and no comma.

    >>> printed("57843.12")
    57843.12

    Raises
    ------
    ParseError
        Where it is not: ``nan``, ``1,5``, a word.
    """
    value = number(word) if _PRINTED.fullmatch(word) else None
    if value is None:
        raise ParseError(f"unreadable number {word!r}")
    return value
