"""A real cluster on this machine: it comes up, its pods reach each other, and it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnilab.errors import ClusterError
from cnilab.localcluster.lifecycle import Cluster
from cnilab.localcluster.shape import BENCH_IMAGE, Settings
from cnilab.localcluster.status import status

pytestmark = pytest.mark.slow

PODS = "/api/v1/namespaces/default/pods"


def cnilab(*argv, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "cnilab.cli", "cluster", *argv], capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def run_in(cluster, machine, command):
    done = subprocess.run(
        [*cluster.enter(machine), "sh", "-c", command], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def pod(name, node):
    """A pod as the restricted standard wants it, which pings the addresses in its arguments until all answer."""
    return {
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "c",
                    "image": BENCH_IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["sleep", "600"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def pods(cluster):
    """Address of a pod on each node, with what is needed to run something in it."""
    for node in cluster.settings.addresses:
        cluster.api.create(PODS, pod(f"on-{node}", node))

    def running():
        found = {p["spec"]["nodeName"]: p["status"] for p in cluster.api.items(PODS)}
        return found if all(s["phase"] == "Running" for s in found.values()) else None

    found = cluster.api.wait("pods running", running, 60)
    yield {node: s["podIP"] for node, s in found.items()}
    cluster.api.delete(PODS)


def in_pod(cluster, node, command):
    """Run a command in the network namespace of the pod on a node, which the node's containerd finds."""
    sandbox = f'labels."io.kubernetes.pod.name"==on-{node},labels."io.cri-containerd.kind"==sandbox'
    inside = (
        f"id=$(ctr -n k8s.io containers ls -q '{sandbox}'); "
        "pid=$(ctr -n k8s.io tasks ls | awk -v id=$id '$1 == id {print $2}'); "
        f"nsenter -t $pid --net {command}"
    )
    return run_in(cluster, node, inside)


def ping(cluster, node, address):
    return in_pod(cluster, node, f"ping -c 2 -i 0.2 -W 5 {address}")


def test_every_node_is_ready_with_its_address(cluster):
    found = status(cluster)
    assert found.ok, found.trouble
    assert {n.name: n.address for n in found.nodes} == cluster.settings.addresses
    assert found.backend == "vxlan"
    assert 200 << 20 < found.memory_bytes < 4 << 30
    assert 0 < found.left_s <= cluster.settings.lifetime_s


def test_a_program_reads_the_same(cluster):
    answer = json.loads(cnilab("status", "--json", "--name", cluster.settings.name))
    assert answer["schema_version"] == 1
    (row,) = answer["rows"]
    assert row["ok"] is True
    assert row["kubeconfig"] == str(cluster.settings.kubeconfig)
    assert "3 of 3 Ready: n1 192.0.2.11" in cnilab("status", "--name", cluster.settings.name)


def test_pods_reach_each_other_inside_a_subnet_and_across(cluster, pods):
    assert len(set(pods.values())) == 3
    for source in pods:
        for target, address in pods.items():
            if source != target:
                assert " 2 received" in ping(cluster, source, address), f"{source} -> {target}"


def test_an_overlay_is_what_the_packets_take(cluster, pods):
    assert f"via {pods['n3'].rpartition('.')[0]}.0 dev flannel.1" in run_in(
        cluster, "n1", f"ip route get {pods['n3']}"
    )


def test_the_router_passes_on_encapsulated_packets_as_large_as_they_come(cluster, pods):
    """Routed out through a bridge device, they are cut into single packets first: a third of the goodput."""

    def sent():
        (device,) = json.loads(run_in(cluster, "router", "ip -s -j link show eth1"))
        return device["stats64"]["tx"]

    server = f"iperf3 -s -1 -D -p 5299 -B {pods['n3']}"
    assert "error" not in in_pod(cluster, "n3", server)
    before = sent()
    report = json.loads(in_pod(cluster, "n1", f"iperf3 -c {pods['n3']} -p 5299 -n 50M -J"))
    after = sent()
    assert "error" not in report
    # iperf3 is done once all is written: what then stands in buffers (11 MB were seen) may never be sent or read.
    crossed = after["bytes"] - before["bytes"]
    assert crossed > 10e6
    size = crossed / (after["packets"] - before["packets"])
    assert size > 4 * 1500, f"{size:.0f} B a packet leave the router"


