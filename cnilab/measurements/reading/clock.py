"""When a test began, as its output tells it: seconds since 1970, RFC 1123, ISO 8601; all written as ISO 8601.

A time without its zone is kept without one: it still orders the runs of one machine. Nothing is guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cnilab.measurements.reading.numbers import number

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(?: ?(Z|UTC|[+-]\d\d:?\d\d))?")
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
#: No test of these programs was run before, or is run after.
_EARLIEST, _LATEST = 631_152_000, 4_102_444_800


def of_seconds(value: object) -> str | None:
    """Return seconds since 1970.

    >>> of_seconds(1795467299), of_seconds("soon"), of_seconds(0)
    ('2026-11-23T20:54:59Z', None, None)
    """
    seconds = number(value)
    if seconds is None or not _EARLIEST <= seconds < _LATEST:
        return None
    return _written(datetime.fromtimestamp(seconds, UTC))


def of_text(text: object) -> str | None:
    """Return a time that is written out, in any of the forms above, or in digits alone.

    >>> of_text("Mon, 23 Nov 2026 20:54:59 GMT"), of_text("2026-11-23T20:54:59.5+01:00"), of_text("20260101100000")
    ('2026-11-23T20:54:59Z', '2026-11-23T19:54:59Z', '2026-01-01T10:00:00')
    """
    if not isinstance(text, str) or len(text) > 100:
        return None
    try:
        if found := _ISO.search(text):
            day, clock, _, zone = found.groups()
            return _written(datetime.fromisoformat(f"{day}T{clock}{(zone or '').replace('UTC', 'Z')}"))
        if digits := _DIGITS.fullmatch(text.strip()):
            return _written(datetime(*map(int, digits.groups())))  # type: ignore[arg-type]
        return _written(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _written(when: datetime) -> str:
    if when.tzinfo is None:
        return when.isoformat(timespec="seconds")
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
