"""iperf3's text report, from the client or the server, with or without -V, -R, -P, --bidir, -O.

A line counts as a row only if all of it has the report's form; a number in another locale, or cut in two,
makes no row and so no value. JSON is read in :mod:`.documents`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from cnilab.errors import ParseError
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts
from cnilab.measurements.reading.numbers import number
from cnilab.units import BITS_PER_SECOND, to_base

#: 3.0 has no unit for terabytes and writes ``(null)s``.
_ROW = re.compile(
    r"^(?:.*?(?:[\s\">]|\^C))?\[ *(?P<id>\d+|SUM)\](?:\[(?P<role>[TR]X-[CS])\])?"
    r" +(?P<start>\d+\.\d+)- *(?P<end>\d+\.\d+) +sec"
    r" +(?P<amount>\d[\d.]*) (?P<kind>[KMGTP]?Bytes|\(null\)s) +(?P<rate>\d[\d.]*|-?nan) (?P<unit>[A-Za-z]+/sec)"
    r"(?P<rest>(?: .*)?)$"
)
_LOOKS_LIKE_ROW = re.compile(
    r"\[ *(?:\d+|SUM)\](?:\[[TR]X-[CS]\])? +\d+[.,]\d+- *\d+[.,]\d+ +sec +(?! |\d+ datagrams)"
)
_HEADER = re.compile(r"\[ ?ID\](?:\[Role\])? +Interval\b")
_LOSS = re.compile(
    r"(?P<jitter>\d+\.\d+) ms +(?P<lost>-?\d{1,15})/ *(?P<total>\d{1,15}) +\((?P<percent>[^)]*)%\)"
)
_RETRANSMITS = re.compile(
    r"^ +(?P<count>\d{1,15})(?: +-?[\d.]+ [KMG]?Bytes)?(?: +(?:sender|\(omitted\)))? *$"
)
_CPU = re.compile(r"CPU Utilization: local/\w+ (\d+(?:\.\d+)?)%.*remote/\w+ (\d+(?:\.\d+)?)%")
_ERROR = re.compile(
    r"iperf3?: (?:(?:(?:parameter )?error|interrupt)\b[ -]*"
    r"|(?=the client|unrecognized |invalid option|option requires))(?P<said>.*)"
)
_REVERSE = re.compile(r"iperf3 .*-(?:R\b|-reverse)")
#: What goes wrong before a test runs: it belongs to no test that has a summary.
_NEVER_RAN = re.compile(r"unable to (?:connect to|start|accept|receive (?:cookie|parameters))|is busy")
#: Until 3.0 the words that say whose figures follow stood between the rows, on lines of their own.
_SIDES = {"Sent": "sender", "Received": "receiver"}
_SNIFF = re.compile(
    rb"^iperf 3\.|^iperf3: (?!interrupt - the server )"
    rb"|^(?:[\w:,.+\-]+ ){1,7}iperf3: (?:(?:parameter )?error|interrupt) - "
    rb"|^Connecting to host \S+, port \d+|^Accepted connection from|^Server listening on \d+"
    rb"|\[ *(?:\d+|SUM)\](?:\[[TR]X-[CS]\])? {2,4}\d+\.\d\d- *\d+\.\d\d +sec {2}.*/sec"
    rb"|\[ *(?:\d+|SUM)\](?:\[[TR]X-[CS]\])? +\d+\.\d\d- *\d+\.\d\d +sec .*/sec.* (?:sender|receiver)[ \r]*$",
    re.MULTILINE,
)


@dataclass
class _Row:
    role: str | None
    stream: str
    start: float
    end: float
    bps: float
    rest: str
    line: int


@dataclass
class _Test:
    """What has been seen of one test."""

    line: int
    served: bool = False
    backwards: bool = False
    protocol: str | None = None
    version: str | None = None
    headers: list[str] = field(default_factory=list)
    rows: list[tuple[int, _Row]] = field(default_factory=list)
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


def sniff(head: bytes) -> bool:
    """Whether this is iperf3's text, and not iperf2's."""
    return _SNIFF.search(head) is not None and b" connected with " not in head


def parse(raw: bytes) -> list[Reading]:
    """Read every test report in ``raw``."""
    tests: list[_Test] = [_Test(1)]
    version: str | None = None
    echoed = reverse_next = False
    lines = texts.decoded(raw).split("\n")
    for at, line in enumerate(lines, 1):
        if len(line) > 2000 or (at == len(lines) and _cut(line)):
            continue
        test = tests[-1]
        if line.startswith("Server output:"):
            echoed = True  # --get-server-output repeats the same test from the other end
        elif "iperf Done." in line:
            echoed, test.over = False, test.begun()
        elif echoed:
            continue
        elif found := re.search(r"\biperf (3\.[\w.+\-]{1,20})", line):
            version = found[1]
            test.version = test.version or (version if not test.rows else None)
        elif "Connecting to host" in line or "Accepted connection from" in line:
            if test.begun():
                test = _Test(at, backwards=reverse_next)
                tests.append(test)
                reverse_next = False
            test.line, test.version = at, version
            test.served = "Accepted" in line
        elif re.search(r"Server listening on \d", line):
            test.over = test.begun()
        elif "Reverse mode, remote host" in line:
            test.backwards = True
        elif _REVERSE.search(line):
            # the command of the run that follows
            test.backwards, reverse_next = test.backwards or not test.begun(), test.begun()
        elif found := re.search(r"Starting Test: protocol: (\w+)", line):
            test.protocol = found[1].upper()
        elif _HEADER.search(line):
            if test.summed:
                test = _Test(at, version=version)
                tests.append(test)
            if test.ruled and not test.headers:
                test.headers.append("")  # the file begins in mid-test
            test.headers.append(line)
            test.side = None
        elif "- - - - -" in line or "Summary Results:" in line:
            test.ruled = True
        elif line.strip() in _SIDES:
            test.side = _SIDES[line.strip()]
        elif found := _ROW.match(line):
            side = next((side for side in _SIDES.values() if side in found["rest"]), test.side)
            if (whose := (found["role"], found["id"], side)) in test.told and side:
                test = _Test(at, version=version)  # summaries alone, one under the other
                tests.append(test)
            test.told.add(whose)
            _take(test, found, at)
        elif _LOOKS_LIKE_ROW.search(line):
            test.doubt = test.doubt or f"line {at} is no complete row: {line.strip()[:120]!r}"
        elif found := _CPU.search(line):
            test.cpu = float(found[1]) / 100, float(found[2]) / 100
        elif found := _ERROR.search(line):
            if test.over and "server has terminated" in line:
                continue  # somebody stopped the server between two tests
            if test.over or (test.summed and _NEVER_RAN.search(line)):
                test = _Test(at, version=version)
                tests.append(test)
            test.error = test.error or found["said"].rstrip(": ") or line.strip()
    readings = [_reading(test) for test in tests if test.rows or test.error or test.doubt]
    if not readings:
        if any(test.headers or test.line > 1 for test in tests):
            return [
                checks.failed(
                    "iperf3 connected and reported nothing", line=tests[0].line, notes=("truncated",)
                )
            ]
        raise ParseError("no iperf3 report in this text")
    return readings


def _cut(line: str) -> bool:
    """Whether this, the last line and without an end, is a row that was to say whose figure it is."""
    return bool(_LOOKS_LIKE_ROW.search(line)) and not re.search(r"(?:sender|receiver) *$", line)


def _take(test: _Test, found: re.Match[str], at: int) -> None:
    rate, amount = number(found["rate"]), number(found["amount"])
    start, end = number(found["start"]), number(found["end"])
    if rate is None or start is None or end is None or amount is None:
        test.doubt = test.doubt or f"line {at}: unreadable number"
        return
    try:
        bps = to_base(rate, found["unit"], BITS_PER_SECOND)
        if not bps and amount and end > start:
            # -f g writes 0.00 Gbits/sec for a slow link; the bytes have more digits.
            bps = to_base(amount, f"{found['kind']}/sec", BITS_PER_SECOND) / (end - start)
    except ParseError as problem:
        test.doubt = f"line {at}: {problem.what}"
        return
    if not math.isfinite(bps):  # it was, before its unit
        test.doubt = test.doubt or f"line {at}: unreadable number"
        return
    rest = found["rest"].removesuffix(",").removesuffix('"')  # a list of lines, as Ansible prints it
    rest = f"{rest}  {test.side}" if test.side else rest
    row = _Row(found["role"], found["id"], start, end, bps, rest, at)
    test.rows.append((len(test.headers), row))
    test.summed = test.summed or _sides(row) is not None


def _sides(row: _Row) -> str | None:
    """Return which end's summary this row is, if it says so."""
    return next((side for side in ("sender", "receiver") if side in row.rest), None)


