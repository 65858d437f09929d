"""bombardier's result, as JSON (``-o json``) and as printed. The lab does not run it.

Latencies are microseconds in JSON. The printed throughput is what was read and written together, in powers of
1024 bytes: ``total_bps`` here, while JSON tells what was read. Its rate is the mean over short spans of the run.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import go_time, margins, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number
from cnilab.units import BINARY_BYTES, SECONDS, to_base

NAME = "bombardier"

_SNIFF = re.compile(
    rb'"numberOfConnections"\s*:|"timeTakenSeconds"\s*:|Bombarding \S+ (?:for|with) \S+ .*using \d+ connection'
    rb"|Statistics +Avg +Stdev +Max\s+Reqs/sec"
)
_BEGINS = re.compile(r"^Bombarding \S+ (?:for (\S+)|with \d+ request\S*) using (\d+) connection")
_TABLE = re.compile(r"^Statistics +Avg +Stdev +Max$")
_RATE = re.compile(r"^Reqs/sec +(\d+(?:\.\d+)?) +\S+ +\S+$")
_TIME = r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)"
_LATENCY = re.compile(rf"^Latency +{_TIME} +{_TIME} +{_TIME}$")
_PERCENTILE = re.compile(rf"^(\d\d)% +{_TIME}$")
_CODES = re.compile(
    r"^1xx - (\d{1,15}), 2xx - (\d{1,15}), 3xx - (\d{1,15}), 4xx - (\d{1,15}), 5xx - (\d{1,15})$"
)
_OTHERS = re.compile(r"^others - (\d{1,15})$")
_ERROR = re.compile(r"^(\S.*) - \d{1,15}$")
_THROUGHPUT = re.compile(r"^Throughput: +(\d+(?:\.\d+)?)([KMGTP]?B)?/s$")
_STATS = {"50": "p50", "90": "p90", "99": "p99"}
_KEYS = ("req1xx", "req2xx", "req3xx", "req4xx", "req5xx", "others")


def sniff(head: bytes) -> bool:
    """Whether a key only bombardier writes, its first line or its table is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a result.

    Raises
    ------
    ParseError
        Where the bytes are not bombardier's.
    """
    text = texts.decoded(raw)
    if '"timeTakenSeconds"' in text or '"numberOfConnections"' in text:
        # With its progress on, the document follows the bar on the same line.
        lined = re.sub(r'^(?!\s*\{).*?(?=\{"(?:spec|result)":)', "", text, flags=re.MULTILINE)
        return documents.readings(lined, ("result",), _result, "http_load")
    runs: list[_Printed] = []
    for at, line in enumerate(margins.cleared(text), 1):
        begins = _BEGINS.match(line)
        if begins or (_TABLE.match(line) and (not runs or runs[-1].done)):
            runs.append(_Printed(at, begins[1] if begins else None, begins[2] if begins else None))
        elif runs:
            runs[-1].take(line)
    if not runs:
        raise ParseError("no bombardier result in this text")
    return [run.reading() for run in runs]


def _answers(counts: dict[str, float], errors: list[str], rest: dict) -> Reading | float:
    """Return the share of bad answers, or the Reading of a run that had no answer."""
    total = sum(counts.values())
    if total == counts["others"]:
        return checks.failed(errors[0] if errors else "no request was answered", **rest)
    return (counts["req4xx"] + counts["req5xx"] + counts["others"]) / total


def _notes(wrong: float) -> tuple[str, ...]:
    return ("every_answer_an_error",) if wrong == 1 else ()


def _result(document: dict, line: int) -> Reading:
    result, spec = branch(document, "result"), branch(document, "spec")
    rest: dict = {"test": "http_load", "line": line}
    rest["conditions"] = conditions.of(
        streams=spec.get("numberOfConnections"),
        duration_s=spec.get("testDurationSeconds"),
        offered_per_s=spec.get("rate"),
    )
    counts = {key: number(result.get(key)) or 0.0 for key in _KEYS}
    told = branch(result, "errors", list)
    wrong = _answers(counts, [str(e.get("description")) for e in told if isinstance(e, dict)], rest)
    if isinstance(wrong, Reading):
        return wrong
    samples = [Sample("error_ratio", wrong)]
    if (rate := number(branch(result, "rps").get("mean"))) is not None:
        samples.append(Sample("request_rate_per_s", rate))
    latency = branch(result, "latency")
    named = {stat: latency.get(stat) for stat in ("mean", "stddev", "max")}
    named |= {stat: branch(latency, "percentiles").get(key) for key, stat in _STATS.items()}
    samples += [
        Sample("latency_s", v * 1e-6, stat) for stat, word in named.items() if (v := number(word)) is not None
    ]
    seconds = number(result.get("timeTakenSeconds"))
    if seconds and (size := number(result.get("bytesRead"))):
        samples.append(Sample("goodput_bps", size * 8 / seconds))
    return checks.reading(samples, duration_s=seconds, notes=_notes(wrong), **rest)


class _Printed:
    """What has been read of one printed result."""

    def __init__(self, line: int, duration: str | None, streams: str | None) -> None:
        self.line, self.duration, self.streams = line, duration, streams
        self.samples: list[Sample] = []
        self.counts = dict.fromkeys(_KEYS, 0.0)
        self.errors: list[str] = []
        self.in_errors = self.done = False

    def take(self, line: str) -> None:
        if found := _RATE.match(line):
            self.samples.append(Sample("request_rate_per_s", float(found[1])))
        elif found := _LATENCY.match(line):
            for stat, at in (("mean", 1), ("stddev", 3), ("max", 5)):
                self._time(stat, found[at], found[at + 1])
        elif found := _PERCENTILE.match(line):
            if known := _STATS.get(found[1]):
                self._time(known, found[2], found[3])
        elif found := _CODES.match(line):
            self.counts.update(zip(_KEYS, map(float, found.groups())))
        elif found := _OTHERS.match(line):
            self.counts["others"] = float(found[1])
        elif found := _THROUGHPUT.match(line):
            self.in_errors, self.done = False, True
            self.samples.append(
                Sample("total_bps", float(found[1]) * to_base(8.0, found[2] or "B", BINARY_BYTES))
            )
        elif line == "Errors:":
            self.in_errors = True
        elif self.in_errors and (found := _ERROR.match(line)):
            self.errors.append(found[1])

    def _time(self, stat: str, amount: str, unit: str) -> None:
        self.samples.append(Sample("latency_s", to_base(float(amount), unit, SECONDS), stat))

    def reading(self) -> Reading:
        rest: dict = {
            "test": "http_load",
            "line": self.line,
            "conditions": conditions.of(streams=self.streams),
        }
        if not self.done:
            return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
        wrong = _answers(self.counts, self.errors, rest)
        if isinstance(wrong, Reading):
            return wrong
        try:
            duration = go_time.seconds(self.duration) if self.duration else None
        except ParseError:
            duration = None
        samples = [Sample("error_ratio", wrong), *self.samples]
        return checks.reading(samples, duration_s=duration, notes=_notes(wrong), **rest)
