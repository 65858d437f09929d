"""iperf3's text report, from the client or the server, with or without -V, -R, -P, --bidir, -O.

A line counts as a row only if all of it has the report's form; a number in another locale, or cut in two,
makes no row and so no value. JSON is read in :mod:`.documents`.
"""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading
from cnilab.measurements.iperf3.text_rows import Row, Test, reading, side_of, silent
from cnilab.measurements.reading import clock, texts
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
_CPU = re.compile(r"CPU Utilization: local/\w+ (\d+(?:\.\d+)?)%.*remote/\w+ (\d+(?:\.\d+)?)%")
_ERROR = re.compile(
    r"iperf3?: (?:(?:(?:parameter )?error|interrupt)\b[ -]*"
    r"|(?=the client|unrecognized |invalid option|option requires))(?P<said>.*)"
)
_REVERSE = re.compile(r"iperf3 .*-(?:R\b|-reverse)")
_LOCAL = re.compile(r"\[ *\d+\](?:\[[TR]X-[CS]\])? local (?P<address>\S+) port \d+ connected to ")
_STARTING = re.compile(
    r"Starting Test: protocol: (?P<protocol>\w+), (?P<streams>\d+) streams, (?P<size>\d+) byte blocks"
    r"(?:, omitting \d+ seconds)?(?:, (?P<seconds>\d+) second test)?"
)
_CONGESTION = re.compile(r"\bsnd_tcp_congestion (\w+)")
_TIME = re.compile(r"^Time: (.+)$")
_DATAGRAMS_SENT = re.compile(r"\] Sent (\d{1,15}) datagrams")
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


def sniff(head: bytes) -> bool:
    """Whether this is iperf3's text, and not iperf2's."""
    return _SNIFF.search(head) is not None and b" connected with " not in head


def parse(raw: bytes) -> list[Reading]:
    """Read every test report in ``raw``."""
    tests: list[Test] = [Test(1)]
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
        elif echoed and "Connecting to host" not in line:
            continue
        elif found := re.search(r"\biperf (3\.[\w.+\-]{1,20})", line):
            version = found[1]
            test.version = test.version or (version if not test.rows else None)
        elif "Connecting to host" in line or "Accepted connection from" in line:
            echoed, served = False, "Accepted" in line
            if test.begun() or (test.connected and test.served == served):
                test = Test(at, backwards=reverse_next)
                tests.append(test)
                reverse_next = False
            test.line, test.version = at, version
            test.served, test.connected = served, True
        elif re.search(r"Server listening on \d", line):
            test.over = test.begun()
        elif "Reverse mode, remote host" in line:
            test.backwards = True
        elif _REVERSE.search(line):
            # the command of the run that follows
            test.backwards, reverse_next = test.backwards or not test.begun(), test.begun()
        elif found := _STARTING.search(line):
            test.protocol = found["protocol"].upper()
            size = "datagram_bytes" if test.protocol == "UDP" else "message_bytes"
            test.asked |= {"streams": found["streams"], size: found["size"], "duration_s": found["seconds"]}
        elif found := re.search(r"Starting Test: protocol: (\w+)", line):
            test.protocol = found[1].upper()
        elif found := _LOCAL.search(line):
            test.asked["family"] = conditions.family(found["address"])
        elif found := _CONGESTION.search(line):
            test.asked["congestion_control"] = found[1]
        elif found := _DATAGRAMS_SENT.search(line):
            test.datagrams = (test.datagrams or 0) + int(found[1])
        elif found := _TIME.match(line):
            test.started_at = clock.of_text(found[1])
        elif _HEADER.search(line):
            if test.summed:
                test = Test(at, version=version)
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
                test = Test(at, version=version)  # summaries alone, one under the other
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
                test = Test(at, version=version)
                tests.append(test)
            test.error = test.error or found["said"].rstrip(": ") or line.strip()
    whole = [test for test in tests if test.rows or test.error or test.doubt]
    readings = [reading(test) for test in tests if test in whole or (whole and test.connected)]
    if not readings:
        if any(test.headers or test.connected or test.line > 1 for test in tests):
            begun = [test for test in tests if test.connected] or tests[:1]
            return [silent(test) for test in begun]
        raise ParseError("no iperf3 report in this text")
    return readings


def _cut(line: str) -> bool:
    """Whether this, the last line and without an end, is a row that was to say whose figure it is."""
    return bool(_LOOKS_LIKE_ROW.search(line)) and not re.search(r"(?:sender|receiver) *$", line)


def _take(test: Test, found: re.Match[str], at: int) -> None:
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
    size = (
        None
        if found["kind"].startswith("(")
        else to_base(amount, f"{found['kind']}/sec", BITS_PER_SECOND) / 8
    )
    row = Row(found["role"], found["id"], start, end, bps, rest, at, size)
    test.rows.append((len(test.headers), row))
    test.summed = test.summed or side_of(row) is not None
