"""Runs many routers inside the lab and watches their routes spread: what :mod:`.agent` does when a study grows routing.

Standard library only, imported by path. Every answer of a daemon and every line of ``/proc`` goes to the trial's folder
as it came; nothing is read of it here but what tells that an act is over: how many routes each kernel holds. Every
wait has a limit, in time and in the machine's memory, and says what it saw when it ended.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from routers import DEVICE, Router, Shape, configuration, programs, session

TYPE_CHECKING = False  # what `typing` would say; importing it costs the lab's start time
if TYPE_CHECKING:
    from typing import IO

HOME = "/run/cnilab/bird"
#: Share of the machine's memory that stays free; below it an act ends.
RESERVE = 0.05
#: A pass over the tables that still lack routes is followed by a rest so many times as long.
REST = 4
LEAST_REST_S = 0.01
PARALLEL = 4
#: What flannel's kernels are asked for, by the name of the file it is kept in.
TABLES = {
    "routes": ["ip", "-o", "route", "show", "root", "10.192.0.0/10"],
    "neighbours": ["ip", "-o", "neigh", "show", "nud", "permanent", "dev", DEVICE],
    "fdb": ["bridge", "fdb", "show", "dev", DEVICE],
}


class Ended(Exception):
    """An act that came to nothing: ``time``, ``memory`` or ``daemon``, with that daemon's last words."""

    def __init__(self, why: str, words: str = "") -> None:
        super().__init__(why)
        self.why, self.words = why, words


