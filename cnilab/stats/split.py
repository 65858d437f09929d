"""Part a mode's loss of goodput in two: what its own segment size costs, and the rest.

A tunnel's headers leave less payload in a packet, and somebody has to put them on and take them off. Streams
measured both as shipped and at one segment size for all modes tell the two apart, block by block, because

    shipped(mode)     shipped(mode) / equal(mode)     equal(mode)
    -------------  =  ---------------------------  x  -----------
    shipped(base)     shipped(base) / equal(base)     equal(base)

        ratio       =          segments            x     rest

A description; it tests nothing and decides nothing, verdicts are :mod:`cnilab.stats.verdict`'s.
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
    """A ratio to the baseline in two factors, from the same blocks; below one is a loss.

    Parameters
    ----------
    ratio
        As shipped.
    segments
        What the mode's own segment size does.
    rest
        The ratio at equal MSS. In every block ``ratio`` = ``segments`` x ``rest``; of the estimates that is
        nearly so.
    headers
        To read beside ``segments``, by arithmetic alone: what a link bound by bytes would leave.
    """

    ratio: Interval
    segments: Interval
    rest: Interval
    headers: float


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
    mode_equal: np.ndarray,
    base_equal: np.ndarray,
    *,
    headers: float,
    alpha: float = 0.05,
) -> Split | None:
    """Part a mode's ratio to the baseline, within blocks.

    Parameters
    ----------
    mode, base
        Log goodput a block as shipped, shape (n,); NaN where a block has none.
    mode_equal, base_equal
        The same at equal MSS, in the same blocks, shape (n,).
    headers
        Ratio of the two payload shares, > 0.
    alpha
        One minus the confidence of each interval by itself.

    Returns
    -------
    Split or None
        From the blocks that hold all four numbers; None where there is none.

    Raises
    ------
    DataError
        If ``headers`` is not positive or the shapes differ.
    """
    if not headers > 0:
        raise DataError(f"a ratio of payload shares of {headers!r}; it must be above 0")
    given = [np.asarray(v, float) for v in (mode, base, mode_equal, base_equal)]
    if len({v.shape for v in given}) != 1 or given[0].ndim != 1:
        raise DataError(f"log goodput of shapes {[v.shape for v in given]}; one value a block in each")
    ratio, rest = given[0] - given[1], given[2] - given[3]
    whole = ~np.isnan(ratio + rest)
    if not whole.any():
        return None
    ratio, rest = ratio[whole], rest[whole]
    return Split(_factor(ratio, alpha), _factor(ratio - rest, alpha), _factor(rest, alpha), headers)


def _factor(d: np.ndarray, alpha: float) -> Interval:
    """Return the Hodges–Lehmann estimate of log differences (n,) as a factor."""
    found = hodges_lehmann(d, alpha)
    return Interval(math.exp(found.estimate), math.exp(found.low), math.exp(found.high), found.level, found.n)
