"""The control plane that other tests use: it answers, knows who asks, and leaves no process."""

from pathlib import Path

import pytest

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster import apiserver
from cnilab.localcluster import compiling as build
from cnilab.localcluster import shape as settings
from cnilab.localcluster.apiserver import ControlPlane
from cnilab.testbeds.kubernetes.api import Api, Forbidden


def test_it_is_the_version_it_should_be_and_stores_objects(control_plane):
    api = Api.load(str(control_plane.admin))
    assert api.get("/version")["gitVersion"] == settings.KUBERNETES
    api.create("/api/v1/namespaces", {"metadata": {"name": "here"}})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert api.create("/api/v1/namespaces/here/pods", pod)["status"]["phase"] == "Pending"


def test_another_user_has_the_rights_of_name_and_groups_only(control_plane):
    admin = Api.load(str(control_plane.admin))
    joe = Api.load(str(control_plane.kubeconfig("joe", ["readers"])))
    with pytest.raises(Forbidden, match='User "joe" cannot list resource "nodes"'):
        joe.get("/api/v1/nodes")
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    group = "rbac.authorization.k8s.io"
    admin.create(
        f"{rbac}/clusterroles",
        {
            "metadata": {"name": "r"},
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}],
        },
    )
    admin.create(
        f"{rbac}/clusterrolebindings",
        {
            "metadata": {"name": "r"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "r"},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": "readers"}],
        },
    )
    admin.wait("the binding's effect", lambda: joe.allowed("list", "", "nodes"), 10)
    assert joe.get("/api/v1/nodes")["items"] == []
    with pytest.raises(Forbidden):
        Api.load(str(control_plane.kubeconfig("joe", ["writers"]))).get("/api/v1/nodes")


def test_an_ended_process_is_told_with_its_log_and_none_stays(tmp_path):
    plane = ControlPlane(tmp_path)
    try:
        with plane:
            pids = [p.pid for p in plane.programs.running.values()]
            assert len(pids) == 2
            plane.programs.running["etcd"].kill()
            plane.programs.running["etcd"].wait()
            with pytest.raises(ClusterError, match=r"etcd ended with status -9; log: .*etcd\.log"):
                plane.programs.check()
    except Unavailable as error:
        pytest.skip(str(error))
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert "Connection refused" in apiserver.not_ready(plane.url, plane._authority)


def test_without_the_program_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=build.REMEDY):
        ControlPlane(tmp_path / "plane").start()
    assert not (tmp_path / "plane/pki").exists()
