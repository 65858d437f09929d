"""What a real Calico's nodes had in each mode, as recorded, judged against what each mode asks for, one fact changed at a time.

The records are a real Felix', BIRD's and kernel's: see record_calico.py.
"""

import copy
import json
import subprocess
from pathlib import Path

import pytest

from cnilab.errors import ClusterError
from cnilab.localcluster.calico import ROOT
from cnilab.localcluster.compiling import MODULES
from cnilab.testbeds.kubernetes import placing
from cnilab.testbeds.kubernetes.executing import Finished
from cnilab.testbeds.kubernetes.switching import calico, calico_nodes, calico_settling, kernels

BIRD = MODULES["calico-files"].result / ROOT / "usr/bin/bird"
DATA = Path(__file__).parents[2] / "data" / "calico"
RECORDED = {p.stem: json.loads(p.read_text()) for p in sorted(DATA.glob("*.json"))}
POOLS = {
    "calico-vxlan": {"vxlanMode": "Always"},
    "calico-vxlan-crosssubnet": {"ipipMode": "Never", "vxlanMode": "CrossSubnet"},
    "calico-bgp-mesh": {"ipipMode": "Never", "vxlanMode": "Never"},
    "calico-bgp-rr": {"ipipMode": "Never"},
}
VXLAN_ADDRESS = "projectcalico.org/IPv4VXLANTunnelAddr"


def states(mode, change=lambda node, answers: None):
    found = []
    for name, answers in copy.deepcopy(RECORDED[mode]["nodes"]).items():
        change(name, answers)
        (node,) = placing.read([answers["node"]])
        found.append(calico_nodes.read(node, answers["node"]["metadata"]["annotations"], answers["look"]))
    return found


def asked(mode, felix=(), config=(), **more):
    pool = {"cidr": "10.244.0.0/16", **POOLS[mode]}
    options = {"bird": True, "mesh": mode != "calico-bgp-rr", **more}
    return calico_nodes.asked([pool], dict(felix), dict(config), **options)


def parts(answers, index, change):
    """Change one part of a node's answer."""
    told = answers["look"].split("\x1e")
    told[index] = change(told[index])
    answers["look"] = "\x1e".join(told)


def on(node, index, change):
    return lambda name, answers: parts(answers, index, change) if name == node else None


@pytest.mark.parametrize("mode", RECORDED)
def test_a_mode_in_place_lacks_nothing(mode):
    assert calico_nodes.lacks(states(mode), asked(mode)) == []


@pytest.mark.parametrize("there", RECORDED)
@pytest.mark.parametrize("wanted", RECORDED)
def test_every_other_mode_is_told_from_it(there, wanted):
    """A change has not arrived as long as the nodes are as they were."""

    def marked(name, answers):
        if wanted == "calico-bgp-rr" and name == "n1":
            answers["node"]["metadata"]["annotations"][calico_nodes.CLUSTER_ID] = "244.0.0.1"

    lacking = calico_nodes.lacks(states(there, marked), asked(wanted))
    assert bool(lacking) == (there != wanted), lacking
    if there != wanted:
        assert {line.partition(":")[0] for line in lacking} <= {"n1", "n2", "n3"}


@pytest.mark.parametrize(
    ("mode", "change", "told"),
    [
        (
            "calico-bgp-mesh",
            on("n2", 0, lambda _: "1450"),
            "n2: Felix gives new pods an MTU of 1450, not yet 1500",
        ),
        (
            "calico-vxlan",
            on("n3", 0, lambda _: "1500"),
            "n3: Felix gives new pods an MTU of 1500, not yet 1450",
        ),
        (
            "calico-vxlan",
            on("n1", 1, lambda t: t.replace('"local":"10.244', '"label":"10.244')),
            "n1: no vxlan.calico with an address",
        ),
        (
            "calico-bgp-mesh",
            on("n1", 1, lambda t: t.replace('"ifname":"eth0"', '"ifname":"vxlan.calico"')),
            "n1: vxlan.calico is still there",
        ),
        (
            "calico-bgp-mesh",
            on("n1", 1, lambda t: t.replace('"ifname":"lo"', '"ifname":"tunl0"')),
            "n1: tunl0 is still there",
        ),
        (
            "calico-bgp-mesh",
            on("n3", 3, lambda t: t.replace("Established", "Active: refused")),
            "is Active: refused",
        ),
        ("calico-bgp-mesh", on("n3", 3, lambda t: ""), "n3: no session with n1"),
        ("calico-bgp-rr", on("n2", 3, lambda t: ""), "n2: no session with n1"),
    ],
)
def test_one_thing_that_is_not_yet_so(mode, change, told):
    lacking = calico_nodes.lacks(states(mode, change), asked(mode))
    assert any(told in line for line in lacking), lacking


