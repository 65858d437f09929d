"""nuttcp: bulk transfer, reported by the receiver. Reads its text and ``-fparse`` output; not run by the lab.

Its MB are 2**20 bytes, its Mbps 10**6 bit/s.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Interval, Reading, Sample
from cnilab.tools.checks import number
from cnilab.units import to_base

NAME = "nuttcp"

_RATES = {"bps": 1.0, "Kbps": 1e3, "Mbps": 1e6, "Gbps": 1e9}
_ROW = re.compile(
    r"^\s*(?:nuttcp-[rt]: )?(?P<size>\d+(?:\.\d+)?) +(?:KB|MB|GB|TB) / +(?P<seconds>\d+(?:\.\d+)?) +sec ="
    r" +(?P<rate>\d+(?:\.\d+)?) (?P<unit>[A-Za-z]+)(?P<rest>(?: .*)?)$"
)
_DROPS = re.compile(r"(\d{1,15}) / +(\d{1,15}) (?:~?drop/pkt)\b")
_CPU = re.compile(r"(\d{1,15}) %TX +(\d{1,15}) %RX")
_RETRANS = re.compile(r"(\d{1,15}) (?:host-)?retrans\b")
_RTT = re.compile(r"(\d+(?:\.\d+)?) msRTT\b")
_PAIR = re.compile(r"(\w+)=(\S+)")
_ERROR = re.compile(
    r"^(?:nuttcp(?:-[rt])?: (?:Error|error|v[\d.]+: Error)|Error)[:\s].*"
    r"|^nuttcp(?:-[rt])?: .*: (?:Connection|No route).*"
)
#: ``-v`` tells each end's own figure on lines of their own, the transmitter's first.
_VERBOSE = re.compile(
    r"^nuttcp-(?P<end>[rt]): +\d+(?:\.\d+)? +[KMGT]?B in +(?P<seconds>\d+(?:\.\d+)?) real seconds"
    r" = +\d+(?:\.\d+)? KB/sec = +(?P<rate>\d+(?:\.\d+)?) (?P<unit>\S+)\s*$"
)
_VERBOSE_LOSS = re.compile(r"^nuttcp-r: +(\d{1,15}) / +(\d{1,15}) drop/pkt\b")
_VERBOSE_RETRANS = re.compile(r"^nuttcp-t: (?:host-)?retrans = (\d{1,15})\b")
_SNIFF = re.compile(
    rb"^\s*(?:nuttcp-[rt]: )?\d[\d.]* +[KMGT]B / +[\d.]+ +sec ="
    rb"|^megabytes=\S+ real_seconds=|^nuttcp(?:-[rt])?: ",
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether a row of nuttcp's is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a final row; the rows of ``-i`` before it are its series.

    Raises
    ------
    ParseError
        Where the bytes are not nuttcp's.
    """
    found: list[Reading] = []
    series: list[Interval] = []
    error: str | None = None
    verbose = _Verbose()
    for at, line in enumerate(checks.text(raw).split("\n"), 1):
        if len(line) > 2000:
            continue
        if line.startswith("megabytes="):
            found.append(_pairs(_PAIR.findall(line), at))
        elif row := _ROW.match(line):
            final = _CPU.search(row["rest"]) is not None
            reading, span = _row(row, at, series)
            if final or reading.status != "ok":
                found.append(reading)
                series = []
            elif span and span[0] > 0:
                since = series[-1].t_end_s if series else 0.0
                series.append(Interval(since, since + span[0], "goodput_bps", span[1]))
        elif line.startswith("nuttcp-") and _Verbose.reads(line):
            if verbose.told_by(line):
                found += verbose.readings()
                verbose = _Verbose()
            verbose.take(line, at)
        elif _ERROR.match(line):
            error = error or line.strip()
    found += verbose.readings()
    if error and not found:
        found.append(checks.failed(error, line=1))
    elif series:
        reason = "no final row: the output was cut short"
        found.append(
            Reading(status="failed", reason=reason, intervals=checks.series(series), notes=("truncated",))
        )
    if not found:
        raise ParseError("no nuttcp row in this text")
    return found


