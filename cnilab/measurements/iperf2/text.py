"""iperf2's text report, plain and enhanced (``-e``), of a client, a server, or both in one transcript.

A row belongs to the newest test that has its stream: a server prints a test's total when the next may have begun.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading
from cnilab.measurements.iperf2.shared_rows import Bounce, Group, Row, decided, reading
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts
from cnilab.measurements.reading.numbers import number
from cnilab.units import BITS_PER_SECOND, to_base

_ROW = re.compile(
    r"^\[ *(?P<id>\*?\d+|SUM)(?:-\d+)?\] +(?P<start>\d+\.\d+)- *(?P<end>\d+\.\d+) sec"
    r" +(?P<amount>\d[\d.]*) +(?P<kind>[KMGT]?Bytes) +(?P<rate>\d[\d.]*|-?nan|-?inf) +(?P<unit>[A-Za-z]+/sec)"
    r"(?P<rest>(?:\s.*)?)$"
)
_LOOKS_LIKE_ROW = re.compile(
    r"^\[ *\*?(?:\d+|SUM)(?:-\d+)?\] +\d+[.,]\d+- *\d+[.,]\d+ sec +(?=[\d.,]|$)(?!\d+ datagrams)"
)
#: What stands before a line in a log: a time, the name of a container, a quotation mark.
_BEFORE = re.compile(
    r"^.{1,100}?(?=\[ *\*?(?:\d+|SUM)(?:-\d+)?\] +(?:local |Server |WARNING|\d+[.,]\d+- *\d))"
)
#: lwIP's server tells no jitter.
_LOSS = re.compile(r"(?:(?P<jitter>\d+\.\d+) ms)? +(?P<lost>-?\d+)/ *(?P<total>\d+) +\(")
#: Mean, minimum, maximum and deviation: until 2.1 in columns, and below zero where the clocks are apart.
_DELAY = re.compile(r"\) +(-?\d[\d.]*)/ *(-?\d[\d.]*)/ *(-?\d[\d.]*)/ *(-?\d[\d.]*) ms\b")
#: Window and round-trip time: since 2.2 with packets in brackets, and the bytes in flight before them.
_SENDER = re.compile(
    r"^\s+\d+/\d+ +(?P<retries>\d+)(?: +(?:[\w\-]+(?:\(\d+\))?/){1,2}(?P<rtt>\d+)(?:\(\d+\))? ?us\b.*)? *$"
)
_READS = re.compile(r"^\s+\d+=\d+:")
#: What ``--trip-times`` tells of TCP: the time from the write to the read of a whole message.
_MESSAGES = re.compile(r"^\s+(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*) ms \(\d+/\d+\)\s")
_BOUNCE = re.compile(
    r"^\s+\d+=(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*) ms(?: +(?P<retries>\d+)\s)?"
    r".*\s(?:RPS=(?P<rate>\d[\d.]*)|(?P<before_2_2>\d[\d.]*) rps)"
)
_CONNECTION = re.compile(
    r"^\[ *(?P<id>\*?\d+)\] local \S+ port (?P<near>\d+) connected with (?P<peer>\S+) port (?P<far>\d+)(?P<ways>.*)"
)
_BEGINS = re.compile(
    r"(?P<role>Client connecting to|Server listening on) (?:\S+, )?(?P<protocol>TCP|UDP) port (?P<port>\d+)"
)
_SENDING = re.compile(r"^Sending (\d{1,6}) byte datagrams")
#: What is said behind the size is whose it is: the machine's default, or what was asked for.
_WINDOW = re.compile(r"^(?:TCP window|UDP buffer) size: .*\((?:WARNING: )?requested +([\d.]+) ([KMG]?)Byte\)")
_SENT = re.compile(r"^\[ *\*?(\d+|SUM)(?:-\d+)?\] Sent \d+ datagrams")
_ERROR = re.compile(
    r"^(?:\[ *\d+\] )?("
    r"(?:(?:tcp|udp|listener) )?(?:connect|bind|listen|read|write|recv|send|getaddrinfo|shutdown)\w*"
    r"(?: to \S+ port \d+)? failed\b.*"
    r"|(?:error|ERROR): .*|iperf: (?!ignoring).*)"
)


class _Test:
    """Groups of one test by direction, and which stream belongs to which."""

    def __init__(self, begun: int, protocol: str) -> None:
        self.begun = begun
        self.protocol = protocol
        self.groups: dict[bool, Group] = {}
        self.direction: dict[str, bool] = {}
        self.peers: set[str] = set()
        self.reversed: set[str] = set()
        self.named: set[str] = set()
        self.reported: str | None = None
        self.bounced = self.guessed = False
        self.seen: set[str] = set()
        self.total: dict[str, float] = {}
        self.asked: dict[str, object] = {}

    def group(self, served: bool, at: int) -> Group:
        return self.groups.setdefault(served, Group(self.begun or at, served, self.protocol))

    def note(self, row: Row) -> None:
        """Keep which streams have rows and which of them, by now, their total (as :func:`.rows.totals`)."""
        self.seen.add(row.stream)
        if row.start == 0:
            self.total[row.stream] = row.end
        elif row.start >= self.total.get(row.stream, math.inf) - 1e-9:
            del self.total[row.stream]

    def readings(self) -> list[Reading]:
        """Read its groups, at the end of the text."""
        for served, group in self.groups.items():
            group.expected = {s for s, ways in self.direction.items() if ways == served and s in self.named}
            group.bounced = self.bounced
            group.asked |= self.asked
            group.notes += ["role_from_ports"] if self.guessed else []
        return [reading(group) for group in self.groups.values() if group.rows or group.error]


class _Walk:
    """The tests of one text, in the order in which they began."""

    def __init__(self) -> None:
        self.tests = [_Test(0, "tcp")]
        self.owner: dict[str, _Test] = {}
        self.named = False
        self.listening: str | None = None
        self.served = False

    def of(self, stream: str) -> _Test:
        """Return the newest test that has ``stream``, else the newest."""
        return self.owner.get(stream.removeprefix("*"), self.tests[-1])

    def received(self) -> list[Row]:
        """Return what the newest test has received."""
        group = self.tests[-1].groups.get(True)
        return group.rows if group else []

    def renew(self, at: int, protocol: str) -> _Test:
        """Begin another test, or use the one that has nothing in it."""
        test = self.tests[-1]
        if test.groups or test.direction:
            test = _Test(at, protocol)
            self.tests.append(test)
        test.begun, test.protocol = at, protocol
        return test

    def another(self, stream: str, peer: str) -> bool:
        """Whether a connection is of another test than the newest."""
        test = self.tests[-1]
        if not test.seen or stream in test.direction:
            return bool(test.seen)
        # Streams of one UDP test begin together, with their first datagram; TCP's may wait for a lost SYN.
        alone = self.served and (test.protocol == "udp" or peer not in test.peers)
        return alone or len(test.seen) == len(test.total)


def parse(raw: bytes) -> list[Reading]:
    """Read every test in ``raw``."""
    walk = _Walk()
    lines = texts.decoded(raw).split("\n")
    for at, line in enumerate(lines, 1):
        if len(line) <= 2000 and not (at == len(lines) and _cut(line, lines)):
            _take(walk, at, line if line.startswith("[") else _BEFORE.sub("", line))
    if found := [one for test in walk.tests for one in test.readings()]:
        return found
    if begun := walk.tests[-1].begun:
        return [checks.failed("iperf began and reported nothing", line=begun, notes=("truncated",))]
    raise ParseError("no iperf2 report in this text")


def _cut(line: str, lines: list[str]) -> bool:
    """Whether this, the last line and without an end, is a row of fewer columns than the row before it."""
    line = line if line.startswith("[") else _BEFORE.sub("", line)
    if not _ROW.match(line):
        return False
    before = next((row for other in lines[-2:-40:-1] if _ROW.match(row := _BEFORE.sub("", other))), "")
    return len(line.split()) < len(before.split())


def _take(walk: _Walk, at: int, line: str) -> None:
    if found := _BEGINS.search(line):
        walk.renew(at, found["protocol"].lower())
        walk.served, walk.named = found["role"].startswith("Server"), True
        if walk.served:
            walk.listening = found["port"]
    elif found := _CONNECTION.match(line):
        _connect(walk, at, found)
    elif found := _ROW.match(line):
        _row(walk, at, found)
    elif found := _SENDING.match(line):
        walk.tests[-1].asked |= {"datagram_bytes": found[1]}
    elif found := _WINDOW.match(line):
        walk.tests[-1].asked |= {"window_bytes": _bytes(found[1], found[2])}
    elif found := _SENT.match(line):
        test = walk.of(found[1])
        test.protocol = "udp"
        for group in test.groups.values():
            group.protocol = "udp"
    elif "Server Report:" in line:
        stream = line[line.find("[") + 1 : line.find("]")].strip(" *")
        walk.of(stream).reported = stream
    elif "did not receive ack of last datagram" in line or "ack of last datagram failed" in line:
        walk.tests[-1].group(walk.served, at).notes.append("receiver_missing")
    elif _LOOKS_LIKE_ROW.match(line):
        group = walk.tests[-1].group(walk.served, at)
        group.error = group.error or f"line {at} is no complete row: {line.strip()[:120]!r}"
    elif "read failed: Connection refused" in line and any(r.total for r in walk.received()):
        pass  # a server could not tell its client, who had gone; its own figures stand
    elif found := _ERROR.match(line):
        group = walk.tests[-1].group(walk.served, at)
        group.error = group.error or found[1][:300]


def _bytes(amount: str, prefix: str) -> float | None:
    value = number(amount)
    return None if value is None else value * 1024 ** " KMG".index(prefix or " ")


def _connect(walk: _Walk, at: int, found: re.Match[str]) -> None:
    stream, ways = found["id"], found["ways"]
    test = walk.tests[-1]
    if walk.another(stream, found["peer"]):
        test = walk.renew(at, test.protocol)
    walk.owner[stream.removeprefix("*")] = test
    test.asked["family"] = conditions.family(found["peer"])
    # Of a test both ways (-d, -r) only the port tells which of the streams came in.
    served = found["near"] == walk.listening
    if not walk.named:  # the file begins behind the banner
        walk.served = served = int(found["near"]) < int(found["far"])
        test.guessed = True
    test.direction[stream] = served
    test.peers.add(found["peer"])
    test.bounced |= "(bb " in ways
    if "(reverse)" not in ways:
        test.named.add(stream)
    if "(reverse)" in ways and not stream.startswith("*"):
        test.direction[stream] = test.direction[f"*{stream}"] = not served
        test.reversed |= {stream, f"*{stream}"}
    elif "(full-duplex)" in ways:
        test.direction[f"*{stream}"] = not served
        test.reversed.add(f"*{stream}")


def _row(walk: _Walk, at: int, found: re.Match[str]) -> None:
    stream, rest = found["id"], found["rest"]
    test = walk.of(stream)
    rate, start, end = number(found["rate"]), number(found["start"]), number(found["end"])
    # Where the columns tell, they decide: only a receiver prints reads, only a sender retransmissions.
    sender = _SENDER.match(rest)
    alone = stream not in test.seen and test.reported is None and not test.direction.get(stream, walk.served)
    if alone and _LOSS.search(rest):  # only a receiver counts what is lost: the banner of its end is missing
        walk.served = test.direction[stream] = True
    served = not sender and (_READS.match(rest) is not None or test.direction.get(stream, walk.served))
    group = test.group(served, at)
    if stream in test.reversed:
        group.notes.append("reverse")
    amount = number(found["amount"])
    if rate is None or start is None or end is None or amount is None:
        group.error = group.error or f"line {at}: unreadable number in {found[0].strip()[:120]!r}"
        return
    try:
        bps = to_base(rate, found["unit"], BITS_PER_SECOND)
        if not bps and amount and end > start:
            # -f g writes 0.00 Gbits/sec for a slow link; the bytes have more digits.
            bps = to_base(amount, f"{found['kind']}/sec", BITS_PER_SECOND) / (end - start)
    except ParseError as problem:
        group.error = f"line {at}: {problem.what}"
        return
    size = to_base(amount, f"{found['kind']}/sec", BITS_PER_SECOND) / 8
    row = Row(stream, start, end, bps, at)
    if test.reported != stream and not _LOSS.search(rest):
        # Amounts have three digits here, so that the printed rate stays.
        slack = 0.1 if len(found["end"].partition(".")[2]) < 2 else 0.02
        decided(replace(row, bytes=size), group.notes, slack)
    if loss := _LOSS.search(rest):
        group.protocol = "udp"
        row.jitter_s = float(loss["jitter"]) * 1e-3 if loss["jitter"] else None
        row.lost, row.total = float(loss["lost"]), float(loss["total"])
        row.delay_s = _times(delay := _DELAY.search(rest))
        if delay and "-" in delay[0]:
            row.delay_s = None
            group.notes.append("clocks_apart")
        row.report = not served and (test.reported == stream or test.reported is None)
        test.reported = None
    elif test.reported == stream:
        group.notes.append("truncated")  # a server's report without its datagrams has been cut
        return
    elif bounce := _BOUNCE.match(rest):
        rps = number(bounce["rate"] or bounce["before_2_2"])
        row.bounce = Bounce.of([number(t) for t in bounce.groups()[:4]], rps)
        row.retries = number(bounce["retries"])
    elif sender:
        row.retries = float(sender["retries"])
        row.rtt_s = float(sender["rtt"]) * 1e-6 if sender["rtt"] else None
    else:
        row.delay_s = _times(_MESSAGES.match(rest))
    group.rows.append(row)
    if not row.report:
        test.note(row)


def _times(found: re.Match[str] | None) -> tuple[float, float, float, float] | None:
    """Mean, minimum, maximum and standard deviation in seconds; None where one is no number."""
    values = [number(v) for v in found.groups()] if found else [None]
    return None if None in values else tuple(v * 1e-3 for v in values)  # type: ignore[return-value, operator]
