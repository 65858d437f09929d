"""From text to JSON: one document, several one after the other, or one among the lines of a log.

``tool > file 2>&1`` puts a program's log before its result, a loop puts one result after the other. This module
reads no tool's keys but those it is asked for, and says where a last document was cut short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts

_OPENS = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
#: Characters looked at in vain, as a multiple of the text's own, after which it is not searched further.
_PATIENCE = 8
#: A bracket after which so few characters fit is a log's own.
_TOO_SHORT = 20


def found(text: str, *keys: str) -> Iterator[tuple[int, dict | None, str | None]]:
    """Yield ``(line, document, None)`` for each document that has one of ``keys``, alone or in a list.

    For one that cannot be read, ``(line, None, why)``.

    Raises
    ------
    ParseError
        Where there is no such document that can be read.
    """
    decoder = json.JSONDecoder()
    results: list[tuple[int, dict | None, str | None]] = []
    last: tuple[int, None, str] | None = None
    after = wasted = counted = 0
    line = 1
    for opening in _OPENS.finditer(text):
        begin = opening.end()
        if begin < after:
            continue
        line += text.count("\n", counted, begin)
        counted = begin
        try:
            document, after = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as problem:
            why, end = f"broken JSON: {problem.msg}", problem.pos
        except (ValueError, RecursionError) as problem:
            why, end = f"unreadable JSON: {type(problem).__name__}", begin + 100_000
        else:
            of_it = document if isinstance(document, list) else [document]
            wanted = [d for d in of_it if isinstance(d, dict) and not d.keys().isdisjoint(keys)]
            results += [(line, one, None) for one in wanted]
            last = None if wanted else last
            continue
        if end - begin > _TOO_SHORT:
            last = (line, None, why)
            if any(text.find(f'"{key}"', begin, end) >= 0 for key in keys):
                results.append(last)
                last = None
        wasted += end - begin
        if wasted > _PATIENCE * len(text):
            break
    results += [last] if last else []
    if not any(document for _, document, _ in results):
        if not results:
            raise ParseError(f"no document with {' or '.join(keys)}")
        raise ParseError(results[0][2] or "", line=results[0][0])
    yield from results


def readings(
    text: str, keys: tuple[str, ...], read: Callable[[dict, int], Reading], test: str
) -> list[Reading]:
    """Return one Reading a document that has one of ``keys``: what ``read`` makes of it, or why there is none.

    Parameters
    ----------
    read
        Takes a document and the line it begins on.
    test
        The kind of test that a broken document counts as.

    Raises
    ------
    ParseError
        Where there is no such document that can be read.
    """
    return [
        checks.failed(why or "", test=test, line=line) if document is None else read(document, line)
        for line, document, why in found(text, *keys)
    ]


def whole(raw: bytes) -> object:
    """Load one JSON text.

    Raises
    ------
    ParseError
        With the line where it breaks, or where it is cut short.
    """
    try:
        return json.loads(texts.decoded(raw))
    except json.JSONDecodeError as problem:
        raise ParseError(f"broken JSON: {problem.msg}", line=problem.lineno) from None
    except (ValueError, RecursionError) as problem:
        raise ParseError(f"unreadable JSON: {type(problem).__name__}") from None


def branch(mapping: object, key: str, kind: type = dict) -> Any:
    """Return ``mapping[key]`` if it has the expected type, else an empty one: files are not to be trusted."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, kind) else kind()
