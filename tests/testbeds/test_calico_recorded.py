"""The lab's Calico against a real one's first node, as recorded on the local cluster (tests/data/calico), mode by mode.

Three nodes, the third in another subnet, two pods on the first. What only says which pod, block or machine it is is made
alike on both sides; whatever else differs is declared here with its reason, or fails.
"""

import json
import re
from pathlib import Path

import pytest

from cnilab.testbeds.lab import Lab

pytestmark = pytest.mark.lab

RECORDED = {
    p.stem: json.loads(p.read_text())
    for p in sorted((Path(__file__).parents[1] / "data" / "calico").glob("*.json"))
}
COMMANDS = (
    "ip -j -d addr",
    "ip -j route",
    "ip -j neigh",
    "bridge -j fdb",
    "ip -j rule",
    "iptables-save",
    "ipset save",
)
PARTS = (
    "mtu",
    "qdisc",
    "txqlen",
    "num_tx_queues",
    "num_rx_queues",
    "gso_max_size",
    "gso_max_segs",
    "gro_max_size",
)
VXLAN = ("id", "local", "link", "port", "learning", "ttl", "df", "udp_csum")


def lines(answers, names):
    """One line a fact, sorted but for rules, with names made alike.

    ``names`` are patterns and what stands for them, tried in order.
    """
    told = []
    for d in json.loads(answers["ip -j -d addr"]):
        told += [f"{d['ifname']}: {key} {d[key]}" for key in PARTS if key in d]
        data = d.get("linkinfo", {}).get("info_data", {})
        told += [f"{d['ifname']}: vxlan {key} {data[key]}" for key in VXLAN if key in data]
        told += [
            f"{d['ifname']}: inet {a['local']}/{a['prefixlen']}"
            for a in d["addr_info"]
            if a["family"] == "inet"
        ]
    for r in json.loads(answers["ip -j route"]):
        told.append(
            f"route {r.get('type', '')} {r['dst']} via {r.get('gateway')} dev {r.get('dev')} proto {r.get('protocol')} "
            f"scope {r.get('scope')} {r['flags']} metric {r.get('metric')} {r.get('metrics', '')}"
        )
    for n in json.loads(answers["ip -j neigh"]):
        if "PERMANENT" in n["state"]:
            told.append(f"neigh {n['dst']} dev {n['dev']}")
    told += [
        f"fdb {f['dst']} dev {f['ifname']} {f['state']}"
        for f in json.loads(answers["bridge -j fdb"])
        if "dst" in f
    ]
    told += [f"rule {r}" for r in json.loads(answers["ip -j rule"])]
    told += [line for line in answers["ipset save"].splitlines() if line.startswith("add")]
    table, chains = "", {}
    for line in answers["iptables-save"].splitlines():
        table = line[1:] if line.startswith("*") else table
        if line.startswith("-A cali-"):
            chain = chains.setdefault(f"{table} {line.split()[1]}", [])
            chain.append(re.sub(r'-m comment --comment "cali:[^"]*" ', "", line.split(" ", 2)[2]))
        elif line.startswith("-A ") and " -j cali-" in line:
            chains.setdefault(f"{table} hooks", []).append(re.sub(r' -m comment --comment "[^"]*"', "", line))
    for chain, rules in chains.items():
        told += [f"{chain} {i} {rule}" for i, rule in enumerate(rules)]
    return {replaced(line, names) for line in told}


def replaced(line, names):
    for pattern, name in names:
        line = re.sub(pattern, name, line)
    return line.strip()


def real_names(record):
    nodes = record["nodes"]
    names = []
    for number, answers in enumerate(nodes.values(), 1):
        notes = answers["node"]["metadata"]["annotations"]
        if tunnel := notes.get("projectcalico.org/IPv4VXLANTunnelAddr"):
            names.append((rf"\b{re.escape(tunnel)}\b", f"TUNNEL{number}"))
    own = [
        r["dst"] for n in nodes.values() for r in json.loads(n["ip -j route"]) if r.get("type") == "blackhole"
    ]
    return names + [(re.escape(block), f"BLOCK{i}") for i, block in enumerate(own, 1)] + pods(nodes["n1"])


def lab_names(lab, answers):
    names = []
    for number, node in enumerate(map(lab.topology.node, ("n1", "n2", "n3")), 1):
        names.append((re.escape(node.block), f"BLOCK{number}"))
        names.append((rf"\b{re.escape(node.tunnel_ip)}\b", f"TUNNEL{number}"))
    return names + pods(answers)


def pods(answers):
    """Pods' devices in the order of their names, by which Felix orders its rules too, and the pods behind them."""
    behind = {
        r["dev"]: r["dst"] for r in json.loads(answers["ip -j route"]) if r.get("dev", "").startswith("cali")
    }
    return [
        pair
        for i, (device, pod) in enumerate(sorted(behind.items()), 1)
        for pair in ((device, f"CALI{i}"), (rf"\b{re.escape(pod)}\b", f"POD{i}"))
    ]


#: What only the lab has, and what only the real node has: pattern -> why, and why it moves no number.
ONLY_LAB = {
    r"^(raw|filter|mangle) cali-failsafe-(in|out) \d+ ": "Felix' renderer prints them and Felix itself leaves out what no "
    "rule jumps to; here they stand, and no packet meets them",
    r"^add cali40all-hosts-net ": "a set of Felix' manager of IP-in-IP, asked by no rule of these modes",
    r"^add cali40all-vxlan-net ": "the node itself, from which it gets no VXLAN packet; without VXLAN no rule asks",
    r"^neigh POD\d dev CALI\d$": "as by Felix of 3.32; a real 3.28 lets the pod be asked for its address, once",
    r"^route  (POD\d|BLOCK\d) .* metric 1024( |$)": "as by Felix of 3.32 and BIRD 2; there is one route to each",
    r"^route  BLOCK\d via TUNNEL\d .*'mtu': 1450": "as by Felix of 3.32; it is the device's own MTU",
    r"^eth0: num_[tr]x_queues 1$": "the machine's own cable and not the plugin's",
}
ONLY_REAL = {
    r"^add cali40this-host ": "asked for NodePorts, which the lab has none of",
    r"^CALI\d: txqlen 1000$": "the device has no queue (qdisc noqueue)",
    r"^route  (POD\d|BLOCK\d) .* metric None$": "see above: the same routes without metric",
    r"^eth0: num_[tr]x_queues 2$": "see above",
}


def declared(line, differences):
    return [pattern for pattern in differences if re.search(pattern, line)]


def test_every_difference_from_a_real_node_is_declared_and_is_there():
    undeclared, used = [], set()
    for mode, record in RECORDED.items():
        with Lab(mode) as lab:
            answers = {c: lab.sh("n1", c) for c in COMMANDS}
            here = lines(answers, lab_names(lab, answers))
        there = lines(record["nodes"]["n1"], real_names(record))
        assert len(here & there) > 120, f"{mode}: names were not made alike"
        for where, only, differences in (("lab", here - there, ONLY_LAB), ("real", there - here, ONLY_REAL)):
            for line in only:
                used.update(declared(line, differences))
                if not declared(line, differences):
                    undeclared.append(f"{mode}: only {where}: {line}")
    assert not undeclared, "\n".join(sorted(undeclared))
    assert used == {*ONLY_LAB, *ONLY_REAL}, "what no longer differs is declared no longer"
