"""flannel by its ConfigMap (what is asked for) and its node annotations (what runs).

flanneld reads the ConfigMap only when it starts, so the two may differ; then the node's word counts and the difference
is told. flannel inside k3s has no objects: :mod:`.k3s`. Sources: flannel v0.28 ``pkg/subnet/config.go``,
``pkg/subnet/kube/annotations.go``, ``pkg/backend/manager.go``.
"""

from __future__ import annotations

import json

from cnilab.testbeds.kubernetes.detecting import k3s
from cnilab.testbeds.kubernetes.detecting.reading import (
    Fact,
    Finding,
    NodeMode,
    Reader,
    image_version,
    name,
    notes_of,
    one_of,
    some,
)

NAMESPACES = ("kube-flannel", "kube-system")
PREFIX = "flannel.alpha.coreos.com/"
_FLAG, _VARIABLE = "kube-annotation-prefix", "FLANNELD_KUBE_ANNOTATION_PREFIX"
_MODES = {
    "udp": "flannel-udp",
    "vxlan": "flannel-vxlan",
    "host-gw": "flannel-host-gw",
    "ipip": "flannel-ipip",
    "wireguard": "flannel-wireguard",
}


def look(reader: Reader) -> Finding | None:
    """Return what flannel is doing; None where there is no flannel."""
    for namespace in NAMESPACES:
        config = reader.get(f"/api/v1/namespaces/{namespace}/configmaps/kube-flannel-cfg")
        daemonset = reader.get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/kube-flannel-ds")
        if config is not None or daemonset is not None:
            return _by_config(reader, namespace, config, daemonset)
    return k3s.look(reader, PREFIX, mode_of)


def backend(net_conf: str) -> dict:
    """The ``Backend`` of a ``net-conf.json`` with its keys in lower case, as Go reads them.

    No ``Backend`` at all is ``udp``; one without a type is a type that flanneld does not know.

    Raises
    ------
    ValueError
        If the text, or what stands under ``Backend``, is no JSON object.
    """
    told = json.loads(net_conf)
    if not isinstance(told, dict):
        raise ValueError("not an object")
    lower = {k.lower(): v for k, v in told.items()}
    if "backend" not in lower:
        return {"type": "udp"}
    inner = lower["backend"] or {}
    if not isinstance(inner, dict):
        raise ValueError(f"Backend is {inner!r}, not an object")
    found = {k.lower(): v for k, v in inner.items()}
    return {**found, "type": str(found.get("type", "")).lower()}


def mode_of(told: dict) -> str | None:
    """The catalogue's id of a back end, None for one it does not have."""
    if told.get("type") == "vxlan" and told.get("directrouting") is True:
        return "flannel-vxlan-directrouting"
    return _MODES.get(told.get("type", ""))


def prefix_of(daemonset: dict | None) -> str:
    """What flanneld's annotations begin with: its flag, its variable, or the default; ended as flanneld ends it."""
    told = PREFIX
    spec = (daemonset or {}).get("spec", {}).get("template", {}).get("spec", {})
    for container in spec.get("containers") or ():
        for variable in container.get("env") or ():
            if variable["name"] == _VARIABLE and variable.get("value"):
                told = variable["value"]
        argv = [*(container.get("command") or ()), *(container.get("args") or ())]
        for index, arg in enumerate(argv):
            flag, equals, value = arg.lstrip("-").partition("=")
            if arg.startswith("-") and flag == _FLAG:
                told = value if equals else "".join(argv[index + 1 : index + 2])
    if "/" not in told:
        told += "/"
    return told if told.endswith(("/", "-")) else f"{told}-"


def said_by(node: dict, prefix: str = PREFIX) -> dict[str, str]:
    """A node's flannel annotations without their prefix."""
    return {k.removeprefix(prefix): v for k, v in notes_of(node).items() if k.startswith(prefix)}


