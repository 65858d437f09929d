"""iperf3's JSON: one document, several in one file, an NDJSON stream; from 3.0 to 3.2x.

The keys changed often. What matters here: ``end.sum`` of UDP is the *sender's* rate beside the *receiver's*
loss (until ``sum_received`` came), two-way tests once wrote the key ``sum`` twice, and a server's own
document says 0 for what only its client knows. A document cut short is a failure, not a shorter test.
"""

from __future__ import annotations

import json
import re

from cnilab.errors import ParseError
from cnilab.tools.base import Interval, Reading, Sample
from cnilab.tools.reading import checks, texts
from cnilab.tools.reading.documents import branch
from cnilab.tools.reading.numbers import number

_OPENS = re.compile(rb"^[ \t]*(?:\[\s*)?\{", re.MULTILINE)
_EVENT = re.compile(r'\{\s*"event"\s*:')
_ERROR = re.compile(r"^[^\n{\"]{0,100}\biperf3: (?:(?:parameter )?error|interrupt) - (.*)", re.MULTILINE)
_NAN = re.compile(r"(?<=[:,\[\s])-?(?:nan|inf)(?:\(\w*\))?(?=\s*[,}\]])", re.IGNORECASE)
_SERIES = re.compile(rb'"intervals"\s*:\s*\[')
_AFTER_SERIES = re.compile(rb'\]\s*,\s*"end"\s*:\s*\{')
_START = re.compile(rb'"start"\s*:\s*\{')
_TESTS = {"TCP": "tcp_stream", "UDP": "udp_stream", "SCTP": "sctp_stream"}
#: A document that opens and never closes is searched no further than this for a next one.
MAX_DOCUMENTS = 100_000


def sniff(head: bytes) -> bool:
    """Whether a JSON object, or a list of them, begins a line of these bytes."""
    return _OPENS.search(head) is not None


def parse(raw: bytes, series: bool = True) -> list[Reading]:
    """Read every iperf3 document in ``raw``; without ``series`` a lone document's intervals are left out."""
    whole = None if series else _without_series(raw)
    if whole is None:
        try:
            whole = json.loads(raw)
        except (ValueError, RecursionError):
            return _several(texts.decoded(raw))
    if isinstance(whole, list) and whole and all(isinstance(one, dict) for one in whole):
        return _listed(whole)
    if not isinstance(whole, dict):
        raise ParseError("JSON, but not an iperf3 document: it is no object")
    if "event" in whole:
        return _stream([(1, whole)])
    if _twice_summed(raw, whole):
        whole = _keep_both(texts.decoded(raw))
    if not series and "server_output_json" not in whole:
        whole["intervals"] = []
    return [reading(whole, 1)]


def _without_series(raw: bytes) -> dict | None:
    """Load one document but for its intervals, or return None where they cannot be told from the rest.

    They are most of a long test's document, and JSON need not be understood to be passed over: iperf3 writes start,
    intervals and end in this order, and an interval holds no object called ``start`` or ``end``. So if what lies
    between opens as much as it closes and the rest is one document, no other document's end can have been taken.
    What is broken within the intervals alone goes unnoticed; the totals are as they were printed.
    """
    opening = _SERIES.search(raw)
    closing = _AFTER_SERIES.search(raw, opening.end()) if opening else None
    if opening is None or closing is None or b'"server_output_json"' in raw:
        return None
    passed = raw[opening.end() : closing.start()]
    if passed.count(b"{") != passed.count(b"}") or passed.count(b"[") != passed.count(b"]"):
        return None
    if _START.search(passed) or b'"intervals"' in passed or raw.find(b'"intervals"', closing.end()) >= 0:
        return None
    try:
        whole = json.loads(raw[: opening.end()] + raw[closing.start() :])
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def _listed(documents: list[dict]) -> list[Reading]:
    """Read the documents that somebody has put into one JSON list."""
    told: dict[str, set] = {}
    if "event" in documents[0]:
        return _stream([(1, one) for one in documents])
    return [_once(one, 1, told) for one in documents]


