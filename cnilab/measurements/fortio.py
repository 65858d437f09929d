"""fortio's JSON, Nighthawk's in fortio's form, and what fortio prints. The lab does not run it.

Times are seconds; ``ActualDuration`` is nanoseconds, and where it is not (some exports), it is left out
rather than believed. A text that holds the JSON beside the printed result is read by its JSON.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import clock, go_time, margins, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number

NAME = "fortio"

_SNIFF = re.compile(
    rb'"(?:DurationHistogram|ActualQPS|RequestedQPS)"\s*:|Fortio (?:\S+ )?running at \S+ queries per second'
    rb"|Aggregated Function Time : count|Ended after \S+ : \d+ calls\. qps="
)
_KEYS = re.compile(r'"(?:DurationHistogram|ActualQPS)"\s*:')
_KINDS = {"GRPC": "grpc_load", "TCP": "tcp_load", "UDP": "udp_load"}
_BEGINS = re.compile(r"^Fortio (?:(\S+) )?running at \S+ queries per second")
_ENDED = re.compile(r"^Ended after (\S+) : (\d{1,15}) calls\. qps=(\S+)$")
_CALLS = re.compile(
    r"^Aggregated Function Time : count (\d{1,15}) avg (\S+) \+/- (\S+) min (\S+) max (\S+) sum \S+$"
)
#: What ends the part in which a target is one of the calls' time.
_OTHER_PART = re.compile(r"^(?!Aggregated Function Time).+ : (?:count \d|no data)")
_TARGET = re.compile(r"^# target (\d{1,3}(?:\.\d+)?)% (\S+)$")
_CODE = re.compile(r"^(Code|tcp|udp|Health|Ping) +(\S.*?) : (\d{1,15})(?: \([\d.]+ %\))?$")
_ALL_DONE = re.compile(r"^All done (\d{1,15}) calls .* (\S+) qps$")
_STATS = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p999"}
#: Codes that are no failure beside HTTP's own: gRPC's health answers, by name and (before 1.0) by number.
_GOOD = ("SERVING", "OK")


def sniff(head: bytes) -> bool:
    """Whether a key only fortio writes is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a result.

    Raises
    ------
    ParseError
        Where the bytes are not fortio's.
    """
    text = texts.decoded(raw)
    if not _KEYS.search(text):
        return _printed(text)
    return documents.readings(text, ("DurationHistogram", "ActualQPS"), _result, "http_load")


def _result(document: dict, line: int) -> Reading:
    histogram = branch(document, "DurationHistogram")
    kind = str(document.get("RunType", "HTTP"))
    test = next((test for word, test in _KINDS.items() if kind.upper().startswith(word)), "http_load")
    version = document.get("Version")
    rest: dict = {"test": test, "line": line, "tool_version": version if isinstance(version, str) else None}
    rest["started_at"] = clock.of_text(document.get("StartTime"))
    rest["conditions"] = conditions.of(
        streams=document.get("NumThreads"),
        offered_per_s=0 if document.get("RequestedQPS") == "max" else document.get("RequestedQPS"),
        duration_s=_asked_seconds(document.get("RequestedDuration")),
    )
    count = number(histogram.get("Count"))
    if count == 0:
        return checks.failed("no request was answered", **rest)
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
    duration = number(document.get("ActualDuration"))
    seconds = duration * 1e-9 if duration else None
    if seconds and rate and count and not 0.5 < seconds * rate / count < 2:
        seconds = None
    return _finished(samples, branch(document, "RetCodes"), test, duration_s=seconds, **rest)


def _asked_seconds(word: object) -> float | None:
    """Return the asked-for duration, or None where it was a number of calls."""
    with suppress(ParseError):
        return go_time.seconds(word) if isinstance(word, str) else None
    return None


def _finished(samples: list[Sample], codes: dict, kind: str, **rest: Any) -> Reading:
    """Build the Reading of a result with the share of its answers whose code is an error."""
    counts = {str(code): n for code, amount in codes.items() if (n := number(amount)) is not None}
    total = sum(counts.values())
    if not total:
        return checks.reading(samples, **rest)
    if kind == "http_load" and counts.keys() == {"-1"}:
        return checks.failed("no request was answered: all have code -1, a connection's failure", **rest)
    grpc = kind == "grpc_load"
    good = sum(
        n for code, n in counts.items() if code in _GOOD or (code == "1" if grpc else code[:1] in "23")
    )
    notes = () if good else ("every_answer_an_error",)
    return checks.reading([*samples, Sample("error_ratio", (total - good) / total)], notes=notes, **rest)


def _printed(text: str) -> list[Reading]:
    """Read one Reading a printed result."""
    runs: list[_Printed] = []
    for at, line in enumerate(margins.cleared(text), 1):
        begins = _BEGINS.match(line)
        if begins or (_ENDED.match(line) and (not runs or runs[-1].rate is not None)):
            runs.append(_Printed(at, begins[1] if begins else None))
        elif _CALLS.match(line) and (not runs or runs[-1].latency):
            runs.append(_Printed(at, None))
        if runs:
            runs[-1].take(line)
    if not runs:
        raise ParseError("no fortio result in this text")
    return [run.reading() for run in runs]


class _Printed:
    """What has been read of one printed result."""

    def __init__(self, line: int, version: str | None) -> None:
        self.line, self.version = line, version
        self.test = "http_load"
        self.rate: str | None = None
        self.rounded: str | None = None
        self.duration: str | None = None
        self.latency: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self.of_calls = False
        self.none = False
        self.error: str | None = None

    def take(self, line: str) -> None:
        if found := _ENDED.match(line):
            self.duration, self.rate, self.none = found[1], found[3], int(found[2]) == 0
        elif found := _CALLS.match(line):
            self.of_calls = True
            self.none = int(found[1]) == 0
            self.latency = dict(zip(("mean", "stddev", "min", "max"), found.groups()[1:]))
        elif _OTHER_PART.match(line):
            self.of_calls = False
        elif found := _TARGET.match(line):
            if self.of_calls and (stat := _STATS.get(float(found[1]))):
                self.latency[stat] = found[2]
        elif found := _CODE.match(line):
            self.test = _KINDS.get("GRPC" if found[1] in ("Health", "Ping") else found[1].upper(), self.test)
            self.codes[found[2]] = self.codes.get(found[2], 0) + int(found[3])
        elif found := _ALL_DONE.match(line):
            self.rounded = found[2]
        elif line.startswith("Aborting because of "):
            self.error = line

    def reading(self) -> Reading:
        rest: dict = {"test": self.test, "line": self.line, "tool_version": self.version}
        if self.error:
            return checks.failed(self.error, **rest)
        if self.none:
            return checks.failed("no request was answered", **rest)
        if not self.latency or not (self.codes or self.rounded):
            return checks.failed("no result: the output was cut short", notes=("truncated",), **rest)
        try:
            rate = self.rate or self.rounded
            samples = [Sample("request_rate_per_s", _amount(rate))] if rate else []
            samples += [Sample("latency_s", _amount(word), stat) for stat, word in self.latency.items()]
            duration = go_time.seconds(self.duration) if self.duration else None
        except ParseError as problem:
            return checks.failed(problem.what, **rest)
        return _finished(samples, self.codes, self.test, duration_s=duration, **rest)


def _amount(word: str) -> float:
    value = number(word)
    if value is None:
        raise ParseError(f"unreadable number {word!r}")
    return value
