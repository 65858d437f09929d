"""Calico by its pools, its BGP and Felix configuration and its nodes' annotations; by manifest or by operator.

Several pools may differ, WireGuard may lie on top of any of them, and BIRD may or may not be what writes the routes:
each is told per pool and per node, and *mixed* is an answer. Sources: Calico v3.32 ``libcalico-go/lib/apis/v3``,
``libcalico-go/lib/backend/k8s/resources/node.go``; the operator's ``api/v1/installation_types.go``.
"""

from __future__ import annotations

from cnilab.testbeds.kubernetes.detecting.reading import (
    Fact,
    Finding,
    NodeMode,
    PoolMode,
    Reader,
    image_version,
    name,
    notes_of,
    one_of,
    some,
)

GROUPS = ("/apis/projectcalico.org/v3", "/apis/crd.projectcalico.org/v1")
NAMESPACES = ("calico-system", "kube-system")
INSTALLATION = "/apis/operator.tigera.io/v1/installations/default"
AGGREGATED = "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org"
_NODE = "projectcalico.org/"
_SAYS = (
    "IPv4Address", "IPv4IPIPTunnelAddr", "IPv4VXLANTunnelAddr", "VXLANTunnelMACAddr",
    "IPv4WireguardInterfaceAddr", "WireguardPublicKey", "ASNumber", "RouteReflectorClusterID",
)  # fmt: skip
_POOL = {
    ("Always", "Never"): "calico-ipip",
    ("CrossSubnet", "Never"): "calico-ipip-crosssubnet",
    ("Never", "Always"): "calico-vxlan",
    ("Never", "CrossSubnet"): "calico-vxlan-crosssubnet",
}


def look(reader: Reader) -> Finding | None:
    """Return what Calico is doing; None where there is no ``calico-node``."""
    daemonset = None
    for namespace in NAMESPACES:
        daemonset = reader.get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/calico-node")
        if daemonset is not None:
            break
    if daemonset is None:
        return None
    found = Finding("calico", None, image_version(daemonset, "calico-node"))
    group = _group(reader, found)
    if group is None:
        found.warnings.append(
            f"no IPPools can be read from {' or '.join(g.removeprefix('/apis/') for g in GROUPS)}"
        )
        return found
    installation = reader.get(INSTALLATION)
    bird = _bird(reader, found, daemonset, installation)
    reflectors = _reflectors(reader, found, group)
    felix = (reader.get(f"{group}/felixconfigurations/default") or {}).get("spec") or {}
    wireguard = bool(felix.get("wireguardEnabled"))
    found.facts.append(Fact("FelixConfiguration default", "wireguardEnabled", wireguard))
    _overrides(reader, found, group)
    found.routes_by = _writer(found, felix, bird)
    for pool in reader.items(f"{group}/ippools"):
        if ":" not in pool["spec"].get("cidr", ":"):
            found.per_pool.append(_pool(pool, found, bird, reflectors))
    active = [p for p in found.per_pool if not p.disabled]
    base = one_of(p.mode for p in active)
    if not active:
        found.warnings.append("no enabled IPv4 pool")
    _nodes(reader, found, base, wireguard)
    found.mode = one_of(n.mode for n in found.per_node) if found.per_node else base
    return found


def _group(reader: Reader, found: Finding) -> str | None:
    """The API group that serves the pools, and in which form."""
    for group in GROUPS:
        served = reader.get(group)
        if served is not None and any(r["name"] == "ippools" for r in served.get("resources") or ()):
            form = "custom resources"
            if group == GROUPS[0]:
                service = reader.get(AGGREGATED)
                if service is not None and (service.get("spec") or {}).get("service"):
                    form = "aggregated API server"
            found.facts.append(Fact("API", group.removeprefix("/apis/"), form))
            return group
    return None