def _once(document: dict, line: int, told: dict[str, set]) -> Reading:
    """Read a document, unless the file has told its test before."""
    if _again(branch(document, "start"), told):
        # --json-stream-full-output ends with what it has streamed; logs of both ends are put together
        why = "the same test (by its cookie) stands before in this file"
        return Reading(status="skipped", reason=why, line=line)
    return reading(document, line)


def _twice_summed(raw: bytes, whole: dict) -> bool:
    """Whether this is a two-way UDP test of a version that writes ``sum`` twice (3.7 to 3.16)."""
    if len(branch(branch(whole, "end"), "streams", list)) < 2:
        return False
    streams = branch(branch(whole, "end"), "streams", list)
    senders = {repr(branch(s, "udp").get("sender", branch(s, "sender").get("sender"))) for s in streams}
    return len(senders) == 2 and b"bidir_reverse" not in raw


def _keep_both(text: str) -> dict:
    """Load JSON keeping a repeated ``sum…`` under the name newer versions give the second one."""

    def pairs(items: list[tuple[str, object]]) -> dict:
        found: dict[str, object] = {}
        for key, value in items:
            found[f"{key}_bidir_reverse" if key in found and key.startswith("sum") else key] = value
        return found

    return json.loads(text, object_pairs_hook=pairs)


def _several(text: str) -> list[Reading]:
    """Read documents one after the other, with whatever stands between them (prompts, log lines)."""
    decoder = json.JSONDecoder()
    readings: list[Reading] = []
    events: list[tuple[int, dict]] = []
    told: dict[str, set] = {}
    patched = _NAN.sub("null", text)
    at, line, counted = 0, 1, 0
    for _ in range(MAX_DOCUMENTS):
        before, at = at, _next_brace(patched, at)
        between = patched[before : at if at >= 0 else None]
        for said in _ERROR.finditer(between):
            where = line + patched.count("\n", counted, before + said.start())
            readings.append(checks.failed(said[1], line=where))
        if at < 0:
            break
        line += patched.count("\n", counted, at)
        counted = at
        try:
            found, end = decoder.raw_decode(patched, at)
        except RecursionError:
            raise ParseError("JSON nested too deeply", line=line) from None
        except ValueError as problem:
            cut = _next_document(patched, at + 1)
            readings += _stream(events)
            events = []
            if not isinstance(problem, json.JSONDecodeError):  # an integer of thousands of digits
                readings.append(checks.failed(f"unreadable number in JSON: {problem}", line=line))
            else:
                readings.append(_broken(patched, at, cut, problem, line))
            if cut < 0:
                return readings
            at = cut
            continue
        if isinstance(found, dict) and "event" in found:
            if found.get("event") == "start" and events:
                readings += _stream(events)
                events = []
            events.append((line, found))
            if found.get("event") == "start":
                _again(branch(found, "data"), told)
        elif isinstance(found, dict):
            readings += _stream(events)
            events = []
            if _twice_summed(patched[at:end].encode(), found):
                found = _keep_both(patched[at:end])
            readings.append(_once(found, line, told))
        at = end
    else:
        raise ParseError(f"more than {MAX_DOCUMENTS} JSON documents in one file")
    readings += _stream(events)
    if not readings:
        raise ParseError("no iperf3 document in this text")
    return readings


def _again(start: dict, told: dict[str, set]) -> bool:
    """Note the test that ``start`` is of; return whether ``told`` had it: the same document, or the other end's."""
    cookie = start.get("cookie")
    if not isinstance(cookie, str) or len(cookie) < 30:
        return False
    served = "accepted_connection" in start and "connecting_to" not in start
    name = (repr(branch(start, "timestamp").get("timesecs")), served)
    before = told.setdefault(cookie, set())
    again = name in before or (not served) in before
    before |= {name, served}
    return again


