"""Networks that are told and neither proven nor switched: Cilium, and Canal (flannel between nodes, Calico on them)."""

from __future__ import annotations

from cnilab.testbeds.kubernetes.detecting import flannel
from cnilab.testbeds.kubernetes.detecting.reading import Fact, Finding, Reader, image_version


def cilium(reader: Reader) -> Finding | None:
    """Cilium by its DaemonSet and ``cilium-config``."""
    daemonset = reader.get("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium")
    config = reader.get("/api/v1/namespaces/kube-system/configmaps/cilium-config")
    if daemonset is None and config is None:
        return None
    found = Finding("cilium", None, image_version(daemonset, "cilium-agent"), routes_by="Cilium")
    told = (config or {}).get("data") or {}
    # Up to 1.13 one key, `tunnel`, said both; since then there are two.
    routing = told.get("routing-mode") or ("native" if told.get("tunnel") == "disabled" else "tunnel")
    protocol = told.get("tunnel-protocol") or told.get("tunnel") or "vxlan"
    where = "ConfigMap kube-system/cilium-config"
    found.facts.append(Fact(where, "routing-mode", routing))
    if routing == "tunnel":
        found.facts.append(Fact(where, "tunnel-protocol", protocol))
    for key in ("enable-wireguard", "enable-ipsec", "auto-direct-node-routes"):
        if key in told:
            found.facts.append(Fact(where, key, told[key]))
    found.warnings.append("cnilab detects Cilium and has no mode for it")
    return found


def canal(reader: Reader) -> Finding | None:
    """Canal by its one DaemonSet with both programs."""
    daemonset = reader.get("/apis/apps/v1/namespaces/kube-system/daemonsets/canal")
    if daemonset is None:
        return None
    found = Finding("canal", None, image_version(daemonset, "kube-flannel"), routes_by="flanneld")
    config = reader.get("/api/v1/namespaces/kube-system/configmaps/canal-config")
    text = ((config or {}).get("data") or {}).get("net-conf.json")
    if text:
        try:
            asked = flannel.backend(text)
            found.facts += [
                Fact("ConfigMap kube-system/canal-config", f"net-conf.json Backend.{k}", v)
                for k, v in asked.items()
            ]
        except ValueError as error:
            found.warnings.append(
                f"ConfigMap kube-system/canal-config: net-conf.json cannot be read: {error}"
            )
    found.warnings.append("Canal joins flannel's tunnels with Calico's pod links; cnilab has no mode for it")
    return found
