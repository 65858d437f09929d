"""Detection where objects disagree, are half there, or are written in a less common way; against a real API server."""

import json

import pytest

from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.detecting import flannel
from tests.testbeds.kubernetes.objects import FLANNEL, World, pool

K3S, RKE2 = "k3s.io/node-args", "rke2.io/node-args"
PODS = "/api/v1/namespaces/kube-flannel/pods"


@pytest.fixture
def world(control_plane):
    made = World(Api.load(str(control_plane.admin)))
    yield made
    made.clear()


def told(found, *texts):
    return all(any(text in warning for warning in found.warnings) for text in texts)


def modes_of(found):
    return {n.node: n.mode for n in found.per_node}


# ---- flannel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "backend"),
    [
        ("{}", {"type": "udp"}),
        ('{"Backend": {}}', {"type": ""}),
        ('{"Backend": null}', {"type": ""}),
        ('{"BACKEND": {"TYPE": "VXLAN", "vni": 3}}', {"type": "vxlan", "vni": 3}),
    ],
)
def test_a_backend_is_read_as_go_reads_it(conf, backend):
    assert flannel.backend(conf) == backend


@pytest.mark.parametrize(
    ("conf", "why"),
    [("[]", "not an object"), ('{"Backend": "vxlan"}', "Backend is 'vxlan'"), ("", "Expecting value")],
)
def test_what_is_no_object_is_an_error_with_its_value(conf, why):
    with pytest.raises(ValueError, match=why):
        flannel.backend(conf)


def test_directrouting_is_a_boolean():
    assert flannel.mode_of({"type": "vxlan", "directrouting": "false"}) == "flannel-vxlan"


@pytest.mark.parametrize(
    ("container", "prefix"),
    [
        ({}, "flannel.alpha.coreos.com/"),
        ({"args": ["--kube-annotation-prefix=me.example"]}, "me.example/"),
        ({"args": ["--kube-annotation-prefix", "me.example"]}, "me.example/"),
        ({"command": ["/flanneld", "-kube-annotation-prefix=me.example/net1"]}, "me.example/net1-"),
        ({"env": [{"name": "FLANNELD_KUBE_ANNOTATION_PREFIX", "value": "me.example"}]}, "me.example/"),
        ({"env": [{"name": "FLANNELD_KUBE_ANNOTATION_PREFIX", "value": "a.b"}], "args": ["-kube-annotation-prefix=c.d"]}, "c.d/"),
    ],
)  # fmt: skip
def test_the_annotations_own_prefix_in_each_way_to_say_it(world, container, prefix):
    world.config("kube-flannel", "kube-flannel-cfg", **{"net-conf.json": '{"Backend": {"Type": "host-gw"}}'})
    world.daemonset("kube-flannel", "kube-flannel-ds", "kube-flannel", "flannel:v1", **container)
    world.node("n1", **{f"{prefix}backend-type": "host-gw", f"{prefix}public-ip": "192.0.2.11"})
    found = detect(world.api)
    assert (found.mode, found.warnings) == ("flannel-host-gw", ())
    assert found.per_node[0].says == {"backend-type": "host-gw", "public-ip": "192.0.2.11"}


def agent(world, name, started, restarted=None):
    """flannel's pod of a node, with the times its kubelet would tell."""
    container = {"name": "kube-flannel", "image": "flannel:v1"}
    metadata = {"labels": {"app": "kube-flannel-ds"}}
    world.put(PODS, name, metadata=metadata, spec={"nodeName": name, "containers": [container]})
    status = {"startTime": started, "phase": "Running"}
    if restarted:
        state = {"running": {"startedAt": restarted}}
        told = {"name": "kube-flannel", "image": "", "imageID": "", "ready": True, "restartCount": 1}
        status["containerStatuses"] = [told | {"state": state}]
    world.api.patch(f"{PODS}/{name}/status", {"status": status}, kind="strategic")


@pytest.mark.parametrize("started", [{"n1": True, "n2": True}, {"n1": True, "n2": False}])
def test_an_agent_older_than_the_configuration_may_not_have_its_directrouting(world, started):
    world.flannel({"Type": "vxlan", "DirectRouting": True}, ["vxlan", "vxlan"])
    for node, again in started.items():
        # A container that its kubelet started again reads the file anew; the pod's own age does not tell.
        agent(world, node, "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z" if again else None)
    found = detect(world.api)
    assert found.mode == "flannel-vxlan-directrouting"
    assert told(found, "pending restart: flannel on n2 is older", "cnilab cluster verify") != started["n2"]


def test_nodes_without_flannel_and_back_ends_without_a_mode_are_told(world):
    world.flannel({"Type": "host-gw"}, ["host-gw", "ipsec"])
    world.node("bare")
    found = detect(world.api)
    assert modes_of(found) == {"n1": "flannel-host-gw", "n2": None}
    assert told(found, "not announced itself on bare", "n2 runs back end 'ipsec'")


def test_a_configmap_alone_is_not_taken_for_a_running_flannel(world):
    world.config("kube-flannel", "kube-flannel-cfg", **{"net-conf.json": '{"Backend": {"Type": "ipip"}}'})
    found = detect(world.api)
    assert found.mode == "flannel-ipip"
    assert told(found, "kube-flannel-ds is not there", "no node has flannel's annotations")


