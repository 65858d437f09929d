"""The objects of a Calico that switching reads: pools, BGP and Felix configuration, the operator's, the nodes.

Found by manifest or by operator, in either API group. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes import placing
from cnilab.testbeds.kubernetes.api import Api, NotFound
from cnilab.testbeds.kubernetes.detecting.calico import GROUPS, INSTALLATION
from cnilab.testbeds.kubernetes.detecting.calico import NAMESPACES as NODE_NAMESPACES

OPERATOR_LABEL = ("app.kubernetes.io/managed-by", "tigera-operator")


@dataclass(frozen=True)
class Objects:
    """What a switch reads and may change.

    Parameters
    ----------
    group
        The API group's path that serves the pools.
    pools
        Enabled IPv4 pools, by path.
    others
        Every other pool's ``spec``.
    metadata
        Of each node's object.
    installation
        The operator's, where the pools are its; else None.
    felix, bgp
        ``default`` of FelixConfiguration and BGPConfiguration, None where there is none yet.
    config, daemonset
        ``calico-config`` (manifest installs only) and ``calico-node``, with their paths.
    """

    group: str
    pools: dict[str, dict]
    installation: dict | None
    felix: dict | None
    bgp: dict | None
    config: dict | None
    daemonset: dict
    nodes: tuple[placing.Node, ...]
    others: tuple[dict, ...]
    metadata: Mapping[str, dict]

    @property
    def namespace(self) -> str:
        return self.daemonset["metadata"]["namespace"]

    @property
    def config_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps/calico-config"

    @property
    def daemonset_path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets/calico-node"

    @property
    def bird(self) -> bool:
        """Whether BIRD runs."""
        if self.installation is not None:
            network = self.installation["spec"].get("calicoNetwork") or {}
            return network.get("bgp", "Enabled") == "Enabled"
        return ((self.config or {}).get("data") or {}).get("calico_backend", "bird") == "bird"


def find(api: Api) -> Objects:
    """Read Calico's objects.

    Raises
    ------
    ClusterError
        If the cluster serves no IPPools, has no enabled IPv4 one, or no ``calico-node``.
    """
    group, pools = _pools(api)
    daemonset = next(
        (
            d
            for ns in NODE_NAMESPACES
            if (d := _maybe(api, f"/apis/apps/v1/namespaces/{ns}/daemonsets/calico-node"))
        ),
        None,
    )
    if daemonset is None:
        raise ClusterError(f"no DaemonSet calico-node in {' or '.join(NODE_NAMESPACES)}")
    enabled = {
        f"{group}/ippools/{p['metadata']['name']}": p
        for p in pools
        if not p["spec"].get("disabled") and ":" not in p["spec"]["cidr"]
    }
    if not enabled:
        raise ClusterError("Calico has no enabled IPv4 IPPool")
    managed = any(
        (p["metadata"].get("labels") or {}).get(OPERATOR_LABEL[0]) == OPERATOR_LABEL[1]
        for p in enabled.values()
    )
    nodes = list(api.items("/api/v1/nodes"))
    return Objects(
        group,
        enabled,
        _maybe(api, INSTALLATION) if managed else None,
        _maybe(api, f"{group}/felixconfigurations/default"),
        _maybe(api, f"{group}/bgpconfigurations/default"),
        _maybe(api, f"/api/v1/namespaces/{daemonset['metadata']['namespace']}/configmaps/calico-config"),
        daemonset,
        tuple(placing.read(nodes)),
        tuple(p["spec"] for p in pools if f"{group}/ippools/{p['metadata']['name']}" not in enabled),
        {n["metadata"]["name"]: n["metadata"] for n in nodes},
    )


def _pools(api: Api) -> tuple[str, list[dict]]:
    for group in GROUPS:
        try:
            return group, list(api.items(f"{group}/ippools"))
        except NotFound:
            continue
    raise ClusterError(
        f"no IPPools: the cluster serves neither {' nor '.join(g.removeprefix('/apis/') for g in GROUPS)}"
    )


def _maybe(api: Api, path: str) -> dict | None:
    try:
        return api.get(path)
    except NotFound:
        return None
