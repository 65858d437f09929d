"""Which modes a network and its owner's requirements admit: rules as data, each with its source.

A rule refuses; it never recommends. What a mode costs is no matter of rules but of measurements
(:mod:`cnilab.advice`). Only codes come out of here; their words are the report's language's. One literal registry,
:data:`RULES`, and beside it what is worth knowing of a mode that is admitted, :data:`CAUTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from cnilab.errors import DataError
from cnilab.modes import MODES, Mode

#: Nodes up to which Calico's documentation recommends the mesh.
MESH_NODES = 100


@dataclass(frozen=True)
class Constraints:
    """What a network offers and its owner requires; nothing given refuses nothing but what is no pod network.

    Parameters
    ----------
    nodes
        How many there are; None: more than one.
    subnets
        In how many subnets they stand, with routers between; None: one.
    routed_underlay
        Whether the routers between the subnets learn the pods' routes by BGP. A permission: it refuses nothing.
    policy, encryption
        Whether NetworkPolicy, or encryption between nodes, is required.
    no_bgp, no_vxlan, no_ipip
        What the network does not let through or its owner does not allow.

    Raises
    ------
    DataError
        If a number is below one, or there are more subnets than nodes.
    """

    nodes: int | None = None
    subnets: int | None = None
    routed_underlay: bool = False
    policy: bool = False
    encryption: bool = False
    no_bgp: bool = False
    no_vxlan: bool = False
    no_ipip: bool = False

    def __post_init__(self) -> None:
        for name in ("nodes", "subnets"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(
                    f"{name} {value}: a whole number from 1 on; leave it out where it is not known"
                )
        if self.nodes and self.subnets and self.subnets > self.nodes:
            raise DataError(
                f"{self.subnets} subnets for {self.nodes} nodes: at most one subnet a node; "
                f"give --nodes {self.subnets} or more, or --subnets {self.nodes} or fewer"
            )

    @property
    def several_subnets(self) -> bool:
        """Whether pods must reach each other through a router."""
        return (self.subnets or 1) > 1

    @property
    def placement(self) -> str:
        """The placement that decides: the farthest in which two pods of this cluster can stand."""
        if self.several_subnets:
            return "cross_subnet"
        return "same_node" if self.nodes == 1 else "same_subnet"

    @property
    def given(self) -> tuple[str, ...]:
        """The names of what was given, permissions among them, in the order of the fields."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) not in (None, False))

    def only(self, *names: str) -> Constraints:
        """Return these constraints without any that is not named."""
        return replace(Constraints(), **{name: getattr(self, name) for name in names})

    def to_dict(self) -> dict[str, int | bool | None]:
        """Return every constraint by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Rule:
    """What a rule refuses, or what a caution is about.

    Parameters
    ----------
    code
        As rows have it.
    of
        Whether it holds for a mode under these constraints.
    source
        Where that is documented.
    """

    code: str
    of: Callable[[Mode, Constraints], bool]
    source: str


def _by_bird(mode: Mode) -> bool:
    """Whether a mode's routes to other nodes' pods come by BGP; Felix and flanneld write theirs without."""
    return mode.route_writer == "BIRD"


#: Code -> rule, what a mode is before what a network allows.
RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(
            "no_pod_network",
            lambda mode, c: mode.wiring == "host",
            "Kubernetes documentation, Cluster Networking: every pod has an IP address of its own",
        ),
        Rule(
            "one_node_only",
            lambda mode, c: mode.wiring == "docker" and c.nodes != 1,
            "Docker documentation, Bridge network driver: bridge networks hold containers of one Docker host",
        ),
        Rule(
            "needs_one_l2",
            lambda mode, c: (
                c.several_subnets and mode.needs_one_l2 and not mode.reaches("cross_subnet", "routed")
            ),
            "flannel v0.28, Documentation/backends.md, host-gw: direct layer-2 connectivity between hosts; "
            "the kernel refuses a gateway that is not on a link",
        ),
        Rule(
            "needs_routed_underlay",
            lambda mode, c: (
                c.several_subnets
                and not c.routed_underlay
                and mode.needs_one_l2
                and mode.reaches("cross_subnet", "routed")
            ),
            "Calico 3.32 documentation, Overlay networking: without encapsulation the network between must know "
            "the pods' addresses; RFC 4456 and RFC 4271 for how it learns them",
        ),
        Rule(
            "mesh_too_large",
            lambda mode, c: (
                (c.nodes or 0) > MESH_NODES and mode.encapsulation == "none" and mode.bgp == "mesh"
            ),
            "Calico 3.32 documentation, Configure BGP peering: a full mesh for, say, 100 nodes or less, then "
            "reflectors; n(n−1)/2 sessions, RFC 4456 section 1",
        ),
        Rule(
            "no_policy",
            lambda mode, c: c.policy and mode.plugin != "calico",
            "flannel's README: focused on networking, for network policy other projects such as Calico; Kubernetes "
            "documentation, Network Policies: pods on the host's network are not covered",
        ),
        Rule(
            "not_encrypted",
            lambda mode, c: c.encryption and not mode.encrypted,
            "flannel v0.28, Documentation/backends.md, WireGuard; Calico 3.32 documentation, Encrypt in-cluster "
            "pod traffic: no other mode encrypts",
        ),
        Rule(
            "needs_bgp",
            lambda mode, c: c.no_bgp and _by_bird(mode),
            "Calico 3.32 documentation, Overlay networking: IP in IP uses BGP between nodes, VXLAN does not; "
            "Configure BGP peering",
        ),
        Rule(
            "uses_vxlan",
            lambda mode, c: c.no_vxlan and mode.encapsulation == "vxlan",
            "RFC 7348; UDP port 8472 (flannel, the kernel's default) or 4789 (Calico) must pass",
        ),
        Rule(
            "uses_ipip",
            lambda mode, c: c.no_ipip and mode.encapsulation == "ipip",
            "RFC 2003: IP protocol 4 must pass; Calico 3.32 documentation, Overlay networking: Azure drops it",
        ),
    )
}

#: Code -> what is worth knowing of a mode that is admitted.
CAUTIONS: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(
            "debugging_only",
            lambda mode, c: mode.encapsulation == "udp",
            "flannel v0.28, Documentation/backends.md: UDP for debugging only, or very old kernels",
        ),
        Rule(
            "experimental",
            lambda mode, c: mode.plugin == "flannel" and mode.encapsulation == "ipip",
            "flannel v0.28, Documentation/backends.md, experimental backends",
        ),
        Rule(
            "not_in_clouds",
            lambda mode, c: mode.id == "flannel-host-gw",
            "flannel v0.28, Documentation/backends.md: host-gw typically cannot be used in cloud environments",
        ),
        Rule(
            "reflectors_advised",
            lambda mode, c: (c.nodes or 0) > MESH_NODES and mode.encapsulation != "none" and _by_bird(mode),
            "Calico 3.32 documentation, Configure BGP peering: reflectors from about 100 nodes on",
        ),
        Rule(
            "clear_on_one_node",
            lambda mode, c: c.encryption and mode.encrypted,
            "flannel pkg/backend/wireguard, Calico felix/wireguard: routes to pods of the same node do not enter "
            "the tunnel",
        ),
        Rule(
            "bgp_can_be_off",
            lambda mode, c: c.no_bgp and mode.bgp is not None and not _by_bird(mode),
            "Calico 3.32 documentation, Overlay networking: with VXLAN pools only, BGP can be switched off; "
            "Felix writes WireGuard's routes",
        ),
    )
}


def refusals(mode: Mode, constraints: Constraints) -> tuple[str, ...]:
    """Return the codes of the rules that refuse a mode; empty: it is admissible.

    >>> refusals(MODES["flannel-host-gw"], Constraints(subnets=2, policy=True))
    ('needs_one_l2', 'no_policy')
    """
    return _codes(RULES.values(), mode, constraints)


def cautions(mode: Mode, constraints: Constraints) -> tuple[str, ...]:
    """Return the codes of what is worth knowing of a mode under these constraints."""
    return _codes(CAUTIONS.values(), mode, constraints)


def admissible(constraints: Constraints) -> list[str]:
    """Return the modes that no rule refuses, in the catalogue's order."""
    return [name for name, mode in MODES.items() if not refusals(mode, constraints)]


def _codes(rules: Iterable[Rule], mode: Mode, constraints: Constraints) -> tuple[str, ...]:
    return tuple(rule.code for rule in rules if rule.of(mode, constraints))


__all__ = ["CAUTIONS", "MESH_NODES", "RULES", "Constraints", "Rule", "admissible", "cautions", "refusals"]