def _bird(reader: Reader, found: Finding, daemonset: dict, installation: dict | None) -> bool:
    """Whether BIRD runs: by the operator's Installation, else ``calico-config``, else the DaemonSet's environment."""
    if installation is not None:
        network = (installation.get("spec") or {}).get("calicoNetwork") or {}
        told = network.get("bgp", "Enabled")
        found.facts.append(Fact("Installation default", "calicoNetwork.bgp", told))
        if network.get("linuxDataplane", "Iptables") == "BPF":
            found.warnings.append("Calico's eBPF data plane is on; the catalogue's modes describe the others")
        return told == "Enabled"
    namespace = daemonset["metadata"]["namespace"]
    config = reader.get(f"/api/v1/namespaces/{namespace}/configmaps/calico-config")
    told = ((config or {}).get("data") or {}).get("calico_backend")
    where = f"ConfigMap {namespace}/calico-config"
    for container in daemonset["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == "CALICO_NETWORKING_BACKEND" and variable.get("value"):
                told, where = variable["value"], "DaemonSet calico-node"
    found.facts.append(Fact(where, "calico_backend", told or "bird (default)"))
    return (told or "bird") == "bird"


def _reflectors(reader: Reader, found: Finding, group: str) -> bool:
    """Whether routes go through reflectors: the mesh is off (absent means on) and peers are configured."""
    spec = (reader.get(f"{group}/bgpconfigurations/default") or {}).get("spec") or {}
    mesh = spec.get("nodeToNodeMeshEnabled", True)
    found.facts.append(Fact("BGPConfiguration default", "nodeToNodeMeshEnabled", mesh))
    peers = [name(p) for p in reader.items(f"{group}/bgppeers")]
    found.facts.append(Fact("BGPPeers", "names", peers))
    marked = [name(n) for n in reader.nodes() if f"{_NODE}RouteReflectorClusterID" in notes_of(n)]
    if not mesh and not peers:
        found.warnings.append(
            "the node-to-node mesh is off and there are no BGPPeers: no routes between nodes"
        )
    if mesh and marked:
        found.warnings.append(f"{some(marked)} reflect(s) routes, but the node-to-node mesh is still on")
    return not mesh


def _overrides(reader: Reader, found: Finding, group: str) -> None:
    """FelixConfigurations of single nodes go before the default."""
    for item in reader.items(f"{group}/felixconfigurations"):
        if name(item).startswith("node."):
            keys = sorted(item.get("spec") or {})
            found.warnings.append(f"FelixConfiguration {name(item)} overrides {', '.join(keys) or 'nothing'}")


def _writer(found: Finding, felix: dict, bird: bool) -> str:
    if felix.get("programClusterRoutes") == "Enabled":
        return "Felix"
    return "BIRD (Felix for VXLAN)" if bird else "Felix (VXLAN only)"


def _pool(pool: dict, found: Finding, bird: bool, reflectors: bool) -> PoolMode:
    spec = pool["spec"]
    ipip, vxlan = spec.get("ipipMode") or "Never", spec.get("vxlanMode") or "Never"
    mode = _POOL.get((ipip, vxlan))
    if (ipip, vxlan) == ("Never", "Never"):
        mode = "calico-bgp-rr" if reflectors else "calico-bgp-mesh"
    elif mode is None:
        found.warnings.append(f"pool {name(pool)}: ipipMode {ipip} and vxlanMode {vxlan} exclude each other")
    if not bird and mode is not None and "vxlan" not in mode and found.routes_by != "Felix":
        found.warnings.append(
            f"pool {name(pool)} needs BIRD for its routes, and BIRD is off: no routes between nodes"
        )
        mode = None
    labels = pool["metadata"].get("labels") or {}
    for field, value in (("ipipMode", ipip), ("vxlanMode", vxlan)):
        found.facts.append(Fact(f"IPPool {name(pool)}", field, value))
    if spec.get("nodeSelector", "all()") != "all()":
        found.warnings.append(f"pool {name(pool)} is for nodes {spec['nodeSelector']!r} only")
    return PoolMode(
        name(pool),
        spec["cidr"],
        mode,
        ipip,
        vxlan,
        bool(spec.get("disabled")),
        labels.get("app.kubernetes.io/managed-by", ""),
    )


def _nodes(reader: Reader, found: Finding, base: str | None, wireguard: bool) -> None:
    """Each node's own word; WireGuard counts only where the node has a key, since others stay in clear text."""
    without = []
    for node in reader.nodes():
        told = notes_of(node)
        said = {k: told[_NODE + k] for k in _SAYS if _NODE + k in told}
        if not said:
            continue
        mode = base
        if wireguard:
            if "WireguardPublicKey" in said:
                mode = "calico-wireguard"
            else:
                without.append(name(node))
        found.per_node.append(NodeMode(name(node), mode, said))
    if without:
        found.warnings.append(
            f"WireGuard is on, but {some(without)} has no key: its packets stay in clear text"
        )
    if wireguard and not found.per_node:
        found.warnings.append("WireGuard is on, but no node says that it has a key")
