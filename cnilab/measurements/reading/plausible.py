"""From samples to a Reading: what is asked of a value before it may be one.

A value that cannot be (a negative rate, a loss above one, a p99 below the p50) is not repaired and not
dropped: the reading fails and says why. This module knows no tool's format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from cnilab.measurements.base import Interval, Reading, Sample

#: Percentile-like statistics in the order their values must have.
ORDER = ("min", "p50", "p90", "p99", "p999", "max")

#: Metrics of which a zero means that nothing ran, not that it ran at no speed.
NEVER_ZERO = ("goodput_bps", "transaction_rate_per_s", "connection_rate_per_s", "request_rate_per_s", "rtt_s")

#: Payload of the largest datagram that IPv4 carries.
LARGEST_DATAGRAM = 65507
_OF_DATAGRAMS = ("packet_rate_per_s", "loss_ratio", "lost_packets", "total_packets")

_ROUNDED = ("latency_s", "one_way_delay_s")

#: What no network and no test of this decade reaches, by the unit a metric's name ends in.
CEILINGS = (("_bps", 1e15), ("_per_s", 1e12), ("_s", 1e9))

#: Rounding in the last printed digit may turn two equal values round; more than this is an error.
_SLACK = 1e-3


def distribution(metric: str, values: list[float]) -> list[Sample]:
    """Samples of single observations; a percentile only where enough stand behind it."""
    ordered = sorted(values)
    n = len(ordered)
    if not n:
        return []
    found = [Sample(metric, math.fsum(ordered) / n, "mean"), Sample(metric, ordered[0], "min")]
    for stat, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
        if n * (1 - share) >= 0.999:
            found.append(Sample(metric, ordered[math.ceil(n * share) - 1], stat))
    return [*found, Sample(metric, ordered[-1], "max")]


def fault(samples: Iterable[Sample]) -> str | None:
    """Return why these samples cannot all be true, or None where nothing speaks against them.

    >>> fault([Sample("loss_ratio", 1.2)])
    'impossible value: loss_ratio = 1.2 is above 1'
    """
    ordered: dict[str, dict[str, float]] = {}
    for sample in samples:
        name, value, stat = sample.metric, sample.value, sample.stat
        if not math.isfinite(value):
            return f"impossible value: {name} = {value!r}"
        if value < 0:
            return f"impossible value: {name} = {value!r} is negative"
        if (
            value == 0
            and name.removeprefix("reverse_") in NEVER_ZERO
            and sample.stat in ("value", "mean", "max")
        ):
            return f"{name} was printed as 0: nothing ran or nothing arrived"
        if name.endswith("loss_ratio") and value > 1:
            return f"impossible value: {name} = {value!r} is above 1"
        if value > 1e9 and value > next((most for end, most in CEILINGS if name.endswith(end)), math.inf):
            return f"impossible value: {name} = {value!r}"
        known_stats = ordered.setdefault(name, {})
        if known_stats.setdefault(stat, value) != value:
            return f"{name} stands twice in one result, as {known_stats[stat]!r} and as {value!r}"
    for name, stats in ordered.items():
        if len(stats) == 1:
            continue
        known = [(stat, stats[stat]) for stat in ORDER if stat in stats]
        for (low, a), (high, b) in pairwise(known):
            if a > b * (1 + _SLACK):
                return f"impossible value: {name} {low} = {a:.9g} is above its {high} = {b:.9g}"
        mean = stats.get("mean", math.nan)
        for stat, side, excess in (
            ("min", "above", stats.get("min", math.nan) - mean),
            ("max", "below", mean - stats.get("max", math.nan)),
        ):
            if excess > _SLACK * mean:
                return f"impossible value: {name} {stat} = {stats[stat]:.9g} is {side} its mean = {mean:.9g}"
    return None


def reading(samples: Iterable[Sample], intervals: Iterable[Interval] = (), **rest: Any) -> Reading:
    """Build a Reading from samples that were found, failed where they are impossible or none are there."""
    found = tuple(dict.fromkeys(samples))  # what a file says twice is one value
    for prefix in _too_large(found):
        found = tuple(s for s in found if s.metric not in [prefix + name for name in _OF_DATAGRAMS])
        rest["notes"] = (*rest.get("notes", ()), "datagrams_impossible")
    # A time printed as 0 by rounding is smaller than the tool can print, not nothing: it is left out.
    timed = tuple(s for s in found if s.value or s.stat == "stddev" or s.metric not in _ROUNDED)
    if len(timed) < len(found):
        rest["notes"] = (*rest.get("notes", ()), "below_resolution")
    if timed:
        why = fault(timed)
    else:
        why = "every time is below what the tool can print" if found else "no result in this output"
    if wrong := _impossible_duration(rest):
        why = why or wrong
    found = timed
    good = series(intervals)
    if why:
        return Reading(status="failed", reason=why, intervals=good, **rest)
    return Reading(samples=found, intervals=good, **rest)


def _too_large(samples: tuple[Sample, ...]) -> list[str]:
    """Return the directions, by their metrics' prefix, of which bytes over packets are no datagram's size."""
    known = {s.metric: s.value for s in samples if s.stat == "value"}
    found = []
    for prefix in ("", "reverse_"):
        rate, packets = (known.get(f"{prefix}{name}") for name in ("goodput_bps", "packet_rate_per_s"))
        if rate and packets is not None and rate > packets * 8 * LARGEST_DATAGRAM * 1.05:
            found.append(prefix)
    return found


def agree(rate: float, size: float, seconds: float, slack: float = 0.01) -> bool:
    """Whether a rate in bit/s is ``size`` bytes over ``seconds``, but for ``slack``.

    >>> agree(8e8, 1e8, 1.0), agree(4e8, 1e8, 1.0)
    (True, False)
    """
    return abs(rate * seconds - 8 * size) <= slack * max(8 * size, rate * seconds)


def series(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the intervals that can be: a finite value that is no less than zero, over a time that passes."""
    return tuple([i for i in intervals if 0 <= i.value < math.inf and i.t_end_s > i.t_start_s])


def _impossible_duration(rest: dict) -> str | None:
    """Take a duration that cannot be out of ``rest``, and say so."""
    duration = rest.get("duration_s")
    if duration is None or 0 <= duration <= 1e9:
        return None
    rest["duration_s"] = None
    return f"impossible value: a duration of {duration!r} s"


def failed(reason: str, **rest: Any) -> Reading:
    """Build the Reading of a test that gave no result, with the tool's own words (at most 500 characters)."""
    _impossible_duration(rest)
    return Reading(status="failed", reason=" ".join(reason.split())[:500] or "failed without a word", **rest)
