"""One writer a run directory: a lock for the run's life, and who holds it.

The lock is the kernel's (flock), so it ends with the process that holds it, whatever it dies of. Whoever comes second
is told who is first and touches nothing. Readers take no lock: every file is replaced in one step.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cnilab.errors import RunDirError
from cnilab.runs import files

NAME = ".lock"


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Hold the run directory, which is there, for as long as the block lasts.

    Raises
    ------
    RunDirError
        If another process holds it: its id, its machine and since when; or if it cannot be written.
    """
    with _taken(place) as lock:
        about = {
            "process": os.getpid(),
            "host": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with suppress(OSError):  # on a full disk the lock still holds, only nobody reads by whom
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps(about).encode(), 0)
        yield


def refuse_if_held(place: Path) -> None:
    """Raise RunDirError as :func:`held` does, and change nothing, if another process writes there."""
    try:
        lock = os.open(place / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunDirError(_by_whom(place)) from None
    finally:
        os.close(lock)


@contextmanager
def _taken(place: Path) -> Iterator[int]:
    while True:
        with files.folder(place) as directory:
            try:
                lock = os.open(
                    NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=directory
                )
            except OSError as error:
                raise RunDirError(f"cannot write {place / NAME}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(lock, place / NAME):
                break
        except OSError as error:
            os.close(lock)
            if error.errno != errno.EWOULDBLOCK:
                raise RunDirError(f"cannot lock {place / NAME}: {error.strerror}") from error
            raise RunDirError(_by_whom(place)) from None
        os.close(lock)  # its holder ended and removed it between our two steps
    try:
        yield lock
    finally:
        with suppress(OSError):
            if _same(lock, place / NAME):
                os.unlink(place / NAME)
        os.close(lock)


def _same(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.lstat(path))
    except FileNotFoundError:
        return False


def _by_whom(place: Path) -> str:
    try:
        about = json.loads(files.read(place / NAME, limit=4096))
        who = f"process {int(about['process'])} on {_plain(about['host'])} since {_plain(about['since'])}"
    except (OSError, ValueError, KeyError, TypeError, RunDirError):
        who = "another process"
    return f"{place} is being written by {who}; wait for it or end it, or choose another -o DIR"


def _plain(text: object) -> str:
    return "".join(c for c in str(text)[:80] if c.isprintable())


__all__ = ["NAME", "held", "refuse_if_held"]
