"""What else the machine did while a trial ran, and in which state it was, told without any network code.

A value can be wrong because the bench was disturbed, and the value itself must never be asked: a rule that looks at
values chooses results. So each trial is accompanied by causes: CPU time of processes that are not the run's, with their
names, steal, pressure, frequency; and references before and after it. The *wake-up round trip*, one byte to and fro
between the client's and the server's CPU through two pipes, tells the states a virtual machine has (whether its two
CPUs share a cache); a short spin tells each CPU's own speed. Standard library only. It judges nothing and repeats
nothing: what follows from it is :mod:`cnilab.quiet`'s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

SCHEMA_VERSION = 1
#: Round trips of one byte in one reference; about 5 ms, of which the median is kept.
TURNS = 300
#: Turns of the loop that tells one CPU's speed; about 0.3 ms, the least of three is kept.
SPINS = 10_000
#: References from which it is learnt how much one varies by itself.
_SOME = 16
#: Processes named, of those that took most CPU time.
NAMED = 3
#: Parent of every kernel thread (kernel/kthread.c), whose work in softirq is the trial's own.
_KTHREADD = 2
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_PARTNER = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
while byte := os.read(0, 1):
    os.write(1, byte)
"""


@dataclass(frozen=True)
class Reference:
    """The machine's speed without network code, at one moment.

    Parameters
    ----------
    wake_up_s
        Median round trip of one byte between the client's and the server's CPU, in seconds; None where both ends are
        not bound to CPUs of their own.
    spin_s
        CPU number as text -> seconds that a fixed loop takes there.
    """

    wake_up_s: float | None
    spin_s: dict[str, float]


@dataclass(frozen=True)
class _Process:
    """One process: its parent, its name, and its CPU time and its ended children's, in seconds."""

    parent: int
    name: str
    own_s: float
    children_s: float


@dataclass(frozen=True)
class Usage:
    """CPU time of the machine and of its processes since boot, in seconds; the key of a process is (pid, start)."""

    at: float
    busy_s: float
    steal_s: float
    pressure_s: float | None
    processes: dict[tuple[int, str], _Process]


@dataclass(frozen=True)
class Moment:
    """What is taken at one end of a trial."""

    reference: Reference
    usage: Usage


class Watch:
    """Look at the machine before and after each trial.

    Parameters
    ----------
    client_cpu, server_cpu
        What the trial's ends are bound to; None leaves the wake-up reference out.

    Examples
    --------
    >>> with Watch(None, None) as watch:
    ...     before = watch.before()
    ...     sorted(watch.since(before))[:3]
    ['after', 'before', 'disturbers']
    """

    def __init__(self, client_cpu: int | None, server_cpu: int | None) -> None:
        self.cpus = (client_cpu, server_cpu)
        self._partner: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        client, server = self.cpus
        if client is not None and server is not None and client != server:
            argv = [sys.executable, "-I", "-S", "-c", _PARTNER, str(server)]
            with suppress(OSError):
                self._partner = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self._partner is None:
            return
        for pipe in (self._partner.stdin, self._partner.stdout):
            if pipe is not None:
                pipe.close()  # the partner ends with its pipe
        try:
            self._partner.wait(1)
        except subprocess.TimeoutExpired:
            self._partner.kill()
            self._partner.wait()
        self._partner = None

    def before(self) -> Moment:
        """Take the references, then the clocks: the references' own CPU time is not the trial's."""
        return Moment(self.reference(), usage())

    def since(self, before: Moment) -> dict[str, Any]:
        """Tell what happened since ``before``.

        Returns
        -------
        dict
            ``before``, ``after`` (:class:`Reference` as dicts), ``wall_s``, ``foreign_cpu_s`` (CPU time of processes
            that are neither this one, nor below it, nor the kernel's, in seconds over all CPUs), ``disturbers``
            (``[{name, cpu_s}]``, most first), ``steal_s``, ``pressure_s`` (time in which something runnable waited for
            a CPU; None where the kernel does not tell), ``frequency_hz`` (CPU -> Hz, where it can be read).
        """
        now = usage()
        after = self.reference()
        foreign_s, disturbers = foreign(before.usage, now)
        pressure = None
        if now.pressure_s is not None and before.usage.pressure_s is not None:
            pressure = now.pressure_s - before.usage.pressure_s
        return {
            "schema_version": SCHEMA_VERSION,
            "before": asdict(before.reference),
            "after": asdict(after),
            "wall_s": now.at - before.usage.at,
            "foreign_cpu_s": foreign_s,
            "disturbers": disturbers,
            "steal_s": now.steal_s - before.usage.steal_s,
            "pressure_s": pressure,
            "frequency_hz": {
                str(c): hz for c in self.cpus if c is not None and (hz := frequency_hz(c)) is not None
            },
        }

    def references(self) -> list[float | None]:
        """Take the wake-up reference some times in a second: how much it varies by itself."""
        found = []
        for _ in range(_SOME):
            found.append(self.reference().wake_up_s)
            time.sleep(1 / _SOME)
        return found

    def reference(self) -> Reference:
        """Take the references; a CPU that has gone, or a partner that was killed, gives none, which is no zero."""
        client, server = self.cpus
        allowed = os.sched_getaffinity(0)
        spin: dict[str, float] = {}
        wake_up = None
        try:
            for cpu in (server, client):  # the client's last: the round trip starts there
                if cpu is not None:
                    os.sched_setaffinity(0, {cpu})
                    spin[str(cpu)] = min(_spin_s() for _ in range(3))
            if self._partner is not None:
                wake_up = _round_trip_s(self._partner)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                os.sched_setaffinity(0, allowed)
        return Reference(wake_up, spin)


