"""hey: its summary and its CSV of single requests (``-o csv``). The lab does not run it; wrk is there."""

from __future__ import annotations

import csv
import io
import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading, Sample
from cnilab.tools.checks import number
from cnilab.units import SECONDS, to_base

NAME = "hey"

_FIELD = re.compile(r"^ {2}(Total|Slowest|Fastest|Average|Requests/sec|Total data):\s+(\S+)(?: (\S+))?\s*$")
_PERCENT = re.compile(r"^ {2}(\d{1,2})%{1,2} in (\S+) (\S+)\s*$")
_STATUS = re.compile(r"^ {2}\[(\d{3})\]\s+(\d{1,15}) responses\s*$")
_ERROR = re.compile(r"^ {2}\[(\d{1,15})\]\s+(\S.*)$")
_HEADER = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset"
_SNIFF = re.compile(
    rb"^  Requests/sec:\s+\S+\s*$(?=[\s\S]*(?:Response time histogram|Latency distribution|Details \(average"
    rb"|distribution:))|^response-time,DNS\+dialup,DNS,",
    re.MULTILINE,
)
_STATS = {"50": "p50", "90": "p90", "99": "p99"}


def sniff(head: bytes) -> bool:
    """Whether hey's summary or its CSV header is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a summary, or one of the whole CSV.

    Raises
    ------
    ParseError
        Where the bytes are not hey's.
    """
    text = checks.text(raw)
    if text.lstrip().startswith(_HEADER):
        return [_requests(text.lstrip())]
    lines = text.split("\n")
    starts = [at for at, line in enumerate(lines) if line.strip() == "Summary:"]
    if not starts:
        raise ParseError("no hey summary in this text")
    return [_summary(lines[a:b], a + 1) for a, b in zip(starts, [*starts[1:], len(lines)])]


def _summary(lines: list[str], begun: int) -> Reading:
    samples: list[Sample] = []
    good = bad = 0
    duration = None
    unreadable = None
    in_errors = False
    rest: dict = {"test": "http_load", "line": begun}
    try:
        for line in lines:
            if line.startswith("Error distribution:"):
                in_errors = True
            elif in_errors and (found := _ERROR.match(line)):
                bad += int(found[1])
            elif found := _FIELD.match(line):
                name, amount, unit = found.groups()
                if name == "Requests/sec":
                    samples.append(Sample("request_rate_per_s", _amount(amount)))
                elif name == "Total":
                    duration = to_base(_amount(amount), unit or "", SECONDS)
                elif stat := {"Slowest": "max", "Fastest": "min", "Average": "mean"}.get(name):
                    samples.append(Sample("latency_s", to_base(_amount(amount), unit or "", SECONDS), stat))
            elif found := _PERCENT.match(line):
                if stat := _STATS.get(found[1]):
                    samples.append(Sample("latency_s", to_base(_amount(found[2]), found[3], SECONDS), stat))
            elif found := _STATUS.match(line):
                ok = found[1][0] in "23"
                good, bad = good + ok * int(found[2]), bad + (not ok) * int(found[2])
    except ParseError as problem:
        unreadable = problem.what
    if not good and (errors := [found[2] for line in lines if (found := _ERROR.match(line))]):
        return checks.failed(errors[-1], **rest)  # where every request failed, hey prints NaN above them
    if unreadable:
        return checks.failed(unreadable, **rest)
    if not any(s.metric == "request_rate_per_s" for s in samples):
        return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
    notes: tuple[str, ...] = ()
    if good + bad:
        samples.append(Sample("error_ratio", bad / (good + bad)))
        notes = () if good else ("every_answer_an_error",)
    else:
        notes = ("truncated",)
    return checks.reading(samples, duration_s=duration, notes=notes, **rest)


def _amount(word: str) -> float:
    value = number(word)
    if value is None or not re.fullmatch(r"\d+(?:\.\d+)?", word):
        raise ParseError(f"unreadable number {word!r}")
    return value


def _requests(text: str) -> Reading:
    """Read the CSV: the rate is the requests over the time from the first's start to the last one's end."""
    times, ends, bad = [], [], 0
    for at, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        took, offset, status = (number(row.get(k)) for k in ("response-time", "offset", "status-code"))
        if took is None or offset is None or status is None:
            return checks.failed(f"line {at} is no complete row", test="http_load", line=1)
        times.append(took)
        ends.append(offset + took)
        bad += not 200 <= status < 400
    if not times:
        return checks.failed("no request in the file", test="http_load", line=1)
    duration = max(ends)
    samples = checks.distribution("latency_s", times)
    samples.append(Sample("error_ratio", bad / len(times)))
    if duration > 0:
        samples.append(Sample("request_rate_per_s", len(times) / duration))
    return checks.reading(samples, test="http_load", line=1, duration_s=duration, notes=("rate_from_rows",))
