"""Calico's objects for a cluster of this machine, with a stand-in where its agent would be.

Calico's own programs cannot be built here: its API module and its BIRD cannot be had as Go modules. So flannel carries
the pods, and what is installed are the custom kinds with the fields that cnilab reads and changes, a pool,
``calico-config`` and a DaemonSet ``calico-node`` whose program only writes the node annotations that the real one
would. Detection and switching meet the objects they would meet; no packet takes Calico's way, and everything that
shows this cluster says so.
"""

from __future__ import annotations

from cnilab.localcluster.shape import CALICO_IMAGE, POD_CIDR

GROUP, VERSION = "projectcalico.org", "v3"
NAMESPACE, AGENT = "kube-system", "calico-node"
#: The annotation, on the DaemonSet and on each node, by which the stand-in says what it is.
MARK = "cnilab.io/calico-stand-in"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_MODE = {"type": "string", "enum": ["Always", "CrossSubnet", "Never"]}
_TEXT, _NUMBER, _SWITCH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
#: kind -> the fields of its ``spec``
KINDS: dict[str, dict] = {
    "IPPool": {
        "cidr": _TEXT, "blockSize": _NUMBER, "ipipMode": _MODE, "vxlanMode": _MODE, "natOutgoing": _SWITCH,
        "disabled": _SWITCH, "nodeSelector": _TEXT, "allowedUses": {"type": "array", "items": _TEXT},
    },
    "FelixConfiguration": {
        "wireguardEnabled": _SWITCH, "vxlanPort": _NUMBER, "vxlanVNI": _NUMBER, "ipipMTU": _NUMBER,
        "vxlanMTU": _NUMBER, "wireguardMTU": _NUMBER, "programClusterRoutes": _TEXT,
    },
    "BGPConfiguration": {
        "nodeToNodeMeshEnabled": _SWITCH, "asNumber": _NUMBER, "listenPort": _NUMBER, "programClusterRoutes": _TEXT,
    },
    "BGPPeer": {"peerIP": _TEXT, "asNumber": _NUMBER, "nodeSelector": _TEXT, "peerSelector": _TEXT},
}  # fmt: skip
#: As in Calico's own schema since 3.32.
_ONE_ENCAPSULATION = {
    "rule": "!has(self.ipipMode) || !has(self.vxlanMode) || self.ipipMode == 'Never' || self.vxlanMode == 'Never'",
    "message": "ipipMode and vxlanMode cannot both be enabled",
}


def kinds() -> list[dict]:
    """The custom kinds."""
    return [_kind(kind, fields) for kind, fields in KINDS.items()]


def _kind(kind: str, fields: dict) -> dict:
    plural = f"{kind.lower()}s"
    spec = {"type": "object", "properties": fields}
    if kind == "IPPool":
        spec["x-kubernetes-validations"] = [_ONE_ENCAPSULATION]
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{"name": VERSION, "served": True, "storage": True, "schema": schema}],
        },
    }


def objects() -> list[dict]:
    """What is made once the kinds are served: pool, configuration, and the stand-in with its rights."""
    rbac = "rbac.authorization.k8s.io"
    named = {"metadata": {"name": AGENT}}
    account = {"kind": "ServiceAccount", "name": AGENT, "namespace": NAMESPACE}
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
        {"apiGroups": [GROUP], "resources": ["ippools", "felixconfigurations"], "verbs": ["get", "list"]},
    ]
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": AGENT}
    pool = {
        "cidr": POD_CIDR,
        "blockSize": 26,
        "ipipMode": "Always",
        "vxlanMode": "Never",
        "natOutgoing": True,
        "nodeSelector": "all()",
    }
    return [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "IPPool",
            "metadata": {"name": "default-ipv4-ippool"},
            "spec": pool,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "calico-config", "namespace": NAMESPACE},
            "data": {"calico_backend": "bird"},
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": AGENT, "namespace": NAMESPACE},
        },
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", **named, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            **named,
            "roleRef": role,
            "subjects": [account],
        },
        _daemonset(),
    ]


def _daemonset() -> dict:
    def from_pod(path: str) -> dict:
        return {"valueFrom": {"fieldRef": {"fieldPath": path}}}

    container = {
        "name": AGENT,
        "image": CALICO_IMAGE,
        "imagePullPolicy": "Never",
        "env": [
            {"name": "NODE_NAME", **from_pod("spec.nodeName")},
            {"name": "NODE_IP", **from_pod("status.hostIP")},
            {"name": "TOKEN_FOLDER", "value": _TOKEN},
        ],
    }
    labels = {"k8s-app": AGENT}
    pod = {
        "serviceAccountName": AGENT,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": AGENT,
            "namespace": NAMESPACE,
            "labels": labels,
            "annotations": {MARK: "its program only writes node annotations; flannel carries the pods"},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
