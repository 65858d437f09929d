"""flent's data files: every series of a test as one reading, its values as intervals; and its printed summary.

A flent file holds time series and no result, so the sample is the mean over the values that are there (as in
flent's own tables), with the extremes beside it. What a series measures is told by its ``UNITS`` and, for
rates, by its name: an upload is what was sent, a download what arrived. A part of a runner's series
(``TCP upload::tcp_rtt``) carries its runner's unit or none, so the name of the part decides. What is no rate, no
time and no load (queue counters, airtime) is left out, and a note says how much.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import replace

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import clock, margins, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number

NAME = "flent"

#: Decompressed bytes of one data file beyond which it is not read.
MAX_BYTES = 512 * 2**20

_RATES = {"bits/s": 1.0, "Kbits/s": 1e3, "Mbits/s": 1e6, "Gbits/s": 1e9}
_TIMES = {"ms": 1e-3, "s": 1.0, "us": 1e-6}
#: The last part of a series' name -> its metric and factor, whatever unit stands at its runner.
_PARTS = {
    "tcp_rtt": ("rtt_s", 1e-3),
    "tcp_rtt_var": ("rtt_variation_s", 1e-3),
    "tcp_delivery_rate": ("delivery_rate_bps", 1e6),
    "tcp_pacing_rate": ("pacing_rate_bps", 1e6),
    "tcp_cwnd": ("congestion_window_segments", 1.0),
    "bitrate": ("goodput_bps", 1e3),
    "delay": ("one_way_delay_s", 1e-3),
    "induced_delay": ("induced_delay_s", 1e-3),
    "jitter": ("jitter_s", 1e-3),
    "load": ("load_ratio", 1.0),
}
_CPU = re.compile(r"cpu_stats_.*::cpu\d+$")
_COUNTERS = re.compile(r"(?:qdisc|wifi|dev|net)_?stats?_")
#: Units of what is neither a rate nor a time.
_NEITHER = ("misc", "packets", "bytes", "count", "Idx", "W", "N/A", "%")
_STARTED = re.compile(r"^Start(?:ing|ed) Flent (\S+) using Python")
_SUMMARY = re.compile(r"^Summary of (\S+) test run ")
_HEADER = re.compile(r"^avg +median +(99th % +)?# data pts$")
_VALUE = r"-?\d+\.\d\d|N/A"
_ROW = re.compile(
    rf"^(?P<name>\S.*?) +: +(?:(?P<values>(?:{_VALUE})(?: +(?:{_VALUE}))*)(?: (?P<unit>\S+))? +\d+|No data\.)$"
)
_SNIFF = re.compile(
    rb"Summary of \S+ test run |avg +median +(?:99th % +)?# data pts|"
    rb'"x_values"\s*:|"raw_values"\s*:|"(?:FLENT_VERSION|NETPERF_WRAPPER_VERSION|BATCH_UUID)"\s*:'
)


def sniff(head: bytes) -> bool:
    """Whether keys only flent writes are here, compressed or not."""
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 65536)
        except zlib.error:
            return False
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a series.

    Raises
    ------
    ParseError
        Where the bytes are not flent's, are cut short, or unpack to more than :data:`MAX_BYTES`.
    """
    if raw[:2] == b"\x1f\x8b":
        raw = _unpack(raw)
    elif _SUMMARY.search((text := texts.decoded(raw)).lstrip()) or not text.lstrip().startswith("{"):
        return _printed(text)
    document = documents.whole(raw)
    results, meta = branch(document, "results"), branch(document, "metadata")
    if not isinstance(document, dict) or "x_values" not in document:
        raise ParseError("JSON, but not a flent data file")
    name = str(meta.get("NAME", "flent"))[:80]
    version = meta.get("FLENT_VERSION", meta.get("NETPERF_WRAPPER_VERSION"))
    length = number(meta.get("LENGTH"))
    rest: dict = {"line": 1, "tool_version": str(version)[:40] if version else None, "duration_s": length}
    rest |= {"started_at": clock.of_text(meta.get("TIME")), "conditions": conditions.of(duration_s=length)}
    times = [number(t) for t in branch(document, "x_values", list)]
    series_meta = branch(meta, "SERIES_META")
    found: list[Reading] = []
    left_out: list[str] = []
    for series, values in results.items():
        if not isinstance(values, list):
            continue
        units = branch(series_meta, series).get("UNITS")
        if units is None and re.search(r"::\d+$", series):
            units = branch(series_meta, series.split("::")[0]).get("UNITS")
        assumed = None
        if units is None and not series_meta:  # netperf-wrapper recorded none; it had these two
            assumed = units = "ms" if "(ms)" in series else "Mbits/s" if series.startswith("TCP ") else None
        measure = _measure(series, units)
        if measure is None:
            left_out.append(series)
            continue
        notes = (f"unit_assumed: {assumed}",) if assumed else ()
        found.append(
            _series(
                str(series),
                values,
                measure,
                times,
                {**rest, "test": f"{name}/{series}"[:160], "notes": notes},
            )
        )
    if left_out and found:
        note = f"series_left_out: {len(left_out)} that are no rate and no time: {', '.join(left_out)[:200]}"
        first = next((at for at, reading in enumerate(found) if reading.status == "ok"), 0)
        found[first] = replace(found[first], notes=(*found[first].notes, note))
    return found or [checks.failed("a flent file without a series of a rate or a time", test=name, **rest)]


