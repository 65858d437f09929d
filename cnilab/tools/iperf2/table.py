"""iperf2's comma separated rows (``-y C``), of three kinds.

Up to 2.1 a row has nine columns, or fourteen with a server's figures, and no header. Since 2.1.9 the time begins
with the zone, and ``-e`` adds a sender's columns that are no server's figures. Since 2.2 ``-e`` prints a header and
gives the interval two columns. Where no header tells the role, the end with the lower port is taken for the
server, and a note says so.
"""

from __future__ import annotations

import csv
import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Reading
from cnilab.tools.checks import number
from cnilab.tools.iperf2.rows import Group, Row, reading

_LINE = re.compile(
    rb"^(?:[+-]\d{4}:)?\d{14}(?:\.\d+)?(?:[+-]\d{4})?,[\w.:%\-]*,\d+,[\w.:%\-]*,\d+,-?\d+,\d+\.\d+[-,]\d+\.\d+,",
    re.MULTILINE,
)
_HEADER = re.compile(rb"^time,srcaddress,srcport,", re.MULTILINE)
#: What iperf2 2.2 writes for a 32-bit counter the kernel did not tell.
_UNKNOWN = 2**32 - 1
_NEEDED = ("transferid", "istart", "iend", "bytes", "speed")


def sniff(head: bytes) -> bool:
    """Whether a line or a header of ``-y C`` is here."""
    return _LINE.search(head) is not None or _HEADER.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read every test in ``raw``: a stream that begins again after its total begins the next one."""
    found: list[Reading] = []
    group: Group | None = None
    titles: list[str] | None = None
    begun: set[str] = set()
    ended: set[str] = set()
    for at, line in enumerate(checks.text(raw).split("\n"), 1):
        if not line.strip() or len(line) > 2000:
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        if cells[:2] == ["time", "srcaddress"]:
            titles = cells
            continue
        row = _row(cells, at, titles)
        if row is None:
            if _LINE.match(line.encode()):
                group = group or Group(at, False)
                group.error = group.error or f"line {at} is no complete row: {line.strip()[:120]!r}"
            continue
        row.report = row.total is not None and group is not None and not group.served
        if group and row.stream in ended and not row.report:
            found.append(reading(group))
            group = None
        if group is None:
            group = _begin(cells, at, titles)
            begun, ended = set(), set()
        if row.jitter_s is not None:
            group.protocol = "udp"
        group.rows.append(row)
        if not row.report:
            if row.start == 0 and row.stream in begun:
                ended.add(row.stream)
            begun.add(row.stream)
    if group:
        found.append(reading(group))
    if not found and titles:
        return [checks.failed("a header and no row", line=1, notes=("truncated",))]
    if not found:
        raise ParseError("no iperf2 CSV rows in this text")
    return found


def _begin(cells: list[str], at: int, titles: list[str] | None) -> Group:
    """Open the group of a first row: what the header says of the role, or else what the ports do."""
    if titles and ("readcnt" in titles or "writecnt" in titles):
        group = Group(at, "readcnt" in titles)
        group.protocol = "udp" if "datagrams" in titles else "tcp"
        return group
    near, far = int(cells[2]), int(cells[4])
    # The row of a sum has 0 for its own port: then nothing is known, and nothing is called goodput.
    return Group(at, 0 < near < far, notes=["role_from_ports"])


def _row(cells: list[str], at: int, titles: list[str] | None) -> Row | None:
    if len(cells) < 9 or not (cells[2].isdecimal() and cells[4].isdecimal()):
        return None
    if span := re.fullmatch(r"(\d+\.\d+)-(\d+\.\d+)", cells[6]):
        values = {
            "transferid": cells[5],
            "istart": span[1],
            "iend": span[2],
            "bytes": cells[7],
            "speed": cells[8],
        }
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
    row = Row("SUM" if stream == "-1" else stream, start, end, bps, at)
    jitter, lost, total = (number(values.get(key)) for key in ("jitter", "errors", "datagrams"))
    row.jitter_s = None if jitter is None else jitter * 1e-3
    if total is not None and total > 0:  # a client writes -1 for what it does not know
        row.lost, row.total = lost, total
    retries, rtt = number(values.get("tcpretry")), number(values.get("tcprtt"))
    row.retries = retries if retries is not None and 0 <= retries < _UNKNOWN else None
    row.rtt_s = rtt * 1e-6 if rtt and 0 < rtt < _UNKNOWN else None
    return row
