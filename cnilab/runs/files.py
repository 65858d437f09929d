"""Files that are written in one step: who reads one sees the old one or the new one, and never half of it.

Knows nothing of what is in them. That bytes are on the disk, and not in its cache, is the writer's own business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path to write to; what was written takes the place of ``path`` at the end, unless something failed."""
    part = path.with_name(f".{path.name}.part")
    yield part
    part.replace(path)