def _printed(text: str) -> list[Reading]:
    """Read the summaries flent prints: the mean of a series, its median and 99th percentile, in two decimals."""
    found: list[Reading] = []
    left_out = 0
    name: str | None = None
    version: str | None = None
    stats: tuple[str, ...] = ("mean", "p50")
    for at, line in enumerate(margins.cleared(text), 1):
        if started := _STARTED.match(line):
            version = started[1]
        elif begins := _SUMMARY.match(line):
            name = begins[1]
        elif header := _HEADER.match(line):
            name = name or "flent"
            stats = ("mean", "p50", "p99") if header[1] else ("mean", "p50")
        elif name and (row := _ROW.match(line)):
            rest: dict = {"test": f"{name}/{row['name']}"[:160], "line": at, "tool_version": version}
            measure = _measure(row["name"], row["unit"])
            values = (row["values"] or "").split()
            if measure is None:
                left_out += 1
            elif not values:
                found.append(checks.failed(f"series {row['name']!r} has no value", **rest))
            elif isinstance(measure, str):
                found.append(checks.failed(measure, **rest))
            else:
                metric, factor = measure
                told = [(stat, v) for stat, word in zip(stats, values) if (v := number(word)) is not None]
                found.append(checks.reading([Sample(metric, v * factor, stat) for stat, v in told], **rest))
    if not found:
        raise ParseError("no flent summary in this text")
    if left_out:
        note = f"series_left_out: {left_out} that are no rate and no time"
        found[0] = replace(found[0], notes=(*found[0].notes, note))
    return found


def _unpack(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        text = unpacker.decompress(raw, MAX_BYTES)
    except zlib.error as problem:
        raise ParseError(f"damaged gzip: {problem}") from None
    if unpacker.unconsumed_tail:
        raise ParseError(f"unpacks to more than {MAX_BYTES} bytes")
    if not unpacker.eof:
        raise ParseError("gzip cut short")
    return text


def _measure(series: str, units: object) -> tuple[str, float] | str | None:
    """Return a series' metric and factor, what is wrong with its unit, or None where it is to be left out."""
    if _CPU.match(series):
        return "cpu_core_ratio", 1.0
    if _COUNTERS.match(series):
        return None
    part = series.split("::")[-1] if "::" in series else ""
    if series.endswith(" fairness"):
        return "fairness_ratio", 1.0  # Jain's index, which flent gives the unit of what it was taken of
    if part in _PARTS:
        return _PARTS[part]
    if units in _NEITHER or (units is None and part and not part.isdecimal()):
        return None
    if isinstance(units, str) and units in _TIMES:
        return ("latency_s" if "HTTP" in series else "rtt_s"), _TIMES[units]
    if isinstance(units, str) and units in _RATES:
        kind = "goodput" if "download" in series else "sent" if "upload" in series else "total"
        return f"{kind}_bps", _RATES[units]
    told = units if isinstance(units, str) else repr(units)[:80]
    return f"series {series!r}: unknown unit {told!r}; known: {', '.join([*_RATES, *_TIMES])}"


def _series(name: str, values: list, measure: tuple[str, float] | str, times: list, rest: dict) -> Reading:
    if isinstance(measure, str):
        return checks.failed(measure, **rest)
    metric, factor = measure
    numbers = [number(v) for v in values]
    present = [v * factor for v in numbers if v is not None]
    if not present:
        return checks.failed(f"series {name!r} has no value", **rest)
    samples = [
        Sample(metric, math.fsum(present) / len(present), "mean"),
        Sample(metric, min(present), "min"),
        Sample(metric, max(present), "max"),
    ]
    spans = zip(times, times[1:], numbers)
    intervals = [
        Interval(a, b, metric, v * factor)
        for a, b, v in spans
        if a is not None and b is not None and v is not None
    ]
    return checks.reading(samples, intervals, **rest)
