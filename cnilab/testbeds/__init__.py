"""Where modes are put in place: the embedded lab, a real cluster, or a recorded run played back.

One folder or file a testbed, one line in the registry below. Imports are lazy, because a process inside the
lab starts in milliseconds only when it loads nothing it does not need.
"""

from __future__ import annotations

from importlib import import_module

from cnilab.errors import UnknownKey

#: name in a study file -> where its class lives
TESTBEDS = {
    "lab": "cnilab.testbeds.lab.testbed:LabTestbed",
    "kubernetes": "cnilab.testbeds.kubernetes.testbed:KubernetesTestbed",
    "replay": "cnilab.testbeds.replay:ReplayTestbed",
}


def get(name: str):
    """Return the testbed class called ``name``; raise UnknownKey with the known ones otherwise."""
    try:
        module, _, attribute = TESTBEDS[name].partition(":")
    except KeyError:
        raise UnknownKey("testbed", name, TESTBEDS) from None
    return getattr(import_module(module), attribute)
