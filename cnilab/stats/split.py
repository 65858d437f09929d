"""Where a mode's goodput goes: how much of its ratio to the baseline is header bytes, and how much is the rest.

All on the log scale, where parts add up: ratio = headers x rest. The headers' part is arithmetic, the rest is
what was measured over it. A second reading, of the same streams at one segment size for all modes, says what
the smaller segments cost by themselves: ratio = segments x (ratio at equal MSS). A description; it tests
nothing and decides nothing, verdicts are :mod:`cnilab.stats.verdict`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.ratio import Interval, hodges_lehmann

#: TCP over IPv4 with timestamps, which Linux uses by default: 20 + 20 + 12 B (RFC 9293, RFC 7323).
TCP_HEADER_BYTES = 52


@dataclass(frozen=True)
class Split:
    """A ratio to the baseline in parts, each a factor; below one is a loss.

    Parameters
    ----------
    headers
        By arithmetic alone: what a link that is bound by bytes would be left with.
    ratio, rest
        As measured, as shipped; and what of it the headers do not explain. ``ratio`` = ``headers`` x ``rest``.
    equal, segments
        The ratio at equal MSS; and what the mode's own segment size does, from the blocks that hold all four
        numbers. None where it was not measured.
    """

    headers: float
    ratio: Interval
    rest: Interval
    equal: Interval | None
    segments: Interval | None


def payload_share(mtu: int, header_bytes: int) -> float:
    """Return payload over bytes on the underlay of a full TCP segment, both from the IP header on.

    Parameters
    ----------
    mtu
        Of the inner packet, in bytes, more than 52.
    header_bytes
        What the encapsulation puts around it, in bytes.

    Raises
    ------
    DataError
        If no payload fits.

    Examples
    --------
    >>> round(payload_share(1450, 50), 4), round(payload_share(1500, 0), 4)
    (0.932, 0.9653)
    """
    if mtu <= TCP_HEADER_BYTES or header_bytes < 0:
        raise DataError(
            f"an MTU of {mtu} B with {header_bytes} B of headers; the MTU must exceed {TCP_HEADER_BYTES} B"
        )
    return (mtu - TCP_HEADER_BYTES) / (mtu + header_bytes)


def split(
    mode: np.ndarray,
    base: np.ndarray,
    headers: float,
    *,
    mode_equal: np.ndarray | None = None,
    base_equal: np.ndarray | None = None,
    alpha: float = 0.05,
) -> Split | None:
    """Part a mode's ratio to the baseline, within blocks.

    Parameters
    ----------
    mode, base
        Log goodput a block as shipped, shape (n,); NaN where a block has none.
    headers
        Ratio of the two payload shares, > 0.
    mode_equal, base_equal
        The same at equal MSS, in the same blocks, shape (n,).
    alpha
        One minus the confidence of each interval by itself.

    Returns
    -------
    Split or None
        None where no block has both numbers as shipped.

    Raises
    ------
    DataError
        If ``headers`` is not positive or the shapes differ.
    """
    if not headers > 0:
        raise DataError(f"a ratio of payload shares of {headers!r}; it must be above 0")
    given = [np.asarray(v, float) for v in (mode, base, mode_equal, base_equal) if v is not None]
    if len({v.shape for v in given}) != 1 or given[0].ndim != 1:
        raise DataError(f"log goodput of shapes {[v.shape for v in given]}; one value a block in each")
    shipped = given[0] - given[1]
    ratio = _factor(shipped, alpha)
    if ratio is None:
        return None
    rest = _factor(shipped - math.log(headers), alpha)
    assert rest is not None  # the same blocks, moved by a constant
    equal = segments = None
    if len(given) == 4:
        fair = given[2] - given[3]
        equal, segments = _factor(fair, alpha), _factor(shipped - fair, alpha)
    return Split(headers, ratio, rest, equal, segments)


def _factor(d: np.ndarray, alpha: float) -> Interval | None:
    """Return the Hodges–Lehmann estimate of log differences (n,) as a factor; None without a block."""
    d = d[~np.isnan(d)]
    if not len(d):
        return None
    found = hodges_lehmann(d, alpha)
    return Interval(math.exp(found.estimate), math.exp(found.low), math.exp(found.high), found.level, found.n)
