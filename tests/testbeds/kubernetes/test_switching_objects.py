"""What switching does to the objects of a real API server, and that it is undone wherever it was killed.

Controllers and agents are stand-ins (see standin.py): no packet moves here, and no Calico runs.
"""

import json
from contextlib import suppress
from types import SimpleNamespace

import pytest

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes import switching
from cnilab.testbeds.kubernetes.api import Api, Conflict
from cnilab.testbeds.kubernetes.switching import calico, calico_settling, flannel, state
from cnilab.testbeds.kubernetes.switching import calico_objects as reading
from tests.testbeds.kubernetes.objects import World
from tests.testbeds.kubernetes.standin import Killed, Mortal, StandIn

FLANNEL = "/api/v1/namespaces/kube-flannel"
FLANNEL_DS = "/apis/apps/v1/namespaces/kube-flannel/daemonsets"
CALICO_DS = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"
GROUPS = {"v3": "/apis/projectcalico.org/v3", "crd": "/apis/crd.projectcalico.org/v1"}
NODES = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "198.51.100.13"}
KINDS = {
    "IPPool": "ippools",
    "FelixConfiguration": "felixconfigurations",
    "BGPConfiguration": "bgpconfigurations",
    "BGPPeer": "bgppeers",
}


@pytest.fixture(scope="module")
def plane(control_plane):
    """Nodes and the custom kinds, once."""
    api = Api.load(str(control_plane.admin))
    for name, ip in NODES.items():
        api.create("/api/v1/nodes", {"kind": "Node", "metadata": {"name": name}})
        status = {"addresses": [{"type": "InternalIP", "address": ip}]}
        status["conditions"] = [{"type": "Ready", "status": "True"}]
        api.patch(f"/api/v1/nodes/{name}/status", {"status": status})
        api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
    for file in ("calico-v3.yaml", "calico-v1.yaml", "operator.yaml"):
        World(api).kinds(file)
    return control_plane


def daemonset(name, labels, containers, **more):
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            **more,
        },
    }


@pytest.fixture
def with_flannel(plane):
    """flannel's two objects, made anew for each test."""
    api = Api.load(str(plane.admin))
    with suppress(Conflict):
        api.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": "kube-flannel"}})
    for node in NODES:  # flannel's agents: objects only
        spec = {"nodeName": node, "containers": [{"name": "kube-flannel", "image": "flannel:v0"}]}
        body = {
            "kind": "Pod",
            "metadata": {"name": f"flannel-{node}", "labels": {"app": "flannel"}},
            "spec": spec,
        }
        with suppress(Conflict):
            api.create(f"{FLANNEL}/pods", body)
    net_conf = '{\n  "Network": "10.244.0.0/16",\n  "Backend": {\n    "Type": "vxlan"\n  }\n}\n'
    config = {"kind": "ConfigMap", "metadata": {"name": flannel.CONFIG}, "data": {"net-conf.json": net_conf}}
    api.create(f"{FLANNEL}/configmaps", config)
    container = {"name": "kube-flannel", "image": "flannel:v0"}
    api.create(FLANNEL_DS, daemonset(flannel.DAEMONSET, {"app": "flannel"}, [container]))
    yield SimpleNamespace(api=api, found=SimpleNamespace(plugin="flannel", mode="flannel-vxlan"), plane=plane)
    forget(api)
    api.delete(f"{FLANNEL}/configmaps/{flannel.CONFIG}")
    api.delete(f"{FLANNEL_DS}/{flannel.DAEMONSET}")


def forget(api):
    """Remove the saved state; without controllers its namespace never ends, so its finalizer is taken off here."""
    api.delete(f"{state.PATH}/{state.NAME}")


@pytest.fixture(autouse=True)
def without_kubelets(monkeypatch):
    """Nothing runs in pods here: node clean-up and BIRD's sessions are stand-ins, and namespaces do not end."""
    monkeypatch.setattr(flannel, "clean", lambda *_: [])
    sessions = [
        {"peer": f"Node_{ip.replace('.', '_')}", "state": "up", "since": "", "info": "Established"}
        for ip in NODES.values()
    ]
    monkeypatch.setattr(calico, "bgp_sessions", lambda api, nodes: dict.fromkeys(nodes, sessions))
    monkeypatch.setattr(state, "remove_namespaces", lambda *_: "")
    monkeypatch.setattr(Api, "look_again_s", 0.02)
    monkeypatch.setattr(calico_settling, "QUIET_S", 0.0)


