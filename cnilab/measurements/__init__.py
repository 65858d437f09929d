"""What cnilab can measure, the programs whose output it can read, and the archives of its peers.

A new one is one module here, one line in :data:`TOOLS` and, if it reads a program's output, one recorded output in
``tests/data/tools``. Testbeds, doctor, provenance and images read what a measurement needs from its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import cast

from cnilab.errors import ParseError, UnknownKey
from cnilab.measurements import (
    ab,
    bombardier,
    cilium_perf,
    convergence,
    flent,
    fortio,
    fping,
    hey,
    iperf2,
    iperf3,
    k8s_netperf,
    knb,
    netperf,
    nuttcp,
    pacer,
    perf_tests,
    ping,
    qperf,
    sockperf,
    vegeta,
    wrk,
)
from cnilab.measurements.base import Call, Interval, Lone, Measurement, Parser, Program, Reading, Sample
from cnilab.measurements.reading import ends, forms, nested, speakers, texts
from cnilab.measurements.reading import plausible as checks

__all__ = [
    "ARCHIVES",
    "TOOLS",
    "Call",
    "Interval",
    "Measurement",
    "Parser",
    "Program",
    "Reading",
    "Sample",
    "balanced",
    "detect",
    "detect_within",
    "get",
    "measurement",
    "ports",
    "programs",
    "read",
    "readers",
    "runnable",
]

#: Name -> module: a :class:`Parser` of a program's output, a :class:`Measurement`, or both.
#: The order is the order of detection: what names itself stands before what is known by its form.
TOOLS: dict[str, Parser | Measurement] = {
    "iperf3": iperf3,
    "flent": flent,
    "fortio": fortio,
    "vegeta": vegeta,
    "bombardier": bombardier,
    "k8s_netperf": k8s_netperf,
    "cilium_perf": cilium_perf,
    "knb": knb,
    "perf_tests": perf_tests,
    "sockperf": sockperf,
    "wrk": wrk,
    "pacer": pacer,
    "ab": ab,
    "hey": hey,
    "iperf2": iperf2,
    "netperf": netperf,
    "nuttcp": nuttcp,
    "qperf": qperf,
    "ping": ping,
    "fping": fping,
    "convergence": convergence,
}


#: Archives of peers. One may hold the very output its numbers were made of, so it is read alone.
ARCHIVES = frozenset({"flent", "k8s_netperf", "cilium_perf", "knb", "perf_tests"})


@cache  # detection asks for every file, and a protocol takes microseconds to be recognised
def _parses(tool: Hashable) -> bool:
    return isinstance(tool, Parser)


def readers() -> dict[str, Parser]:
    """Return what can read a program's output; a measurement that asks daemons itself is none."""
    return {name: cast(Parser, tool) for name, tool in TOOLS.items() if _parses(cast(Hashable, tool))}


def get(name: str) -> Parser:
    """Return the reader of the tool called ``name``.

    Raises
    ------
    UnknownKey
        Listing the known ones.
    """
    tool = TOOLS.get(name)
    if tool is None or not _parses(cast(Hashable, tool)):
        raise UnknownKey("tool", name, readers())
    return cast(Parser, tool)


def runnable() -> dict[str, Measurement]:
    """Return what a study's test can name."""
    return {name: tool for name, tool in TOOLS.items() if isinstance(tool, Measurement)}


def measurement(name: str) -> Measurement:
    """Return the measurement called ``name``.

    Raises
    ------
    UnknownKey
        Listing those that can be run.
    """
    tool = TOOLS.get(name)
    if not isinstance(tool, Measurement):
        raise UnknownKey("tool", name, runnable())
    return tool


def ports() -> tuple[int, ...]:
    """Return every port that a measurement's servers listen on.

    >>> 5201 in ports()
    True
    """
    return tuple(dict.fromkeys(port for tool in runnable().values() for port in tool.PORTS))


