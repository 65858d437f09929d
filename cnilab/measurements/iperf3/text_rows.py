"""From the rows of one test in iperf3's text to a Reading: whose figures they are, and what they add up to.

Where the rows stand in a text, and which are one test's, is :mod:`.text`'s to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import plausible as checks

_LOSS = re.compile(
    r"(?P<jitter>\d+\.\d+) ms +(?P<lost>-?\d{1,15})/ *(?P<total>\d{1,15}) +\((?P<percent>[^)]*)%\)"
)
_RETRANSMITS = re.compile(
    r"^ +(?P<count>\d{1,15})(?: +-?[\d.]+ [KMG]?Bytes)?(?: +(?:sender|\(omitted\)))? *$"
)


@dataclass
class Row:
    """One row of one stream, or of their sum, in bit/s."""

    role: str | None
    stream: str
    start: float
    end: float
    bps: float
    rest: str
    line: int
    bytes: float | None = None


@dataclass
class Test:
    """What has been seen of one test."""

    line: int
    connected: bool = False
    asked: dict[str, object] = field(default_factory=dict)
    started_at: str | None = None
    datagrams: int | None = None
    served: bool = False
    backwards: bool = False
    protocol: str | None = None
    version: str | None = None
    headers: list[str] = field(default_factory=list)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    cpu: tuple[float, float] | None = None
    error: str | None = None
    doubt: str | None = None
    summed: bool = False
    over: bool = False
    ruled: bool = False
    side: str | None = None
    told: set[tuple[str | None, str, str | None]] = field(default_factory=set)

    def begun(self) -> bool:
        """Whether anything of a run has been seen."""
        return bool(self.rows or self.error or self.headers)


def side_of(row: Row) -> str | None:
    """Return which end's summary this row is, if it says so."""
    return next((side for side in ("sender", "receiver") if side in row.rest), None)


def _conditions(test: Test, protocol: str, summary: list[Row]) -> dict[str, str | float]:
    """What was asked for, as far as the text tells it; how many streams it had is told by its rows."""
    roles = {row.role for _, row in test.rows} - {None}
    streams = {(row.role, row.stream) for _, row in test.rows if row.stream != "SUM"}
    most = max((sum(role == one for one, _ in streams) for role in roles or {None}), default=0)
    ways = (
        "both" if len(roles) > 1 else "reverse" if test.backwards else "forward" if test.connected else None
    )
    told = {"streams": most or None, **test.asked}
    return conditions.of(protocol=protocol.lower(), direction=ways if summary else None, **told)


def silent(test: Test) -> Reading:
    """Reading of a run that only connected."""
    protocol = test.protocol.lower() if test.protocol else "tcp"
    rest: dict = {"test": f"{protocol}_stream"} if test.protocol else {}
    return checks.failed(
        "iperf3 connected and reported nothing", line=test.line, notes=("truncated",), **rest
    )


def reading(test: Test) -> Reading:
    """Turn what has been seen of one test into a Reading."""
    if not (test.rows or test.error or test.doubt):
        return silent(test)
    datagrams = any("atagrams" in h for h in test.headers) or any(_LOSS.search(r.rest) for _, r in test.rows)
    protocol = test.protocol or ("UDP" if datagrams else "TCP")
    rest: dict = {"test": f"{protocol.lower()}_stream", "tool_version": test.version, "line": test.line}
    # The summary is what stands under the second header, or says sender or receiver.
    summary = [r for n, r in test.rows if side_of(r) or n > 1]
    rest |= {"started_at": test.started_at, "conditions": _conditions(test, protocol, summary)}
    named = {(r.role, r.stream) for r in summary}
    if len(named) < len(summary) and not any(side_of(r) for r in summary):
        test.doubt = test.doubt or "the summary has a stream twice and does not say whose figures they are"
    series = _series(test, [r for n, r in test.rows if not side_of(r) and n <= 1])
    notes = (["reverse"] if test.backwards else []) + (["server_side"] if test.served else [])
    if summary and test.served and "server has terminated" in (test.error or ""):
        test.error = None  # somebody stopped the server after its last test
    if not test.error and (lacking := _lacking(test, summary)):
        test.doubt = test.doubt or f"the output was cut short: the summary lacks {lacking} of the streams"
    if test.error or test.doubt:
        return Reading(status="failed", reason=test.error or test.doubt, intervals=series, **rest)
    if not summary:
        reason = "no summary: the output was cut short"
        return Reading(status="failed", reason=reason, intervals=series, notes=(*notes, "truncated"), **rest)
    samples: list[Sample] = []
    duration = None
    for prefix, roles in (("", (None, "TX-C", "RX-S")), ("reverse_", ("RX-C", "TX-S"))):
        rows = [r for r in summary if r.role in roles]
        if rows:
            found, seconds = _direction(rows, prefix, test, notes)
            samples += found
            duration = duration or seconds
    if test.cpu:
        client, server = reversed(test.cpu) if test.served else test.cpu
        for who, ratio in (("client", client), ("server", server)):
            if ratio:
                samples.append(Sample(f"cpu_{who}_ratio", ratio))
        rates = {s.metric: s.value for s in samples if s.metric in ("goodput_bps", "reverse_goodput_bps")}
        two_way = len({r.role in ("RX-C", "TX-S") for r in summary}) > 1
        if len(rates) == 1 + two_way and all(rates.values()) and client and server:
            samples.append(Sample("cpu_s_per_byte", (client + server) * 8 / sum(rates.values())))
    return checks.reading(samples, series, duration_s=duration, notes=tuple(dict.fromkeys(notes)), **rest)