def _reading(test: _Test) -> Reading:
    datagrams = any("atagrams" in h for h in test.headers) or any(_LOSS.search(r.rest) for _, r in test.rows)
    protocol = test.protocol or ("UDP" if datagrams else "TCP")
    rest: dict = {"test": f"{protocol.lower()}_stream", "tool_version": test.version, "line": test.line}
    # The summary is what stands under the second header, or says sender or receiver.
    summary = [r for n, r in test.rows if _sides(r) or n > 1]
    named = {(r.role, r.stream) for r in summary}
    if len(named) < len(summary) and not any(_sides(r) for r in summary):
        test.doubt = test.doubt or "the summary has a stream twice and does not say whose figures they are"
    series = _series(test, [r for n, r in test.rows if not _sides(r) and n <= 1])
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
            found, seconds = _direction(rows, prefix, test.served, notes)
            samples += found
            duration = duration or seconds
    if test.cpu:
        client, server = reversed(test.cpu) if test.served else test.cpu
        for who, ratio in (("client", client), ("server", server)):
            if ratio:
                samples.append(Sample(f"cpu_{who}_ratio", ratio))
        goodput = next((s.value for s in samples if s.metric == "goodput_bps"), None)
        if goodput and client and server:
            samples.append(Sample("cpu_s_per_byte", (client + server) * 8 / goodput))
    return checks.reading(samples, series, duration_s=duration, notes=tuple(notes), **rest)