def balanced() -> tuple[int, ...]:
    """Return the ports of those measurements whose requests any of several servers may answer.

    >>> balanced()
    (8080,)
    """
    tools = [tool for tool in runnable().values() if getattr(tool, "BALANCED", False)]
    return tuple(dict.fromkeys(port for tool in tools for port in tool.PORTS))


def programs() -> dict[str, Program]:
    """Return every program that a measurement needs, by its name."""
    return {program.name: program for tool in runnable().values() for program in tool.PROGRAMS}


def read(name: str, raw: bytes, *, totals: bool = False) -> list[Reading]:
    """Read what the tool called ``name`` printed.

    Parameters
    ----------
    raw
        All it printed. A number at the end of a text that was cut there is not believed (:mod:`.reading.ends`).
    totals
        Leave the time series out where the reader can.

    Raises
    ------
    ParseError
        Where the bytes are not this tool's.
    UnknownKey
        Where there is no such tool.
    """
    tool = get(name)
    parse = getattr(tool, "parse_totals", tool.parse) if totals else tool.parse
    parts = speakers.split(texts.plain(raw))
    if len(parts) == 1:
        return _alone(tool, parse, parts[0])
    found: list[Reading] = []
    trouble: ParseError | None = None
    for part in parts:
        if not tool.sniff(part.raw[:65536]) and (len(part.raw) <= 65536 or not tool.sniff(part.raw[-65536:])):
            continue  # a container that only stands beside those that measured
        try:
            found += _alone(tool, parse, part)
        except ParseError as problem:
            trouble = trouble or problem
            found.append(checks.failed(problem.what, line=part.placed(problem.line) or part.placed(1)))
    if all(reading.status == "failed" for reading in found) and trouble:
        raise trouble
    if not found:
        raise ParseError(f"none of the {len(parts)} speakers of this log printed {name}'s output")
    return sorted(found, key=lambda reading: reading.line or 0)


def _alone(tool: Parser, parse: Callable[[bytes], list[Reading]], part: speakers.Part) -> list[Reading]:
    """Read what one speaker said; where it is JSON that this tool did not print, the texts within it."""
    try:
        whole = parse(ends.trusted(part.raw))
        if not isinstance(whole, Lone):
            whole = _by_form(tool, parse, part.raw, whole)
        return [part.at_home(reading) for reading in whole]
    except ParseError as problem:
        if several := _by_form(tool, parse, part.raw, []):
            return [part.at_home(reading) for reading in several]
        inner: list[Reading] = []
        for text in nested.texts(part.raw):
            text = texts.plain(text)
            if tool.sniff(text[:65536]):
                with suppress(ParseError):
                    inner += [replace(reading, line=1) for reading in parse(ends.trusted(text))]
        if inner:
            return inner
        problem.line = part.placed(problem.line)
        raise


def _by_form(
    tool: Parser, parse: Callable[[bytes], list[Reading]], raw: bytes, whole: list[Reading]
) -> list[Reading]:
    """Read each form of a file by itself; return ``whole`` where that gives no more results than it has."""
    found: list[Reading] = []
    for bundle in forms.bundles(raw, getattr(tool, "FORMS", ())):
        try:
            found += parse(ends.trusted(bundle))
        except ParseError as problem:
            begins = len(bundle) - len(bundle.lstrip())
            if tool.sniff(bundle[begins : begins + 65536]):
                found.append(checks.failed(problem.what, line=problem.line))
    more = sum(one.status == "ok" for one in found) > sum(one.status == "ok" for one in whole)
    return sorted(found, key=lambda reading: reading.line or 0) if more else whole


def detect(head: bytes) -> str | None:
    """Return the name of the tool whose output begins with ``head`` (64 KiB are enough), by content alone.

    >>> detect(b"tcp_lat:\\n    latency  =  15.6 us\\n")
    'qperf'
    """
    head = texts.plain(head[:65536])
    for name, reader in readers().items():
        if reader.sniff(head):
            return name
    return None


def detect_within(raw: bytes) -> str | None:
    """Return the name of the tool whose output stands as a string, or as a list of lines, within a JSON document."""
    return next(filter(None, map(detect, nested.texts(texts.plain(raw)))), None)