def test_a_route_that_bird_has_not_put_into_the_kernel():
    """BIRD knows its own blocks first; where it was not told of the new pool, the kernel has none of them."""

    def without(name, answers):
        parts(
            answers, 2, lambda t: json.dumps([r for r in json.loads(t) if not r["dst"].startswith("10.244")])
        )

    lacking = calico_nodes.lacks(states("calico-bgp-mesh", without), asked("calico-bgp-mesh"))
    assert sum("no route into nowhere for its own" in line for line in lacking) == 3
    assert sum("no route to 10.244." in line for line in lacking) == 6


def test_a_route_that_still_leaves_by_the_tunnel():
    def tunnelled(name, answers):
        parts(
            answers,
            2,
            lambda t: t.replace('"dev":"eth0","protocol":"bird"', '"dev":"vxlan.calico","protocol":"bird"'),
        )

    lacking = calico_nodes.lacks(states("calico-bgp-mesh", tunnelled), asked("calico-bgp-mesh"))
    assert any("leaves by vxlan.calico" in line for line in lacking)


def test_an_annotation_that_calico_node_has_not_taken_away():
    def told(name, answers):
        answers["node"]["metadata"]["annotations"][VXLAN_ADDRESS] = "10.244.9.9"

    assert calico_nodes.lacks(states("calico-bgp-mesh", told), asked("calico-bgp-mesh")) == [
        f"n{i}: annotation {VXLAN_ADDRESS} is still there" for i in (1, 2, 3)
    ]


def test_a_reflectors_mark_that_came_back():
    """A marked node takes no part in the mesh, and the others leave it out."""

    def marked(name, answers):
        if name == "n1":
            answers["node"]["metadata"]["annotations"][calico_nodes.CLUSTER_ID] = "244.0.0.1"
            parts(answers, 3, lambda _: "")

    assert calico_nodes.lacks(states("calico-bgp-mesh", marked), asked("calico-bgp-mesh")) == []
    # which is why the marks themselves are looked after: see calico_settling.stay


def test_an_mtu_set_by_hand_is_what_felix_goes_by():
    by_felix = asked("calico-vxlan", {"vxlanMTU": 1400})
    assert all("1450, not yet 1400" in line for line in calico_nodes.lacks(states("calico-vxlan"), by_felix))
    by_config = asked("calico-vxlan", config={"veth_mtu": "1400"})
    assert len(calico_nodes.lacks(states("calico-vxlan"), by_config)) == 3


def test_a_tunnel_forced_on_is_not_waited_to_go():
    forced = asked("calico-bgp-mesh", {"vxlanEnabled": True})
    lacking = calico_nodes.lacks(states("calico-vxlan-crosssubnet"), forced)
    assert lacking
    assert not any("still there" in line for line in lacking)


def test_without_bird_no_session_is_asked_for():
    quiet = states("calico-vxlan", lambda name, answers: parts(answers, 3, lambda _: ""))
    assert calico_nodes.lacks(quiet, asked("calico-vxlan"))
    assert calico_nodes.lacks(quiet, asked("calico-vxlan", bird=False)) == []


def test_an_answer_of_another_form_is_an_error():
    with pytest.raises(ClusterError, match="node n1: its state cannot be read"):
        calico_nodes.read(
            placing.read([RECORDED["calico-vxlan"]["nodes"]["n1"]["node"]])[0], {}, "sh: not found"
        )


