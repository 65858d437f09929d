"""The table of rights against what the code asks of a real API server: nothing is refused, and nothing is there unused.

A user with exactly the printed rights detects, switches and runs. Who would schedule, run and remove things is a
stand-in (see :class:`Hosts` and standin.py); no packet moves.
"""

import re
import threading
from contextlib import contextmanager

import pytest

from cnilab.study.cluster_settings import ClusterSettings
from cnilab.testbeds.kubernetes import executing, placing, rbac, switching
from cnilab.testbeds.kubernetes.api import Api, ApiError, Forbidden
from cnilab.testbeds.kubernetes.cleanup import clean_up
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.pods import NAMESPACES, Pods, Want
from cnilab.testbeds.kubernetes.switching import calico, calico_settling
from tests.testbeds.kubernetes.objects import World, pool
from tests.testbeds.kubernetes.standin import StandIn

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
_REFUSED = re.compile(
    r'(\S+?)(?: "([^"]+)")? is forbidden: User "[^"]+" cannot (\w+) resource "([^"]+)" in API group "([^"]*)"'
)


class Recording(Api):
    """An Api that keeps the rights that its calls took: (verb, group, resource, name)."""

    def _once(self, verb, path, *more):
        if right := right_of(verb, path):
            self.__dict__.setdefault("used", set()).add(right)
        return super()._once(verb, path, *more)


def right_of(verb, path):
    """What RBAC is asked for a call; None for what every user may (discovery, the version, a review of itself)."""
    _, root, *rest = path.split("/")
    group = "" if root == "api" else rest.pop(0) if rest else None
    parts = rest[1:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    if group is None or not parts or parts[0] == "selfsubjectaccessreviews":
        return None
    resource, name = parts[0], parts[1] if len(parts) > 1 else ""
    word = {"GET": "get" if name else "list", "POST": "create"}.get(verb, verb.lower())
    return word, group, resource, name


def rights(rules):
    """A rule for each single right: (verb, group, resource, name), with no name where any will do."""
    return {
        (verb, group, resource, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def named_as_in(table, used):
    return {u if u in table else (*u[:3], "") for u in used}


class User:
    """A user bound to one role whose rules may be changed."""

    def __init__(self, plane, what):
        self.admin, self.name = Api.load(str(plane.admin)), f"cnilab-{what}"
        for item in rbac.objects(what, [rbac.user(what)]):
            self.admin.create(ROLES if item["kind"] == "ClusterRole" else BINDINGS, item)
        self.api = Recording.load(str(plane.kubeconfig(what)))
        self.has(rbac.RULES[what])

    def has(self, rules, lacks=()):
        """Give exactly these rules and wait until the server's authorizer knows."""
        self.admin.patch(f"{ROLES}/{self.name}", {"rules": rules})
        for rule, wanted in [*((r, True) for r in rules), *((r, False) for r in lacks)]:
            verb, group, kind, name = sorted(rights([rule]))[0]
            kind, _, sub = kind.partition("/")
            self.admin.wait(
                f"{verb} {kind} {name}: {wanted}",
                lambda a=(verb, group, kind), n=name, s=sub, w=wanted: (
                    self.api.allowed(*a, name=n, subresource=s) == w
                ),
                20,
            )


@contextmanager
def world_of(plane, fill):
    world = World(Api.load(str(plane.admin)))
    try:
        fill(world)
        yield world
    finally:
        world.clear()


# ---- detect ------------------------------------------------------------------------------------------------------


def canal(called):
    def fill(world):
        world.config("kube-system", f"{called}-config", **{"net-conf.json": '{"Backend": {"Type": "vxlan"}}'})
        world.daemonset("kube-system", called, "kube-flannel", "flannel:v0.27.0")
        world.node("n1")

    return fill


def cilium(world):
    world.config("kube-system", "cilium-config", **{"routing-mode": "native"})
    world.daemonset("kube-system", "cilium", "cilium-agent", "cilium:v1.18.2")


CLUSTERS = {
    "flannel": lambda w: w.flannel({"Type": "vxlan", "DirectRouting": True}, ["vxlan"]),
    "calico, reflectors": lambda w: (
        w.calico(
            ("p", pool()),
            bgp={"nodeToNodeMeshEnabled": False},
            nodes={"n1": {"RouteReflectorClusterID": "1.0.0.1"}},
        ),
        w.custom("BGPPeer", "rr", {"peerSelector": "all()"}),
    ),
    "calico, BIRD off": lambda w: (
        w.config("kube-system", "calico-config", calico_backend="vxlan"),
        w.calico(("p", pool(vxlan="Always"))),
    ),
    "calico, WireGuard, storage kinds": lambda w: w.calico(
        ("p", pool("Always")),
        api="v1",
        felix={"wireguardEnabled": True},
        nodes={"n1": {"WireguardPublicKey": "k"}},
    ),
    "calico by its operator": lambda w: w.calico(("p", pool("Always")), operator={"bgp": "Enabled"}),
    "canal": canal("canal"),
    "rke2-canal": canal("rke2-canal"),
    "cilium": cilium,
    "nothing": lambda w: w.node("n1"),
}


def test_detection_with_every_right_with_one_less_and_with_none(control_plane):
    user, table = User(control_plane, "detect"), rights(rbac.RULES["detect"])
    each = [{**rule, "resources": [r]} for rule in rbac.RULES["detect"] for r in rule["resources"]]
    used, missed = set(), set()
    for called, fill in CLUSTERS.items():
        with world_of(control_plane, fill) as world:
            truth = detect(world.api)
            user.api.used = set()
            assert detect(user.api).to_dict() == truth.to_dict(), called
            used |= named_as_in(table, user.api.used)
            for lost in [r for r in each if rights([r]) & named_as_in(table, user.api.used)]:
                user.has([r for r in each if r is not lost], lacks=[lost])
                found = detect(user.api)
                assert found.missing_rights, (called, lost)
                assert found.mode in (None, truth.mode), f"{called} without {lost} is taken for {found.mode}"
                for message in found.missing_rights:
                    _, name, verb, resource, group = _REFUSED.search(message).groups()
                    missed.add((verb, group, resource, name or ""))
            user.has(rbac.RULES["detect"])
    assert used == table
    assert named_as_in(table, missed) == table
    user.has([], lacks=rbac.RULES["detect"])
    nothing = detect(user.api)
    assert (nothing.plugin, nothing.mode) == (None, None)
    assert "not readable" in repr(nothing)


# ---- run ---------------------------------------------------------------------------------------------------------


class Hosts:
    """Stands in for the scheduler, the kubelets and the namespace controller, as administrator."""

    def __init__(self, plane):
        self.api, self._stop = Api.load(str(plane.admin)), threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)

    def _play(self):
        while not self._stop.wait(0.02):
            try:
                for item in self.api.items(NAMESPACES):
                    name = item["metadata"]["name"]
                    if name.startswith("cnilab"):
                        self._pods(name, bool(item["metadata"].get("deletionTimestamp")))
            except ApiError:
                continue

    def _pods(self, namespace, ending):
        path = f"{NAMESPACES}/{namespace}/pods"
        for pod in self.api.items(path):
            where = f"{path}/{pod['metadata']['name']}"
            if ending:
                self.api.delete(where, grace_s=0)
            elif not pod["spec"].get("nodeName"):
                self._start(where, pod)
        if ending:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.api.replace(f"{NAMESPACES}/{namespace}/finalize", {**body, "spec": {"finalizers": []}})

    def _start(self, where, pod):
        required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        node = required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}}
        self.api.create(f"{where}/binding", {**body, "target": target})
        host, container = "192.0.2.11", pod["spec"]["containers"][0]
        ip = host if pod["spec"].get("hostNetwork") else "10.244.0.7"
        state = {"name": container["name"], "image": "", "imageID": "", "ready": True, "restartCount": 0}
        status = {"phase": "Running", "hostIP": host, "podIP": ip, "podIPs": [{"ip": ip}]}
        self.api.patch(f"{where}/status", {"status": {**status, "containerStatuses": [state]}})


