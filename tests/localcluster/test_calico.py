"""Calico's recipe: what is changed in the published files, what is told where it cannot be had. Nothing is raised here."""

import json
import os
import subprocess
import sys
import time

import pytest
import yaml

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster import calico, images
from cnilab.localcluster import compiling as build
from cnilab.localcluster.progress import Progress
from cnilab.localcluster.shape import CALICO_IMAGE, POD_CIDR

TEMPLATE = """
    if defined(bgp_next_hop) then
      krt_tunnel = "";
    else
      krt_tunnel = "{{$data.ipip}}";
  {{else}}
    krt_tunnel = "{{$data.ipip}}";
    accept;
    krt_tunnel = "{{$data.ipip}}";
"""


def manifest(**agent):
    """The published manifest's shape, as small as the changes need it."""
    mounts = [
        {"name": "cni-net-dir", "mountPath": "/a"},
        {"name": "lib-modules", "mountPath": "/lib/modules"},
    ]
    container = {
        "image": "docker.io/calico/node:v3.28.5",
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": mounts,
    }
    names = ("CALICO_IPV4POOL_IPIP", "CALICO_IPV4POOL_VXLAN", "IP")
    main = {
        **container,
        "name": "calico-node",
        "env": [{"name": n, "value": "published"} for n in names],
        "livenessProbe": {"periodSeconds": 10},
        "readinessProbe": {"periodSeconds": 10, "timeoutSeconds": 10},
        **agent,
    }
    pod = {
        "initContainers": [{**container, "name": n} for n in ("upgrade-ipam", "install-cni", "mount-bpffs")],
        "containers": [main],
        "volumes": [{"name": "cni-net-dir"}, {"name": "lib-modules", "hostPath": {"path": "/lib/modules"}}],
    }
    return yaml.safe_dump_all(
        [
            {"kind": "PodDisruptionBudget", "metadata": {"name": "calico-kube-controllers"}},
            {"kind": "ConfigMap", "metadata": {"name": "calico-config"}},
            {"kind": "DaemonSet", "metadata": {"name": "calico-node"}, "spec": {"template": {"spec": pod}}},
        ]
    )


def test_the_manifest_runs_the_image_made_here_and_asks_for_nothing_of_the_machine():
    objects = calico.adapt(manifest())
    assert [o["kind"] for o in objects] == ["ConfigMap", "DaemonSet"]
    pod = objects[1]["spec"]["template"]["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["install-cni"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert (container["image"], container["imagePullPolicy"]) == (CALICO_IMAGE, "Never")
        assert [m["name"] for m in container["volumeMounts"]] == ["cni-net-dir"]
    assert [v["name"] for v in pod["volumes"]] == ["cni-net-dir"]
    assert pod["containers"][0]["readinessProbe"] == {"periodSeconds": 1, "timeoutSeconds": 10}
    env = {v["name"]: v["value"] for v in pod["containers"][0]["env"]}
    assert (env["CALICO_IPV4POOL_IPIP"], env["CALICO_IPV4POOL_VXLAN"], env["IP"]) == (
        "Never",
        "Always",
        "published",
    )
    assert env["CALICO_IPV4POOL_CIDR"] == POD_CIDR


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"name": "node"}, "has the containers install-cni, node"),
        ({"env": []}, "does not set CALICO_IPV4POOL_IPIP"),
    ],
)
def test_a_manifest_of_another_shape_is_not_half_changed(agent, told):
    with pytest.raises(ClusterError, match=told):
        calico.adapt(manifest(**agent))


def test_a_tunnel_is_named_only_where_the_pool_has_one():
    """Debian's BIRD refuses the whole file with the attribute of Calico's fork in it."""
    changed = calico.without_empty_tunnels(TEMPLATE)
    assert changed.count('{{if $data.ipip}}krt_tunnel = "{{$data.ipip}}";{{end}}') == 3
    assert 'krt_tunnel = "";' in changed, "stands only in the branch of IP-in-IP pools"
    with pytest.raises(ClusterError, match="names a pool's tunnel 0 times, expected 3"):
        calico.without_empty_tunnels("accept;")


@pytest.mark.skipif(
    not build.MODULES["calico-files"].done, reason="Calico is not built; type: make cluster-build"
)
def test_the_built_image_holds_what_its_start_script_and_its_probes_call():
    root = build.MODULES["calico-files"].result / calico.ROOT
    for path in ("etc/rc.local", "sbin/start_runit", "usr/bin/runsvdir", "etc/service/available/felix/run"):
        assert os.access(root / path, os.X_OK), path
    assert (
        "1.6." in subprocess.run([root / "usr/bin/bird", "--version"], capture_output=True, text=True).stderr
    )
    text = "filter f { accept; } router id 192.0.2.1; protocol device { }"
    argv = [root / "usr/bin/bird", "-p", "-c", "/dev/stdin"]
    assert subprocess.run(argv, input=text, text=True).returncode == 0
    refused = subprocess.run(
        argv, input=f'filter g {{ krt_tunnel = ""; }} {text}', text=True, capture_output=True
    )
    assert refused.returncode == 1, "or the template's line may stay"
    published = [json.dumps(o) for o in yaml.safe_load_all((root.parent / calico.MANIFEST).read_text())]
    assert sum('"CustomResourceDefinition"' in o for o in published) == 18
    assert "docker.io" not in "".join(published)


