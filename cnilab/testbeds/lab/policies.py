"""A network policy put on a server's pod in a standing lab, and taken off again; its rules are :mod:`.felix`'s."""

from __future__ import annotations

from cnilab.errors import Unavailable
from cnilab.facts import Fact
from cnilab.testbeds.lab import felix
from cnilab.testbeds.lab.lab import Lab
from cnilab.testbeds.lab.steps import Phase, Restore, to_ops


def set_policy(lab: Lab, placement: str, count: int, match: str) -> None:
    """Put a NetworkPolicy with ``count`` rules on the server's pod, as Felix writes it; 0 takes it off.

    Raises
    ------
    Unavailable
        If the lab's mode has nothing that enforces policies.
    """
    if lab.mode.plugin != "calico":
        if count:
            why = Fact("no_policy_engine", {"mode": lab.mode.id})
            raise Unavailable(f"nothing enforces policies under {lab.mode.id}", fact=why)
        return
    pod = lab.topology.server_pod(placement)
    step = Restore(pod.node, felix.policy(pod, count, match))
    lab.agent.call("build", phases=to_ops([Phase("a policy", (step,))]))
