"""Several programs in one log, each line with its speaker's name before it: taken apart, so that each is read alone.

``kubectl logs --prefix``, docker compose, stern, kail, syslog, ``pdsh`` and ``grep -H`` write the lines of several
pods, containers, hosts or files in turn. Read as one text, the sender of one and the receiver of another would become
one result. This module knows no tool's format; a text of one speaker is returned as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from cnilab.measurements.base import Reading

_TIME = rb"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO = rb"\d{4}-\d\d-\d\d[T ]" + _TIME + rb"(?:Z|[+-]\d\d:?\d\d)?"
_STAMP = re.compile(rb"\[?" + _ISO + rb"\]?(?:[ \t]|$)")
_POD = rb"[a-z0-9][a-z0-9.-]*-[a-z0-9.-]*"
#: Forms that nothing but a log's writer prints: a line without one is nobody's, and the others are still told apart.
_PLAIN_FORMS = (
    rb"\[(?P<name>pod/[\w./-]{1,300})\](?: |$)",
    rb"(?P<name>[a-z0-9.-]+/[a-z0-9.-]+\[[a-z0-9.-]+\]): ?",
)
#: Forms that a table or a list could have too: every line must be of it, and each speaker have said enough.
_DOUBTFUL_FORMS = (
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d "
    + _TIME
    + rb"|"
    + _ISO
    + rb") (?P<name>[\w.-]+ [\w.@/-]+(?:\[\d+\])?): ?",
    rb"(?P<name>[A-Za-z0-9][\w.-]{0,100}) +\|(?: |$)",
    rb"(?P<name>(?:[^\s:|\[\]]{1,100}/)*[^\s:|/\[\]]{0,100}\.[A-Za-z]\w{0,9})[:-](?:\d{1,9}[:-])?",
    rb"(?P<name>(?:[^\s:|\[\]]{1,100}/)+[^\s:|/\[\]]{1,100}):(?:\d{1,9}:)?",
    rb"(?P<name>\d{1,7})[:-](?!\d\d:\d\d)",
    rb"(?P<name>" + _POD + rb" [a-z0-9][a-z0-9-]*)(?: |$)",
    rb"(?P<name>[A-Za-z][\w.-]{0,100}):(?: |$)",
)
_PLAIN = tuple(map(re.compile, _PLAIN_FORMS))
_SYSLOG, _COMPOSE, _FILE, _PATH, _NUMBERED, _STERN, _HOST = map(re.compile, _DOUBTFUL_FORMS)
_ANY_PLAIN = re.compile(rb"|".join(re.sub(rb"\?P<name>", b"?:", form) for form in _PLAIN_FORMS))
#: stern's and grep's own lines, which are no speaker's.
_ASIDE = re.compile(rb"[+-] \S+ \xe2\x80\xba \S+|--\s*$")
#: What programs put before lines of their own.
_OF_TOOLS = re.compile(
    rb"(?:nuttcp|sockperf|iperf|netperf|netserver|ping|PING|fping|wrk|qperf|Summary|error|Error|WARNING|warning)"
)
_LOOKED_AT = 4096
#: Speakers of one log, at most; more than these are no pods.
MOST = 1000


@dataclass(frozen=True)
class Part:
    """What one speaker said, and the 1-based line of the file that each of its lines was."""

    name: str
    raw: bytes
    lines: tuple[int, ...] | None = None

    def placed(self, line: int | None) -> int | None:
        """Return the file's line that is line ``line`` of this part."""
        if line is None or self.lines is None:
            return line
        return self.lines[min(max(line, 1), len(self.lines)) - 1]

    def at_home(self, reading: Reading) -> Reading:
        """Return a reading of this part with the line it has in the file."""
        return reading if self.lines is None else replace(reading, line=self.placed(reading.line))


def split(raw: bytes) -> list[Part]:
    r"""Return what each speaker said, in the order in which they began; the whole where there is one speaker.

    >>> [(p.name, p.raw) for p in split(b"[pod/a/c] one\n[pod/b/c] two\n[pod/a/c] three\n[pod/b/c] four\n")]
    [('pod/a/c', b'one\nthree\n'), ('pod/b/c', b'two\nfour\n')]
    """
    whole = [Part("", raw)]
    head = raw[:_LOOKED_AT].lstrip()
    if head[:1] == b"{" or head[:2] in (b"[{", b"\x1f\x8b") or b"\n" not in raw:
        return whole
    lines = head.split(b"\n")
    first = next((line for line in lines if line.strip() and not _ASIDE.match(line)), b"")
    if any(map(_ANY_PLAIN.match, lines)):
        for form in _PLAIN:
            if parts := _parted(raw, form, strict=False):
                return parts
    for form in (_SYSLOG, _COMPOSE, _FILE, _PATH, _NUMBERED, _STERN, _HOST):
        if (
            form.match(first)
            and _all_of(lines[:-1] or lines, form)
            and (parts := _parted(raw, form, strict=True))
        ):
            return parts
    return whole


def _all_of(lines: list[bytes], form: re.Pattern[bytes]) -> bool:
    return all(form.match(line) for line in lines if line.strip() and not _ASIDE.match(line))


def _parted(raw: bytes, form: re.Pattern[bytes], strict: bool) -> list[Part]:
    """Return the parts by one form, or nothing where it is not this text's."""
    said: dict[str, list[bytes]] = {}
    where: dict[str, list[int]] = {}
    order: list[str] = []
    for at, line in enumerate(raw.splitlines(keepends=True), 1):
        found = form.match(line)
        if found is None:
            if _ASIDE.match(line) or not line.strip():
                continue
            if strict:
                return []
            name, rest = "", line
        elif form is _NUMBERED:
            name, rest = "", line[found.end() :]
            order.append(found["name"].decode())
        else:
            name, rest = found["name"].decode("utf-8", "replace"), line[found.end() :]
        if name not in said and len(said) > MOST:
            return []
        said.setdefault(name, []).append(rest)
        where.setdefault(name, []).append(at)
    if form is _NUMBERED:
        steps = list(map(int, order))
        if len(steps) < 3 or any(a >= b for a, b in pairwise(steps)):
            return []
    elif not _believable(said, form):
        return []
    return [Part(name, b"".join(_unstamped(text)), tuple(where[name])) for name, text in said.items()]


def _believable(said: dict[str, list[bytes]], form: re.Pattern[bytes]) -> bool:
    """Whether these are speakers: several, and not the first column of a table or a list."""
    named = {name: text for name, text in said.items() if name}
    if form in (_FILE, _PATH):
        return bool(named)
    if len(named) < 2:
        return False
    if form is _COMPOSE:
        return not any(b"|" in line for text in named.values() for line in text)
    if form in (_SYSLOG, _STERN, _HOST):
        return all(len(text) >= 3 for text in named.values()) and not any(
            _OF_TOOLS.match(name.encode()) for name in named
        )
    return True


def _unstamped(lines: list[bytes]) -> list[bytes]:
    """Take off the time that a log puts behind the speaker's name, where every line has one."""
    if all(_STAMP.match(line) for line in lines if line.strip()) and any(line.strip() for line in lines):
        return [_STAMP.sub(b"", line, count=1) for line in lines]
    return lines
