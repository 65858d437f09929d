"""Calico's encapsulation, mesh or reflectors, and WireGuard changed on a live cluster, and put back.

Felix takes a changed pool by itself (it restarts inside its pod when the *set* of encapsulations changes), so nothing
is rolled; only BIRD, when it was off, needs a roll-out before a pool may depend on it. Then every node is waited for:
what it still lacks is told by :mod:`.calico_nodes`, which asks kernel, Felix and BIRD in Calico's own pods.

Sources: Calico v3.32 ``felix/daemon/daemon.go``, ``libcalico-go/lib/apis/v3``, the documentation of IPPool,
BGPConfiguration and "Configure BGP peering" (the order for reflectors).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from cnilab import modes
from cnilab.errors import ClusterError
from cnilab.modes import Mode
from cnilab.testbeds import bgp
from cnilab.testbeds.kubernetes import executing, placing
from cnilab.testbeds.kubernetes.api import Api, Conflict, NotFound, NotYet
from cnilab.testbeds.kubernetes.switching import calico_nodes, calico_settling, kernels
from cnilab.testbeds.kubernetes.switching.calico_nodes import ANSWERS, CLUSTER_ID
from cnilab.testbeds.kubernetes.switching.calico_objects import INSTALLATION, Objects
from cnilab.testbeds.kubernetes.switching.calico_objects import find as find
from cnilab.testbeds.kubernetes.switching.calico_settling import NODES, REFLECTOR, SETTLED_S
from cnilab.testbeds.kubernetes.switching.rolling import Progress, merge_back, patch_locked, wait_rolled
from cnilab.testbeds.kubernetes.switching.state import Saved

PEER = "cnilab-reflectors"

#: (encapsulation, scope) -> ipipMode, vxlanMode, and the operator's one word for both
_POOL = {
    ("ipip", "always"): ("Always", "Never", "IPIP"),
    ("ipip", "cross_subnet"): ("CrossSubnet", "Never", "IPIPCrossSubnet"),
    ("vxlan", "always"): ("Never", "Always", "VXLAN"),
    ("vxlan", "cross_subnet"): ("Never", "CrossSubnet", "VXLANCrossSubnet"),
}
_PLAIN = ("Never", "Never", "None")
#: Says so where BIRD knows not the attribute of Calico's fork, by which a route goes into an IP-in-IP tunnel.
_TUNNELS = """
try() { printf 'router id 192.0.2.1; protocol device { } filter t { %s accept; }' "$1" | bird -p -c /dev/stdin; }
try '' && { try 'krt_tunnel = "tunl0";' || echo lacking; }
"""


def why_not(api: Api, found: Objects, mode: str, routed_underlay: bool = False) -> str:
    """Why this Calico cannot go to ``mode`` without harm, or nothing."""
    target = modes.get(mode)
    subnets = sorted({n.subnet for n in found.nodes if n.subnet})
    if target.needs_one_l2 and len(subnets) > 1 and not routed_underlay:
        return (
            f"{mode} sends pods' packets plain, and the nodes are in {len(subnets)} subnets "
            f"({', '.join(subnets[:4])}); "
            "if the routers between them know the pods' routes, say so with --routed-underlay"
        )
    agents = calico_nodes.agents(api)

    def run(pod: dict, argv: list[str]) -> executing.Finished:
        return calico_nodes.run(api, pod, argv)

    if why := kernels.why_not(agents, run, target.encapsulation):
        return why
    if target.encapsulation == "ipip" and agents:
        with contextlib.suppress(ClusterError):  # it may not be tried
            done = run(next(iter(agents.values())), ["sh", "-c", _TUNNELS])
            if done.text.strip() == "lacking":
                return f"{mode} needs Calico's own BIRD; this calico-node has another one, without tunnels for routes"
    return ""


# ---- there -------------------------------------------------------------------------------------------------------


def plan(found: Objects, mode: str) -> list[str]:
    """What :func:`switch` will do, a line a step, in order."""
    target = modes.get(mode)
    ipip, vxlan, word = _pool_values(target)
    steps = ["save every object below in cnilab-state/saved"]
    if target.bgp and not found.bird:
        where = (
            "Installation default: bgp Enabled"
            if found.installation
            else f"ConfigMap {found.namespace}/calico-config: calico_backend bird, and BIRD's probes"
        )
        steps.append(f"{where}; roll calico-node and wait until BIRD answers")
    if target.bgp == "rr":
        steps.append(
            f"make {_reflector(found).name} a route reflector (annotation {CLUSTER_ID}, label {REFLECTOR}) "
            f"and create BGPPeer {PEER}"
        )
        steps.append(
            "wait until every node's session with it is established, then BGPConfiguration default: mesh off"
        )
    else:
        if target.bgp == "mesh":
            steps.append("BGPConfiguration default: mesh on, where it is off")
        if marked := calico_settling.marked(found):
            steps.append(f"{marked} reflects no longer: mesh on, BGPPeer {PEER} and its marks away")
    if found.installation is not None:
        steps.append(
            f"patch Installation default: encapsulation of its pools = {word} (the pools themselves are the operator's)"
        )
    else:
        steps += [
            f"patch IPPool {p['metadata']['name']}: ipipMode {ipip}, vxlanMode {vxlan}"
            for p in found.pools.values()
        ]
    on = target.encapsulation == "wireguard"
    if on or (found.felix or {}).get("spec", {}).get("wireguardEnabled"):
        steps.append(f"patch FelixConfiguration default: wireguardEnabled {str(on).lower()}")
    answer = ANSWERS.get(target.encapsulation)
    steps.append(
        f"wait until every node {f'says {answer} and ' if answer else ''}"
        "has the device, routes, BGP sessions and MTU for new pods; connections that exist may break"
    )
    return steps


def _pool_values(target: Mode) -> tuple[str, str, str]:
    return _POOL.get((target.encapsulation, target.scope), _PLAIN)


def _reflector(found: Objects) -> placing.Node:
    return next((n for n in found.nodes if not n.unusable), found.nodes[0])


def saved_objects(found: Objects) -> dict[str, dict | None]:
    """Everything any switch may touch, in the order in which it is put back."""
    reflector = f"{NODES}/{_reflector(found).name}"
    objects: dict[str, dict | None] = {
        f"{found.group}/bgpconfigurations/default": found.bgp,
        **found.pools,
        f"{found.group}/felixconfigurations/default": found.felix,
        f"{found.group}/bgppeers/{PEER}": None,
        reflector: calico_settling.marks(found, _reflector(found).name),
    }
    if found.installation is not None:
        objects[INSTALLATION] = found.installation
    elif found.config is not None:
        objects[found.config_path] = found.config
        objects[found.daemonset_path] = found.daemonset
    return objects


def switch(api: Api, found: Objects, mode: str, progress: Progress, *, at_once: bool) -> None:
    """Change the mode in the order that loses no routes and return once every node has answered."""
    del at_once  # Felix decides when a node changes
    target, marked = modes.get(mode), calico_settling.marked(found)
    if target.bgp and not found.bird:
        progress(f"{mode}: starting BIRD")
        _enable_bird(api, found)
    if target.bgp == "rr":
        progress(f"{mode}: {_reflector(found).name} becomes a route reflector")
        _reflect(api, found)
    else:
        if target.bgp == "mesh" or marked:
            _mesh(api, found, on=True)
        if marked:
            progress(f"{mode}: {marked} reflects no longer")
            api.delete(f"{found.group}/bgppeers/{PEER}")
            merge_back(api, f"{NODES}/{marked}", calico_settling.NO_MARKS)
    _encapsulate(api, found, target)
    _wireguard(api, found, on=target.encapsulation == "wireguard")
    progress(f"{mode}: waiting for every node")
    ipip, vxlan, _ = _pool_values(target)
    pools = [{**p["spec"], "ipipMode": ipip, "vxlanMode": vxlan} for p in found.pools.values()]
    calico_settling.settle(api, pools)
    if target.bgp != "rr" and marked:
        calico_settling.stay(api, marked, calico_settling.NO_MARKS, pools)


def _encapsulate(api: Api, found: Objects, target: Mode) -> None:
    """Both fields of a pool in one patch, since they exclude each other."""
    ipip, vxlan, word = _pool_values(target)
    if found.installation is not None:
        wanted = {p["spec"]["cidr"] for p in found.pools.values()}
        listed = (found.installation["spec"].get("calicoNetwork") or {}).get("ipPools") or []
        operations: list[dict] = []
        for index, pool in enumerate(listed):
            if pool["cidr"] in wanted:
                where = f"/spec/calicoNetwork/ipPools/{index}"
                operations.append({"op": "test", "path": f"{where}/cidr", "value": pool["cidr"]})
                operations.append({"op": "add", "path": f"{where}/encapsulation", "value": word})
        if not operations:
            raise ClusterError(f"Installation default names none of the pools {', '.join(sorted(wanted))}")
        api.patch(INSTALLATION, operations, kind="json")
        return
    for path, pool in found.pools.items():
        patch_locked(api, path, pool, {"spec": {"ipipMode": ipip, "vxlanMode": vxlan}}, _unchanged(pool))


def _unchanged(pool: dict) -> Callable[[dict], bool]:
    kept = ("cidr", "ipipMode", "vxlanMode", "disabled")
    return lambda seen: all(seen["spec"].get(k) == pool["spec"].get(k) for k in kept)


def _wireguard(api: Api, found: Objects, *, on: bool) -> None:
    if on or (found.felix or {}).get("spec", {}).get("wireguardEnabled"):
        _apply(api, found, "FelixConfiguration", {"wireguardEnabled": on})


def _mesh(api: Api, found: Objects, *, on: bool) -> None:
    if on != ((found.bgp or {}).get("spec") or {}).get("nodeToNodeMeshEnabled", True):
        _apply(api, found, "BGPConfiguration", {"nodeToNodeMeshEnabled": on})


def _apply(api: Api, found: Objects, kind: str, spec: dict) -> None:
    """Change ``default`` of a kind, or make it."""
    where = f"{found.group}/{kind.lower()}s"
    version = found.group.removeprefix("/apis/")
    try:
        api.patch(f"{where}/default", {"spec": spec})
    except NotFound:
        api.create(
            where, {"apiVersion": version, "kind": kind, "metadata": {"name": "default"}, "spec": spec}
        )


def _reflect(api: Api, found: Objects) -> None:
    node = _reflector(found)
    mark = {"annotations": {CLUSTER_ID: "244.0.0.1"}, "labels": {REFLECTOR: "true"}}
    api.patch(f"{NODES}/{node.name}", {"metadata": mark})
    body = {
        "apiVersion": found.group.removeprefix("/apis/"),
        "kind": "BGPPeer",
        "metadata": {"name": PEER},
        "spec": {"nodeSelector": "all()", "peerSelector": f"{REFLECTOR} == 'true'"},
    }
    try:
        api.create(f"{found.group}/bgppeers", body)
    except Conflict as error:
        if error.reason != "AlreadyExists":
            raise
    others = [n.name for n in found.nodes if n.name != node.name and not n.unusable]
    _established(api, others, node.ip)
    _mesh(api, found, on=False)


def _enable_bird(api: Api, found: Objects) -> None:
    if found.installation is not None:
        api.patch(INSTALLATION, {"spec": {"calicoNetwork": {"bgp": "Enabled"}}})
    elif found.config is None:
        raise ClusterError(
            f"BIRD is off and there is no ConfigMap {found.namespace}/calico-config to turn it on in"
        )
    else:
        patch_locked(
            api, found.config_path, found.config, {"data": {"calico_backend": "bird"}}, lambda _: True
        )
        template = json.loads(json.dumps(found.daemonset["spec"]["template"]))
        for container in template["spec"]["containers"]:
            for probe, flag in (("livenessProbe", "-bird-live"), ("readinessProbe", "-bird-ready")):
                command = ((container.get(probe) or {}).get("exec") or {}).get("command")
                if command and flag not in command:
                    command.append(flag)
        template["metadata"].setdefault("annotations", {})["cnilab.io/bird"] = "on"
        patch_locked(
            api,
            found.daemonset_path,
            api.get(found.daemonset_path),
            {"spec": {"template": template}},
            lambda _: True,
        )
    wait_rolled(api, found.daemonset_path)


# ---- sessions ----------------------------------------------------------------------------------------------------


def _established(api: Api, nodes: list[str], peer: str) -> None:
    def look() -> bool | NotYet:
        told = bgp_sessions(api, nodes)
        down = [
            n
            for n in nodes
            if not any(
                calico_nodes.peer(s) == peer and calico_nodes.established(s) for s in told.get(n) or ()
            )
        ]
        return not down or NotYet(f"no session with {peer} on {', '.join(down[:5])}")

    api.wait("sessions with the reflector are established", look, SETTLED_S)


def bgp_sessions(api: Api, nodes: list[str]) -> dict[str, list[dict] | None]:
    """Each node's sessions from BIRD in its ``calico-node`` pod: ``{peer, state, since, info}``.

    A node whose pod is not there is left out; None where BIRD gives no answer.
    """
    found: dict[str, list[dict] | None] = {}
    for node, pod in calico_nodes.agents(api).items():
        if node in nodes:
            argv = ["birdcl", "-s", "/var/run/calico/bird.ctl", "show", "protocols"]
            try:
                done = calico_nodes.run(api, pod, argv)
            except ClusterError:
                found[node] = None
                continue
            found[node] = None if done.code else bgp.sessions(done.text)
    return found


# ---- back --------------------------------------------------------------------------------------------------------


def restore(api: Api, saved: Saved, progress: Progress) -> None:
    """Put every saved object back and wait for every node.

    The mesh comes first, so that there are routes while the reflector goes.
    """
    for path, was in saved.objects.items():
        changed: Any = merge_back(api, path, was)
        if changed:
            progress(f"{path.rsplit('/', 2)[-2]}/{path.rsplit('/', 1)[-1]} is back")
    pools = [was["spec"] for path, was in saved.objects.items() if "/ippools/" in path and was]
    calico_settling.settle(api, pools)
    for path, was in saved.objects.items():
        if path.startswith(f"{NODES}/") and was:
            calico_settling.stay(api, path.rsplit("/", 1)[-1], was, pools)
