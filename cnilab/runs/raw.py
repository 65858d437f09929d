"""Everything under ``raw`` at a glance: which trials are done, what their metas say, which bytes were changed since.

``raw.index`` has a line for each trial that was hashed once and found as recorded: the state of its files (size, times,
inode, as the kernel has them), the digest over their bytes, and its meta. A trial whose files are in that very state is
not read again, so that 100,000 trials are opened in seconds; every other trial is read and hashed. The index is no
source: lost, cut or carried to another disk, it is made anew from the raw files. How far it can be trusted is in
SECURITY.md.

Schema history, newest first
----------------------------
1  first version
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cnilab.errors import RunDirError
from cnilab.facts import Fact
from cnilab.runs import documents, files

NAME = "raw.index"
_HEAD = b"cnilab raw.index 1\n"
_META = "meta.json"
_LINE = 1 << 20  # no trial's meta is a tenth of it


class _Known(NamedTuple):
    """A line of the index, and where its meta stands in the file."""

    state: bytes
    digest: bytes
    at: int
    length: int


class Raw:
    """What stands under ``raw`` of a run directory; looked at once, when this is made.

    Parameters
    ----------
    path
        The run directory.
    newest
        The newest schema of a meta that can be read.
    verify
        Read and hash every file, whatever the index says.

    Attributes
    ----------
    digests
        Trial -> digest over all of its files, for each folder with a meta.json, in order.
    altered
        Trial -> which of its raw files is gone or not what its meta recorded; older metas recorded none.
    damaged
        Trial -> what is wrong with its meta.
    """

    def __init__(self, path: Path, newest: int, *, verify: bool = False) -> None:
        self.path, self._newest = path, newest
        self._known = _read(path)
        self._fresh: set[str] = set()  # trials that had to be read
        self.digests: dict[str, str] = {}
        self.altered: dict[str, Fact] = {}
        self.damaged: dict[str, RunDirError] = {}
        for trial in _trials(path):
            known = None if verify else self._known.get(trial)
            if known is not None and known.state == state(path / "raw" / trial):
                self.digests[trial] = known.digest.decode()
            else:
                self._look(trial)

    def _look(self, trial: str) -> None:
        """Read a trial and hash its files."""
        folder = self.path / "raw" / trial
        hashed = {name: _hashed(folder / name, self.path) for name in _names(folder)}
        whole = {name: found if isinstance(found, str) else "unreadable" for name, found in hashed.items()}
        self.digests[trial] = digest_of(whole)
        try:
            meta = documents.meta(folder, self.path, self._newest)
        except RunDirError as error:
            self.damaged[trial] = error
            return
        self._fresh.add(trial)
        if (why := next(_not_as_kept(meta.get("files", {}), hashed), None)) is not None:
            self.altered[trial] = why

    @property
    def done(self) -> set[str]:
        """Trials that have been done, whatever came of them; one with a damaged meta is not among them."""
        return self.digests.keys() - self.damaged.keys()

    def metas(self) -> Iterator[dict[str, Any]]:
        """Yield each trial's meta in order.

        Raises
        ------
        RunDirError
            Naming the first meta that is damaged.
        """
        for error in self.damaged.values():
            raise error
        index = None
        try:
            for trial in self.digests:
                if trial in self._fresh:
                    yield documents.meta(self.path / "raw" / trial, self.path, self._newest)
                    continue
                index = index or open(self.path / NAME, "rb")  # noqa: SIM115  closed below
                yield self._indexed(index, trial)
        finally:
            if index is not None:
                index.close()

    def _indexed(self, index: Any, trial: str) -> dict[str, Any]:
        known = self._known[trial]
        index.seek(known.at)
        folder = self.path / "raw" / trial
        with suppress(ValueError, RunDirError):  # the index was written over while it was read
            return documents.checked_meta(json.loads(index.read(known.length)), folder)
        return documents.meta(folder, self.path, self._newest)

    def origin(self) -> str:
        """Return the digest over the study and all that is under ``raw``: what every table was made of."""
        whole = hashlib.sha256()
        study = _hashed(self.path / "study.yaml", self.path)
        whole.update((study if isinstance(study, str) else "unreadable").encode())
        for trial, digest in self.digests.items():
            whole.update(f"{trial}\0{digest}\n".encode())
        return whole.hexdigest()

    def keep(self) -> None:
        """Write what had to be read into the index, so that it need not be read again."""
        sound = sorted(self._fresh - self.altered.keys())
        if len(sound) > len(self._known) // 2:
            files.discard(self.path / NAME, self.path)
        for trial in sound:
            meta = documents.meta(self.path / "raw" / trial, self.path, self._newest)
            add(self.path, trial, self.digests[trial], meta)

    def mend(self) -> int:
        """Write metas that are damaged or gone anew from the index, where the raw bytes are those they recorded.

        Returns
        -------
        int
            How many were mended.
        """
        mended = 0
        for trial, known in self._known.items():
            folder = self.path / "raw" / trial
            if (trial in self.digests and trial not in self.damaged) or not folder.is_dir():
                continue
            with suppress(OSError, ValueError, RunDirError):
                with open(self.path / NAME, "rb") as index:
                    index.seek(known.at)
                    meta = documents.checked_meta(json.loads(index.read(known.length)), folder)
                hashed = {name: _hashed(folder / name, self.path) for name in meta.get("files", {})}
                if hashed and next(_not_as_kept(meta["files"], hashed), None) is None:
                    files.write(
                        folder / _META, json.dumps(meta, indent=1, ensure_ascii=False).encode(), self.path
                    )
                    mended += 1
        return mended


def add(path: Path, trial: str, digest: str, meta: Mapping[str, Any]) -> None:
    """Add a trial that was found as recorded to the index; no matter if that is lost, so nothing waits for the disk."""
    if line := _line(path, trial, digest, meta):
        head = b"" if (path / NAME).exists() else _HEAD
        files.append(path / NAME, head + line, path)


def digest_of(digests: Mapping[str, str]) -> str:
    """Return one digest over a trial's files: name -> SHA-256."""
    text = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def state(folder: Path) -> bytes | None:
    """Return a digest of what the kernel says of a folder's files, or None where one of them is no plain file.

    The time of the last change of an inode (ctime) is in it, which nobody can set back: whatever was done to a file,
    rewritten in place or put in place of another, its state is another one.
    """
    rows = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(about.st_mode):
                    return None
                rows.append((entry.name, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino))
    except OSError:
        return None
    rows.sort()
    return hashlib.blake2b(repr(rows).encode(errors="surrogateescape"), digest_size=16).hexdigest().encode()


