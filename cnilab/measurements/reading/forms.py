"""One tool's output in several forms in one file: its JSON pasted below its text, its CSV below its report.

A reader takes a file for one form. Here the lines of each form are kept at their places and those of the others made
blank, so that every reader can be given one form at a time. This module knows no tool; a reader names the lines
of its further forms in ``FORMS``, and JSON is known to everyone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

#: A line that begins a JSON document: nothing of a log's or a report's brackets.
_OPENS = re.compile(rb"^[ \t]*(?:\{[ \t\r]*(?:[\"}]|$)|\[[ \t\r]*(?:[{\[\"]|$))", re.MULTILINE)
#: A line that is none of a pretty-printed document's.
_NO_JSON = re.compile(
    rb"^(?![ \t]*(?:[{}\[\]\",]|-?\d[\d.eE+-]*,?[ \t\r]*$|(?:true|false|null),?[ \t\r]*$)|[ \t\r]*$)",
    re.MULTILINE,
)
#: No line by which a form is known is as long.
LONGEST = 4000
_DECODER = json.JSONDecoder()


def bundles(raw: bytes, forms: Sequence[re.Pattern[bytes]] = ()) -> list[bytes]:
    r"""Return the text once for each form in it, the lines of all others blank; nothing where it has one form.

    Parameters
    ----------
    forms
        What the lines of each further form match, and no line of another.

    >>> bundles(b'a line of text\n{"goodput_bps": 123456}\n')
    [b'\n{"goodput_bps": 123456}\n', b'a line of text\n\n']
    """
    begins = raw.lstrip()[:1]
    if begins == b"\x1f":
        return []
    lines = raw.splitlines(keepends=True) if forms else []
    known = [form for form in forms if any(form.match(line) for line in lines if len(line) < LONGEST)]
    whole = begins in (b"{", b"[") and raw.rstrip()[-1:] in (b"}", b"]")
    if whole and not known and _NO_JSON.search(raw) is None:
        return []
    spans = _json_spans(raw) if _OPENS.search(raw) else []
    if not spans and not known:
        return []
    lines = lines or raw.splitlines(keepends=True)
    kinds = _kinds(lines, spans, known)
    present = sorted(set(kinds) - {-2})
    if len(present) < 2:
        return []
    return [
        b"".join(line if kind == one else _blank(line) for line, kind in zip(lines, kinds))
        for one in reversed(present)
    ]


def _blank(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]


def _kinds(lines: list[bytes], spans: list[tuple[int, int]], forms: list[re.Pattern[bytes]]) -> list[int]:
    """Return the form of each line: JSON's is one more than the last of ``forms``, -1 the rest, -2 of a blank line."""
    found = []
    at = 0
    waiting = iter(spans)
    span = next(waiting, None)
    for line in lines:
        while span and at >= span[1]:
            span = next(waiting, None)
        own = next(
            (number for number, form in enumerate(forms) if len(line) < LONGEST and form.match(line)), -1
        )
        if own < 0 and span and span[0] <= at < span[1]:
            found.append(len(forms))
        else:
            found.append(own if line.strip() else -2)
        at += len(line)
    return found


def _json_spans(raw: bytes) -> list[tuple[int, int]]:
    """Return where documents stand: from the line that opens one to its end, or to the line that is no JSON's."""
    text = raw.decode("latin-1")  # a character a byte
    spans: list[tuple[int, int]] = []
    after = 0
    wasted = 0
    for opening in _OPENS.finditer(raw):
        begin = opening.start()
        if begin < after or wasted > 4 * len(raw):
            continue
        try:
            document, after = _DECODER.raw_decode(text, begin + opening[0].index(opening[0].lstrip()[:1]))
            if not isinstance(document, dict | list) or after - begin < 20:
                continue
        except (ValueError, RecursionError):
            other = _NO_JSON.search(raw, raw.find(b"\n", begin) + 1 or len(raw))
            after = other.start() if other else len(raw)
            wasted += after - begin
            if raw.count(b'":', begin, after) < 2:
                continue
        end = raw.find(b"\n", after)
        spans.append((begin, end + 1 if end >= 0 and not raw[after:end].strip(b" \t\r,") else after))
    return spans
