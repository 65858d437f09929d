"""flannel inside the k3s (or RKE2) server: no ConfigMap and no DaemonSet, only node annotations.

Servers write their arguments, ``config.yaml`` merged in, into an annotation (what is asked for); each node's flannel
announces its back end (what runs). Sources: k3s ``pkg/nodeconfig/nodeconfig.go``, ``pkg/agent/flannel/setup.go``,
``pkg/cli/cmds/server.go``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from cnilab.testbeds.kubernetes.detecting.reading import (
    Fact,
    Finding,
    NodeMode,
    Reader,
    name,
    notes_of,
    one_of,
    some,
)

#: annotation with the arguments -> the distribution that writes it
_ARGUMENTS = {"k3s.io/node-args": "k3s", "rke2.io/node-args": "rke2"}
#: k3s' own names of back ends, where they differ from the type that flannel announces
_ANNOUNCED = {"wireguard-native": "wireguard", "wireguard": "extension", "tailscale": "extension"}


def look(reader: Reader, prefix: str, mode_of: Callable[[dict], str | None]) -> Finding | None:
    """Return what the built-in flannel is doing; None where no node has flannel's annotations.

    Parameters
    ----------
    prefix, mode_of
        What flannel's annotations begin with, and the catalogue's id of a back end.
    """
    found = Finding("flannel", None, routes_by="flanneld")
    asked: dict[str, str] = {}
    distributions, silent, own_file = set(), [], []
    for node in reader.nodes():
        told = notes_of(node)
        argv: list[str] = []
        for key in _ARGUMENTS:
            if key in told:
                distributions.add(_ARGUMENTS[key])
                argv = _argv(told[key])
                if argv[:1] == ["server"]:
                    asked[name(node)] = _flag(argv, "--flannel-backend") or "vxlan"
                    found.facts.append(
                        Fact(f"Node {name(node)}", f"{key} --flannel-backend", asked[name(node)])
                    )
        kind = told.get(f"{prefix}backend-type")
        if kind is None:
            silent.append(name(node))
            continue
        kind, mode = kind or "udp", mode_of({"type": kind or "udp"})
        if kind == "vxlan" and _flag(argv, "--flannel-conf"):
            own_file.append(name(node))
            mode = None
        if mode is None and kind != "vxlan":
            found.warnings.append(f"{name(node)} runs back end {kind!r}, for which cnilab has no mode")
        said = {k.removeprefix(prefix): v for k, v in told.items() if k.startswith(prefix)}
        found.per_node.append(NodeMode(name(node), mode, said))
        found.facts.append(Fact(f"Node {name(node)}", f"{prefix}backend-type", kind))
    if not found.per_node:
        return None
    found.mode = one_of(n.mode for n in found.per_node)
    if distributions:
        found.plugin = "rke2" if "rke2" in distributions else "k3s"
        found.version = one_of(_version(n) for n in reader.nodes())
    else:
        gone = "cannot be read" if reader.undecided else "are not there"
        found.warnings.append(
            f"flannel's annotations are there, its ConfigMap and DaemonSet {gone}, and this is no k3s"
        )
        _without_config(found)
    if silent:
        found.warnings.append(f"flannel has not announced itself on {some(silent)}")
    if own_file:
        found.warnings.append(
            f"{some(own_file)}: vxlan by a file of its own (--flannel-conf); "
            "nothing here tells whether with DirectRouting"
        )
    _compare(found, asked)
    return found


def _without_config(found: Finding) -> None:
    """Outside k3s only the ConfigMap tells vxlan from vxlan with DirectRouting."""
    if any(n.mode == "flannel-vxlan" for n in found.per_node):
        found.per_node = [
            NodeMode(n.node, None if n.mode == "flannel-vxlan" else n.mode, n.says) for n in found.per_node
        ]
        found.mode = one_of(n.mode for n in found.per_node)
        found.warnings.append("vxlan, and without the ConfigMap nothing tells whether with DirectRouting")


def _compare(found: Finding, asked: dict[str, str]) -> None:
    """What the servers ask for against what the nodes run."""
    if len(set(asked.values())) > 1:
        found.warnings.append(
            f"the servers ask for different back ends: {', '.join(f'{n} {b}' for n, b in asked.items())}"
        )
    wanted = {_ANNOUNCED.get(b, b) for b in asked.values()}
    running = {n.says["backend-type"] or "udp" for n in found.per_node}
    if wanted == {"none"}:
        found.warnings.append("the servers run no flannel (none); its annotations are left over")
        found.mode = None
    elif len(wanted) == 1 and running != wanted:
        found.warnings.append(
            f"pending restart: the servers ask for {wanted.pop()}, nodes run {', '.join(sorted(running))}"
        )


def _version(node: dict) -> str | None:
    return ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or None


def _argv(text: str) -> list[str]:
    try:
        told = json.loads(text)
    except ValueError:
        return []
    return [str(a) for a in told] if isinstance(told, list) else []


def _flag(argv: list[str], flag: str) -> str | None:
    """A flag's value; of several the last counts, since the configuration file's come first."""
    value = None
    for index, arg in enumerate(argv):
        if arg == flag and index + 1 < len(argv):
            value = argv[index + 1]
        elif arg.startswith(flag + "="):
            value = arg.partition("=")[2]
    return value
