"""What is asked: a study (:mod:`.schema`), its plan (:mod:`.plan`) and how orders are drawn (:mod:`.orders`)."""

from cnilab.study.schema import (
    EQUAL_MSS,
    PATHS,
    PLACEMENTS,
    Primary,
    Stop,
    Study,
    Test,
    load,
    parse,
    sets_mss,
)

__all__ = [
    "EQUAL_MSS",
    "PATHS",
    "PLACEMENTS",
    "Primary",
    "Stop",
    "Study",
    "Test",
    "load",
    "parse",
    "sets_mss",
]
