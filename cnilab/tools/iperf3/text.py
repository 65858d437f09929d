"""iperf3's text report; see :mod:`.document` for JSON."""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.tools.base import Reading

_SNIFF = re.compile(rb"^iperf3?:? (?:3\.|error)|^iperf3: ", re.MULTILINE)


def sniff(head: bytes) -> bool:
    """Whether this is iperf3's text."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read every test report in ``raw``."""
    raise ParseError("iperf3 text is not read yet")
