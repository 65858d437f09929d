"""Whether the nodes' kernels can make a mode's tunnel device, tried before anything is changed.

A device is made and removed again at once in the agent's own pod, on every node that has one: only the kernel knows
what it has, as a module or built in. It is what the agent itself would do a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.detecting.reading import some
from cnilab.testbeds.kubernetes.executing import Finished

PROBE = "cnilab-probe"
#: kind -> what ``ip link add`` wants to be told of it; unlike any that is there, for two of a kind are refused
_ARGUMENTS = {
    "ipip": "type ipip local 127.0.0.77 remote 127.0.0.78",
    "wireguard": "type wireguard",
    "vxlan": "type vxlan id 16777215 dstport 4789",
}


def why_not(agents: Mapping[str, dict], run: Callable[[dict, list[str]], Finished], kind: str) -> str:
    """Why a kind of device cannot be made on some node, in the node's words; nothing where it can or cannot be tried.

    Parameters
    ----------
    agents
        Node to the pod of the plugin's agent there.
    run
        Runs a program in such a pod.
    kind
        As the catalogue's ``encapsulation``; one that needs no device of its own is always possible.
    """
    if kind not in _ARGUMENTS:
        return ""
    script = f"ip link add {PROBE} {_ARGUMENTS[kind]} && ip link del {PROBE}"

    def one(pod: dict) -> str:
        try:
            done = run(pod, ["sh", "-c", script])
        except ClusterError:
            return ""  # it may not be tried; what the switch leads to is looked at anyway
        words = done.stderr.decode(errors="replace").strip().splitlines()
        refused = any("not supported" in w or "Unknown device type" in w for w in words)
        return words[-1] if done.code and refused else ""

    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(agents, pool.map(one, agents.values()), strict=True))
    lacking = {node: said for node, said in answers.items() if said}
    if not lacking:
        return ""
    return f"the kernel of {some(sorted(lacking))} has no {kind} device (ip: {next(iter(lacking.values()))})"
