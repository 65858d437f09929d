"""Read a lab's state back from the kernel: devices, routes, neighbours, forwarding entries, BGP sessions, settings.

Reads and normalises; what the state should be is :mod:`~cnilab.testbeds.proof`'s business. The keys are those a real
cluster's nodes are read into as well, so that one proof serves both.
"""

from __future__ import annotations

import json

from cnilab.modes import Mode
from cnilab.testbeds import bgp, conditions
from cnilab.testbeds.lab import bird
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.topology import Topology

_READS = {
    "links": ["ip", "-j", "-d", "link", "show"],
    "routes": ["ip", "-j", "-d", "route", "show", "table", "all"],
    "neighbours": ["ip", "-j", "neigh", "show"],
    "rules": ["ip", "-j", "rule", "show"],
    "fdb": ["bridge", "-j", "fdb", "show"],
}


def read(agent: AgentProcess, topology: Topology, mode: Mode, nodes: list[str]) -> dict:
    """Return ``{node: {links, routes, neighbours, rules, fdb, bgp}}`` as the kernel and BIRD tell it.

    ``bgp`` is a list of ``{peer, state, since, info}``; a reading that failed is None, never an empty list.
    """
    commands = [(node, what, argv) for node in nodes for what, argv in _READS.items()]
    if mode.bgp:
        commands += [(n, "bgp", ["birdc", "-s", bird.control(n), "show", "protocols"]) for n in nodes]
    answers = agent.call("read_many", commands=[[ns, argv] for ns, _, argv in commands])["stdout"]
    out: dict[str, dict] = {node: {"bgp": []} for node in nodes}
    for (node, what, _), text in zip(commands, answers):
        if text is None:
            out[node][what] = None
        elif what == "bgp":
            out[node][what] = bgp.sessions(text)
        else:
            out[node][what] = json.loads(text or "[]")
    return out


def read_conditions(
    agent: AgentProcess, mode: Mode, nodes: list[str], ends: dict[str, tuple[str, str]]
) -> dict:
    """Return what :func:`cnilab.testbeds.conditions.gathered` makes of the nodes and of the trials' ends.

    Parameters
    ----------
    nodes
        Names of the nodes that take part.
    ends
        placement -> namespaces of (client, server); nodes' own where the mode has no pods.
    """
    on_node = ("eth0", mode.device) if mode.device else ("eth0",)
    devices: dict[str, tuple[str, ...]] = dict.fromkeys(
        (e for pair in ends.values() for e in pair), ("eth0",)
    )
    devices |= dict.fromkeys(nodes, on_node)
    commands = [[ns, conditions.own_sysfs(conditions.script(names))] for ns, names in devices.items()]
    answers = agent.call("read_many", commands=commands)["stdout"]
    readings = {ns: conditions.parse(text, names) for (ns, names), text in zip(devices.items(), answers)}
    return conditions.gathered(ends, dict.fromkeys(nodes, ("eth0", mode.device)), readings)


def converged(agent: AgentProcess, topology: Topology, routed_underlay: bool = False) -> bool:
    """Whether every speaker that forwards has a usable route from BIRD to every block not its own."""
    wanted = {n.name: {o.block for o in topology.node_list if o is not n} for n in topology.node_list}
    if routed_underlay:
        wanted["router"] = {n.block for n in topology.node_list}
    argv = ["ip", "-j", "route", "show", "proto", "bird"]
    answers = agent.call("read_many", commands=[[ns, argv] for ns in wanted])["stdout"]
    for blocks, text in zip(wanted.values(), answers):
        usable = {
            r["dst"] for r in json.loads(text or "[]") if "dev" in r and r.get("type", "unicast") == "unicast"
        }
        if not blocks <= usable:
            return False
    return True
