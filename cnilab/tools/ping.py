"""ping: round-trip time of single ICMP echoes, and how many were lost.

Runs and reads (iputils, BusyBox, BSD). Percentiles are taken from the printed replies, and only those that as
many replies can tell. A host that never answered is a failed test, not one with an RTT of nothing.
"""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Call, Reading, Sample
from cnilab.tools.checks import number
from cnilab.units import SECONDS, to_base

NAME = "ping"
PROGRAMS = ("ping",)
KINDS = ("icmp_rr",)
PORT = 0

_BEGINS = re.compile(r"^PING6? ?\S+.*(?:data bytes|bytes of data|-->)")
_REPLY = re.compile(
    r"^\d+ bytes from \S.*[ :](?:icmp_)?seq=\d+ .*\btime[=<](\d+(?:\.\d+)?) (\S+)( \(DUP!\))?\s*$"
)
_COUNTS = re.compile(
    r"^(\d{1,15}) packets transmitted, (\d{1,15})(?: packets)? received,(?: \+\d+ (?:duplicates|errors|corrupted),?)*"
    r"(?: \+\d+ \w+,)* ?(\d+(?:\.\d+)?)% packet loss(?:, time (\d+)\s?ms)?"
)
_TIMES = re.compile(
    r"^(?:rtt|round-trip) min/avg/max(?:/(?:mdev|stddev|std-dev))? = ([\d./]+) (\S+?)(?:, (?:pipe|ipg).*)?$"
)
_ERROR = re.compile(r"^(?:ping6?|connect): (.+)$")
_SNIFF = re.compile(
    rb"^PING6? |^--- .+ ping6? statistics ---|^\d+ packets transmitted, \d+|^ping6?: "
    rb"|^\d+ bytes from .*seq=\d+ .*time",
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether ping's first line, a reply or its statistics are here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a pinged host.

    Raises
    ------
    ParseError
        Where the bytes are not ping's.
    """
    found: list[Reading] = []
    run = _Run(1)
    for at, line in enumerate(checks.text(raw).split("\n"), 1):
        if len(line) > 2000:
            continue
        if _BEGINS.match(line):
            if run.seen:
                found.append(run.reading())
            run = _Run(at)
        run.take(line)
    if run.seen:
        found.append(run.reading())
    if not found:
        raise ParseError("no ping output in this text")
    return found


class _Run:
    """What has been read of one host."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.seen = False
        self.replies: list[float] = []
        self.counts: tuple[int, int, float] | None = None
        self.times: list[float] = []
        self.error: str | None = None
        self.duration: float | None = None

    def take(self, line: str) -> None:
        if _BEGINS.match(line):
            self.seen = True
        elif found := _REPLY.match(line):
            self.seen = True
            try:
                if not found[3]:
                    self.replies.append(to_base(float(found[1]), found[2], SECONDS))
            except ParseError as problem:
                self.error = problem.what
        elif found := _COUNTS.match(line):
            self.seen = True
            self.counts = int(found[1]), int(found[2]), float(found[3]) / 100
            self.duration = float(found[4] or 0) * 1e-3 or None  # "time 0ms" is below what ping prints
        elif found := _TIMES.match(line.rstrip()):
            self.seen = True
            values = [number(v) for v in found[1].split("/")]
            try:
                self.times = [to_base(v, found[2], SECONDS) for v in values if v is not None]
            except ParseError as problem:
                self.error = problem.what
            if len(self.times) not in (3, 4) or None in values:
                self.error = f"unreadable times {found[1]!r}"
        elif (found := _ERROR.match(line)) and not self.counts:
            self.seen = True
            self.error = self.error or found[1]

    def reading(self) -> Reading:
        rest: dict = {"test": "icmp_rr", "line": self.line}
        if self.error:
            return checks.failed(self.error, **rest)
        if self.counts is None:
            return checks.failed("no statistics: the output was cut short", notes=("truncated",), **rest)
        sent, received, lost = self.counts
        if not received:
            return checks.failed(f"no reply to any of {sent} packets", **rest)
        samples = [
            Sample("loss_ratio", lost),
            Sample("lost_packets", float(sent - received)),
            Sample("total_packets", float(sent)),
        ]
        if self.times:
            stats = ("min", "mean", "max", "stddev")
            samples += [Sample("rtt_s", value, stat) for stat, value in zip(stats, self.times)]
            known = {s.stat for s in samples}
            if len(self.replies) == received:
                more = checks.distribution("rtt_s", self.replies)
                samples += [s for s in more if s.stat not in known]
        else:
            # Payloads too small for a timestamp: ping counts the replies but cannot time them.
            return checks.failed("ping printed no times", **rest)
        return checks.reading(samples, duration_s=self.duration, **rest)


def server_argv(call: Call, address: str) -> list[str]:
    """Return no command: the kernel answers."""
    return []


def client_argv(call: Call, address: str) -> list[str]:
    """Ping for as long as asked, a hundred times a second: 10 ms apart is what users other than root may."""
    interval = float(call.options.get("interval_s", "0.01"))
    count = max(1, math.ceil(call.duration_s / interval))
    argv = [
        "ping",
        "-n",
        "-i",
        f"{interval:g}",
        "-c",
        str(count),
        "-W",
        "1",
        "-s",
        call.options.get("length", "56"),
    ]
    if call.client_cpu is not None:
        argv = ["taskset", "-c", str(call.client_cpu), *argv]
    return [*argv, address]
