"""The benchmark programs cnilab can run and whose output it can read.

A new tool is one module here, one line in :data:`TOOLS` and one recorded output in ``tests/data/tools``.
"""

from __future__ import annotations

from cnilab.errors import UnknownKey
from cnilab.tools import iperf2, iperf3, netperf
from cnilab.tools.base import Call, Interval, Parser, Reading, Sample, Tool

__all__ = ["TOOLS", "Call", "Interval", "Parser", "Reading", "Sample", "Tool", "get"]

#: Name -> module. A module is a :class:`Parser`; one that also has ``PROGRAMS`` is a :class:`Tool`.
TOOLS: dict[str, Parser] = {
    "iperf2": iperf2,
    "iperf3": iperf3,
    "netperf": netperf,
}


def get(name: str) -> Parser:
    """Return the tool called ``name``.

    Raises
    ------
    UnknownKey
        Listing the known ones.
    """
    try:
        return TOOLS[name]
    except KeyError:
        raise UnknownKey("tool", name, TOOLS) from None
