"""The ping of Windows, in whatever language it speaks; :mod:`.ping` hands its texts to this module.

Words change with the language of the machine, so the numbers are found by the signs around them. It prints whole
milliseconds, and counts *Destination host unreachable* as an answer: those are taken out of the answers again. It
knows no other ping.
"""

from __future__ import annotations

import re
from itertools import pairwise

from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import plausible as checks

_REPLY = re.compile(r"[:：] ?(?:[^=<:：,]*=\d+ )?[^\s=<\d:：,]+ ?([=<])(\d+) ?[^\s\d=]{1,5}(?: TTL=\d+)?$")
#: A sentence behind an address; before an IPv6 address, which has colons of its own, only these words.
_UNANSWERED = re.compile(
    r"^(?:(?:Reply from|Antwort von|Réponse de|Respuesta desde|Risposta da|Resposta de|Ответ от|来自) [^=<]*"
    r"|(?:[^\W\d]+ ){0,3}\d{1,3}(?:\.\d{1,3}){3}[^=<:：\d]{0,12})[:：] ?([^=<:：\d\s][^=<:：]*)$"
)
_COUNTS = re.compile(
    r"= ?(\d{1,15})[,，、] ?[^=]*= ?(\d{1,15})[,，、] ?[^=]*= ?(\d{1,15})(?: ?\(.*)?[,，、]?$"
)
#: Sysinternals' PsPing has the same statistics with decimals.
_TIME = r"= {0,3}(\d+(?:[.,]\d+)?) ?[^\d\s=]{1,5}"
_TIMES = re.compile(rf"{_TIME}[,，、] ?[^=]*{_TIME}[,，、] ?[^=]*{_TIME}$")
_ERROR = re.compile(
    r"^((?:Ping request could not find host|Ping-Anforderung konnte Host|La solicitud de ping no pudo encontrar"
    r"|La requête Ping n[’']a pas pu trouver|A solicitação ping não pôde encontrar|Ping 请求找不到主机) .*"
    r"|PING: transmit failed.*)$"
)
#: In every language the line above the counts has this word and ends so.
_HEADING = re.compile(r"^[^=]*ping[^=]*[:：]$", re.IGNORECASE)
_OURS = re.compile(
    rf"=\d+ \S+ ?[=<]\d+ ?\S{{1,5}} TTL=\d+$|{_ERROR.pattern}|^Pinging \S.* with \d+ bytes of data:$"
)


def speaks(lines: list[str]) -> bool:
    """Whether these lines are of the ping of Windows."""
    short = _joined(lines)
    return any(_OURS.search(line) for line in short) or any(
        _HEADING.match(above) and _COUNTS.search(line) for above, line in pairwise(short)
    )


def parse(lines: list[str]) -> list[Reading]:
    """Read one Reading a pinged host; an empty list where nothing was found."""
    found: list[Reading] = []
    run = _Run(1)
    headed = False
    for at, line in enumerate(_joined(lines), 1):
        if error := _ERROR.match(line):
            if run.begun:
                found.append(run.reading())
                run = _Run(at + 1)
            found.append(checks.failed(error[1], test="icmp_rr", line=at))
            continue
        reply, unanswered = _REPLY.search(line), _UNANSWERED.match(line)
        counts = _COUNTS.search(line) if headed else None
        headed = _HEADING.match(line) is not None
        if run.counts and (reply or unanswered or counts):
            found.append(run.reading())
            run = _Run(at)
        if counts:
            run.counts = int(counts[1]), int(counts[2]), int(counts[3])
        elif run.counts and (times := _TIMES.search(line)):
            run.times = [float(time.replace(",", ".")) * 1e-3 for time in times.groups()]
        elif reply:
            run.replies.append(0.0 if reply[1] == "<" else float(reply[2]) * 1e-3)
        elif unanswered:
            run.unanswered.append(unanswered[1])
    if run.begun:
        found.append(run.reading())
    return found


def _joined(lines: list[str]) -> list[str]:
    """Return as many lines, the long ones empty, and counts that stand in two lines, as in Italian, in the second."""
    short = [line if len(line) < 500 else "" for line in lines]
    for at in range(len(short) - 2):
        heading, first, second = short[at : at + 3]
        if _HEADING.match(heading) and first.endswith(",") and not _COUNTS.search(first):
            short[at + 1 : at + 3] = heading, f"{first} {second}"
    return short


class _Run:
    """What has been read of one host."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.replies: list[float] = []
        self.unanswered: list[str] = []
        self.counts: tuple[int, int, int] | None = None
        self.times: list[float] = []

    @property
    def begun(self) -> bool:
        return bool(self.counts or self.replies or self.unanswered)

    def reading(self) -> Reading:
        rest: dict = {"test": "icmp_rr", "line": self.line}
        if self.counts is None:
            return checks.failed("no statistics: the output was cut short", notes=("truncated",), **rest)
        sent, received, lost = self.counts
        if received + lost != sent:
            return checks.failed(f"{sent} packets sent are not {received} received and {lost} lost", **rest)
        answered = received - len(self.unanswered)
        if answered <= 0:
            why = f": {self.unanswered[0].rstrip('.')}" if self.unanswered else ""
            return checks.failed(f"no reply to any of {sent} packets{why}", **rest)
        notes = ["unreachable_counted_as_received"] if self.unanswered else []
        samples = [
            Sample("loss_ratio", (sent - answered) / sent),
            Sample("lost_packets", float(sent - answered)),
            Sample("total_packets", float(sent)),
        ]
        timed = [Sample("rtt_s", v, stat) for stat, v in zip(("min", "max", "mean"), self.times)]
        if timed and len(self.replies) == answered:
            known = {s.stat for s in timed}
            timed += [s for s in checks.distribution("rtt_s", self.replies) if s.stat not in known]
        if not timed:
            notes.append("no_times")
        # Less than a millisecond is printed as 0.
        if any(s.value == 0 for s in timed):
            notes.append("below_resolution")
        return checks.reading([*samples, *(s for s in timed if s.value)], notes=tuple(notes), **rest)
