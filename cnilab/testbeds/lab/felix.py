"""Felix's netfilter rules: every chain that v3.28.5 writes for a node and its pods, in its order, per encapsulation.

What stands here was printed by that version's own renderer (``felix/rules``: ``static.go``, ``dispatch.go``,
``endpoints.go``, ``nat.go``) with the published manifest's settings: traffic from pods to their node accepted, the
profiles ``kns.default`` (allows all) and ``ksa.default.default`` (holds nothing). A packet of an established connection
that leaves a pod meets about twenty of these rules; they are a part of what Calico costs. Later versions leave VXLAN's
outer packets untracked. :func:`policy` is a NetworkPolicy's part (``policy.go``).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterator, Sequence

from cnilab.modes import Mode
from cnilab.testbeds.lab.topology import POD_NETWORK, Node, Pod, Topology

ACCEPT, PASS, PASS_AND_ACCEPT, SCRATCH, ALL_MARKS, NOT_ACCEPT = (
    "0x10000",
    "0x20000",
    "0x30000",
    "0x40000",
    "0xf0000",
    "0xe0000",
)
_ACCEPTED = f"-m mark --mark {ACCEPT}/{ACCEPT}"
_FAILSAFE_IN = (
    ("tcp", 22), ("udp", 68), ("tcp", 179), ("tcp", 2379), ("tcp", 2380), ("tcp", 5473), ("tcp", 6443), ("tcp", 6666),
    ("tcp", 6667),
)  # fmt: skip
_FAILSAFE_OUT = (("udp", 53), ("udp", 67), *_FAILSAFE_IN[2:])
_BY_POLICY = f'-m comment --comment "Host endpoint policy accepted packet." {_ACCEPTED}'

Chains = dict[str, list[str]]


def ip_sets(topology: Topology) -> str:
    """What ``ipset restore`` is given: the pools that are masqueraded, all pools, and the nodes of a tunnel."""
    hosts = [node.ip for node in topology.node_list]
    members = {
        "cali40masq-ipam-pools": [POD_NETWORK],
        "cali40all-ipam-pools": [POD_NETWORK],
        "cali40all-hosts-net": hosts,
        "cali40all-vxlan-net": hosts,
    }
    lines = []
    for name, entries in members.items():
        lines.append(f"create {name} hash:net family inet maxelem 1048576")
        lines += [f"add {name} {entry}" for entry in entries]
    return "\n".join(lines) + "\n"


def rules(node: Node, mode: Mode) -> str:
    """All tables of a node in iptables-restore's form, the hooks in the built-in chains where Felix puts them."""
    interfaces = sorted(pod.host_interface for pod in node.pods)
    tables: dict[str, tuple[Chains, list[str]]] = {
        "raw": (_raw(), [_hook("-I", "PREROUTING"), _hook("-I", "OUTPUT")]),
        "mangle": (_mangle(), [_hook("-I", "PREROUTING"), _hook("-I", "POSTROUTING")]),
        "filter": (
            _filter(mode, interfaces),
            [
                *(_hook("-I", chain) for chain in ("FORWARD", "INPUT", "OUTPUT")),
                # appended, after everybody else's: what the policies let through
                _hook(
                    "-A",
                    "FORWARD",
                    f'-m comment --comment "Policy explicitly accepted packet." {_ACCEPTED} -j ACCEPT',
                ),
                _hook("-A", "FORWARD", f"-j MARK --set-mark {ACCEPT}/{ACCEPT}"),
            ],
        ),
        "nat": (
            _nat(mode),
            [
                _hook("-I", "PREROUTING"),
                _hook("-I", "OUTPUT"),
                _hook("-A", "POSTROUTING"),  # last, so that kube-proxy has cleared its mark
            ],
        ),
    }
    return "".join(_table(name, chains, hooks) for name, (chains, hooks) in tables.items())


def _table(name: str, chains: Chains, hooks: list[str]) -> str:
    heads = [f":{chain} - [0:0]" for chain in chains]
    lines = [f"-A {chain} {_mark(chain, i, r)}{r}" for chain, rs in chains.items() for i, r in enumerate(rs)]
    return "\n".join([f"*{name}", *heads, *lines, *hooks, "COMMIT", ""])


