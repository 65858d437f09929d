"""What a testbed is to the rest: something that can put a mode in place and give a bench to measure on.

Two protocols. The lab, a real cluster and a recorded run each fulfil them; a study runs unchanged
on any of the three. A testbed knows nothing of statistics.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from cnilab.facts import Fact
from cnilab.measurements.base import Bench
from cnilab.testbeds.proof.judge import Row


class Deployment(Protocol):
    """One mode in place.

    ``kernel_path`` says which implementation carries the packets, ``substitute`` why it is not the native one
    (None if it is), ``notes`` what could not be pinned, ``timings`` seconds spent on what.
    """

    kernel_path: str
    substitute: Fact | None
    notes: tuple[Fact, ...]
    timings: dict[str, float]

    def wait(self) -> Any:
        """Return once traffic can flow; raise TestbedError if it does not come to that."""
        ...

    def prove(self, placements: list[str], path: str) -> tuple[list[Row], dict]:
        """Judge each placement; return the rows and the evidence they rest on."""
        ...

    def bench(self, placement: str, path: str, test: str) -> AbstractContextManager[Bench]:
        """Give the bench of one trial.

        Leaving it raises TestbedError where an end was lost meanwhile. ``test`` is for a recording alone.
        """
        ...

    def close(self) -> None:
        """Take it down; nothing remains."""
        ...


class Testbed(Protocol):
    """Where modes are put in place.

    ``builds_ahead`` says whether a second deployment may stand while the first is measured.
    """

    name: str
    builds_ahead: bool

    def cpus(self) -> tuple[int | None, int | None]:
        """CPU to bind the client to, and the server; (None, None) leaves both free."""
        ...

    def lacks(self, program: str) -> Fact | None:
        """Why a tool's program cannot be run, with the way to get it, or None."""
        ...

    def can(self, mode: str) -> tuple[str | None, Fact | None]:
        """Kernel path and why; None and the reason where the mode cannot run here."""
        ...

    def deploy(self, mode: str) -> Deployment:
        """Begin to put a mode in place, fresh; its ``wait`` ends it."""
        ...

    def provenance(self) -> dict:
        """What about this machine or cluster a reader needs to know."""
        ...

    def close(self) -> str:
        """End the testbed after its last deployment; return what could not be put away, or nothing."""
        ...
