"""sockperf: latency percentiles of ping-pong and under-load, message rate of throughput tests.

Runs (ping-pong) and reads. sockperf calls half of a round trip *latency*; so does ``latency_s`` here. Its
MBps are 2**20 bytes. The rows of a full log are counted, not read: the summary above them has their numbers.
"""

from __future__ import annotations

import math
import re

from cnilab.errors import ParseError
from cnilab.measurements import client_server
from cnilab.measurements.base import Call, Kind, Program, Reading, Sample, whole
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

NAME = "sockperf"
PROGRAMS = (Program("sockperf", ("--version",)),)
PORTS = (11111,)
_GIVES = ("latency_s", "transaction_rate_per_s", "lost_packets", "out_of_order_packets")
KINDS = {kind: Kind(_GIVES, options={"length": whole(14)}) for kind in ("tcp_rr", "udp_rr")}

_VERSION = re.compile(r"== version #(\S+) ==|sockperf, version (\S+)")
_RUN = re.compile(
    r"\[(Total Run|Valid Duration)\] RunTime=([\d.]+) sec;.*SentMessages=(\d{1,15}); ReceivedMessages=(\d{1,15})"
)
_MEAN = re.compile(r"====> avg-(?:lat|latency|rtt)=\s*([\d.]+) \(std-dev=\s*([\d.]+)")
_SUMMARY = re.compile(r"Summary: (Latency|Round trip)(?: of burst of (\d{1,9}) \w+)? is ([\d.]+) usec")
_COUNTS = re.compile(
    r"# dropped messages = (\d{1,15}); # duplicated messages = (\d{1,15}); # out-of-order messages = (\d{1,15})"
)
_POINT = re.compile(r"---> (?:<?(MAX|MIN)>? observation|percentile ([\d.]+)) =\s*([\d.]+)\s*$")
_RATE = re.compile(r"Summary: Message Rate is (\S+) \[msg/sec\]")
_WIDTH = re.compile(r"Summary: BandWidth is (\S+) (\S+)")
_SENT = re.compile(r"Total of \d+ messages sent in ([\d.]+) sec")
_OBSERVED = re.compile(r"Total (\d{1,15}) observations")
_LOG_HEADER = re.compile(r"^(?:packet, *)?txTime(?:\(sec\))?, *rxTime")
_ERROR = re.compile(
    r"ERROR: *(.+)|(No messages were received from the server\b.*)|errno=\d+ (.+)"
    r"|(No valid observations found\b.*|No messages were sent|Test end before test start\b.*|Test ends uncompleted\b.*)"
    r"|sockperf: ('-[^']+' .+)"
)
#: Bytes of a unit. With ``--giga-size`` a thousand MBps make a GBps.
_UNITS = {"MBps": 2.0**20, "GBps": 1000 * 2.0**20}
#: Up to 3.7, ``--increase_output_precision`` (nine digits, where others have three) calls its MBps GBps.
_MISLABELLED = re.compile(r"\d+\.\d{9}")
_STATS = {"MAX": "max", "MIN": "min", "50": "p50", "90": "p90", "99": "p99", "99.9": "p999"}
_SNIFF = re.compile(
    r"^sockperf(?:\[\w+\])?[:,] |^\x1b\[\S*?sockperf|====> avg-lat|---> percentile \d", re.MULTILINE
)


