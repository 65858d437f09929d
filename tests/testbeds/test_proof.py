"""The proof without a lab: recorded evidence of seven modes is right as it is, and wrong by any one fact changed."""

import copy
import json
from pathlib import Path

import pytest

from cnilab.modes import MODES
from cnilab.report.language import en_proof, tell
from cnilab.testbeds.proof import judge
from cnilab.testbeds.proof.base import Row

RECORDED = {p.stem: p for p in (Path(__file__).parents[1] / "data" / "proof").glob("*.json")}


def recorded(mode):
    return json.loads(RECORDED[mode].read_text(encoding="utf-8"))


def judged(mode, change=None):
    given = copy.deepcopy(recorded(mode))
    if change:
        change(given["evidence"])
    return {r.placement: r for r in judge.rows(MODES[mode], given["kernel_path"], given["evidence"])}


@pytest.mark.parametrize("mode", RECORDED)
def test_what_was_recorded_is_right(mode):
    rows = judged(mode)
    assert {p: r.status for p, r in rows.items()} == dict.fromkeys(rows, "ok"), [
        str(r.reason) for r in rows.values()
    ]
    assert all(r.checks for r in rows.values())


def exchange(evidence, place="same_subnet"):
    return evidence["placements"][place]


def packets(evidence, *, tap=0, sent, tcp=None):
    chosen = [p for p in exchange(evidence)["packets"][tap] if p["sent"] is sent]
    return [p for p in chosen if tcp is None or bool(p["tcp"]) is tcp]


def plain(some):
    for packet in some:
        packet.update(carrier="none", outer=packet["inner"] or packet["outer"], inner=None)


def route(evidence, node, **change):
    for row in evidence["nodes"][node]["routes"]:
        if row["dst"].startswith("10.244.") and "via" not in row and row.get("gateway"):
            row.update(change)


def first_qdisc(evidence, node, kind):
    evidence["nodes"][node]["qdiscs"].append({"kind": kind, "dev": "eth0"})


