"""The process tree that a cluster lives in: started in namespaces of its own, found again later, killed as one.

Two processes hold it. Outside waits an ``unshare``, whose pid and starting time are written down; its only child is
pid 1 inside. When the outer one dies the kernel kills the inner one, and with pid 1 every other process in there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cnilab
from cnilab.errors import ClusterError

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")


class Tree:
    """The tree of the cluster whose state is in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pid"

    def start(self, module: str, arguments: Sequence[str], log: Path, inherit: Sequence[int] = ()) -> None:
        """Start a Python module as pid 1 of new namespaces; it outlives this process.

        Parameters
        ----------
        module
            Its full name.
        arguments
            Its command line.
        log
            Where its output goes.
        inherit
            File descriptors it is to get.
        """
        isolate = (
            "unshare",
            *NAMESPACES,
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        )
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*isolate, "--", sys.executable, "-m", module, *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(Path(cnilab.__file__).parents[1])},
                pass_fds=inherit,
                start_new_session=True,
            )
        process.returncode = 0  # it is to outlive this process; without this, Popen warns of that
        self._file.write_text(f"{process.pid} {started(process.pid)}")

    @property
    def outer(self) -> int | None:
        """Pid of the process outside, if it still is the one that was started."""
        try:
            pid, since = self._file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if started(int(pid)) == since else None

    @property
    def first(self) -> int | None:
        """Pid, seen from outside, of pid 1 inside."""
        outer = self.outer
        try:
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split() if outer else []
        except OSError:
            return None
        return int(children[0]) if children else None

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.time() - self._file.stat().st_mtime

    def kill(self, timeout_s: float) -> None:
        """Kill it and return when the last process of it is gone; does nothing where there is none.

        Raises
        ------
        ClusterError
            If it is not ours to kill, or not gone after ``timeout_s``.
        """
        outer, first = self.outer, self.first
        if outer is None:
            return
        try:
            os.kill(outer, signal.SIGKILL)
        except PermissionError:
            raise ClusterError(
                f"the cluster's processes are root's; type: sudo {sys.argv[0]} cluster down"
            ) from None
        except ProcessLookupError:
            pass
        end = time.monotonic() + timeout_s
        # The first process of a namespace is gone only when every other one is.
        while left := [pid for pid in (outer, first) if pid and started(pid)]:
            if time.monotonic() > end:
                raise ClusterError(f"process {left[0]} is not gone {timeout_s:g} s after SIGKILL")
            time.sleep(0.02)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(outer, os.WNOHANG)  # our own child, where one process does up and down


def started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot, which with its pid names it; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