def _by_config(reader: Reader, namespace: str, config: dict | None, daemonset: dict | None) -> Finding:
    where = f"ConfigMap {namespace}/kube-flannel-cfg"
    found = Finding("flannel", None, image_version(daemonset, "kube-flannel"), routes_by="flanneld")
    asked: dict | None = None
    text = ((config or {}).get("data") or {}).get("net-conf.json")
    if text is not None:
        try:
            asked = backend(text)
            found.facts += [Fact(where, f"net-conf.json Backend.{k}", v) for k, v in asked.items()]
            found.facts += [
                Fact(where, f"net-conf.json {k.lower()}", v)
                for k, v in json.loads(text).items()
                if k.lower() in ("network", "enablenftables")
            ]
        except ValueError as error:
            found.warnings.append(f"{where}: net-conf.json cannot be read: {error}")
    elif not reader.undecided:
        found.warnings.append(f"{where} {'is not there' if config is None else 'has no net-conf.json'}")
    if daemonset is None and not reader.undecided:
        found.warnings.append(
            f"DaemonSet {namespace}/kube-flannel-ds is not there: what flannel left may be all there is of it"
        )
    other = _nodes(reader, found, prefix_of(daemonset), asked)
    found.mode = one_of(n.mode for n in found.per_node)
    if not found.per_node and asked:
        found.mode = mode_of(asked)
        if not reader.undecided:
            found.warnings.append(
                "no node has flannel's annotations; the mode is what the ConfigMap asks for"
            )
    if not other:  # else that a restart is pending has been said
        _pending(reader, found, namespace, config, daemonset, asked)
    return found


def _nodes(reader: Reader, found: Finding, prefix: str, asked: dict | None) -> list[str]:
    """Add each node's mode, and return the nodes that run another back end than is asked for."""
    silent, unknown, other = [], [], []
    for node in reader.nodes():
        said = said_by(node, prefix)
        if "backend-type" not in said:
            silent.append(name(node))
            continue
        kind = said["backend-type"] or "udp"
        mode = mode_of({"type": kind})
        if asked and asked["type"] == kind:
            mode = mode_of(asked)
        elif asked:
            other.append(name(node))
        elif kind == "vxlan":
            mode = None
            unknown.append(name(node))
        found.per_node.append(NodeMode(name(node), mode, said))
        found.facts.append(Fact(f"Node {name(node)}", f"{prefix}backend-type", said["backend-type"]))
        if kind not in _MODES:
            found.warnings.append(f"{name(node)} runs back end {kind!r}, for which cnilab has no mode")
    if silent:
        found.warnings.append(f"flannel has not announced itself on {some(silent)}")
    if unknown:
        found.warnings.append(
            f"{some(unknown)}: vxlan, and without the ConfigMap nothing tells whether with DirectRouting"
        )
    if asked and other:
        found.warnings.append(
            f"pending restart: the ConfigMap asks for {asked['type'] or 'no type'}, {some(other)} "
            f"still run{'s' if len(other) == 1 else ''} another back end"
        )
    return other


def _pending(
    reader: Reader,
    found: Finding,
    namespace: str,
    config: dict | None,
    daemonset: dict | None,
    asked: dict | None,
) -> None:
    """DirectRouting is in no annotation: an agent older than the ConfigMap's last change may not have it."""
    if config is None or daemonset is None or not asked or asked["type"] != "vxlan":
        return
    written = max(
        (
            f["time"]
            for f in config["metadata"].get("managedFields") or ()
            if "f:net-conf.json" in ((f.get("fieldsV1") or {}).get("f:data") or {}) and f.get("time")
        ),
        default="",
    )
    labels = ",".join(f"{k}={v}" for k, v in daemonset["spec"]["selector"]["matchLabels"].items())
    old = [
        pod["spec"].get("nodeName", "?")
        for pod in reader.items(f"/api/v1/namespaces/{namespace}/pods", labels=labels, decides=False)
        if written and (_started(pod) or written) < written
    ]
    if old:
        found.warnings.append(
            f"pending restart: flannel on {some(old)} is older than the ConfigMap's last change ({written}); "
            "whether DirectRouting is in effect, only the routes tell: cnilab cluster verify"
        )


def _started(pod: dict) -> str:
    """When flanneld itself started: a container started again in its old pod has read the file again."""
    status = pod.get("status") or {}
    for one in status.get("containerStatuses") or ():
        if one["name"] == "kube-flannel":
            running = (one.get("state") or {}).get("running") or {}
            return running.get("startedAt") or status.get("startTime", "")
    return status.get("startTime", "")
