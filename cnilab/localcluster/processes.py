"""Starts long-running programs with a log each, and says in one sentence why one of them ended.

A program started here dies with the process that started it, also when that one is killed: the kernel sees to it
(``PR_SET_PDEATHSIG``, through util-linux's ``setpriv``). It restarts nothing by itself.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cnilab.errors import ClusterError, Unavailable
from cnilab.setup.programs import find, search_path

#: Lines of a log that an error shows.
SHOWN = 12
#: What a program gets of this process's environment, beside the PATH that programs are looked up in.
KEPT = ("HOME", "PYTHONPATH", "SUDO_UID", "XDG_CACHE_HOME", "XDG_STATE_HOME")


class Programs:
    """A handful of programs that belong together.

    Parameters
    ----------
    logs
        Folder of their logs, ``NAME.log`` each.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: dict[str, subprocess.Popen] = {}
        self._started: dict[str, tuple[Sequence[str], Sequence[int]]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, argv: Sequence[str], inherit: Sequence[int] = ()) -> subprocess.Popen:
        """Start one program in a session of its own, so that no signal to a terminal's group ends it.

        Parameters
        ----------
        name
            For its log and for errors.
        argv
            Its command line.
        inherit
            File descriptors it is to get.
        """
        setpriv = find("setpriv")
        if setpriv is None:
            raise Unavailable(
                "no setpriv, which ends programs with their parent; it is part of util-linux 2.32+"
            )
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(setpriv), "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: os.environ[k] for k in KEPT if k in os.environ} | {"PATH": search_path()},
                pass_fds=inherit,
                start_new_session=True,
            )
        self.running[name], self._started[name] = process, (argv, inherit)
        return process

    def restart(self, name: str, code: int) -> subprocess.Popen:
        """Start one again that has ended with status ``code`` and has been waited for."""
        self.running[name].returncode = code
        return self.start(name, *self._started[name])

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.logs / f"{name}.log"

    def check(self) -> None:
        """Raise if one has ended.

        Raises
        ------
        ClusterError
            With its status, its log and the log's end.
        """
        for name, process in self.running.items():
            code = process.poll()
            if code is not None:
                raise ClusterError(f"{name} ended with status {code}; {excerpt(self.log(name))}")

    def wait(self, what: str, why_not: Callable[[], str], timeout_s: float, log: str) -> None:
        """Wait until ``why_not`` has no reason left.

        Raises
        ------
        ClusterError
            If a program ends meanwhile, or after ``timeout_s`` with the last reason and the end of ``log``.
        """
        end = time.monotonic() + timeout_s
        while reason := why_not():
            self.check()
            if time.monotonic() > end:
                raise ClusterError(f"{what}: not within {timeout_s:g} s ({reason}); {excerpt(self.log(log))}")
            time.sleep(0.1)

    def close(self) -> None:
        """Kill them all: what they hold is of no use without them, and the API server takes minutes to be polite."""
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait()
        self.running.clear()


def excerpt(log: Path, lines: int = SHOWN) -> str:
    """Name a log and show its last lines."""
    try:
        text = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"log: {log} ({error.strerror})"
    return "\n  ".join([f"log: {log}, its end:" if text else f"log: {log} (empty)", *text[-lines:]])
