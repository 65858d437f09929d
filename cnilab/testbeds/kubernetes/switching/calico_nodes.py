"""What each node's kernel, Felix and BIRD have, and what that lacks of what Calico's objects ask for.

Asked in the agent's own pods, by one program a node; judged by pure functions. A change of Calico's objects returns at
once and arrives seconds later, piece by piece: Felix ends and is started again, then come the devices, the MTU that new
pods get, the routes; BIRD is told anew and has to find its peers. A pod that is born before has the MTU of the mode
before for all its life, so whoever switches waits until :func:`lacks` has nothing left to say.

Sources: Calico v3.28 ``felix/dataplane/linux/int_dataplane.go`` (``determinePodMTU``, ``findHostMTU``),
``felix/config/config_params.go``, ``confd/etc/calico/confd/templates``.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cnilab.errors import ClusterError
from cnilab.modes import MODES
from cnilab.testbeds import bgp
from cnilab.testbeds.kubernetes import executing, placing
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.detecting.calico import NAMESPACES

CLUSTER_ID = "projectcalico.org/RouteReflectorClusterID"
#: encapsulation -> the node annotation in which calico-node says that it has it
ANSWERS = {
    "ipip": "projectcalico.org/IPv4IPIPTunnelAddr",
    "vxlan": "projectcalico.org/IPv4VXLANTunnelAddr",
    "wireguard": "projectcalico.org/WireguardPublicKey",
}
_MODES = {
    kind: next(m for m in MODES.values() if (m.plugin, m.encapsulation) == ("calico", kind))
    for kind in ANSWERS
}
DEVICES = {kind: str(mode.device) for kind, mode in _MODES.items()}
#: Felix' default for the devices by whose MTU it goes.
UNDERLAYS = r"^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)"
#: What BIRD's protocols of the node-to-node mesh are called by.
_MESH = "Mesh_"
_PARTS = (
    "cat /var/lib/calico/mtu",
    "ip -j -d addr",
    "ip -j route",
    "birdcl -s /var/run/calico/bird.ctl show protocols",
    "birdcl -s /var/run/calico/bird.ctl show route",
)
#: A block of pods' addresses that is the node's own, as BIRD 1.6 and 2 show it.
_OWN = re.compile(r"^(\S+/\d+)\s+blackhole\s+\[static", re.MULTILINE)
#: The program that a node is asked by.
LOOK = "; printf '\\036'; ".join(f"{part} 2>/dev/null" for part in _PARTS)


@dataclass(frozen=True)
class State:
    """One node at one moment.

    Parameters
    ----------
    node
        Its name, address and subnet.
    annotations
        Of its object.
    mtu
        Bytes that Felix tells the CNI plugin to give new pods; None where it tells nothing.
    devices
        ``ip -j -d addr``, by name.
    routes
        ``ip -j route``, the main table.
    sessions
        BIRD's, as :func:`cnilab.testbeds.bgp.sessions` reads them; empty where it does not run.
    blocks
        Blocks of pods' addresses that are this node's: Felix and BIRD keep a route into nowhere for each, Felix in the
        kernel, BIRD in its own table first.
    """

    node: placing.Node
    annotations: Mapping[str, str]
    mtu: int | None
    devices: Mapping[str, dict]
    routes: Sequence[dict]
    sessions: Sequence[dict]
    blocks: Sequence[ipaddress.IPv4Network]

    @property
    def tunnels(self) -> set[str]:
        """Kinds of tunnel whose device is in use; ``tunl0`` stays for ever and counts while it has an address."""
        return {
            kind
            for kind, name in DEVICES.items()
            if name in self.devices and (kind != "ipip" or _addresses(self.devices[name]))
        }


@dataclass(frozen=True)
class Asked:
    """What the objects ask of every node.

    Parameters
    ----------
    pools
        Network of each pool -> encapsulation and scope, as in the catalogue.
    wireguard
        Whether it lies on top.
    bird, mesh
        Whether BIRD runs, and whether every node is to have a session with every other.
    mtus
        Encapsulation -> an MTU set by hand.
    underlays
        Regular expression: names of the devices by whose MTU Felix goes.
    forced
        Encapsulation -> on or off by Felix' configuration, whatever the pools say.
    """

    pools: Mapping[ipaddress.IPv4Network, tuple[str, str]]
    wireguard: bool = False
    bird: bool = True
    mesh: bool = True
    mtus: Mapping[str, int] = field(default_factory=dict)
    underlays: str = UNDERLAYS
    forced: Mapping[str, bool] = field(default_factory=dict)

    @property
    def tunnels(self) -> set[str]:
        """Kinds of tunnel that every node is to have."""
        kinds = {kind for kind, _ in self.pools.values() if kind != "none"} | (
            {"wireguard"} if self.wireguard else set()
        )
        return {k for k in DEVICES if self.forced.get(k, k in kinds)}


def asked(pools: Sequence[dict], felix: dict, config: dict, *, bird: bool, mesh: bool) -> Asked:
    """Read what is asked from the objects' specs.

    Parameters
    ----------
    pools
        ``spec`` of every IPPool, disabled ones too: Felix has a tunnel for these as well.
    felix
        ``spec`` of FelixConfiguration ``default``.
    config
        ``data`` of ``calico-config``, where there is one.
    bird, mesh
        As in :class:`Asked`.
    """
    networks = {}
    for spec in pools:
        if ":" not in spec["cidr"]:
            modes = {"ipip": spec.get("ipipMode") or "Never", "vxlan": spec.get("vxlanMode") or "Never"}
            kind = next((k for k, m in modes.items() if m != "Never"), "none")
            scope = {"Always": "always", "CrossSubnet": "cross_subnet"}.get(modes.get(kind, ""), "never")
            networks[ipaddress.IPv4Network(spec["cidr"])] = (kind, scope)
    veth = config.get("veth_mtu", "0")
    by_hand = int(veth) if veth.isdigit() else 0
    mtus = {
        kind: value
        for kind, key in (("ipip", "ipipMTU"), ("vxlan", "vxlanMTU"), ("wireguard", "wireguardMTU"))
        if (value := felix.get(key) or by_hand)
    }
    forced = {
        kind: felix[key] for kind, key in (("ipip", "ipipEnabled"), ("vxlan", "vxlanEnabled")) if key in felix
    }
    return Asked(
        networks,
        bool(felix.get("wireguardEnabled")),
        bird,
        mesh,
        mtus,
        felix.get("mtuIfacePattern") or UNDERLAYS,
        forced,
    )


# ---- asking ------------------------------------------------------------------------------------------------------


def agents(api: Api) -> dict[str, dict]:
    """Calico's agent on each node that has one, ready to be asked: node to pod."""
    return {
        pod["spec"]["nodeName"]: pod
        for namespace in NAMESPACES
        for pod in api.items(f"/api/v1/namespaces/{namespace}/pods", labels="k8s-app=calico-node")
        if pod["spec"].get("nodeName") and (pod.get("status") or {}).get("phase") == "Running"
    }


