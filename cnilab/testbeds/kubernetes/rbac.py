"""The smallest rights each command needs, as Kubernetes objects to be read and applied.

One literal table; the code of detection, runs and switching uses nothing beyond it, which a test shows against a
real API server. What a run makes lies in namespaces whose names are not known beforehand, so those rules cannot be
narrowed to a namespace: RBAC has no rule for "namespaces with this label". Whoever wants less gives a run its own
cluster, or leaves out the host-network pods.
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from cnilab.errors import UnknownKey
from cnilab.testbeds.kubernetes.switching.calico import PEER

_CONFIGS = ["kube-flannel-cfg", "canal-config", "rke2-canal-config", "calico-config", "cilium-config"]
_DAEMONSETS = ["kube-flannel-ds", "calico-node", "canal", "rke2-canal", "cilium"]
_CALICO = ["projectcalico.org", "crd.projectcalico.org"]


def _rule(groups: list[str], resources: list[str], verbs: list[str], names: list[str] | None = None) -> dict:
    rule: dict = {"apiGroups": groups, "resources": resources, "verbs": verbs}
    return rule | ({"resourceNames": names} if names else {})


_DETECT = [
    _rule([""], ["nodes"], ["list"]),
    _rule([""], ["configmaps"], ["get"], _CONFIGS),
    _rule(["apps"], ["daemonsets"], ["get"], _DAEMONSETS),
    _rule([""], ["pods"], ["list"]),  # an agent's own, by label: which is older than its configuration
    _rule(_CALICO, ["ippools", "bgppeers", "felixconfigurations"], ["list"]),
    _rule(_CALICO, ["bgpconfigurations", "felixconfigurations"], ["get"], ["default"]),
    _rule(["operator.tigera.io"], ["installations"], ["get"], ["default"]),
    _rule(["apiregistration.k8s.io"], ["apiservices"], ["get"], ["v3.projectcalico.org"]),
]
_RUN = [
    *_DETECT,
    _rule([""], ["namespaces"], ["create", "get", "list", "delete"]),
    _rule([""], ["pods"], ["create", "get", "delete"]),
    # Which of the two a server asks for depends on its version.
    _rule([""], ["pods/exec"], ["create", "get"]),
    _rule([""], ["services"], ["create", "get"]),
    _rule([""], ["configmaps"], ["get"], ["saved"]),  # clean-up tells of a mode that waits to be put back
]
_SWITCH = [
    *_RUN,
    _rule([""], ["configmaps"], ["patch"], ["kube-flannel-cfg", "calico-config"]),
    _rule([""], ["configmaps"], ["create"]),  # a name cannot be asked for before the object is there
    _rule([""], ["configmaps"], ["delete"], ["saved"]),
    _rule(["apps"], ["daemonsets"], ["patch"], ["kube-flannel-ds", "calico-node"]),
    _rule(_CALICO, ["ippools"], ["get", "patch"]),
    _rule(_CALICO, ["felixconfigurations", "bgpconfigurations", "bgppeers"], ["create"]),
    _rule(_CALICO, ["felixconfigurations", "bgpconfigurations"], ["patch", "delete"], ["default"]),
    _rule(_CALICO, ["bgppeers"], ["get", "delete"], [PEER]),
    _rule(["operator.tigera.io"], ["installations"], ["patch"], ["default"]),
    _rule([""], ["nodes"], ["get", "patch"]),
]

#: What for -> rules. ``verify`` makes the same pods as ``run``.
RULES: dict[str, list[dict]] = {"detect": _DETECT, "verify": _RUN, "run": _RUN, "switch": _SWITCH}


def objects(what: str, subjects: Iterable[dict]) -> list[dict]:
    """A ClusterRole and its binding to the subjects; for ``all`` one of each for every purpose.

    Raises
    ------
    UnknownKey
        If there is nothing of that name.
    """
    bound = list(subjects)
    if what == "all":
        return [item for each in RULES for item in objects(each, bound)]
    if what not in RULES:
        raise UnknownKey("purpose", what, [*RULES, "all"])
    name = f"cnilab-{what}"
    made = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "cnilab"}},
            "rules": RULES[what],
        }
    ]
    if bound:
        made.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "cnilab"}},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": bound,
            }
        )
    return made


def user(name: str) -> dict:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def service_account(told: str) -> dict:
    """``NAMESPACE:NAME`` as a subject."""
    namespace, _, name = told.rpartition(":")
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace or "default"}


def to_yaml(made: Iterable[dict]) -> str:
    """Several documents, as kubectl takes them; nothing is written as an alias."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return yaml.dump_all(list(made), Dumper=Plain, sort_keys=False, explicit_start=True)
