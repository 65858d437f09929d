"""Opens what it is pointed at: a file, a folder, a glob, a tar, a zip, gzip, bzip2 or xz, and those inside each other.

Nothing is written to disk and no member's name is ever used as a path. Every limit ends in a sentence, not in
a full memory: a file or member too large, an archive that unpacks to too much, archives nested too deeply.
"""

from __future__ import annotations

import bz2
import glob
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from cnilab.errors import DataError
from cnilab.layout import natural

#: Largest file, and largest member of an archive, that is read. Parsed JSON takes ten times its bytes.
MAX_BYTES = 128 * 2**20
#: What all members of one archive may unpack to.
MAX_UNPACKED = 2 * 2**30
MAX_MEMBERS = 100_000
MAX_DEPTH = 3
_BLOCK = 2**20
#: What an xz stream may ask for in memory; its strongest level takes a quarter.
_XZ_MEMORY = 2**28
#: First bytes of what is not opened -> its name and what opens it: its results must not be lost in silence.
_UNOPENED = {
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"\x04\x22\x4d\x18": ("lz4", "unlz4"),
    b"\x1f\x9d": ("compress", "uncompress"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"),
    b"Rar!\x1a\x07": ("RAR", "unrar x"),
}
#: What Python raises of a zip, or of one member, that is damaged or packed in a way it does not know.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    ValueError,
    NotImplementedError,
    EOFError,
)


@dataclass(frozen=True)
class Piece:
    """One thing to read: its name below what the user gave, and its bytes, or why there are none."""

    path: str
    raw: bytes | None
    trouble: str | None = None
    skipped: bool = False


def find(given: str | os.PathLike | list) -> list[tuple[str, str]]:
    """Return ``(file, shown name)`` of every file below the given paths, folders and globs, in natural order.

    Raises
    ------
    DataError
        Where a path does not exist or a glob matches nothing.
    """
    found: dict[str, str] = {}
    for one in given if isinstance(given, (list, tuple)) else [given]:
        text = os.fspath(one)
        if os.path.isdir(text):
            hits = sorted(_walk(text), key=natural)
            if not hits:
                raise DataError(f"the folder {text} holds no file")
        elif os.path.lexists(text):
            hits = [text]
        elif glob.has_magic(text):
            hits = []
            for hit in sorted(glob.glob(text, recursive=True), key=natural):
                hits += sorted(_walk(hit), key=natural) if os.path.isdir(hit) else [hit]
            if not hits:
                raise DataError(f"no file matches {text!r}")
        else:
            raise DataError(f"there is no file or folder {text!r}")
        for hit in hits:
            found.setdefault(os.path.abspath(hit), hit)
    return [(path, shown.replace(os.sep, "/")) for path, shown in found.items()]


def _walk(folder: str) -> Iterator[str]:
    """Yield every file, and every folder that is not gone into: one that cannot be listed, or is a link."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            with os.scandir(at) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry.path
        except OSError:
            yield at


def pieces(path: str, shown: str, max_bytes: int = MAX_BYTES) -> Iterator[Piece]:
    """Read one file and, if it is an archive, its members."""
    if os.path.isdir(path):
        linked = os.path.islink(path)
        why = (
            "a link to a folder is not followed; give that folder too"
            if linked
            else "the folder cannot be listed"
        )
        yield Piece(shown, None, why, skipped=linked)
        return
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as stream:
            info = os.fstat(stream.fileno())
            if not stat.S_ISREG(info.st_mode):
                yield Piece(shown, None, "is no regular file")
                return
            if info.st_size <= max_bytes:
                raw = stream.readall() if info.st_size else b""
                kind = _kind(raw[:512])
            else:
                kind = _kind(stream.read(512))
                stream.seek(0)
                if kind == "zip":
                    yield from _zip(stream, shown, 1, max_bytes, [MAX_UNPACKED])
                elif kind == "tar":
                    yield from _tar(stream, shown, 1, max_bytes, [MAX_UNPACKED])
                else:
                    yield Piece(shown, None, _too_large(info.st_size, max_bytes))
                return
    except OSError as problem:
        yield Piece(shown, None, f"cannot be read: {problem.strerror}")
        return
    if kind:
        yield from _inside(raw, shown, 0, max_bytes, [MAX_UNPACKED])
    else:
        yield Piece(shown, raw)


def _too_large(size: int, limit: int) -> str:
    return f"{size} bytes are more than the {limit // 2**20} MiB that are read of one file (max_bytes)"


def _kind(head: bytes) -> str | None:
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "bzip2"
    if head[:6] == b"\xfd7zXZ\0":
        return "xz"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[257:262] == b"ustar" or _old_tar(head):
        return "tar"
    return next(("unopened" for mark in _UNOPENED if head.startswith(mark)), None)


def _old_tar(head: bytes) -> bool:
    """Whether the sum in a header of tar's first form, which has no mark, is right."""
    told = head[148:156].strip(b" \0")
    if len(head) < 512 or not re.fullmatch(rb"[0-7]{1,7}", told) or not head[0]:
        return False
    return sum(head[:148] + b" " * 8 + head[156:512]) == int(told, 8)


