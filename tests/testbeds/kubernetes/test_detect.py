"""Detection against a real API server that holds what each plugin writes; no agent runs."""

import json

import pytest

from cnilab import modes
from cnilab.testbeds.kubernetes.api import Api, ApiError
from cnilab.testbeds.kubernetes.detect import detect
from tests.testbeds.kubernetes.objects import FLANNEL, World, pool


@pytest.fixture
def world(control_plane):
    made = World(Api.load(str(control_plane.admin)))
    yield made
    made.clear()


def told(found, text):
    return any(text in warning for warning in found.warnings)


def test_nothing_is_an_answer(world):
    world.node("n1")
    found = detect(world.api)
    assert (found.plugin, found.mode, found.missing_rights) == (None, None, ())
    assert "no CNI that cnilab knows" in repr(found)


@pytest.mark.parametrize(
    ("backend", "kind", "mode"),
    [
        ({"Type": "vxlan"}, "vxlan", "flannel-vxlan"),
        ({"Type": "vxlan", "VNI": 7, "Port": 4789}, "vxlan", "flannel-vxlan"),
        ({"Type": "vxlan", "DirectRouting": True}, "vxlan", "flannel-vxlan-directrouting"),
        ({"type": "vxlan", "directRouting": True}, "vxlan", "flannel-vxlan-directrouting"),
        ({"Type": "host-gw"}, "host-gw", "flannel-host-gw"),
        ({"Type": "ipip"}, "ipip", "flannel-ipip"),
        ({"Type": "wireguard"}, "wireguard", "flannel-wireguard"),
        ({"Type": "udp"}, "", "flannel-udp"),
        (None, "", "flannel-udp"),
        ({"Type": "ipsec"}, "extension", None),
    ],
)
def test_each_flannel_mode(world, backend, kind, mode):
    world.flannel(backend, [kind, kind])
    found = detect(world.api)
    assert (found.plugin, found.mode, found.version) == ("flannel", mode, "v0.28.10")
    assert mode is None or mode in modes.MODES
    assert [n.mode for n in found.per_node] == [mode, mode]
    assert told(found, "pending restart") == (mode is None)
    for field, value in (backend or {}).items():
        assert any(
            f.field == f"net-conf.json Backend.{field.lower()}" and f.value == value for f in found.facts
        )


def test_flannel_of_before_0_19_with_its_own_prefix_and_nftables(world):
    world.flannel(
        {"Type": "host-gw"}, ["host-gw"], namespace="kube-system", prefix="me.example", key="backend",
        EnableNFTables=True,
    )  # fmt: skip
    found = detect(world.api)
    assert (found.mode, found.warnings) == ("flannel-host-gw", ())
    assert ("net-conf.json enablenftables", True) in [(f.field, f.value) for f in found.facts]


def test_a_configuration_that_no_agent_has_read_is_pending(world):
    world.flannel({"Type": "host-gw"}, ["vxlan", "vxlan"])
    found = detect(world.api)
    assert found.mode == "flannel-vxlan"  # what runs, not what is asked for
    assert told(found, "pending restart: the ConfigMap asks for host-gw, n1, n2")


def test_nodes_that_differ_are_mixed(world):
    world.flannel({"Type": "host-gw"}, ["host-gw", "vxlan"])
    found = detect(world.api)
    assert found.mode == "mixed"
    assert not found.ok
    assert {n.node: n.mode for n in found.per_node} == {"n1": "flannel-host-gw", "n2": "flannel-vxlan"}


def test_a_configuration_that_is_no_json_is_told(world):
    world.config("kube-flannel", "kube-flannel-cfg", **{"net-conf.json": "{"})
    found = detect(world.api)
    assert found.mode is None
    assert told(found, "net-conf.json cannot be read")


@pytest.mark.parametrize(
    ("plugin", "key", "argv", "kind", "mode", "pending"),
    [
        ("k3s", "k3s.io/node-args", ["server"], "vxlan", "flannel-vxlan", False),
        ("k3s", "k3s.io/node-args", ["server", "--flannel-backend", "wireguard-native"], "wireguard",
         "flannel-wireguard", False),
        ("k3s", "k3s.io/node-args", ["server", "--flannel-backend=host-gw"], "vxlan", "flannel-vxlan", True),
        ("rke2", "rke2.io/node-args", ["server"], "vxlan", "flannel-vxlan", False),
    ],
)  # fmt: skip
def test_flannel_inside_a_distribution(world, plugin, key, argv, kind, mode, pending):
    world.node("server", **{key: json.dumps(argv), f"{FLANNEL}/backend-type": kind})
    world.node("agent", **{key: '["agent"]', f"{FLANNEL}/backend-type": kind})
    found = detect(world.api)
    assert (found.plugin, found.mode, told(found, "pending restart")) == (plugin, mode, pending)


