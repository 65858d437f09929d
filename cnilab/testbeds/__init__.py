"""Where modes are put in place: the embedded lab, many routers on a link, a real cluster, a recorded run.

One folder or file a testbed, one line in the registry below. Imports are lazy, because a process inside the
lab starts in milliseconds only when it loads nothing it does not need.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from cnilab.errors import UnknownKey

if TYPE_CHECKING:
    from cnilab.testbeds.base import Testbed

#: name in a study file -> where its class lives
TESTBEDS = {
    "lab": "cnilab.testbeds.lab.testbed:LabTestbed",
    "routers": "cnilab.testbeds.lab.routers_testbed:RoutersTestbed",
    "kubernetes": "cnilab.testbeds.kubernetes.testbed:KubernetesTestbed",
    "replay": "cnilab.testbeds.replay:ReplayTestbed",
}


def get(name: str) -> Callable[..., Testbed]:
    """Return the testbed class called ``name``; raise UnknownKey with the known ones otherwise."""
    try:
        module, _, attribute = TESTBEDS[name].partition(":")
    except KeyError:
        raise UnknownKey("testbed", name, TESTBEDS) from None
    return getattr(import_module(module), attribute)