def _lacking(test: _Test, summary: list[_Row]) -> int:
    """How many streams had rows before the summary and are in none, or only in one end's, of it."""
    lacking = 0
    for role in {r.role for r in summary}:
        seen = {r.stream for _, r in test.rows if r.role == role} - {"SUM"}
        for side in {_sides(r) for r in summary if r.role == role}:
            told = {r.stream for r in summary if r.role == role and _sides(r) == side}
            if "SUM" not in told:
                lacking = max(lacking, len(seen - told))
    return lacking


def _total(rows: list[_Row]) -> list[_Row]:
    """The [SUM] row if there is one, else every stream's own."""
    return [r for r in rows if r.stream == "SUM"] or rows


def _direction(rows: list[_Row], prefix: str, served: bool, notes: list[str]) -> tuple[list[Sample], float]:
    """Samples and seconds of one direction from its summary rows."""
    sent = _total([r for r in rows if _sides(r) == "sender"])
    received = _total([r for r in rows if _sides(r) == "receiver"])
    unsaid = _total([r for r in rows if not _sides(r)])
    found: list[Sample] = []
    # A server writes 0 for what only its client knows; a file may lack the line that says which end wrote it.
    if served or any(r.bps for r in received):
        sent = sent if sum(r.bps for r in sent) else []
    if served:
        received = received if sum(r.bps for r in received) or not sent else []
    if sent:
        found.append(Sample(f"{prefix}sent_bps", sum(r.bps for r in sent)))
    if received:
        found.append(Sample(f"{prefix}goodput_bps", sum(r.bps for r in received)))
    counts = [int(m["count"]) for r in sent if (m := _RETRANSMITS.match(r.rest))]
    if counts:
        found.append(Sample(f"{prefix}retransmitted_segments", float(sum(counts))))
    losses = [m for r in received or unsaid if (m := _LOSS.search(r.rest))]
    lost, total = sum(int(m["lost"]) for m in losses), sum(int(m["total"]) for m in losses)
    if unsaid and not sent and not received:
        # Until 3.1 one line told the sender's rate, 0 where a server was not told it, and the receiver's loss.
        bps = sum(r.bps for r in unsaid)
        if bps and losses:
            found.append(Sample(f"{prefix}sent_bps", bps))
        elif not (served and total):
            found.append(Sample(f"{prefix}{'goodput' if served or not bps else 'sent'}_bps", bps))
        if total and bps:
            found.append(Sample(f"{prefix}goodput_bps", bps * (total - lost) / total))
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


def _series(test: _Test, rows: list[_Row]) -> tuple[Interval, ...]:
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