def dump(api, *paths):
    found = {}
    for path in paths:
        for item in api.items(path):
            metadata = item["metadata"]
            ours = {
                k: v
                for k, v in (metadata.get("annotations") or {}).items()
                if not k.startswith(
                    ("flannel.alpha", "deprecated", "projectcalico.org/IPv4", "projectcalico.org/Wire")
                )
            }
            kept = {"labels": metadata.get("labels") or {}, "annotations": ours}
            found[f"{path}/{metadata['name']}"] = {"spec": item.get("spec"), "data": item.get("data"), **kept}
    return found


def flannel_dump(api):
    return dump(api, f"{FLANNEL}/configmaps", FLANNEL_DS, "/api/v1/nodes")


@pytest.mark.parametrize("mode", list(flannel.BACKENDS))
@pytest.mark.parametrize("at_once", [True, False])
def test_flannel_there_and_back(with_flannel, mode, at_once):
    api, before = with_flannel.api, flannel_dump(with_flannel.api)
    with StandIn(with_flannel.plane.admin, [f"{FLANNEL_DS}/{flannel.DAEMONSET}"]):
        switching.switch(api, with_flannel.found, mode, at_once=at_once)
        during = flannel.find(api)
        assert json.loads(during.net_conf) == {"Network": "10.244.0.0/16", "Backend": flannel.BACKENDS[mode]}
        assert flannel.MARK in during.daemonset["spec"]["template"]["metadata"]["annotations"]
        assert (
            during.daemonset["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == "100%"
        ) == at_once
        saved = switching.restore(api)
    assert saved.mode == "flannel-vxlan"
    assert flannel_dump(api) == before
    assert switching.restore(api) is None


def test_the_first_state_saved_is_the_one_to_go_back_to(with_flannel):
    api, before = with_flannel.api, flannel_dump(with_flannel.api)
    with StandIn(with_flannel.plane.admin, [f"{FLANNEL_DS}/{flannel.DAEMONSET}"]):
        for mode in ("flannel-host-gw", "flannel-vxlan-directrouting", "flannel-udp"):
            switching.switch(api, with_flannel.found, mode)
        switching.restore(api)
    assert flannel_dump(api) == before


def test_an_operators_own_strategy_is_put_back(with_flannel):
    api, path = with_flannel.api, f"{FLANNEL_DS}/{flannel.DAEMONSET}"
    api.patch(path, {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}})
    before = flannel_dump(api)
    with StandIn(with_flannel.plane.admin, [path]):
        switching.switch(api, with_flannel.found, "flannel-host-gw")
        switching.restore(api)
    assert flannel_dump(api) == before


def test_somebody_elses_new_configuration_is_not_overwritten(with_flannel):
    api = with_flannel.api
    with StandIn(with_flannel.plane.admin, [f"{FLANNEL_DS}/{flannel.DAEMONSET}"]):
        switching.switch(api, with_flannel.found, "flannel-host-gw")
        theirs = '{"Network": "10.99.0.0/16", "Backend": {"Type": "host-gw"}}'
        api.patch(f"{FLANNEL}/configmaps/{flannel.CONFIG}", {"data": {"net-conf.json": theirs}})
        with pytest.raises(ClusterError, match="cnilab never wrote"):
            switching.restore(api)
    assert flannel.find(api).net_conf == theirs


def test_a_switch_that_fails_is_undone_before_it_is_told(with_flannel, monkeypatch):
    api, before = with_flannel.api, flannel_dump(with_flannel.api)
    monkeypatch.setattr(flannel, "_wait_announced", fail_once(flannel._wait_announced))
    with (
        StandIn(with_flannel.plane.admin, [f"{FLANNEL_DS}/{flannel.DAEMONSET}"]),
        pytest.raises(ClusterError, match="flannel-host-gw: n2 says 'vxlan'; flannel-vxlan was put back"),
    ):
        switching.switch(api, with_flannel.found, "flannel-host-gw")
    assert flannel_dump(api) == before
    assert state.read(api) is None


def fail_once(real):
    calls = []

    def fails(*told):
        calls.append(told)
        if len(calls) == 1:
            raise ClusterError("n2 says 'vxlan'")
        return real(*told)

    return fails


def killed_everywhere(mortal, switch, check, back):
    """Kill a switch at each of its calls in turn, before and after the server acts; each time all must come back."""
    moments = 0
    for after in (False, True):
        for moment in range(1, 400):
            mortal.calls, mortal.dies_at, mortal.after = 0, moment, after
            try:
                switch(mortal)
            except Killed:
                moments += 1
            else:
                mortal.dies_at = None
                back()
                check(moment)
                break
            mortal.dies_at = None
            back()
            check(moment)
        else:
            raise AssertionError("the switch makes more than 400 calls")
    return moments


