"""Calico by its pools, its BGP and Felix configuration and its nodes' annotations; by manifest or by operator.

Several pools may differ, WireGuard may lie on top of any of them, and BIRD may or may not be what writes the routes:
each is told per pool and per node, and *mixed* is an answer. Who writes the routes: :mod:`.routing`. Sources: Calico
v3.32 ``libcalico-go/lib/apis/v3``, ``libcalico-go/lib/backend/k8s/resources/node.go``; the operator's
``api/v1/installation_types.go``.
"""

from __future__ import annotations

from cnilab.testbeds.kubernetes.api import ApiError
from cnilab.testbeds.kubernetes.detecting import routing
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
#: the operator's one word for both fields of a pool
_ENCAPSULATION = {
    "IPIP": ("Always", "Never"),
    "IPIPCrossSubnet": ("CrossSubnet", "Never"),
    "VXLAN": ("Never", "Always"),
    "VXLANCrossSubnet": ("Never", "CrossSubnet"),
    "None": ("Never", "Never"),
}
_FELIX = (
    "wireguardEnabled", "wireguardEnabledV6", "programClusterRoutes", "ipipEnabled", "vxlanEnabled", "bpfEnabled",
    "vxlanPort", "vxlanVNI", "ipipMTU", "vxlanMTU", "wireguardMTU", "mtuIfacePattern",
)  # fmt: skip


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
    felix, overrides = _felix(reader, found, group)
    routes = routing.read(reader, found, group, daemonset, installation, felix)
    active = _pools(reader, found, group, routes)
    found.routes_by = " and ".join(sorted({p.routes_by for p in active if p.routes_by})) or None
    if installation is not None:
        _asked_of_the_operator(found, installation)
    base = one_of(p.mode for p in active)
    if not active and not reader.undecided:
        found.warnings.append("no enabled IPv4 pool for pods")
    _nodes(reader, found, base, felix, overrides)
    _tunnels(found, active, felix)
    found.mode = one_of(n.mode for n in found.per_node) if found.per_node else base
    return found


def _group(reader: Reader, found: Finding) -> str | None:
    """The API group that serves the pools, and in which form."""
    for group in GROUPS:
        try:
            served = reader.get(group)
        except ApiError as error:
            found.warnings.append(
                f"{group.removeprefix('/apis/')} is registered and does not answer: {error}"
            )
            continue
        if served is not None and any(r["name"] == "ippools" for r in served.get("resources") or ()):
            form = "custom resources"
            if group == GROUPS[0]:
                service = reader.get(AGGREGATED, decides=False)
                if service is None:
                    form = "form unknown"
                elif (service.get("spec") or {}).get("service"):
                    form = "aggregated API server"
            found.facts.append(Fact("API", group.removeprefix("/apis/"), form))
            return group
    return None


def _felix(reader: Reader, found: Finding, group: str) -> tuple[dict, dict[str, dict]]:
    """Felix' ``default`` and, by node, what goes before it."""
    felix = (reader.get(f"{group}/felixconfigurations/default") or {}).get("spec") or {}
    for key in _FELIX:
        if key in felix or key == "wireguardEnabled":
            found.facts.append(Fact("FelixConfiguration default", key, felix.get(key, False)))
    if felix.get("bpfEnabled"):
        found.warnings.append("Calico's eBPF data plane is on; the catalogue's modes describe the others")
    overrides = {}
    for item in reader.items(f"{group}/felixconfigurations"):
        if name(item).startswith("node."):
            spec = item.get("spec") or {}
            overrides[name(item).removeprefix("node.")] = spec
            told = ", ".join(f"{k} {v}" for k, v in sorted(spec.items()))
            found.warnings.append(f"FelixConfiguration {name(item)} overrides {told or 'nothing'}")
    return felix, overrides


# ---- pools -------------------------------------------------------------------------------------------------------


def _pools(reader: Reader, found: Finding, group: str, routes: routing.Routes) -> list[PoolMode]:
    """Tell every IPv4 pool; return those that pods get addresses from."""
    active = []
    for item in reader.items(f"{group}/ippools"):
        spec = item["spec"]
        if ":" in spec.get("cidr", ":"):
            continue
        pool = _pool(item, found, routes)
        found.per_pool.append(pool)
        uses = spec.get("allowedUses")
        if uses and "Workload" not in uses:
            found.warnings.append(
                f"pool {pool.pool} is for {', '.join(uses)}, not for pods; it is not counted"
            )
        elif not pool.disabled:
            active.append(pool)
    modes = {p.mode for p in active}
    for pool in found.per_pool:
        if pool.disabled and pool.mode not in modes:
            found.warnings.append(
                f"pool {pool.pool} is disabled and not counted; pods that have its addresses keep its mode"
            )
    return active