#: what is changed -> (mode, change, the check that must not hold)
CHANGES = {
    "UDP answered plain": ("flannel-vxlan", lambda e: plain(packets(e, sent=False, tcp=False)), "carried_by"),
    "TCP sent plain": ("flannel-vxlan", lambda e: plain(packets(e, sent=True, tcp=True)), "carried_by"),
    "TCP answered plain": ("flannel-vxlan", lambda e: plain(packets(e, sent=False, tcp=True)), "carried_by"),
    "one sealed packet readable": (
        "flannel-wireguard",
        lambda e: packets(e, sent=False)[0].update(carrier="none", probe=True),
        "carried_by",
    ),
    "another VNI on the way back": (
        "flannel-vxlan",
        lambda e: [p.update(vni=7) for p in packets(e, sent=False)],
        "vni",
    ),
    "another port": (
        "flannel-vxlan",
        lambda e: [p.update(port=4789) for p in packets(e, sent=True)],
        "udp_port",
    ),
    "a hop more there": (
        "calico-bgp-mesh",
        lambda e: [p["outer"].update(ttl=p["outer"]["ttl"] - 1) for p in packets(e, tap=1, sent=False)],
        "underlay_hops",
    ),
    "a hop more back": (
        "calico-bgp-mesh",
        lambda e: [p["outer"].update(ttl=p["outer"]["ttl"] - 1) for p in packets(e, sent=False)],
        "underlay_hops",
    ),
    "masqueraded": (
        "calico-bgp-mesh",
        lambda e: [r.update({"from": "192.0.2.11"}) for r in exchange(e)["received"]],
        "source_address",
    ),
    "TCP from a relay": (
        "calico-bgp-mesh",
        lambda e: [r.update({"from": "10.244.1.64"}) for r in exchange(e)["accepted"]],
        "source_address",
    ),
    "delivered to the Service's address": (
        "calico-bgp-mesh",
        lambda e: [r.update({"to": "10.96.0.78"}) for r in exchange(e)["received"]],
        "destination_address",
    ),
    "MSS clamped": ("host", lambda e: exchange(e)["stream"].update(mss=536), "segment_size"),
    "MSS clamped at the server": (
        "host",
        lambda e: exchange(e)["accepted"][0].update(mss=536),
        "segment_size",
    ),
    "TCP fails": (
        "docker-bridge",
        lambda e: exchange(e).update(stream={"result": "failed", "step": "connect", "error": "timed out"}),
        "stream_completes",
    ),
    "TTL": ("docker-bridge", lambda e: exchange(e)["received"][0].update(ttl=60), "ttl"),
    "one byte more arrives": (
        "host",
        lambda e: exchange(e)["probes"][2].update(result="ok"),
        "longer_is_refused",
    ),
    "a token bucket": ("host", lambda e: first_qdisc(e, "n2", "tbf"), "no_rate_limit"),
    "a program on the path": ("host", lambda e: first_qdisc(e, "n1", "clsact"), "no_rate_limit"),
    "short segments": (
        "flannel-vxlan",
        lambda e: next(k for k in e["nodes"]["n2"]["links"] if k["ifname"] == "flannel.1").update(
            gso_max_size=3000
        ),
        "whole_segments",
    ),
    "an offload off": (
        "flannel-vxlan",
        lambda e: e["conditions"]["nodes"]["n1"]["tunnel"]["offloads"].update(tso=False),
        "offloads",
    ),
    "a foreign rule": (
        "flannel-vxlan",
        lambda e: e["nodes"]["n2"].update(netfilter=e["nodes"]["n2"]["netfilter"] + "\n-A FORWARD -j DROP"),
        "no_foreign_rules",
    ),
    "bridged packets unseen": (
        "flannel-vxlan",
        lambda e: e["nodes"]["n2"].update(bridge_nf="0"),
        "bridge_netfilter",
    ),
    "the answer's route": ("flannel-vxlan", lambda e: route(e, "n2", dev="eth0"), "route_device"),
    "the answer's gateway": (
        "calico-bgp-mesh",
        lambda e: route(e, "n2", gateway="192.0.2.1"),
        "route_gateway",
    ),
    "who wrote the answer's route": (
        "calico-bgp-mesh",
        lambda e: route(e, "n2", protocol="static"),
        "route_protocol",
    ),
    "BIRD does not hold the route": (
        "calico-bgp-mesh",
        lambda e: e["nodes"]["n1"].update(bgp_routes=[]),
        "route_from_bgp",
    ),
    "a session beside the reflector's": (
        "calico-bgp-rr",
        lambda e: e["nodes"]["n1"]["bgp"].append(dict(e["nodes"]["n1"]["bgp"][0], peer="n3")),
        "bgp_sessions",
    ),
    "a session down": (
        "calico-bgp-rr",
        lambda e: e["nodes"]["n2"]["bgp"][0].update(info="Active"),
        "bgp_established",
    ),
    "a routing rule of somebody's": (
        "calico-bgp-mesh",
        lambda e: e["nodes"]["n2"]["rules"].append({"priority": 50, "table": "77"}),
        "no_earlier_rule",
    ),
    "a tunnel of another mode": (
        "calico-bgp-mesh",
        lambda e: e["nodes"]["n2"]["links"].append({"ifname": "vxlan.calico", "flags": ["UP"], "mtu": 1450}),
        "no_other_tunnel",
    ),
    "no forwarding entry": ("flannel-vxlan", lambda e: e["nodes"]["n1"].update(fdb=[]), "forwarding_entry"),
    "no neighbour": ("flannel-vxlan", lambda e: e["nodes"]["n1"].update(neighbours=[]), "neighbour"),
    "the tunnel's MTU": (
        "flannel-vxlan",
        lambda e: next(k for k in e["nodes"]["n1"]["links"] if k["ifname"] == "flannel.1").update(mtu=1500),
        "device_mtu",
    ),
    "the pod's MTU": ("flannel-vxlan", lambda e: exchange(e)["end_mtus"].update(p1=1500), "end_mtu"),
    "nothing arrives": ("host", lambda e: exchange(e)["probes"][0].update(result="lost"), "packet_arrives"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_one_fact_changed_is_told(what):
    mode, change, code = CHANGES[what]
    rows = judged(mode, change)
    row = rows["same_subnet"]
    assert row.status == "failed"
    assert code in {c.code for c in row.checks if not c.ok}
    assert row.reason.code == "mode_not_in_effect"
    assert row.reason.args["check"] in {c.code for c in row.checks}


def test_two_pods_joined_by_a_cable_are_told():
    def cable(evidence):
        evidence["placements"]["same_node"]["packets"][1] = []

    row = judged("flannel-vxlan", cable)["same_node"]
    assert [c.code for c in row.checks if not c.ok] == ["passes_the_node", "passes_the_node"]


def test_what_crosses_though_it_should_not_is_told():
    def crosses(evidence):
        exchange(evidence, "cross_subnet")["probes"][0].update(result="ok")

    row = judged("calico-bgp-mesh", crosses)["cross_subnet"]
    assert "packet_does_not_arrive" in {c.code for c in row.checks if not c.ok}


@pytest.mark.parametrize("mode", ["flannel-vxlan", "flannel-wireguard", "calico-bgp-mesh"])
def test_a_nodes_own_talk_on_the_same_wire_is_nobodys_business(mode):
    """A cluster's nodes talk to their API server while the proof captures, over TCP and in clear."""

    def busy(evidence):
        address = {"src": "192.0.2.11", "dst": "192.0.2.1", "length": 90, "ttl": 63, "df": True, "id": 1}
        talk = {
            "carrier": "none",
            "outer": {**address, "protocol": 6, "header": 20},
            "inner": None,
            "port": None,
        }
        talk |= {"vni": None, "tcp": {"ports": [40000, 6443], "syn": False, "mss": None}, "probe": False}
        for seen in evidence["placements"].values():
            for tap in seen["packets"]:
                tap += [{**talk, "sent": sent} for sent in (True, False)]

    assert {row.status for row in judged(mode, busy).values()} == {"ok"}


def test_what_was_not_looked_at_is_not_judged():
    """A testbed without rights on the nodes gives None: MTU, TTL and addresses are still checked."""

    def blind(evidence):
        evidence["nodes"] = dict.fromkeys(evidence["nodes"])
        for seen in evidence["placements"].values():
            seen["packets"] = None

    row = judged("flannel-vxlan", blind)["same_subnet"]
    assert row.status == "ok"
    assert {"ttl", "end_mtu", "whole_mtu_arrives", "source_address"} <= {c.code for c in row.checks}


@pytest.mark.parametrize("mode", RECORDED)
def test_every_check_has_words_and_rows_survive_json(mode):
    for row in judged(mode).values():
        assert Row.from_dict(json.loads(json.dumps(row.to_dict()))).to_dict() == row.to_dict()
        for c in row.checks:
            assert en_proof.expectation(c.code, c.args) != c.code
        if row.reason:
            assert "_" not in tell(row.reason)


def test_rows_of_the_first_schema_are_read():
    old = {
        "mode": "flannel-host-gw", "placement": "cross_subnet", "kernel_path": "native", "status": "ok",
        "reason": "does not cross subnets: network is unreachable by 192.0.2.1", "reachable": False, "outer": "-",
        "mtu": None, "ttl": None,
        "checks": [{"name": "a packet does not arrive", "expected": "lost", "found": "lost", "ok": True}],
    }  # fmt: skip
    row = Row.from_dict(old)
    assert row.reason.code == "not_crossing"
    assert tell(row.reason) == old["reason"]
    assert en_proof.expectation(row.checks[0].code, row.checks[0].args) == "a packet does not arrive"
