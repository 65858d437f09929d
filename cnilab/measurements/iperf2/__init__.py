"""iperf2 (2.0 and 2.1): reads its text report and its ``-y C`` rows. The lab runs iperf3 instead.

A TCP client's figure is what it *sent*; only a server's report, or the server's own output, is goodput.
"""

from __future__ import annotations

import re

from cnilab.measurements.base import Reading
from cnilab.measurements.iperf2 import csv_rows, text
from cnilab.measurements.reading import texts

NAME = "iperf2"

_SNIFF = re.compile(
    rb"\bClient connecting to \S+, (?:TCP|UDP) port|\bServer listening on (?:TCP|UDP) port"
    rb"|\] local \S+ port \d+ connected with \S+ port \d|^\[ *\d+\] tcp connect to \S+ port \d+ failed"
    rb"|^\[ *\*?(?:\d+|SUM)\] +(?:local|Sent|Server Report|\d[\d.]*- *[\d.]+ sec )",
    re.MULTILINE,
)


#: Lines of ``-y C``, which may stand below a report.
FORMS = (csv_rows.ROWS,)


def sniff(head: bytes) -> bool:
    """Whether this is iperf2's text or CSV."""
    return csv_rows.sniff(head) or (
        _SNIFF.search(head) is not None
        and b" connected to " not in head
        and b"Connecting to host" not in head
    )


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a test and direction.

    Raises
    ------
    ParseError
        Where the bytes are not iperf2's.
    """
    raw = texts.plain(raw)
    return csv_rows.parse(raw) if csv_rows.sniff(raw[:65536]) else text.parse(raw)