def _hook(how: str, chain: str, rule: str = "") -> str:
    """A rule in a built-in chain; by default the jump to Felix's own."""
    rule = rule or f"-j cali-{chain}"
    return f"{how} {chain} {_mark(chain, 0, rule)}{rule}"


def _mark(chain: str, number: int, rule: str) -> str:
    """The comment by which Felix knows its rules again: 16 characters of a digest; any will do here."""
    digest = hashlib.sha224(f"{chain} {number} {rule}".encode()).digest()
    return f'-m comment --comment "cali:{base64.urlsafe_b64encode(digest).decode()[:16]}" '


def _failsafe(ports: Sequence[tuple[str, int]], end: str) -> list[str]:
    return [f"-p {protocol} -m multiport --{end}-ports {port} -j ACCEPT" for protocol, port in ports]


def _raw() -> Chains:
    return {
        "cali-failsafe-in": [*_failsafe(_FAILSAFE_IN, "destination"), *_failsafe(_FAILSAFE_OUT, "source")],
        "cali-failsafe-out": [*_failsafe(_FAILSAFE_OUT, "destination"), *_failsafe(_FAILSAFE_IN, "source")],
        "cali-rpf-skip": [],
        "cali-from-host-endpoint": [],
        "cali-to-host-endpoint": [],
        "cali-PREROUTING": [
            f"-j MARK --set-mark 0/{ALL_MARKS}",
            f"-i cali+ -j MARK --set-mark {SCRATCH}/{SCRATCH}",
            f"-m mark --mark {SCRATCH}/{SCRATCH} -j cali-rpf-skip",
            f"-m mark --mark {SCRATCH}/{SCRATCH} -m rpfilter --invert --validmark -j DROP",
            f"-m mark --mark 0/{SCRATCH} -j cali-from-host-endpoint",
            f"{_ACCEPTED} -j ACCEPT",
        ],
        "cali-OUTPUT": [
            f"-j MARK --set-mark 0/{ALL_MARKS}",
            "-j cali-to-host-endpoint",
            f"{_ACCEPTED} -j ACCEPT",
        ],
    }


def _mangle() -> Chains:
    return {
        "cali-failsafe-in": _failsafe(_FAILSAFE_IN, "destination"),
        "cali-failsafe-out": _failsafe(_FAILSAFE_OUT, "destination"),
        "cali-from-host-endpoint": [],
        "cali-to-host-endpoint": [],
        "cali-PREROUTING": [
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"{_ACCEPTED} -j ACCEPT",
            "-j cali-from-host-endpoint",
            f"{_BY_POLICY} -j ACCEPT",
        ],
        "cali-POSTROUTING": [
            f"{_ACCEPTED} -j RETURN",
            f"-j MARK --set-mark 0/{ALL_MARKS}",
            "-m conntrack --ctstate DNAT -j cali-to-host-endpoint",
            f"{_BY_POLICY} -j RETURN",
        ],
    }


