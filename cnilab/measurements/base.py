"""What a measurement is: how it is taken on a bench, what it takes and gives, and what its raw bytes say.

A measurement knows nothing of CNI modes and nothing of where it runs: a testbed's deployment gives it a
:class:`~cnilab.bench.Bench`. One file per program or act, one line in the registry of :mod:`cnilab.measurements`, one
recorded output in ``tests/data``. A program with a server and a client is one kind of measurement
(:mod:`.client_server`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from cnilab.bench import Bench, Ended
from cnilab.facts import Fact


class Sample(NamedTuple):
    """One number a tool printed, in the base unit its metric's name ends in."""

    metric: str
    value: float
    stat: str = "value"


class Interval(NamedTuple):
    """One value of a tool's own time series; ``t`` in seconds since the test began.

    A tuple, because a long test has thousands of them.
    """

    t_start_s: float
    t_end_s: float
    metric: str
    value: float
    omitted: bool = False


@dataclass(frozen=True)
class Reading:
    """All that one tool execution said.

    Parameters
    ----------
    samples, intervals
        What it measured. ``samples`` is empty when ``status`` is not ``ok``; the series may remain.
    status, reason
        ``ok``; ``failed`` or ``timeout`` with the tool's own words; ``skipped`` where nothing was measured. A reason
        that is not the tool's is a fact; :attr:`fact` is either as one.
    test
        The kind of test as the output itself tells it (``tcp_stream``, ``tcp_rr`` …), or None.
    tool_version
        As printed, or None where the output does not tell.
    duration_s
        The measured time in seconds, or None.
    line
        1-based line where this reading (or its failure) begins in the file, or None.
    notes
        Coded remarks that travel to ``warnings`` (``"goodput_from_loss"``); :mod:`.remarks` has their meanings.
    conditions
        What was asked for, as far as the output tells it, by the names of :data:`.conditions.CONDITIONS`.
    started_at
        When the test began as the output tells it, ISO 8601 with its zone (``2026-11-23T20:54:59Z``), or None.
    labels
        What the output itself says of where it ran, as columns of the samples table: ``mode``, ``path``,
        ``placement``. Only peers' archives say it; a tool's own output does not.
    """

    samples: tuple[Sample, ...] = ()
    intervals: tuple[Interval, ...] = ()
    status: str = "ok"
    reason: str | Fact | None = None
    test: str | None = None
    tool_version: str | None = None
    duration_s: float | None = None
    line: int | None = None
    notes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str | float] = field(default_factory=dict)
    started_at: str | None = None

    @property
    def fact(self) -> Fact | None:
        """Why there is no value, None where there is one."""
        if self.status == "ok":
            return None
        return self.reason if isinstance(self.reason, Fact) else Fact("tool_reported", quoted=self.reason)


class Lone(list[Reading]):
    """The one reading of a file that is a single document: nothing else can stand in it."""


@dataclass(frozen=True)
class Call:
    """What is asked of a measurement. Which of it a kind of test heeds is in its :attr:`Kind.takes`.

    Parameters
    ----------
    kind
        ``tcp_stream``, ``udp_stream``, ``tcp_rr``, ``tcp_crr`` …
    duration_s, omit_s
        Seconds that count, and seconds before them that do not.
    streams
        Parallel connections.
    congestion_control
        Set on both ends where the tool can, so that a machine's default does not slip in; None leaves it.
    client_cpu, server_cpu
        CPU the client's and the server's process are bound to by the tool's own option; None leaves
        them free.
    mss_bytes
        TCP maximum segment size to ask for, or None.
    options
        What is the measurement's own, by :attr:`Kind.options`.
    """

    kind: str
    duration_s: float = 1.0
    omit_s: float = 0.0
    streams: int = 1
    congestion_control: str | None = None
    client_cpu: int | None = None
    server_cpu: int | None = None
    mss_bytes: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """One option of a kind of test: ``accepts`` judges a value as written, ``allowed`` says what it takes."""

    allowed: str
    accepts: Callable[[str], object]


@dataclass(frozen=True)
class Kind:
    """One kind of test that a measurement can do.

    Parameters
    ----------
    metrics
        What it can give.
    takes
        Fields of :class:`Call` it heeds, of ``streams``, ``omit_s``, ``mss_bytes``, ``congestion_control``.
    options
        Name -> what it may be.
    """

    metrics: tuple[str, ...]
    takes: frozenset[str] = frozenset()
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """A program that a measurement needs at both ends.

    Parameters
    ----------
    version
        Arguments it prints its version with; empty where it has none.
    get
        The command that brings it where ``packages.txt`` names no package.
    alone
        Whether the program and the shared libraries it names are all it needs, so that an image can be packed with it.
    """

    name: str
    version: tuple[str, ...] = ()
    get: str = ""
    alone: bool = True


@runtime_checkable
class Parser(Protocol):
    """What reads a program's output: enough for `cnilab load`."""

    NAME: str

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes (up to 64 KiB) look like this tool's output, by content alone."""
        ...

    def parse(self, raw: bytes) -> list[Reading]:
        """Return one Reading a test in ``raw``; raise ParseError where the bytes are not this tool's."""
        ...


@runtime_checkable
class Measurement(Protocol):
    """What a study's test can name.

    ``KINDS`` are the kinds of test it can do, ``PROGRAMS`` what must be installed, ``PORTS`` those its servers listen
    on, which a lab's Docker publishes and a Service forwards.
    """

    NAME: str
    KINDS: Mapping[str, Kind]
    PROGRAMS: tuple[Program, ...]
    PORTS: tuple[int, ...]

    def measure(self, bench: Bench, call: Call, folder: Path, limit_s: float) -> Ended:
        """Take one trial, raw bytes straight into ``folder``; nothing is read of them."""
        ...

    def read(self, folder: Path) -> list[Reading]:
        """Read what :meth:`measure` left in ``folder``; raise ParseError where it is not its own."""
        ...


def whole(least: int = 1) -> Option:
    """Return an option that is a whole number not below ``least``."""
    return Option(f"a whole number from {least} on", lambda text: text.isdecimal() and int(text) >= least)
