"""vegeta's report, as JSON and as text, and the single results of ``vegeta encode``. The lab does not run it.

``rate`` is what vegeta offered, ``throughput`` what was answered well in a second: the second is
``request_rate_per_s``, the first ``offered_rate_per_s``. Latencies are nanoseconds.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import clock, go_time, margins, numbers, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number

NAME = "vegeta"

_SNIFF = re.compile(
    rb'"latencies"\s*:\s*\{[^{}]*"(?:50th|99th|total)"|Latencies[ \t]+\[.*mean.*\]'
    rb'|^\{(?:"attack":"[^"]*","seq":\d+,)?"code":\d+,"timestamp":"|\A\d{19},\d{1,3},\d+,\d+,\d+,',
    re.MULTILINE,
)
#: ``vegeta attack`` alone leaves Go's own encoding, which begins with the names of a result's fields.
_BINARY = re.compile(rb"\A[\x00-\xff]{2,16}\x06Result[\x00-\xff]{1,100}\x04Code")
_STATS = {"min": "min", "mean": "mean", "50th": "p50", "50": "p50", "90th": "p90", "90": "p90", "99th": "p99"}
_STATS |= {"99": "p99", "max": "max"}
_ROW = re.compile(r"^(?P<name>[A-Z]\w*(?: \w+)?)\s+\[(?P<titles>[^\]]*)\]\s+(?P<values>.*?)\s*$")
#: Go prints nanoseconds, Python reads microseconds.
_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
#: The micro sign of a time, as PowerShell and old code pages leave it.
_SPOILT_MICRO = re.compile(r"(?<=\d)[^\x00-\x7f]{1,3}(?=s\b)")
#: A report's rows, as they follow each other.
_ORDER = ("Requests", "Duration", "Latencies", "Bytes In", "Bytes Out", "Success", "Status Codes")
_CLEARED = "\x1b[2J"


#: Lines of ``encode``, as CSV and as JSON, which may stand beside a report.
FORMS = (
    re.compile(rb"\d{19},\d{1,3},", re.MULTILINE),
    re.compile(rb'\{"(?:attack":"[^"]*","seq":\d+,")?code":\d', re.MULTILINE),
)


def sniff(head: bytes) -> bool:
    """Whether vegeta's latencies or its binary results are here."""
    return _SNIFF.search(head) is not None or _BINARY.match(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a report; of those ``report -every`` prints over each other, the last.

    Raises
    ------
    ParseError
        Where the bytes are not vegeta's.
    """
    if _BINARY.match(raw):
        raise ParseError("vegeta's binary results, which only vegeta reads; first: vegeta encode FILE")
    text = texts.decoded(raw)
    start = text.lstrip()
    if re.match(r'\{"(?:attack|code)"\s*:', start):
        return [_results(_from_json(text))]
    if re.match(r"\d{19},", start):
        return [_results(_from_csv(text))]
    if '"latencies"' in text:
        return documents.readings(text, ("latencies",), _report, "http_load")
    last = raw.rfind(_CLEARED.encode())
    lines = margins.cleared(_SPOILT_MICRO.sub("µ", texts.decoded(raw[max(0, last) :])))
    before = raw.count(b"\n", 0, max(0, last))
    starts = _starts(lines)[-1:] if last >= 0 else _starts(lines)
    return [_text(lines[a:b], before + a + 1) for a, b in zip(starts, [*starts[1:], len(lines)])]


def _report(document: dict, line: int) -> Reading:
    latencies = branch(document, "latencies")
    rest: dict = {"test": "http_load", "line": line, "started_at": clock.of_text(document.get("earliest"))}
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
        return checks.failed("no request was sent", **rest)
    errors = branch(document, "errors", list)
    if not success and errors:
        return checks.failed(str(errors[0]), **rest)
    duration = number(document.get("duration"))
    return checks.reading(samples, duration_s=duration * 1e-9 if duration else None, **rest)


#: A single result: its line, when it was sent and how long it took in seconds, whether it was answered well.
_Result = tuple[int, float, float, bool]


def _from_json(text: str) -> Iterator[_Result]:
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            code, latency = number(entry["code"]), number(entry["latency"])
            sent = datetime.fromisoformat(_MICROSECONDS.sub(r"\1", entry["timestamp"])).timestamp()
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            raise ParseError("not a result of vegeta's, or a line cut short", line=at) from None
        if code is None or latency is None or latency < 0:
            raise ParseError("a result without its code or latency", line=at)
        yield at, sent, latency * 1e-9, 200 <= code < 400 and not entry.get("error")


def _from_csv(text: str) -> Iterator[_Result]:
    """Read ``encode -to csv``: when in nanoseconds, code, latency, bytes out and in, error, body and more."""
    try:
        for at, row in enumerate(csv.reader(io.StringIO(text)), 1):
            if not row:
                continue
            values = [number(cell) for cell in row[:5]]
            sent, code, latency = [*values, None, None, None][:3]
            if (
                len(row) < 6
                or None in values
                or sent is None
                or code is None
                or latency is None
                or latency < 0
            ):
                raise ParseError("not a result of vegeta's, or a line cut short", line=at)
            yield at, sent * 1e-9, latency * 1e-9, 200 <= code < 400 and not row[5]
    except csv.Error as problem:
        raise ParseError(f"broken CSV: {problem}") from None


def _results(rows: Iterator[_Result]) -> Reading:
    """Read one request a line; what vegeta's own report would say of them."""
    rest: dict = {"test": "http_load", "line": 1}
    try:
        found = list(rows)
    except ParseError as problem:
        return checks.failed(problem.what, test="http_load", line=problem.line)
    good = sum(well for _, _, _, well in found)
    if not good:
        return checks.failed(f"none of {len(found)} requests was answered well", **rest)
    latencies = [took for _, _, took, _ in found]
    sent = [when for _, when, _, _ in found]
    duration = max(sent) - min(sent)
    last = duration + latencies[max(range(len(sent)), key=sent.__getitem__)]
    samples = [Sample("error_ratio", 1 - good / len(found)), *checks.distribution("latency_s", latencies)]
    if len(sent) > 1 and last > 0:
        samples.append(Sample("request_rate_per_s", good / last))
    return checks.reading(samples, duration_s=last, notes=("rate_from_rows",), **rest)


def _starts(lines: list[str]) -> list[int]:
    """Return where reports begin: at the first row, and at each that belongs no later than the one before it."""
    starts: list[int] = []
    before = len(_ORDER)
    for at, line in enumerate(lines):
        if (row := _ROW.match(line)) and row["name"] in _ORDER:
            place = _ORDER.index(row["name"])
            starts += [at] if place <= before else []
            before = place
    return starts or [0]


def _text(lines: list[str], begun: int) -> Reading:
    samples: list[Sample] = []
    duration = success = None
    errors: list[str] = []
    in_errors = False
    rest: dict = {"test": "http_load", "line": begun}
    try:
        for line in lines:
            if in_errors:
                errors += [line] if line else []
            in_errors = in_errors or line == "Error Set:"
            if not (row := _ROW.match(line)):
                continue
            values = [v.strip() for v in row["values"].split(",")]
            cells = dict(zip((t.strip() for t in row["titles"].split(",")), values))
            if row["name"] == "Requests":
                for key, metric in (("throughput", "request_rate_per_s"), ("rate", "offered_rate_per_s")):
                    if key in cells:
                        samples.append(Sample(metric, numbers.printed(cells[key])))
            elif row["name"] == "Latencies":
                samples += [
                    Sample("latency_s", go_time.seconds(v), stat)
                    for k, v in cells.items()
                    if (stat := _STATS.get(k))
                ]
            elif row["name"] == "Duration" and "total" in cells:
                duration = go_time.seconds(cells["total"])
            elif row["name"] == "Success" and values[0].endswith("%"):
                success = numbers.printed(values[0].rstrip("%"))
                samples.append(Sample("error_ratio", 1 - success / 100))
    except ParseError as problem:
        return checks.failed(problem.what, **rest)
    if not samples:
        raise ParseError("no vegeta report in this text")
    if success == 0 and errors:
        return checks.failed(errors[0], **rest)
    return checks.reading(samples, duration_s=duration, **rest)