@pytest.mark.parametrize(("kind", "mode"), [("vxlan", None), ("host-gw", "flannel-host-gw")])
@pytest.mark.parametrize("daemonset", [True, False])
def test_vxlan_without_a_configmap_may_be_directrouting(world, kind, mode, daemonset):
    if daemonset:
        world.daemonset("kube-flannel", "kube-flannel-ds", "kube-flannel", "flannel:v1")
    world.node("n1", **{f"{FLANNEL}/backend-type": kind})
    found = detect(world.api)
    assert (found.plugin, found.mode) == ("flannel", mode)
    assert told(found, "nothing tells whether with DirectRouting") == (mode is None)


# ---- k3s ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "kinds", "plugin", "modes", "warnings"),
    [
        ([["--flannel-backend=host-gw"], ["--flannel-backend", "host-gw"]], ["host-gw"] * 2, "k3s",
         ["flannel-host-gw"] * 2, []),
        ([["--flannel-backend=vxlan", "--flannel-backend=host-gw"]], ["host-gw"], "k3s", ["flannel-host-gw"], []),
        ([["--flannel-backend=host-gw"], []], ["host-gw", "vxlan"], "k3s", ["flannel-host-gw", "flannel-vxlan"],
         ["the servers ask for different back ends: s1 host-gw, s2 vxlan"]),
        ([["--flannel-backend=tailscale"]], ["extension"], "k3s", [None], ["'extension', for which cnilab has no mode"]),
        ([["--flannel-conf=/etc/own.json"]], ["vxlan"], "k3s", [None], ["by a file of its own (--flannel-conf)"]),
        ([["--flannel-backend=none"]], ["vxlan"], "k3s", ["flannel-vxlan"], ["annotations are left over"]),
        ([["--flannel-backend=wireguard-native"]], ["vxlan"], "k3s", ["flannel-vxlan"],
         ["pending restart: the servers ask for wireguard, nodes run vxlan"]),
    ],
)  # fmt: skip
def test_k3s_servers_and_what_their_nodes_run(world, servers, kinds, plugin, modes, warnings):
    for number, (argv, kind) in enumerate(zip(servers, kinds, strict=True), 1):
        world.node(f"s{number}", **{K3S: json.dumps(["server", *argv]), f"{FLANNEL}/backend-type": kind})
    found = detect(world.api)
    assert (found.plugin, [n.mode for n in found.per_node]) == (plugin, modes)
    assert len(found.warnings) == len(warnings)
    assert told(found, *warnings)
    assert ("none" in str(servers)) == (found.mode is None and modes[0] is not None)


def test_arguments_that_cannot_be_read_leave_the_nodes_word(world):
    world.node("s1", **{RKE2: "not json", f"{FLANNEL}/backend-type": "host-gw"})
    world.node("silent", **{RKE2: '["agent"]'})
    found = detect(world.api)
    assert (found.plugin, found.mode) == ("rke2", "flannel-host-gw")
    assert found.warnings == ("flannel has not announced itself on silent",)


# ---- Calico ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pools", "more", "mode", "warning"),
    [
        ([pool("Always")], {"bgp": {"nodeToNodeMeshEnabled": False}}, None, "there are no BGPPeers: no routes between nodes"),
        ([pool(vxlan="Always")], {"bgp": {"nodeToNodeMeshEnabled": False}}, "calico-vxlan", None),
        ([pool("Always")], {"bgp": {}}, "calico-ipip", None),
        ([pool(), pool("Always", cidr="10.9.0.0/16", allowedUses=["Tunnel"])], {}, "calico-bgp-mesh",
         "pool p1 is for Tunnel, not for pods"),
        ([pool("Always", disabled=True)], {}, None, "no enabled IPv4 pool"),
        ([pool("Always"), pool(cidr="10.9.0.0/16", disabled=True)], {}, "calico-ipip", "pool p1 is disabled"),
        ([pool("Always"), pool(cidr="fd00::/48")], {}, "calico-ipip", None),
        ([pool("Always"), pool("Always", cidr="10.9.0.0/16")], {}, "calico-ipip", None),
        ([pool("Always")], {"felix": {"ipipEnabled": False}}, "calico-ipip", "forces ipipEnabled to false"),
        ([pool()], {"felix": {"bpfEnabled": True}}, "calico-bgp-mesh", "eBPF data plane"),
        ([pool("Always")], {"nodes": {"n1": {"IPv4IPIPTunnelAddr": ""}}}, "calico-ipip", "no IPv4IPIPTunnelAddr on n1"),
        ([pool()], {"nodes": {"n1": {"RouteReflectorClusterID": "1.0.0.1"}}}, "calico-bgp-mesh", "mesh is still on"),
        ([pool()], {"felix": {"programClusterRoutes": "Enabled"}, "bgp": {"programClusterRoutes": "Disabled"}},
         "calico-bgp-mesh", None),
        ([pool()], {"bgp": {"programClusterRoutes": "Disabled"}}, None, "neither BIRD nor Felix"),
    ],
)  # fmt: skip
def test_calico_by_its_objects(world, pools, more, mode, warning):
    world.calico(*((f"p{n}", spec) for n, spec in enumerate(pools)), **more)
    found = detect(world.api)
    assert found.mode == mode
    assert bool(found.warnings) == bool(warning)
    assert told(found, warning or "") == bool(warning)