def sniff(head: bytes) -> bool:
    """Whether sockperf's name, or a line only it prints, is here."""
    return _SNIFF.search(margins.cleared_head(head)) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a run, or one a server where several answered.

    Raises
    ------
    ParseError
        Where the bytes are not sockperf's.
    """
    found: list[Reading] = []
    run = _Run(1)
    for at, line in enumerate(texts.decoded(raw).split("\n"), 1):
        if len(line) > 2000:
            continue
        version = _VERSION.search(line)
        begins = version or "[Total Run]" in line
        if (begins and run.measured) or (version and run.begun and not run.serves):
            found.append(run.reading())
            run = _Run(at)
        elif run.points and "Printing statistics for Server No" in line:
            found.append(run.reading())
            run = run.next_server(at)
        run.take(line)
    if run.measured or run.error:
        found.append(run.reading())
    if not found:
        if run.serves:
            why = "what the server said; the client's output has the result"
            return [Reading(status="skipped", reason=why, line=1, tool_version=run.version)]
        if run.seen:
            return [checks.failed("sockperf started and reported nothing", line=1, notes=("truncated",))]
        raise ParseError("no sockperf output in this text")
    return found


class _Run:
    """What has been read of one run."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.seen = self.begun = self.measured = self.serves = False
        self.metric = "latency_s"
        self.version: str | None = None
        self.protocols: set[str] = set()
        self.ahead: int | None = None
        self.burst = 1
        self.duration: float | None = None
        self.answers: int | None = None
        self.observed: int | None = None
        self.rows: int | None = None
        self.points: dict[str, float] = {}
        self.samples: list[Sample] = []
        self.error: str | None = None

    def next_server(self, line: int) -> _Run:
        """Begin the statistics of the next server of the same run."""
        run = _Run(line)
        run.seen, run.metric, run.version = True, self.metric, self.version
        run.protocols, run.ahead = self.protocols, self.ahead
        return run

    def take(self, line: str) -> None:
        if self.rows is not None:
            self.rows += bool(line[:1].isdigit())
            return
        self.seen = self.seen or "sockperf" in line
        self.serves = self.serves or "[SERVER]" in line
        self.begun = self.begun or "Warmup stage" in line or "[CLIENT]" in line
        if "avg-rtt=" in line or "Summary: Round trip" in line:
            self.metric = "rtt_s"  # --full-rtt prints the whole round trip
        if found := _VERSION.search(line):
            self.version = (found[1] or found[2]).rstrip(".,")
        elif found := re.search(r"PORT = +\d+ # (TCP|UDP)", line):
            self.protocols.add(found[1].lower())
        elif found := _RUN.search(line):
            sent, answered = int(found[3]), int(found[4])
            if found[1] == "Total Run":
                self.ahead = abs(sent - answered)
            else:
                self.duration, self.answers = number(found[2]), answered
            self.measured = True
        elif found := _MEAN.search(line):
            self._point("mean", found[1])
            self._point("stddev", found[2])
        elif found := _SUMMARY.search(line):
            self.burst = int(found[2] or 1)
            if "mean" not in self.points:
                self._point("mean", found[3])
        elif found := _COUNTS.search(line):
            self.samples.append(Sample("lost_packets", float(found[1])))
            self.samples.append(Sample("out_of_order_packets", float(found[3])))
        elif found := _POINT.search(line):
            stat = (
                _STATS.get(found[1] or f"{float(found[2]):g}")
                if number(found[2] or "0") is not None
                else None
            )
            if stat:
                self._point(stat, found[3])
        elif found := _RATE.search(line):
            self._rate("message_rate_per_s", found[1], 1.0)
        elif found := _WIDTH.search(line):
            self._width(found[1], found[2])
        elif found := _SENT.search(line):
            self.duration = number(found[1])
        elif found := _OBSERVED.search(line):
            self.observed = int(found[1])
        elif _LOG_HEADER.match(line):
            self.rows = 0
        elif not self.error and (found := _ERROR.search(line)):
            self.error = next(word for word in found.groups() if word).strip()

    def _point(self, stat: str, amount: str) -> None:
        value = number(amount)
        if value is None:
            self.error = f"unreadable number {amount!r}"
        else:
            self.points[stat] = value * 1e-6
            self.measured = True

    def _rate(self, metric: str, amount: str, factor: float) -> None:
        value = number(amount)
        if value is None:
            self.error = f"unreadable number {amount!r}"
        else:
            self.samples.append(Sample(metric, value * factor))
            self.measured = True

    def _width(self, amount: str, unit: str) -> None:
        if _MISLABELLED.fullmatch(amount):
            unit = "MBps"
        if unit not in _UNITS:
            self.error = f"unknown unit {unit!r} of bandwidth; known here: {', '.join(_UNITS)}"
        self._rate("sent_bps", amount, 8.0 * _UNITS.get(unit, 1.0))

    def _kind(self) -> str | None:
        if not self.points:
            return "stream" if self.samples else None
        # A ping-pong waits for each answer: it is never more than one message, or one burst, ahead.
        return "under_load" if self.ahead is not None and self.ahead > self.burst else "rr"

    def reading(self) -> Reading:
        kind = self._kind()
        test = f"{min(self.protocols)}_{kind}" if kind and len(self.protocols) == 1 else kind
        rest: dict = {"test": test, "line": self.line, "tool_version": self.version}
        if self.error:
            return checks.failed(self.error, **rest)
        if not self.points and not any(s.metric.endswith("_per_s") for s in self.samples):
            return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
        samples = [Sample(self.metric, value, stat) for stat, value in self.points.items()]
        if kind == "rr" and self.answers and self.duration:
            samples.append(Sample("transaction_rate_per_s", self.answers / self.duration))
        short = self.rows is not None and self.observed is not None and self.rows < self.observed
        notes = ("truncated",) if short else ()
        return checks.reading([*samples, *self.samples], duration_s=self.duration, notes=notes, **rest)


def server_argv(call: Call, address: str) -> list[str]:
    """Serve on ``address`` until killed."""
    argv = ["sockperf", "server", "-i", address, "-p", str(PORTS[0])]
    if call.server_cpu is not None:
        argv = ["taskset", "-c", str(call.server_cpu), *argv]
    return argv + (["--tcp"] if call.kind == "tcp_rr" else [])


def client_argv(call: Call, address: str) -> list[str]:
    """Play ping-pong. sockperf has no option that binds it to a CPU from outside; taskset does."""
    argv = [
        "sockperf",
        "ping-pong",
        "-i",
        address,
        "-p",
        str(PORTS[0]),
        "-t",
        str(max(1, math.ceil(call.duration_s))),
    ]
    if call.client_cpu is not None:
        argv = ["taskset", "-c", str(call.client_cpu), *argv]
    return [*argv, "-m", call.options.get("length", "14"), *(["--tcp"] if call.kind == "tcp_rr" else [])]


_ENDS = client_server.ClientServer(parse, client_argv, server_argv, PORTS[0])
measure, read = _ENDS.measure, _ENDS.read
