"""Calico's encapsulation, mesh or reflectors, and WireGuard changed on a live cluster, and put back.

Felix takes a changed pool by itself (it restarts inside its pod when the *set* of encapsulations changes), so nothing
is rolled; only BIRD, when it was off, needs a roll-out before a pool may depend on it. Each node answers in its
annotations: a tunnel address, a public key. Sessions are read from BIRD in Calico's own pods.

Sources: Calico v3.32 ``felix/daemon/daemon.go``, ``libcalico-go/lib/apis/v3``, the documentation of IPPool,
BGPConfiguration and "Configure BGP peering" (the order for reflectors).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cnilab import modes
from cnilab.errors import ClusterError
from cnilab.modes import Mode
from cnilab.testbeds import bgp
from cnilab.testbeds.kubernetes import executing, placing
from cnilab.testbeds.kubernetes.api import Api, Conflict, NotFound, NotYet
from cnilab.testbeds.kubernetes.switching.calico_objects import INSTALLATION, NODE_NAMESPACES, Objects
from cnilab.testbeds.kubernetes.switching.calico_objects import find as find
from cnilab.testbeds.kubernetes.switching.rolling import Progress, merge_back, patch_locked, wait_rolled
from cnilab.testbeds.kubernetes.switching.state import Saved

CLUSTER_ID, REFLECTOR, PEER = (
    "projectcalico.org/RouteReflectorClusterID",
    "cnilab.io/route-reflector",
    "cnilab-reflectors",
)
SETTLED_S = 180.0

#: (encapsulation, scope) -> ipipMode, vxlanMode, and the operator's one word for both
_POOL = {
    ("ipip", "always"): ("Always", "Never", "IPIP"),
    ("ipip", "cross_subnet"): ("CrossSubnet", "Never", "IPIPCrossSubnet"),
    ("vxlan", "always"): ("Never", "Always", "VXLAN"),
    ("vxlan", "cross_subnet"): ("Never", "CrossSubnet", "VXLANCrossSubnet"),
}
_PLAIN = ("Never", "Never", "None")
#: encapsulation -> the node annotation in which calico-node says that it has it
_ANSWER = {
    "ipip": "projectcalico.org/IPv4IPIPTunnelAddr",
    "vxlan": "projectcalico.org/IPv4VXLANTunnelAddr",
    "wireguard": "projectcalico.org/WireguardPublicKey",
}


def why_not(found: Objects, mode: str, routed_underlay: bool = False) -> str:
    """Why this Calico cannot go to ``mode`` without harm, or nothing."""
    target = modes.get(mode)
    subnets = sorted({n.subnet for n in found.nodes if n.subnet})
    if target.needs_one_l2 and len(subnets) > 1 and not routed_underlay:
        return (
            f"{mode} sends pods' packets plain, and the nodes are in {len(subnets)} subnets "
            f"({', '.join(subnets[:4])}); "
            "if the routers between them know the pods' routes, say so with --routed-underlay"
        )
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
    elif target.bgp == "mesh":
        steps.append("BGPConfiguration default: mesh on, where it is off")
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
    if answer := _ANSWER.get(target.encapsulation):
        steps.append(f"wait until every node says {answer}; connections that exist may break")
    return steps


def _pool_values(target: Mode) -> tuple[str, str, str]:
    return _POOL.get((target.encapsulation, target.scope), _PLAIN)


def _reflector(found: Objects) -> placing.Node:
    return next((n for n in found.nodes if not n.unusable), found.nodes[0])


def saved_objects(found: Objects) -> dict[str, dict | None]:
    """Everything any switch may touch, in the order in which it is put back."""
    reflector = f"/api/v1/nodes/{_reflector(found).name}"
    objects: dict[str, dict | None] = {
        f"{found.group}/bgpconfigurations/default": found.bgp,
        **found.pools,
        f"{found.group}/felixconfigurations/default": found.felix,
        f"{found.group}/bgppeers/{PEER}": None,
        reflector: {"metadata": {"annotations": {CLUSTER_ID: None}, "labels": {REFLECTOR: None}}},
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
    target = modes.get(mode)
    if target.bgp and not found.bird:
        progress(f"{mode}: starting BIRD")
        _enable_bird(api, found)
    if target.bgp == "rr":
        progress(f"{mode}: {_reflector(found).name} becomes a route reflector")
        _reflect(api, found)
    elif target.bgp == "mesh":
        _mesh(api, found, on=True)
    _encapsulate(api, found, target)
    _wireguard(api, found, on=target.encapsulation == "wireguard")
    progress(f"{mode}: waiting for every node")
    settle(api, found, target)


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
    api.patch(f"/api/v1/nodes/{node.name}", {"metadata": mark})
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


# ---- what the nodes say ------------------------------------------------------------------------------------------


def settle(api: Api, found: Objects, target: Mode) -> None:
    """Wait until every node has what the mode needs."""
    wait_rolled(api, found.daemonset_path)
    answer = _ANSWER.get(target.encapsulation)
    if answer is None:
        return

    def look() -> bool | NotYet:
        silent = [
            n["metadata"]["name"]
            for n in api.items("/api/v1/nodes")
            if not placing.read([n])[0].unusable and not (n["metadata"].get("annotations") or {}).get(answer)
        ]
        return not silent or NotYet(f"no {answer} on {', '.join(silent[:5])}")

    api.wait(f"every node has {target.encapsulation}", look, SETTLED_S)


def _established(api: Api, nodes: list[str], peer: str) -> None:
    def look() -> bool | NotYet:
        told = bgp_sessions(api, nodes)
        down = [
            n
            for n in nodes
            if not any(_is(s, peer) and "Established" in s["info"] for s in told.get(n) or ())
        ]
        return not down or NotYet(f"no session with {peer} on {', '.join(down[:5])}")

    api.wait("sessions with the reflector are established", look, SETTLED_S)


def _is(session: dict, peer: str) -> bool:
    """Calico names its BIRD protocols after the peer: Mesh_192_0_2_11, Node_…, Global_…."""
    return session["peer"].partition("_")[2].replace("_", ".") == peer


def bgp_sessions(api: Api, nodes: list[str]) -> dict[str, list[dict] | None]:
    """Each node's sessions from BIRD in its ``calico-node`` pod: ``{peer, state, since, info}``.

    A node whose pod is not there is left out; None where BIRD gives no answer.
    """
    found: dict[str, list[dict] | None] = {}
    for namespace in NODE_NAMESPACES:
        for pod in api.items(f"/api/v1/namespaces/{namespace}/pods", labels="k8s-app=calico-node"):
            node = pod["spec"].get("nodeName")
            if node in nodes:
                argv = ["birdcl", "-s", "/var/run/calico/bird.ctl", "show", "protocols"]
                try:
                    done = executing.run(
                        api, namespace, pod["metadata"]["name"], argv, container="calico-node"
                    )
                except ClusterError:
                    found[node] = None
                    continue
                found[node] = None if done.code else bgp.sessions(done.text)
    return found


# ---- back --------------------------------------------------------------------------------------------------------


def restore(api: Api, saved: Saved, progress: Progress) -> None:
    """Put every saved object back: the mesh first, so that there are routes while the reflector goes."""
    daemonset = next((p for p in saved.objects if p.endswith("/daemonsets/calico-node")), None)
    for path, was in saved.objects.items():
        changed: Any = merge_back(api, path, was)
        if changed:
            progress(f"{path.rsplit('/', 2)[-2]}/{path.rsplit('/', 1)[-1]} is back")
    if daemonset:
        wait_rolled(api, daemonset)
