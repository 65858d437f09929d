"""A tool's output kept within JSON: as a string, or as a list of lines, at any depth.

Ansible's ``register`` has ``stdout`` and again ``stdout_lines``, a ConfigMap has ``data``, a pod its termination
message. This module knows no tool: it yields the texts, and whoever calls it asks the readers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

#: A string shorter than this holds no result; how deep is looked, and how many texts are yielded.
_SHORTEST, _DEEPEST, _MOST = 20, 12, 10_000


def texts(raw: bytes) -> list[bytes]:
    r"""Return the texts within a JSON document, each once.

    >>> texts(b'{"stdout": "one\\ntwo and a half dozen", "stdout_lines": ["one", "two and a half dozen"]}')
    [b'one\ntwo and a half dozen\n']
    """
    if raw.lstrip()[:1] not in (b"{", b"["):
        return []
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    found: dict[bytes, None] = {}
    for text in _within(document, 0):
        kept = text.encode("utf-8", "replace").rstrip(b"\n") + b"\n"
        if len(kept) >= _SHORTEST:
            found[kept] = None
        if len(found) >= _MOST:
            break
    return list(found)


def _within(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, dict):
        for inner in value.values():
            yield from _within(inner, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        if value and all(isinstance(line, str) for line in value):
            yield "\n".join(value)
        else:
            for inner in value:
                yield from _within(inner, depth + 1)