def _row(row: re.Match[str], line: int, series: list[Interval]) -> tuple[Reading, tuple[float, float] | None]:
    seconds, rest = float(row["seconds"]), row["rest"]
    loss = _DROPS.search(rest)
    context: dict = {"test": "udp_stream" if loss else "tcp_stream", "line": line}
    try:
        bps = to_base(float(row["rate"]), row["unit"], _RATES)
    except ParseError as problem:
        return checks.failed(problem.what, **context), None
    if not _CPU.search(rest):
        return Reading(), (seconds, bps)
    samples = [Sample("goodput_bps", bps)]
    if loss and int(loss[2]):
        lost, total = float(loss[1]), float(loss[2])
        samples += _loss(lost, total)
        if seconds:
            samples.append(Sample("packet_rate_per_s", (total - lost) / seconds))
    cpu = _CPU.search(rest)
    assert cpu is not None
    samples += _cpu(float(cpu[1]), float(cpu[2]), bps)
    if retrans := _RETRANS.search(rest):
        samples.append(Sample("retransmitted_segments", float(retrans[1])))
    if (rtt := _RTT.search(rest)) and float(rtt[1]):
        samples.append(Sample("rtt_s", float(rtt[1]) * 1e-3))
    return checks.reading(samples, series, duration_s=seconds, **context), None


_RATE_OF = {"t": "sent_bps", "r": "goodput_bps"}


class _Verbose:
    """What ``-v`` has told of one test so far."""

    def __init__(self) -> None:
        self.line = 1
        self.seconds: float | None = None
        self.samples: list[Sample] = []
        self.datagrams = False
        self.trouble: str | None = None

    @staticmethod
    def reads(line: str) -> bool:
        """Whether a line tells a figure."""
        return any(form.match(line) for form in (_VERBOSE, _VERBOSE_LOSS, _VERBOSE_RETRANS))

    def told_by(self, line: str) -> bool:
        """Whether the end that ``line`` is of has told its rate already: then another test begins."""
        row = _VERBOSE.match(line)
        return row is not None and any(s.metric == _RATE_OF[row["end"]] for s in self.samples)

    def take(self, line: str, at: int) -> None:
        if row := _VERBOSE.match(line):
            if not self.samples:
                self.line = at
            try:
                bps = to_base(float(row["rate"]), row["unit"], _RATES)
            except ParseError as problem:
                self.trouble, bps = problem.what, 0.0
            self.samples.append(Sample(_RATE_OF[row["end"]], bps))
            if row["end"] == "r":
                self.seconds = float(row["seconds"])
        elif loss := _VERBOSE_LOSS.match(line):
            self.datagrams = True
            if total := float(loss[2]):
                self.samples += _loss(float(loss[1]), total)
        elif retrans := _VERBOSE_RETRANS.match(line):
            self.samples.append(Sample("retransmitted_segments", float(retrans[1])))

    def readings(self) -> list[Reading]:
        """Return the test, or nothing where no rate was told."""
        told = {s.metric for s in self.samples}
        if told.isdisjoint(_RATE_OF.values()):
            return []
        rest: dict = {"test": "udp_stream" if self.datagrams else "tcp_stream", "line": self.line}
        if self.trouble:
            return [checks.failed(self.trouble, **rest)]
        notes = () if "goodput_bps" in told else ("receiver_missing",)
        return [checks.reading(self.samples, duration_s=self.seconds, notes=notes, **rest)]


def _loss(lost: float, total: float) -> list[Sample]:
    return [Sample("loss_ratio", lost / total), Sample("lost_packets", lost), Sample("total_packets", total)]


def _cpu(sender: float, receiver: float, bps: float) -> list[Sample]:
    found = [
        Sample(f"cpu_{who}_ratio", percent / 100)
        for who, percent in (("client", sender), ("server", receiver))
        if percent
    ]
    if len(found) == 2 and bps:
        found.append(Sample("cpu_s_per_byte", (sender + receiver) / 100 * 8 / bps))
    return found


def _pairs(pairs: list[tuple[str, str]], line: int) -> Reading:
    """Read ``-fparse``."""
    values = dict(pairs)
    if len(values) < len(pairs):
        return checks.failed("two rows have run into one line: a key stands twice", line=line)
    rate = number(values.get("rate_Mbps"))
    context: dict = {"test": "udp_stream" if "pkt" in values else "tcp_stream", "line": line}
    if rate is None:
        return checks.failed("no rate_Mbps in this row", **context)
    samples = [Sample("goodput_bps", rate * 1e6)]
    samples += _cpu(number(values.get("tx_cpu")) or 0.0, number(values.get("rx_cpu")) or 0.0, rate * 1e6)
    if (retrans := number(values.get("retrans"))) is not None:
        samples.append(Sample("retransmitted_segments", retrans))
    if rtt := number(values.get("rtt_ms")):
        samples.append(Sample("rtt_s", rtt * 1e-3))
    lost, total = number(values.get("drop")), number(values.get("pkt"))
    if lost is not None and total:
        samples += _loss(lost, total)
    return checks.reading(samples, duration_s=number(values.get("real_seconds")), **context)
