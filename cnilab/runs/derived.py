"""Whether a derived file follows from what stands in the run directory now: the raw bytes, their metas, the study.

``derived.json`` has each derived file's digest and the digest of all that it was made of. A file that was edited, cut
or left behind by other raw bytes is not believed: its reader makes it anew. Nothing here makes one.

Schema history, newest first
----------------------------
1  first version
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cnilab.errors import RunDirError
from cnilab.facts import Fact
from cnilab.runs import documents, files

SCHEMA_VERSION = 1
NAME = "derived.json"


def origin(path: Path) -> str:
    """Return the digest of the study and of everything under ``raw`` as it stands now."""
    whole = hashlib.sha256()
    _add(whole, path / "study.yaml", path)
    for trial in trials(path):
        for name in _names(path / "raw" / trial):
            _add(whole, path / "raw" / trial / name, path)
    return whole.hexdigest()


def trials(path: Path) -> list[str]:
    """Return the names of the folders under ``raw`` that hold a ``meta.json``, in order."""
    raw = path / "raw"
    return [n for n in _names(raw) if documents.NAME.fullmatch(n) and os.path.lexists(raw / n / "meta.json")]


def believed(path: Path, name: str, of: str) -> bytes | None:
    """Return a derived file's bytes if they are those that were kept for ``of``, or None."""
    try:
        kept = documents.read(path / NAME, path, SCHEMA_VERSION)["files"][name]
        data = files.read(path / name, path)
        good = kept["of"] == of and kept["sha256"] == hashlib.sha256(data).hexdigest()
    except (OSError, RunDirError, KeyError, TypeError):
        return None
    return data if good else None


def keep(path: Path, names: Iterable[str], of: str) -> None:
    """Record the digests of derived files that were just made of ``of``."""
    entries = {n: {"sha256": files.digest(path / n, path), "of": of} for n in names}
    known = {n: e for n, e in _known(path).items() if isinstance(e, dict) and e.get("of") == of}
    text = json.dumps({"schema_version": SCHEMA_VERSION, "files": known | entries}, indent=1)
    files.write(path / NAME, text.encode(), path)


def altered(path: Path, metas: Iterable[Mapping[str, Any]]) -> dict[str, Fact]:
    """Return trial -> which of its raw files is gone or not what its meta recorded; older metas recorded none."""
    found: dict[str, Fact] = {}
    for meta in metas:
        folder = path / "raw" / meta["trial_id"]
        for name, kept in meta.get("files", {}).items():
            if why := _not_as_kept(folder, name, kept, path):
                found[meta["trial_id"]] = why
                break
    return found


def _not_as_kept(folder: Path, name: str, kept: Any, within: Path) -> Fact | None:
    if not documents.NAME.fullmatch(name) or not isinstance(kept, dict):
        return Fact("raw_output_changed", {"file": "meta.json"})
    try:
        same = files.digest(folder / name, within) == kept.get("sha256")
    except OSError as error:
        return Fact("raw_output_unreadable", quoted=error.strerror)
    except RunDirError as error:
        return Fact("raw_output_unreadable", quoted=str(error))
    return None if same else Fact("raw_output_changed", {"file": name})


def _known(path: Path) -> dict[str, Any]:
    try:
        return dict(documents.read(path / NAME, path, SCHEMA_VERSION)["files"])
    except (RunDirError, KeyError, TypeError, ValueError):
        return {}


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _add(whole: Any, path: Path, within: Path) -> None:
    try:
        part = files.digest(path, within)
    except (OSError, RunDirError):
        part = "unreadable"
    whole.update(f"{path.relative_to(within)}\0{part}\n".encode(errors="surrogateescape"))


__all__ = ["NAME", "altered", "believed", "keep", "origin", "trials"]
