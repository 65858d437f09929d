"""What a network engineer would answer to forty networks, typed as it is typed; and what holds for any network."""

import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner

from cnilab.admission import CAUTIONS, MESH_NODES, RULES, Constraints, admissible, cautions, refusals
from cnilab.cli import app
from cnilab.errors import DataError
from cnilab.modes import MODES

#: One letter a mode, so that a line of the table can be read: flannel's are capitals, Calico's small.
LETTERS = {
    "d": "docker-bridge",
    "U": "flannel-udp",
    "V": "flannel-vxlan",
    "D": "flannel-vxlan-directrouting",
    "H": "flannel-host-gw",
    "I": "flannel-ipip",
    "W": "flannel-wireguard",
    "i": "calico-ipip",
    "j": "calico-ipip-crosssubnet",
    "v": "calico-vxlan",
    "x": "calico-vxlan-crosssubnet",
    "m": "calico-bgp-mesh",
    "r": "calico-bgp-rr",
    "w": "calico-wireguard",
}
#: What is typed -> the modes that a network engineer leaves.
ANSWERS = {
    # one layer-2 network
    "": "UVDHIW ijvxmrw",
    "--nodes 3": "UVDHIW ijvxmrw",
    "--nodes 3 --subnets 1": "UVDHIW ijvxmrw",
    "--nodes 1": "d UVDHIW ijvxmrw",
    "--nodes 1 --policy": "ijvxmrw",
    "--nodes 1 --encryption": "W w",
    "--routed-underlay": "UVDHIW ijvxmrw",  # nothing to route between
    # the mesh against its guidance
    "--nodes 100": "UVDHIW ijvxmrw",
    "--nodes 101": "UVDHIW ijvxrw",
    "--nodes 5000 --policy --no-vxlan --no-ipip": "rw",
    "--nodes 500 --no-bgp": "UVDHIW vxw",
    # routers in between
    "--subnets 2": "UVDIW ijvxw",
    "--subnets 20 --nodes 60": "UVDIW ijvxw",
    "--subnets 2 --routed-underlay": "UVDIW ijvxmrw",  # host-gw's next hop must be on the link, whoever routes
    "--subnets 2 --nodes 400 --routed-underlay": "UVDIW ijvxrw",
    "--subnets 2 --no-vxlan": "UIW ijw",
    "--subnets 2 --no-ipip": "UVDW vxw",  # Azure
    "--subnets 2 --no-ipip --no-bgp": "UVDW vxw",
    "--subnets 2 --no-vxlan --no-ipip": "UW w",
    "--subnets 2 --no-vxlan --no-ipip --routed-underlay": "UW mrw",
    "--subnets 2 --no-vxlan --no-ipip --routed-underlay --policy --nodes 12": "mrw",
    "--subnets 2 --no-vxlan --no-bgp": "UIW w",
    "--subnets 3 --no-vxlan --no-ipip --no-bgp --policy": "w",
    # policy: Calico's
    "--policy": "ijvxmrw",
    "--policy --no-bgp": "vxw",
    "--policy --no-vxlan": "ijmrw",
    "--policy --no-vxlan --no-ipip": "mrw",
    "--policy --no-vxlan --no-ipip --no-bgp": "w",
    "--policy --subnets 4": "ijvxw",
    "--policy --subnets 4 --no-ipip": "vxw",
    "--policy --subnets 4 --routed-underlay --no-vxlan": "ijmrw",
    # encryption: WireGuard, whoever configures it
    "--encryption": "W w",
    "--encryption --policy": "w",
    "--encryption --subnets 3": "W w",
    "--encryption --no-bgp": "W w",
    "--encryption --policy --no-bgp --no-vxlan --no-ipip --nodes 900 --subnets 9": "w",
    # what a network lets through
    "--no-bgp": "UVDHIW vxw",
    "--no-vxlan": "UHIW ijmrw",
    "--no-ipip": "UVDHW vxmrw",
    "--no-vxlan --no-ipip": "UHW mrw",
    "--no-vxlan --no-ipip --no-bgp": "UHW w",
    "--no-bgp --no-vxlan": "UHIW w",
}

networks = some.builds(
    Constraints,
    nodes=some.none() | some.integers(20, 300),
    subnets=some.none() | some.integers(1, 20),
    routed_underlay=some.booleans(),
    policy=some.booleans(),
    encryption=some.booleans(),
    no_bgp=some.booleans(),
    no_vxlan=some.booleans(),
    no_ipip=some.booleans(),
)