@pytest.mark.parametrize(
    ("backend", "mode", "writer"),
    [("bird", "calico-ipip", "BIRD"), ("vxlan", None, None), ("none", None, None)],
)
def test_the_daemonsets_own_word_on_the_back_end_goes_first(world, backend, mode, writer):
    world.config("kube-system", "calico-config", calico_backend="bird")
    world.calico(("p", pool("Always")))
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"
    env = [{"name": "CALICO_NETWORKING_BACKEND", "value": backend}]
    containers = [{"name": "calico-node", "image": "calico/node:v3.32.1", "env": env}]
    world.api.patch(path, {"spec": {"template": {"spec": {"containers": containers}}}})
    found = detect(world.api)
    assert (found.mode, found.routes_by) == (mode, writer)
    assert told(found, "Calico does policy only (backend none)") == (backend == "none")


def test_the_operators_policy_only_and_its_pending_pool(world):
    network = {"bgp": "Enabled", "ipPools": [{"cidr": "10.244.0.0/17", "encapsulation": "VXLAN"}]}
    world.calico(("p", pool("Always")), operator=network)
    found = detect(world.api)
    assert found.mode == "calico-ipip"
    assert told(
        found, "pending: the Installation asks for VXLAN in 10.244.0.0/17, its pool p has ipipMode Always"
    )
    path = "/apis/operator.tigera.io/v1/installations/default"
    world.api.patch(path, {"spec": {"cni": {"type": "AmazonVPC"}}})
    found = detect(world.api)
    assert found.mode is None
    assert told(found, "policy only (CNI AmazonVPC)")


def test_a_node_of_its_own_felix_configuration_and_a_silent_one(world):
    nodes = {"n1": {"WireguardPublicKey": "k"}, "n2": {"WireguardPublicKey": "k"}}
    world.calico(("p", pool()), felix={"wireguardEnabled": False}, nodes=nodes)
    world.custom("FelixConfiguration", "node.n2", {"wireguardEnabled": True})
    world.node("n3")
    found = detect(world.api)
    assert (found.mode, modes_of(found)) == ("mixed", {"n1": "calico-bgp-mesh", "n2": "calico-wireguard"})
    assert told(found, "node.n2 overrides wireguardEnabled True", "not announced itself on n3")


def test_peers_outside_of_the_cluster_are_told(world):
    world.calico(("p", pool()), bgp={"nodeToNodeMeshEnabled": False})
    world.custom("BGPPeer", "tor", {"peerIP": "192.0.2.1", "asNumber": 64512})
    found = detect(world.api)
    assert found.mode == "calico-bgp-rr"
    assert told(found, "no node reflects routes")


def test_an_aggregated_server_that_does_not_answer_is_told_and_gone_around(world):
    world.calico(("p", pool("Always")), api="v1")
    world.namespace("calico-apiserver")
    where = {"namespace": "calico-apiserver", "name": "calico-api", "port": 443}
    spec = {"group": "projectcalico.org", "version": "v3", "service": where, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    world.put("/apis/apiregistration.k8s.io/v1/apiservices", "v3.projectcalico.org", spec=spec)
    impatient = Api(world.api.configuration, patience_s=1)

    def refused():
        try:
            return impatient.get("/apis/projectcalico.org/v3") is None
        except Exception as error:
            return getattr(error, "status", 0) == 503

    world.api.wait("the service is registered", refused, 20)
    found = detect(impatient)
    assert found.mode == "calico-ipip"
    assert told(found, "projectcalico.org/v3 is registered and does not answer")
    assert ("API", "crd.projectcalico.org/v1") in [(f.where, f.field) for f in found.facts]


# ---- others ------------------------------------------------------------------------------------------------------


def test_rke2s_canal_and_its_nodes(world):
    world.config(
        "kube-system", "rke2-canal-config", **{"net-conf.json": '{"Backend": {"Type": "wireguard"}}'}
    )
    world.daemonset("kube-system", "rke2-canal", "kube-flannel", "flannel:v0.27.0")
    world.node("n1", **{f"{FLANNEL}/backend-type": "wireguard"})
    found = detect(world.api)
    assert (found.plugin, found.mode, found.version) == ("canal", None, "v0.27.0")
    assert found.per_node[0].says == {"backend-type": "wireguard"}


def test_a_chained_cilium_and_a_configmap_that_is_left_over(world):
    world.config("kube-system", "cilium-config", **{"cni-chaining-mode": "flannel"})
    assert detect(world.api).plugin is None
    world.daemonset("kube-system", "cilium", "cilium-agent", "cilium:v1.18.2")
    found = detect(world.api)
    assert found.plugin == "cilium"
    assert told(found, "chained to another plugin (flannel)")
