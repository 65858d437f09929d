"""nuttcp: bulk transfer, reported by the receiver. Reads its text and ``-fparse`` output; not run by the lab.

Its MB are 2**20 bytes, its Mbps 10**6 bit/s. A test is one line (``-b``, the default), or, with ``-v``, lines of each
end. The lines of ``-i`` before it are its series.
"""

from __future__ import annotations

import re
from dataclasses import replace

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts
from cnilab.measurements.reading.numbers import number
from cnilab.units import to_base

NAME = "nuttcp"

_RATES = {"bps": 1.0, "Kbps": 1e3, "Mbps": 1e6, "Mb/s": 1e6, "Gbps": 1e9}
_N = r"(\d{1,15}(?:\.\d{1,9})?)"
#: ``nuttcp-t-name:`` and ``name:`` are what ``-Iname`` puts before a line; logs put a time or a prompt there.
_END = r"nuttcp-(?P<end>[rt])[^:\s]*: "
_ROW = re.compile(
    rf"^(?:.{{0,100}}?\s)?(?:\d+(?:\.\d+)?) +(?:KB|MB|GB|TB) / +(?P<seconds>{_N}) +sec ="
    rf" +(?P<rate>\d+(?:\.\d+)?) (?P<unit>[A-Za-z/]+)(?P<rest>(?: .*)?)$"
)
_PARSE = re.compile(r"^(?:.{0,100}?\s)?megabytes=\S+ real_sec(?P<final>onds)?=\S+ .*")
#: What stands before an end's name: a time, the margin of a text it is quoted in.
_BEFORE_END = re.compile(r"^.{0,100}?\s(?=nuttcp-[rt][^:\s]*: )")
#: ``-v`` tells each end's own figure on lines of their own, the transmitter's first.
_VERBOSE = re.compile(
    rf"^{_END}\d+(?:\.\d+)? +[KMGT]?B in +(?P<seconds>{_N}) real seconds"
    rf" = +\d+(?:\.\d+)? KB/sec = +(?P<rate>\d+(?:\.\d+)?) (?P<unit>\S+)\s*$"
)
_VERBOSE_PARSE = re.compile(
    rf"^{_END}megabytes=\S+ real_seconds=(?P<seconds>{_N}) rate_KBps=\S+ rate_Mbps=(?P<rate>{_N})\s*$"
)
_PAIR = re.compile(r"([\w\-]+)=(\S+)")
_ERROR = re.compile(
    r"^(?:nuttcp(?:-[rt][^:\s]*)?: (?:v\S+: )?)?[Ee]rror\b[:\s].*"
    r"|^nuttcp(?:-[rt][^:\s]*)?: .*: (?:Connection|No route).*"
)
_ASKED = re.compile(r"buflen=(\d{1,9}), nstream=(\d{1,6}), port=\d+ (tcp|udp|\S+)")
_VERSION = re.compile(rf"^{_END}v(\d[\w.\-]{{1,20}}): |^nuttcp-(\d[\w.\-]{{1,20}})\s*$")
_SNIFF = re.compile(
    rb"^(?:.{0,100}?\s)?\d[\d.]* +[KMGT]B / +[\d.]+ +sec ="
    rb"|^(?:.{0,100}?\s)?megabytes=\S+ real_sec|^nuttcp: |^(?:.{0,100}?\s)?nuttcp-[rt][^:\s]*: ",
    re.MULTILINE,
)

#: What else a line may tell, in the words of the brief line, of ``-v`` and of ``-fparse``.
_TOLD = {
    name: re.compile(form.replace("N", _N))
    for name, form in {
        "tx_cpu": r"(?:^|\s)N %TX|\btx_cpu=N",
        "rx_cpu": r"(?:^|\s)N %RX|\brx_cpu=N",
        "own_cpu": r"real N%|\bcpu=N%",
        "drop": r"(?:^|\s)N / +\d+ drop/pkt|\bdrop=N",
        "pkt": r"(?:^|\s)\d+ / +N drop/pkt|\bpkt=N",
        "loss": r"(?:^|\s)N (?:%loss)|(?:^|\s)N% data loss|\bdata_loss=N",
        # with -br the streams stand between the sum and its name
        "retrans": r"(?:^|\s)N(?: = \d[\d+]*)? (?:host-)?retrans\b|\bretrans ?= ?N",
        "rtt": r"(?:^|\s)N msRTT\b|\bRTT ?= ?N ms|\brtt_ms=N",
        "jitter.min": r"(?:^|\s)N msMinJitter|min-jitter = N ms|msminjitter=N",
        "jitter.mean": r"(?:^|\s)N msAvgJitter|avg-jitter = N ms|msavgjitter=N",
        "jitter.max": r"(?:^|\s)N msMaxJitter|max-jitter = N ms|msmaxjitter=N",
        "delay.min": r"(?:^|\s)N msMinOWD|min-OWD = N ms|msminOWD=N",
        "delay.mean": r"(?:^|\s)N msAvgOWD|avg-OWD = N ms|msavgOWD=N",
        "delay.max": r"(?:^|\s)N msMaxOWD|max-OWD = N ms|msmaxOWD=N",
    }.items()
}
_DATAGRAMS = re.compile(r"\bdrop\b|loss\b|\budp\b")
#: What cannot be and is left out, with the note that says so.
_BELOW_ZERO = (
    (re.compile(r"\s-[\d.]+ ms(?:Min|Avg|Max)OWD|OWD ?= ?-\d"), "clocks_apart"),
    (re.compile(r"\s-\d+ / +\d+ drop/pkt|\bdrop=-\d"), "more_received_than_sent"),
)