# ---- devices that the kernel has not -----------------------------------------------------------------------------


def answering(**by_node):
    def run(pod, argv):
        code, said = by_node.get(pod["node"], (0, b""))
        assert kernels.PROBE in argv[-1]
        return Finished(code, b"", said)

    return {n: {"node": n} for n in ("n1", "n2")}, run


@pytest.mark.parametrize("kind", ["ipip", "wireguard", "vxlan"])
@pytest.mark.parametrize(
    "said", [b"Error: Unknown device type.\n", b"RTNETLINK answers: Operation not supported\n"]
)
def test_a_device_that_one_node_cannot_make(kind, said):
    why = kernels.why_not(*answering(n2=(2, said)), kind)
    assert why == f"the kernel of n2 has no {kind} device (ip: {said.decode().strip()})"


def test_what_cannot_be_tried_is_not_refused():
    assert kernels.why_not(*answering(n1=(1, b"RTNETLINK answers: Operation not permitted\n")), "ipip") == ""
    assert kernels.why_not(*answering(n1=(127, b"sh: ip: not found\n")), "ipip") == ""

    def lost(pod, argv):
        raise ClusterError("pods/exec is forbidden")

    assert kernels.why_not({"n1": {}}, lost, "wireguard") == ""
    assert kernels.why_not({"n1": {}}, lost, "none") == ""


# ---- marks -------------------------------------------------------------------------------------------------------


class Node:
    """A node's object whose annotation something else brings back a number of times."""

    look_again_s = 0.0

    def __init__(self, comes_back):
        self.left = comes_back
        self.item = {
            "metadata": {"resourceVersion": "1", "annotations": {calico_nodes.CLUSTER_ID: "244.0.0.1"}}
        }

    def get(self, path):
        if self.left and calico_nodes.CLUSTER_ID not in self.item["metadata"]["annotations"]:
            self.left -= 1
            self.item["metadata"]["annotations"][calico_nodes.CLUSTER_ID] = "244.0.0.1"
        return copy.deepcopy(self.item)

    def patch(self, path, change):
        for key, value in change["metadata"]["annotations"].items():
            assert value is None
            self.item["metadata"]["annotations"].pop(key, None)
        return self.item


def test_marks_that_come_back_are_taken_away_again(monkeypatch):
    settled = []
    monkeypatch.setattr(calico_settling, "settle", lambda api, pools: settled.append(pools))
    monkeypatch.setattr(calico_settling, "QUIET_S", 0.01)
    node = Node(comes_back=2)
    calico_settling.stay(node, "n1", calico_settling.NO_MARKS, [])
    assert calico_nodes.CLUSTER_ID not in node.item["metadata"]["annotations"]
    assert (node.left, len(settled)) == (0, 3)
    with pytest.raises(ClusterError, match="comes back on n1 however often"):
        calico_settling.stay(Node(comes_back=100), "n1", calico_settling.NO_MARKS, [])


@pytest.mark.skipif(not BIRD.exists(), reason="Calico is not built; type: make cluster-build")
def test_the_mode_that_needs_calicos_own_bird_is_refused_with_another_one(monkeypatch):
    def here(argv):
        """The kernel has every device, and BIRD is the one that was unpacked."""
        if kernels.PROBE in argv[-1]:
            return Finished(0)
        done = subprocess.run(argv, env={"PATH": f"{BIRD.parent}:/usr/bin:/bin"}, capture_output=True)
        return Finished(done.returncode, done.stdout, done.stderr)

    found = type("Found", (), {"nodes": ()})()
    monkeypatch.setattr(calico_nodes, "agents", lambda api: {"n1": {"node": "n1"}})
    monkeypatch.setattr(calico_nodes, "run", lambda api, pod, argv: here(argv))
    assert "needs Calico's own BIRD" in calico.why_not(None, found, "calico-ipip")
    assert calico.why_not(None, found, "calico-vxlan") == ""
    monkeypatch.setattr(calico_nodes, "run", lambda api, pod, argv: Finished(0))
    assert calico.why_not(None, found, "calico-ipip") == ""
