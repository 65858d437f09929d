"""k3s: its flannel is part of the server, so there is no object to patch; the operator is told what to type.

cnilab plans and verifies; it edits no file of a node. Sources: k3s "Basic network options"; k3s issues 3409 (reboot all
nodes to clear old interfaces and routes), 2808 (host-gw's routes outlive its killall script).
"""

from __future__ import annotations

from cnilab import modes
from cnilab.errors import ClusterError

#: mode -> the value of ``--flannel-backend``; DirectRouting has none, udp and ipip are not in k3s
BACKENDS = {
    "flannel-vxlan": "vxlan",
    "flannel-host-gw": "host-gw",
    "flannel-wireguard": "wireguard-native",
}
CONFIG = {"k3s": "/etc/rancher/k3s/config.yaml", "rke2": "/etc/rancher/rke2/config.yaml"}


def instructions(distribution: str, mode: str) -> list[str]:
    """What the operator types, a line a step, in order.

    Raises
    ------
    ClusterError
        If k3s has no such back end, or the distribution no such setting (RKE2's networks are charts).
    """
    target = modes.get(mode).id
    if distribution != "k3s":
        raise ClusterError(
            "RKE2 takes its network from a chart chosen at installation; cnilab cannot tell how to change it in place"
        )
    if target not in BACKENDS:
        raise ClusterError(f"k3s has no back end for {mode}; it has {', '.join(BACKENDS)}")
    line = f"flannel-backend: {BACKENDS[target]}"
    return [
        f"on every server, the same: set in {CONFIG['k3s']}:  {line}",
        f"    sudo sed -i '/^flannel-backend:/d' {CONFIG['k3s']} && echo '{line}' | sudo tee -a {CONFIG['k3s']}",
        "reboot every node, servers first: old devices and routes outlive a restart of k3s",
        "    sudo systemctl reboot",
        "wait until every node is Ready, then make the pods anew: a pod keeps the MTU it was born with",
        f"then: cnilab cluster verify --mode {target}",
    ]
