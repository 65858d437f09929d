"""Finds the JSON documents of a text: one, several one after the other, or one among lines of a log.

``tool > file 2>&1`` puts a program's log before its result, a loop puts one result after the other. This module
reads no tool's keys but those it is asked for, and says where a last document was cut short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cnilab.errors import ParseError

_OPENS = re.compile(r"^[ \t]*(?=\{)", re.MULTILINE)
#: Braces that open no document, after which the text is not searched further.
_MOST_FAILURES = 200


def found(text: str, *keys: str) -> Iterator[tuple[int, dict | None, str | None]]:
    """Yield ``(line, document, None)`` for each document that has one of ``keys``.

    Where a last one cannot be read, yield ``(line, None, why)``.

    Raises
    ------
    ParseError
        Where there is no such document.
    """
    decoder = json.JSONDecoder()
    after = found_any = failures = 0
    broken: tuple[int, str] | None = None
    for opening in _OPENS.finditer(text):
        if opening.end() < after:
            continue
        try:
            document, after = decoder.raw_decode(text, opening.end())
        except json.JSONDecodeError as problem:
            why = f"broken JSON: {problem.msg}"
        except (ValueError, RecursionError) as problem:
            why = f"unreadable JSON: {type(problem).__name__}"
        else:
            if isinstance(document, dict) and not document.keys().isdisjoint(keys):
                found_any, broken = 1, None
                yield 1 + text.count("\n", 0, opening.start()), document, None
            continue
        broken = broken or (1 + text.count("\n", 0, opening.start()), why)
        failures += 1
        if failures > _MOST_FAILURES:
            break
    if not found_any:
        raise ParseError(
            broken[1] if broken else f"no document with {' or '.join(keys)}", line=broken and broken[0]
        )
    if broken:
        yield broken[0], None, broken[1]
