"""iperf2's comma separated rows (``-y C``), of three kinds.

Up to 2.1 a row has nine columns, or fourteen with a server's figures, and no header. Since 2.1.9 the time begins
with the zone, and ``-e`` adds a sender's columns that are no server's figures. Since 2.2 ``-e`` prints a header and
gives the interval two columns. Where no header tells the role, the end with the lower port is taken for the
server, and a note says so. Which rows are one test is told by connections and times, see :class:`_Walk`.
"""

from __future__ import annotations

import csv
import re
from datetime import datetime

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading
from cnilab.measurements.iperf2.shared_rows import Bounce, Group, Row, decided, reading, totals
from cnilab.measurements.reading import clock, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

_LINE = re.compile(
    rb"^(?:[+-]\d{4}:)?\d{14}(?:\.\d+)?(?:[+-]\d{4})?,[\w.:%\-]*,\d+,[\w.:%\-]*,\d+,-?\d+,\d+\.\d+[-,]\d+\.\d+,",
    re.MULTILINE,
)
_HEADER = re.compile(rb"^time,srcaddress,srcport,", re.MULTILINE)
_TIME = re.compile(r"(?:[+-]\d{4}:)?(\d{14})(\.\d+)?")
#: A row or a header, to be told from the lines of a report.
ROWS = re.compile(rb"(?:[+-]\d{4}:)?\d{14}[\d.+-]*,|time,srcaddress,", re.MULTILINE)
#: What iperf2 2.2 writes for a 32-bit counter the kernel did not tell.
_UNKNOWN = 2**32 - 1
_NEEDED = ("transferid", "istart", "iend", "bytes", "speed")
_BOUNCED = ("bbavg", "bbmin", "bbmax", "bbstdev", "rps")


def sniff(head: bytes) -> bool:
    """Whether a line or a header of ``-y C`` is here."""
    return _LINE.search(head) is not None or _HEADER.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read every test in ``raw``."""
    walk = _Walk()
    for at, line in enumerate(texts.decoded(raw).split("\n"), 1):
        if not line.strip() or len(line) > 2000:
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        if cells[:2] == ["time", "srcaddress"]:
            if walk.groups:
                walk.close()
            walk.titles, walk.headed = cells, True
        elif row := _row(cells, at, walk.titles):
            walk.take(row, cells)
        elif _LINE.match(line.encode()):
            group = walk.group(False, at)
            group.error = group.error or f"line {at} is no complete row: {line.strip()[:120]!r}"
    walk.close()
    if not walk.found and walk.titles:
        return [checks.failed("a header and no row", line=1, notes=("truncated",))]
    if not walk.found:
        raise ParseError("no iperf2 CSV rows in this text")
    return walk.found


class _Walk:
    """Puts rows together to tests.

    Another connection is another stream of the same test, unless its number is taken, a header stands between,
    all streams before have their totals after their intervals, or its total is of another time.
    """

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self.groups: dict[bool, Group] = {}
        self.ports: dict[str, tuple[int, int]] = {}
        self.ended: set[str] = set()
        self.split = False
        self.titles: list[str] | None = None
        self.headed = False
        self.when: float | None = None
        self.untimed = False

    def group(self, served: bool, at: int) -> Group:
        return self.groups.setdefault(served, Group(at, served))

    def close(self) -> None:
        for group in self.groups.values():
            if self.untimed and len({r.stream for r in group.rows}) > 1:
                group.notes.append("parallel_assumed")
            counted = [r for r in totals(group.rows).values() if r.total and not r.report]
            if group.protocol == "udp" and "role_from_ports" in group.notes and counted:
                group.served = True  # only a receiver counts what is lost
            self.found.append(reading(group))
        self.groups, self.ports, self.when, self.untimed = {}, {}, None, False
        self.ended, self.split = set(), False

    def take(self, row: Row, cells: list[str]) -> None:
        near, far = int(cells[2]), int(cells[4])
        when = _seconds(cells[0])
        known = self.ports.get(row.stream, (near, far))
        report = row.total is not None and known == (far, near) != (near, far)
        if not report and known != (near, far) and (near == known[1] or far == known[0]):
            row.stream = f"*{row.stream}"  # the way back of --full-duplex, as the text names it
        if row.stream != "SUM" and not report:
            if self.groups and self._another(row, (near, far), when):
                self.close()
            self.headed = False
            self._note(row, (near, far))
            self.when = self.when if self.when is not None else when
        row.report = report
        served = 0 < near < far or (near > 0 and not far)
        if row.stream == "SUM" or report:  # a sum has 0 for its own port
            served = False if report else next(reversed(self.groups), False)
        if told := self.titles and ("readcnt" in self.titles or "writecnt" in self.titles):
            served = "readcnt" in (self.titles or ())
        group = self.group(served, row.line)
        if not told and not row.bounce and not group.notes:
            group.notes.append("role_from_ports")
        if len(cells) == 14 or "datagrams" in (self.titles or ()):
            group.protocol = "udp"
        group.started_at = group.started_at or clock.of_text(_TIME.sub(r"\1", cells[0].partition("+")[0]))
        near_address, far_address = cells[1], cells[3]
        group.asked.setdefault("family", conditions.family(near_address, far_address))
        group.rows.append(decided(row, group.notes, seconds_slack=0.1))

    def _another(self, row: Row, ports: tuple[int, int], when: float | None) -> bool:
        """Whether a row is of another test than those before it."""
        if row.stream in self.ports:
            return row.stream in self.ended or ports != self.ports[row.stream]
        if self.headed or len(self.ended) == len(self.ports):
            return bool(self.ports)
        if row.start or self.split:
            return False
        if when is None or self.when is None:
            self.untimed = True
            return False
        return abs(when - self.when) >= max(1.0, (row.end - row.start) / 2)

    def _note(self, row: Row, ports: tuple[int, int]) -> None:
        """Remember a connection, and whether its total has been seen: a row from 0 after others."""
        if row.start == 0 and row.stream in self.ports:
            self.ended.add(row.stream)
        self.ports.setdefault(row.stream, ports)
        self.split |= row.start > 0 or row.stream in self.ended


def _seconds(time: str) -> float | None:
    """Seconds of a row's time; None for the year 1970, which 2.1 writes where it has not looked at the clock."""
    found = _TIME.match(time)
    try:
        moment = datetime.strptime(found[1], "%Y%m%d%H%M%S") if found else None
    except ValueError:
        return None
    if found is None or moment is None or moment.year < 1990:
        return None
    return (moment - datetime(1990, 1, 1)).total_seconds() + float(found[2] or 0)


