"""iperf2's comma separated rows (``-y C``): nine columns, or fourteen with a server's figures.

There is no header and no word about who printed them: the end with the lower port is taken for the server,
and a note says so.
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
    rb"^\d{14}(?:\.\d+)?(?:[+-]\d{4})?,[\w.:%\-]*,\d+,[\w.:%\-]*,\d+,-?\d+,\d+\.\d+-\d+\.\d+,", re.MULTILINE
)


def sniff(head: bytes) -> bool:
    """Whether a line of ``-y C`` is here."""
    return _LINE.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read every test in ``raw``: a stream that begins again after its total begins the next one."""
    found: list[Reading] = []
    group: Group | None = None
    begun: set[str] = set()
    ended: set[str] = set()
    for at, line in enumerate(checks.text(raw).split("\n"), 1):
        if not line.strip() or len(line) > 2000:
            continue
        cells = next(csv.reader([line]), [])
        row = _row(cells, at)
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
            group = Group(at, int(cells[2]) < int(cells[4]), notes=["role_from_ports"])
            begun, ended = set(), set()
        if row.total is not None:
            group.protocol = "udp"
        group.rows.append(row)
        if not row.report:
            if row.start == 0 and row.stream in begun:
                ended.add(row.stream)
            begun.add(row.stream)
    if group:
        found.append(reading(group))
    if not found:
        raise ParseError("no iperf2 CSV rows in this text")
    return found


def _row(cells: list[str], at: int) -> Row | None:
    if len(cells) < 9:
        return None
    span = re.fullmatch(r"(\d+\.\d+)-(\d+\.\d+)", cells[6].strip())
    bps, size = number(cells[8]), number(cells[7])
    if not span or bps is None or size is None or not (cells[2].isdecimal() and cells[4].isdecimal()):
        return None
    stream = "SUM" if cells[5].strip() == "-1" else cells[5].strip()
    row = Row(stream, float(span[1]), float(span[2]), bps, at)
    if len(cells) >= 14:  # a server's figures: its own rows, or its report in a client's output
        jitter, lost, total = (number(cell) for cell in cells[9:12])
        row.jitter_s = None if jitter is None else jitter * 1e-3
        if total is not None and total > 0:  # a client writes -1 for what it does not know
            row.lost, row.total = lost, total
    return row
