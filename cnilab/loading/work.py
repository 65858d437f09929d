"""Reads one file, in a worker process: opens it, finds out who wrote it, and has that tool's reader parse it.

A worker is bounded: in memory by a limit on its address space, in time by an alarm. Whatever a file does to
its reader, the answer is a row with a reason, never an exception that ends the load.
"""

from __future__ import annotations

import gc
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from cnilab.errors import ParseError
from cnilab.facts import Fact
from cnilab.loading import margins as logs
from cnilab.loading import sources
from cnilab.measurements import ARCHIVES, TOOLS, Parser, detect, detect_within, knb, read
from cnilab.measurements.base import Reading
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import speakers, texts

#: Seconds one file or member may take, and bytes a worker may take beyond what it began with.
SECONDS = 60
BYTES = 4 * 2**30
_HEAD = 65536
#: Why nothing is in a file of no bytes.
EMPTY = "empty file"
#: Of a text, how much is looked through for a second program, and how many lines that differ in digits alone.
_LOOKED_AT = 2**22
_ALIKE = 3
_DIGITS = bytes.maketrans(b"123456789", b"000000000")


@dataclass
class Answer:
    """What was found out about one file or member."""

    path: str
    tool: str | None = None
    status: str = "ok"
    reason: str | None = None
    line: int | None = None
    readings: list[Reading] = field(default_factory=list)
    archive: str | None = None


def confine() -> None:
    """Limit this process's address space; called once in each worker."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, hard))
    except (OSError, ValueError):
        return  # no /proc, or a lower limit already: the sources' limits on bytes still hold


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for cycles: documents and rows hold none, and to look costs as much as to parse."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _bell() -> Iterator[Callable[[int], object]]:
    """Yield what sets the alarm for so many seconds; 0 takes it back."""

    def ring(*_: object) -> None:
        raise TimeoutError

    try:
        before = signal.signal(signal.SIGALRM, ring)
    except ValueError:  # not the main thread: no alarm can be set there
        yield lambda seconds: None
        return
    try:
        yield signal.alarm
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read_all(files: list[tuple[str, str]], as_tool: str | None, max_bytes: int, series: bool) -> list[Answer]:
    """Read several files, each with what it contains."""
    found: list[Answer] = []
    with uncollected(), _bell() as alarm:
        for path, shown in files:
            try:
                alarm(SECONDS)
                for packed in sources.pieces(path, shown, max_bytes):
                    for answer in _answers(packed, as_tool, series):
                        answer.archive = shown if packed.path != shown else None
                        found.append(answer)
            except TimeoutError:
                found.append(Answer(shown, None, "failed", f"took longer than {SECONDS} seconds to read"))
            except MemoryError:
                found.append(Answer(shown, None, "failed", "took more memory than a file may"))
            finally:
                alarm(0)
    return found


def _answers(packed: sources.Piece, as_tool: str | None, series: bool) -> list[Answer]:
    """Return an answer for each program whose output is in one piece, whoever of several speakers printed it."""
    parts = speakers.split(texts.plain(packed.raw)) if packed.raw else []
    if len(parts) < 2:
        piece = replace(packed, raw=logs.unwrapped(packed.raw)) if packed.raw else packed
        first = _read(piece, as_tool, series)
        return [first, *_others(piece, first, as_tool, series)]
    found: list[Answer] = []
    for part in parts:
        piece = replace(packed, raw=logs.unwrapped(part.raw))
        first = _read(piece, as_tool, series)
        for answer in (first, *_others(piece, first, as_tool, series)):
            answer.readings = [part.at_home(reading) for reading in answer.readings]
            answer.line = part.placed(answer.line)
            found.append(answer)
    return _together([answer for answer in found if answer.status != "skipped"] or found[:1])


def _together(answers: list[Answer]) -> list[Answer]:
    """Make one answer of those that several speakers gave of one program."""
    found: dict[str | None, Answer] = {}
    for answer in answers:
        first = found.setdefault(answer.tool, answer)
        if first is answer:
            continue
        if answer.status == "failed" and not answer.readings:
            answer.readings = [checks.failed(answer.reason or "", line=answer.line)]
        if answer.status == "failed" and first.status != "failed":
            first.status, first.reason, first.line = "failed", answer.reason, answer.line
        first.readings = sorted(first.readings + answer.readings, key=lambda reading: reading.line or 0)
    return list(found.values())


def _bare(reading: Reading) -> Reading:
    return Reading(**{**vars(reading), "intervals": ()}) if reading.intervals else reading


def _one_of_each(raw: bytes) -> bytes:
    """Return the text's lines, but of those alike (a program's rows of intervals) the first few."""
    plain = texts.plain(raw[:_LOOKED_AT])
    seen: Counter[bytes] = Counter()
    kept = []
    for line, shape in zip(plain.split(b"\n"), plain.translate(_DIGITS).split(b"\n")):
        seen[shape] += 1
        if seen[shape] <= _ALIKE:
            kept.append(line)
    return b"\n".join(kept)


def _others(piece: sources.Piece, first: Answer, as_tool: str | None, series: bool) -> Iterator[Answer]:
    """Yield what other programs measured in the same text: in a script's log one comes after the other."""
    raw = piece.raw
    if not raw or as_tool or first.tool in (None, *ARCHIVES) or raw.lstrip()[:1] in b"{[":
        return
    text = _one_of_each(raw)
    ends = {text[:_HEAD], text[-_HEAD:]}
    seen = {first.tool}
    for name in (n for n in TOOLS if n not in ARCHIVES):
        twin = {"iperf2", "iperf3"} & seen if name in ("iperf2", "iperf3") else name in seen
        tool = TOOLS[name]
        if not twin and isinstance(tool, Parser) and any(tool.sniff(part) for part in ends):
            answer = _read(piece, name, series)
            if any(reading.status == "ok" for reading in answer.readings):
                seen.add(name)
                yield answer


