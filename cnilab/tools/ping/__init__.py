"""ping: round-trip time of single ICMP echoes, and how many were lost.

Runs and reads (iputils in any language, BusyBox, BSD, Solaris; what Windows prints, :mod:`.ping_windows` reads).
Percentiles are taken from the printed replies, and only those that as many replies can tell. A host that never
answered is a failed test, not one with an RTT of nothing.
"""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError
from cnilab.tools.base import Call, Reading, Sample
from cnilab.tools.ping import windows
from cnilab.tools.reading import checks, margins, texts
from cnilab.units import SECONDS, to_base

NAME = "ping"
PROGRAMS = ("ping",)
KINDS = ("icmp_rr",)
PORT = 0

_NUMBER = r"\d+(?:[.,]\d+)?"
#: Before these, ``-D`` and whoever kept the lines may have put a time.
_BEGINS = re.compile(r"(?:^|\s)(?:PING6? ?|Ping )\S.*(?:\b\d+(?:\(\d+\))? [^\d\s]|-->|\):$)")
#: The words are those of the machine's language; icmp_req is of old versions, the point after it of Solaris.
_REPLY = re.compile(
    rf"(?:\bicmp_(?:seq|req)|\bbytes from .*\bseq)=\d+\.? .*[^\W\d]+[=<]({_NUMBER}) ?([^\W\d]+)\b(.*)$"
)
_UNTIMED = re.compile(r"^\d+ bytes from \S.*[ :](?:icmp_)?(?:seq|req)=\d+")
_COUNTS = re.compile(
    r"(?:^|\s)(\d{1,15}) [^\d,]+, (\d{1,15})(?: [^\d,]+)?(?:, \+?\d+ [^\d,%]+)*,? "
    rf"(?:({_NUMBER})%|-- somebody's)(?:[^\d,]*, [^\d,]+ (\d+) ?ms)?"
)
_TIMES = re.compile(
    r"(?:^|\s)(?:rtt|round-trip)( \(ms\))? +min/avg/max(?:/(?:mdev|stddev|std-dev))? = ([\d.,/a-zµμ]+)(?: ([^\s,]+))?"
    r"(?:, (?:pipe|ipg).*)?$"
)
_TIME = re.compile(rf"({_NUMBER})([a-zµμ]*)")
_ERROR = re.compile(r"^(?:(?:\S*/)?ping6?|connect): (?!Warning|Connection refused)(.+)$")
_UNREACHABLE = re.compile(r"(?:seq=\d+|bytes from \S+?:) ([A-Z][^=]*[^=.]).?$")
_SNIFF = re.compile(
    r"(?:^|\] |: )PING6? ?\S|^Ping \S+ \(.*\): \d+\(\d+\) bytes|^-{3,4} ?.+ (?:ping6?|PING) [Ss]tatisti\w+ ?-{3,4}$"
    r"|(?:^|\s)\d+ packets transmitted, \d+|^ping6?: |\bbytes from .*seq=\d+ .*time|\bicmp_[rs]eq=\d+ ttl="
    r"|(?:^|\s)(?:rtt|round-trip)(?: \(ms\))? +min/avg/max",
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether ping's first line, a reply or its statistics are here."""
    text = margins.cleared_head(head)
    return _SNIFF.search(text) is not None or windows.speaks(text.split("\n"))


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a pinged host.

    Raises
    ------
    ParseError
        Where the bytes are not ping's.
    """
    found: list[Reading] = []
    run = _Run(1)
    lines = margins.cleared(texts.decoded(raw))
    for at, line in enumerate(lines, 1):
        if len(line) > 2000:
            continue
        begins = _BEGINS.search(line) is not None
        # Of a run kept by its last lines alone, the next run's statistics are the first sign.
        again = (run.counts or run.times) and (_COUNTS.search(line) or (run.times and _TIMES.search(line)))
        if (begins or again) and run.seen:
            found.append(run.reading())
            run = _Run(at)
        run.take(line, begins)
    if run.seen:
        found.append(run.reading())
    if not any(reading.status == "ok" for reading in found) and windows.speaks(lines):
        found = windows.parse(lines)
    if not found:
        raise ParseError("no ping output in this text")
    return found


def _plain(text: str) -> float:
    return float(text.replace(",", "."))


class _Run:
    """What has been read of one host."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.seen = False
        self.replies: list[float] = []
        self.counts: tuple[int, int, float | None] | None = None
        self.times: list[float] = []
        self.broken: str | None = None
        self.error: str | None = None
        self.unreachable: str | None = None
        self.duration: float | None = None

    def take(self, line: str, begins: bool) -> None:
        if begins:
            self.seen = True
        elif found := _REPLY.search(line):
            self.seen = True
            if "DUP" not in found[3]:
                self._reply(found[1], found[2])
        elif (found := _COUNTS.search(line)) and (self.seen or "packets transmitted" in line):
            self.seen = True
            self.counts = int(found[1]), int(found[2]), _plain(found[3]) / 100 if found[3] else None
            self.duration = float(found[4] or 0) * 1e-3 or None  # "time 0ms" is below what ping prints
        elif found := _TIMES.search(line):
            self.seen = True
            self._statistics(found[2], found[3] or ("ms" if found[1] else None))
        elif _UNTIMED.match(line):
            self.seen = True
        elif found := _UNREACHABLE.search(line):
            self.unreachable = self.unreachable or found[1]
        elif (found := _ERROR.match(line)) and not self.counts:
            self.seen = True
            self.error = self.error or found[1]

    def _reply(self, amount: str, unit: str) -> None:
        try:
            self.replies.append(to_base(_plain(amount), unit, SECONDS))
        except ParseError as problem:
            self.broken = problem.what

    def _statistics(self, values: str, unit: str | None) -> None:
        parts = [_TIME.fullmatch(part) for part in values.split("/")]
        if len(parts) not in (3, 4) or None in parts:
            self.broken = f"unreadable times {values!r}"
            return
        try:
            self.times = [to_base(_plain(p[1]), p[2] or unit or "", SECONDS) for p in parts if p]
        except ParseError as problem:
            self.broken = problem.what

    def reading(self) -> Reading:
        rest: dict = {"test": "icmp_rr", "line": self.line}
        if self.broken:
            return checks.failed(self.broken, **rest)
        if self.counts is None and not self.times:
            if self.error:
                return checks.failed(self.error, **rest)
            return checks.failed("no statistics: the output was cut short", notes=("truncated",), **rest)
        samples, notes = [], []
        if self.counts is not None:
            sent, received, lost = self.counts
            if not received:
                why = self.error or self.unreachable
                return checks.failed(f"no reply to any of {sent} packets{f': {why}' if why else ''}", **rest)
            samples.append(Sample("total_packets", float(sent)))
            if lost is not None:  # with more answers than packets ping tells no loss
                samples += [Sample("loss_ratio", lost), Sample("lost_packets", float(sent - received))]
        stats = ("min", "mean", "max", "stddev")
        samples += [Sample("rtt_s", value, stat) for stat, value in zip(stats, self.times)]
        if not self.times:
            # Payloads too small for a timestamp: ping counts the replies but cannot time them.
            notes.append("no_times")
        elif self.counts and len(self.replies) == self.counts[1]:
            known = {s.stat for s in samples}
            samples += [s for s in checks.distribution("rtt_s", self.replies) if s.stat not in known]
        return checks.reading(samples, duration_s=self.duration, notes=tuple(notes), **rest)


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
