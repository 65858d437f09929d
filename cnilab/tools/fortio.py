"""fortio's JSON, and Nighthawk's in fortio's form. The lab does not run it.

Times are seconds; ``ActualDuration`` is nanoseconds, and where it is not (some exports), it is left out
rather than believed.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading, Sample
from cnilab.tools.checks import branch, number

NAME = "fortio"

_SNIFF = re.compile(rb'"(?:DurationHistogram|ActualQPS|RequestedQPS)"\s*:')
_STATS = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p999"}
#: Codes that are no failure beside HTTP's own: gRPC's health answers, by name and (before 1.0) by number.
_GOOD = ("SERVING", "OK")


def sniff(head: bytes) -> bool:
    """Whether a key only fortio writes is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read the one result of a fortio document.

    Raises
    ------
    ParseError
        Where the bytes are not fortio's.
    """
    document = checks.document(raw)
    if not isinstance(document, dict) or not ("DurationHistogram" in document or "ActualQPS" in document):
        raise ParseError("JSON, but not a fortio result")
    histogram = branch(document, "DurationHistogram")
    kind = str(document.get("RunType", "HTTP"))
    test = (
        "grpc_load"
        if kind.upper().startswith("GRPC")
        else "tcp_load"
        if kind.upper().startswith("TCP")
        else "udp_load"
        if kind.upper().startswith("UDP")
        else "http_load"
    )
    version = document.get("Version")
    rest: dict = {"test": test, "line": 1, "tool_version": version if isinstance(version, str) else None}
    count = number(histogram.get("Count"))
    if count == 0:
        return [checks.failed("no request was answered", **rest)]
    rate = number(document.get("ActualQPS"))
    samples = [] if rate is None else [Sample("request_rate_per_s", rate)]
    for key, stat in (("Min", "min"), ("Avg", "mean"), ("Max", "max"), ("StdDev", "stddev")):
        if (value := number(histogram.get(key))) is not None:
            samples.append(Sample("latency_s", value, stat))
    for entry in branch(histogram, "Percentiles", list):
        percent, value = (
            number(entry.get(k)) if isinstance(entry, dict) else None for k in ("Percentile", "Value")
        )
        if value is not None and percent is not None and (name := _STATS.get(round(percent, 6))):
            samples.append(Sample("latency_s", value, name))
    samples += _errors(branch(document, "RetCodes"), test)
    duration = number(document.get("ActualDuration"))
    seconds = duration * 1e-9 if duration else None
    if seconds and rate and count and not 0.5 < seconds * rate / count < 2:
        seconds = None
    return [checks.reading(samples, duration_s=seconds, **rest)]


def _errors(codes: dict, test: str) -> list[Sample]:
    counts = {str(code): n for code, amount in codes.items() if (n := number(amount)) is not None}
    total = sum(counts.values())
    if not total:
        return []
    grpc = test == "grpc_load"
    good = sum(
        n for code, n in counts.items() if code in _GOOD or (code == "1" if grpc else code[:1] in "23")
    )
    return [Sample("error_ratio", (total - good) / total)]
