"""vegeta's report, as JSON and as text, and the single results of ``vegeta encode``. The lab does not run it.

``rate`` is what vegeta offered, ``throughput`` what was answered well in a second: the second is
``request_rate_per_s``, the first ``offered_rate_per_s``. Latencies are nanoseconds.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading, Sample
from cnilab.tools.checks import branch, number
from cnilab.units import SECONDS

NAME = "vegeta"

_SNIFF = re.compile(
    rb'"latencies"\s*:\s*\{[^{}]*"(?:50th|99th|total)"|^Latencies\s+\[.*mean.*\]'
    rb'|^\{"attack":"[^"]*","seq":\d+,"code":\d+,"timestamp":"',
    re.MULTILINE,
)
_STATS = {"min": "min", "mean": "mean", "50th": "p50", "50": "p50", "90th": "p90", "90": "p90", "99th": "p99"}
_STATS |= {"99": "p99", "max": "max"}
_ROW = re.compile(r"^(?P<name>[A-Z]\w*(?: \w+)?)\s+\[(?P<titles>[^\]]*)\]\s+(?P<values>.*?)\s*$")
#: Go prints nanoseconds, Python reads microseconds.
_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|μs|ns|s)")


def sniff(head: bytes) -> bool:
    """Whether vegeta's latencies are here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read the one report in ``raw``.

    Raises
    ------
    ParseError
        Where the bytes are not vegeta's.
    """
    text = checks.text(raw)
    if re.match(r'\s*\{"attack"\s*:', text):
        return [_results(text)]
    return [_document(raw) if text.lstrip().startswith("{") else _text(text)]


def _document(raw: bytes) -> Reading:
    document = checks.document(raw)
    latencies = branch(document, "latencies")
    if not latencies or not isinstance(document, dict):
        raise ParseError("JSON, but not a vegeta report")
    samples = []
    for key, metric in (("throughput", "request_rate_per_s"), ("rate", "offered_rate_per_s")):
        if (value := number(document.get(key))) is not None:
            samples.append(Sample(metric, value))
    for key, stat in _STATS.items():
        if (value := number(latencies.get(key))) is not None:
            samples.append(Sample("latency_s", value * 1e-9, stat))
    success = number(document.get("success"))
    if success is not None:
        samples.append(Sample("error_ratio", 1 - success))
    if number(document.get("requests")) == 0:
        return checks.failed("no request was sent", test="http_load", line=1)
    errors = branch(document, "errors", list)
    if not success and errors:
        return checks.failed(str(errors[0]), test="http_load", line=1)
    duration = number(document.get("duration"))
    return checks.reading(samples, test="http_load", line=1, duration_s=duration * 1e-9 if duration else None)


def _results(text: str) -> Reading:
    """Read one request a line; what vegeta's own report would say of them."""
    latencies: list[float] = []
    sent: list[float] = []
    good = 0
    rest: dict = {"test": "http_load", "line": 1}
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            code, latency = number(entry["code"]), number(entry["latency"])
            sent.append(datetime.fromisoformat(_MICROSECONDS.sub(r"\1", entry["timestamp"])).timestamp())
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return checks.failed("not a result of vegeta's, or a line cut short", test="http_load", line=at)
        if code is None or latency is None or latency < 0:
            return checks.failed("a result without its code or latency", test="http_load", line=at)
        latencies.append(latency * 1e-9)
        good += 200 <= code < 400 and not entry.get("error")
    if not good:
        return checks.failed(f"none of {len(latencies)} requests was answered well", **rest)
    duration = max(sent) - min(sent)
    last = duration + latencies[max(range(len(sent)), key=sent.__getitem__)]
    samples = [Sample("error_ratio", 1 - good / len(latencies)), *checks.distribution("latency_s", latencies)]
    if len(sent) > 1 and last > 0:
        samples.append(Sample("request_rate_per_s", good / last))
    return checks.reading(samples, duration_s=last, notes=("rate_from_rows",), **rest)


def _text(text: str) -> Reading:
    samples: list[Sample] = []
    duration = None
    rest: dict = {"test": "http_load", "line": 1}
    try:
        for line in text.split("\n"):
            if not (row := _ROW.match(line)):
                continue
            values = [v.strip() for v in row["values"].split(",")]
            cells = dict(zip((t.strip() for t in row["titles"].split(",")), values))
            if row["name"] == "Requests":
                for key, metric in (("throughput", "request_rate_per_s"), ("rate", "offered_rate_per_s")):
                    if key in cells:
                        samples.append(Sample(metric, _count(cells[key])))
            elif row["name"] == "Latencies":
                samples += [
                    Sample("latency_s", _go_seconds(v), stat)
                    for k, v in cells.items()
                    if (stat := _STATS.get(k))
                ]
            elif row["name"] == "Duration" and "total" in cells:
                duration = _go_seconds(cells["total"])
            elif row["name"] == "Success" and values[0].endswith("%"):
                samples.append(Sample("error_ratio", 1 - _count(values[0].rstrip("%")) / 100))
    except ParseError as problem:
        return checks.failed(problem.what, **rest)
    if not samples:
        raise ParseError("no vegeta report in this text")
    return checks.reading(samples, duration_s=duration, **rest)


def _count(word: str) -> float:
    value = number(word)
    if value is None or not re.fullmatch(r"\d+(?:\.\d+)?", word):
        raise ParseError(f"unreadable number {word!r}")
    return value


def _go_seconds(word: str) -> float:
    """Read Go's way of writing a time: ``1m2.5s``, ``850µs``, ``0s``."""
    parts = _PART.findall(word)
    if not parts or "".join(a + u for a, u in parts) != word:
        raise ParseError(f"unreadable time {word!r}")
    return sum(float(amount) * SECONDS[unit] for amount, unit in parts)
