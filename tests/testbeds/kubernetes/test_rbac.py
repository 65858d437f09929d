"""The printed rights, applied to a real API server and used by a user who has nothing else."""

import copy

import pytest
import yaml
from typer.testing import CliRunner

from cnilab.cli import app
from cnilab.errors import UnknownKey
from cnilab.testbeds.kubernetes import rbac
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.detect import detect
from tests.testbeds.kubernetes.objects import World, pool

GROUP = "/apis/rbac.authorization.k8s.io/v1"
PLURAL = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}


@pytest.fixture(scope="module")
def plane(control_plane):
    world = World(Api.load(str(control_plane.admin)))
    world.calico(("default", pool("Always")), nodes={"n1": {"IPv4IPIPTunnelAddr": "10.244.0.1"}})
    return control_plane


def give(plane, name, objects):
    """Apply printed objects under a name of their own; return the user's own client once they are in force."""
    admin = Api.load(str(plane.admin))
    for item in copy.deepcopy(objects):
        item["metadata"]["name"] = name
        if "roleRef" in item:
            item["roleRef"]["name"] = name
        admin.create(f"{GROUP}/{PLURAL[item['kind']]}", item)
    user = Api.load(str(plane.kubeconfig(name)))
    last = objects[0]["rules"][-1]
    asked = (last["verbs"][0], last["apiGroups"][0], last["resources"][0])
    thing = last.get("resourceNames", [""])[0]
    admin.wait("the binding's effect", lambda: user.allowed(*asked, name=thing), 20)
    return user


def printed(what, name):
    told = CliRunner().invoke(app, ["cluster", "rbac", what, "--user", name])
    assert told.exit_code == 0, told.output
    return list(yaml.safe_load_all(told.output))


def test_detection_needs_nothing_beyond_what_is_printed(plane):
    user = give(plane, "reader", printed("detect", "reader"))
    found = detect(user)
    assert (found.plugin, found.mode, found.missing_rights) == ("calico", "calico-ipip", ())


@pytest.mark.parametrize(
    ("resource", "verb"),
    [("nodes", "list"), ("daemonsets", "get"), ("configmaps", "get"), ("ippools", "list"), ("bgpconfigurations", "get")],
)  # fmt: skip
def test_a_right_that_is_missing_is_named_and_nothing_is_guessed(plane, resource, verb):
    name = f"without-{resource}"
    objects = printed("detect", name)
    for rule in objects[0]["rules"]:
        rule["resources"] = [r for r in rule["resources"] if r != resource]
    objects[0]["rules"] = [r for r in objects[0]["rules"] if r["resources"]]
    user = give(plane, name, objects)
    found = detect(user)
    assert found.mode is None
    assert found.missing_rights
    assert all(f'cannot {verb} resource "{resource}"' in m for m in found.missing_rights)
    assert "cnilab cluster rbac detect" in repr(found)


BEYOND = {
    "detect": [("create", "", "pods", ""), ("patch", "", "configmaps", "kube-flannel-cfg"), ("get", "", "configmaps", "other")],
    "run": [("patch", "apps", "daemonsets", "kube-flannel-ds"), ("patch", "", "nodes", "n1"), ("patch", "projectcalico.org", "ippools", "default")],
    "switch": [("patch", "", "configmaps", "other"), ("patch", "apps", "daemonsets", "other"), ("delete", "", "configmaps", "other"),
               ("delete", "projectcalico.org", "ippools", "default"), ("delete", "", "nodes", "n1")],
}  # fmt: skip


@pytest.mark.parametrize("what", ["detect", "run", "switch"])
def test_each_right_is_there_and_nothing_beyond(plane, what):
    user = give(plane, f"may-{what}", printed(what, f"may-{what}"))
    for rule in rbac.RULES[what]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                kind, _, sub = resource.partition("/")
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        assert user.allowed(verb, group, kind, name=name, subresource=sub), (
                            verb,
                            resource,
                            name,
                        )
    never = [
        ("get", "", "secrets", ""),
        ("create", "rbac.authorization.k8s.io", "clusterroles", ""),
        ("*", "*", "*", ""),
    ]
    for verb, group, kind, name in [*never, *BEYOND[what]]:
        assert not user.allowed(verb, group, kind, name=name), (verb, kind, name)


def test_all_prints_each_purpose_and_binds_who_was_named():
    objects = rbac.objects("all", [rbac.user("u"), rbac.service_account("ns:sa")])
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "ClusterRole"] == [
        f"cnilab-{w}" for w in rbac.RULES
    ]
    assert all(len(o["subjects"]) == 2 for o in objects if o["kind"] == "ClusterRoleBinding")
    assert rbac.service_account("ns:sa") == {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"}
    with pytest.raises(UnknownKey, match="all"):
        rbac.objects("everything", [])