def test_flannel_killed_at_every_call_comes_back(with_flannel):
    api, before = with_flannel.api, flannel_dump(with_flannel.api)
    mortal = Mortal.load(str(with_flannel.plane.admin))

    def check(moment):
        assert flannel_dump(api) == before, f"killed at call {moment}"

    with StandIn(with_flannel.plane.admin, [f"{FLANNEL_DS}/{flannel.DAEMONSET}"]):
        moments = killed_everywhere(
            mortal,
            lambda a: switching.switch(a, with_flannel.found, "flannel-host-gw"),
            check,
            lambda: switching.restore(api),
        )
    assert moments >= 30


# ---- Calico ------------------------------------------------------------------------------------------------------


def calico_objects(group, managed=False, **pool):
    labels = {"app.kubernetes.io/managed-by": "tigera-operator"} if managed else {}
    version = group.removeprefix("/apis/")
    return {
        f"{group}/ippools": {
            "apiVersion": version,
            "kind": "IPPool",
            "metadata": {"name": "default-ipv4-ippool", "labels": labels},
            "spec": {"cidr": "10.244.0.0/16", "blockSize": 26, "natOutgoing": True, **pool},
        },
        f"{group}/felixconfigurations": {
            "apiVersion": version,
            "kind": "FelixConfiguration",
            "metadata": {"name": "default"},
            "spec": {"logSeverityScreen": "Info"},
        },
    }


@pytest.fixture(params=["v3", "crd", "operator"])
def with_calico(plane, request, monkeypatch):
    """Calico by manifest in either API group, or by the operator; in both, IP-in-IP always."""
    api, managed = Api.load(str(plane.admin)), request.param == "operator"
    group = GROUPS["crd" if request.param == "crd" else "v3"]
    made = []
    if (
        request.param == "crd"
    ):  # both groups are served here; Calico without its API server serves only this one
        monkeypatch.setattr(reading, "GROUPS", (group,))
    for path, body in calico_objects(group, managed, ipipMode="Always", vxlanMode="Never").items():
        api.create(path, body)
        made.append(f"{path}/{body['metadata']['name']}")
    probe = {"exec": {"command": ["/bin/calico-node", "-felix-live"]}}
    container = {"name": "calico-node", "image": "node:v3", "livenessProbe": probe, "readinessProbe": probe}
    api.create(CALICO_DS.rsplit("/", 1)[0], daemonset("calico-node", {"k8s-app": "calico-node"}, [container]))
    made.append(CALICO_DS)
    if managed:
        spec = {
            "calicoNetwork": {
                "bgp": "Enabled",
                "ipPools": [
                    {"cidr": "10.9.0.0/16", "encapsulation": "None"},
                    {"cidr": "10.244.0.0/16", "encapsulation": "IPIP"},
                ],
            }
        }
        body = {
            "apiVersion": "operator.tigera.io/v1",
            "kind": "Installation",
            "metadata": {"name": "default"},
            "spec": spec,
        }
        api.create(calico.INSTALLATION.rsplit("/", 1)[0], body)
        made.append(calico.INSTALLATION)
    else:
        config = {
            "kind": "ConfigMap",
            "metadata": {"name": "calico-config"},
            "data": {"calico_backend": "bird"},
        }
        api.create("/api/v1/namespaces/kube-system/configmaps", config)
        made.append("/api/v1/namespaces/kube-system/configmaps/calico-config")
    yield SimpleNamespace(
        api=api,
        group=group,
        managed=managed,
        plane=plane,
        found=SimpleNamespace(plugin="calico", mode="calico-ipip"),
    )
    forget(api)
    for path in [*made, f"{group}/bgpconfigurations/default", f"{group}/bgppeers/{calico.PEER}"]:
        api.delete(path)


def calico_dump(case):
    paths = [f"{case.group}/{plural}" for plural in KINDS.values()]
    paths += [CALICO_DS.rsplit("/", 1)[0], "/api/v1/namespaces/kube-system/configmaps", "/api/v1/nodes"]
    return dump(case.api, *paths, calico.INSTALLATION.rsplit("/", 1)[0])


ENCAPSULATION = {
    "calico-ipip": ("Always", "Never", "IPIP"),
    "calico-ipip-crosssubnet": ("CrossSubnet", "Never", "IPIPCrossSubnet"),
    "calico-vxlan": ("Never", "Always", "VXLAN"),
    "calico-vxlan-crosssubnet": ("Never", "CrossSubnet", "VXLANCrossSubnet"),
    "calico-bgp-mesh": ("Never", "Never", "None"),
    "calico-bgp-rr": ("Never", "Never", "None"),
    "calico-wireguard": ("Never", "Never", "None"),
}


