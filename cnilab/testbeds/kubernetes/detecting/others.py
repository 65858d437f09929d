"""Networks that are told and neither proven nor switched: Cilium, and Canal (flannel between nodes, Calico on them)."""

from __future__ import annotations

from cnilab.testbeds.kubernetes.detecting import flannel
from cnilab.testbeds.kubernetes.detecting.reading import (
    Fact,
    Finding,
    NodeMode,
    Reader,
    image_version,
    name,
)

_SYSTEM = "/api/v1/namespaces/kube-system"
_DAEMONSETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"
#: DaemonSet and ConfigMap, by Calico's manifest and by RKE2's chart
_CANAL = {"canal": "canal-config", "rke2-canal": "rke2-canal-config"}


def cilium(reader: Reader) -> Finding | None:
    """Cilium by its DaemonSet and ``cilium-config``."""
    daemonset = reader.get(f"{_DAEMONSETS}/cilium")
    if daemonset is None:
        return None
    config = reader.get(f"{_SYSTEM}/configmaps/cilium-config")
    found = Finding("cilium", None, image_version(daemonset, "cilium-agent"), routes_by="Cilium")
    told = (config or {}).get("data") or {}
    # Up to 1.13 one key, `tunnel`, said both; since then there are two.
    routing = told.get("routing-mode") or ("native" if told.get("tunnel") == "disabled" else "tunnel")
    protocol = told.get("tunnel-protocol") or told.get("tunnel") or "vxlan"
    where = "ConfigMap kube-system/cilium-config"
    if config is not None:
        found.facts.append(Fact(where, "routing-mode", routing))
        if routing == "tunnel":
            found.facts.append(Fact(where, "tunnel-protocol", protocol))
    for key in ("enable-wireguard", "enable-ipsec", "auto-direct-node-routes", "cni-chaining-mode"):
        if key in told:
            found.facts.append(Fact(where, key, told[key]))
    if told.get("cni-chaining-mode", "none") != "none":
        found.warnings.append(
            f"Cilium is chained to another plugin ({told['cni-chaining-mode']}), which carries the packets"
        )
    found.warnings.append("cnilab detects Cilium and has no mode for it")
    return found


def canal(reader: Reader) -> Finding | None:
    """Canal by its one DaemonSet with both programs."""
    for called, config_name in _CANAL.items():
        daemonset = reader.get(f"{_DAEMONSETS}/{called}")
        if daemonset is None:
            continue
        found = Finding("canal", None, image_version(daemonset, "kube-flannel"), routes_by="flanneld")
        config = reader.get(f"{_SYSTEM}/configmaps/{config_name}")
        where = f"ConfigMap kube-system/{config_name}"
        text = ((config or {}).get("data") or {}).get("net-conf.json")
        if text:
            try:
                asked = flannel.backend(text)
                found.facts += [Fact(where, f"net-conf.json Backend.{k}", v) for k, v in asked.items()]
            except ValueError as error:
                found.warnings.append(f"{where}: net-conf.json cannot be read: {error}")
        prefix = flannel.prefix_of(daemonset)
        for node in reader.nodes():
            if said := flannel.said_by(node, prefix):
                found.per_node.append(NodeMode(name(node), None, said))
        found.warnings.append(
            "Canal joins flannel's tunnels with Calico's pod links; cnilab has no mode for it"
        )
        return found
    return None
