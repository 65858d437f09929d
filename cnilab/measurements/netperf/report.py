"""Walks through a file of netperf results, of whatever kinds and however many, and hands each to its reader.

It knows banners, headers and where one result ends and the next begins; what the numbers mean is said in
:mod:`.omni`, :mod:`.columns` and :mod:`.classic`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field, replace

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.netperf import classic, columns, omni
from cnilab.measurements.reading import margins, numbers, texts
from cnilab.measurements.reading import plausible as checks

#: The oldest versions name no port, and a mail program may have put it on the next line.
_BANNER = re.compile(
    r"^(?:MIGRATED )?(?P<what>[A-Z][\w/|()\- ]{0,60}?) TEST (?:from|to) (?P<ends>\S.*)", re.IGNORECASE
)
_BURST = re.compile(r": first burst (\d{1,9})\b")
_FAMILIES = {"INET": "ipv4", "INET6": "ipv6"}
_PORT = re.compile(r"\bport -?\d+")
_KEYVAL = re.compile(r"^([A-Z][A-Z0-9_]{1,40})(?:\[(\d{1,7})\])?=(.*)$")
_INTERIM = re.compile(r"^(?:\^C)?Interim result:\s*(\S+)\s+(\S+) over (\S+) seconds")
_INTERIM_CSV = re.compile(r"^([\d.]+),(Trans/s|10\^\d+bits/s|[KMG]?Bytes/s),(\d+\.\d{3}),\d{9,}\.\d{3}$")
_NUMBERS = re.compile(r"^-?\d[\d.]*(?: +-?\d[\d.]*)*$")
#: -P 0 puts the words given with -B behind a row, and readers of a report put theirs.
_BRANDED = re.compile(r"^(\d[\d.]*(?: +\d[\d.]*){4,9}) +[^\s\d.-].*$")
_WIDTH = re.compile(r"^!!! Confidence intervals: Throughput\s*:\s*([\d.]+)%")
_WANTED = re.compile(r"\+/-\s*([\d.]+)% @")
#: What netperf says of its own socket where ``DUMP_TCP_INFO`` is set.
_TCP_INFO = re.compile(r"^tcpi_reordering \d+ tcpi_total_retrans (\d{1,15})$")
#: Title rows of the classic tables.
_TITLES = re.compile(
    r"\s*(?:Recv +Send|Socket +(?:Socket|Message|Size)|Size +Size|Local */Remote|Send +Recv)\b"
)
_COMMENT = re.compile(r"^\S*[$#>] |^\S+:\S* # ")
#: Words of netperf's complaints that can stand alone, and of those that need a banner or interim results before them.
_ALONE = re.compile(
    r"etperf|netserver|resolve_host|establish_control|shutdown_control|output selection file|^send_data|^recv_resp"
)
_AMONG = re.compile(_ALONE.pattern + r"|error|errno|fail|unable|could not|no response|too ", re.IGNORECASE)
#: No line of netperf's is as long; patterns over a longer one could take minutes.
MAX_LINE = 20_000
_KINDS = (
    ("connect/request/response", "crr"),
    ("connect/close", "cc"),
    ("request/response", "rr"),
    ("connect|send|recv", "crr"),
    ("omni connection", "cc"),
    ("send|recv", "rr"),
    ("maerts", "stream"),
    ("stream", "stream"),
    ("sendfile", "stream"),
    ("unidirectional send", "stream"),
)


@dataclass
class _Pending:
    """A result that has begun: its banner, and what has been seen of it since."""

    line: int = 1
    test: str | None = None
    notes: list[str] = field(default_factory=list)
    asked: dict[str, conditions.Value] = field(default_factory=dict)
    wanted: float | None = None
    announced: bool = False
    overtaken: bool = False
    retransmitted: list[int] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    keys_line: int = 1
    intervals: list[Interval] = field(default_factory=list)
    interim: dict[str, str] = field(default_factory=dict)
    unit: str | None = None
    words: list[str] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        """Whether anything came after the banner."""
        return bool(self.keys or self.intervals or self.words or self.retransmitted)


def parse(raw: bytes) -> list[Reading]:
    """Read every result in ``raw``."""
    walk = _Walk()
    text = texts.decoded(raw).expandtabs()
    for number, (line, cleared) in enumerate(zip(text.split("\n"), margins.cleared(text)), 1):
        # A margin leaves its width behind, because columns are told by their position.
        cleared = cleared or line.strip()  # the longest line, of ``-o all``, is no report pasted into another
        walk.take(number, cleared, cleared.rjust(len(line.rstrip())))
    return walk.finish()


class _Walk:
    """State of the walk through one file, a line at a time."""

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self.pending = _Pending()
        #: Banners that another one followed at once, as where netperfs run side by side into one file.
        self.waiting: list[_Pending] = []
        self.titles: list[str] | None = None
        self.table: classic.Layout | None = None
        self.datagrams: tuple[int, list[str]] | None = None
        self.lone: str | None = None
        self.cut: _Pending | None = None
        self.shaped = False
        self.appended = False
        #: Whether the titles of what ``-v 2`` tells of the last result have been read.
        self.round_trip = False
        self.above = ""

    def take(self, at: int, line: str, placed: str) -> None:
        """Read one line; ``placed`` is the same with blanks before it, so that its columns stand where they stood."""
        if len(placed) > MAX_LINE:
            return
        self._take(at, line, placed)
        self.above = line or self.above

    def _take(self, at: int, line: str, placed: str) -> None:
        if self.datagrams is not None and not self._second_row(line):
            return
        if (banner := _BANNER.match(line)) and (_PORT.search(banner["ends"]) or _kind(banner["what"])):
            if self.pending.announced and not self.pending.begun:
                self.waiting.append(replace(self.pending, overtaken=True))
                self.pending = _Pending()
            self._flush()
            self._announce(at, line, banner["what"])
        elif keyval := _KEYVAL.match(line):
            self._keyval(at, *keyval.groups())
        elif interim := (_INTERIM.match(line) or _INTERIM_CSV.match(line)):
            self._interval(*interim.groups())
        elif info := _TCP_INFO.match(line):
            self.pending.retransmitted.append(int(info[1]))
        elif line.startswith("!!!"):
            if width := _WIDTH.match(line):
                self.pending.notes.append(f"confidence_not_met: throughput {width[1]}%")
        elif table := classic.layout(line, self.above):
            if self.pending.keys:  # a result of named values ends where a table begins
                self._flush()
            self.table, self.shaped = table, True
        elif self.titles is not None and "," in line and self._csv_row(at, line):
            pass
        elif "," in line and columns.named(line):
            self.titles, self.shaped, self.appended = columns.named(line), True, False
        elif "," in line and not self.pending.announced and (unnamed := columns.unnamed(line)):
            self._unnamed(at, unnamed)
        elif self.table is None and (values := columns.row(placed, self.pending.words)):
            self._aligned(at, values)
        elif classic.ROUND_TRIP.match(line):
            self.round_trip = True
        elif self.round_trip and _NUMBERS.match(line) and self.found:
            self.found[-1] = classic.with_round_trip(self.found[-1], line.split())
            self.round_trip = False
        elif _NUMBERS.match(line):
            self._numbers(at, line)
        elif (self.table or not self.shaped) and (branded := _BRANDED.match(line)):
            self._numbers(at, branded[1])
        elif line and not _COMMENT.match(line) and len(self.pending.words) < 20:
            self.pending.words.append(placed)

    def finish(self) -> list[Reading]:
        if self.datagrams is not None:
            self._datagram_result([])
        self._flush()
        while self.pending.announced:
            self._flush()
        if self.found:
            return sorted(self.found, key=lambda reading: reading.line or 0)
        if any(_ALONE.search(line) for line in self.pending.words):
            return [checks.failed(" ".join(self.pending.words[:4]), line=1)]
        if self.cut is not None and not omni.KEYS.isdisjoint(self.cut.keys):
            return [omni.reading(self.cut.keys, None, self.cut.line)]
        if self.lone is not None:
            raise ParseError(f"a bare number, {self.lone!r}, tells neither its test nor its unit", line=1)
        raise ParseError("no netperf result in this text")

    def _announce(self, at: int, line: str, what: str) -> None:
        self.table = self.titles = None
        self.round_trip = False
        burst = _BURST.search(line)
        lowered, kind = what.lower(), _kind(what)
        protocol = next((p for p in ("tcp", "udp", "sctp", "dccp") if p in lowered.split()), None)
        wanted = _WANTED.search(line)
        self.pending = _Pending(
            line=at,
            test=f"{protocol}_{kind}" if protocol and kind else kind if lowered.startswith("omni") else None,
            notes=["reverse"] if "maerts" in lowered or lowered == "omni receive" else [],
            wanted=numbers.number(wanted[1]) if wanted else None,
            asked=conditions.of(
                family=_FAMILIES.get(line.rpartition(" AF_")[2].partition(" ")[0]),
                burst=burst[1] if burst and kind == "rr" else None,
            ),
            announced=True,
        )

    def _flush(self) -> None:
        """Close the pending result: keyval ends only where the next begins; a banner alone is a failure."""
        pending = self.pending
        if pending.keys and not pending.announced and omni.RESULTS.isdisjoint(pending.keys):
            self.cut = self.cut or pending
            self.pending = _Pending()
        elif pending.keys and pending.announced and omni.another(pending.keys, pending.test):
            # The banner's own test was cut, and another one, printed without a banner, follows it.
            keys, at = pending.keys, pending.keys_line
            pending.keys = {}
            self._flush()
            self._add(omni.reading(keys, None, at))
        elif pending.keys:
            rest = {"wanted": pending.wanted, "notes": tuple(pending.notes)}
            self._add(omni.reading(pending.keys, pending.test, pending.line, **rest))
        elif pending.intervals or pending.announced:
            cut = pending.intervals and "interim results and no final one: the output was cut short"
            reason = _said(_AMONG, pending.words) or cut or "the test was announced but gave no result"
            notes = ("truncated",) if reason == cut else ()
            self._add(checks.failed(reason, test=pending.test, line=pending.line, notes=notes))

    def _add(self, reading: Reading) -> None:
        if reading.status == "ok" and self.pending.intervals:
            reading = replace(reading, intervals=checks.series(self.pending.intervals))
        reading = replace(reading, conditions={**self.pending.asked, **reading.conditions})
        self.found.append(self._with_retransmissions(reading))
        self.pending = self.waiting.pop(0) if self.waiting else _Pending()
        self.table = self.titles = None

    def _with_retransmissions(self, reading: Reading) -> Reading:
        """Add what the client's socket sent again: all there is of a stream, unless it received or ran twice."""
        known = any(sample.metric == "retransmitted_segments" for sample in reading.samples)
        if known or reading.status != "ok" or reading.test != "tcp_stream" or "reverse" in reading.notes:
            return reading
        if len(self.pending.retransmitted) != 1:
            return reading
        sent_again = Sample("retransmitted_segments", float(self.pending.retransmitted[0]))
        return replace(reading, samples=(*reading.samples, sent_again))

    def _keyval(self, at: int, key: str, index: str | None, value: str) -> None:
        pending = self.pending
        if index is None and key not in omni.KEYS and not pending.announced and not pending.keys:
            return  # a setting of the script whose log this is
        self.shaped = True
        if index is not None:
            if key.startswith("NETPERF_INTERIM_RESULT"):
                if pending.keys:  # the next test of a file without banners
                    self._flush()
                    pending = self.pending
                pending.interim = {}
            pending.interim[key] = value
            if key.startswith("NETPERF_ENDING"):
                get = pending.interim.get
                unit = get("NETPERF_UNITS", "")
                self._interval(get("NETPERF_INTERIM_RESULT", ""), unit, get("NETPERF_INTERVAL", ""))
            return
        if key in pending.keys:
            self._flush()
            pending = self.pending
        if not pending.keys:
            if pending.announced and any(map(_TITLES.match, pending.words)):
                self._flush()  # the table that was begun has no row
                pending = self.pending
            pending.keys_line = at
            pending.line = pending.line if pending.announced else at
        pending.keys[key] = value.strip()

    def _aligned(self, at: int, values: dict[str, str]) -> None:
        """Take a row of ``-O``; one result may be several blocks of titles and values."""
        for key, value in values.items():
            if self.pending.keys.get(key, value) != value:
                self._flush()
                break
        if not self.pending.keys and not self.pending.announced:
            self.pending.line = at
        self.pending.keys.update(values)
        self.pending.words, self.shaped = [], True

    def _interval(self, value: str, unit: str, seconds: str) -> None:
        pending = self.pending
        since = pending.intervals[-1].t_end_s if pending.intervals else 0.0
        if found := omni.interval(value, unit, seconds, since, pending.test):
            pending.intervals.append(found)
            pending.unit = unit

    def _csv_row(self, at: int, line: str) -> bool:
        """Read a row under CSV titles; of further lines only those of the same form, for -P 0 appends such rows."""
        titles, pending = self.titles, self.pending
        assert titles is not None
        cells = next(csv.reader([line]), [])
        values = {key: cell.strip() for key, cell in zip(titles, cells) if key}
        if self.appended and not (len(cells) == len(titles) and columns.numeric(values)):
            return False
        self.appended = True
        if len(cells) < len(titles):
            self._add(checks.failed(f"a CSV row of {len(cells)} cells under {len(titles)} titles", line=at))
            return True
        rest = {"wanted": pending.wanted, "notes": tuple(pending.notes)}
        self._add(omni.reading(values, pending.test, pending.line if pending.announced else at, **rest))
        self.titles = titles
        return True

    def _unnamed(self, at: int, found: tuple[dict[str, str], bool]) -> None:
        values, more = found
        notes = (*self.pending.notes, "columns_unnamed") if more else tuple(self.pending.notes)
        self._add(omni.reading(values, None, at, notes=notes))
        self.shaped = True

    def _numbers(self, at: int, line: str) -> None:
        row = line.split()
        pending = self.pending
        table, notes = self.table, list(pending.notes)
        told = (pending.announced and not pending.overtaken) or pending.unit
        if table is None and len(row) == 1 and not pending.keys and told:
            table = classic.lone(pending.test, pending.unit)
            notes += [] if pending.unit else ["unit_assumed"]
            if table is None:
                why = f"one number, {row[0]!r}, does not tell whether the sender's or the receiver's it is"
                self._add(checks.failed(why, test=pending.test, line=pending.line))
        elif table is None and not self.shaped and not pending.announced:
            table = classic.bare(row)
            if table is None:
                self.lone = line.strip()[:40]
                return
            if pending.unit:
                table = replace(table, unit=pending.unit)
            else:
                notes.append("unit_assumed")
        if table is None:
            if self.shaped and not pending.announced and not pending.keys and classic.bare(row):
                why = "a row of numbers without titles, behind a result that has them: another run's"
                self.found.append(checks.failed(why, line=at))
            return
        self.table = table
        if table.kind == "datagrams":
            self.datagrams = (at, row)
            return
        where = pending.line if pending.announced else at
        self._add(classic.reading(table, row, [], pending.test, where, tuple(notes)))

    def _second_row(self, line: str) -> bool:
        """Give a datagram test its receiver's row; True where ``line`` is something else to be read."""
        if not line.strip():
            return False
        row = line.split() if _NUMBERS.match(line) else []
        theirs = len(row) in classic.RECEIVER
        self._datagram_result(row if theirs else [])
        return not theirs

    def _datagram_result(self, second: list[str]) -> None:
        assert self.datagrams is not None
        at, row = self.datagrams
        self.datagrams = None
        pending = self.pending
        where = pending.line if pending.announced else at
        table = self.table or classic.Layout("datagrams", "10^6bits/s")
        self._add(classic.reading(table, row, second, pending.test, where, tuple(pending.notes)))


def _kind(what: str) -> str | None:
    """Kind of test that a banner names."""
    lowered = what.lower()
    return next((kind for words, kind in _KINDS if words in lowered), None)


def _said(what: re.Pattern[str], words: list[str]) -> str:
    """Return the first of ``words`` in which ``what`` stands and the three after it, or nothing."""
    first = next((at for at, line in enumerate(words) if what.search(line)), len(words))
    return " ".join(words[first : first + 4])
