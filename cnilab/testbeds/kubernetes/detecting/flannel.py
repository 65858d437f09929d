"""flannel by its ConfigMap (what is asked for) and its node annotations (what runs), and flannel inside k3s or RKE2.

flanneld reads the ConfigMap only when it starts, so the two may differ; then the node's word counts and the difference
is told. Sources: flannel v0.28 ``pkg/subnet/config.go``, ``pkg/subnet/kube/annotations.go``; k3s ``pkg/nodeconfig``.
"""

from __future__ import annotations

import json

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
PREFIX = "flannel.alpha.coreos.com"  # flanneld's --kube-annotation-prefix changes it
_MODES = {
    "udp": "flannel-udp",
    "vxlan": "flannel-vxlan",
    "host-gw": "flannel-host-gw",
    "ipip": "flannel-ipip",
    "wireguard": "flannel-wireguard",
}
_DISTRIBUTIONS = {"k3s.io/node-args": "k3s", "rke2.io/node-args": "RKE2"}
#: k3s' own names of back ends -> flannel's
_K3S = {"wireguard-native": "wireguard", "vxlan": "vxlan", "host-gw": "host-gw"}


def look(reader: Reader) -> Finding | None:
    """Return what flannel is doing; None where there is no flannel."""
    for namespace in NAMESPACES:
        config = reader.get(f"/api/v1/namespaces/{namespace}/configmaps/kube-flannel-cfg")
        daemonset = reader.get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/kube-flannel-ds")
        if config is not None or daemonset is not None:
            return _by_config(reader, namespace, config, daemonset)
    return _inside_k3s(reader)


def backend(net_conf: str) -> dict:
    """The ``Backend`` of a ``net-conf.json`` with its keys in lower case, as Go reads them; none at all is ``udp``.

    Raises
    ------
    ValueError
        If the text is no JSON object.
    """
    told = json.loads(net_conf)
    if not isinstance(told, dict):
        raise ValueError("not an object")
    lower = {k.lower(): v for k, v in told.items()}
    inner = {k.lower(): v for k, v in (lower.get("backend") or {}).items()}
    return {"type": "udp", **inner}


def mode_of(told: dict) -> str | None:
    """The catalogue's id of a back end, None for one it does not have."""
    if told.get("type") == "vxlan" and told.get("directrouting"):
        return "flannel-vxlan-directrouting"
    return _MODES.get(told.get("type", ""))


def _prefix(daemonset: dict | None) -> str:
    for container in (
        (daemonset or {}).get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    ):
        for arg in [*(container.get("command") or ()), *(container.get("args") or ())]:
            if arg.startswith(("--kube-annotation-prefix=", "-kube-annotation-prefix=")):
                return arg.partition("=")[2]
    return PREFIX


def _by_config(reader: Reader, namespace: str, config: dict | None, daemonset: dict | None) -> Finding:
    where, prefix = f"ConfigMap {namespace}/kube-flannel-cfg", _prefix(daemonset)
    found = Finding("flannel", None, image_version(daemonset, "kube-flannel"), routes_by="flanneld")
    asked: dict | None = None
    text = ((config or {}).get("data") or {}).get("net-conf.json")
    if text is not None:
        try:
            asked = backend(text)
            found.facts += [Fact(where, f"net-conf.json Backend.{k}", v) for k, v in asked.items()]
        except ValueError as error:
            found.warnings.append(f"{where}: net-conf.json cannot be read: {error}")
    elif config is not None:
        found.warnings.append(f"{where} has no net-conf.json")
    _nodes(reader, found, prefix, asked)
    found.mode = one_of(n.mode for n in found.per_node)
    if not found.per_node and asked:
        found.mode = mode_of(asked)
        found.warnings.append("no node has flannel's annotations; the mode is what the ConfigMap asks for")
    _pending(reader, found, namespace, config, daemonset, asked)
    return found