# ---- where it cannot be had --------------------------------------------------------------------------------------


def program(folder, name, script):
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("apt", "told"),
    [
        (
            "echo 'E: Unable to locate package bird' >&2; exit 100",
            "download bird: E: Unable to locate package bird",
        ),
        (None, "apt-get: .*No such file"),
    ],
)
def test_a_machine_without_debians_bird_says_so(tmp_path, monkeypatch, apt, told):
    if apt:
        program(tmp_path, "apt-get", apt)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Unavailable, match=f"Calico needs BIRD 1.6.x and runit of Debian's packages: .*{told}"
    ):
        calico._unpack(tmp_path, tmp_path / "programs")


def test_another_release_of_bird_is_refused(tmp_path, monkeypatch):
    program(tmp_path, "apt-get", 'touch "$3_2.0_all.deb"')
    unpacked = 'mkdir -p $3/usr/sbin $3/usr/bin; for p in sbin/bird sbin/bird6 sbin/birdc bin/runsv bin/runsvdir bin/sv; do printf "#!/bin/sh\\necho BIRD version 2.0.12" > $3/usr/$p; done'
    program(tmp_path, "dpkg-deb", unpacked)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match=r"apt's package bird is 'BIRD version 2\.0\.12'"):
        calico._unpack(tmp_path, tmp_path / "programs")


def test_where_calico_cannot_be_built_flannel_still_is(monkeypatch, capsys):
    asked = []

    def make(progress, only):
        asked.append(only)
        if "calico" in only:
            raise Unavailable("no bird")

    monkeypatch.setattr(build, "build", make)
    monkeypatch.setattr(build.Module, "done", property(lambda self: self.cni != "calico"))
    assert build.main() == 0
    assert asked == [build.needed("flannel"), build.needed("calico")]
    shown = capsys.readouterr()
    assert "cluster up --cni flannel" in shown.out
    assert "no cluster with calico: no bird" in shown.err


def test_what_every_cluster_needs_is_not_tried_twice(monkeypatch, capsys):
    tried = []

    def make(progress, only):
        tried.append(only)
        raise Unavailable("no Go")

    monkeypatch.setattr(build, "build", make)
    monkeypatch.setattr(build.Module, "done", property(lambda self: False))
    assert build.main() == 1
    assert len(tried) == 1


def test_a_cluster_needs_its_own_plugin_only():
    flannel, other = set(build.needed("flannel")), set(build.needed("calico"))
    assert flannel & other == {"pause", "kubernetes"}
    assert flannel | other == set(build.MODULES)
    assert "ipset" in images.AGENT_NEEDED["calico"]


def test_files_beside_the_programs_are_part_of_the_result(tmp_path, monkeypatch):
    """As the manifest is; a program alone would leave nothing to install."""
    (tmp_path / "go").mkdir()
    (tmp_path / "go/go.mod").write_text("module x\n")

    def prepare(work, with_c):
        (work / "made/root").mkdir(parents=True)
        (work / "made/root/file").write_text("text")

    monkeypatch.setattr(build, "SOURCES", tmp_path)
    monkeypatch.setattr(build, "cache_root", lambda: tmp_path / "cache")
    module = build.Module("files", {}, prepare=prepare, folder="go")
    monkeypatch.setitem(build.MODULES, "files", module)
    monkeypatch.setattr(build, "require_go", lambda: tmp_path / "go")
    build.build(Progress(silent=True), ["files"])
    assert module.done
    assert (module.result / "root/file").read_text() == "text"


# ---- what ends by itself -----------------------------------------------------------------------------------------

WATCHED = """
import sys
import time
from pathlib import Path
from cnilab.localcluster import router
from cnilab.localcluster.processes import Programs
router.RESTARTS, router.RESTART_S = 2, 0.0
folder = Path(sys.argv[1])
programs = Programs(folder)
for name in sys.argv[2:]:
    programs.start(name, ["sh", "-c", f"echo {name} >> {folder}/starts; exit 3"])
router.watch(programs, folder)
"""


def test_the_controller_manager_is_started_again_and_the_api_server_is_not(tmp_path):
    """It gives up when the API server does not answer soon, which on a busy machine it does not."""
    names = ["kube-controller-manager", "kube-apiserver"]
    process = subprocess.Popen([sys.executable, "-c", WATCHED, str(tmp_path), *names])
    try:
        for _ in range(200):
            ended = (tmp_path / "ended").read_text() if (tmp_path / "ended").exists() else ""
            if ended.count("\n") == 2:
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert sorted(ended.splitlines()) == ["kube-apiserver 3", "kube-controller-manager 3"]
    starts = (tmp_path / "starts").read_text().split()
    assert (starts.count(names[0]), starts.count(names[1])) == (3, 1)
