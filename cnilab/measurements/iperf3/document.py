"""One JSON document of iperf3's and what it says of its test; from 3.0 to 3.2x.

The keys changed often. What matters here: ``end.sum`` of UDP is the *sender's* rate beside the *receiver's*
loss (until ``sum_received`` came), and a server's own document says 0 for what only its client knows.
Where documents stand in a file is the business of :mod:`.documents`.
"""

from __future__ import annotations

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import clock
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number

_RESULTS = {"sum", "sum_sent", "sum_received", "streams"}
_TESTS = {"TCP": "tcp_stream", "UDP": "udp_stream", "SCTP": "sctp_stream"}


def reading(document: dict, line: int) -> Reading:
    """Turn one document into a Reading."""
    if "end" not in document and {"sum_sent", "sum_received"} & document.keys():
        document = {"end": document}  # jq .end
    start, end = branch(document, "start"), branch(document, "end")
    setup = branch(start, "test_start")
    if not (start or end or "error" in document or "intervals" in document):
        raise ParseError("JSON, but not an iperf3 document: neither start nor end nor error", line=line)
    version = str(start["version"]).removeprefix("iperf ")[:40] if "version" in start else None
    test = _TESTS.get(str(setup.get("protocol", "")).upper())
    if test is None and "sum" in end:
        test = "udp_stream"
    elif test is None and "retransmits" in branch(end, "sum_sent"):
        test = "tcp_stream"
    rest: dict = {"tool_version": version, "test": test, "line": line}
    rest["started_at"] = clock.of_seconds(branch(start, "timestamp").get("timesecs"))
    rest["conditions"] = _conditions(start, end, setup)
    error = document.get("error") or end.get("error")
    if "accepted_connection" in start and "the server has terminated" in str(error) and _RESULTS & end.keys():
        error = None  # after its last test somebody stopped the server
    if error:
        return checks.failed(str(error), **rest)
    if not end:
        return checks.failed("the test never ended: its document has no result", **rest)
    served = "accepted_connection" in start and "connecting_to" not in start
    two_way = any(key.endswith("_bidir_reverse") for key in end)
    back = bool(setup.get("reverse")) and not two_way
    notes: list[str] = (["reverse"] if back else []) + (["server_side"] if served else [])

    # A server knows what it received in a forward test and what it sent in a reverse one; the other is 0.
    known = ("received",) if served and not back else ("sent",) if served else ("sent", "received")
    samples = _direction(end, setup, "", known, served, notes)
    received_s = number(branch(end, "sum_received").get("seconds")) or number(
        branch(end, "sum").get("seconds")
    )
    received_s = received_s or number(branch(end, "sum_sent").get("seconds"))
    if two_way:
        known = ("sent",) if served else ("sent", "received")
        samples += _direction(end, setup, "reverse_", known, served, notes)
    samples += _cpu(end, samples, received_s, served, two_way)
    samples += _rtt(end)
    series = _series(branch(document, "intervals", list), served != back, two_way)
    if "server_output_json" in document and not served and not back:
        far = branch(branch(document, "server_output_json"), "intervals", list)
        series += [i for i in _series(far, True, two_way) if i.metric == "goodput_bps"]
    return checks.reading(samples, series, duration_s=received_s, notes=tuple(dict.fromkeys(notes)), **rest)


def _conditions(start: dict, end: dict, setup: dict) -> dict[str, str | float]:
    """What was asked for. A UDP block of the size that the path's own segments have was asked for by nobody."""
    protocol = str(setup.get("protocol", "")).lower()
    size = setup.get("blksize")
    ways = (
        ("both" if setup.get("bidir") else "reverse" if setup.get("reverse") else "forward")
        if setup
        else None
    )
    first = next(iter(branch(start, "connected", list)), None)
    peers = [branch(start, key).get("host") for key in ("connecting_to", "accepted_connection")]
    offered = setup.get("target_bitrate", start.get("target_bitrate"))
    return conditions.of(
        protocol=protocol if protocol in ("tcp", "udp", "sctp") else None,
        family=conditions.family(first.get("local_host") if isinstance(first, dict) else None, *peers),
        direction="both" if any(key.endswith("_bidir_reverse") for key in end) else ways,
        streams=setup.get("num_streams"),
        message_bytes=size if protocol in ("tcp", "sctp") else None,
        datagram_bytes=size if protocol == "udp" else None,
        offered_bps=offered if protocol == "udp" or number(offered) else None,
        window_bytes=number(start.get("sock_bufsize")) or None,
        congestion_control=end.get("sender_tcp_congestion"),
        duration_s=number(setup.get("duration")) or None,
    )


