"""bombardier's JSON result (``-o json``). Latencies are microseconds. The lab does not run it."""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading, Sample
from cnilab.tools.checks import branch, number

NAME = "bombardier"

_SNIFF = re.compile(rb'"numberOfConnections"\s*:|"timeTakenSeconds"\s*:')
_STATS = {"50": "p50", "90": "p90", "99": "p99"}


def sniff(head: bytes) -> bool:
    """Whether a key only bombardier writes is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read the one result of a bombardier document.

    Raises
    ------
    ParseError
        Where the bytes are not bombardier's.
    """
    text = checks.text(raw)
    begin = text.find("{")
    result = branch(checks.document(text[begin:].encode()) if begin >= 0 else None, "result")
    if not result:
        raise ParseError("not a bombardier result")
    rest: dict = {"test": "http_load", "line": 1 + text.count("\n", 0, begin)}
    counts = {
        key: number(result.get(key)) or 0.0
        for key in ("req1xx", "req2xx", "req3xx", "req4xx", "req5xx", "others")
    }
    total = sum(counts.values())
    if not total:
        return [checks.failed("no request was answered", **rest)]
    samples = [Sample("error_ratio", (counts["req4xx"] + counts["req5xx"] + counts["others"]) / total)]
    if (rate := number(branch(result, "rps").get("mean"))) is not None:
        samples.append(Sample("request_rate_per_s", rate))
    latency = branch(result, "latency")
    named = {
        **{stat: latency.get(key) for key, stat in (("mean", "mean"), ("stddev", "stddev"), ("max", "max"))}
    }
    named |= {stat: branch(latency, "percentiles").get(key) for key, stat in _STATS.items()}
    samples += [
        Sample("latency_s", v * 1e-6, stat) for stat, word in named.items() if (v := number(word)) is not None
    ]
    seconds = number(result.get("timeTakenSeconds"))
    if seconds and (size := number(result.get("bytesRead"))):
        samples.append(Sample("goodput_bps", size * 8 / seconds))
    return [checks.reading(samples, duration_s=seconds, **rest)]