def _row(cells: list[str], at: int, titles: list[str] | None) -> Row | None:
    if len(cells) < 9 or not (cells[2].isdecimal() and cells[4].isdecimal()):
        return None
    if span := re.fullmatch(r"(\d+\.\d+)-(\d+\.\d+)", cells[6]):
        values = dict(zip(_NEEDED, (cells[5], span[1], span[2], cells[7], cells[8])))
        # Only a jitter has a decimal point: the counters a sender's row has there have none.
        if len(cells) >= 14 and "." in cells[9]:
            values |= dict(zip(("jitter", "errors", "datagrams"), cells[9:12]))
    elif titles is None or len(cells) == len(titles):
        values = dict(zip(titles or [*("",) * 5, *_NEEDED], cells))
        if "writecnt" in values:  # what a sender prints of jitter and loss is not its receiver's
            values = {k: v for k, v in values.items() if k not in ("jitter", "errors", "datagrams")}
    else:
        return None
    stream = values.get("transferid")
    start, end, size, bps = (number(values.get(key)) for key in _NEEDED[1:])
    if stream is None or start is None or end is None or size is None or bps is None:
        return None
    # The sum of n streams has the number -1, since 2.2 at times -n.
    row = Row("SUM" if stream.startswith("-") else stream, start, end, bps, at, size)
    jitter, lost, total = (number(values.get(key)) for key in ("jitter", "errors", "datagrams"))
    row.jitter_s = None if jitter is None else jitter * 1e-3
    if total is not None and total > 0:  # a client writes -1 for what it does not know
        row.lost, row.total = lost, total
    retries, rtt = number(values.get("tcpretry")), number(values.get("tcprtt"))
    row.retries = retries if retries is not None and 0 <= retries < _UNKNOWN else None
    row.rtt_s = rtt * 1e-6 if rtt and 0 < rtt < _UNKNOWN else None
    if "bbcnt" in values:
        *times, rate = (number(values.get(key)) for key in _BOUNCED)
        row.bounce = Bounce.of(times, rate)
        row.rtt_s = None
    delays = [number(values.get(key)) for key in ("ttavg", "ttmin", "ttmax", "ttsdev")]
    if None not in delays:
        row.delay_s = tuple(d * 1e-3 for d in delays if d is not None)  # type: ignore[assignment]
    return row
