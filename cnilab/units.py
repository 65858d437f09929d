"""Units: converted to base units once on the way in, to one readable scale a column once on the way out.

Base units are those that metric names end in: bit/s (``_bps``), 1/s (``_per_s``), seconds (``_s``), bytes
(``_bytes``), plain ratios (``_ratio``). This module does not guess: an unknown unit is a
:class:`~cnilab.errors.ParseError`, never a factor of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cnilab.errors import ParseError

#: Factors to bit/s. iperf, netperf and qperf mean powers of ten by ``Kbits``; iperf's ``KBytes`` are 2**10.
BITS_PER_SECOND = {
    "bits/sec": 1.0,
    "Kbits/sec": 1e3,
    "Mbits/sec": 1e6,
    "Gbits/sec": 1e9,
    "Tbits/sec": 1e12,
    "Bytes/sec": 8.0,
    "KBytes/sec": 8.0 * 2**10,
    "MBytes/sec": 8.0 * 2**20,
    "GBytes/sec": 8.0 * 2**30,
    "TBytes/sec": 8.0 * 2**40,
}

#: Factors to bytes, for programs that mean powers of two by ``KB`` (wrk, bombardier).
BINARY_BYTES = {"B": 1.0, "KB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30, "TB": 2.0**40, "PB": 2.0**50}

#: Factors to seconds.
SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "usec": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}


def to_base(value: float, unit: str, table: dict[str, float]) -> float:
    """Convert ``value`` to the base unit of ``table``.

    Raises
    ------
    ParseError
        If ``unit`` is not in ``table``; the message lists the units that are.
    """
    try:
        return value * table[unit]
    except KeyError:
        raise ParseError(f"unknown unit {unit!r}; known here: {', '.join(table)}") from None


#: The unit each metric name's ending stands for, longest ending first.
_ENDINGS = (
    ("_s_per_byte", "s/B"),
    ("_s_per_request", "s"),
    ("_bytes_per_byte", "1"),
    ("_bps", "bit/s"),
    ("_per_s", "1/s"),
    ("_bytes", "B"),
    ("_ratio", "1"),
    ("_segments", "1"),
    ("_packets", "1"),
    ("_s", "s"),
)


def unit_of(metric: str) -> str:
    """Return the base unit that a metric's name ends in, ``"1"`` for a plain count.

    >>> unit_of("goodput_bps"), unit_of("rtt_s"), unit_of("cpu_s_per_byte")
    ('bit/s', 's', 's/B')
    """
    return next((unit for ending, unit in _ENDINGS if metric.endswith(ending)), "1")


@dataclass(frozen=True)
class Scale:
    """One display scale for a whole column: ``shown = value / factor`` with ``label`` behind it."""

    factor: float
    label: str

    def __call__(self, value: float) -> float:
        return value / self.factor


_STEPS = {
    "bit/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")),
    "1/s": ((1e6, "million/s"), (1e3, "thousand/s"), (1.0, "per s")),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "s/B": ((1e-3, "ms/B"), (1e-6, "µs/B"), (1e-9, "ns/B"), (1e-12, "ps/B")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}


def scale_for(values: Iterable[float], unit: str) -> Scale:
    """Pick the one scale in which the median of ``values`` has one to three digits before the point.

    Parameters
    ----------
    values
        Array-like of shape (n,), in the base unit; missing values are ignored.
    unit
        The base unit.

    Returns
    -------
    Scale
        A scale of one for an unknown unit or no values.
    """
    finite = np.asarray(list(values), dtype=float)
    finite = np.abs(finite[np.isfinite(finite)])
    steps = _STEPS.get(unit)
    if steps is None or not finite.size or not (middle := float(np.median(finite))):
        return Scale(1.0, "" if unit == "1" else unit)
    for factor, label in steps:
        if middle >= factor:
            return Scale(factor, label)
    return Scale(*steps[-1])
