"""What a measurement is: how it is taken on a bench, what it takes and gives, and what its raw bytes say.

A measurement knows nothing of CNI modes and nothing of where it runs: a testbed's deployment gives it a
:class:`Bench`. One file a program or act, one line in the registry of :mod:`cnilab.measurements`, one recorded output
in ``tests/data``. A program with a server and a client is one kind of measurement (:mod:`.client_server`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from cnilab.facts import Fact

#: A command. A Path in it is a Python file of this package, which a bench runs with the Python that stands there.
Argv = Sequence[str | Path]


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


@dataclass(frozen=True)
class End:
    """Where a program runs (``where``: a namespace or pod) and the address others reach it at."""

    where: str
    address: str


@dataclass(frozen=True)
class Ended:
    """How an act of measuring ended; what it measured is read later, from its bytes.

    Parameters
    ----------
    code
        Exit status; None where it was ended from outside.
    timed_out
        Whether it was ended at its time limit.
    started_at, wall_s
        Unix time at its begin, and seconds to its end.
    called
        What was run, for the trial's record: ``client_argv``, ``server_argv``, ``server_code`` …
    """

    started_at: float
    wall_s: float
    code: int | None = 0
    timed_out: bool = False
    called: Mapping[str, object] = field(default_factory=dict)


class Served:
    """A server while it serves; ``code`` is its exit status once it has ended."""

    code: int | None = None


class Bench(Protocol):
    """What a deployment offers to a measurement for one trial: two or more ends, and nodes to be asked.

    Every output goes straight into the trial's folder: ``out`` and ``err`` are files there.
    """

    def client(self) -> End:
        """Where the client runs."""
        ...

    def servers(self) -> Sequence[End]:
        """Where servers run; behind a Service they share its address."""
        ...

    def nodes(self) -> Sequence[str]:
        """The nodes that can be asked, the client's first."""
        ...

    def serve(
        self, end: End, argv: Argv, *, port: int, out: Path, err: Path
    ) -> AbstractContextManager[Served]:
        """Serve at ``end`` while the context lasts; entered once ``port`` listens."""
        ...

    def run(self, end: End, argv: Argv, *, out: Path, err: Path, limit_s: float) -> Ended:
        """Run a program at ``end`` to its end, or to the time limit."""
        ...

    def ask(self, node: str, argv: Argv, *, out: Path) -> str:
        """Run a short command on ``node`` and return what it printed, which is kept at the end of ``out`` too."""
        ...


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


def spelled(argv: Argv, python: Callable[[Path], Sequence[str]]) -> list[str]:
    """Return a command with each file of ours replaced by the command that runs it.

    >>> spelled([Path("/x/serve.py"), "::"], lambda path: ["python3", str(path)])
    ['python3', '/x/serve.py', '::']
    """
    return [word for part in argv for word in (python(part) if isinstance(part, Path) else [part])]