def _round_trip_s(partner: subprocess.Popen[bytes]) -> float:
    assert partner.stdin is not None
    assert partner.stdout is not None
    there, back = partner.stdin.fileno(), partner.stdout.fileno()
    turns, clock = [], time.perf_counter
    for _ in range(TURNS):
        began = clock()
        os.write(there, b"x")
        if not os.read(back, 1):
            raise OSError("the partner is gone")
        turns.append(clock() - began)
    return statistics.median(turns)


def _spin_s() -> float:
    began = time.perf_counter()
    for _ in range(SPINS):
        pass
    return time.perf_counter() - began


def usage() -> Usage:
    """Read the CPU time of the machine and of every process that this one may see."""
    with open("/proc/stat") as file:
        user, nice, system, *rest = (int(word) * _TICK_S for word in file.readline().split()[1:9])
    processes: dict[tuple[int, str], _Process] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (read := _process(int(name))):
            processes[read[0]] = read[1]
    return Usage(time.monotonic(), user + nice + system, rest[4], _pressure_s(), processes)


def _process(pid: int) -> tuple[tuple[int, str], _Process] | None:
    """Read ``/proc/PID/stat`` (proc_pid_stat(5)); None if it ended meanwhile."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    own = (int(fields[11]) + int(fields[12])) * _TICK_S
    children = (int(fields[13]) + int(fields[14])) * _TICK_S
    return (pid, fields[19]), _Process(int(fields[1]), head.partition("(")[2], own, children)


def _pressure_s() -> float | None:
    """Return the time in which some task waited for a CPU, of ``/proc/pressure/cpu`` (Documentation/accounting/psi)."""
    try:
        text = Path("/proc/pressure/cpu").read_text()
    except OSError:
        return None
    total = next((w for w in text.split("\n")[0].split() if w.startswith("total=")), None)
    return int(total[len("total=") :]) / 1e6 if total else None


def frequency_hz(cpu: int) -> float | None:
    """Return a CPU's present frequency where the kernel tells one."""
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq").read_text()) * 1e3
    except (OSError, ValueError):
        return None


def foreign(before: Usage, after: Usage) -> tuple[float, list[dict[str, Any]]]:
    """Return the CPU seconds that were neither this run's nor the kernel's, and who took most of them.

    A run's own processes are this one and all below it. What ended in between is in no process's clock any more: the
    run's own is in its parents' (they wait for it), anybody else's is what is left of the machine's time, and has no
    name. So has what runs where this process cannot see it, on the other side of a container.
    """
    ours = _below(after, os.getpid()) | _below(after, _KTHREADD)
    # a child that ended is in its parent's clock with its whole life, also with what was before
    mine = -sum(
        process.own_s + process.children_s
        for (pid, start), process in before.processes.items()
        if (pid, start) not in after.processes and process.parent in ours
    )
    spent: list[tuple[float, str]] = []
    for key, process in after.processes.items():
        earlier = before.processes.get(key)
        own = process.own_s - (earlier.own_s if earlier else 0.0)
        if key[0] in ours:
            mine += own + process.children_s - (earlier.children_s if earlier else 0.0)
        elif own >= _TICK_S:
            spent.append((own, process.name))
    named = [
        {"name": name, "cpu_s": round(s, 3)} for s, name in sorted(spent, key=lambda x: (-x[0], x[1]))[:NAMED]
    ]
    return max(0.0, after.busy_s - before.busy_s - mine), named


def _below(at: Usage, root: int) -> set[int]:
    """Return a process and every one below it."""
    children: dict[int, list[int]] = {}
    for (pid, _), process in at.processes.items():
        children.setdefault(process.parent, []).append(pid)
    found, waiting = {root}, [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return found
