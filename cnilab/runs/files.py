"""How a run directory's files are written and read: it may be a stranger's, so it is data and never a direction.

A file is written under a fresh random name, reaches the disk, and takes its place in one step: whoever reads it sees
the old one or the new one. Below the folder that the caller named no link is followed for writing, so nothing outside
is ever touched; for reading, a link that stays inside counts. A pipe or a device is refused before a byte is taken
from it, and no file is read beyond a bound. Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from cnilab.errors import RunDirError

#: The most that is read of one file: what a trial of an hour prints is far below it.
LIMIT = 256 << 20

#: Waits for the disk: it does at once what it is asked for at once. Its threads start when a trial is first recorded.
_DISK = ThreadPoolExecutor(4, thread_name_prefix="cnilab-disk")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FRESH = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PART = ".part"


@contextmanager
def replacing(path: Path, within: Path | None = None) -> Iterator[Path]:
    """Yield a path to write to; what was written takes the place of ``path`` at the end, unless something failed.

    Parameters
    ----------
    path
        The file to be.
    within
        The folder the caller was given; no part of ``path`` below it may be a link. By default that is ``path``'s
        own folder.
    """
    with folder(path.parent, within) as directory:
        part = f".{path.name[:80]}.{secrets.token_hex(8)}{_PART}"
        file = os.open(part, _FRESH, 0o666, dir_fd=directory)
        try:
            yield Path(f"/dev/fd/{file}")
            os.fsync(file)
            os.replace(part, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=directory)
            raise
        finally:
            os.close(file)
        os.fsync(directory)


def write(path: Path, data: bytes, within: Path | None = None) -> None:
    """Put ``data`` in the place of ``path``, as :func:`replacing` does."""
    with replacing(path, within) as part:
        part.write_bytes(data)


@contextmanager
def folder(path: Path, within: Path | None = None, *, make: bool = False) -> Iterator[int]:
    """Yield a folder as a descriptor, opened step by step from ``within`` so that no link leads elsewhere.

    Raises
    ------
    RunDirError
        Where a step below ``within`` is a link.
    """
    root = path if within is None else within
    if make:
        root.mkdir(parents=True, exist_ok=True)
    here, current = root, os.open(root, _FOLDER)
    try:
        for step in path.relative_to(root).parts:
            here = here / step
            if step == "..":
                raise RunDirError(f"{path} leads out of {root}")
            if make:
                with suppress(FileExistsError):
                    os.mkdir(step, dir_fd=current)
                    os.fsync(current)
            try:
                following = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=current)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise RunDirError(
                        f"{here} is a link or no folder; nothing is written through it"
                    ) from error
                raise
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def fresh_folder(path: Path, within: Path, keep: str | None = None) -> Path:
    """Make ``path`` an empty folder: what an attempt that did not end has left there is removed, links as links.

    With a file called ``keep`` in it, what is there is kept beside it instead, under a hidden name.
    """
    with folder(path.parent, within, make=True) as parent:
        try:
            os.mkdir(path.name, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.unlink(path.name, dir_fd=parent)
            elif keep and os.path.lexists(path / keep):
                aside = f".{path.name}.{secrets.token_hex(4)}"
                os.rename(path.name, aside, src_dir_fd=parent, dst_dir_fd=parent)
                os.fsync(parent)
            else:
                shutil.rmtree(path.name, dir_fd=parent)
            os.mkdir(path.name, dir_fd=parent)
    return path


def settle(
    path: Path, within: Path, name: str, text: Callable[[dict[str, dict[str, int | str]]], bytes]
) -> None:
    """Bring the files of a folder to the disk, and then ``name``, made of their ``bytes`` and ``sha256``.

    What the disk is asked for at once it does at once: bytes, names and the new file under a name that does not
    count go together, and its own name follows when all of them are there.
    """
    kept: dict[str, dict[str, int | str]] = {}
    with folder(path, within) as directory, folder(path.parent, within) as above, ExitStack() as opened_:
        waiting = [above]
        for each in sorted(os.listdir(directory)):
            if each.endswith(_PART) or each == name:
                continue
            file = opened_.enter_context(_regular(each, directory, path / each))
            size = os.fstat(file.fileno()).st_size
            kept[each] = {"bytes": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
            waiting += [file.fileno()] if size else []  # of an empty file its name is all
        part = f".{name[:80]}.{secrets.token_hex(8)}{_PART}"
        last = os.open(part, _FRESH, 0o666, dir_fd=directory)
        opened_.callback(os.close, last)
        try:
            _put(last, text(kept))
            list(_DISK.map(os.fsync, [*waiting, last]))
            os.replace(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=directory)
            raise
        os.fsync(directory)


def append(path: Path, line: bytes, within: Path, *, sync: bool = False) -> None:
    """Add a line to a file, on a line of its own whatever a writer that was killed has left at the end."""
    with folder(path.parent, within) as directory:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = os.open(path.name, flags, 0o666, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise RunDirError(f"{path} is a link or no file; nothing is written through it") from error
            raise
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                raise RunDirError(f"{path} is no file; nothing is written to it")
            if about.st_size and os.pread(file, 1, about.st_size - 1) != b"\n":
                line = b"\n" + line
            _put(file, line)
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        if sync and not about.st_size:
            os.fsync(directory)


def stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever a file is replaced or written to, or None where it is not there."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _put(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def discard(path: Path, within: Path) -> None:
    """Remove a file that may be there."""
    with folder(path.parent, within) as directory, suppress(FileNotFoundError):
        os.unlink(path.name, dir_fd=directory)


def check(path: Path, within: Path, limit: int = LIMIT) -> None:
    """Raise RunDirError unless all that is in a folder are files within it and none is beyond ``limit`` bytes."""
    for name in sorted(os.listdir(path)):
        real, top = os.path.realpath(path / name), os.path.realpath(within)
        if os.path.commonpath([real, top]) != top:
            raise RunDirError(f"{path / name} is a link out of {within}; it is not read")
        about = os.lstat(real)
        if not stat.S_ISREG(about.st_mode):
            kind = _KINDS.get(stat.S_IFMT(about.st_mode), "no file")
            raise RunDirError(f"{path / name} is {kind}; it is not read")
        if about.st_size > limit:
            raise RunDirError(f"{path / name} has more than {limit >> 20} MiB; it is not read")


def digest(path: Path, within: Path) -> str:
    """Return the SHA-256 of a file, read as :func:`read` reads it."""
    return hashlib.sha256(read(path, within)).hexdigest()


def read(path: Path, within: Path | None = None, limit: int = LIMIT) -> bytes:
    """Return what is in a file, if it is a file, lies within the folder and is not beyond ``limit`` bytes.

    Raises
    ------
    RunDirError
        Naming the file and what it is instead.
    OSError
        Where it is not there or may not be read.
    """
    with opened(path, within) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise RunDirError(f"{path} has more than {limit >> 20} MiB; it is not read")
    return data


@contextmanager
def opened(path: Path, within: Path | None = None) -> Iterator[BufferedReader]:
    """Open a file for reading as :func:`read` does; how much of it is taken is the caller's to bound."""
    root = path.parent if within is None else within
    real, top = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath([real, top]) != top:
        raise RunDirError(f"{path} is a link out of {root}; it is not read")
    with (
        folder(Path(real).parent, Path(top)) as directory,
        _regular(os.path.basename(real), directory, path) as file,
    ):
        yield file


@contextmanager
def _regular(name: str, directory: int, shown: Path) -> Iterator[BufferedReader]:
    """Open a file for reading, and nothing but a file: a pipe would wait, a device has no end."""
    try:
        file = os.open(name, _LOOK, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise RunDirError(f"{shown} is a link or a device, not a file; it is not read") from error
        raise
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind != stat.S_IFREG:
        os.close(file)
        raise RunDirError(f"{shown} is {_KINDS.get(kind, 'no file')}; it is not read")
    with open(file, "rb") as stream:
        yield stream


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def sweep(path: Path) -> None:
    """Remove what a writer that was killed has left half written in a folder."""
    with folder(path) as directory:
        for name in os.listdir(directory):
            if name.startswith(".") and name.endswith(_PART):
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)


__all__ = [
    "LIMIT",
    "append",
    "check",
    "digest",
    "discard",
    "folder",
    "fresh_folder",
    "opened",
    "read",
    "replacing",
    "settle",
    "stamp",
    "sweep",
    "write",
]