def _read(piece: sources.Piece, as_tool: str | None, series: bool) -> Answer:
    answer = Answer(piece.path, as_tool)
    if piece.raw is None:
        answer.status, answer.reason = "skipped" if piece.skipped else "failed", piece.trouble
        return answer
    if not piece.raw:
        answer.status, answer.reason = "skipped", EMPTY
        return answer
    answer.tool = as_tool or detect(piece.raw[:_HEAD])
    if answer.tool is None and len(piece.raw) > _HEAD:  # a long log may stand before the result
        answer.tool = detect(_one_of_each(piece.raw)[:_HEAD]) or detect(piece.raw[-_HEAD:])
    answer.tool = answer.tool or detect_within(piece.raw)
    if answer.tool is None:
        answer.status = "skipped"
        answer.reason = "bookkeeping of knb" if knb.bookkeeping(piece.path) else "no known tool's output"
        return answer
    try:
        if series:
            answer.readings = read(answer.tool, piece.raw)
        else:  # not asked for, so not kept and not sent to the parent process
            answer.readings = [_bare(r) for r in read(answer.tool, piece.raw, totals=True)]
    except ParseError as problem:
        answer.status, answer.reason, answer.line = "failed", problem.what, problem.line
        return answer
    except (TimeoutError, MemoryError):
        raise
    except Exception as problem:  # a reader's defect must cost one file, not the load
        answer.status, answer.reason = "failed", f"defect in the reader of {answer.tool}: {problem!r}"[:500]
        return answer
    bad = next((r for r in answer.readings if r.status not in ("ok", "skipped")), None)
    if bad is not None:
        answer.status, answer.reason, answer.line = "failed", _said(bad), bad.line
    elif all(r.status == "skipped" for r in answer.readings):
        answer.status, answer.reason = (
            "skipped",
            _said(answer.readings[0]) if answer.readings else "no test in it",
        )
    return answer


def _said(reading: Reading) -> str | None:
    """Return a reading's reason for the list of files, whose column holds words for a person."""
    return str(reading.reason) if isinstance(reading.reason, Fact) else reading.reason
