"""What a benchmark program is to cnilab: how it is called, and what its printed bytes say.

A tool knows nothing of CNI modes and runs nothing: :mod:`cnilab.execute` and the testbed do that. One file
a program, one line in the registry of :mod:`cnilab.measurements`, one recorded output in ``tests/data``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable


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
        ``ok``; ``failed`` or ``timeout`` with the tool's own words; ``skipped`` where nothing was measured.
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
    reason: str | None = None
    test: str | None = None
    tool_version: str | None = None
    duration_s: float | None = None
    line: int | None = None
    notes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str | float] = field(default_factory=dict)
    started_at: str | None = None


@dataclass(frozen=True)
class Call:
    """What a tool is asked to do. Each tool lists in ``KINDS`` which kinds it can do.

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
    """

    kind: str
    duration_s: float = 1.0
    omit_s: float = 0.0
    streams: int = 1
    congestion_control: str | None = None
    client_cpu: int | None = None
    server_cpu: int | None = None
    mss_bytes: int | None = None
    options: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Parser(Protocol):
    """The half of a tool that reads: enough for `cnilab load`."""

    NAME: str

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes (up to 64 KiB) look like this tool's output, by content alone."""
        ...

    def parse(self, raw: bytes) -> list[Reading]:
        """Return one Reading a test in ``raw``; raise ParseError where the bytes are not this tool's."""
        ...


@runtime_checkable
class Tool(Parser, Protocol):
    """A program a testbed can run: a server at one end, a client at the other."""

    PROGRAMS: tuple[str, ...]
    KINDS: tuple[str, ...]
    PORT: int

    def server_argv(self, call: Call, address: str) -> list[str]:
        """Command that serves on ``address``; it stays in the foreground until killed or done."""
        ...

    def client_argv(self, call: Call, address: str) -> list[str]:
        """Command that runs one test against a server listening on ``address``."""
        ...
