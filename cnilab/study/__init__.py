"""What is asked: a study (:mod:`.schema`), what it varies (:mod:`.factors`), its plan, and how orders are drawn."""

from cnilab.study.factors import FACTORS, Factor, Treatment
from cnilab.study.schema import PATHS, PLACEMENTS, Primary, Stop, Study, Test, Tested, load, parse

__all__ = [
    "FACTORS",
    "PATHS",
    "PLACEMENTS",
    "Factor",
    "Primary",
    "Stop",
    "Study",
    "Test",
    "Tested",
    "Treatment",
    "load",
    "parse",
]