def _direction(
    end: dict, setup: dict, prefix: str, known: tuple[str, ...], served: bool, notes: list[str]
) -> list[Sample]:
    """Samples of one direction; ``prefix`` is ``reverse_`` for the second one of a two-way test."""
    suffix = "_bidir_reverse" if prefix else ""
    both, sent, received = (branch(end, f"{key}{suffix}") for key in ("sum", "sum_sent", "sum_received"))
    found: list[Sample] = []

    def add(metric: str, value: float | None) -> None:
        if value is not None:
            found.append(Sample(prefix + metric, value))

    sent_bps = _rate(end, sent or both, "sender", notes) if "sent" in known else None
    if sent_bps or "received" not in known:
        add("sent_bps", sent_bps)
    if "received" in known and received and not (served and number(received.get("bytes")) == 0 and sent_bps):
        add("goodput_bps", rate := _rate(end, received, "receiver", notes))
        notes += ["receiver_missing"] if rate is None else []
        _compare(end, received, "receiver", prefix, notes)
    elif "received" in known and both:
        derived = _delivered(both, setup)
        add("goodput_bps", derived)
        notes.append("goodput_from_loss" if derived is not None else "receiver_missing")
    else:
        notes.append("receiver_missing")
    if "sent" in known:
        add("retransmitted_segments", number(sent.get("retransmits")))
    far = received if number(received.get("packets")) else both
    packets, lost = number(far.get("packets")), number(far.get("lost_packets"))
    if "received" in known and packets and lost is not None:
        percent = number(far.get("lost_percent"))
        add("loss_ratio", lost / packets if percent is None else percent / 100)
        add("lost_packets", lost)
        add("total_packets", packets)
        if seconds := number(far.get("seconds")):
            add("packet_rate_per_s", (packets - lost) / seconds)
        if (jitter := number(far.get("jitter_ms"))) is not None:
            add("jitter_rfc1889_s", jitter * 1e-3)
    return found


def _rate(end: dict, total: dict, side: str, notes: list[str]) -> float | None:
    """Return a total's rate; where its streams' rates are others, bytes over seconds decide which is right.

    Alone, a rate that is not its bytes over its seconds is kept: old versions write one end's seconds beside the
    other's bytes, but reckon with the right ones.
    """
    bps, size, seconds = (number(total.get(key)) for key in ("bits_per_second", "bytes", "seconds"))
    if bps is None or not size or not seconds or checks.agree(bps, size, seconds, slack=0.05):
        return bps
    notes.append("rate_and_bytes_disagree")
    streams = branch(end, "streams", list)
    parts = [number(branch(stream, side).get("bits_per_second")) for stream in streams]
    together = sum(part for part in parts if part is not None)
    if len(parts) > 1 and None not in parts and checks.agree(together, size, seconds, slack=0.05):
        return size * 8 / seconds
    return bps


def _compare(end: dict, total: dict, side: str, prefix: str, notes: list[str]) -> None:
    """Remark where a sum is not that of its streams; a two-way test's streams are of both ways."""
    whole, streams = number(total.get("bytes")), branch(end, "streams", list)
    if prefix or not whole or len(streams) < 2 or any(key.endswith("_bidir_reverse") for key in end):
        return
    parts = [number(branch(stream, side).get("bytes")) for stream in streams]
    known = [part for part in parts if part is not None]
    if len(known) == len(streams) and abs(sum(known) - whole) > 0.01 * whole:
        notes.append("sum_and_streams_disagree")


def _delivered(both: dict, setup: dict) -> float | None:
    """Receiver's rate from the sender's rate and the receiver's count of what arrived."""
    bps, packets, lost, total = (
        number(both.get(k)) for k in ("bits_per_second", "packets", "lost_packets", "bytes")
    )
    if not bps or not packets or lost is None:  # an old server says 0: it was not told the sender's rate
        return None
    size = number(setup.get("blksize"))
    share = (packets - lost) * size / total if size and total else (packets - lost) / packets
    return bps * share if 0 <= share <= 1.001 else None


def _cpu(
    end: dict, samples: list[Sample], seconds: float | None, served: bool, two_way: bool
) -> list[Sample]:
    """CPU of both ends as ratios of one CPU, and together per byte that arrived, of both ways where there are two."""
    use = branch(end, "cpu_utilization_percent")
    near, far = number(use.get("host_total")), number(use.get("remote_total"))
    # A far end that never reported stands as 0, or, in a server's document, as the figure of the test before.
    client, server = (None, near) if served else (near, far)
    found = [
        Sample(metric, value / 100)
        for metric, value in (("cpu_client_ratio", client), ("cpu_server_ratio", server))
        if value
    ]
    rates = {s.metric: s.value for s in samples if s.metric in ("goodput_bps", "reverse_goodput_bps")}
    if len(found) == 2 and len(rates) == 1 + two_way and all(rates.values()) and seconds:
        spent = found[0].value + found[1].value
        found.append(Sample("cpu_s_per_byte", spent * 8 / sum(rates.values())))
    return found


def _rtt(end: dict) -> list[Sample]:
    """Smoothed RTT as the senders' kernels had it: mean of the streams' means, extremes over all."""
    senders = [branch(s, "sender") for s in branch(end, "streams", list)]
    found = []
    for stat, pick in (("mean", lambda v: sum(v) / len(v)), ("min", min), ("max", max)):
        values = [v for s in senders if (v := number(s.get(f"{stat}_rtt")))]
        if values:
            found.append(Sample("rtt_s", pick(values) * 1e-6, stat))
    return found


def _series(intervals: list, receiving: bool, two_way: bool) -> list[Interval]:
    """Per-interval rates; what the printing end received is goodput, what it sent is not.

    Most of a document is this, so it is read without the general helpers: a wrong type skips the entry.
    """
    found = []
    forward = ("sum", "")
    for key, prefix in (forward, ("sum_bidir_reverse", "reverse_")) if two_way else (forward,):
        names = {True: f"{prefix}sent_bps", False: f"{prefix}goodput_bps"}
        for entry in intervals:
            try:
                total = entry[key]
                start, end, bps = total["start"], total["end"], total["bits_per_second"]
                name = names[total.get("sender", not receiving)]
                if 0 <= start < end < 1e9 and 0 <= bps < 1e15:
                    found.append(Interval(start, end, name, bps, bool(total.get("omitted"))))
            except (KeyError, TypeError, AttributeError):
                continue
    return found
