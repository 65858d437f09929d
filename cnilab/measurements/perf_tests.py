"""kubernetes/perf-tests, network benchmark: the CSV its orchestrator prints, alone or within its log.

A row is a scenario, a column an MSS; values are Mbit/s at the receiver. The ``Maximum`` of a row is a choice
among its columns and is read only where there is no other. A 0 is what that program writes when it could not
read its tool's output: a failure here.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts
from cnilab.measurements.reading.numbers import number

NAME = "perf_tests"

_SNIFF = re.compile(
    rb"^\W{0,8}(?:MSS *, Maximum,|\d+ (?:iperf|qperf|netperf)\b[^,\n]*(?:Same VM|Remote VM|Hairpin|Pod)[^,\n]*,)",
    re.MULTILINE,
)
_ROW = re.compile(
    r"^(?P<label>\d+ (?P<tool>iperf|qperf|netperf)\b ?(?P<protocol>TCP|UDP|SCTP)?[^,]*?) *,"
    r"(?P<cells>[\d.,\- ]+?)$"
)
_KINDS = {"TCP": "tcp_stream", "UDP": "udp_stream", "SCTP": "sctp_stream", None: "tcp_stream"}


def sniff(head: bytes) -> bool:
    """Whether the line of MSS sizes or a scenario's row is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a scenario and MSS.

    Raises
    ------
    ParseError
        Where the bytes hold no such table.
    """
    sizes: list[str] = []
    found: list[Reading] = []
    for at, line in enumerate(texts.decoded(raw).split("\n"), 1):
        if len(line) > 20_000:
            continue
        line = line.strip(" \t│|")  # a terminal's frame may be copied with it
        if re.match(r"^MSS *, Maximum,", line):
            sizes = [cell.strip() for cell in line.split(",")[2:] if cell.strip()]
        elif row := _ROW.match(line):
            found += _row(row, sizes, at)
    if not found:
        raise ParseError("no perf-tests table in this text")
    return found


def _row(row: re.Match[str], sizes: list[str], line: int) -> list[Reading]:
    cells = [cell.strip() for cell in row["cells"].strip().removesuffix(",").split(",")]
    label = row["label"]
    labels = {
        "path": "pod_to_service" if re.search(r"Virtual IP|Hairpin", label) else "pod_to_pod",
        "placement": "same_node" if re.search(r"Same VM|Hairpin", label) else "same_subnet",
    }
    test = _KINDS[row["protocol"]]
    if "Hairpin" in label:
        test += "_hairpin"
    if row["tool"] != "iperf":
        test = f"{row['tool']}_{test}"
    single = len(cells) == 2 or len(cells) == 1
    if not single and len(cells) - 1 > len(sizes):
        why = f"{len(cells) - 1} values under {len(sizes)} MSS sizes: {label}"
        return [checks.failed(why, test=test, line=line, labels=labels)]
    points = [("", cells[-1])] if single else list(zip(sizes, cells[1:]))
    most = None if single else number(cells[0])
    above = [cell for _, cell in points if most is not None and (number(cell) or 0) > most * 1.001]
    if above:
        why = f"{above[0]} is above the row's own maximum, {cells[0]}: {label}"
        return [checks.failed(why, test=test, line=line, labels=labels)]
    return [_point(cell, f"{test}_mss{size}" if size else test, label, line, labels) for size, cell in points]


def _point(cell: str, test: str, label: str, line: int, labels: dict[str, str]) -> Reading:
    rest: dict = {"test": test, "line": line, "labels": labels}
    value = number(cell)
    if not cell:
        return checks.failed(f"no value: {label}", **rest)
    if value is None:
        return checks.failed(f"unreadable number {cell!r}: {label}", **rest)
    return checks.reading([Sample("goodput_bps", value * 1e6)], **rest)