def test_a_run_makes_measures_and_removes_with_the_runs_rights(control_plane):
    user, table = User(control_plane, "run"), rights(rbac.RULES["run"])
    with (
        world_of(control_plane, lambda w: w.flannel({"Type": "host-gw"}, ["host-gw"])),
        Hosts(control_plane),
    ):
        detect(user.api)
        node = placing.Node("n1", "192.0.2.11", "192.0.2.0/24", "study", "", ())
        pods = Pods(user.api, "t1", ClusterSettings())
        assert pods.open(host=True) is None
        made = pods.make([Want("client", node), Want("probe", node, host=True)])
        assert pods.service("client", [(5201, "TCP")]) == pods.service("client", [(5201, "TCP")])
        assert pods.lost(made["client"]) == ""
        with pytest.raises(ApiError) as error:  # allowed; there is no kubelet to answer
            executing.run(user.api, pods.namespace, made["client"].name, ["true"])
        assert not isinstance(error.value, Forbidden)
        pods.remove(["client"])
        assert pods.close(10) == ""
        pods = Pods(user.api, "t2", ClusterSettings())
        pods.open(host=False)
        assert clean_up(user.api, timeout_s=10).removed == ("cnilab-t2",)
    used = named_as_in(table, user.api.used)
    assert used <= table
    exec_rights = {(verb, "", "pods/exec", "") for verb in ("create", "get")}
    assert table - rights(rbac.RULES["detect"]) - used == exec_rights  # opened past Recording, above


# ---- switch ------------------------------------------------------------------------------------------------------