def run(api: Api, pod: dict, argv: Sequence[str]) -> executing.Finished:
    """Run a program in an agent's pod."""
    where = pod["metadata"]
    return executing.run(api, where["namespace"], where["name"], argv, container="calico-node")


def states(api: Api) -> list[State]:
    """Look at every usable node that has an agent.

    Raises
    ------
    ClusterError
        If a node does not answer, or not in a form that can be read.
    """
    pods = agents(api)
    items = [n for n in api.items("/api/v1/nodes") if n["metadata"]["name"] in pods]
    nodes = {n.name: n for n in placing.read(items) if not n.unusable}

    def one(item: dict) -> State:
        name = item["metadata"]["name"]
        done = run(api, pods[name], ["sh", "-c", LOOK])
        return read(nodes[name], item["metadata"].get("annotations") or {}, done.text)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, (i for i in items if i["metadata"]["name"] in nodes)))


def read(node: placing.Node, annotations: Mapping[str, str], text: str) -> State:
    """Read a node's answer.

    Raises
    ------
    ClusterError
        If it is not of the form asked for.
    """
    try:
        mtu, devices, routes, protocols, own = text.split("\x1e")
        kernel = json.loads(routes or "[]")
        blocks = [r["dst"] for r in kernel if r.get("type") == "blackhole"] + _OWN.findall(own)
        return State(
            node,
            annotations,
            int(mtu) if mtu.strip() else None,
            {d["ifname"]: d for d in json.loads(devices) if d.get("ifname")},
            kernel,
            bgp.sessions(protocols),
            sorted({ipaddress.IPv4Network(b) for b in blocks}),
        )
    except ValueError as error:
        raise ClusterError(f"node {node.name}: its state cannot be read ({error}): {text[-200:]!r}") from None


