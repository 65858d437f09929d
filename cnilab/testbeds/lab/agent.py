"""The lab's first process: builds namespaces, holds them, and runs programs in them when told.

It is process 1 of a private process tree (mount, network and process namespaces, a user namespace too when not
root). Orders come as JSON lines on standard input; when that closes, by whatever death of the other side, it
exits, and with process 1 the kernel removes every process, namespace, device, route and mount of the lab.
Standard library only, because it must be up in a few milliseconds. It decides nothing: what to build is
written by :mod:`.flannel`, :mod:`.calico` and their like; what the packets say is read by :mod:`.wire`.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable

# Run by path, before the package can be imported: its neighbours are imported by path too.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fleet
import trail
import wire
from bpf import fill, tc_lines

TYPE_CHECKING = False  # what `typing` would say; importing it costs the lab's start time
if TYPE_CHECKING:
    from typing import IO, Any

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
TUNSETIFF, IFF_TUN_NO_PI = 0x400454CA, 0x1001
NETNS = "/run/netns"
BPF_FS = "/sys/fs/bpf"
PARALLEL = 4  # more threads than cores only wait for rtnl


class Failed(Exception):
    """A step that could not be done: what, and the program's own words, which are also kept alone."""

    def __init__(self, message: str, words: str | None = None) -> None:
        super().__init__(message)
        self.words = message if words is None else words


