"""wrk and wrk2: HTTP requests per second and their latency.

Runs wrk against nginx (:mod:`.web`) and reads both. ``goodput_bps`` is what arrived at the client, headers included;
wrk's KB and MB are powers of two. Answers that are errors stay in the rate, as wrk counts them; ``error_ratio`` says
how many.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from cnilab.bench import Bench, Ended
from cnilab.errors import ParseError
from cnilab.measurements import conditions, web
from cnilab.measurements.base import Call, Kind, Program, Reading, Sample
from cnilab.measurements.reading import ends, margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.measurements.web import nginx
from cnilab.units import BINARY_BYTES, SECONDS, to_base

NAME = "wrk"
PROGRAMS = (Program("wrk", ("-v",)), nginx.PROGRAM)
PORTS = (nginx.PORT,)
#: Any of several servers behind one address may answer a request.
BALANCED = True
KINDS = {
    "http_load": Kind(
        (
            "request_rate_per_s",
            "goodput_bps",
            "latency_s",
            "error_ratio",
            "cpu_s_per_request",
            "cpu_busy_ratio",
        ),
        frozenset({"streams"}),
        {**nginx.OPTIONS, **nginx.TLS},
    )
}

_TIME = r"(\d+(?:\.\d+)?)(us|ms|s|m|h)\b"

_BEGINS = re.compile(r"^Running \S+ test @ (\S+)")
_LENGTH = re.compile(rf"^Running {_TIME} test @ ")
_CONNECTIONS = re.compile(r"^\d{1,9} threads and (\d{1,9}) connections$")
_TABLE = re.compile(r"^Thread Stats +Avg ")
_LATENCY = re.compile(rf"^Latency\s+{_TIME}\s+{_TIME}\s+{_TIME}\s+\S+%\s*$")
_PERCENTILE = re.compile(rf"^(\d{{1,3}}(?:\.\d+)?)%\s+{_TIME}\s*$")
_TOTAL = re.compile(rf"^(\d{{1,15}}) requests in {_TIME}, (\d+(?:\.\d+)?)([KMGTP]?B) read\s*$")
_RATE = re.compile(r"^Requests/sec:\s*(\S+)\s*$")
_TRANSFER = re.compile(r"^Transfer/sec:\s*(\d+(?:\.\d+)?)([KMGTP]?B)\s*$")
_ERRORS = re.compile(
    r"^Socket errors: connect (\d{1,15}), read (\d{1,15}), write (\d{1,15}), timeout (\d{1,15})"
)
_NON_2XX = re.compile(r"^Non-2xx or 3xx responses: (\d{1,15})")
_TRAILER = re.compile(r"^p(\d+(?:\.\d+)?) latency,(\d+(?:\.\d+)?),(us|ms|s)\s*$")
_FAILED = re.compile(
    r"^(?:unable to (?:connect|resolve|create|record)\b|invalid URL\b|PANIC: |number of connections must be >="
    r"|Throughput MUST be specified|Usage: wrk <options> <url>).*"
)
_SNIFF = re.compile(
    rb"Running \S+ test @ \S+|Thread Stats +Avg|unable to (?:connect to|resolve) \S+:\S+ |Usage: wrk <options>"
    rb"|number of connections must be >= threads"
    # The last lines alone, as tail leaves them; go-wrk has tabs there.
    rb"|\d requests in [\d.]{1,20}[a-z]{1,2}, [\d.]{1,20}[KMGTP]?B read[ \t]*\r?\n"
    rb"(?:[^\n]{0,200}\n){0,2}?[^\n]{0,120}?Requests/sec: +\d"
)
#: go-wrk and autocannon begin with wrk's first line; their second counts no threads.
_OTHERS = re.compile(
    rb"Running \S+ test @ [^\n]{1,500}\n(?![^\n]{0,200}threads and)[^\n]{0,120}?\b\d{1,9} "
    rb"(?:goroutine\(s\) running|connections?(?: with \d+ pipelining factor)?[ \t]*\r?$)",
    re.MULTILINE,
)
_OTHER_LINE = re.compile(
    r"^\d{1,9} (?:goroutine\(s\) running concurrently|connections?(?: with \d+ pipelining factor)?)$"
)
_NOT_WRKS = "not wrk's: go-wrk and autocannon begin with the same line"
_STATS = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p999", 100.0: "max"}


def sniff(head: bytes) -> bool:
    """Whether wrk's first line, and not a look-alike's, or its table is here."""
    return len(_SNIFF.findall(head)) > len(_OTHERS.findall(head))


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a run.

    Raises
    ------
    ParseError
        Where the bytes are not wrk's.
    """
    found: list[Reading] = []
    run: _Run | None = None
    for at, line in enumerate(margins.cleared(texts.decoded(raw)), 1):
        if _BEGINS.match(line) or ((run is None or run.done) and (_TABLE.match(line) or _TOTAL.match(line))):
            if run:
                found.append(run.reading())
            run = _Run(at)
            run.take(line)
        elif failed := _FAILED.match(line):
            goes_on = run and not run.done and (run.error is None or failed[0].startswith("Usage"))
            if run and not goes_on:
                found.append(run.reading())
            run = run if run and goes_on else _Run(at)
            run.error = run.error or failed[0]
        elif run and not run.done and _OTHER_LINE.match(line):
            run.error = _NOT_WRKS
        elif run:
            try:
                run.take(line)
            except ParseError as problem:
                run.error = problem.what
    if run:
        found.append(run.reading())
    if not found:
        raise ParseError("no wrk output in this text")
    if all(reading.reason == _NOT_WRKS for reading in found):
        raise ParseError(_NOT_WRKS)
    return found