# ---- judging -----------------------------------------------------------------------------------------------------


def lacks(found: Sequence[State], wanted: Asked) -> list[str]:
    """Return what the nodes lack of what is asked, a sentence each with the node first; empty once all has arrived."""
    told = []
    for state in found:
        for why in (
            *_devices(state, wanted),
            *_mtu(state, wanted),
            *_routes(state, found, wanted),
            *_sessions(state, found, wanted),
        ):
            told.append(f"{state.node.name}: {why}")
    return told


def _devices(state: State, wanted: Asked) -> list[str]:
    told = []
    for kind, device in DEVICES.items():
        there = kind in state.tunnels and (kind == "wireguard" or bool(_addresses(state.devices[device])))
        says = ANSWERS[kind] in state.annotations
        if kind in wanted.tunnels:
            if not says:
                told.append(f"no annotation {ANSWERS[kind]}")
            if not there:
                told.append(f"no {device} with an address")
        else:
            if kind in state.tunnels:
                told.append(f"{device} is still there")
            if says:
                told.append(f"annotation {ANSWERS[kind]} is still there")
    return told


def _mtu(state: State, wanted: Asked) -> list[str]:
    under = [
        d["mtu"]
        for name, d in state.devices.items()
        if re.match(wanted.underlays, name) and d.get("operstate") != "DOWN"
    ]
    if state.mtu is None or not under:
        return []
    host = min(under)
    expected = min((wanted.mtus.get(k) or _MODES[k].pod_mtu(host) for k in wanted.tunnels), default=host)
    return (
        [] if state.mtu == expected else [f"Felix gives new pods an MTU of {state.mtu}, not yet {expected}"]
    )


def _routes(state: State, found: Sequence[State], wanted: Asked) -> list[str]:
    told = []
    there = {r["dst"]: r for r in state.routes}
    for other in found:
        for block in other.blocks:
            pool = next((p for n, p in wanted.pools.items() if block.subnet_of(n)), None)
            if pool is None:
                continue
            kind, scope = pool
            if other is state:
                if str(block) not in there and block.prefixlen < 32:
                    told.append(f"no route into nowhere for its own {block}")
                continue
            tunnelled = scope == "always" or (
                scope == "cross_subnet" and state.node.subnet != other.node.subnet
            )
            name = str(block) if block.prefixlen < 32 else str(block.network_address)
            device = (there.get(name) or {}).get("dev")
            if device is None:
                told.append(f"no route to {block} of {other.node.name}")
            elif (device == DEVICES.get(kind)) != tunnelled or (device in DEVICES.values() and not tunnelled):
                told.append(f"the route to {block} of {other.node.name} leaves by {device}")
    return told


def _sessions(state: State, found: Sequence[State], wanted: Asked) -> list[str]:
    if not wanted.bird:
        return []
    nodes = {s.node.ip: s for s in found if s is not state}
    mine = {ip: s for s in state.sessions if (ip := peer(s)) in nodes}
    told = [
        f"session with {nodes[ip].node.name} is {s['info'] or s['state']}"
        for ip, s in mine.items()
        if not established(s)
    ]
    if CLUSTER_ID in state.annotations:
        return told
    reflectors = {ip for ip, s in nodes.items() if CLUSTER_ID in s.annotations}
    meshed = {ip for ip, s in mine.items() if s["peer"].startswith(_MESH)}
    # A reflector is no part of the mesh; where the mesh is off, nodes go by the reflectors that they were told of.
    if wanted.mesh:
        absent = set(nodes) - reflectors - meshed
    else:
        absent = reflectors - set(mine)
        told += [f"the mesh's session with {nodes[ip].node.name} is still there" for ip in sorted(meshed)]
    return told + [f"no session with {nodes[ip].node.name}" for ip in sorted(absent)]


def peer(session: Mapping[str, str]) -> str:
    """Return a session's peer: Calico names BIRD's protocols after it, as in ``Mesh_192_0_2_11`` and ``Node_…``."""
    return session["peer"].partition("_")[2].partition("_port")[0].replace("_", ".")


def established(session: Mapping[str, str]) -> bool:
    """Whether routes are exchanged over it."""
    return "Established" in session["info"]


def _addresses(device: Mapping[str, Any]) -> list[str]:
    return [a["local"] for a in device.get("addr_info", ()) if a.get("family") == "inet" and "local" in a]