def _lacking(test: Test, summary: list[Row]) -> int:
    """How many streams had rows before the summary and are in none, or only in one end's, of it."""
    lacking = 0
    for role in {r.role for r in summary}:
        seen = {r.stream for _, r in test.rows if r.role == role} - {"SUM"}
        for side in {side_of(r) for r in summary if r.role == role}:
            told = {r.stream for r in summary if r.role == role and side_of(r) == side}
            if "SUM" not in told:
                lacking = max(lacking, len(seen - told))
    return lacking


def _total(rows: list[Row]) -> list[Row]:
    """The [SUM] row if there is one, else every stream's own."""
    return [r for r in rows if r.stream == "SUM"] or rows


def _together(rows: list[Row], notes: list[str]) -> float:
    """Rate of one end's rows: the sum that is printed, unless it is not its streams' and their bytes say so too.

    Amounts are printed in three digits, so a rate that is not its bytes over its seconds is remarked and kept.
    """
    total = _total(rows)
    bps = sum(row.bps for row in total)
    streams = [row for row in rows if row.stream != "SUM"]
    if total != streams and len(streams) > 1 and abs(sum(row.bps for row in streams) - bps) > 0.02 * bps:
        notes.append("sum_and_streams_disagree")
        if not _exact(total[0]) and all(map(_exact, streams)):
            return sum(row.bps for row in streams)
    elif not all(map(_exact, total)):
        notes.append("rate_and_bytes_disagree")
    return bps


def _exact(row: Row) -> bool:
    """Whether a row's rate is its bytes over its seconds, within what three digits and two decimals leave open."""
    seconds = row.end - row.start
    if not row.bytes or seconds < 0.1 or row.bytes < 1e4:
        return True
    return checks.agree(row.bps, row.bytes, seconds, slack=0.02 + 0.02 / seconds)


def _direction(rows: list[Row], prefix: str, test: Test, notes: list[str]) -> tuple[list[Sample], float]:
    """Samples and seconds of one direction from its summary rows."""
    served = test.served
    ends = {side: [r for r in rows if side_of(r) == side] for side in ("sender", "receiver", None)}
    sent, received, unsaid = (_total(ends[side]) for side in ("sender", "receiver", None))
    found: list[Sample] = []
    # A server writes 0 for what only its client knows; a file may lack the line that says which end wrote it.
    if served or any(r.bps for r in received):
        sent = sent if sum(r.bps for r in sent) else []
    if served:
        received = received if sum(r.bps for r in received) or not sent else []
    if sent:
        found.append(Sample(f"{prefix}sent_bps", _together(ends["sender"], notes)))
    if received:
        found.append(Sample(f"{prefix}goodput_bps", _together(ends["receiver"], notes)))
    counts = [int(m["count"]) for r in sent if (m := _RETRANSMITS.match(r.rest))]
    if counts:
        found.append(Sample(f"{prefix}retransmitted_segments", float(sum(counts))))
    losses = [m for r in received or unsaid if (m := _LOSS.search(r.rest))]
    lost, total = sum(int(m["lost"]) for m in losses), sum(int(m["total"]) for m in losses)
    if unsaid and not sent and not received:
        # Until 3.1 one line told the sender's rate, 0 where a server was not told it, and the receiver's loss.
        bps = _together(ends[None], notes)
        if bps and losses:
            found.append(Sample(f"{prefix}sent_bps", bps))
        elif not (served and total):
            found.append(Sample(f"{prefix}{'goodput' if served or not bps else 'sent'}_bps", bps))
        if total and bps:
            datagrams = test.datagrams if test.datagrams and test.datagrams >= total and not prefix else total
            found.append(Sample(f"{prefix}goodput_bps", bps * (total - lost) / datagrams))
            notes.append("goodput_from_loss")
    if not any(s.metric.endswith("goodput_bps") for s in found):
        notes.append("receiver_missing")
    last = (received or unsaid or sent or rows)[0]
    if total:
        found += [
            Sample(f"{prefix}loss_ratio", lost / total),
            Sample(f"{prefix}lost_packets", float(lost)),
            Sample(f"{prefix}total_packets", float(total)),
            Sample(f"{prefix}jitter_rfc1889_s", sum(float(m["jitter"]) for m in losses) / len(losses) * 1e-3),
        ]
        if last.end > last.start:
            found.append(Sample(f"{prefix}packet_rate_per_s", (total - lost) / (last.end - last.start)))
    return found, last.end - last.start


def _series(test: Test, rows: list[Row]) -> tuple[Interval, ...]:
    """Per-interval rates: the [SUM] rows of several streams, the rows themselves of one."""
    summed = {(r.role, r.start) for r in rows if r.stream == "SUM"}
    head = test.headers[0] if test.headers else ""
    receiving = "Jitter" in head or test.backwards or (test.served and "Retr" not in head)
    found = []
    for row in rows:
        if row.end <= row.start or (row.stream != "SUM" and (row.role, row.start) in summed):
            continue
        gets = row.role.startswith("RX") if row.role else receiving
        prefix = "reverse_" if row.role in ("RX-C", "TX-S") else ""
        metric = f"{prefix}{'goodput' if gets else 'sent'}_bps"
        found.append(Interval(row.start, row.end, metric, row.bps, "(omitted)" in row.rest))
    return tuple(found)