def _line(path: Path, trial: str, digest: str, meta: Mapping[str, Any]) -> bytes:
    found = state(path / "raw" / trial)
    if found is None:
        return b""
    text = json.dumps(meta, ensure_ascii=True, separators=(",", ":"), default=str)
    line = b" ".join((trial.encode(), found, digest.encode(), text.encode())) + b"\n"
    return line if len(line) <= _LINE else b""


def _read(path: Path) -> dict[str, _Known]:
    """Return the index's lines, the last of each trial; none where it is no index."""
    known: dict[str, _Known] = {}
    with suppress(OSError, RunDirError), files.opened(path / NAME, path) as index:
        if index.readline(len(_HEAD)) != _HEAD:
            return {}
        at = len(_HEAD)
        while line := index.readline(_LINE + 1):
            parts = line.split(b" ", 3)
            if len(parts) == 4 and line.endswith(b"\n") and len(parts[1]) == 32 and len(parts[2]) == 64:
                trial = parts[0].decode("ascii", errors="replace")
                if documents.NAME.fullmatch(trial):
                    known[trial] = _Known(parts[1], parts[2], at + len(line) - len(parts[3]), len(parts[3]))
            at += len(line)
    return known


def _trials(path: Path) -> list[str]:
    """Return the names of the folders under ``raw`` that hold a ``meta.json``, in order."""
    raw = path / "raw"
    return [n for n in _names(raw) if documents.NAME.fullmatch(n) and os.path.lexists(raw / n / _META)]


def _hashed(path: Path, within: Path) -> str | Fact:
    """Return a file's SHA-256, or why it cannot be read."""
    try:
        return files.digest(path, within)
    except OSError as error:
        return Fact("raw_output_unreadable", quoted=error.strerror)
    except RunDirError as error:
        return Fact("raw_output_unreadable", quoted=str(error))


def _not_as_kept(kept: Mapping[str, Any], hashed: Mapping[str, str | Fact]) -> Iterator[Fact]:
    """Yield what is wrong with each raw file that is not what its meta recorded."""
    gone = Fact("raw_output_unreadable", quoted=os.strerror(2))
    for name, about in kept.items():
        if not documents.NAME.fullmatch(name) or not isinstance(about, dict):
            yield Fact("raw_output_changed", {"file": _META})
            continue
        found = hashed.get(name, gone)
        if isinstance(found, Fact):
            yield found
        elif found != about.get("sha256"):
            yield Fact("raw_output_changed", {"file": name})


def changed(path: Path, meta: Mapping[str, Any]) -> Fact | None:
    """Return which of one trial's raw files is not what its meta recorded, as its bytes are now; None: none."""
    folder = path / "raw" / meta["trial_id"]
    kept = meta.get("files", {})
    hashed = {n: _hashed(folder / n, path) for n in kept if documents.NAME.fullmatch(n)}
    return next(_not_as_kept(kept, hashed), None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


__all__ = ["NAME", "Raw", "add", "changed", "digest_of", "state"]
