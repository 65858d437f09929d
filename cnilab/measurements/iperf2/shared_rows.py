"""What iperf2's text and CSV rows have in common: interval rows and, somewhere among them, the total.

The total is a row of the same form as the intervals; it alone begins at 0 again after them. A file that was
cut before it has no total, and so no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import plausible as checks

#: In the order in which iperf2 prints them.
STATS = ("mean", "min", "max", "stddev")
#: Fewer bytes than these are no test's, and do not tell its rate.
_TELLING = 10_000


@dataclass(frozen=True)
class Bounce:
    """What ``--bounceback`` told: the round trips of requests that the far end sent back, and their rate."""

    rtt_s: tuple[float, float, float, float]
    per_s: float

    @classmethod
    def of(cls, times_ms: Sequence[float | None], per_s: float | None) -> Bounce | None:
        """Take mean, minimum, maximum and standard deviation in ms, and a rate; None where one is unreadable."""
        if per_s is None or None in times_ms:
            return None
        mean, least, most, spread = (t * 1e-3 for t in times_ms if t is not None)
        return cls((mean, least, most, spread), per_s)

    def samples(self) -> list[Sample]:
        times = [Sample("rtt_s", v, s) for v, s in zip(self.rtt_s, STATS)]
        return [Sample("transaction_rate_per_s", self.per_s), *times]


@dataclass
class Row:
    """One row of one stream; what TCP or UDP added to it where it did."""

    stream: str
    start: float
    end: float
    bps: float
    line: int
    bytes: float | None = None
    report: bool = False
    jitter_s: float | None = None
    lost: float | None = None
    total: float | None = None
    retries: float | None = None
    rtt_s: float | None = None
    delay_s: tuple[float, float, float, float] | None = None
    bounce: Bounce | None = None


@dataclass
class Group:
    """The rows of one test in one direction; ``served`` where this end received."""

    line: int
    served: bool
    protocol: str = "tcp"
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    version: str | None = None
    expected: set[str] = field(default_factory=set)
    asked: dict[str, object] = field(default_factory=dict)
    started_at: str | None = None
    bounced: bool = False


def decided(row: Row, notes: list[str], seconds_slack: float) -> Row:
    """Take a row's rate from its bytes and seconds where the printed one is not theirs.

    Parameters
    ----------
    seconds_slack
        By how much the printed interval may differ from the measured one.
    """
    seconds = row.end - row.start
    # A short interval is printed in too few digits to tell.
    if row.bytes is None or row.bytes < _TELLING or row.bps < 0 or seconds < 5 * seconds_slack:
        return row
    if not checks.agree(row.bps, row.bytes, seconds, slack=0.02 + seconds_slack / seconds):
        notes.append("rate_and_bytes_disagree")
        row.bps = row.bytes * 8 / seconds
    return row


def totals(rows: list[Row]) -> dict[str, Row]:
    """Return each stream's total: the row from 0 to the latest end, unless more rows follow it."""
    found: dict[str, Row] = {}
    for row in rows:
        before = found.get(row.stream)
        if row.start == 0:
            found[row.stream] = row
        elif before is not None and row.start >= before.end - 1e-9:
            del found[row.stream]  # the first interval of a series, not a total
    return found


def reading(group: Group) -> Reading:
    """Turn one group into a Reading."""
    rest: dict = {"test": f"{group.protocol}_stream", "line": group.line, "tool_version": group.version}
    own = [r for r in group.rows if not r.report]
    rest |= {"conditions": _conditions(group, own), "started_at": group.started_at}
    if any(r.bounce for r in own) or group.bounced:
        return _bounced(group, own)
    series = _series(own, group.served)
    if group.error:
        return Reading(status="failed", reason=group.error, intervals=series, **rest)
    found = totals(own)
    best = _best(found)
    lacking = (group.expected | {r.stream for r in own}) - {*found, "SUM"}
    if not best or ("SUM" not in found and lacking):
        reason = "no total row: the output was cut short"
        return Reading(status="failed", reason=reason, intervals=series, notes=("truncated",), **rest)
    bps = sum(r.bps for r in best)
    if not bps:
        why = f"{'goodput' if group.served else 'sent'}_bps was printed as 0: nothing ran or nothing was sent"
        return Reading(status="failed", reason=why, intervals=series, **rest)
    notes = list(group.notes)
    together = sum(r.bps for stream, r in found.items() if stream != "SUM")
    if (
        len(found) > 2
        and "SUM" in found
        and best[0].stream == "SUM"
        and abs(bps - together) > 0.05 * together
    ):
        notes.append("sum_and_streams_disagree")
    samples = [Sample("goodput_bps" if group.served else "sent_bps", bps)]
    reports = list({r.stream: r for r in group.rows if r.report}.values())
    streams = {r.stream for r in own if r.stream != "SUM"}
    # With -e the [SUM] of a server counts datagrams without their jitter; its streams have both.
    far = reports if not group.served else best if any(r.total for r in best) else list(found.values())
    if not group.served:
        if reports and len(reports) >= len(streams):
            samples.append(Sample("goodput_bps", sum(r.bps for r in reports)))
        else:
            far = []
            notes.append("receiver_missing")
    if any(s.metric == "goodput_bps" for s in samples):
        notes = [note for note in notes if note != "receiver_missing"]  # the report came after the warning
    samples += _datagrams(far)
    if group.protocol == "tcp" and len(best) == 1 and best[0].delay_s:
        samples += [Sample("latency_s", v, s) for v, s in zip(best[0].delay_s, STATS)]
    if all(r.retries is not None for r in best):
        samples.append(Sample("retransmitted_segments", sum(r.retries or 0.0 for r in best)))
    rtts = [r.rtt_s for r in totals(own).values() if r.rtt_s]
    if rtts:
        samples.append(Sample("rtt_s", sum(rtts) / len(rtts)))
    return checks.reading(
        samples, series, duration_s=max(r.end for r in best), notes=tuple(dict.fromkeys(notes)), **rest
    )