def libc(name: str, *args: object) -> None:
    """Call a libc function and raise OSError on failure."""
    if getattr(LIBC, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def enter(ns: str) -> None:
    """Move the calling thread into a network namespace; ``""`` is the agent's own."""
    if ns:
        fd = os.open(f"{NETNS}/{ns}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc("setns", fd, CLONE_NEWNET)
        finally:
            os.close(fd)


def inside(ns: str, work: Callable, *args: object) -> Any:
    """Run ``work(*args)`` on a thread of its own inside ``ns`` and return what it returns."""
    return inside_async(ns, lambda: work(*args))(None)


class Agent:
    """State of one lab: its daemons, its held devices, its log directory."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen] = {}
        self.held: list[int] = []
        self.notes: list[dict] = []
        self.lock = threading.Lock()
        self.fleet: fleet.Fleet | None = None
        self.one_tc = threading.Lock()
        self.machines_bpf_fs = os.stat(BPF_FS).st_dev if os.path.ismount(BPF_FS) else None

    # ---- building -------------------------------------------------------------------------------------

    def build(self, phases: list[list[dict]]) -> dict:
        """Do phases in order; inside a phase, one thread a namespace."""
        for phase in phases:
            groups: dict[str, list[dict]] = {}
            for step in phase:
                groups.setdefault(step["ns"], []).append(step)
            todo, errors = list(groups.items()), list[BaseException]()

            def worker(todo: list = todo, errors: list = errors) -> None:
                while not errors:
                    with self.lock:
                        if not todo:
                            return
                        ns, steps = todo.pop(0)
                    try:
                        inside(ns, self.do_all, steps)
                    except BaseException as error:
                        errors.append(error)

            threads = [threading.Thread(target=worker) for _ in range(min(PARALLEL, len(todo)))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if errors:
                raise errors[0]
        notes, self.notes = self.notes, []
        return {"notes": notes}

    def do_all(self, steps: list[dict]) -> None:
        for step in steps:
            try:
                getattr(self, f"do_{step['do'].lower()}")(step)
            except (Failed, OSError) as error:
                where = step["ns"] or "the fabric"
                if not step["optional"]:
                    raise Failed(f"in {where}: {error}", getattr(error, "words", str(error))) from error
                with self.lock:
                    self.notes.append({"where": step["ns"], "words": str(error)})

    def do_batch(self, step: dict) -> None:
        text = "\n".join(step["lines"]) + "\n"
        self.command([step["program"], "-batch", "-"], text)

    def do_sysctl(self, step: dict) -> None:
        failures = []
        for key, value in step["values"].items():
            try:
                with open(f"/proc/sys/{key}", "w") as file:
                    file.write(value)
            except OSError as error:
                failures.append(f"{key}={value}: {error.strerror}")
        if failures:
            raise Failed("sysctl " + "; ".join(failures))

    def do_restore(self, step: dict) -> None:
        self.command(["iptables-restore", "--noflush", "-w", "5"], step["text"])

    def do_run(self, step: dict) -> None:
        put_files(step["files"])
        self.command(wrap(step), step["stdin"])

    def do_daemon(self, step: dict) -> None:
        put_files(step["files"])
        with open(f"/run/cnilab/{step['name']}.log", "wb") as log:
            process = start(wrap(step), log, log)
        with self.lock:
            self.processes[step["name"]] = process
        if step["ready"]:
            self.await_ready(step, process)

    def await_ready(self, step: dict, process: subprocess.Popen, limit_s: float = 5.0) -> None:
        what = step["ready"]

        def there() -> bool:
            if not what.startswith("dev "):
                return os.path.exists(what)
            return what[4:] in (name for _, name in socket.if_nameindex())

        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if there():
                return
            if process.poll() is not None:
                break
            time.sleep(0.005)
        with open(f"/run/cnilab/{step['name']}.log", errors="replace") as file:
            said = file.read()[-400:].strip()
        raise Failed(f"{step['argv'][0]} did not become ready ({what}): {said or 'it said nothing'}")

    def do_tun(self, step: dict) -> None:
        try:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", step["name"].encode(), IFF_TUN_NO_PI))
        except OSError as error:
            raise Failed(f"/dev/net/tun: {error.strerror}") from error
        with self.lock:
            self.held.append(fd)

    def do_bpf(self, step: dict) -> None:
        tun, underlay = (socket.if_nametoindex(step[end]) for end in ("tun", "underlay"))
        program = fill(step["object"], tun, underlay, step["node_ip"])
        path = f"/run/cnilab/ipip-{step['ns']}.o"
        with open(path, "wb") as out:
            out.write(program)
        with self.one_tc:  # the first tc lays out the BPF file system, and two at once trip over each other
            if not os.path.ismount(BPF_FS) or os.stat(BPF_FS).st_dev == self.machines_bpf_fs:
                libc("mount", b"bpf", BPF_FS.encode(), b"bpf", 0, None)  # our own: tc leaves folders in it
            self.load(step, path)

    def load(self, step: dict, path: str) -> None:
        self.command(["tc", "-batch", "-"], "\n".join(tc_lines(path, step["tun"], step["underlay"])) + "\n")

    def command(self, argv: list[str], stdin: str | None) -> str:
        """Run one short program to its end; raise Failed with its words if it is unhappy."""
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
        except FileNotFoundError as error:
            raise Failed(f"{argv[0]}: not found; `cnilab doctor` names the package") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{' '.join(argv)}: no answer after 30 s") from error
        if done.returncode:
            words = (done.stderr or done.stdout).strip()[:600]
            raise Failed(f"{' '.join(argv)}: {words}", words)
        return done.stdout

    # ---- orders ---------------------------------------------------------------------------------------

    def op_build(self, phases: list) -> dict:
        return self.build(phases)

    def op_read(self, ns: str, argv: list[str]) -> dict:
        """Run a reading command in ``ns``; return what it printed."""
        return {"stdout": inside(ns, self.command, argv, None)}

    def op_read_many(self, commands: list) -> dict:
        """The same for a list of (ns, argv), in parallel; an unhappy command's answer is null."""
        answers: list = [None] * len(commands)

        def one(start: int) -> None:
            for i in range(start, len(commands), PARALLEL):
                try:
                    answers[i] = inside(commands[i][0], self.command, commands[i][1], None)
                except Failed:
                    answers[i] = None

        threads = [threading.Thread(target=one, args=(i,)) for i in range(min(PARALLEL, len(commands)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"stdout": answers}

    def op_serve(self, ns: str, name: str, argv: list, stdout: str, stderr: str, port: int) -> dict:
        """Start a server and wait until its port listens."""
        with open(stdout, "ab") as out, open(stderr, "ab") as err:
            process = inside(ns, start, argv, out, err)
        self.processes[name] = process
        deadline = time.monotonic() + 5
        while not wire.listening(process.pid, port):
            if process.poll() is not None or time.monotonic() > deadline:
                self.op_stop(name)
                with open(stderr, errors="replace") as file:
                    said = file.read()[-400:].strip()
                raise Failed(f"{argv[0]} does not listen on port {port}: {said or 'it said nothing'}")
            time.sleep(0.002)
        return {"pid": process.pid}

    def op_stop(self, name: str) -> dict:
        """End a server; return its exit status."""
        process = self.processes.pop(name, None)
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

    def op_run(self, ns: str, argv: list, stdout: str, stderr: str, timeout_s: float) -> dict:
        """Run one client to its end with its output going straight to files; kill it at the time limit."""
        with open(stdout, "wb") as out, open(stderr, "wb") as err:
            began_at, began = time.time(), time.monotonic()
            process = inside(ns, start, argv, out, err)
            try:
                process.wait(timeout_s)
                timed_out = False
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                timed_out = True
        return {
            "code": process.returncode,
            "timed_out": timed_out,
            "started_at": began_at,
            "wall_s": time.monotonic() - began,
        }

    def op_probe(self, ns: str, what: str, args: dict) -> dict:
        """Call one function of :mod:`.wire` inside ``ns``."""
        return {"value": inside(ns, getattr(wire, what), *args.get("args", ()))}

    def op_exchange(self, **args: object) -> dict:
        """Send probes between two namespaces and report what arrived and what passed on the underlay."""
        return wire.exchange(inside_async, **args)

    def op_follow(self, **args: object) -> dict:
        """Send one packet and report every device it was seen on."""
        return trail.follow(inside_async, **args)

    def op_fleet(self, act: str, shape: dict, folder: str, limit_s: float) -> dict:
        """Do one act of many routers and watch it to its end."""
        if self.fleet is None:
            self.fleet = fleet.Fleet(shape, inside, start)
        return fleet.act(self.fleet, act, folder, limit_s)

    def op_alive(self) -> dict:
        """Which daemons have ended, with the end of their logs."""
        dead = {}
        for name, process in self.processes.items():
            if process.poll() is not None:
                try:
                    with open(f"/run/cnilab/{name}.log", errors="replace") as file:
                        dead[name] = file.read()[-400:]
                except OSError:
                    dead[name] = ""
        return {"dead": dead}


def inside_async(ns: str, work: Callable) -> Callable:
    """Start ``work()`` on a thread inside ``ns``; return a function that waits for its value."""
    box: dict = {}

    def body() -> None:
        try:
            enter(ns)
            box["value"] = work()
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=body)
    thread.start()

    def result(timeout_s: float | None = 10.0) -> Any:
        thread.join(timeout_s)
        if "error" in box:
            raise box["error"]
        return box.get("value")

    return result


def start(argv: list, out: IO[bytes] | int, err: IO[bytes] | int) -> subprocess.Popen:
    """Start a program with nothing to read and its output in files."""
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    except OSError as error:
        raise Failed(f"{argv[0]}: {error.strerror}") from error


def wrap(step: dict) -> list[str]:
    """The command of a step; with ``private_run``, in a mount namespace where that directory is its own."""
    argv = list(step["argv"])
    hidden = step.get("private_run")
    if not hidden:
        return argv
    # -n: mount(8) would leave /run/mount on the machine
    own = f"/run/cnilab/private/{step['ns']}"
    os.makedirs(own, exist_ok=True)
    os.makedirs(hidden, exist_ok=True)
    return ["unshare", "--mount", "sh", "-c", f'mount -n --bind {own} {hidden} && exec "$@"', "sh", *argv]


def put_files(files: dict[str, str]) -> None:
    for path, text in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


def die_with_parent(stream: int) -> None:
    """Leave the moment the other side is gone, whatever else is going on."""
    import select

    poll = select.poll()
    poll.register(stream, select.POLLHUP | select.POLLERR)
    while True:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(1000)):
            os._exit(0)


def main() -> None:
    """Prepare the private mounts, say hello, and do orders until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other side's business
    libc("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    libc("mount", b"tmpfs", b"/run", b"tmpfs", 0, b"size=64m")
    os.makedirs(NETNS)
    os.makedirs("/run/cnilab")
    os.makedirs("/run/wireguard")
    agent = Agent()
    reply = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a child prints must not look like an answer
    threading.Thread(target=die_with_parent, args=(0,), daemon=True).start()
    with open("/proc/self/uid_map") as file:
        root = file.read().split() == ["0", "0", "4294967295"]
    reply.write(json.dumps({"ok": True, "root": root}) + "\n")
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"ok": True, **getattr(agent, f"op_{order.pop('op')}")(**order)}
        except (Failed, OSError, subprocess.SubprocessError) as error:
            answer = {"ok": False, "error": str(error), "words": getattr(error, "words", str(error))}
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            answer = {"ok": False, "error": said, "words": said}
        reply.write(json.dumps(answer) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main()
