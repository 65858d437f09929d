"""fping: round-trip times of many hosts at once. Reads ``-c``, ``-C`` and ``-e`` output, as text and as JSON.

Its times are milliseconds without saying so. A host that never answered is a failed test.
"""

from __future__ import annotations

import json
import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

NAME = "fping"

#: -A with -n or -d puts the address behind the name.
_ADDRESS = r"(?: \(\S*[.:]\S*\))?"
_HOST = rf"(?P<host>\S+{_ADDRESS})"
#: -D puts a time before a line, in seconds or in the words of ``--timestamp-format``.
_WHEN = r"(?:\[[^\]]{4,40}\] )?"
_SUMMARY = re.compile(
    rf"^{_WHEN}{_HOST} *: (?:\[\d+\], )?xmt/rcv/%(?:loss|return) = "
    r"(?P<sent>\d{1,15})/(?P<got>\d{1,15})/(?P<percent>\d+)%"
    r"(?:, outage\(ms\) = \d+)?(?:, min/avg/max = (?P<min>[\d.]+)/(?P<mean>[\d.]+)/(?P<max>[\d.]+))?\s*$"
)
_CLOCK = re.compile(r"^\[\d\d:\d\d:\d\d\]\s*$")
_REPLY = re.compile(rf"^{_WHEN}{_HOST} *: \[\d+\], (?:\d+ bytes, (?P<ms>[\d.]+) ms|timed out)\b")
_COLUMN = re.compile(rf"^{_HOST} +: (?P<values>(?:\d+(?:\.\d+)?|-)(?: (?:\d+(?:\.\d+)?|-))*)\s*$")
#: What else an answer had: another sender, ``--print-tos``, ``--print-ttl``.
_BESIDE = r"(?: \[<- \S+\]| \((?:SRC|TOS|TTL) \S+\))*"
_ONCE = re.compile(
    rf"^{_HOST} is (?:alive{_BESIDE}(?: \((?P<ms>[\d.]+) ms\))?{_BESIDE}|(?P<dead>unreachable))$"
)
_UNKNOWN = (
    r"\S+: (?:Name or service not known|No address associated.*|Temporary failure in name resolution)"
    r"|\S+ address not found"
)
_ERROR = re.compile(rf"^fping: (.+)$|^({_UNKNOWN})$")
_JSON = r'\{"(?:resp|timeout|summary|vSum|intSum|warning|stats)": \{"'
_IS_JSON = re.compile(_JSON)
_SNIFF = re.compile(
    rf"(?:^|\] )\S+{_ADDRESS} *: (?:\[\d+\], )?xmt/rcv/%|^fping: "
    rf"|(?:^|\] )\S+{_ADDRESS} *: \[\d+\], (?:\d+ bytes, [\d.]+ ms \(|timed out)"
    rf"|^[\w.:\-]*[a-z.:][\w.:\-]*{_ADDRESS} +: (?:\d+\.\d+|-)(?: (?:\d+\.\d+|-))+$"
    rf"|^\S+{_ADDRESS} is (?:alive{_BESIDE} \([\d.]+ ms\){_BESIDE}|unreachable)$|^(?:{_UNKNOWN})$"
    rf'|^{_JSON}(?:time(?:stamp)?": ?(?:"[^"]*"|\d+), ?")?host": ',
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether a line only fping prints is here."""
    return _SNIFF.search(margins.cleared_head(head)) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a host, in the order of the file.

    Raises
    ------
    ParseError
        Where the bytes are not fping's.
    """
    replies: dict[str, list[float]] = {}
    found: list[Reading] = []
    begun: dict[str, int] = {}
    interim: set[str] | None = None
    text = texts.decoded(raw)
    for at, (whole, cleared) in enumerate(zip(text.split("\n"), margins.cleared(text)), 1):
        line = cleared or whole.rstrip()  # of ten thousand packets ``-C`` makes one line
        if len(line) > 20_000:
            continue
        if _IS_JSON.match(line):
            line = _spelled(line)
        if _CLOCK.match(line):
            interim = set()
        elif (summary := _SUMMARY.match(line)) and interim is not None and summary["host"] not in interim:
            # -Q reports under the hour what the interval brought; only the last report has no hour above it.
            interim.add(summary["host"])
            begun.setdefault(summary["host"], at)
        elif summary:
            found.append(_summary(summary, replies.pop(summary["host"], []), at))
            begun.pop(summary["host"], None)
        elif reply := _REPLY.match(line):
            begun.setdefault(reply["host"], at)
            value = number(reply["ms"])
            if value is not None:
                replies.setdefault(reply["host"], []).append(value * 1e-3)
        elif column := _COLUMN.match(line):
            begun.pop(column["host"], None)
            found.append(_column(column["values"].split(), at))
        elif once := _ONCE.match(line):
            found.append(_once(once, at))
        elif error := _ERROR.match(line):
            found.append(checks.failed(error[1] or error[2], test="icmp_rr", line=at))
    for host, at in begun.items():
        reason = f"no summary for {host}: the output was cut short"
        found.append(checks.failed(reason, test="icmp_rr", line=at, notes=("truncated",)))
    if not found:
        raise ParseError("no fping output in this text")
    return found


def _spelled(line: str) -> str:
    """Return what a line of ``-J`` says as fping says it without: the same facts, and so one reader for both."""
    try:
        ((kind, said),) = json.loads(line).items()
        host = said["host"]
        if kind == "resp":
            return f"{host} : [{said['seq']}], {said['size']} bytes, {said['rtt']:.6f} ms"
        if kind == "timeout":
            return f"{host} : [{said['seq']}], timed out"
        if kind == "warning":
            return f"fping: {host}: {said['message']}"
        if kind == "vSum":
            return f"{host} : " + " ".join(
                "-" if value is None else f"{value:.6f}" for value in said["values"]
            )
        if kind == "summary":
            text = f"{host} : xmt/rcv/%loss = {said['xmt']}/{said['rcv']}/{said['loss']}%"
            if "rttMin" in said:
                text += f", min/avg/max = {said['rttMin']:.6f}/{said['rttAvg']:.6f}/{said['rttMax']:.6f}"
            return text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""  # cut short, or of a version unknown here
    return ""  # what -Q brings between, and -s adds up over all hosts


def _summary(match: re.Match[str], replies: list[float], line: int) -> Reading:
    sent, got = int(match["sent"]), int(match["got"])
    if not got:
        return checks.failed(f"no reply to any of {sent} packets", test="icmp_rr", line=line)
    if match["min"] is None:
        return checks.failed("the summary was cut short", test="icmp_rr", line=line, notes=("truncated",))
    samples = _loss(sent, got)
    for stat in ("min", "mean", "max"):
        value = number(match[stat])
        if value is not None:
            samples.append(Sample("rtt_s", value * 1e-3, stat))
    known = {s.stat for s in samples}
    if len(replies) == got:
        samples += [s for s in checks.distribution("rtt_s", replies) if s.stat not in known]
    return checks.reading(samples, test="icmp_rr", line=line)


def _column(values: list[str], line: int) -> Reading:
    """Read ``-C``: one number a packet, ``-`` where none came back."""
    if any(number(word) is None and word != "-" for word in values):
        return checks.failed("the row was cut short", test="icmp_rr", line=line, notes=("truncated",))
    times = [v * 1e-3 for word in values if (v := number(word)) is not None]
    if not times:
        return checks.failed(f"no reply to any of {len(values)} packets", test="icmp_rr", line=line)
    samples = [*_loss(len(values), len(times)), *checks.distribution("rtt_s", times)]
    return checks.reading(samples, test="icmp_rr", line=line)


def _once(match: re.Match[str], line: int) -> Reading:
    """Read the one answer of a host; only ``-e`` has its time."""
    host, value = match["host"], number(match["ms"])
    if match["dead"]:
        return checks.failed(f"{host} is unreachable", test="icmp_rr", line=line)
    if value is None:
        return Reading(
            status="skipped", reason=f"{host} is alive, and no time was printed", test="icmp_rr", line=line
        )
    return checks.reading(checks.distribution("rtt_s", [value * 1e-3]), test="icmp_rr", line=line)


def _loss(sent: int, got: int) -> list[Sample]:
    ratio = (sent - got) / sent if sent else 0.0
    return [
        Sample("loss_ratio", ratio),
        Sample("lost_packets", float(sent - got)),
        Sample("total_packets", float(sent)),
    ]
