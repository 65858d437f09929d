"""Programs of a trial: servers that listen while their client runs, and the client, to its end or its limit.

Runs inside the lab's agent, hence standard library only. A port that somebody else serves is no server of ours, what a
program prints is bounded, and time in which nothing ran, because all of it was stopped, is told.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time

import wire
from inner import Failed, end_of, inside, start

#: The most that one program may write into a file; the kernel ends it with SIGXFSZ there.
OUTPUT_LIMIT = 64 << 20
SLICE_S = 0.5  # how long one look at the clock may be from the next


class Runner:
    """Starts and ends the programs of one trial after another."""

    def __init__(self) -> None:
        self.servers: dict[str, subprocess.Popen] = {}

    def serve(self, ns: str, name: str, argv: list, stdout: str, stderr: str, port: int) -> dict:
        """Start a server and wait until it listens, itself and nobody else."""
        if inside(ns, wire.owners, "thread-self", port):
            raise Failed(f"port {port} in {ns} is served by another process already")
        with open(stdout, "ab") as out, open(stderr, "ab") as err:
            process = inside(ns, start, argv, out, err)
        _bound(process)
        self.servers[name] = process
        deadline = time.monotonic() + 5
        while not (holders := wire.owners(str(process.pid), port)):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop(name)
                raise Failed(
                    f"{argv[0]} does not listen on port {port}: {end_of(stderr) or 'it said nothing'}"
                )
            time.sleep(0.002)
        if not holders & wire.sockets_of(process.pid):
            self.stop(name)
            raise Failed(
                f"port {port} in {ns} is served by another process: {end_of(stderr) or 'not by ours'}"
            )
        return {"pid": process.pid}

    def stop(self, name: str) -> dict:
        """End a server; return its exit status."""
        process = self.servers.pop(name, None)
        if process is None:
            return {"code": None}
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    continue
        return {"code": process.returncode}

    def run(self, ns: str, argv: list, stdout: str, stderr: str, timeout_s: float) -> dict:
        """Run one client to its end with its output going straight to files; kill it at the time limit.

        ``stalled_s`` is time that passed while nothing here ran: it counts for no limit, and what was measured then
        is nothing's value.
        """
        with open(stdout, "wb") as out, open(stderr, "wb") as err:
            began_at, began = time.time(), time.monotonic()
            process = inside(ns, start, argv, out, err)
            _bound(process)
            stalled, ended = _wait(process, timeout_s)
            if not ended:
                process.kill()
                process.wait()
        return {
            "code": process.returncode,
            "timed_out": not ended,
            "started_at": began_at,
            "wall_s": time.monotonic() - began,
            "stalled_s": stalled,
        }


def _wait(process: subprocess.Popen, timeout_s: float) -> tuple[float, bool]:
    """Wait for a program; return for how long all stood still meanwhile, and whether it ended."""
    handle = os.pidfd_open(process.pid)
    try:
        left, stalled = timeout_s, 0.0
        while left > 0:
            asked, began = min(SLICE_S, left), time.monotonic()
            ready = select.select([handle], [], [], asked)[0]
            took = time.monotonic() - began
            if took > asked + 5:  # no machine is that busy: all of us were stopped
                stalled += took - asked
            left -= min(took, asked)
            if ready:
                process.wait()
                return stalled, True
        return stalled, False
    finally:
        os.close(handle)


def _bound(process: subprocess.Popen) -> None:
    """Limit what a program can write into a file, whatever it prints."""
    try:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (OUTPUT_LIMIT, OUTPUT_LIMIT))
    except (ProcessLookupError, PermissionError):  # it has ended
        return