class Fleet:
    """The routers of one deployment.

    ``inside`` runs a function in a namespace, ``start`` a program; both are the agent's.
    """

    def __init__(self, shape: dict, inside: Callable, start: Callable) -> None:
        self.shape, self.inside, self.start = Shape(**shape), inside, start
        self.up: dict[str, subprocess.Popen] = {}
        self.here: list[Router] = []  #: who takes part
        self.withdrawn: Router | None = None
        self.lost: Router | None = None
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.tables = {r.name: inside(r.name, _open_routes) for r in self.shape.routers}
        self.prefix = b"\t00FFFFFF\t" if self.shape.plane != "bgp" else b"\tC0FFFFFF\t"

    # ---- acts -----------------------------------------------------------------------------------------

    def cold(self, log: IO[str], limit_s: float) -> dict:
        """Start everybody at once, with nothing."""
        self.here = list(self.shape.routers[:-1])
        if self.shape.plane == "bgp":
            self._configure()
        with self._timed(log, limit_s) as watch:
            if self.shape.plane == "bgp":
                for router in self.here:
                    self._speak(router)
            else:
                self._program_all({r: [p for p in self.here if p is not r] for r in self.here})
            watch({r.name: self.wanted(r) for r in self.here})
        return {}

    def joined(self, log: IO[str], limit_s: float) -> dict:
        """Let one more router take part; whoever is to speak with it is told, as Calico and flannel do."""
        new = self.shape.joining
        others, self.here = self.here, [*self.here, new]
        with self._timed(log, limit_s) as watch:
            if self.shape.plane == "bgp":
                self._speak(new)
                for peer in self.shape.peers(new):
                    _write(f"{HOME}/{peer.name}/joined.conf", session(self.shape, peer, new))
                    self.ask(peer, "configure")
            else:
                self._program_all({r: [new] for r in others} | {new: others})
            watch({r.name: self.wanted(r) for r in self.here})
        return {}

    def withdrawal(self, log: IO[str], limit_s: float) -> dict:
        """Take the block away from the router that joined before last."""
        self.withdrawn = owner = self.here[-2]
        with self._timed(log, limit_s) as watch:
            if self.shape.plane == "bgp":
                self.ask(owner, "disable blocks")
            else:
                self._program_all({r: [owner] for r in self.here if r is not owner}, gone=True)
            watch({r.name: self.wanted(r) for r in self.here})
        return {}

    def reflector_lost(self, log: IO[str], limit_s: float) -> dict:
        """Kill the first reflector; with no other one, its clients are left with nothing."""
        self.lost = self.here.pop(0)
        with self._timed(log, limit_s) as watch:
            self.up.pop(self.lost.name).send_signal(signal.SIGKILL)
            watch({r.name: self.wanted(r) for r in self.here})
        return {"others": self.shape.reflectors - 1}

    def wanted(self, router: Router) -> int:
        """Return how many other routers' blocks a router holds once all is told."""
        if self.lost and self.shape.reflectors == 1:
            return 0
        owners = {r.name for r in self.here} - {router.name}
        return len(owners - {self.withdrawn.name} if self.withdrawn else owners)

    # ---- daemons --------------------------------------------------------------------------------------

    def _configure(self) -> None:
        new = self.shape.joining
        for router in self.shape.routers:
            folder = f"{HOME}/{router.name}"
            os.makedirs(folder)
            _write(f"{folder}/bird.conf", configuration(self.shape, router, folder))
            peers = [p for p in self.shape.peers(router) if p is not new]
            _write(f"{folder}/peers.conf", "".join(session(self.shape, router, p) for p in peers))
            _write(f"{folder}/joined.conf", "")

    def _speak(self, router: Router) -> None:
        folder = f"{HOME}/{router.name}"
        argv = [
            "bird",
            "-f",
            "-c",
            f"{folder}/bird.conf",
            "-s",
            f"{folder}/bird.ctl",
            "-P",
            f"{folder}/bird.pid",
        ]
        with open(f"{folder}/log", "wb") as log:
            self.up[router.name] = self.inside(router.name, self.start, argv, log, log)

    def _program_all(self, peers: dict[Router, list[Router]], gone: bool = False) -> None:
        """Tell every kernel at once what is to be told, as many flannelds would."""
        todo, errors = list(peers.items()), list[BaseException]()

        def worker() -> None:
            while not errors:
                try:
                    router, others = todo.pop()
                except IndexError:
                    return
                try:
                    self._program(router, others, gone)
                except BaseException as error:
                    errors.append(error)

        threads = [threading.Thread(target=worker) for _ in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _program(self, router: Router, peers: list[Router], gone: bool) -> None:
        told: dict[str, list[str]] = {}
        for peer in peers:
            for program, line in programs(self.shape.plane, peer, gone=gone).items():
                told.setdefault(program, []).append(line)
        for program, lines in told.items():
            text = "\n".join(lines) + "\n"
            done = self.inside(router.name, _batch, program, text)
            if done.returncode:
                raise OSError(f"{program} in {router.name}: {done.stderr.strip()[:300]}")

    def ask(self, router: Router, command: str) -> str:
        """Return a daemon's answer as ``birdc`` prints it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(f"{HOME}/{router.name}/bird.ctl")
            stream = line.makefile("r", errors="replace")
            stream.readline()  # its greeting
            line.sendall(command.encode() + b"\n")
            out = []
            for text in stream:
                numbered = text[:4].isdigit()
                if numbered and text[4:5] == " " and not text[5:].strip():
                    break
                out.append(text[5:] if numbered else text[1:])
                if numbered and text[4:5] == " ":
                    break
            return "".join(out)

    # ---- watching -------------------------------------------------------------------------------------

    @contextmanager
    def _timed(self, log: IO[str], limit_s: float) -> Iterator[Callable[[dict[str, int]], None]]:
        """Time an act from here; ``watch`` returns once every table holds what it should."""
        began, children = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)

        def say(**what: object) -> None:
            log.write(json.dumps(what) + "\n")
            log.flush()

        about = {"nodes": self.shape.nodes, "plane": self.shape.plane, "reflectors": self.shape.reflectors}
        say(event="begin", at=time.time(), limit_s=limit_s, present=len(self.here), **about)

        def watch(wanted: dict[str, int]) -> None:
            with _first():
                self._watch(wanted, say, began, limit_s)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
            say(event="programs", cpu_s=spent)

        try:
            yield watch
        except Ended as ended:
            held = sum(self._held(name) for name in self.tables)
            say(event="stopped", t=time.monotonic() - began, why=ended.why, words=ended.words, held=held)
            raise

    def _watch(self, wanted: dict[str, int], say: Callable, began: float, limit_s: float) -> None:
        pending, total, told = dict(wanted), sum(wanted.values()), 0.0
        held = dict.fromkeys(wanted, 0)
        floor = _memory("MemTotal") * RESERVE
        before = began
        while True:
            first = time.monotonic()
            for name, count in list(pending.items()):
                held[name] = self._held(name)
                if held[name] == count:
                    del pending[name]
                    say(node=name, t=time.monotonic() - began)
            now = time.monotonic()
            gap, before = now - before, now
            if not pending:
                pending = {name: count for name, count in wanted.items() if self._held(name) != count}
                if not pending:
                    say(event="complete", t=now - began, resolution_s=gap, held=total)
                    return
            if now - told > 0.5:
                told = now
                say(t=now - began, held=sum(held.values()), wanted=total, done=len(wanted) - len(pending))
                self._look(floor, now - began, limit_s)
            time.sleep(max(LEAST_REST_S, REST * (time.monotonic() - first)))

    def _look(self, floor: float, gone_s: float, limit_s: float) -> None:
        """End the act where it must not go on."""
        if gone_s > limit_s:
            raise Ended("time")
        if _memory("MemAvailable") < floor:
            raise Ended("memory")
        for name, process in self.up.items():
            if process.poll() is not None:
                with open(f"{HOME}/{name}/log", errors="replace") as file:
                    raise Ended("daemon", f"{name}: {file.read()[-300:].strip()}")

    def _held(self, name: str) -> int:
        """Return how many other routers' blocks a kernel has a way to."""
        fd, whole = self.tables[name], b""
        os.lseek(fd, 0, os.SEEK_SET)
        while part := os.read(fd, 1 << 18):
            whole += part
        # a block of one's own is a blackhole, whose line has a star where others have a device
        return sum(self.prefix in line and line[:1] != b"*" for line in whole.splitlines())

    # ---- what is kept ---------------------------------------------------------------------------------

    def keep(self, folder: str, act: str, whole: bool) -> None:
        """Leave what the daemons and ``/proc`` say in the trial's folder; ``whole`` with every session."""
        if self.shape.plane != "bgp":
            tables = [n for n in TABLES if self.shape.plane == "vxlan" or n == "routes"] if whole else []
            for name in tables:
                with gzip.open(f"{folder}/{act}.{name}.txt.gz", "wt", compresslevel=3) as file:
                    for router in self.here:
                        file.write(f"== {router.name}\n{self.inside(router.name, _printed, TABLES[name])}")
            return
        with open(f"{folder}/{act}.proc.txt", "w") as out:
            for router in self.here:
                out.write(f"== {router.name}\n{self._proc(router)}")
        with open(f"{folder}/{act}.count.txt", "w") as out:
            for router in self.here:
                out.write(f"== {router.name}\n{self.ask(router, 'show route count')}")
        if whole:
            _write(f"{folder}/version.txt", self.ask(self.here[0], "show status"))
            with gzip.open(f"{folder}/{act}.protocols.txt.gz", "wt", compresslevel=3) as file:
                for router in self.here:
                    file.write(f"== {router.name}\n{self.ask(router, 'show protocols all')}")

    def _proc(self, router: Router) -> str:
        """The lines of ``/proc`` on a daemon's memory and time, and on the bytes that passed its link."""
        pid = self.up[router.name].pid
        with open(f"/proc/{pid}/status") as file:
            lines = [line for line in file if line.startswith(("VmRSS", "RssAnon"))]
        with open(f"/proc/{pid}/schedstat") as file:
            lines.append(f"schedstat: {file.read()}")
        with open(f"/proc/{pid}/net/dev") as file:
            lines += [line for line in file if line.lstrip().startswith("eth0:")]
        return "".join(lines)

    def established(self) -> int:
        """Return how many ends of sessions are up."""
        return sum(self.ask(r, "show protocols").count("Established") for r in self.here)


def act(fleet: Fleet, name: str, folder: str, limit_s: float) -> dict:
    """Do one act, watch it to its end, and keep what there is to be seen then.

    Returns
    -------
    dict
        ``ended``: ``complete``, or why it was stopped: ``time``, ``memory``, ``daemon``.
    """
    began = time.monotonic()
    with open(f"{folder}/{name}.jsonl", "w") as log:
        try:
            more = getattr(fleet, name)(log, limit_s)
            if name == "cold" and fleet.shape.plane == "bgp":
                _all_sessions(fleet, log, began, limit_s)
        except Ended as ended:
            fleet.keep(folder, name, whole=False)
            return {"ended": ended.why}
    fleet.keep(folder, name, whole=name == "cold")
    return {"ended": "complete", **more}


def _all_sessions(fleet: Fleet, log: IO[str], began: float, limit_s: float) -> None:
    """Wait for the sessions that no route needed, as those with a second reflector."""
    wanted = 2 * fleet.shape.sessions()
    while (ends := fleet.established()) != wanted:
        if time.monotonic() - began > limit_s:
            log.write(
                json.dumps({"event": "stopped", "why": "time", "ends": ends, "wanted_ends": wanted}) + "\n"
            )
            raise Ended("time")
        time.sleep(0.1)
    log.write(json.dumps({"event": "sessions", "t": time.monotonic() - began, "ends": ends}) + "\n")


@contextmanager
def _first() -> Iterator[None]:
    """Let whoever watches come before those that are watched, where that is allowed; no program is started here."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _open_routes() -> int:
    return os.open("/proc/thread-self/net/route", os.O_RDONLY | os.O_CLOEXEC)


def _batch(program: str, text: str) -> subprocess.CompletedProcess:
    argv = [program, "-batch", "-"]
    return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=120)


def _printed(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _memory(name: str) -> int:
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))