def _filter(mode: Mode, interfaces: list[str]) -> Chains:
    incoming, outgoing = _tunnel(mode)
    chains: Chains = {
        "cali-failsafe-in": _failsafe(_FAILSAFE_IN, "destination"),
        "cali-failsafe-out": _failsafe(_FAILSAFE_OUT, "destination"),
        "cali-FORWARD": [
            f"-j MARK --set-mark 0/{NOT_ACCEPT}",
            f"-m mark --mark 0/{ACCEPT} -j cali-from-hep-forward",
            "-i cali+ -j cali-from-wl-dispatch",
            "-o cali+ -j cali-to-wl-dispatch",
            "-j cali-to-hep-forward",
            "-j cali-cidr-block",
        ],
        "cali-INPUT": [
            *incoming,
            "-i cali+ -g cali-wl-to-host",
            f"{_ACCEPTED} -j ACCEPT",
            f"-j MARK --set-mark 0/{ALL_MARKS}",
            "-j cali-from-host-endpoint",
            f"{_BY_POLICY} -j ACCEPT",
        ],
        "cali-wl-to-host": [
            "-j cali-from-wl-dispatch",
            '-m comment --comment "Configured DefaultEndpointToHostAction" -j ACCEPT',
        ],
        "cali-OUTPUT": [
            f"{_ACCEPTED} -j ACCEPT",
            "-o cali+ -j RETURN",
            *outgoing,
            f"-j MARK --set-mark 0/{ALL_MARKS}",
            "-m conntrack ! --ctstate DNAT -j cali-to-host-endpoint",
            f"{_BY_POLICY} -j ACCEPT",
        ],
    }
    for chain in (
        "cidr-block",
        "from-host-endpoint",
        "to-host-endpoint",
        "from-hep-forward",
        "to-hep-forward",
    ):
        chains[f"cali-{chain}"] = []
    for way, match in (("from", "-i"), ("to", "-o")):
        chains |= dict(_dispatch(f"cali-{way}-wl-dispatch", match, f"cali-{way[0]}w-", interfaces))
    for interface in interfaces:
        chains[f"cali-tw-{interface}"] = _workload("cali-pri-", drops=())
        chains[f"cali-fw-{interface}"] = _workload("cali-pro-", drops=_NO_TUNNELS)
    for prefix, way in (("cali-pri-", "ingress"), ("cali-pro-", "egress")):
        allow = f'-m comment --comment "Profile kns.default {way}" -j MARK --set-mark {ACCEPT}/{ACCEPT}'
        chains[f"{prefix}kns.default"] = [allow]
        chains[f"{prefix}ksa.default.default"] = [f'-m comment --comment "Profile ksa.default.default {way}"']
    return chains


def _tunnel(mode: Mode) -> tuple[list[str], list[str]]:
    """Return what INPUT and OUTPUT let through between the nodes of a tunnel."""
    if mode.encapsulation == "vxlan":
        port = f"-p udp -m multiport --dports {mode.port}"
        allowed = "-m set --match-set cali40all-vxlan-net"
        return (
            [
                f'-m comment --comment "Allow IPv4 VXLAN packets from allowed hosts" {port} {allowed} src '
                "-m addrtype --dst-type LOCAL -j ACCEPT",
                f'-m comment --comment "Drop IPv4 VXLAN packets from non-allowed hosts" {port} '
                "-m addrtype --dst-type LOCAL -j DROP",
            ],
            [
                f'-m comment --comment "Allow IPv4 VXLAN packets to other allowed hosts" {port} '
                f"-m addrtype --src-type LOCAL {allowed} dst -j ACCEPT"
            ],
        )
    if mode.encapsulation == "ipip":
        allowed = "-m set --match-set cali40all-hosts-net"
        return (
            [
                f'-m comment --comment "Allow IPIP packets from Calico hosts" -p 4 {allowed} src '
                "-m addrtype --dst-type LOCAL -j ACCEPT",
                '-m comment --comment "Drop IPIP packets from non-Calico hosts" -p 4 -j DROP',
            ],
            [
                f'-m comment --comment "Allow IPIP packets to other Calico hosts" -p 4 {allowed} dst '
                "-m addrtype --src-type LOCAL -j ACCEPT"
            ],
        )
    if mode.encapsulation == "wireguard":
        port = f"-p udp -m multiport --dports {mode.port}"
        return (
            [
                f'-m comment --comment "Allow incoming IPv4 Wireguard packets" {port} '
                "-m addrtype --dst-type LOCAL -j ACCEPT"
            ],
            [
                f'-m comment --comment "Allow outgoing IPv4 Wireguard packets" {port} '
                "-m addrtype --src-type LOCAL -j ACCEPT"
            ],
        )
    return [], []


