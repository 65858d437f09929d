"""What a cluster or a CI service writes before every line of a program's output, taken off again.

Files below ``/var/log/pods``, a container's ``-json.log``, ``kubectl logs --timestamps``, ``gh run view --log``,
journalctl and Jenkins keep a program's output so; JSON and tables are readable only without it. Only a text of
which every line begins alike is touched: a log in which a few lines have a time is the readers' business.
"""

from __future__ import annotations

import json
import re

_TIME = rb"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO = rb"\d{4}-\d\d-\d\d[T ]" + _TIME + rb"(?:Z|[+-]\d\d:?\d\d)?"
_DAY = rb"[A-Z][a-z]{2} [ \d]\d "
#: In their order: the longer one first where one begins like another.
_FORMS = tuple(
    map(
        re.compile,
        (
            _ISO
            + rb" std(?:out|err) (?:(?P<goes_on>P)|F)(?: |$)",  # the container runtime's; P: cut at its limit
            rb"[^\t]{1,200}\t[^\t]{1,200}\t(?:\xef\xbb\xbf)?" + _ISO + rb" ?",  # gh: job, step, time
            _DAY + _TIME + rb" [\w.-]+ [\w.@/-]+(?:\[\d+\])?: ?",  # syslog: time, host, program
            rb"\[pod/[\w./-]+\] (?:" + _ISO + rb" )?",
            rb"\[?" + _ISO + rb"\]?[ \t]?",
            rb"\[?(?:" + _DAY + rb")?" + _TIME + rb"\]?[ \t]?",
        ),
    )
)
#: Bytes of a file from which its form is known, and lines there must be of it.
_LOOKED_AT = 4096
_ENOUGH = 3
_JSON_LINE = re.compile(rb'\{ ?"log": ?"')


def unwrapped(raw: bytes) -> bytes:
    """Return the program's own output, or ``raw`` itself where its lines do not all begin alike."""
    if raw[:1] == b"{" and not _JSON_LINE.match(raw):
        return raw
    whole = raw.removeprefix(b"\xef\xbb\xbf")
    head = whole[:_LOOKED_AT].split(b"\n")
    if len(whole) > _LOOKED_AT:
        head.pop()
    lines = filter(_counts, head)
    first = next(lines, b"")
    if not any(form.match(first) for form in (_JSON_LINE, *_FORMS)):
        return raw  # as most files are; the rest need not be looked at
    kept = [first, *lines]
    if len(kept) < _ENOUGH:
        return raw
    if all(map(_JSON_LINE.match, kept)):
        return _of_documents(whole) or raw
    form = next((form for form in _FORMS if all(map(form.match, kept))), None)
    return raw if form is None else _without(whole, form)


def _counts(line: bytes) -> bool:
    """Whether a line has to be of the form: it is not blank, and not journalctl's own, which begin with dashes."""
    return bool(line.strip()) and not line.startswith(b"-- ")


def _without(raw: bytes, form: re.Pattern[bytes]) -> bytes:
    out: list[bytes] = []
    for line in raw.splitlines(keepends=True):
        begins = form.match(line)
        kept = line[begins.end() :] if begins else line
        out.append(kept.rstrip(b"\r\n") if begins and begins.groupdict().get("goes_on") else kept)
    return b"".join(out)


def _of_documents(raw: bytes) -> bytes | None:
    """Read Docker's form, a JSON document a line."""
    try:
        return "".join(json.loads(line)["log"] for line in raw.splitlines() if line.strip()).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