class _Run:
    """What has been read of one run."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.done = False
        self.error: str | None = None
        self.asked: dict[str, object] = {}
        self.latency: dict[str, float] = {}
        self.samples: list[Sample] = []
        self.requests: int | None = None
        self.duration: float | None = None
        self.bad = 0
        self.lost = 0
        self.errors = ""
        self.unread: str | None = None
        self.corrected = True

    def take(self, line: str) -> None:
        if found := _LATENCY.match(line):
            for stat, at in (("mean", 1), ("stddev", 3), ("max", 5)):
                self.latency[stat] = to_base(float(found[at]), found[at + 1], SECONDS)
        elif found := _CONNECTIONS.match(line):
            self.asked["streams"] = found[1]
        elif found := _LENGTH.match(line):
            self.asked["duration_s"] = to_base(float(found[1]), found[2], SECONDS)
        elif line.startswith("Latency  "):
            self.unread = line
        elif "Uncorrected Latency" in line:
            self.corrected = False  # wrk2 -U: a second distribution, which leaves out what waited to be sent
        elif found := _PERCENTILE.match(line):
            # Of wrk2's two maxima the recorded one is of the same rounding as its percentiles.
            if self.corrected and not self.done and (point := _STATS.get(float(found[1]))):
                self.latency[point] = to_base(float(found[2]), found[3], SECONDS)
        elif found := _TRAILER.match(line):
            if point := _STATS.get(float(found[1])):
                self.latency.setdefault(point, to_base(float(found[2]), found[3], SECONDS))
        elif found := _TOTAL.match(line):
            self.requests, self.duration = int(found[1]), to_base(float(found[2]), found[3], SECONDS)
        elif found := _RATE.match(line):
            rate = number(found[1])
            if rate is None:
                self.error = f"unreadable request rate {found[1]!r}"
            else:
                self.samples.append(Sample("request_rate_per_s", rate))
            self.done = True
        elif found := _TRANSFER.match(line):
            self.samples.append(Sample("goodput_bps", float(found[1]) * to_base(8.0, found[2], BINARY_BYTES)))
        elif found := _NON_2XX.match(line):
            self.bad = int(found[1])
        elif found := _ERRORS.match(line):
            self.lost, self.errors = sum(int(n) for n in found.groups()), line

    def reading(self) -> Reading:
        rest: dict = {"test": "http_load", "line": self.line, "conditions": conditions.of(**self.asked)}
        if self.error:
            return checks.failed(self.error, **rest)
        if not self.done:
            return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
        if self.requests == 0:
            return checks.failed(f"no request was answered; {self.errors}".rstrip("; "), **rest)
        notes = [f"latency_unreadable: {self.unread[:80]}"] if self.unread else []
        if (
            0
            < self.latency.get("mean", 0.0) - self.latency.get("max", math.inf)
            <= 0.02 * self.latency["mean"]
        ):
            del self.latency["max"]  # both are printed in few digits; equal ones may cross
            notes.append("max_below_mean_by_rounding")
        samples = list(self.samples)
        samples += [Sample("latency_s", value, stat) for stat, value in self.latency.items()]
        if self.requests:
            wrong = self.bad + self.lost
            samples.append(Sample("error_ratio", wrong / (self.requests + self.lost)))
            notes += ["every_answer_an_error"] if self.bad >= self.requests else []
        return checks.reading(samples, duration_s=self.duration, notes=tuple(notes), **rest)


def client_argv(call: Call, address: str) -> list[str]:
    """Load the server with ``streams`` connections from one thread."""
    duration = max(1, math.ceil(call.duration_s))
    argv = ["wrk", "-t", "1", "-c", str(call.streams), "-d", f"{duration}s", "--latency"]
    if call.options.get("connection") == "new":
        argv += ["-H", "Connection: close"]
    if call.client_cpu is not None:
        argv = ["taskset", "-c", str(call.client_cpu), *argv]
    host = f"[{address}]" if ":" in address else address
    scheme = "https" if call.options.get("tls") == "yes" else "http"
    return [*argv, f"{scheme}://{host}:{nginx.PORT}/{nginx.body(call)}"]


def measure(bench: Bench, call: Call, folder: Path, limit_s: float) -> Ended:
    """Load nginx for a while, every connection asking again as soon as it was answered."""
    return web.measure(bench, call, folder, limit_s, client_argv)


def read(folder: Path) -> list[Reading]:
    """Read wrk's output, and what the requests cost in CPU time."""
    found = parse(ends.trusted(texts.plain((folder / "client.out").read_bytes())))
    return [web.with_cpu(reading, folder) for reading in found]