def _dispatch(chain: str, match: str, target: str, interfaces: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the chains that find an interface's own: one level of a tree over the first character that differs."""
    unknown = '-m comment --comment "Unknown interface" -j DROP'
    shared = len("cali") if len(interfaces) != 1 else len(interfaces[0])
    while len(interfaces) > 1 and len({name[: shared + 1] for name in interfaces}) == 1:
        shared += 1
    groups: dict[str, list[str]] = {}
    for name in interfaces:
        groups.setdefault(name[: shared + 1], []).append(name)
    root = []
    for prefix, names in groups.items():
        if len(names) == 1:
            root.append(f"{match} {names[0]} -g {target}{names[0]}")
            continue
        child = f"{chain}-{prefix[shared:]}"
        yield child, [*(f"{match} {name} -g {target}{name}" for name in names), unknown]
        root.append(f"{match} {prefix}+ -g {child}")
    yield chain, [*root, unknown]


_NO_TUNNELS = (
    '-m comment --comment "Drop VXLAN encapped packets originating in workloads" -p udp -m multiport --dports 4789 '
    "-j DROP",
    '-m comment --comment "Drop IPinIP encapped packets originating in workloads" -p 4 -j DROP',
)


#: Felix names a policy's chain by a digest of its name; this is the one of ``default/knp.default.cnilab``.
POLICY = "cali-pi-_WOw6wqZceJtaFLS-pVN"
#: Sources that a policy allows and that never send here: 198.18.0.0/15 is for benchmarks (RFC 2544).
_OTHERS = ipaddress.ip_network("198.18.0.0/15")


def policy(pod: Pod, count: int, match: str) -> str:
    """One NetworkPolicy with ``count`` ingress rules on a pod, in iptables-restore's form; 0: none, as without it.

    Each rule allows one source, which Felix writes as two rules of netfilter: mark, and return if marked. All sources
    but one are of others; the rule that allows the pods' own network stands ``last``, so that a new connection
    is compared with every rule before it, or ``first``.
    """
    chain = f"cali-tw-{pod.host_interface}"
    if not count:
        return _table("filter", {chain: _workload("cali-pri-", drops=()), POLICY: []}, [])
    strangers = [f"-p tcp --source {_OTHERS[i]}/32 -m multiport --destination-ports {i}" for i in range(1, count)]
    own = f"--source {POD_NETWORK}"
    sources = [own, *strangers] if match == "first" else [*strangers, own]
    rules = [r for s in sources for r in (f"{s} -j MARK --set-mark {ACCEPT}/{ACCEPT}", f"{_ACCEPTED} -j RETURN")]
    rules[0] = f'-m comment --comment "Policy default/knp.default.cnilab ingress" {rules[0]}'
    return _table("filter", {POLICY: rules[:-1], chain: _workload("cali-pri-", drops=(), policies=[POLICY])}, [])


def _workload(profile: str, drops: Sequence[str], policies: Sequence[str] = ()) -> list[str]:
    undecided = f"-m mark --mark 0/{PASS}"
    judged = [f"{undecided} -j {chain}" for chain in policies]
    if judged:
        judged.append(f'-m comment --comment "Return if policy accepted" {_ACCEPTED} -j RETURN')
        judged.append(f'-m comment --comment "Drop if no policies passed packet" {undecided} -j DROP')
    returned = f'-m comment --comment "Return if profile accepted" {_ACCEPTED} -j RETURN'
    return [
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-m conntrack --ctstate INVALID -j DROP",
        f"-j MARK --set-mark 0/{PASS_AND_ACCEPT}",
        *drops,
        *judged,
        f"-j {profile}kns.default",
        returned,
        f"-j {profile}ksa.default.default",
        returned,
        '-m comment --comment "Drop if no profiles matched" -j DROP',
    ]


def _nat(mode: Mode) -> Chains:
    masquerade = [
        f"-o {mode.device} -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL "
        "-j MASQUERADE --random-fully"
    ]
    return {
        "cali-fip-dnat": [],
        "cali-fip-snat": [],
        "cali-PREROUTING": ["-j cali-fip-dnat"],
        "cali-POSTROUTING": [
            "-j cali-fip-snat",
            "-j cali-nat-outgoing",
            *(masquerade if mode.device else []),
        ],
        "cali-OUTPUT": ["-j cali-fip-dnat"],
        "cali-nat-outgoing": [
            "-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst "
            "-j MASQUERADE --random-fully"
        ],
    }
