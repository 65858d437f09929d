"""The tables of netperf's classic tests: what their unit row says, and the numbers below it.

The unit row is the one line that names a table's layout; column titles above it changed between versions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.netperf import omni
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

_STREAM = re.compile(r"bytes\s+bytes\s+bytes\s+secs\.\s+(\S+(?: +/s)?)(.*)", re.IGNORECASE)
_DATAGRAMS = re.compile(r"bytes\s+bytes\s+secs\.?\s+#\s+#\s+(\S+)(.*)", re.IGNORECASE)
_TRANSACTIONS = re.compile(r"bytes\s+bytes\s+bytes\s+bytes\s+secs\.\s+(per sec|\S+)(.*)", re.IGNORECASE)
_CPU_UNITS = re.compile(r"\b(us/(?:KB|Tr)\w*)", re.IGNORECASE)
#: Second title row of what ``-v 2`` tells of a transaction test.
ROUND_TRIP = re.compile(r"Send +Recv +Send +Recv +usec/Tran +per sec\b", re.IGNORECASE)
_TPUT = re.compile(r"\bTime +(10\^\d+bits|[KMG]?Bytes)\b")
#: Numbers in a receiver's row: without CPU columns and with them.
RECEIVER = (4, 6)


@dataclass(frozen=True)
class Layout:
    """A table: its kind, the unit of its rate, the unit of its service demand if CPU columns follow."""

    kind: str
    unit: str
    demand: str | None = None


def layout(line: str, above: str = "") -> Layout | None:
    """Recognise the unit row of a table, or return None.

    Parameters
    ----------
    above
        The line above it. A transaction test with ``-f`` and CPU columns names its unit there, and writes the same
        ``per sec`` below it as without ``-f``.
    """
    line = line.strip()
    for kind, pattern in (("rr", _TRANSACTIONS), ("datagrams", _DATAGRAMS), ("stream", _STREAM)):
        if found := pattern.match(line):
            unit, demand = found[1].replace(" /", "/").replace(" ", ""), _CPU_UNITS.search(found[2])
            if kind == "rr":
                tput = _TPUT.search(above) if found[1] == "per sec" else None
                unit = f"{tput[1]}/s" if tput else found[1]
            return Layout(kind, unit, demand[1] if demand else None)
    return None


def lone(test: str | None, unit: str | None) -> Layout | None:
    """Layout of the one number that ``-v 0`` prints; of a UDP stream it says not whose it is.

    Parameters
    ----------
    unit
        That of the interim results before it, or None where there are none: then it is that of the kind of test.
    """
    if (test is None and unit is None) or test == "udp_stream":
        return None
    return Layout("lone", unit or ("per sec" if test and test.endswith(("rr", "cc")) else "10^6bits/s"))


def bare(numbers: list[str]) -> Layout | None:
    """Guess the layout of a row printed without any header (``-P 0``), by the form of its numbers alone."""
    whole = [bool(re.fullmatch(r"\d+", n)) for n in numbers]
    if len(numbers) in (5, 9) and whole[:3] == [True] * 3 and not whole[3] and not whole[4]:
        return Layout("stream", "10^6bits/s", "us/KB" if len(numbers) == 9 else None)
    if len(numbers) in (6, 10) and whole[:4] == [True] * 4 and not whole[4] and not whole[5]:
        return Layout("rr", "per sec", "us/Tr" if len(numbers) == 10 else None)
    if len(numbers) in (6, 8) and whole == [True, True, False, True, True] + [False] * (len(numbers) - 5):
        return Layout("datagrams", "10^6bits/s", "us/KB" if len(numbers) == 8 else None)
    return None


def reading(
    table: Layout,
    row: list[str],
    second: list[str],
    test: str | None,
    line: int,
    notes: tuple[str, ...] = (),
    **rest: Any,
) -> Reading:
    """Read the numbers of one table.

    Parameters
    ----------
    row, second
        The first row of numbers and, for datagram tests, the receiver's row below it (or an empty list).
    """
    values: list = [number(n) for n in row]
    if None in values:
        return checks.failed(f"unreadable number in {' '.join(row)!r}", test=test, line=line, **rest)
    noted = list(notes)
    try:
        if table.kind == "rr":
            elapsed, samples = _transactions(table, values, test)
            test = test or "rr"
        elif table.kind == "lone":
            elapsed, samples = None, [_rate(values[0], table.unit, test)]
            test = test or ("rr" if table.unit in omni.TRANSACTIONS else "stream")
        elif table.kind == "datagrams":
            elapsed, samples = _datagrams(table, values, [number(n) for n in second])
            test = test or "udp_stream"
            if not any(s.metric == "goodput_bps" for s in samples):
                noted.append("receiver_missing")
        else:
            elapsed, samples = _stream(table, values)
            test = test or "stream"
        if test.endswith("rr") and samples[0].metric == "goodput_bps":
            noted.append("both_directions")
    except ParseError as problem:
        return checks.failed(problem.what, test=test, line=line, **rest)
    told = _asked(table, values, test, noted)
    return checks.reading(
        samples, test=test, line=line, duration_s=elapsed, notes=tuple(noted), conditions=told, **rest
    )


def _asked(table: Layout, values: list, test: str, notes: list[str]) -> dict[str, conditions.Value]:
    """Sizes of a table's row; those of the sockets are the machine's own where nobody asked for others."""
    sizes: dict[str, float] = {}
    if table.kind == "stream":
        sizes = {"message_bytes": values[2]}
    elif table.kind == "datagrams":
        sizes = {"datagram_bytes": values[1]}
    elif table.kind == "rr":
        sizes = {"request_bytes": values[2], "response_bytes": values[3]}
    return omni.conditions_of(test, notes, **sizes)


def with_round_trip(found: Reading, numbers: list[str]) -> Reading:
    """Add what ``-v 2`` tells of a transaction test below its table: the round trip, and the rate that ``-f`` hid."""
    values = [number(word) for word in numbers]
    test = found.test or ""
    if found.status != "ok" or len(values) < 8 or None in values or not test.endswith(("rr", "cc")):
        return found
    latency, per_s = values[4], values[5]
    metrics = {sample.metric for sample in found.samples}
    more = []
    if (rate := omni.transactions_metric(test)) not in metrics and per_s:
        more.append(Sample(rate, per_s))
    if (time := "latency_s" if test.endswith(omni.CONNECTS) else "rtt_s") not in metrics and latency:
        more.append(Sample(time, latency * 1e-6, "mean"))
    return replace(found, samples=(*found.samples, *more)) if checks.fault(more) is None else found


def _need(values: list, *counts: int) -> None:
    if len(values) not in counts:
        raise ParseError(f"a row of {len(values)} numbers where {' or '.join(map(str, counts))} belong")


def _cpu(table: Layout, values: list) -> list[Sample]:
    """CPU columns: two utilisations of the whole machine, two service demands; -1 where not measured."""
    if len(values) < 4 or table.demand is None:
        return []
    near, far, near_demand, far_demand = values[:4]
    found = [
        Sample(f"cpu_{who}_machine_ratio", percent / 100)
        for who, percent in (("client", near), ("server", far))
        if percent and percent != -1
    ]
    if near_demand > 0 and far_demand > 0:
        found += omni.service_demand(near_demand, far_demand, table.demand)
    return found


def _stream(table: Layout, values: list) -> tuple[float, list[Sample]]:
    _need(values, 5, 9)
    return values[3], [Sample("goodput_bps", omni.rate(values[4], table.unit)), *_cpu(table, values[5:])]


def _transactions(table: Layout, values: list, test: str | None) -> tuple[float, list[Sample]]:
    _need(values, 6, 10)
    return values[4], [_rate(values[5], table.unit, test), *_cpu(table, values[6:])]


def _rate(value: float, unit: str, test: str | None) -> Sample:
    """Rate of a transaction test; ``-f`` makes it the payload of requests and answers together."""
    if unit not in omni.TRANSACTIONS:
        return Sample("goodput_bps", omni.rate(value, unit))
    return Sample(omni.transactions_metric(test), value)


def _datagrams(table: Layout, values: list, second: list) -> tuple[float, list[Sample]]:
    """Read the sender's row and the receiver's: only the receiver's is goodput."""
    _need(values, 6, 8)
    elapsed, sent = values[2], values[3]
    samples = [Sample("sent_bps", omni.rate(values[5], table.unit))]
    readable = len(second) in RECEIVER and None not in second
    if readable:
        arrived = second[2]
        samples.append(Sample("goodput_bps", omni.rate(second[3], table.unit)))
        if sent:
            samples += [
                Sample("loss_ratio", (sent - arrived) / sent),
                Sample("lost_packets", sent - arrived),
                Sample("total_packets", sent),
            ]
        if elapsed:
            samples.append(Sample("packet_rate_per_s", arrived / elapsed))
    if len(values) == 8:
        far, far_demand = (second[4:] if readable else None) or (-1, -1)
        samples += _cpu(table, [values[6], far, values[7], far_demand])
    return elapsed, samples
