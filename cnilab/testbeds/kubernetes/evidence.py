"""What a live cluster's nodes and packets say: the same evidence the lab gathers, by means a pod has.

Kernel state is read by ``ip`` and ``bridge`` in a pod on the node's own network; packets are sent by ``ping`` with
DF set from the benchmark pods and recorded by ``tcpdump`` on the sending node. Where the user's rights do not
reach (no privileged namespace), the node's entry is None and MTU and TTL remain. Whether all that fits the mode
is decided in :mod:`cnilab.testbeds.proof.judge`.

An echo comes back with the TTL that the *reply* has left; both directions cross the same devices, so it is
taken as the TTL at the receiver.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnilab.errors import ClusterError
from cnilab.modes import UNDERLAY_MTU, Mode
from cnilab.testbeds import conditions
from cnilab.testbeds.kubernetes import executing
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.pods import Pod
from cnilab.testbeds.wire import MAGIC, dissect

ICMP_AND_IP = 28  # IPv4 20 + ICMP echo 8, RFC 791 and 792
SNAP = 256  # enough for every header cnilab reads and the probe's mark
_MARK = "\x1e"
_READS = {
    "links": "ip -j -d link show",
    "routes": "ip -j -d route show table all",
    "neighbours": "ip -j neigh show",
    "rules": "ip -j rule show",
    "fdb": "bridge -j fdb show",
    "addresses": "ip -j -4 addr show",
}


@dataclass(frozen=True)
class Ends:
    """Who talks to whom in one placement, and the pod on the client's node that may look at its network."""

    client: Pod
    server: Pod
    address: str


def read_node(api: Api, pod: Pod, bgp: list[dict] | None) -> dict:
    """Read one node's devices, routes, neighbours, rules, forwarding entries and addresses through ``pod``.

    A reading that failed is None, never an empty list.
    """
    script = "; ".join(f"{c} 2>/dev/null || echo null; printf '\\036'" for c in _READS.values())
    done = executing.run(api, pod.namespace, pod.name, ["sh", "-c", script])
    parts = done.text.split(_MARK)
    if len(parts) != len(_READS) + 1:
        raise ClusterError(
            f"reading {pod.node} through pod {pod.name}: {done.stderr.decode()[-200:] or parts}"
        )
    found: dict = {}
    for what, text in zip(_READS, parts):
        try:
            found[what] = json.loads(text.strip() or "[]")
        except ValueError:
            found[what] = None
    return found | {"bgp": bgp}


def topology(state: dict | None, node: str, ip: str, subnet: str) -> dict:
    """A node's address, subnet, gateway and uplink as the node itself tells them, else as the API server does."""
    told = {"ip": ip, "subnet": subnet, "gateway": None}
    if state is None:
        return told
    for link in state["addresses"] or ():
        for address in link.get("addr_info") or ():
            if address.get("local") == ip:
                told["uplink"] = link["ifname"]
                told["subnet"] = str(ipaddress.ip_interface(f"{ip}/{address['prefixlen']}").network)
                told["mtu"] = link["mtu"]
    for route in state["routes"] or ():
        if route["dst"] == "default" and route.get("table", "main") == "main" and route.get("gateway"):
            told["gateway"] = route["gateway"]
            break
    if "uplink" not in told:
        raise ClusterError(f"node {node}: no device has its InternalIP {ip}")
    return told


# ---- an exchange ------------------------------------------------------------------------------------------------


def exchange(
    api: Api,
    ends: Ends,
    lengths: Sequence[int],
    *,
    tap: Pod | None,
    device: str = "eth0",
    hosts: Sequence[str] = (),
    tries: int = 3,
) -> dict:
    """Ping the server's address once a length with DF set, recording what leaves the client's node.

    Parameters
    ----------
    lengths
        IP packet lengths in bytes; the first is tried ``tries`` times, and if it fails the others are not sent.
    tap, device
        Pod on the client's node and the device to record on; None records nothing.
    hosts
        Addresses whose packets are recorded.

    Returns
    -------
    dict
        ``probes``, ``received``, ``packets`` and ``end_mtus`` as :mod:`cnilab.testbeds.proof.judge` reads them.
    """
    recording = _Recording(api, tap, device, hosts) if tap else None
    try:
        answers = _ping(api, ends, lengths, tries)
    finally:
        frames = recording.end() if recording else None
    own = {ends.client.ip, *hosts[:1]}
    packets = []
    for frame in frames or ():
        packet = dissect(frame)
        if packet:
            packet["probe"] = MAGIC in packet.pop("payload", b"")
            packet["sent"] = packet["outer"]["src"] in own
            packets.append(packet)
    return {
        "probes": answers,
        "received": [{"ttl": a["ttl"], "length": a["length"]} for a in answers if a["result"] == "ok"],
        "packets": [packets] if frames is not None else None,
    }