def sniff(head: bytes) -> bool:
    """Whether a row of nuttcp's is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a test, and one a failed run.

    Raises
    ------
    ParseError
        Where the bytes are not nuttcp's.
    """
    walk = _Walk()
    lines = texts.decoded(raw).split("\n")
    for at, line in enumerate(lines, 1):
        # A last line without an end may lack the receiver's half.
        if len(line) <= 2000 and (at < len(lines) or "%RX" in line or "%TX" not in line):
            walk.take(_BEFORE_END.sub("", line), at)
    walk.end()
    if not walk.found:
        raise ParseError("no nuttcp row in this text")
    return walk.found


class _Walk:
    """What has been read, and what has been seen of the test that is being read."""

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self.series: list[Interval] = []
        self.verbose = _Verbose()
        self.version: str | None = None
        self.asked: dict[str, str] = {}
        self.erring = False
        self.since = 1

    def take(self, line: str, at: int) -> None:
        if version := _VERSION.match(line):
            self.version = version[2] or version[3]
        if asked := _ASKED.search(line):
            size = "datagram_bytes" if asked[3] == "udp" else "message_bytes"
            self.asked = {size: asked[1], "streams": asked[2]}
        if _ERROR.match(line):
            if not self.erring:
                self._end_verbose()
                self.found.append(self._failed(line, at))
            self.erring = True
        elif own := _VERBOSE.match(line) or _VERBOSE_PARSE.match(line):
            if own["end"] in self.verbose.ends:
                self._end_verbose()
            if not self.verbose.ends:
                self.verbose.series, self.series = self.series, []
            self.verbose.rate(own, at)
            self.erring = False
        elif line.startswith("nuttcp-"):
            self.verbose.more(line)
        elif row := _ROW.match(line) or _PARSE.match(line):
            self._row(row, at)
            self.erring = False

    def _failed(self, reason: str, at: int, *notes: str) -> Reading:
        series, self.series = checks.series(self.series), []
        return checks.failed(reason, intervals=series, line=at, notes=notes, tool_version=self.version)

    def _row(self, row: re.Match[str], at: int) -> None:
        """Take a line of ``-i``, or the one that ends a test."""
        if row.re is _PARSE:
            pairs = _PAIR.findall(row[0])
            values = dict(pairs)
            seconds = number(values.get("real_seconds") or values.get("real_sec"))
            bps, rest = number(values.get("rate_Mbps")), row[0]
            final = row["final"] is not None
            if len(values) < len(pairs):
                self.found.append(self._failed("two rows have run into one line: a key stands twice", at))
                return
            bps = None if bps is None else bps * 1e6
        else:
            rest, seconds = row["rest"].partition(" Tot:")[0], number(row["seconds"])
            final = "%TX" in rest or "%RX" in rest
            try:
                bps = to_base(float(row["rate"]), row["unit"], _RATES)
            except ParseError as problem:
                self.found.append(self._failed(problem.what, at))
                return
        if bps is None or seconds is None:
            self.found.append(self._failed("no rate_Mbps in this row", at))
        elif not final:
            since = self.series[-1].t_end_s if self.series else 0.0
            self.since = self.since if self.series else at
            if seconds > 0:
                self.series.append(Interval(since, since + seconds, "goodput_bps", bps))
        else:
            if len(self.verbose.ends) == 1 and self.verbose.like(bps):
                self.verbose.muted = True  # with -v and -b this line stands between what both ends tell
                self.series = self.verbose.series
            else:
                self._end_verbose()
            told = _told(rest)
            # Without a server (-t and -r at each end) an end tells only its own figure and CPU.
            sent = row.re is _ROW and rest.rstrip().endswith("%TX")
            rate = Sample("sent_bps" if sent else "goodput_bps", bps)
            notes = ["receiver_missing"] if sent else []
            notes += [note for form, note in _BELOW_ZERO if form.search(rest)]
            self.found.append(
                checks.reading(
                    [rate, *_samples(told, None if sent else bps, seconds)],
                    self.series,
                    duration_s=seconds,
                    line=at,
                    test="udp_stream" if _DATAGRAMS.search(rest) else "tcp_stream",
                    tool_version=self.version,
                    notes=tuple(notes),
                    conditions=conditions.of(**self.asked),
                )
            )
            self.series = []

    def _end_verbose(self) -> None:
        told = conditions.of(**self.asked)
        self.found += [replace(one, conditions=told) for one in self.verbose.readings(self.version)]
        self.verbose = _Verbose()

    def end(self) -> None:
        verbose = self.verbose
        self._end_verbose()
        if self.series and not verbose.ends:
            why = "no final row: the output was cut short"
            self.found.append(self._failed(why, self.since, "truncated"))


