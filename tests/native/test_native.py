"""Every mode with the kernel's native devices, proved on a kernel that has them all: Debian's own, emulated.

The kernel cnilab runs on may have no ``ipip`` and no ``wireguard``; then the lab substitutes and says so, and
its native steps would never run. One boot verifies all modes; its speed means nothing, its proofs do.
"""

import json
import sys
from pathlib import Path

import pytest

from cnilab.errors import Unavailable
from cnilab.modes import MODES
from cnilab.runs.samples import PLACEMENTS
from cnilab.setup.build import built
from tests.native import machine

pytestmark = [pytest.mark.native, pytest.mark.slow, pytest.mark.xdist_group("native")]

LIMIT_S = 480  # far more than it takes on two idle cores; a stuck machine is killed then
NODES = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "198.51.100.13"}
KEEPS_TO_SUBNET = {mode.id for mode in MODES.values() if not mode.reaches("cross_subnet", "plain")}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """``{"rows": {(mode, placement): row}, "evidence": {mode: evidence}}`` of one boot."""
    try:
        machine.ready()
        for program in ("udp_proxy", "ipip.bpf.o"):
            built(program)  # here and not there, where a compiler is twenty times slower
    except (machine.Missing, Unavailable) as missing:
        pytest.skip(str(missing))
    out = tmp_path_factory.mktemp("native")
    inside = str(Path(__file__).with_name("inside.py"))
    this_checkout = f"PYTHONPATH={machine.ROOT}"
    console = machine.boot(["/usr/bin/env", this_checkout, sys.executable, inside, "/run/out"], out, LIMIT_S)
    print(console)
    verify, evidence = out / "verify.json", out / "evidence.json"
    assert evidence.exists(), f"the machine did not finish; its console:\n{console[-3000:]}"
    rows = {(r["mode"], r["placement"]): r for r in json.loads(verify.read_text())["rows"]}
    return {"rows": rows, "evidence": json.loads(evidence.read_text())}


def link(told, mode, node, name):
    """A device as ``ip -j -d link`` tells it; a txqueuelen of 0 is left out there."""
    return next(x for x in told["evidence"][mode]["nodes"][node]["links"] if x["ifname"] == name)


def routes(told, mode, node, device):
    """Routes out of ``device``, but those of the local table."""
    return [r for r in of_node(told, mode, node) if r.get("dev") == device and r.get("table") != "local"]


def of_node(told, mode, node):
    return told["evidence"][mode]["nodes"][node]["routes"]


def test_every_mode_was_verified_in_every_placement(told):
    assert set(told["rows"]) == {(mode, placement) for mode in MODES for placement in PLACEMENTS}
    assert len(MODES) == 15


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_native_and_proved(mode, told):
    for placement in PLACEMENTS:
        row = told["rows"][mode, placement]
        assert (row["status"], row["kernel_path"]) == ("ok", "native"), f"{placement}: {row['reason']}"
        assert row["checks"]
        assert all(check["ok"] for check in row["checks"])
        unreachable = mode in KEEPS_TO_SUBNET and placement == "cross_subnet"
        assert row["reachable"] is not unreachable
        if unreachable:
            assert row["reason"]["code"] == "not_crossing"


def test_the_modes_that_keep_to_a_subnet_are_the_catalogues(told):
    assert sorted(KEEPS_TO_SUBNET) == ["calico-bgp-mesh", "calico-bgp-rr", "flannel-host-gw"]


@pytest.mark.parametrize("node", NODES)
def test_flannels_ipip_device(node, told):
    """local NODE remote any ttl inherit nopmtudisc, txqueuelen 0; the module's own tunl0 beside it, down."""
    device = link(told, "flannel-ipip", node, "flannel.ipip")
    data = device["linkinfo"]["info_data"]
    assert (device["linkinfo"]["info_kind"], device["mtu"], device.get("txqlen", 0)) == ("ipip", 1480, 0)
    assert (data["local"], data["remote"], data["ttl"], data["pmtudisc"]) == (NODES[node], "any", 0, False)
    assert "UP" not in link(told, "flannel-ipip", node, "tunl0")["flags"]
    through = routes(told, "flannel-ipip", node, "flannel.ipip")
    assert sorted(r["gateway"] for r in through) == sorted(ip for name, ip in NODES.items() if name != node)
    assert all((r["protocol"], r["flags"]) == ("boot", ["onlink"]) for r in through)


@pytest.mark.parametrize("mode", ["calico-ipip", "calico-ipip-crosssubnet"])
@pytest.mark.parametrize("node", NODES)
def test_calicos_tunl0(mode, node, told):
    """any/any, MTU 1480, txqueuelen 1000, a /32; BIRD's routes through it are onlink with metric 1024."""
    device = link(told, mode, node, "tunl0")
    data = device["linkinfo"]["info_data"]
    assert (device["linkinfo"]["info_kind"], device["mtu"], device.get("txqlen", 0)) == ("ipip", 1480, 1000)
    assert (data["local"], data["remote"]) == ("any", "any")
    assert "UP" in device["flags"]
    own = [r for r in of_node(told, mode, node) if r.get("table") == "local" and r.get("dev") == "tunl0"]
    assert [r["type"] for r in own] == ["local"], "a /32 has one local route and no broadcast route"
    through = routes(told, mode, node, "tunl0")
    assert len(through) == {"calico-ipip": 2, "calico-ipip-crosssubnet": 2 if node == "n3" else 1}[mode]
    for route in through:
        assert (route["protocol"], route["metric"], route["flags"]) == ("bird", 1024, ["onlink"])
        assert route["gateway"] in NODES.values()


@pytest.mark.parametrize("mode", ["flannel-ipip", "calico-ipip"])
def test_the_outer_packet_is_the_inner_ones_copy(mode, told):
    """Outer TTL and DF are the inner packet's, and the identification is not 0."""
    seen = told["evidence"][mode]["placements"]["cross_subnet"]["packets"][0]
    packets = [p for p in seen if p["sent"] and p["probe"]]
    assert packets
    for packet in packets:
        outer, inner = packet["outer"], packet["inner"]
        assert (outer["ttl"], outer["df"]) == (inner["ttl"], inner["df"]) == (63, True)
        assert outer["id"] != 0


@pytest.mark.parametrize("node", NODES)
def test_wireguard_devices(node, told):
    """Kernel devices with the plugins' MTUs; flannel's has txqueuelen 0 and one route of scope link."""
    flannel = link(told, "flannel-wireguard", node, "flannel-wg")
    calico = link(told, "calico-wireguard", node, "wireguard.cali")
    kinds = flannel["linkinfo"]["info_kind"], calico["linkinfo"]["info_kind"]
    assert kinds == ("wireguard", "wireguard")
    assert (flannel["mtu"], flannel.get("txqlen", 0), calico["mtu"]) == (1420, 0, 1440)
    (one,) = routes(told, "flannel-wireguard", node, "flannel-wg")
    assert (one["dst"], one["scope"]) == ("10.244.0.0/16", "link")
    encrypted = routes(told, "calico-wireguard", node, "wireguard.cali")
    assert [(str(r["table"]), r["scope"]) for r in encrypted] == [("1", "link")] * 2


def test_the_modules_own_tunnel_does_not_disturb_other_modes(told):
    """With ipip loaded, tunl0 is in every new namespace, and down wherever Calico does not use it."""
    for mode, evidence in told["evidence"].items():
        if mode.startswith("calico-ipip"):
            continue
        for node in evidence["nodes"].values():
            assert all("UP" not in x["flags"] for x in node["links"] if x["ifname"] == "tunl0"), mode