def mtu_of(api: Api, pod: Pod, device: str = "eth0") -> int:
    """MTU of a pod's device, in bytes."""
    done = executing.run(api, pod.namespace, pod.name, ["cat", f"/sys/class/net/{device}/mtu"])
    try:
        return int(done.text)
    except ValueError:
        raise ClusterError(f"pod {pod.name}: no MTU of {device}: {done.stderr.decode()[-200:]}") from None


def _ping(api: Api, ends: Ends, lengths: Sequence[int], tries: int) -> list[dict]:
    pattern = MAGIC.hex()
    head = f"ping -n -c 1 -W 1 -M do -p {pattern}"
    address = shlex.quote(ends.address)
    first = lengths[0] - ICMP_AND_IP
    lines = [
        f"i=0; while [ $i -lt {tries} ]; do o=$({head} -s {first} {address} 2>&1) && break; "
        "case $o in *[Uu]nreachable*) break;; esac; i=$((i+1)); done; r=$?",
        "printf '%s\\036' \"$o\"",
    ]
    for length in lengths[1:]:
        lines.append(f"{head} -s {length - ICMP_AND_IP} {address} 2>&1; printf '\\036'")
    # The longer ones are sent only after the first has arrived: else they can only tell the same.
    script = f"{lines[0]}; {lines[1]}; case $o in *ttl=*) ;; *) exit 0;; esac; {'; '.join(lines[2:])}"
    done = executing.run(
        api, ends.client.namespace, ends.client.name, ["sh", "-c", script], timeout_s=5 + 2 * (tries + 2)
    )
    said = done.text.split(_MARK)[:-1]
    if not said:
        raise ClusterError(f"ping in pod {ends.client.name} said nothing: {done.stderr.decode()[-200:]}")
    return [{"length": length, **read_ping(text)} for length, text in zip(lengths, said)]


def read_ping(text: str) -> dict:
    """Turn what iputils' ping printed of one packet into ``result`` and its detail.

    Raises
    ------
    ClusterError
        If ping itself could not run.
    """
    if found := re.search(r"ttl=(\d+) time=([\d.]+) ms", text):
        return {"result": "ok", "ttl": int(found[1]), "rtt_s": float(found[2]) / 1000}
    by = re.search(r"^From (\S+)", text, re.MULTILINE)
    if found := re.search(r"mtu ?[=:] ?(\d+)", text):
        return {"result": "too_long", "mtu": int(found[1]), "by": by[1] if by else None}
    if "essage too long" in text:
        return {"result": "too_long", "mtu": None, "by": None}
    if found := re.search(r"(network|host|net|port)( is)? unreachable", text, re.IGNORECASE):
        word = {"net": "network"}.get(found[1].lower(), found[1].lower())
        return {"result": "unreachable", "error": f"{word} is unreachable", "by": by[1] if by else None}
    if "0 received" in text:
        return {"result": "lost", "error": "no echo within 1 s"}
    raise ClusterError(f"ping could not run: {text.strip()[-200:] or 'it said nothing'}")


class _Recording:
    """tcpdump in a pod, from when it listens until :meth:`end`."""

    def __init__(self, api: Api, pod: Pod, device: str, hosts: Sequence[str]) -> None:
        self.api, self.pod = api, pod
        which = " or ".join(f"host {h}" for h in dict.fromkeys(hosts)) or "ip"
        # -c bounds it; should this process die, the pod's own lifetime does.
        argv = ["tcpdump", "-i", device, "-nn", "-U", "-s", str(SNAP), "-c", "400", "-Z", "root"]
        argv += ["-w", "-", f"ip and ({which})"]
        script = 'echo "$$" >&2; exec "$@"'
        self.stream = executing.start(api, pod.namespace, pod.name, ["sh", "-c", script, "sh", *argv])
        self.pid = self.stream.line(executing.STDERR_CHANNEL, 10).decode().strip()
        said = b""
        for _ in range(20):
            said = self.stream.line(executing.STDERR_CHANNEL, 10)
            if b"listening on" in said or not said:
                break
        if b"listening on" not in said:
            rest = bytes(self.stream._kept[2]).decode(errors="replace")
            self.stream.close()
            raise ClusterError(
                f"tcpdump in pod {pod.name} does not record {device}: {said.decode()} {rest}".strip()
            )

    def end(self) -> list[bytes]:
        time.sleep(0.05)  # the last packet's way through the socket buffer
        kill = ["sh", "-c", f"kill -INT {int(self.pid)} || true"]
        executing.run(self.api, self.pod.namespace, self.pod.name, kill)
        done = self.stream.finish(10)
        self.stream.close()
        return frames(done.stdout) if done else []