def _conditions(group: Group, own: list[Row]) -> dict[str, conditions.Value]:
    """What was asked for; how many streams there were is told by the rows."""
    streams = {r.stream for r in own} - {"SUM"}
    told: dict[str, object] = {"streams": len(streams) or None, "protocol": group.protocol, **group.asked}
    if "role_from_ports" not in group.notes:
        told["direction"] = "reverse" if "reverse" in group.notes else "forward"
    return conditions.of(**told)


def _bounced(group: Group, own: list[Row]) -> Reading:
    """Reading of a bounceback test: its transactions; the rate of its bytes says nothing."""
    rest: dict = {"test": "tcp_rr", "line": group.line, "tool_version": group.version}
    rest |= {"conditions": conditions.of(protocol="tcp", **group.asked), "started_at": group.started_at}
    if group.error:
        return Reading(status="failed", reason=group.error, **rest)
    if group.served and not any(r.bounce for r in own):
        why = "the server of a bounceback test prints bytes; its figures are its client's"
        return Reading(status="skipped", reason=why, **rest)
    told = [r for r in totals(own).values() if r.bounce]
    if len(told) != 1 or told[0].bounce is None:
        why = "bounceback over several streams" if told else "no total row: the output was cut short"
        return Reading(status="failed", reason=why, notes=() if told else ("truncated",), **rest)
    samples = told[0].bounce.samples()
    if told[0].retries is not None:
        samples.append(Sample("retransmitted_segments", told[0].retries))
    return checks.reading(samples, duration_s=told[0].end, notes=tuple(dict.fromkeys(group.notes)), **rest)


def _best(found: dict[str, Row]) -> list[Row]:
    """The SUM row of several streams if it was printed and is their sum, else every stream's own.

    Of a test both ways, and of a server with several tests at a time, [SUM] adds what does not belong together.
    """
    own = [row for stream, row in found.items() if stream != "SUM"]
    total = found.get("SUM")
    if total is None:
        return own
    together = sum(row.bps for row in own)
    return [total] if not own or 0.75 * together <= total.bps <= 1.25 * together else own


def _datagrams(rows: list[Row]) -> list[Sample]:
    rows = [r for r in rows if r.total and r.lost is not None]
    total, lost = sum(r.total or 0.0 for r in rows), sum(r.lost or 0.0 for r in rows)
    if not total:
        return []
    found = [
        Sample("loss_ratio", lost / total),
        Sample("lost_packets", lost),
        Sample("total_packets", total),
    ]
    if all(r.end > r.start for r in rows):
        rate = sum(((r.total or 0) - (r.lost or 0)) / (r.end - r.start) for r in rows)
        found.append(Sample("packet_rate_per_s", rate))
    jitters = [r.jitter_s for r in rows if r.jitter_s is not None]
    if jitters:
        found.append(Sample("jitter_rfc1889_s", sum(jitters) / len(jitters)))
    if len(rows) == 1 and rows[0].delay_s:
        found += [Sample("one_way_delay_s", v, s) for v, s in zip(rows[0].delay_s, STATS)]
    return found


def _series(rows: list[Row], served: bool) -> tuple[Interval, ...]:
    """Interval rows of the whole test: those of SUM, or of the one stream there is."""
    streams = {r.stream for r in rows}
    chosen = "SUM" if "SUM" in streams else next(iter(streams)) if len(streams) == 1 else None
    last = totals(rows).get(chosen or "")
    metric = "goodput_bps" if served else "sent_bps"
    return tuple(
        Interval(r.start, r.end, metric, r.bps)
        for r in rows
        if r.stream == chosen and r is not last and r.end > r.start
    )