def _pool(item: dict, found: Finding, routes: routing.Routes) -> PoolMode:
    spec = item["spec"]
    ipip, vxlan = spec.get("ipipMode") or "Never", spec.get("vxlanMode") or "Never"
    mode, why = None, ""
    writers: tuple[str, ...] = ()
    if "Never" not in (ipip, vxlan):
        why = f"ipipMode {ipip} and vxlanMode {vxlan} exclude each other"
    elif vxlan != "Never" and routes.networks:
        mode, writers = _POOL.get((ipip, vxlan)), ("Felix",)
    elif routes.networks:
        plain = ipip == "Never"
        why, writers = routes.why_not(plain), routes.plain if plain else routes.ipip
        if not why:
            mode = routes.plain_mode if plain else _POOL.get((ipip, vxlan))
    if len(writers) > 1:
        found.warnings.append(
            f"pool {name(item)}: {' and '.join(writers)} both write routes and undo each other's"
        )
    if why:
        found.warnings.append(f"pool {name(item)}: {why}")
    for field, value in (("ipipMode", ipip), ("vxlanMode", vxlan)):
        found.facts.append(Fact(f"IPPool {name(item)}", field, value))
    if spec.get("nodeSelector", "all()") != "all()":
        found.warnings.append(f"pool {name(item)} is for nodes {spec['nodeSelector']!r} only")
    labels = item["metadata"].get("labels") or {}
    managed_by = labels.get("app.kubernetes.io/managed-by", "")
    return PoolMode(
        name(item),
        spec["cidr"],
        mode,
        ipip,
        vxlan,
        bool(spec.get("disabled")),
        managed_by,
        # Where both write, the fight is told; the newer knob is the one that was meant.
        writers[-1] if writers else "",
    )


def _asked_of_the_operator(found: Finding, installation: dict) -> None:
    """The operator writes the pools from its Installation; until it has, the two differ."""
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    for key in ("linuxDataplane", "clusterRoutingMode", "mtu"):
        if key in network:
            found.facts.append(Fact("Installation default", f"calicoNetwork.{key}", network[key]))
    if network.get("linuxDataplane") == "BPF":
        found.warnings.append("Calico's eBPF data plane is on; the catalogue's modes describe the others")
    pools = {p.cidr: p for p in found.per_pool}
    for asked in network.get("ipPools") or ():
        word, pool = asked.get("encapsulation"), pools.get(asked.get("cidr", ""))
        if word is None:
            continue
        found.facts.append(Fact("Installation default", f"ipPools {asked.get('cidr')} encapsulation", word))
        if pool is not None and _ENCAPSULATION.get(word) != (pool.ipip_mode, pool.vxlan_mode):
            found.warnings.append(
                f"pending: the Installation asks for {word} in {pool.cidr}, its pool {pool.pool} has "
                f"ipipMode {pool.ipip_mode}, vxlanMode {pool.vxlan_mode}"
            )


# ---- nodes -------------------------------------------------------------------------------------------------------


def _nodes(reader: Reader, found: Finding, base: str | None, felix: dict, overrides: dict[str, dict]) -> None:
    """Each node's own word; WireGuard counts only where the node has a key, since others stay in clear text."""
    without, silent, wanted = [], [], False
    for node in reader.nodes():
        told = notes_of(node)
        said = {k: told[_NODE + k] for k in _SAYS if _NODE + k in told}
        wireguard = bool({**felix, **overrides.get(name(node), {})}.get("wireguardEnabled"))
        wanted |= wireguard
        if not said:
            silent.append(name(node))
            continue
        mode = base
        if wireguard and said.get("WireguardPublicKey"):
            mode = "calico-wireguard"
        elif wireguard:
            without.append(name(node))
        found.per_node.append(NodeMode(name(node), mode, said))
    if silent:
        found.warnings.append(f"calico-node has not announced itself on {some(silent)}")
    if without:
        found.warnings.append(
            f"WireGuard is on, but there is no key on {some(without)}: packets stay in clear text there"
        )


def _tunnels(found: Finding, active: list[PoolMode], felix: dict) -> None:
    """A node gets a tunnel address once it has taken up a pool's encapsulation, unless Felix is told not to."""
    for annotation, field, on in (
        ("IPv4IPIPTunnelAddr", "ipipEnabled", any(p.ipip_mode != "Never" for p in active)),
        ("IPv4VXLANTunnelAddr", "vxlanEnabled", any(p.vxlan_mode != "Never" for p in active)),
    ):
        if on and felix.get(field) is False:
            found.warnings.append(f"FelixConfiguration default forces {field} to false against the pools")
        lacking = [n.node for n in found.per_node if on and not n.says.get(annotation)]
        if lacking:
            found.warnings.append(f"no {annotation} on {some(lacking)}: not in effect there, or not yet")
