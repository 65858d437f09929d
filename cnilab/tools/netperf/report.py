"""Walks through a file of netperf results, of whatever kinds and however many, and hands each to its reader.

It knows banners, headers and where one result ends and the next begins; what the numbers mean is said in
:mod:`.omni` and :mod:`.classic`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field

from cnilab.errors import ParseError
from cnilab.tools import checks
from cnilab.tools.base import Interval, Reading
from cnilab.tools.netperf import classic, omni

_BANNER = re.compile(
    r"^(?:MIGRATED )?(?P<what>[A-Z][\w/|()\- ]{0,60}?) TEST (?:from|to) .*\bport -?\d+", re.IGNORECASE
)
_KEYVAL = re.compile(r"^([A-Z][A-Z0-9_]{1,40})(?:\[(\d{1,7})\])?=(.*)$")
_INTERIM = re.compile(r"^Interim result:\s*(\S+)\s+(\S+) over (\S+) seconds ending at")
_NUMBERS = re.compile(r"^\s*-?\d[\d.]*(?:\s+-?\d[\d.]*)*\s*$")
_WIDTH = re.compile(r"^!!! Confidence intervals: Throughput\s*:\s*([\d.]+)%")
_WANTED = re.compile(r"\+/-\s*([\d.]+)% @")
_HEADLESS = re.compile(r"^([\d.]+),(Trans/s|10\^\d+bits/s|[KMG]?Bytes/s|Send|Receive|Send\|Recv)$")
_COMMENT = re.compile(r"^\S*[$#>] |^\S+:\S* # ")
#: No line of netperf's is as long; patterns over a longer one could take minutes.
MAX_LINE = 20_000
_KINDS = (
    ("connect/request/response", "crr"),
    ("connect/close", "cc"),
    ("request/response", "rr"),
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
    wanted: float | None = None
    announced: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    intervals: list[Interval] = field(default_factory=list)
    interim: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def parse(raw: bytes) -> list[Reading]:
    """Read every result in ``raw``."""
    walk = _Walk()
    for number, line in enumerate(checks.text(raw).split("\n"), 1):
        walk.take(number, line.rstrip())
    return walk.finish()


class _Walk:
    """State of the walk through one file, a line at a time."""

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self.pending = _Pending()
        self.titles: list[str] | None = None
        self.table: classic.Layout | None = None
        self.datagrams: tuple[int, list[str]] | None = None
        self.lone: str | None = None
        self.shaped = False

    def take(self, at: int, line: str) -> None:
        if len(line) > MAX_LINE:
            return
        if self.datagrams is not None and not self._second_row(line):
            return
        if banner := _BANNER.search(line):
            self._flush()
            self._announce(at, line, banner["what"])
        elif keyval := _KEYVAL.match(line):
            self._keyval(at, *keyval.groups())
        elif interim := _INTERIM.match(line):
            self._interval(*interim.groups())
        elif line.startswith("!!!"):
            if width := _WIDTH.match(line):
                self.pending.notes.append(f"confidence_not_met: throughput {width[1]}%")
        elif table := classic.layout(line):
            self.table, self.shaped = table, True
        elif self.titles is not None and "," in line:
            self._csv_row(at, line)
        elif "," in line and _titles(line):
            self.titles, self.shaped = _titles(line), True
        elif _HEADLESS.match(line) and not self.pending.announced:
            self._headless(at, line)
        elif _NUMBERS.match(line):
            self._numbers(at, line)
        elif line.strip() and not _COMMENT.match(line):
            self._words(at, line)

    def finish(self) -> list[Reading]:
        if self.datagrams is not None:
            self._datagram_result([])
        self._flush()
        if self.found:
            return self.found
        words = self.pending.words
        if any("etperf" in w or "netserver" in w or "resolve_host" in w for w in words):
            return [checks.failed(" ".join(words[:4]), line=1)]
        if self.lone is not None:
            raise ParseError(f"a bare number, {self.lone!r}, tells neither its test nor its unit", line=1)
        raise ParseError("no netperf result in this text")

    def _announce(self, at: int, line: str, what: str) -> None:
        self.table = self.titles = None
        lowered = what.lower()
        protocol = next((p for p in ("tcp", "udp", "sctp", "dccp") if p in lowered.split()), None)
        kind = next((k for words, k in _KINDS if words in lowered), None)
        wanted = _WANTED.search(line)
        self.pending = _Pending(
            line=at,
            test=f"{protocol}_{kind}" if protocol and kind else None,
            notes=["reverse"] if "maerts" in lowered else [],
            wanted=checks.number(wanted[1]) if wanted else None,
            announced=True,
        )

    def _flush(self) -> None:
        """Close the pending result: keyval ends only where the next begins; a banner alone is a failure."""
        pending = self.pending
        if pending.keys:
            rest = {"wanted": pending.wanted, "notes": tuple(pending.notes)}
            self._add(omni.reading(pending.keys, pending.test, pending.line, **rest))
        elif pending.intervals and not pending.announced:
            reason = "interim results and no final one: the output was cut short"
            self._add(checks.failed(reason, line=pending.line, notes=("truncated",)))
        elif pending.announced:
            words = " ".join(pending.words[:4])
            self._add(
                checks.failed(
                    words or "the test was announced but gave no result", test=pending.test, line=pending.line
                )
            )

    def _add(self, reading: Reading) -> None:
        if reading.status == "ok" and self.pending.intervals:
            reading = Reading(**{**vars(reading), "intervals": checks.series(self.pending.intervals)})
        self.found.append(reading)
        self.pending = _Pending()
        self.table = self.titles = None

    def _keyval(self, at: int, key: str, index: str | None, value: str) -> None:
        self.shaped = True
        pending = self.pending
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
        if not pending.keys and not pending.announced:
            pending.line = at
        pending.keys[key] = value.strip()

    def _interval(self, value: str, unit: str, seconds: str) -> None:
        pending = self.pending
        since = pending.intervals[-1].t_end_s if pending.intervals else 0.0
        if found := omni.interval(value, unit, seconds, since, pending.test):
            pending.intervals.append(found)

    def _csv_row(self, at: int, line: str) -> None:
        assert self.titles is not None
        cells = next(csv.reader([line]), [])
        pending = self.pending
        if len(cells) < len(self.titles):
            self._add(
                checks.failed(f"a CSV row of {len(cells)} cells under {len(self.titles)} titles", line=at)
            )
            return
        values = {key: cell for key, cell in zip(self.titles, cells) if key}
        rest = {"wanted": pending.wanted, "notes": tuple(pending.notes)}
        self._add(omni.reading(values, pending.test, pending.line if pending.announced else at, **rest))

    def _headless(self, at: int, line: str) -> None:
        """Read a CSV row whose header ``-P 0`` has suppressed; its own words are all there is to go by."""
        value, word = _HEADLESS.match(line).groups()  # type: ignore[union-attr]
        values = {"THROUGHPUT": value}
        values["DIRECTION" if word in ("Send", "Receive", "Send|Recv") else "THROUGHPUT_UNITS"] = word
        self._add(omni.reading(values, None, at))
        self.shaped = True

    def _numbers(self, at: int, line: str) -> None:
        row = line.split()
        pending = self.pending
        table, notes = self.table, list(pending.notes)
        if table is None and not self.shaped and not pending.announced:
            table = classic.bare(row)
            if table is None:
                self.lone = line.strip()[:40]
                return
            notes.append("unit_assumed")
        if table is None:
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
        self._datagram_result(row if len(row) == 4 else [])
        return len(row) != 4

    def _datagram_result(self, second: list[str]) -> None:
        assert self.datagrams is not None
        at, row = self.datagrams
        self.datagrams = None
        pending = self.pending
        where = pending.line if pending.announced else at
        table = self.table or classic.Layout("datagrams", "10^6bits/s")
        self._add(classic.reading(table, row, second, pending.test, where, tuple(pending.notes)))

    def _words(self, at: int, line: str) -> None:
        """Keep what may be a reason, a header of aligned columns, or the row under one."""
        pending = self.pending
        if pending.words and line[:1].isdigit() and not self.table:
            titles = _aligned(line, pending.words)
            if any(titles):
                self.shaped = True
                values = dict(zip(titles, line.split()))
                where = pending.line if pending.announced else at
                rest = {"wanted": pending.wanted, "notes": tuple(pending.notes)}
                self._add(omni.reading(values, pending.test, where, **rest))
                return
        if len(pending.words) < 20:
            pending.words.append(line)


def _titles(line: str) -> list[str] | None:
    """Return the omni keys of a CSV header ('' for a title that is not read), or None if it is no header."""
    if len(line) > 20_000:
        return None
    keys = [omni.TITLES.get(cell.strip(), "") for cell in line.split(",")]
    return keys if any(keys) else None


def _aligned(row: str, words: list[str]) -> list[str]:
    """Return the omni keys above each value of a ``-O`` row: titles are stacked over the values' columns."""
    starts = [m.start() for m in re.finditer(r"\S+", row)]
    if len(starts) > 500:
        return []
    edges = [*starts[1:], None]
    keys = []
    for start, end in zip(starts, edges):
        title = " ".join(part for word in words for part in word[start:end].split())
        keys.append(omni.TITLES.get(title, ""))
    return keys
