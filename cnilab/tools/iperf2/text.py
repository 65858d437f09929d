"""iperf2's text report, plain and enhanced (``-e``), of a client, a server, or both in one transcript."""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading
from cnilab.tools.checks import number
from cnilab.tools.iperf2.rows import Group, Row, reading, totals
from cnilab.units import BITS_PER_SECOND, to_base

_ROW = re.compile(
    r"^\[ *(?P<id>\*?\d+|SUM)(?:-\d+)?\] +(?P<start>\d+\.\d+)- *(?P<end>\d+\.\d+) sec"
    r" +(?P<amount>\d[\d.]*) +(?P<kind>[KMGT]?Bytes) +(?P<rate>\d[\d.]*|-?nan|-?inf) +(?P<unit>[A-Za-z]+/sec)"
    r"(?P<rest>(?:\s.*)?)$"
)
_LOOKS_LIKE_ROW = re.compile(
    r"^\[ *\*?(?:\d+|SUM)(?:-\d+)?\] +\d+[.,]\d+- *\d+[.,]\d+ sec +(?! |\d+ datagrams)"
)
_LOSS = re.compile(r"(?P<jitter>\d+\.\d+) ms +(?P<lost>-?\d+)/ *(?P<total>\d+) +\(")
_DELAY = re.compile(r"\) +(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*)/(\d[\d.]*) ms\b")
_SENDER = re.compile(r"^\s+\d+/\d+ +(?P<retries>\d+)(?: +-?\d+[KM]?/(?P<rtt>\d+)(?:\(\d+\))? us\b.*)? *$")
_READS = re.compile(r"^\s+\d+=\d+:")
_CONNECTION = re.compile(
    r"^\[ *(?P<id>\*?\d+)\] local \S+ port (?P<near>\d+) connected with \S+ port (?P<far>\d+)(?P<ways>.*)"
)
_BEGINS = re.compile(
    r"(?P<role>Client connecting to|Server listening on) (?:\S+, )?(?P<protocol>TCP|UDP) port (?P<port>\d+)"
)
_ERROR = re.compile(
    r"^(?:\[ *\d+\] )?"
    r"((?:tcp |udp )?(?:connect|bind|listen|read|write|recv|send|getaddrinfo|shutdown)\w* failed\b.*"
    r"|error: .*|iperf: .*)"
)


class _Walk:
    """State of the walk: open groups by direction, and which stream belongs to which."""

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self.groups: dict[bool, Group] = {}
        self.direction: dict[str, bool] = {}
        self.reversed: set[str] = set()
        self.named: set[str] = set()
        self.listening: str | None = None
        self.served = False
        self.protocol = "tcp"
        self.reported: str | None = None
        self.begun = 0

    def close(self) -> None:
        self.found += [reading(g) for g in self.groups.values() if g.rows or g.error]
        self.groups, self.direction, self.reported = {}, {}, None
        self.reversed, self.named = set(), set()

    def complete(self) -> bool:
        """Whether every stream seen so far has its total, so that a new connection is a new test."""
        rows = [r for g in self.groups.values() for r in g.rows if not r.report]
        return bool(rows) and {r.stream for r in rows} == set(totals(rows))

    def group(self, served: bool, at: int) -> Group:
        group = self.groups.setdefault(served, Group(self.begun or at, served, self.protocol))
        group.expected = {
            stream for stream, ways in self.direction.items() if ways == served and stream in self.named
        }
        return group


def parse(raw: bytes) -> list[Reading]:
    """Read every test in ``raw``."""
    walk = _Walk()
    lines = checks.text(raw).split("\n")
    for at, line in enumerate(lines, 1):
        if len(line) <= 2000 and not (at == len(lines) and _cut(line, lines)):
            _take(walk, at, line)
    walk.close()
    if walk.found:
        return walk.found
    if walk.begun:
        return [checks.failed("iperf began and reported nothing", line=walk.begun, notes=("truncated",))]
    raise ParseError("no iperf2 report in this text")


def _cut(line: str, lines: list[str]) -> bool:
    """Whether this, the last line and without an end, is a row of fewer columns than the row before it."""
    if not _ROW.match(line):
        return False
    before = next((other for other in lines[-2:-40:-1] if _ROW.match(other)), "")
    return len(line.split()) < len(before.split())


def _take(walk: _Walk, at: int, line: str) -> None:
    if found := _BEGINS.search(line):
        if any(g.rows or g.error for g in walk.groups.values()):
            walk.close()
        walk.served = found["role"].startswith("Server")
        walk.protocol, walk.begun = found["protocol"].lower(), at
        if walk.served:
            walk.listening = found["port"]
    elif found := _CONNECTION.match(line):
        if walk.complete():
            walk.close()
            walk.begun = at
        # Of a test both ways (-d, -r) only the port tells which of the streams came in.
        stream, served = found["id"], found["near"] == walk.listening
        walk.direction[stream] = served
        if "(reverse)" not in found["ways"]:
            walk.named.add(stream)
        if "(reverse)" in found["ways"] and not stream.startswith("*"):
            walk.direction[stream] = walk.direction[f"*{stream}"] = not served
            walk.reversed |= {stream, f"*{stream}"}
        elif "(full-duplex)" in found["ways"]:
            walk.direction[f"*{stream}"] = not served
            walk.reversed.add(f"*{stream}")
    elif found := _ROW.match(line):
        _row(walk, at, found)
    elif "Server Report:" in line:
        walk.reported = line[line.find("[") + 1 : line.find("]")].strip(" *")
    elif "did not receive ack of last datagram" in line:
        walk.group(walk.served, at).notes.append("receiver_missing")
    elif _LOOKS_LIKE_ROW.match(line):
        group = walk.group(walk.served, at)
        group.error = group.error or f"line {at} is no complete row: {line.strip()[:120]!r}"
    elif found := _ERROR.match(line):
        group = walk.group(walk.served, at)
        group.error = group.error or found[1][:300]


def _row(walk: _Walk, at: int, found: re.Match[str]) -> None:
    stream, rest = found["id"], found["rest"]
    rate, start, end = number(found["rate"]), number(found["start"]), number(found["end"])
    # Where the columns tell, they decide: only a receiver prints reads, only a sender retransmissions.
    sender = _SENDER.match(rest)
    served = not sender and (_READS.match(rest) is not None or walk.direction.get(stream, walk.served))
    group = walk.group(served, at)
    if stream in walk.reversed:
        group.notes.append("reverse")
    if rate is None or start is None or end is None:
        group.error = group.error or f"line {at}: unreadable number in {found[0].strip()[:120]!r}"
        return
    try:
        bps = to_base(rate, found["unit"], BITS_PER_SECOND)
    except ParseError as problem:
        group.error = f"line {at}: {problem.what}"
        return
    row = Row(stream, start, end, bps, at)
    if loss := _LOSS.search(rest):
        group.protocol = "udp"
        row.jitter_s = float(loss["jitter"]) * 1e-3
        row.lost, row.total = float(loss["lost"]), float(loss["total"])
        if delay := _DELAY.search(rest):
            values = [number(v) for v in delay.groups()]
            if None not in values:
                row.delay_s = tuple(v * 1e-3 for v in values)  # type: ignore[operator, assignment]
        row.report = not served and (walk.reported == stream or walk.reported is None)
        walk.reported = None
    elif sender:
        row.retries = float(sender["retries"])
        row.rtt_s = float(sender["rtt"]) * 1e-6 if sender["rtt"] else None
    group.rows.append(row)
