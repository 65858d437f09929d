"""How a number is shown: no digit that its interval does not carry, one scale a column, missing as a dash.

Only text comes out of here. Nothing is computed with what it returns, and nothing is rounded before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from cnilab.units import Scale, scale_for

#: What stands where there is no value.
MISSING = "–"
#: A thin space binds a number to its unit.
THIN = "\u202f"
#: From this ratio on, "times" reads better than per cent.
TIMES = 2.0


def decimals(low: float | None, high: float | None) -> int | None:
    """Return how many decimals an interval carries, or None if it is unbounded or has no width.

    The Particle Data Group's rule on the half-width: two digits where its leading ones are below 35, one
    digit above, so that rounding never moves an end by more than a seventh of the half-width.

    >>> decimals(0.58, 0.66), decimals(0.7, 1.0), decimals(1500.0, 1900.0)
    (2, 2, -1)
    """
    if low is None or high is None or not math.isfinite(high - low) or high <= low:
        return None
    half = (high - low) / 2
    exponent = math.floor(math.log10(half))
    leading = half / 10**exponent
    return -exponent + (1 if leading < 3.55 else 0)


def rounded(value: float | None, places: int | None) -> str:
    """Return ``value`` with ``places`` decimals (negative: rounded to tens …), three digits if None."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if places is None:
        text = f"{value:.3g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.2e}"
    else:
        text = f"{round(value, places):.{max(0, places)}f}"
    if text.lstrip("-").strip("0.") == "":
        text = text.lstrip("-")
    return text.replace("-", "−")


def span(value: float | None, low: float | None, high: float | None, scale: Scale | None = None) -> str:
    """Return ``value (low – high)`` with the digits that the interval carries; ``∞`` where it is open.

    >>> span(0.6213, 0.5801, 0.6598)
    '0.62 (0.58 – 0.66)'
    >>> span(None, None, None)
    '–'
    """
    if value is None:
        return MISSING
    factor = scale.factor if scale else 1.0
    value, low, high = (v if v is None else v / factor for v in (value, low, high))
    places = decimals(low, high)
    left = "−∞" if low is None else rounded(low, places)
    right = "∞" if high is None else rounded(high, places)
    if low is None and high is None:
        return f"{rounded(value, None)} (unbounded)"
    return f"{rounded(value, places)} ({left} – {right})"


def scale_of(rows: Iterable[dict[str, Any]], key: str = "centre") -> Scale:
    """Return the one scale for a column of report rows, from the values it will show."""
    rows = list(rows)
    unit = rows[0]["unit"] if rows else "1"
    return scale_for([row[key] for row in rows if row[key] is not None], unit)


def p_value(p: float | None) -> str:
    """Return a p-value in the form journals use.

    >>> p_value(0.0004), p_value(0.0312), p_value(None)
    ('< 0.001', '0.031', '–')
    """
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def percent(fraction: float, places: int | None = 0) -> str:
    """Return a fraction as per cent, unsigned.

    >>> percent(-0.384), percent(0.05)
    ('38\\u202f%', '5\\u202f%')
    """
    return f"{rounded(abs(100 * fraction), places)}{THIN}%"


def margin(value: float) -> str:
    """Return a declared margin, as many digits as it was declared with.

    >>> margin(0.05), margin(0.025)
    ('5\\u202f%', '2.5\\u202f%')
    """
    return f"{100 * value:.6g}{THIN}%"


def change(
    ratio: float, low: float | None, high: float | None, less: str, more: str, times: str
) -> tuple[str, str]:
    """Return a ratio and its interval in words, e.g. ``("38 % less", "34 to 42 %")``.

    Parameters
    ----------
    ratio, low, high
        The estimate and its interval; an end that is None is unbounded.
    less, more, times
        The words for below one, above one and ``n times …``: ``("less", "more", "as much")``.
    """
    if ratio >= TIMES:
        places = decimals(low, high)
        ends = (
            f"{MISSING if low is None else rounded(low, places)} to "
            f"{'∞' if high is None else rounded(high, places)}"
        )
        return f"{rounded(ratio, places)} times {times}", ends
    places = decimals(*(None if v is None else 100 * v for v in (low, high)))
    word = more if ratio > 1 else less
    head = f"{percent(ratio - 1, places)} {word}"
    if low is None or high is None:
        return head, f"{_side(low, less, more, places)} to {_side(high, less, more, places)}"
    if (low >= 1) == (high >= 1) or high <= 1:
        near, far = sorted((abs(low - 1), abs(high - 1)))
        return head, f"{rounded(100 * near, places)} to {percent(far, places)}"
    return head, f"{_side(low, less, more, places)} to {_side(high, less, more, places)}"


def _side(ratio: float | None, less: str, more: str, places: int | None) -> str:
    if ratio is None:
        return "unbounded"
    return f"{percent(ratio - 1, places)} {more if ratio >= 1 else less}"


def duration(seconds: float) -> str:
    """Return seconds as a reader says them.

    >>> duration(48.2), duration(265)
    ('48 s', '4.4 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def count(n: int, what: str) -> str:
    """Return ``1 block``, ``2 blocks``."""
    return f"{n:d} {what}{'' if n == 1 else 's'}"


def listing(items: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    items = list(items)
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
