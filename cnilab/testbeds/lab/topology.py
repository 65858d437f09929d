"""Who is who in the lab: nodes, pods, two subnets and a router, with the addresses each mode gives them.

Pure data. The underlay uses documentation ranges (RFC 5737), pods 10.244.0.0/16 as flannel's and kubeadm's
manifests do; both exist only inside the lab's namespaces.

::

      p1  p1b            p2                    p3
       \\  /              |                     |
        n1 ──┐           n2                    n3
             ├── br-a ───┘                      │
     rr ─────┘    │  192.0.2.0/24    198.51.100.0/24
                  └──────── router ──────── br-b
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

POD_NETWORK = "10.244.0.0/16"
#: ClusterIP of the Service in front of the server of each placement; kubeadm's default range.
CLUSTER_IPS = {"same_node": "10.96.0.77", "same_subnet": "10.96.0.78", "cross_subnet": "10.96.0.79"}
AS_NUMBER = 64512  # Calico's default; private use, RFC 6996


@dataclass(frozen=True)
class Pod:
    """One pod: its namespace's name, its node and its address."""

    name: str
    node: str
    ip: str

    @property
    def host_interface(self) -> str:
        """Calico's name for the node's end: ``cali`` + 11 hex digits of sha1("namespace.pod")."""
        return "cali" + hashlib.sha1(f"default.{self.name}".encode()).hexdigest()[:11]

    @property
    def veth(self) -> str:
        """The bridge plugin's name for the node's end: ``veth`` + 8 hex digits (random there, fixed here)."""
        return "veth" + hashlib.sha1(f"bridge.{self.name}".encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Node:
    """One node: its namespace's name, number from 1, subnet and addresses."""

    name: str
    number: int
    subnet: str
    ip: str
    gateway: str
    pods: tuple[Pod, ...]

    @property
    def pod_cidr(self) -> str:
        """The /24 that kube-controller-manager would give the node."""
        return f"10.244.{self.number}.0/24"

    @property
    def bridge_ip(self) -> str:
        return f"10.244.{self.number}.1"

    @property
    def flannel_ip(self) -> str:
        """Address of flannel's tunnel device: the subnet's own, with /32."""
        return f"10.244.{self.number}.0"

    @property
    def block(self) -> str:
        """Calico's IPAM block of 64 addresses."""
        return f"10.244.{self.number}.64/26"

    @property
    def tunnel_ip(self) -> str:
        """Address of Calico's tunnel device, the block's first."""
        return f"10.244.{self.number}.64"

    @property
    def flannel_mac(self) -> str:
        """flannel.1's address: random and locally administered there, fixed here."""
        digest = hashlib.sha1(f"flannel.{self.name}".encode()).digest()
        return ":".join(f"{b:02x}" for b in bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])

    @property
    def vtep_mac(self) -> str:
        """vxlan.calico's address: 0x66 and five bytes of sha1(node), felix/calc/vxlan_resolver.go."""
        return ":".join(f"{b:02x}" for b in b"\x66" + hashlib.sha1(self.name.encode()).digest()[:5])


@dataclass(frozen=True)
class Topology:
    """The lab's shape.

    Parameters
    ----------
    nodes
        Number of nodes, at least 3 and at most 250; the last third (at least one) is in the second subnet.
    pods
        Pods on each node; the first node has one more, the same-node peer, when ``peer`` is true.
    wiring
        ``bridge``, ``routed``, ``docker`` or ``host``: decides the pods' addresses.
    reflector
        Whether a BGP route reflector's namespace ``rr`` stands in the first subnet.
    """

    wiring: str = "routed"
    nodes: int = 3
    pods: int = 1
    peer: bool = True
    reflector: bool = False

    def __post_init__(self) -> None:
        if not 3 <= self.nodes <= 250:
            raise ValueError(f"nodes={self.nodes}: a lab has 3 to 250 nodes")
        if not 1 <= self.pods <= 60:
            raise ValueError(f"pods={self.pods}: a node has 1 to 60 pods")

    @cached_property
    def node_list(self) -> tuple[Node, ...]:
        far = max(1, self.nodes // 3)
        built = []
        for number in range(1, self.nodes + 1):
            first, count = number <= self.nodes - far, self.pods + (self.peer and number == 1)
            name = f"n{number}"
            pods = tuple(self._pod(number, index, name) for index in range(count))
            subnet, gateway = ("192.0.2", "192.0.2.1") if first else ("198.51.100", "198.51.100.1")
            host = (10 + number) if self.nodes <= 200 else (4 + number)
            built.append(Node(name, number, f"{subnet}.0/24", f"{subnet}.{host}", gateway, pods))
        return tuple(built)

    def _pod(self, number: int, index: int, node: str) -> Pod:
        name = f"p{number}" + ("" if index == 0 else "b" if index == 1 else f"b{index}")
        if self.wiring == "docker":
            ip = f"172.18.0.{2 + index}"
        elif self.wiring == "bridge":
            ip = f"10.244.{number}.{2 + index}"
        else:
            ip = f"10.244.{number}.{66 + index}"
        return Pod(name, node, ip)

    @property
    def pod_list(self) -> tuple[Pod, ...]:
        return tuple(pod for node in self.node_list for pod in node.pods)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace besides the fabric's own, in the order they are made."""
        pods = () if self.wiring == "host" else tuple(p.name for p in self.pod_list)
        return ("router", *(n.name for n in self.node_list), *(("rr",) if self.reflector else ()), *pods)

    def node(self, name: str) -> Node:
        return next(n for n in self.node_list if n.name == name)

    def pod(self, name: str) -> Pod:
        return next(p for p in self.pod_list if p.name == name)

    def server_pod(self, placement: str) -> Pod:
        """The pod that serves in ``placement``; the client is always the first node's first pod."""
        return self.peer_node(placement).pods[1 if placement == "same_node" else 0]

    def replicas(self, placement: str, count: int, *, spread: bool = False) -> tuple[Pod, ...]:
        """The pods that serve together in ``placement``, the first of them :meth:`server_pod`.

        Parameters
        ----------
        spread
            One a node in turn from the server's own, the client's node too; else all on the server's node.

        Raises
        ------
        ValueError
            If there are not that many pods.
        """
        first = self.peer_node(placement).number - 1
        nodes = (*self.node_list[first:], *self.node_list[:first]) if spread else (self.node_list[first],)
        # The first node's first pod is the client.
        free = [node.pods[1:] if node.number == 1 else node.pods for node in nodes]
        found = [
            free[i % len(free)][i // len(free)]
            for i in range(count)
            if i // len(free) < len(free[i % len(free)])
        ]
        if len(found) < count:
            raise ValueError(f"{count} replicas: the lab has {len(found)} pods for them")
        return tuple(found)

    def peer_node(self, placement: str) -> Node:
        """The node of the server in ``placement``; the client is always on the first node."""
        if placement == "same_node":
            return self.node_list[0]
        return self.node_list[1] if placement == "same_subnet" else self.node_list[-1]


RR_IP = "192.0.2.2"
ROUTER_IPS = {"192.0.2": "192.0.2.1", "198.51.100": "198.51.100.1"}
