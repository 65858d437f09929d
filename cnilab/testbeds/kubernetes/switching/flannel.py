"""flannel's backend changed on a live cluster, and put back.

flanneld reads ``net-conf.json`` once, when it starts, so the ConfigMap is patched and the DaemonSet rolled; what the
old backend leaves in the kernel is removed afterwards, since a leftover route wins over the new backend's wider
one (longest prefix). A pod keeps the MTU it was born with; only cnilab's own pods are made anew.

Sources: flannel v0.28 ``pkg/subnet/kube/kube.go``, ``pkg/subnet/config.go``, ``pkg/backend/*``,
``pkg/backend/route_network.go``; k3s issues 3409 and 2808.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cnilab import modes
from cnilab.errors import ClusterError
from cnilab.modes import MODES, Mode
from cnilab.testbeds.kubernetes import executing
from cnilab.testbeds.kubernetes.api import Api, NotFound, NotYet
from cnilab.testbeds.kubernetes.detecting.flannel import NAMESPACES, PREFIX, backend, mode_of
from cnilab.testbeds.kubernetes.switching import kernels
from cnilab.testbeds.kubernetes.switching.rolling import (
    ROLLED_S,
    Progress,
    difference,
    patch_locked,
    wait_rolled,
)
from cnilab.testbeds.kubernetes.switching.state import Saved

CONFIG, DAEMONSET = "kube-flannel-cfg", "kube-flannel-ds"
KEY = "net-conf.json"
#: Our mark on the pod template: a new value rolls the DaemonSet, its removal does so too.
MARK = "cnilab.io/net-conf"
ANNOTATION = f"{PREFIX}backend-type"

#: mode -> what stands under ``Backend``
BACKENDS: dict[str, dict] = {
    "flannel-udp": {"Type": "udp"},
    "flannel-vxlan": {"Type": "vxlan"},
    "flannel-vxlan-directrouting": {"Type": "vxlan", "DirectRouting": True},
    "flannel-host-gw": {"Type": "host-gw"},
    "flannel-ipip": {"Type": "ipip"},
    "flannel-wireguard": {"Type": "wireguard"},
}
_DEVICES = {m.device for m in MODES.values() if m.plugin == "flannel" and m.device}


@dataclass(frozen=True)
class Objects:
    """flannel's two objects, as found."""

    config_path: str
    config: dict
    daemonset_path: str
    daemonset: dict

    @property
    def net_conf(self) -> str:
        return self.config["data"][KEY]

    @property
    def namespace(self) -> str:
        return self.config["metadata"]["namespace"]


def find(api: Api) -> Objects:
    """Read flannel's ConfigMap and DaemonSet.

    Raises
    ------
    ClusterError
        If they are in neither of flannel's namespaces (k3s has none: there flannel is part of the server).
    """
    for namespace in NAMESPACES:
        config = f"/api/v1/namespaces/{namespace}/configmaps/{CONFIG}"
        daemonset = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{DAEMONSET}"
        try:
            return Objects(config, api.get(config), daemonset, api.get(daemonset))
        except NotFound:
            continue
    raise ClusterError(f"no ConfigMap {CONFIG} and DaemonSet {DAEMONSET} in {' or '.join(NAMESPACES)}")


def with_backend(net_conf: str, mode: str) -> str:
    """Return ``net-conf.json`` with only the backend changed; Go reads its keys in any case, so any is replaced."""
    told = json.loads(net_conf)
    kept = {k: v for k, v in told.items() if k.lower() != "backend"}
    return json.dumps({**kept, "Backend": BACKENDS[mode]}, indent=2)


def why_not(api: Api, found: Objects, mode: str, routed_underlay: bool = False) -> str:
    """Why the nodes' kernels have not what a backend needs, or nothing; what it cannot reach, the proof shows."""
    del routed_underlay

    def run(pod: dict, argv: list[str]) -> executing.Finished:
        return executing.run(api, found.namespace, pod["metadata"]["name"], argv)

    running = {
        p["spec"]["nodeName"]: p
        for p in agents(api, found)
        if p["spec"].get("nodeName") and (p.get("status") or {}).get("phase") == "Running"
    }
    return kernels.why_not(running, run, modes.get(mode).encapsulation)


def plan(found: Objects, mode: str) -> list[str]:
    """What :func:`switch` will do, a line a step, in order."""
    target = modes.get(mode)
    gone = sorted(_DEVICES - {target.device})
    steps = [
        f"save {CONFIG} and {DAEMONSET} of {found.namespace} in cnilab-state/saved",
        f"patch ConfigMap {found.namespace}/{CONFIG}: Backend = {json.dumps(BACKENDS[mode])}",
        f"roll DaemonSet {found.namespace}/{DAEMONSET} (annotation {MARK} on its pod template) and wait for every node",
        f"remove on every node, where present: devices {', '.join(gone)}",
    ]
    if target.encapsulation in ("udp", "wireguard"):
        steps.append(
            "remove on every node: the old backend's routes to other nodes' pods, which would win over the new one"
        )
    steps.append(
        f"set on every node: MTU of cni0 to what flannel now says ({target.pod_mtu()} on an underlay of 1500)"
    )
    return steps