def test_the_benchmark_pod_is_admitted_under_the_restricted_standard(cluster):
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": "restricted", "labels": label}})
    path = "/api/v1/namespaces/restricted/pods"
    cluster.api.wait(
        "its account", lambda: any(cluster.api.items("/api/v1/namespaces/restricted/serviceaccounts")), 20
    )
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.api.create(
            path,
            {"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "c", "image": BENCH_IMAGE}]}},
        )
    assert cluster.api.create(path, pod("good", "n1"))["status"]["phase"] == "Pending"
    cluster.api.delete("/api/v1/namespaces/restricted")


def test_a_shell_is_inside_the_machine_it_names(cluster):
    name = cluster.settings.name
    assert cnilab("shell", "--name", name, "n3", "-c", "hostname; ip -4 -o addr show eth0").split()[:1] == [
        "n3"
    ]
    assert "192.0.2.10/24" in cnilab(
        "shell", "--name", name, "control-plane", "-c", "ip -4 -o addr show eth0"
    )
    assert "198.51.100.1/24" in cnilab("shell", "--name", name, "router", "-c", "ip -4 -o addr")
    assert cnilab("shell", "--name", name, "n1", "-c", "exit 7", code=7) == ""


def test_what_a_node_writes_is_not_on_the_machine(cluster):
    run_in(cluster, "n1", "touch /etc/from-n1 /opt/from-n1 /var/from-n1 /run/from-n1")
    assert "from-n1" in run_in(cluster, "n1", "ls /etc")
    assert "from-n1" not in run_in(cluster, "n2", "ls /etc /opt /var /run")
    assert not [p for top in ("etc", "opt", "var", "run") if (p := Path("/", top, "from-n1")).exists()]


# ---- a second one beside it, and its end ------------------------------------------------------------------


def host():
    """What a cluster could leave behind: by kind, the names that are there now."""
    listed = {
        f"{top}/{p.name}"
        for top in ("/etc", "/opt", "/var/lib", "/var/log", "/run", "/usr/libexec", "/lib")
        for p in Path(top).iterdir()
    }
    kernel = {}
    for name in (
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "net/ipv4/ip_forward",
    ):
        kernel[name] = Path("/proc/sys", name).read_text()
    kernel |= {str(p): p.read_text() for p in Path("/proc/sys/net/bridge").glob("*")}
    return {
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        "links": {p.name for p in Path("/sys/class/net").iterdir()},
        "cgroups": {str(p) for p in Path("/sys/fs/cgroup").rglob("cnilab-second*")},
        "files": listed | {str(p) for p in Settings(name="second").folder.parent.glob("*")},
        "settings": set(kernel.items()),
        "processes": {p for p in commands() if "second" in p},
    }


def commands():
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


@pytest.fixture
def second(cluster):
    made = Cluster(Settings(name="second", nodes=1, lifetime_s=600))
    yield made
    made.down()


def test_a_second_cluster_beside_the_first_leaves_the_machine_as_it_was(cluster, second):
    before = host()
    second.up()
    assert status(second).ok
    assert {p for p in commands() if "second" in p}, "or the comparison below says nothing"
    assert any(Path("/sys/fs/cgroup").rglob("cnilab-second*"))
    with pytest.raises(ClusterError, match="cluster 'second' is up already"):
        second.up()
    second.down()
    assert host() == before
    assert status(cluster).ok


@pytest.mark.parametrize("how", [signal.SIGALRM, signal.SIGKILL])
def test_the_end_of_its_life_and_a_kill(cluster, second, how):
    """At the end of its lifetime it removes everything itself; killed, it leaves files, which `down` removes."""
    before = host()
    second.up()
    os.kill(second.tree.first, how)
    end = time.monotonic() + 30
    while time.monotonic() < end and (second.alive or (how == signal.SIGALRM and host() != before)):
        time.sleep(0.2)
    assert not second.alive
    if how == signal.SIGKILL:
        assert status(second).trouble.startswith("the cluster has ended; log: ")
        second.down()
    assert host() == before


def test_a_dead_kubelet_is_told_with_its_log(cluster, second):
    second.up()
    run_in(second, "n1", "kill -9 $(cat /proc/[0-9]*/stat | awk '$2 == \"(kubelet)\" {print $1}')")
    end = time.monotonic() + 30
    while time.monotonic() < end and status(second).ok:
        time.sleep(0.2)
    told = status(second).trouble
    assert told.startswith(f"n1 ended with status 1; log: {second.settings.logs}/n1.log, its end:")
    assert f"n1-kubelet ended with status -9; log: {second.settings.logs}/n1-kubelet.log" in told