def _next_brace(text: str, at: int) -> int:
    """Position of the next ``{`` that begins a line or follows a document directly, or -1."""
    while (at := text.find("{", at)) >= 0:
        before = text[max(0, at - 200) : at].rpartition("\n")[2]
        if not before.strip() or before.rstrip().endswith(("}", "},", "$", "#", ">")):
            return at
        at += 1
    return -1


def _next_document(text: str, at: int) -> int:
    """Position of the next document's own opening after a broken one, or -1."""
    found = re.compile(r'^\{(?=\s*"(?:start|event|title|error)")', re.MULTILINE).search(text, at)
    return found.start() if found else -1


def _broken(text: str, at: int, cut: int, problem: json.JSONDecodeError, line: int) -> Reading:
    said = re.search(
        r'"error"\s*:\s*"((?:[^"\\]|\\.){1,400})', text[at : cut if cut >= 0 else at + 2_000_000]
    )
    version = re.search(r'"version"\s*:\s*"iperf ([^"\s]{1,40})', text[at : at + 20_000])
    where = line + text.count("\n", at, problem.pos)
    ends = not text[problem.pos : cut if cut >= 0 else None].strip() or "Unterminated" in problem.msg
    reason = "JSON document cut short" if ends else f"broken JSON ({problem.msg})"
    if said:
        reason += f"; it says: {said[1]}"
    return checks.failed(
        f"{reason}, at line {where}",
        line=line,
        tool_version=version[1] if version else None,
        notes=("truncated",) if ends else (),
    )


def _stream(events: list[tuple[int, dict]]) -> list[Reading]:
    """Put the events of one ``--json-stream`` test together to the document ``-J`` would have written."""
    if not events:
        return []
    document: dict = {"intervals": []}
    ended = False
    for _, event in events:
        kind, data = event.get("event"), event.get("data")
        if kind == "interval":
            document["intervals"].append(data)
        elif isinstance(kind, str) and kind not in document:
            document[kind] = data
            ended |= kind == "end"
    if not ended and "error" not in document:
        version = str(branch(document, "start").get("version", "")).removeprefix("iperf ") or None
        return [
            checks.failed(
                "JSON stream cut short: no end event",
                line=events[0][0],
                tool_version=version,
                notes=("truncated",),
            )
        ]
    return [reading(document, events[0][0])]


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
    if error := document.get("error") or end.get("error"):
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
    samples += _cpu(end, samples, received_s, served)
    if two_way:
        known = ("sent",) if served else ("sent", "received")
        samples += _direction(end, setup, "reverse_", known, served, notes)
    samples += _rtt(end)
    series = _series(branch(document, "intervals", list), served != back, two_way)
    if "server_output_json" in document and not served and not back:
        far = branch(branch(document, "server_output_json"), "intervals", list)
        series += [i for i in _series(far, True, two_way) if i.metric == "goodput_bps"]
    return checks.reading(samples, series, duration_s=received_s, notes=tuple(notes), **rest)


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

    sent_bps = number((sent or both).get("bits_per_second")) if "sent" in known else None
    if sent_bps or "received" not in known:
        add("sent_bps", sent_bps)
    if "received" in known and received and not (served and number(received.get("bytes")) == 0 and sent_bps):
        add("goodput_bps", number(received.get("bits_per_second")))
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


def _cpu(end: dict, samples: list[Sample], seconds: float | None, served: bool) -> list[Sample]:
    """CPU of both ends as ratios of one CPU, and together per byte that arrived."""
    use = branch(end, "cpu_utilization_percent")
    near, far = number(use.get("host_total")), number(use.get("remote_total"))
    # A far end that never reported stands as 0, or, in a server's document, as the figure of the test before.
    client, server = (None, near) if served else (near, far)
    found = [
        Sample(metric, value / 100)
        for metric, value in (("cpu_client_ratio", client), ("cpu_server_ratio", server))
        if value
    ]
    goodput = next((s.value for s in samples if s.metric == "goodput_bps"), None)
    if len(found) == 2 and goodput and seconds:
        found.append(Sample("cpu_s_per_byte", (found[0].value + found[1].value) * 8 / goodput))
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
