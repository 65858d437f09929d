"""ping: round-trip time of single ICMP echoes, and how many were lost.

Runs and reads (iputils in any language, BusyBox, BSD, Solaris, Cisco; the JSON of iputils is :mod:`.objects`, what
Windows prints :mod:`.windows`). hping, arping and httping end in the same statistics and send no echoes: their
runs are not read.
Percentiles are taken from the printed replies, and only those that as many replies can tell. A host that never
answered is a failed test, not one with an RTT of nothing.
"""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError
from cnilab.measurements import client_server
from cnilab.measurements.base import Call, Kind, Option, Program, Reading, Sample, whole
from cnilab.measurements.ping import objects, windows
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.units import SECONDS, to_base

NAME = "ping"
PROGRAMS = (Program("ping"),)
PORTS: tuple[int, ...] = ()
_SECONDS = Option(
    "seconds, 0.002 or more",
    lambda text: re.fullmatch(r"\d*\.?\d+", text) is not None and float(text) >= 0.002,
)
KINDS = {
    "icmp_rr": Kind(
        ("rtt_s", "loss_ratio", "lost_packets", "total_packets"),
        options={"interval_s": _SECONDS, "length": whole(0)},
    )
}

_NUMBER = r"\d+(?:[.,]\d+)?"
#: Before these, ``-D`` and whoever kept the lines may have put a time.
_BEGINS = re.compile(r"(?:^|\s)(?:PING6? ?|Ping )\S.*(?:\b\d+(?:\(\d+\))? [^\d\s]|-->|\):$)")
#: The words are those of the machine's language; icmp_req is of old versions, the point after it of Solaris.
_REPLY = re.compile(
    rf"(?:\bicmp_(?:seq|req)|\bbytes from .*\bseq)=\d+\.? .*[^\W\d]+[=<]({_NUMBER})\.? ?([^\W\d]+)\b(.*)$"
)
_UNTIMED = re.compile(r"^\d+ bytes from \S.*[ :](?:icmp_)?(?:seq|req)=\d+")
_WORDS = r"[^\d,，%]{1,80}"
#: In some languages the words stand before their numbers.
_COUNTS = re.compile(
    rf"(?:^|\s)(\d{{1,15}})(?: {_WORDS})?[,，] +(?:{_WORDS} )?(\d{{1,15}})(?: {_WORDS})?(?:, \+?\d+ {_WORDS})*[,，]? +"
    rf"(?:{_WORDS} )?(?:({_NUMBER}) ?%|-- somebody's)(?:[^\d,]*, [^\d,]+ (\d+) ?[^\W\d]+)?"
)
_TIMES = re.compile(
    r"(?:^|\s)(?:rtt|round-trip)( \(ms\))? +(?:min|mín|мін|мин)/[^\s/=]+/(?:max|máx|макс)(?:/[^\s/=]+)? = "
    r"([\d.,/a-zµμ]+)(?: ([^\s,]+))?(?:, .*)?$"
)
#: Cisco's only line with numbers; of its replies it prints a sign each.
_CISCO = re.compile(
    r"^Success rate is \d+ percent \((\d{1,15})/(\d{1,15})\)(?:, round-trip min/avg/max = ([\d/]+) ms)?"
)
_FOREIGN = re.compile(r"(?:^|\s)(?:(?:H|AR)PING \S|PING \S+:\d+ \(/)")
_TIME = re.compile(rf"({_NUMBER})([a-zµμ]*)")
_ERROR = re.compile(r"^(?:(?:\S*/)?ping6?|connect): (?!Warning|Connection refused)(.+)$")
_UNREACHABLE = re.compile(r"(?:seq=\d+|bytes from \S+?:) ([^\W\d_](?:[^=]| = )*?)[.。]?$")
_SNIFF = re.compile(
    r"(?:^|\] |: )PING6? ?\S|^Ping \S+ \(.*\): \d+\(\d+\) bytes|^-{3,4} ?.+ (?:ping6?|PING) [Ss]tatisti\w+ ?-{3,4}$"
    r"|(?:^|\s)\d+ packets transmitted, \d+|^ping6?: |\bbytes from .*seq=\d+ .*time|\bicmp_[rs]eq=\d+ ttl="
    r"|(?:^|\s)(?:rtt|round-trip)(?: \(ms\))? +min/avg/max"
    rf"|^Success rate is \d+ percent \(|{objects.SNIFF}",
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
    told = ((at, line) for at, whole in enumerate(lines, 1) for line in objects.spelled(whole))
    for at, line in told:
        if len(line) > 2000:
            continue
        # Few lines hold the name; to search each of them costs a third of the time.
        named = "PING" in line or "Ping " in line
        foreign = named and _FOREIGN.search(line) is not None
        begins = named and (foreign or _BEGINS.search(line) is not None)
        if begins or run.ends_before(line):
            if run.seen and not run.foreign:
                found.append(run.reading())
            run = _Run(at, foreign)
        run.take(line, begins)
    if run.seen and not run.foreign:
        found.append(run.reading())
    if not any(reading.status == "ok" for reading in found) and windows.speaks(lines):
        found = windows.parse(lines)
    if not found and run.foreign:
        raise ParseError("no ping here: hping, arping and httping send other packets than echoes")
    if not found:
        raise ParseError("no ping output in this text")
    return found


def _plain(text: str) -> float:
    return float(text.replace(",", "."))


def _seconds(amount: str, unit: str) -> float:
    """Convert a printed time; a unit in another script is that language's word for milliseconds."""
    known = unit.isascii() or unit[0] in "µμ"
    return to_base(_plain(amount), unit if known else "ms", SECONDS)


class _Run:
    """What has been read of one host."""

    def __init__(self, line: int, foreign: bool = False) -> None:
        self.line = line
        self.foreign = foreign
        self.seen = False
        self.replies: list[float] = []
        self.counts: tuple[int, int, float | None] | None = None
        self.times: list[float] = []
        self.broken: str | None = None
        self.error: str | None = None
        self.unreachable: str | None = None
        self.duration: float | None = None

    def ends_before(self, line: str) -> bool:
        """Whether ``line`` is the first sign of another run, where that has no first line of its own."""
        if not (self.counts or self.times):
            return False
        return bool(_COUNTS.search(line) or _REPLY.search(line) or (self.times and _TIMES.search(line)))

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
        elif found := _CISCO.match(line):
            self.seen = True
            got, sent = int(found[1]), int(found[2])
            self.counts = sent, got, (sent - got) / sent if sent else None
            if found[3]:
                self._statistics(found[3], "ms")
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
            self.replies.append(_seconds(amount, unit))
        except ParseError as problem:
            self.broken = problem.what

    def _statistics(self, values: str, unit: str | None) -> None:
        parts = [_TIME.fullmatch(part) for part in values.split("/")]
        if len(parts) not in (3, 4) or None in parts:
            self.broken = f"unreadable times {values!r}"
            return
        try:
            self.times = [_seconds(p[1], p[2] or unit or "") for p in parts if p]
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
        timed = [
            Sample("rtt_s", value, stat) for stat, value in zip(("min", "mean", "max", "stddev"), self.times)
        ]
        if self.counts and len(self.replies) == self.counts[1]:
            known = {s.stat for s in timed}
            timed += [s for s in checks.distribution("rtt_s", self.replies) if s.stat not in known]
        if not timed:
            # Payloads too small for a timestamp: ping counts the replies but cannot time them.
            notes.append("no_times")
        # Pings of whole milliseconds print less than one as 0.
        measured = [s for s in timed if s.value or s.stat == "stddev"]
        if len(measured) < len(timed):
            notes.append("below_resolution")
        samples += measured if any(s.value for s in measured) else []
        return checks.reading(samples, duration_s=self.duration, notes=tuple(notes), **rest)


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


_ENDS = client_server.ClientServer(parse, client_argv)  # no server: the kernel answers
measure, read = _ENDS.measure, _ENDS.read