@cache
def asked(*typed):
    done = CliRunner().invoke(app, ["advise", *typed, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_there_are_forty_networks():
    assert len(ANSWERS) >= 40


@pytest.mark.parametrize("typed", ANSWERS, ids=lambda typed: typed or "nothing")
def test_what_an_engineer_would_answer(typed):
    found = asked(*typed.split())
    left = {row["mode"] for row in found["rows"] if row["admissible"]}
    assert left == {LETTERS[letter] for letter in ANSWERS[typed].replace(" ", "")}
    for row in found["rows"]:
        assert row["admissible"] == (row["refused_by"] == [])
        assert row["place_low"] is None  # no study was given
        assert row["place_high"] is None


def test_every_rule_refuses_somewhere_in_the_table_and_has_its_source():
    used = {code for typed in ANSWERS for row in asked(*typed.split())["rows"] for code in row["refused_by"]}
    assert used == set(RULES)
    assert all(len(rule.source) > 20 for rule in [*RULES.values(), *CAUTIONS.values()])


@pytest.mark.parametrize(
    ("mode", "constraints", "codes"),
    [
        ("host", {}, ["no_pod_network"]),
        ("docker-bridge", {}, ["one_node_only"]),
        ("docker-bridge", {"nodes": 2, "policy": True}, ["one_node_only", "no_policy"]),
        ("flannel-host-gw", {"subnets": 2, "routed_underlay": True}, ["needs_one_l2"]),
        ("calico-bgp-rr", {"subnets": 2}, ["needs_routed_underlay"]),
        ("calico-bgp-mesh", {"nodes": MESH_NODES + 1, "no_bgp": True}, ["mesh_too_large", "needs_bgp"]),
        ("calico-ipip", {"no_bgp": True, "no_ipip": True, "encryption": True}, ["not_encrypted", "needs_bgp", "uses_ipip"]),
        ("flannel-vxlan-directrouting", {"no_vxlan": True}, ["uses_vxlan"]),
    ],
)  # fmt: skip
def test_which_rules_refuse(mode, constraints, codes):
    assert list(refusals(MODES[mode], Constraints(**constraints))) == codes


@pytest.mark.parametrize(
    ("mode", "constraints", "codes"),
    [
        ("flannel-udp", {}, ["debugging_only"]),
        ("flannel-ipip", {}, ["experimental"]),
        ("flannel-host-gw", {}, ["not_in_clouds"]),
        ("calico-ipip", {"nodes": 300}, ["reflectors_advised"]),
        ("calico-ipip", {"nodes": 30}, []),
        ("calico-wireguard", {"encryption": True, "no_bgp": True}, ["clear_on_one_node", "bgp_can_be_off"]),
        ("calico-vxlan", {"nodes": 300}, []),
    ],
)
def test_what_is_worth_knowing(mode, constraints, codes):
    assert list(cautions(MODES[mode], Constraints(**constraints))) == codes


@given(
    networks,
    some.sampled_from(
        ["policy", "encryption", "no_bgp", "no_vxlan", "no_ipip", "subnets", "nodes", "hidden"]
    ),
)
def test_another_constraint_never_admits_a_mode(network, name):
    """A larger network, one more requirement, or a permission withdrawn: only ever fewer modes."""
    more = {"subnets": 20, "nodes": 400, "hidden": False}.get(name, True)
    field = "routed_underlay" if name == "hidden" else name
    tighter = Constraints(**{**network.to_dict(), field: more})
    assert set(admissible(tighter)) <= set(admissible(network))


@given(networks)
def test_refused_is_what_a_rule_refuses(network):
    left = admissible(network)
    assert all((name in left) == (not refusals(mode, network)) for name, mode in MODES.items())
    assert "host" not in left
    assert network.only(*network.given) == network


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"nodes": 2, "subnets": 3},
            "3 subnets for 2 nodes: at most one subnet a node; give --nodes 3 or more",
        ),
        ({"nodes": 0}, "nodes 0: a whole number from 1 on"),
        ({"subnets": -1}, "subnets -1: a whole number from 1 on"),
    ],
)
def test_what_contradicts_itself_is_told(given, words):
    with pytest.raises(DataError, match=words):
        Constraints(**given)


def test_the_terminal_speaks_both_languages():
    typed = ["advise", "--subnets", "2", "--no-ipip"]
    english, chinese = (CliRunner().invoke(app, [*typed, "--lang", lang]).stdout for lang in ("en", "zh"))
    assert "needs all nodes in one layer-2 network" in english
    assert "要求所有节点在同一个二层网络" in chinese
    assert english.count("flannel-vxlan\n") == chinese.count("flannel-vxlan\n")