def _nodes(reader: Reader, found: Finding, prefix: str, asked: dict | None) -> None:
    silent = []
    for node in reader.nodes():
        said = {
            k.removeprefix(f"{prefix}/"): v for k, v in notes_of(node).items() if k.startswith(f"{prefix}/")
        }
        if "backend-type" not in said:
            silent.append(name(node))
            continue
        kind = said["backend-type"] or "udp"
        same = asked is not None and asked["type"] == kind
        found.per_node.append(
            NodeMode(name(node), mode_of(asked if same and asked else {"type": kind}), said)
        )
        found.facts.append(Fact(f"Node {name(node)}", f"{prefix}/backend-type", said["backend-type"]))
    if silent:
        found.warnings.append(f"flannel has not announced itself on {some(silent)}")
    if asked:
        other = [n.node for n in found.per_node if (n.says["backend-type"] or "udp") != asked["type"]]
        if other:
            found.warnings.append(
                f"pending restart: the ConfigMap asks for {asked['type']}, {some(other)} "
                f"still run{'s' if len(other) == 1 else ''} another back end"
            )


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
            if "f:data" in (f.get("fieldsV1") or {}) and f.get("time")
        ),
        default="",
    )
    labels = ",".join(f"{k}={v}" for k, v in daemonset["spec"]["selector"]["matchLabels"].items())
    old = [
        pod["spec"].get("nodeName", "?")
        for pod in reader.items(f"/api/v1/namespaces/{namespace}/pods", labels=labels)
        if written and (pod.get("status") or {}).get("startTime", written) < written
    ]
    if old and not any(w.startswith("pending restart") for w in found.warnings):
        found.warnings.append(
            f"pending restart: flannel on {some(old)} is older than the ConfigMap's last change ({written}); "
            "whether DirectRouting is in effect, only the routes tell: cnilab cluster verify"
        )


def _inside_k3s(reader: Reader) -> Finding | None:
    """flannel without objects of its own: part of the k3s (or RKE2) server, told by node annotations."""
    found = Finding("k3s", None, routes_by="flanneld")
    asked: dict[str, str] = {}
    distributions: set[str] = set()
    for node in reader.nodes():
        told = notes_of(node)
        for key, distribution in _DISTRIBUTIONS.items():
            if key in told:
                distributions.add(distribution)
                argv = _argv(told[key])
                if argv[:1] == ["server"]:
                    asked[name(node)] = _flag(argv, "--flannel-backend") or "vxlan"
                    found.facts.append(
                        Fact(f"Node {name(node)}", f"{key} --flannel-backend", asked[name(node)])
                    )
        if f"{PREFIX}/backend-type" in told:
            kind = told[f"{PREFIX}/backend-type"] or "udp"
            said = {k.removeprefix(f"{PREFIX}/"): v for k, v in told.items() if k.startswith(f"{PREFIX}/")}
            found.per_node.append(NodeMode(name(node), mode_of({"type": kind}), said))
            found.facts.append(Fact(f"Node {name(node)}", f"{PREFIX}/backend-type", kind))
    if not found.per_node:
        return None
    if "RKE2" in distributions:
        found.plugin = "rke2"
    elif not distributions:
        found.plugin = "flannel"
        found.warnings.append(
            "flannel's annotations are there, its ConfigMap and DaemonSet are not, and this is no k3s"
        )
    found.mode = one_of(n.mode for n in found.per_node)
    if len(set(asked.values())) > 1:
        found.warnings.append(
            f"the servers ask for different back ends: {', '.join(f'{n} {b}' for n, b in asked.items())}"
        )
    wanted = {_K3S.get(b, b) for b in asked.values()} - {"none"}
    running = {n.says["backend-type"] or "udp" for n in found.per_node}
    if wanted and len(wanted) == 1 and running != wanted:
        found.warnings.append(
            f"pending restart: the servers ask for {wanted.pop()}, nodes run {', '.join(sorted(running))}"
        )
    return found


def _argv(text: str) -> list[str]:
    try:
        told = json.loads(text)
    except ValueError:
        return []
    return [str(a) for a in told] if isinstance(told, list) else []


def _flag(argv: list[str], flag: str) -> str | None:
    for index, arg in enumerate(argv):
        if arg == flag and index + 1 < len(argv):
            return argv[index + 1]
        if arg.startswith(flag + "="):
            return arg.partition("=")[2]
    return None