@pytest.mark.parametrize("mode", list(ENCAPSULATION))
def test_calico_there_and_back(with_calico, mode):
    case = with_calico
    before = calico_dump(case)
    with StandIn(case.plane.admin, [CALICO_DS], case.group) as agents:
        if case.managed:
            agents.group = None  # the operator, not we, would change the pool; its agents are not played
            agents._announce = lambda: None
        wanted = ENCAPSULATION[mode]
        if case.managed and mode not in ("calico-bgp-mesh", "calico-bgp-rr"):
            agents._annotate(dict(standin_answers(mode)))
        switching.switch(case.api, case.found, mode, routed_underlay=True)
        pool = case.api.get(f"{case.group}/ippools/default-ipv4-ippool")["spec"]
        if case.managed:
            assert pool["ipipMode"] == "Always"  # the operator's to change, not ours
            listed = case.api.get(calico.INSTALLATION)["spec"]["calicoNetwork"]["ipPools"]
            assert [p["encapsulation"] for p in listed] == ["None", wanted[2]]
        else:
            assert (pool["ipipMode"], pool["vxlanMode"]) == wanted[:2]
        felix = case.api.get(f"{case.group}/felixconfigurations/default")["spec"]
        assert felix.get("wireguardEnabled", False) == (mode == "calico-wireguard")
        assert felix["logSeverityScreen"] == "Info"
        peers = [p["metadata"]["name"] for p in case.api.items(f"{case.group}/bgppeers")]
        assert peers == ([calico.PEER] if mode == "calico-bgp-rr" else [])
        if mode == "calico-bgp-rr":
            assert (
                case.api.get(f"{case.group}/bgpconfigurations/default")["spec"]["nodeToNodeMeshEnabled"]
                is False
            )
            reflector = case.api.get("/api/v1/nodes/n1")["metadata"]
            assert calico.CLUSTER_ID in reflector["annotations"]
        switching.restore(case.api)
    assert calico_dump(case) == before


def standin_answers(mode):
    from cnilab import modes
    from tests.testbeds.kubernetes.standin import CALICO

    answer = CALICO.get(modes.get(mode).encapsulation)
    return [answer] if answer else []


def test_plain_routing_across_subnets_is_refused_without_the_users_word(with_calico):
    before = calico_dump(with_calico)
    with pytest.raises(
        ClusterError, match=r"in 2 subnets \(192\.0\.2\.0/24, 198\.51\.100\.0/24\).*--routed-underlay"
    ):
        switching.switch(with_calico.api, with_calico.found, "calico-bgp-mesh")
    assert calico_dump(with_calico) == before


def test_bird_is_started_before_a_pool_depends_on_it(with_calico):
    case = with_calico
    if case.managed:
        case.api.patch(calico.INSTALLATION, {"spec": {"calicoNetwork": {"bgp": "Disabled"}}})
    else:
        case.api.patch(
            "/api/v1/namespaces/kube-system/configmaps/calico-config", {"data": {"calico_backend": "vxlan"}}
        )
    before = calico_dump(case)
    with StandIn(case.plane.admin, [CALICO_DS], case.group) as agents:
        agents._annotate(dict(standin_answers("calico-ipip")))
        switching.switch(case.api, case.found, "calico-ipip")
        if case.managed:
            assert case.api.get(calico.INSTALLATION)["spec"]["calicoNetwork"]["bgp"] == "Enabled"
        else:
            container = case.api.get(CALICO_DS)["spec"]["template"]["spec"]["containers"][0]
            assert container["livenessProbe"]["exec"]["command"] == [
                "/bin/calico-node",
                "-felix-live",
                "-bird-live",
            ]
            assert container["readinessProbe"]["exec"]["command"][-1] == "-bird-ready"
        switching.restore(case.api)
    assert calico_dump(case) == before


def test_calico_killed_at_every_call_comes_back(with_calico):
    case = with_calico
    if case.managed or case.group == GROUPS["crd"]:
        pytest.skip("the same calls on other paths; the way there and back covers them")
    before = calico_dump(case)
    mortal = Mortal.load(str(case.plane.admin))

    def check(moment):
        assert calico_dump(case) == before, f"killed at call {moment}"

    with StandIn(case.plane.admin, [CALICO_DS], case.group):
        moments = killed_everywhere(
            mortal,
            lambda a: switching.switch(a, case.found, "calico-bgp-rr", routed_underlay=True),
            check,
            lambda: switching.restore(case.api),
        )
    assert moments >= 48


def test_another_plugin_is_refused(with_calico):
    with pytest.raises(ClusterError, match="another plugin's mode cannot be put in its place"):
        switching.switch(with_calico.api, with_calico.found, "flannel-vxlan")
    with pytest.raises(ClusterError, match="cnilab cannot switch cilium; it switches flannel, calico"):
        switching.switch(with_calico.api, SimpleNamespace(plugin="cilium", mode=None), "flannel-vxlan")
