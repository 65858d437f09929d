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
    "qdiscs": ["tc", "-j", "qdisc", "show"],
    "netfilter": ["iptables-save"],
    "bridge_nf": ["cat", "/proc/sys/net/bridge/bridge-nf-call-iptables"],
}
#: What is read as text; all else is JSON.
_TEXT = ("netfilter", "bridge_nf")


def read(agent: AgentProcess, mode: Mode, nodes: list[str]) -> dict:
    """Return what the kernel and BIRD tell of each node.

    Returns
    -------
    dict
        node -> ``links, routes, neighbours, rules, fdb, qdiscs`` (as iproute2 prints them in JSON), ``netfilter`` (as
        iptables-save does), ``bridge_nf`` (``"1"``, ``"0"``), ``bgp`` (``[{peer, state, since, info}]``) and
        ``bgp_routes`` (``[{prefix, protocol}]`` that BIRD itself holds). A reading that failed is None, never empty.
    """
    commands = [(node, what, argv) for node in nodes for what, argv in _READS.items()]
    if mode.bgp:
        for what, asked in (("bgp", "protocols"), ("bgp_routes", "route")):
            commands += [(n, what, ["birdc", "-s", bird.control(n), "show", asked]) for n in nodes]
    answers = agent.call("read_many", commands=[[ns, argv] for ns, _, argv in commands])["stdout"]
    out: dict[str, dict] = {node: {"bgp": [], "bgp_routes": []} for node in nodes}
    for (node, what, _), text in zip(commands, answers):
        if text is None:
            out[node][what] = None
        elif what == "bgp":
            out[node][what] = bgp.sessions(text)
        elif what == "bgp_routes":
            out[node][what] = bgp.routes(text)
        elif what in _TEXT:
            out[node][what] = text.strip()
        else:
            out[node][what] = json.loads(text or "[]")
    return out


def read_ends(agent: AgentProcess, ends: list[str]) -> dict:
    """Return ``{end: {link, qdiscs}}`` of each end's eth0; None for what could not be read."""
    asked = {
        "link": ["ip", "-j", "-d", "link", "show", "dev", "eth0"],
        "qdiscs": ["tc", "-j", "qdisc", "show"],
    }
    commands = [(end, what, argv) for end in dict.fromkeys(ends) for what, argv in asked.items()]
    answers = agent.call("read_many", commands=[[ns, argv] for ns, _, argv in commands])["stdout"]
    out: dict[str, dict] = {end: {} for end in ends}
    for (end, what, _), text in zip(commands, answers):
        value = json.loads(text or "[]") if text is not None else None
        out[end][what] = value[0] if what == "link" and value else value
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