def frames(pcap: bytes) -> list[bytes]:
    """Split a capture file (pcap, little- or big-endian, micro- or nanoseconds) of Ethernet into frames.

    Raises
    ------
    ClusterError
        If it is no capture of Ethernet.
    """
    order = {
        b"\xd4\xc3\xb2\xa1": "<",
        b"\x4d\x3c\xb2\xa1": "<",
        b"\xa1\xb2\xc3\xd4": ">",
        b"\xa1\xb2\x3c\x4d": ">",
    }
    head = order.get(pcap[:4])
    if head is None or len(pcap) < 24:
        raise ClusterError(f"the capture is no pcap file: it begins with {pcap[:8]!r}")
    kind = struct.unpack_from(head + "I", pcap, 20)[0] & 0xFFFF
    if kind != 1:
        raise ClusterError(f"the capture's link type is {kind}; cnilab reads Ethernet (1)")
    found, at = [], 24
    while at + 16 <= len(pcap):
        kept = struct.unpack_from(head + "I", pcap, at + 8)[0]
        if at + 16 + kept > len(pcap):
            break  # cut off in the middle of a packet when tcpdump was stopped
        found.append(pcap[at + 16 : at + 16 + kept])
        at += 16 + kept
    return found


def gather(
    api: Api,
    mode: Mode,
    ends: Mapping[str, Ends],
    watchers: Mapping[str, Pod],
    nodes: Mapping[str, tuple[str, str]],
    *,
    path: str,
    capture: bool = True,
    bgp: Mapping[str, list[dict] | None] | None = None,
) -> dict:
    """Gather everything a proof judges.

    Parameters
    ----------
    ends
        placement -> who talks to whom.
    watchers
        node -> a pod on its network; empty where rights do not allow one.
    nodes
        node -> (InternalIP, subnet).
    capture
        Whether the pods' image has tcpdump.
    bgp
        node -> its sessions ``{peer, state, since, info}``.
    """
    states = {n: read_node(api, watchers[n], (bgp or {}).get(n)) if n in watchers else None for n in nodes}
    told = {n: topology(states[n], n, ip, subnet) for n, (ip, subnet) in nodes.items()}
    underlay_mtu = min((t["mtu"] for t in told.values() if "mtu" in t), default=UNDERLAY_MTU)
    found: dict = {
        "underlay": "plain",
        "underlay_mtu": underlay_mtu,
        "path": path,
        "nodes": states,
        "topology": told,
        "placements": {},
    }
    own = mode if path != "host_to_host" else None
    for placement, pair in ends.items():
        mtu = own.pod_mtu(underlay_mtu) if own else underlay_mtu
        client, server = pair.client.node, pair.server.node
        inside = mode.wiring != "host" and path != "host_to_host"
        device = {n: "eth0" if inside else told[n].get("uplink", "eth0") for n in (client, server)}
        reaches = mode.reaches(placement) or not inside
        seen = found["placements"][placement] = {
            "end_mtus": {p.name: mtu_of(api, p, device[p.node]) for p in (pair.client, pair.server)},
            "client": pair.client.name,
            "server": pair.server.name,
            "address": pair.address,
            "server_pod": pair.server.ip if inside else None,
            "client_node": client,
            "server_node": server,
            "mtu": mtu,
            **exchange(
                api,
                pair,
                [100, mtu, mtu + 1],
                tap=watchers.get(client) if capture else None,
                device=told[client].get("uplink", "eth0"),
                hosts=[told[client]["ip"], told[server]["ip"], pair.server.ip],
                tries=5 if reaches else 1,
            ),
        }
        if not reaches and seen["probes"][0]["result"] == "lost" and client in watchers:
            # A pod may hear nothing, where the router cannot answer an address it does not know; its node does.
            from_node = Ends(watchers[client], pair.server, pair.address)
            seen["from_node"] = _ping(api, from_node, [100], 1)[0]
    found["conditions"] = read_conditions(api, mode, ends, watchers, told, path)
    return found


def read_conditions(
    api: Api,
    mode: Mode,
    ends: Mapping[str, Ends],
    watchers: Mapping[str, Pod],
    told: Mapping[str, dict],
    path: str,
) -> dict:
    """Read offloads, packet steering and sockets' settings of both ends and of the nodes that may be looked at.

    Parameters
    ----------
    told
        node -> what :func:`topology` says of it.
    path
        As in :func:`gather`; it decides whether an end's device is its pod's or its node's.

    Returns
    -------
    dict
        See :func:`cnilab.testbeds.conditions.gathered`.
    """
    uplinks = {node: told[node].get("uplink", "eth0") for node in told}
    inside = mode.wiring != "host" and path != "host_to_host"
    wanted: dict[str, tuple[Pod, list[str]]] = {
        f"end {pod.name}": (pod, ["eth0" if inside else uplinks[pod.node]])
        for pair in ends.values()
        for pod in (pair.client, pair.server)
    }
    for node, pod in watchers.items():
        wanted[node] = pod, [uplinks[node], *([mode.device] if mode.device else [])]
    readings = {}
    for name, (pod, devices) in wanted.items():
        argv = ["sh", "-c", conditions.script(devices)]
        readings[name] = conditions.parse(executing.run(api, pod.namespace, pod.name, argv).text, devices)
    return conditions.gathered(
        {p: (f"end {pair.client.name}", f"end {pair.server.name}") for p, pair in ends.items()},
        {node: (uplink, mode.device) for node, uplink in uplinks.items()},
        readings,
    )
