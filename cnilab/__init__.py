"""cnilab: what each Kubernetes CNI mode costs, and which differences between modes are real.

The public door. Everything is imported on first use, because processes that need only a corner of the package
(the lab's, a notebook's first cell) must not wait for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_DOOR = {
    "Lab": "cnilab.testbeds.lab",
    "MODES": "cnilab.modes",
    "Run": "cnilab.runs.run",
    "Study": "cnilab.study",
    "advise": "cnilab.advice",
    "check": "cnilab.findings",
    "compare": "cnilab.stats",
    "doctor": "cnilab.diagnosis",
    "load": "cnilab.loading",
    "load_study": "cnilab.study",
    "plan_size": "cnilab.stats",
    "rank": "cnilab.stats",
    "run": "cnilab.execute",
}
_NAMES = {"load_study": "load", "doctor": "examine"}  # where the door's name is not the module's own

__version__ = "0.1.0"
__all__ = [*_DOOR, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module 'cnilab' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_DOOR[name]), _NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