def saved_objects(found: Objects) -> dict[str, dict | None]:
    return {found.config_path: found.config, found.daemonset_path: found.daemonset}


def switch(api: Api, found: Objects, mode: str, progress: Progress, *, at_once: bool) -> None:
    """Change the backend and return once every node runs it and carries nothing of the old one.

    Parameters
    ----------
    at_once
        Roll all nodes together instead of as the DaemonSet's own strategy says.
    """
    before = found.net_conf
    wanted = with_backend(before, mode)
    _write(api, found, wanted, expected=before)
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    _roll(api, found.daemonset_path, digest, at_once)
    progress(f"{mode}: rolling {DAEMONSET}")
    settle(api, found, mode, progress)


def settle(api: Api, found: Objects, mode: str, progress: Progress) -> None:
    """Wait for the roll-out and for every node's word, then remove what the old backend left."""
    wait_rolled(api, found.daemonset_path, hopeless=lambda: _crashing(api, found))
    _wait_announced(api, found, BACKENDS[mode]["Type"])
    removed = clean(api, found, modes.get(mode))
    if removed:
        progress(f"{mode}: removed {', '.join(removed)}")


def _write(api: Api, found: Objects, net_conf: str, expected: str) -> None:
    patch_locked(
        api,
        found.config_path,
        found.config,
        {"data": {KEY: net_conf}},
        lambda seen: seen["data"].get(KEY) == expected,
    )


def _roll(api: Api, path: str, mark: str | None, at_once: bool) -> None:
    change: dict = {"spec": {"template": {"metadata": {"annotations": {MARK: mark}}}}}
    if at_once:
        change["spec"]["updateStrategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0},
        }
    patch_locked(api, path, api.get(path), change, lambda _: True)


def _wait_announced(api: Api, found: Objects, backend: str) -> None:
    """Every node flannel runs on says the backend in its annotation."""

    def look() -> bool | NotYet:
        nodes = {p["spec"].get("nodeName") for p in agents(api, found)}
        told = {}
        for node in api.items("/api/v1/nodes"):
            if node["metadata"]["name"] in nodes:
                told[node["metadata"]["name"]] = (node["metadata"].get("annotations") or {}).get(
                    ANNOTATION, "none"
                )
        other = [f"{n} says {t!r}" for n, t in told.items() if (t or "udp") != backend]
        return (bool(told) and not other) or NotYet("; ".join(other[:5]))

    api.wait(f"every node announces {backend}", look, 60)


def agents(api: Api, found: Objects) -> list[dict]:
    """flannel's own pods, one a node."""
    labels = found.daemonset["spec"]["selector"]["matchLabels"]
    chosen = ",".join(f"{k}={v}" for k, v in labels.items())
    return list(api.items(f"/api/v1/namespaces/{found.namespace}/pods", labels=chosen))


def _crashing(api: Api, found: Objects) -> str:
    """Why an agent does not stay up, as where the kernel has no device of the back end's kind; or nothing."""
    for pod in agents(api, found):
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("lastState") or {}).get("terminated") or {}
            if container.get("restartCount", 0) >= 2 and ended.get("exitCode"):
                name = pod["metadata"]["name"]
                return (
                    f"flanneld on {pod['spec'].get('nodeName')} ends with status {ended['exitCode']} again and again; "
                    f"it says why in: kubectl logs -n {found.namespace} {name} --previous"
                )
    return ""


# ---- what is left in the kernel ----------------------------------------------------------------------------------


def clean(api: Api, found: Objects, target: Mode) -> list[str]:
    """Remove other backends' devices and routes on every node, and give cni0 the new MTU; return what was done."""
    network = json.loads(found.net_conf).get("Network", "0.0.0.0/0")
    pods = [p for p in agents(api, found) if (p.get("status") or {}).get("phase") == "Running"]

    def one(pod: dict) -> list[str]:
        where, name = found.namespace, pod["metadata"]["name"]
        look = "ip -j -d link; printf '\\036'; ip -j route; printf '\\036'; cat /run/flannel/subnet.env"
        done = executing.run(api, where, name, ["sh", "-c", look])
        node = pod["spec"]["nodeName"]
        try:
            links, routes, env = done.text.split("\x1e")
            commands = leftovers(target, json.loads(links), json.loads(routes or "[]"), env, network)
        except ValueError:
            raise ClusterError(
                f"node {node}: cannot read its devices through pod {name}: {done.stderr[-200:]!r}"
            ) from None
        for argv in commands:
            ended = executing.run(api, where, name, argv)
            # A device or route that went by itself meanwhile is as good as removed.
            if ended.code and not any(w in ended.stderr for w in (b"Cannot find device", b"No such process")):
                raise ClusterError(f"node {node}: {' '.join(argv)}: {ended.stderr.decode().strip()}")
        return [f"{node}: {' '.join(argv[1:])}" for argv in commands]

    with ThreadPoolExecutor(8) as pool:
        return [line for lines in pool.map(one, pods) for line in lines]


