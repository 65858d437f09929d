"""The steps that build a lab, done: devices, settings, rules, files and daemons, in the namespaces they name.

Runs inside the lab's agent, hence standard library only. What the steps are is written by :mod:`.steps`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import threading
import time

from bpf import fill, tc_lines
from inner import PARALLEL, Failed, command, end_of, inside, libc, start

TUNSETIFF, IFF_TUN_NO_PI = 0x400454CA, 0x1001
BPF_FS = "/sys/fs/bpf"


class Builder:
    """Does steps; holds the daemons and devices that came of them."""

    def __init__(self) -> None:
        self.daemons: dict[str, subprocess.Popen] = {}
        self.held: list[int] = []
        self.notes: list[dict] = []
        self.lock = threading.Lock()
        self.one_tc = threading.Lock()
        self.machines_bpf_fs = os.stat(BPF_FS).st_dev if os.path.ismount(BPF_FS) else None

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
                    words, passing = getattr(error, "words", str(error)), getattr(error, "passing", False)
                    raise Failed(f"in {where}: {error}", words, passing=passing) from error
                with self.lock:
                    self.notes.append({"where": step["ns"], "words": str(error)})

    def do_batch(self, step: dict) -> None:
        text = "\n".join(step["lines"]) + "\n"
        command([step["program"], "-batch", "-"], text)

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
        command(["iptables-restore", "--noflush", "-w", "5"], step["text"])

    def do_run(self, step: dict) -> None:
        put_files(step["files"])
        command(wrap(step), step["stdin"])

    def do_daemon(self, step: dict) -> None:
        put_files(step["files"])
        with open(f"/run/cnilab/{step['name']}.log", "wb") as log:
            process = start(wrap(step), log, log)
        with self.lock:
            self.daemons[step["name"]] = process
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
        said = end_of(f"/run/cnilab/{step['name']}.log")
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
        command(["tc", "-batch", "-"], "\n".join(tc_lines(path, step["tun"], step["underlay"])) + "\n")


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
