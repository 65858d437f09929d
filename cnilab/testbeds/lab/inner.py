"""What every part of the lab's agent does: enter a namespace, run a short program to its end, say what failed.

Runs inside the agent, hence standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import threading
from collections.abc import Callable

TYPE_CHECKING = False  # what `typing` would say; importing it costs the lab's start time
if TYPE_CHECKING:
    from typing import IO, Any

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
NETNS = "/run/netns"
PARALLEL = 4  # more threads than cores only wait for rtnl
#: What the kernel or a program says when it has no room for the moment: no answer to whether a thing can be done.
NO_ROOM = tuple(
    map(os.strerror, (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOBUFS, errno.ENOSPC))
)


class Failed(Exception):
    """A step that could not be done: what, and the program's own words, which are also kept alone.

    ``passing`` says that it may well be done at another time: the program was killed, was too slow, or had no room.
    """

    def __init__(self, message: str, words: str | None = None, *, passing: bool = False) -> None:
        super().__init__(message)
        self.words = message if words is None else words
        self.passing = passing or any(what in self.words for what in NO_ROOM)


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


def command(argv: list[str], stdin: str | None) -> str:
    """Run one short program to its end; raise Failed with its words if it is unhappy."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
    except FileNotFoundError as error:
        raise Failed(f"{argv[0]}: not found; `cnilab doctor` names the package") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(argv)}: no answer after 30 s", passing=True) from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[:600]
        raise Failed(f"{' '.join(argv)}: {words}", words, passing=done.returncode < 0)
    return done.stdout


def end_of(path: str) -> str:
    """Return the last words of a log, or nothing where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 400))
            return file.read(400).decode(errors="replace").strip()
    except OSError:
        return ""