def leftovers(
    target: Mode, links: Sequence[dict], routes: Sequence[dict], env: str, network: str
) -> list[list[str]]:
    """Commands that remove from one node what is not the target backend's.

    Parameters
    ----------
    links, routes
        ``ip -j -d link`` and ``ip -j route`` (main table).
    env
        ``/run/flannel/subnet.env``, where flanneld says the MTU new pods get.
    network
        The cluster's pod network, CIDR.
    """
    commands: list[list[str]] = []
    names = {link["ifname"]: link for link in links}
    for device in sorted(_DEVICES & set(names) - {target.device}):
        commands.append(["ip", "link", "del", device])
    if target.encapsulation in ("udp", "wireguard"):
        whole = ipaddress.IPv4Network(network)
        for route in routes:
            if (
                route["dst"] == "default"
                or route.get("dev") in (target.device, *_DEVICES)
                or "gateway" not in route
            ):
                continue
            dst = ipaddress.IPv4Network(route["dst"])
            if dst.subnet_of(whole):
                commands.append(["ip", "route", "del", route["dst"], "via", route["gateway"]])
    told = dict(line.split("=", 1) for line in env.split() if "=" in line)
    bridge = names.get("cni0")
    if (
        bridge is not None
        and told.get("FLANNEL_MTU", "").isdigit()
        and bridge["mtu"] != int(told["FLANNEL_MTU"])
    ):
        commands.append(["ip", "link", "set", "cni0", "mtu", told["FLANNEL_MTU"]])
    return commands


# ---- the way back ------------------------------------------------------------------------------------------------


def restore(api: Api, saved: Saved, progress: Progress) -> None:
    """Put both objects back as saved and wait until every node runs the old backend again.

    Raises
    ------
    ClusterError
        If somebody else has changed the backend since: then nothing is touched.
    """
    found = find(api)
    config, daemonset = saved.objects[found.config_path], saved.objects[found.daemonset_path]
    if config is None or daemonset is None:
        raise ClusterError("the saved state holds no flannel objects")
    original = config["data"][KEY]
    ours = {original, *(with_backend(original, m) for m in BACKENDS)}
    if found.net_conf not in ours:
        raise ClusterError(
            f"{found.config_path} holds a configuration that cnilab never wrote; put it back by hand, "
            "then: kubectl delete namespace cnilab-state"
        )
    if found.net_conf != original:
        _write(api, found, original, expected=found.net_conf)
    marked = MARK in (found.daemonset["spec"]["template"]["metadata"].get("annotations") or {})
    if marked:
        progress(f"rolling {DAEMONSET} back")
        _roll(api, found.daemonset_path, None, at_once=True)
        wait_rolled(api, found.daemonset_path)
    else:
        _restart_younger(api, found, saved, progress)
    now = api.get(found.daemonset_path)
    change = difference(now["spec"]["updateStrategy"], daemonset["spec"]["updateStrategy"])
    if change:
        patch_locked(api, found.daemonset_path, now, {"spec": {"updateStrategy": change}}, lambda _: True)
    mode = saved.mode if saved.mode in BACKENDS else _mode_of(original)
    if mode:
        settle(api, find(api), mode, progress)


def _restart_younger(api: Api, found: Objects, saved: Saved, progress: Progress) -> None:
    """The DaemonSet was never rolled; only an agent that restarted by itself can have read our configuration."""
    where = f"/api/v1/namespaces/{found.namespace}/pods"
    young = [
        pod["metadata"]["name"]
        for pod in agents(api, found)
        if (pod.get("status") or {}).get("startTime", "") >= saved.at[:19]
    ]
    for name in young:
        progress(f"restarting {name}, younger than the change")
        api.delete(f"{where}/{name}")

    def look() -> bool | NotYet:
        left = {pod["metadata"]["name"] for pod in agents(api, found)} & set(young)
        return not left or NotYet(f"{', '.join(sorted(left))} still there")

    # Until they are gone, the DaemonSet counts them as ready.
    api.wait("the younger agents are gone", look, ROLLED_S)


def _mode_of(net_conf: str) -> str | None:
    return mode_of(backend(net_conf))