@pytest.mark.parametrize(
    ("ipip", "vxlan", "mode", "writer"),
    [
        ("Always", "Never", "calico-ipip", "BIRD"),
        ("CrossSubnet", "Never", "calico-ipip-crosssubnet", "BIRD"),
        ("Never", "Always", "calico-vxlan", "Felix"),
        ("Never", "CrossSubnet", "calico-vxlan-crosssubnet", "Felix"),
        ("Never", "Never", "calico-bgp-mesh", "BIRD"),
    ],
)
@pytest.mark.parametrize("api", ["v1", "v3"])
def test_each_calico_pool_mode(world, api, ipip, vxlan, mode, writer):
    world.calico(("default", pool(ipip, vxlan)), api=api)
    found = detect(world.api)
    assert (found.plugin, found.mode, found.routes_by) == ("calico", mode, writer)
    assert mode in modes.MODES
    assert found.warnings == ()
    assert any(f.where == "API" and f.field == world.group for f in found.facts)


def test_a_pool_of_both_is_refused_by_the_newer_kind_and_told_with_the_older(world):
    world.calico(api="v3")
    with pytest.raises(ApiError, match="cannot both be enabled"):
        world.custom("IPPool", "both", pool("Always", "Always"))
    world.clear()
    world.made.clear()
    world.calico(("both", pool("Always", "Always")), api="v1")
    found = detect(world.api)
    assert found.mode is None
    assert told(found, "exclude each other")


def test_pools_that_differ_are_mixed_and_a_disabled_one_does_not_count(world):
    other = pool(vxlan="CrossSubnet", cidr="10.245.0.0/16", nodeSelector="zone == 'b'")
    world.calico(("a", pool("Always")), ("b", other), ("c", pool(cidr="10.246.0.0/16", disabled=True)))
    found = detect(world.api)
    assert found.mode == "mixed"
    assert {p.pool: p.mode for p in found.per_pool} == {
        "a": "calico-ipip", "b": "calico-vxlan-crosssubnet", "c": "calico-bgp-mesh",
    }  # fmt: skip
    assert told(found, "pool b is for nodes")
    world.api.delete(f"/apis/{world.group}/ippools/b")
    assert detect(world.api).mode == "calico-ipip"


def test_reflectors_and_a_mesh_that_is_off_without_any(world):
    reflector = {"n1": {"RouteReflectorClusterID": "192.0.2.200"}, "n2": {}}
    world.calico(("default", pool()), bgp={"nodeToNodeMeshEnabled": False}, nodes=reflector)
    found = detect(world.api)
    assert found.mode is None
    assert told(found, "there are no BGPPeers")
    world.custom("BGPPeer", "reflectors", {"nodeSelector": "all()", "peerSelector": "has(reflector)"})
    assert detect(world.api).mode == "calico-bgp-rr"


def test_bird_off_leaves_an_unencapsulated_pool_without_routes(world):
    world.config("kube-system", "calico-config", calico_backend="vxlan")
    world.calico(("plain", pool()), ("tunnel", pool(vxlan="Always", cidr="10.245.0.0/16")))
    found = detect(world.api)
    assert {p.pool: p.mode for p in found.per_pool} == {"plain": None, "tunnel": "calico-vxlan"}
    assert told(found, "pool plain: neither BIRD nor Felix")


@pytest.mark.parametrize(
    ("version", "felix", "bgp", "writer", "fight"),
    [
        ("v3.30.2", {}, {}, "BIRD", False),
        ("v3.32.1", {}, {}, "BIRD", False),
        ("v3.31.0", {"programClusterRoutes": "Enabled"}, {}, "Felix", False),
        ("v3.32.1", {"programClusterRoutes": "Enabled"}, {}, "Felix", True),
        ("v3.32.1", {"programClusterRoutes": "Enabled"}, {"programClusterRoutes": "Disabled"}, "Felix", False),
        ("v3.33.0", {}, {}, "Felix", False),
        ("v3.33.0", {"programClusterRoutes": "Disabled"}, {"programClusterRoutes": "Enabled"}, "BIRD", False),
    ],
)  # fmt: skip
def test_who_writes_an_ipip_pools_routes(world, version, felix, bgp, writer, fight):
    world.calico(("default", pool("Always")), version=version, felix=felix, bgp=bgp)
    found = detect(world.api)
    assert (found.mode, found.routes_by, found.version) == ("calico-ipip", writer, version)
    assert told(found, "undo each other's") == fight