FLANNEL_DS = "/apis/apps/v1/namespaces/kube-flannel/daemonsets/kube-flannel-ds"
CALICO_DS = "/apis/apps/v1/namespaces/{}/daemonsets/calico-node"
#: What a switch asks only when an answer of the server was lost.
RETRIED = {("get", g, "bgppeers", calico.PEER) for g in ("projectcalico.org", "crd.projectcalico.org")}


def flannel_with_agent(world):
    world.flannel({"Type": "vxlan"}, ["vxlan"])
    metadata = {"labels": {"app": "kube-flannel-ds"}}
    container = {"name": "kube-flannel", "image": "flannel:v1"}
    spec = {"nodeName": "n1", "containers": [container]}
    world.put("/api/v1/namespaces/kube-flannel/pods", "agent", metadata=metadata, spec=spec)


def calico_without_bird(api):
    def fill(world):
        world.config("kube-system", "calico-config", calico_backend="vxlan")
        world.calico(("p", pool(vxlan="Always")), api=api)

    return fill


def operators(world):
    network = {"bgp": "Enabled", "ipPools": [{"cidr": "10.244.0.0/17", "encapsulation": "IPIP"}]}
    world.calico(("p", pool("Always")), operator=network)


def test_switching_and_the_way_back_take_the_switchs_rights(control_plane, monkeypatch):
    monkeypatch.setattr(calico_settling, "QUIET_S", 0.0)
    user, table = User(control_plane, "switch"), rights(rbac.RULES["switch"])
    cases = [
        (flannel_with_agent, FLANNEL_DS, ["flannel-host-gw"]),
        (calico_without_bird("v3"), CALICO_DS.format("kube-system"), ["calico-bgp-rr", "calico-wireguard"]),
        (calico_without_bird("v1"), CALICO_DS.format("kube-system"), ["calico-bgp-rr", "calico-wireguard"]),
        (operators, CALICO_DS.format("calico-system"), ["calico-vxlan"]),
    ]
    for fill, daemonset, targets in cases:
        with world_of(control_plane, fill) as world:
            group = f"/apis/{world.group}" if "calico" in daemonset else None
            with Hosts(control_plane), StandIn(control_plane.admin, [daemonset], group):
                for mode in targets:
                    switching.switch(user.api, detect(user.api), mode, routed_underlay=True)
                    assert switching.restore(user.api) is not None
    used = named_as_in(table, user.api.used)
    assert used <= table
    assert table - rights(rbac.RULES["run"]) - used == RETRIED


# ---- beyond ------------------------------------------------------------------------------------------------------

SYSTEM = f"{NAMESPACES}/kube-system"
BEYOND = {
    "a secret": lambda api: api.get(f"{SYSTEM}/secrets/any"),
    "all secrets": lambda api: list(api.items("/api/v1/secrets")),
    "another ConfigMap": lambda api: api.get(f"{SYSTEM}/configmaps/extension-apiserver-authentication"),
    "changing another ConfigMap": lambda api: api.patch(f"{SYSTEM}/configmaps/coredns", {"data": {}}),
    "a Deployment": lambda api: api.patch("/apis/apps/v1/namespaces/kube-system/deployments/coredns", {}),
    "another DaemonSet": lambda api: api.patch("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy", {}),
    "removing a node": lambda api: api.delete("/api/v1/nodes/n1"),
    "its own rights": lambda api: api.patch(f"{ROLES}/cnilab-detect", {"rules": []}),
}  # fmt: skip
READERS_TOO = {
    "a program in a pod": lambda api: executing.run(api, "kube-system", "any", ["true"]),
    "a pod": lambda api: api.create(f"{NAMESPACES}/default/pods", {"metadata": {"name": "p"}}),
    "a namespace": lambda api: api.create(NAMESPACES, {"metadata": {"name": "x"}}),
    "flannel's ConfigMap": lambda api: api.patch(
        f"{NAMESPACES}/kube-flannel/configmaps/kube-flannel-cfg", {}
    ),
}


def test_what_lies_beyond_is_refused(control_plane):
    for what in ("detect", "run", "switch"):
        api = Api.load(str(control_plane.kubeconfig(f"beyond-{what}")))
        admin = Api.load(str(control_plane.admin))
        for item in rbac.objects(what, [rbac.user(f"beyond-{what}")]):
            item["metadata"]["name"] += "-beyond"
            if "roleRef" in item:
                item["roleRef"]["name"] += "-beyond"
            admin.create(ROLES if item["kind"] == "ClusterRole" else BINDINGS, item)
        admin.wait("its rights", lambda api=api: api.allowed("list", "", "nodes"), 20)
        for called, call in {**BEYOND, **(READERS_TOO if what == "detect" else {})}.items():
            try:
                call(api)
            except Forbidden:
                continue
            pytest.fail(f"{what} allows {called}")
