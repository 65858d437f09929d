"""What stands before a tool's lines where something else kept them, taken off again.

A report pasted into Markdown is indented or quoted, a CI log and ``kubectl logs --timestamps`` put a time before
each line, docker compose a container's name, ``kubectl logs --prefix`` a pod's. This module knows no
tool's format; a reader whose tool gives meaning to the blanks before a line does not use it.
"""

from __future__ import annotations

import re

_MARGIN = re.compile(
    r"^(?:[A-Za-z][\w.-]* +\| ?|\[pod/[\w./-]+\] )?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[ \t]+)?"
    r"[ \t>]*"
)


def cleared(text: str) -> list[str]:
    r"""Return the lines of ``text`` without what was put before them, and without blanks at their ends.

    >>> cleared("web-1  |   Latency  1.00ms\n2031-05-02T08:00:00.5Z   4 requests\n> Total:")
    ['Latency  1.00ms', '4 requests', 'Total:']
    """
    return [_MARGIN.sub("", line, count=1).rstrip() if len(line) < 4000 else "" for line in text.split("\n")]


def cleared_head(head: bytes) -> str:
    """Return the first bytes of a file as :func:`cleared` text, for a ``sniff`` to search."""
    return "\n".join(cleared(head.decode("utf-8", "replace")))
