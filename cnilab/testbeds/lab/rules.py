"""The netfilter rules each plugin installs, in iptables-save's form, in the plugins' own order.

flannel: ``pkg/trafficmngr/iptables/iptables.go``; Docker: libnetwork's bridge driver. kube-proxy's rules for one
ClusterIP are here too; Calico's are in :mod:`.felix`.
"""

from __future__ import annotations

from collections.abc import Collection

from cnilab.testbeds.lab.topology import POD_NETWORK, Node

_MULTICAST = "224.0.0.0/4"


def _table(name: str, chains: list[str], rules: list[str]) -> str:
    return "\n".join(
        [f"*{name}", *(f":{c} - [0:0]" for c in chains), *(f"-A {r}" for r in rules), "COMMIT", ""]
    )


def flannel(node: Node) -> str:
    """FLANNEL-POSTRTG and FLANNEL-FWD: traffic between pods is never masqueraded, all else from pods is."""
    comment = '-m comment --comment "flanneld masq"'
    nat = [
        f"POSTROUTING {comment} -j FLANNEL-POSTRTG",
        f"FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {comment} -j RETURN",
        f"FLANNEL-POSTRTG -s {node.pod_cidr} -d {POD_NETWORK} {comment} -j RETURN",
        f"FLANNEL-POSTRTG -s {POD_NETWORK} -d {node.pod_cidr} {comment} -j RETURN",
        f"FLANNEL-POSTRTG ! -s {POD_NETWORK} -d {node.pod_cidr} {comment} -j RETURN",
        f"FLANNEL-POSTRTG -s {POD_NETWORK} ! -d {_MULTICAST} {comment} -j MASQUERADE --random-fully",
        f"FLANNEL-POSTRTG ! -s {POD_NETWORK} -d {POD_NETWORK} {comment} -j MASQUERADE --random-fully",
    ]
    forward = '-m comment --comment "flanneld forward"'
    filters = [
        f"FORWARD {forward} -j FLANNEL-FWD",
        f"FLANNEL-FWD -s {POD_NETWORK} {forward} -j ACCEPT",
        f"FLANNEL-FWD -d {POD_NETWORK} {forward} -j ACCEPT",
    ]
    return _table("nat", ["FLANNEL-POSTRTG"], nat) + _table("filter", ["FLANNEL-FWD"], filters)


def docker(bridge: str, network: str, published: list[tuple[str, int, str]]) -> str:
    """What ``docker compose`` leaves for one network: DNAT of published ports, masquerade of the rest.

    Parameters
    ----------
    published
        ``(protocol, port, container address)`` of each published port.
    """
    nat = [
        "PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        f"POSTROUTING -s {network} ! -o {bridge} -j MASQUERADE",
        f"DOCKER -i {bridge} -j RETURN",
        *(
            f"DOCKER ! -i {bridge} -p {p} -m {p} --dport {n} -j DNAT --to-destination {ip}:{n}"
            for p, n, ip in published
        ),
    ]
    filters = [
        "FORWARD -j DOCKER-USER",
        f"FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        f"FORWARD -o {bridge} -j DOCKER",
        f"FORWARD -i {bridge} ! -o {bridge} -j ACCEPT",
        f"FORWARD -i {bridge} -o {bridge} -j ACCEPT",
        "DOCKER-USER -j RETURN",
        *(
            f"DOCKER -d {ip}/32 ! -i {bridge} -o {bridge} -p {p} -m {p} --dport {n} -j ACCEPT"
            for p, n, ip in published
        ),
    ]
    return _table("nat", ["DOCKER"], nat) + _table("filter", ["DOCKER", "DOCKER-USER"], filters)


def service(
    clusters: list[tuple[str, list[str]]], ports: list[tuple[str, int]], balanced: Collection[int] = ()
) -> str:
    """kube-proxy's iptables mode for ClusterIPs, chains named as it names them.

    Of N endpoints the first is taken with the probability 1/N, the next of those left with 1/(N - 1) …, and the last
    always (``pkg/proxy/iptables/proxier.go``: ten digits).

    Parameters
    ----------
    clusters
        Cluster address and its endpoints' addresses of each Service.
    balanced
        Ports that all endpoints serve; each other port has the first alone, as its client needs one and the same.
    """
    nat = [
        'PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        'OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        'POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        "KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        "KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "KUBE-POSTROUTING -j MASQUERADE --random-fully",
    ]
    chains = ["KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING"]
    for number, (cluster, endpoints) in enumerate(clusters):
        for index, (protocol, port) in enumerate(ports):
            svc = f"KUBE-SVC-LAB{number:02d}{index:02d}"
            match = f"-d {cluster}/32 -p {protocol} -m {protocol} --dport {port}"
            chains.append(svc)
            nat += [f"KUBE-SERVICES {match} -j {svc}", f"{svc} ! -s {POD_NETWORK} {match} -j KUBE-MARK-MASQ"]
            ends: list[str] = []
            serving = endpoints if port in balanced else endpoints[:1]
            for at, endpoint in enumerate(serving):
                sep, left = f"KUBE-SEP-LAB{number:02d}{index:02d}{at:02d}", len(serving) - at
                chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
                chains.append(sep)
                nat.append(f"{svc} {chance}-j {sep}")
                ends += [
                    f"{sep} -s {endpoint}/32 -j KUBE-MARK-MASQ",
                    f"{sep} -p {protocol} -m {protocol} -j DNAT --to-destination {endpoint}:{port}",
                ]
            nat += ends
    return _table("nat", chains, nat) + _table("filter", list(_PROXY_CHAINS), list(_PROXY_FILTER))


_PROXY_CHAINS = (
    "KUBE-EXTERNAL-SERVICES", "KUBE-FIREWALL", "KUBE-FORWARD", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL", "KUBE-SERVICES",
)  # fmt: skip
_NEW = "-m conntrack --ctstate NEW"
#: What kube-proxy and the kubelet hang into the filter table of every node: met by each packet that a node forwards.
_PROXY_FILTER = (
    f'INPUT {_NEW} -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
    'INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
    f'INPUT {_NEW} -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    "INPUT -j KUBE-FIREWALL",
    f'FORWARD {_NEW} -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
    'FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    f'FORWARD {_NEW} -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    f'FORWARD {_NEW} -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    f'OUTPUT {_NEW} -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
    f'OUTPUT {_NEW} -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    "OUTPUT -j KUBE-FIREWALL",
    'KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" '
    "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    "KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    'KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
    'KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" '
    "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
)