def test_wireguard_counts_where_there_is_a_key(world):
    keys = {"n1": {"WireguardPublicKey": "k1"}, "n2": {}}
    world.calico(("default", pool(vxlan="Always")), felix={"wireguardEnabled": True}, nodes=keys)
    found = detect(world.api)
    assert found.mode == "mixed"
    assert told(found, "no key on n2")
    world.api.patch(
        "/api/v1/nodes/n2", {"metadata": {"annotations": {"projectcalico.org/WireguardPublicKey": "k2"}}}
    )
    assert detect(world.api).mode == "calico-wireguard"
    world.custom("FelixConfiguration", "node.n2", {"wireguardEnabled": False})
    found = detect(world.api)
    assert {n.node: n.mode for n in found.per_node} == {"n1": "calico-wireguard", "n2": "calico-vxlan"}
    assert told(found, "node.n2 overrides wireguardEnabled")


def test_the_operators_calico(world):
    world.calico(
        ("default", pool(vxlan="CrossSubnet")), operator={"bgp": "Disabled", "linuxDataplane": "BPF"}
    )
    found = detect(world.api)
    assert (found.mode, found.per_pool[0].managed_by) == ("calico-vxlan-crosssubnet", "tigera-operator")
    assert ("Installation default", "Disabled") in [(f.where, f.value) for f in found.facts]
    assert told(found, "eBPF data plane")


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        ({"routing-mode": "native"}, {"routing-mode": "native"}),
        ({"routing-mode": "tunnel", "tunnel-protocol": "geneve"}, {"routing-mode": "tunnel", "tunnel-protocol": "geneve"}),
        ({"tunnel": "disabled"}, {"routing-mode": "native"}),
        ({"tunnel": "vxlan"}, {"routing-mode": "tunnel", "tunnel-protocol": "vxlan"}),
    ],
)  # fmt: skip
def test_cilium_is_named_and_given_no_mode(world, data, facts):
    world.kinds("cilium.yaml")
    world.config("kube-system", "cilium-config", **data)
    world.daemonset("kube-system", "cilium", "cilium-agent", "localhost/cilium:v1.18.2@sha256:" + "0" * 64)
    found = detect(world.api)
    assert (found.plugin, found.mode) == ("cilium", None)
    assert {f.field: f.value for f in found.facts} == facts
    assert found.version == "v1.18.2"


def test_canal_is_neither_flannel_nor_calico(world):
    world.config("kube-system", "canal-config", **{"net-conf.json": '{"Backend": {"Type": "vxlan"}}'})
    world.daemonset("kube-system", "canal", "kube-flannel", "localhost/flannel:v0.27.0")
    found = detect(world.api)
    assert (found.plugin, found.mode) == ("canal", None)
    assert ("net-conf.json Backend.type", "vxlan") in [(f.field, f.value) for f in found.facts]


def test_what_is_written_down_carries_its_schema_and_rows(world):
    world.flannel({"Type": "vxlan"}, ["vxlan"])
    written = json.loads(json.dumps(detect(world.api).to_dict()))
    assert written["schema_version"] == 1
    assert written["rows"][0]["node"] == "n1"
    assert written["rows"][0]["mode"] == "flannel-vxlan"
    assert "flannel-vxlan" in detect(world.api)._repr_html_()


def test_many_nodes_come_in_pages_and_no_pods_are_listed_at_large(world, monkeypatch):
    world.flannel({"Type": "vxlan"}, ["vxlan"] * 7)
    asked = []
    real = Api.items

    def small(self, path, *, labels="", fields="", page=500):
        asked.append((path, labels))
        return real(self, path, labels=labels, fields=fields, page=3)

    monkeypatch.setattr(Api, "items", small)
    assert len(detect(world.api).per_node) == 7
    assert all(labels for path, labels in asked if path.endswith("/pods"))
    assert asked