class _Verbose:
    """What ``-v`` has told of one test so far."""

    def __init__(self) -> None:
        self.line = 1
        self.seconds: float | None = None
        self.ends: dict[str, float] = {}
        self.told: dict[str, float] = {}
        self.series: list[Interval] = []
        self.trouble: str | None = None
        self.muted = self.udp = False

    def rate(self, own: re.Match[str], at: int) -> None:
        """Take the line of an end's rate."""
        unit = own["unit"] if own.re is _VERBOSE else "Mbps"
        self.line = self.line if self.ends else at
        try:
            self.ends[own["end"]] = to_base(float(own["rate"]), unit, _RATES)
        except ParseError as problem:
            self.trouble, self.ends[own["end"]] = problem.what, 0.0
        if own["end"] == "r" or self.seconds is None:
            self.seconds = float(own["seconds"])

    def like(self, bps: float) -> bool:
        """Whether a brief line's rate can be of the test of which one end has told its own."""
        (own,) = self.ends.values()
        return 0.9 * own <= bps <= 1.1 * own

    def more(self, line: str) -> None:
        """Take what another line of an end tells."""
        told = _told(line)
        self.udp |= _DATAGRAMS.search(line) is not None
        if (cpu := told.pop("own_cpu", None)) is not None:
            told[f"{line[7]}x_cpu"] = cpu
        self.told |= told

    def readings(self, version: str | None) -> list[Reading]:
        """Return the test, or nothing where no rate was told or a brief line has told it."""
        if self.muted or not self.ends:
            return []
        rest: dict = {
            "test": "udp_stream" if self.udp else "tcp_stream",
            "line": self.line,
            "tool_version": version,
        }
        if self.trouble:
            return [checks.failed(self.trouble, intervals=checks.series(self.series), **rest)]
        rates = {"t": "sent_bps", "r": "goodput_bps"}
        found = [Sample(rates[end], bps) for end, bps in self.ends.items()]
        found += _samples(self.told, self.ends.get("r"), self.seconds)
        notes = () if "r" in self.ends else ("receiver_missing",)
        return [checks.reading(found, self.series, duration_s=self.seconds, notes=notes, **rest)]


def _told(line: str) -> dict[str, float]:
    """Values that a line tells beside its rate."""
    found = {}
    for name, form in _TOLD.items():
        if match := form.search(line):
            found[name] = float(next(value for value in match.groups() if value is not None))
    return found


def _samples(told: dict[str, float], goodput: float | None, seconds: float | None) -> list[Sample]:
    found: list[Sample] = []
    lost, total = told.get("drop"), told.get("pkt")
    if lost is not None and total:
        found += [
            Sample("loss_ratio", lost / total),
            Sample("lost_packets", lost),
            Sample("total_packets", total),
        ]
        if seconds:
            found.append(Sample("packet_rate_per_s", (total - lost) / seconds))
    elif "loss" in told and not total:
        found.append(Sample("loss_ratio", told["loss"] / 100))
    cpu = [told.get("tx_cpu"), told.get("rx_cpu")]
    found += [Sample(f"cpu_{who}_ratio", p / 100) for who, p in zip(("client", "server"), cpu) if p]
    if all(cpu) and goodput:
        found.append(Sample("cpu_s_per_byte", sum(p or 0 for p in cpu) / 100 * 8 / goodput))
    if "retrans" in told:
        found.append(Sample("retransmitted_segments", told["retrans"]))
    if told.get("rtt"):
        found.append(Sample("rtt_s", told["rtt"] * 1e-3))
    for short, metric in (("jitter", "jitter_s"), ("delay", "one_way_delay_s")):
        for stat in ("min", "mean", "max"):
            if (value := told.get(f"{short}.{stat}")) is not None:
                found.append(Sample(metric, value * 1e-3, stat))
    return found