def _inside(raw: bytes, shown: str, depth: int, max_bytes: int, left: list[int]) -> Iterator[Piece]:
    """Yield ``raw``, or what is in it if it is an archive; ``left`` is the outermost one's budget."""
    kind = _kind(raw[:512])
    if kind is None:
        yield Piece(shown, raw)
    elif kind == "unopened":
        name, command = next(told for mark, told in _UNOPENED.items() if raw.startswith(mark))
        yield Piece(
            shown, None, f"is packed by {name}, which is not opened here; unpack it first: {command} FILE"
        )
    elif depth >= MAX_DEPTH:
        yield Piece(shown, None, f"archives nested more than {MAX_DEPTH} deep are not opened")
    elif kind == "gzip":
        yield from _gzip(raw, shown, depth + 1, max_bytes, left)
    elif kind in ("bzip2", "xz"):
        yield from _packed(raw, kind, shown, depth + 1, max_bytes, left)
    elif kind == "zip":
        yield from _zip(io.BytesIO(raw), shown, depth + 1, max_bytes, left)
    else:
        yield from _tar(io.BytesIO(raw), shown, depth + 1, max_bytes, left)


def _packed(
    raw: bytes, kind: str, shown: str, depth: int, max_bytes: int, left: list[int]
) -> Iterator[Piece]:
    """Unpack bzip2 or xz, of one or several streams, as far as the limits go."""
    whole, rest = bytearray(), raw
    try:
        while rest:
            unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor
            unpacker = (
                bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            )
            while not unpacker.eof:
                if not rest and unpacker.needs_input:
                    yield Piece(shown, None, f"{kind} cut short")
                    return
                whole += unpacker.decompress(rest, _BLOCK)
                rest = b""  # it has been taken in, whatever has come out
                if len(whole) > min(max_bytes, left[0]):
                    why = f"unpacks to more than {min(max_bytes, left[0])} bytes, the limit"
                    yield Piece(shown, None, why)
                    return
            rest = unpacker.unused_data.lstrip(b"\0")
    except (OSError, ValueError, EOFError, lzma.LZMAError) as problem:
        yield Piece(shown, None, f"damaged {kind}: {problem}")
        return
    left[0] -= len(whole)
    yield from _inside(bytes(whole), shown, depth, max_bytes, left)


def _gzip(raw: bytes, shown: str, depth: int, max_bytes: int, left: list[int]) -> Iterator[Piece]:
    """Unpack gzip, of one or several members, as far as the limits go."""
    whole, rest = bytearray(), raw
    try:
        while rest[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(31)
            while rest and not unpacker.eof:
                whole += unpacker.decompress(rest, _BLOCK)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
                if len(whole) > max_bytes or len(whole) > left[0]:
                    yield Piece(
                        shown, None, f"unpacks to more than {min(max_bytes, left[0])} bytes, the limit"
                    )
                    return
            if not unpacker.eof:
                yield Piece(shown, None, "gzip cut short")
                return
    except zlib.error as problem:
        yield Piece(shown, None, f"damaged gzip: {problem}")
        return
    left[0] -= len(whole)
    yield from _inside(bytes(whole), shown, depth, max_bytes, left)


def _zip(stream: IO[bytes], shown: str, depth: int, max_bytes: int, left: list[int]) -> Iterator[Piece]:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = sorted(archive.infolist(), key=lambda m: natural(m.filename))
            if len(members) > MAX_MEMBERS:
                yield Piece(shown, None, f"more than the {MAX_MEMBERS} members that are read")
                return
            for member in members:
                # Windows' own packer writes its separators.
                name = f"{shown}/{member.filename.replace(chr(92), '/')}"
                if name.endswith("/"):
                    continue
                if member.flag_bits & 1:
                    yield Piece(name, None, "is encrypted")
                elif member.file_size > max_bytes:
                    yield Piece(name, None, _too_large(member.file_size, max_bytes))
                else:
                    # What the directory says of the size is not believed: no more than the limit is unpacked.
                    try:
                        with archive.open(member) as data:
                            raw = data.read(max_bytes + 1)
                    except _DAMAGED as problem:
                        yield Piece(name, None, f"damaged zip: {problem}")
                        continue
                    left[0] -= len(raw)
                    if left[0] < 0:
                        yield Piece(shown, None, f"unpacks to more than {MAX_UNPACKED} bytes, the limit")
                        return
                    yield from _inside(raw, name, depth, max_bytes, left)
    except _DAMAGED as problem:
        yield Piece(shown, None, f"damaged zip: {problem}")


def _tar(stream: IO[bytes], shown: str, depth: int, max_bytes: int, left: list[int]) -> Iterator[Piece]:
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            files: dict[str, tarfile.TarInfo] = {}
            for count, member in enumerate(archive):
                name = f"{shown}/{member.name.removeprefix('./')}"
                if count >= MAX_MEMBERS:
                    yield Piece(shown, None, f"more than the {MAX_MEMBERS} members that are read")
                    return
                if member.isdir():
                    continue
                if member.issym():
                    yield Piece(
                        name, None, f"a link to {member.linkname}, which is not followed", skipped=True
                    )
                    continue
                if member.islnk() and member.linkname in files:
                    member = files[member.linkname]  # tar keeps a file with two names once
                if not member.isfile():
                    yield Piece(name, None, "is no regular file, or linked to one that is not in the archive")
                    continue
                files[member.name] = member
                if member.size > max_bytes:
                    yield Piece(name, None, _too_large(member.size, max_bytes))
                    continue
                data = archive.extractfile(member)
                raw = data.read(max_bytes + 1) if data else b""
                left[0] -= len(raw)
                if left[0] < 0:
                    yield Piece(shown, None, f"unpacks to more than {MAX_UNPACKED} bytes, the limit")
                    return
                yield from _inside(raw, name, depth, max_bytes, left)
    except (tarfile.TarError, zlib.error, OSError, ValueError, EOFError) as problem:
        yield Piece(shown, None, f"damaged tar: {problem}")
