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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cnilab.errors import RunDirError
from cnilab.runs import documents, files

SCHEMA_VERSION = 1
NAME = "derived.json"


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


def _known(path: Path) -> dict[str, Any]:
    try:
        return dict(documents.read(path / NAME, path, SCHEMA_VERSION)["files"])
    except (RunDirError, KeyError, TypeError, ValueError):
        return {}


__all__ = ["NAME", "believed", "keep"]
