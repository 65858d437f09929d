"""hey: its summary and its CSV of single requests (``-o csv``). The lab does not run it; wrk is there."""

from __future__ import annotations

import csv
import io
import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import margins, numbers, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.units import SECONDS, to_base

NAME = "hey"

_FIELD = re.compile(r"^(Total|Slowest|Fastest|Average|Requests/sec):\s+(\S+)(?: (\S+))?$")
_PERCENT = re.compile(r"^(\d{1,2})%{1,2} in (\S+) (\S+)$")
_STATUS = re.compile(r"^\[(\d{3})\]\s+(\d{1,15}) responses$")
_ERROR = re.compile(r"^\[(\d{1,15})\]\s+(\S.*)$")
_HEADER = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read"
_USAGE = "Usage: hey [options...] <url>"
#: oha and ghz print nearly the same; the first has a success rate, the second a count and no "secs".
_OTHERS = re.compile(rb"Success rate:|^[^\n]{0,60}\bCount:[ \t]+\d+[ \t]*\r?$", re.MULTILINE)
_OTHER_LINE = re.compile(r"^(?:Success rate|Count):")
_RATE = re.compile(rb"Requests/sec:[ \t]+\S+[ \t]*\r?$", re.MULTILINE)
_AFTER = re.compile(rb"Response time histogram|Latency distribution|Details \(average|distribution:")
_ALONE = re.compile(
    rb"^response-time,DNS\+dialup,DNS,|Usage: hey \[options\.\.\.\]|\A\s*Error distribution:\s+\[",
    re.MULTILINE,
)
_NOT_HEYS = "not hey's summary: oha's has a success rate, ghz's a count"
_STATS = {"50": "p50", "90": "p90", "99": "p99"}


#: Lines of ``-o csv``, which may stand beside a summary.
FORMS = (re.compile(rb"response-time,DNS|\d+\.\d+,\d+\.\d+,", re.MULTILINE),)


def sniff(head: bytes) -> bool:
    """Whether hey's summary, its CSV header or its usage is here."""
    if len(_OTHERS.findall(head)) >= max(1, head.count(b"Summary:")):
        return False
    rate = _RATE.search(head)
    return (rate is not None and _AFTER.search(head, rate.end()) is not None) or _ALONE.search(
        head
    ) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a summary, or one of the whole CSV.

    Raises
    ------
    ParseError
        Where the bytes are not hey's.
    """
    text = texts.decoded(raw)
    if text.lstrip().startswith(_HEADER):
        return [_requests(text.lstrip())]
    lines = margins.cleared(text)
    if _USAGE in lines:
        why = next(filter(None, lines), _USAGE)
        return [checks.failed(why, test="http_load", line=1)]
    starts = [at for at, line in enumerate(lines) if line == "Summary:"]
    if not starts and "Error distribution:" in lines:
        # Before 0.1.2 that was all where nothing was answered.
        starts = [lines.index("Error distribution:")]
    if not starts:
        raise ParseError("no hey summary in this text")
    parts = [(lines[a:b], a + 1) for a, b in zip(starts, [*starts[1:], len(lines)])]
    if all(_others(part) for part, _ in parts):
        raise ParseError(_NOT_HEYS)
    return [
        checks.failed(_NOT_HEYS, test="http_load", line=at) if _others(part) else _summary(part, at)
        for part, at in parts
    ]


def _others(lines: list[str]) -> bool:
    return any(_OTHER_LINE.match(line) for line in lines[:4])


def _summary(lines: list[str], begun: int) -> Reading:
    samples: list[Sample] = []
    good = bad = lost = 0
    duration = None
    unreadable = None
    in_errors = False
    errors: list[str] = []
    rest: dict = {"test": "http_load", "line": begun}
    for line in lines:
        if line.startswith("Error distribution:"):
            in_errors = True
        elif in_errors and (found := _ERROR.match(line)):
            lost += int(found[1])
            errors.append(found[2])
        elif found := _STATUS.match(line):
            ok = found[1][0] in "23"
            good, bad = good + ok * int(found[2]), bad + (not ok) * int(found[2])
        else:
            try:
                if (found := _FIELD.match(line)) and found[1] == "Total":
                    duration = _seconds(found[2], found[3])
                elif found or _PERCENT.match(line):
                    samples += _measured(line)
            except ParseError as problem:
                unreadable = unreadable or problem.what
    if errors and not good + bad:
        return checks.failed(errors[-1], **rest)  # where every request failed, hey prints NaN above them
    if unreadable:
        return checks.failed(unreadable, **rest)
    if not any(s.metric == "request_rate_per_s" for s in samples):
        return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
    notes: tuple[str, ...] = ()
    if good + bad + lost:
        samples.append(Sample("error_ratio", (bad + lost) / (good + bad + lost)))
        notes = () if good else ("every_answer_an_error",)
    else:
        notes = ("truncated",)
    return checks.reading(samples, duration_s=duration, notes=notes, **rest)


def _measured(line: str) -> list[Sample]:
    """Read a rate, or a time that is among those kept."""
    if found := _FIELD.match(line):
        name, amount, unit = found.groups()
        if name == "Requests/sec":
            return [Sample("request_rate_per_s", numbers.printed(amount))]
        stat = {"Slowest": "max", "Fastest": "min", "Average": "mean"}[name]
        return [Sample("latency_s", _seconds(amount, unit), stat)]
    found = _PERCENT.match(line)
    if found and (known := _STATS.get(found[1])):
        return [Sample("latency_s", _seconds(found[2], found[3]), known)]
    return []


def _seconds(word: str, unit: str | None) -> float:
    """Read a time; boom, as hey was called before, ended it with a full stop."""
    return to_base(numbers.printed(word), (unit or "").removesuffix("."), SECONDS)


def _requests(text: str) -> Reading:
    """Read the CSV: the rate is the requests over the time from the first's start to the last one's end.

    Before 0.1.2 a row had no status and no offset, so there the latencies are all that is told.
    """
    times, ends, bad = [], [], 0
    rest: dict = {"test": "http_load", "line": 1}
    rows = csv.DictReader(io.StringIO(text))
    whole = "status-code" in (rows.fieldnames or ())
    for at, row in enumerate(rows, 2):
        took, offset, status = (number(row.get(k)) for k in ("response-time", "offset", "status-code"))
        if took is None or not row.get("Response-read") or (whole and (offset is None or status is None)):
            return checks.failed(f"line {at} is no complete row", **rest)
        times.append(took)
        ends.append((offset or 0.0) + took)
        bad += not 200 <= (status or 200) < 400
    if not times:
        return checks.failed("no request in the file", **rest)
    samples = checks.distribution("latency_s", times)
    if not whole:
        return checks.reading(samples, notes=("latencies_only",), **rest)
    duration = max(ends)
    samples.append(Sample("error_ratio", bad / len(times)))
    if duration > 0:
        samples.append(Sample("request_rate_per_s", len(times) / duration))
    return checks.reading(samples, duration_s=duration, notes=("rate_from_rows",), **rest)
