"""What a deployment offers to a measurement: ends at which programs serve and run, and nodes that can be asked.

Testbeds fulfil it and measurements use it, and neither knows the other. Standard library only: a process that only
builds a lab must not wait for the readers of benchmark output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

#: A command. A Path in it is a file of this package: Python, which a bench runs with the Python that stands there,
#: or C, which it runs compiled, by the name of its file.
Argv = Sequence[str | Path]


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
class Acting(Protocol):
    """A bench whose nodes can be let act: what is measured is what they do, not what passes between two ends.

    ``acts`` are the names of what they can do, in order.
    """

    @property
    def acts(self) -> Sequence[str]: ...

    def act(self, name: str, *, folder: Path, limit_s: float) -> dict[str, Any]:
        """Let them do one act and wait for its end; everything seen goes to ``folder``.

        Returns ``ended``: ``complete``, or what stopped it.
        """
        ...


def spelled(argv: Argv, own: Callable[[Path], Sequence[str]]) -> list[str]:
    """Return a command with each file of ours replaced by the command that runs it.

    >>> spelled([Path("/x/serve.py"), "::"], lambda path: ["python3", str(path)])
    ['python3', '/x/serve.py', '::']
    """
    return [word for part in argv for word in (own(part) if isinstance(part, Path) else [part])]


def kept(argv: Argv) -> list[str]:
    """Return a command as a trial's record keeps it: a file of ours by its place in the package, on no machine.

    >>> kept([Path(__file__), "::"])
    ['cnilab/bench.py', '::']
    """
    package = Path(__file__).parent
    return [
        str(part.relative_to(package.parent)) if isinstance(part, Path) and part.is_relative_to(package) else str(part)
        for part in argv
    ]
