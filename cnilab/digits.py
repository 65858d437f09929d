"""How a number is shown: no digit that its interval does not carry, one scale a column, missing as a dash.

One rule for the terminal, the notebooks and the page. Only text comes out of here: nothing is computed with what it
returns, nothing is rounded before it, and no word of any language is in it (:mod:`cnilab.report.language` has those).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from cnilab.units import Scale, scale_for

#: What stands where there is no value.
MISSING = "–"
#: A thin space binds a number to its unit.
THIN = "\u202f"
#: From this ratio on a multiple is marked as one: "× 100".
MULTIPLE = 10.0
#: However wide its interval is, a number keeps two digits: 1.84 (0.66 to 102) is not shown as 2 (1 to 100).
_WIDEST = 0.35
#: More decimals than these never help.
_MOST = 12


def decimals(low: float | None, high: float | None) -> int | None:
    """Return how many decimals an interval carries, or None if it is unbounded or has no width.

    The Particle Data Group's rule on the half-width: two digits where its leading ones are below 35, one
    digit above, so that rounding never moves an end by more than a seventh of the half-width.

    >>> decimals(0.58, 0.66), decimals(0.7, 1.0), decimals(1500.0, 1900.0)
    (2, 2, -1)
    """
    if low is None or high is None or not math.isfinite(high - low) or high <= low:
        return None
    return _carried((high - low) / 2)


def _carried(half: float) -> int:
    exponent = math.floor(math.log10(half))
    return -exponent + (1 if half / 10**exponent < 3.55 else 0)


def ratio_decimals(value: float | None, low: float | None, high: float | None) -> int | None:
    """Return how many decimals ``value`` carries, where ``low`` to ``high`` is an interval of ratios.

    An interval of ratios is wide on the logarithmic scale. Up to a factor of two between its ends one number of digits
    serves all of it (:func:`decimals`); beyond, each number has its own. Rounding never makes an end 1 that is not.

    >>> [ratio_decimals(v, 0.66, 102) for v in (0.66, 1.84, 102)]
    [2, 1, -1]
    >>> ratio_decimals(0.998, 0.95, 0.998)
    3
    """
    if value is None or low is None or high is None or not (0 < low < high < math.inf and value > 0):
        return None
    places = decimals(low, high) if high <= 2 * low else _carried(value * _WIDEST)
    return _away_from(1.0, value, places) if places is not None and value in (low, high) else places


def _away_from(reference: float, value: float, places: int) -> int:
    while value != reference and round(value, places) == reference and places < _MOST:
        places += 1
    return places


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


def ratio_text(value: float | None, low: float | None, high: float | None) -> str:
    """Return one ratio with the digits that its interval carries; a large one is marked as a multiple.

    >>> ratio_text(102, 0.66, 102), ratio_text(0.66, 0.66, 102)
    ('× 100', '0.66')
    """
    text = rounded(value, ratio_decimals(value, low, high))
    return f"× {text}" if value is not None and MULTIPLE <= value < math.inf else text


def ratio(value: float | None, low: float | None, high: float | None) -> str:
    """Return a ratio as ``value (low – high)``; ``∞`` where the interval is open.

    >>> ratio(0.6213, 0.5801, 0.6598)
    '0.62 (0.58 – 0.66)'
    >>> ratio(1.84, 0.66, 102), ratio(0.7, 0.54, 1.0)
    ('1.8 (0.66 – × 100)', '0.70 (0.54 – < 1)')
    >>> ratio(None, None, None)
    '–'
    """
    if value is None:
        return MISSING
    if low is None and high is None:
        return f"{rounded(value, None)} (unbounded)"
    ends = [
        "0" if low is None else ratio_text(low, low, high),
        "∞" if high is None else ratio_text(high, low, high),
    ]
    if low == 1.0 < value:  # ended at none, see cnilab.report.language.about.interval
        ends[0] = "> 1"
    if high == 1.0 > value:
        ends[1] = "< 1"
    return f"{ratio_text(value, low, high)} ({ends[0]} – {ends[1]})"


def difference(value: float | None, low: float | None, high: float | None) -> str:
    """Return a difference as ``value (low – high)``; an end that is not zero is not shown as zero.

    >>> difference(3.1, 0.004, 6.2), difference(None, None, None)
    ('3.1 (0.004 – 6.2)', '–')
    """
    places = decimals(low, high)
    ends = [None if places is None or v is None else _away_from(0.0, v, places) for v in (low, high)]
    return _spanned(value, low, high, (places, *ends))


def centre(value: float | None, low: float | None, high: float | None, scale: Scale | None = None) -> str:
    """Return a quantity in ``scale`` as ``value (low – high)``, with the digits that its interval carries.

    Where the interval's upper end is more than twice the lower one each number has digits of its own, as a ratio has.

    >>> centre(6.21e9, 5.80e9, 6.63e9, Scale(1e9, "Gbit/s")), centre(100.0, 1.2, 1000.0)
    ('6.2 (5.8 – 6.6)', '100 (1.2 – 1000)')
    """
    factor = scale.factor if scale else 1.0
    value, low, high = (v if v is None else v / factor for v in (value, low, high))
    if low is not None and high is not None and value is not None and 0 < 2 * low < high:
        each = [_carried(v * _WIDEST) for v in (value, low, high)]
        return _spanned(value, low, high, each)
    return _spanned(value, low, high, [decimals(low, high)] * 3)


def _spanned(value: float | None, low: float | None, high: float | None, places: Iterable[int | None]) -> str:
    if value is None:
        return MISSING
    if low is None and high is None:
        return f"{rounded(value, None)} (unbounded)"
    middle, left, right = places
    ends = ["−∞" if low is None else rounded(low, left), "∞" if high is None else rounded(high, right)]
    return f"{rounded(value, middle)} ({ends[0]} – {ends[1]})"


def scale_of(values: Iterable[float | None], unit: str) -> Scale:
    """Return the one scale for a column, from the values it will show."""
    return scale_for([v for v in values if v is not None], unit)


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


def away_from_one(value: float, low: float | None, high: float | None) -> str:
    """Return how far a ratio is from one, in per cent with the digits that its interval carries.

    >>> away_from_one(0.661, 0.245, 0.956), away_from_one(0.956, 0.245, 0.956), away_from_one(0.245, 0.245, 0.956)
    ('34\\u202f%', '4\\u202f%', '76\\u202f%')
    """
    places = ratio_decimals(value, low, high)
    return percent(value - 1, None if places is None else places - 2)
