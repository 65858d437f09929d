"""flent's data files: every series of a test as one reading, its values as intervals.

A flent file holds time series and no result, so the sample is the mean over the values that are there (as in
flent's own tables), with the extremes beside it. What a series measures is told by its ``UNITS`` and, for
rates, by its name: an upload is what was sent, a download what arrived.
"""

from __future__ import annotations

import math
import re
import zlib

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Interval, Reading, Sample
from cnilab.tools.checks import branch, number

NAME = "flent"

#: Decompressed bytes of one data file beyond which it is not read.
MAX_BYTES = 512 * 2**20

_RATES = {"bits/s": 1.0, "Kbits/s": 1e3, "Mbits/s": 1e6, "Gbits/s": 1e9}
_TIMES = {"ms": 1e-3, "s": 1.0, "us": 1e-6}
_SNIFF = re.compile(
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
    document = checks.document(raw)
    results, meta = branch(document, "results"), branch(document, "metadata")
    if not isinstance(document, dict) or "x_values" not in document:
        raise ParseError("JSON, but not a flent data file")
    name = str(meta.get("NAME", "flent"))[:80]
    version = meta.get("FLENT_VERSION", meta.get("NETPERF_WRAPPER_VERSION"))
    length = number(meta.get("LENGTH"))
    rest: dict = {"line": 1, "tool_version": str(version)[:40] if version else None, "duration_s": length}
    times = [number(t) for t in branch(document, "x_values", list)]
    series_meta = branch(meta, "SERIES_META")
    found = []
    for series, values in results.items():
        if isinstance(values, list):
            units = branch(series_meta, series).get("UNITS") or branch(
                series_meta, series.split("::")[0]
            ).get("UNITS")
            found.append(
                _series(str(series), values, units, times, {**rest, "test": f"{name}/{series}"[:160]})
            )
    return found or [checks.failed("a flent file without a series", test=name, **rest)]


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


def _series(name: str, values: list, told: object, times: list, rest: dict) -> Reading:
    units = told if isinstance(told, str) else repr(told)[:80]
    if name.startswith("cpu_stats"):
        metric, factor = ("load_ratio" if name.endswith("::load") else "cpu_core_ratio"), 1.0
    elif units in _TIMES:
        metric, factor = ("latency_s" if "HTTP" in name else "rtt_s"), _TIMES[units]
    elif units in _RATES:
        kind = "goodput" if "download" in name else "sent" if "upload" in name else "total"
        metric, factor = f"{kind}_bps", _RATES[units]
    else:
        return checks.failed(
            f"series {name!r}: unknown unit {units!r}; known: {', '.join([*_RATES, *_TIMES])}", **rest
        )
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
