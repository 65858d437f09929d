"""On a real cluster: a study with the mode switched between blocks, killed runs, evicted pods, and the way back.

Raises the cluster (see conftest.py), so it runs only where asked to. The number of killed runs is
``CNILAB_KILLS``; three by default, because each takes the better part of a minute.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cnilab import execute, study
from cnilab.errors import ClusterError
from cnilab.runs.run import Run
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.testbeds.kubernetes import switching
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.cleanup import runs
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.pods import NAMESPACES
from cnilab.testbeds.kubernetes.switching import flannel

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

STUDY = Path(__file__).parents[3] / "data" / "studies" / "cluster.yaml"
VOLATILE = {"resourceVersion", "generation", "managedFields", "creationTimestamp", "uid"}
#: What flanneld writes about itself: a device that was made anew has a new address.
BY_FLANNEL = "flannel.alpha.coreos.com/backend-data"


@pytest.fixture
def api(cluster):
    return Api.load(str(cluster.settings.kubeconfig))


def cnilab(cluster, *argv, **options):
    environment = {**os.environ, "KUBECONFIG": str(cluster.settings.kubeconfig)}
    return subprocess.run(
        [sys.executable, "-m", "cnilab.cli", *argv],
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )


def dump(api):
    """Everything a run may have touched, without what the server counts by itself."""
    found = {}
    for path in (
        "/api/v1/nodes",
        NAMESPACES,
        "/api/v1/namespaces/kube-flannel/configmaps",
        "/apis/apps/v1/namespaces/kube-flannel/daemonsets",
        "/api/v1/namespaces/default/pods",
        "/api/v1/services",
    ):
        for item in api.items(path):
            metadata = {k: v for k, v in item["metadata"].items() if k not in VOLATILE}
            kept = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != BY_FLANNEL}
            kept.pop("deprecated.daemonset.template.generation", None)
            metadata["annotations"] = kept
            found[f"{path}/{metadata.get('namespace', '')}/{metadata['name']}"] = {
                **{k: v for k, v in item.items() if k not in ("metadata", "status")},
                "metadata": metadata,
            }
    return found


def test_a_study_with_three_modes_switched_live(cluster, api, tmp_path):
    before = dump(api)
    short = tmp_path / "cluster.yaml"
    short.write_text(STUDY.read_text().replace("blocks: 10", "blocks: 7"))
    done = cnilab(
        cluster,
        "cluster",
        "run",
        str(short),
        "--switch",
        "-o",
        str(tmp_path / "run"),
        "--quiet",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = Run.open(tmp_path / "run")
    assert run.manifest["state"] == "complete"
    deployments = run.manifest["deployments"].values()
    assert len(deployments) == 7 * 5
    assert not [d for d in deployments if d.get("status") == "failed"]
    switched = [d for d in deployments if "switch_s" in d]
    assert {d["mode"] for d in switched} == {
        "flannel-vxlan", "flannel-vxlan-directrouting", "flannel-host-gw"
    }  # fmt: skip
    proofs = [json.loads(p.read_text()) for p in (run.path / "proof").glob("*.json")]
    assert len(proofs) == 35
    rows = [r for p in proofs for r in p["rows"]]
    assert {r["status"] for r in rows} == {"ok"}
    carried = {(r["mode"], r["placement"]): r["outer"] for r in rows}
    assert carried["flannel-vxlan-directrouting", "same_subnet"] == "plain"
    assert carried["flannel-vxlan-directrouting", "cross_subnet"] == "vxlan 8472"
    assert carried["flannel-vxlan", "same_subnet"] == "vxlan 8472"
    assert carried["host", "cross_subnet"] == "plain"
    samples = run.samples
    goodput = samples[samples["metric"] == "goodput_bps"]
    assert (goodput["value"].dropna() > 0).all()
    crossing = samples[(samples["mode"] == "flannel-host-gw") & (samples["placement"] == "cross_subnet")]
    assert set(crossing["status"]) == {"failed"}
    assert set(crossing["reason_code"]) == {"not_crossing"}
    assert done.stdout.strip().endswith("report.html")
    page = (run.path / "report.html").read_text()
    assert "flannel-vxlan-directrouting" in page
    compared = cnilab(cluster, "compare", str(run.path), "--json")
    verdicts = {
        (r["mode"], r["placement"]): r
        for r in json.loads(compared.stdout)["rows"]
        if r["metric"] == "goodput_bps"
    }
    assert verdicts["flannel-vxlan", "same_subnet"]["n_used"] == 7
    assert verdicts["flannel-host-gw", "cross_subnet"]["ratio"] is None
    assert dump(api) == before
    assert not runs(api)


def test_a_run_without_leave_to_switch_measures_the_one_mode(cluster, api, tmp_path):
    before = dump(api)
    text = """
name: one
testbed: kubernetes
modes: [host, flannel-vxlan, flannel-host-gw, docker-bridge, calico-ipip]
placements: [same_node, same_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]
primary: {test: tcp_stream, metric: goodput_bps}
congestion_control: null
blocks: 1
"""
    settings = ClusterSettings(kubeconfig=str(cluster.settings.kubeconfig))
    wanted = study.parse(text).model_copy(update={"cluster": settings})
    run = execute.run(wanted, tmp_path / "run", progress=False)
    told = {(d["mode"] + " again" * d["twin"]): (d.get("status"), d.get("reason")) for d in run.manifest["deployments"].values()}
    assert told["flannel-vxlan"] == (None, None)
    assert told["host"] == (None, None)
    assert told["flannel-host-gw"][0] == "skipped"
    assert told["flannel-host-gw"][1]["code"] == "may_not_switch"
    assert told["docker-bridge"][0] == told["calico-ipip"][0] == "skipped"
    overheads = [m["overhead_s"] for m in run.metas if m["status"] == "ok"]
    assert len(overheads) == 6
    assert dump(api) == before


@pytest.mark.parametrize("kill", range(int(os.environ.get("CNILAB_KILLS", "3"))))
def test_killed_at_a_random_moment_all_comes_back(cluster, api, tmp_path, kill):
    rng = random.Random(f"cnilab {kill}")
    before = dump(api)
    argv = ["cluster", "run", str(STUDY), "--switch", "--no-report", "--quiet"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.settings.kubeconfig)}
    running = subprocess.Popen(
        [sys.executable, "-m", "cnilab.cli", *argv, "-o", str(tmp_path / "run")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    moment = rng.uniform(1.5, 45)
    time.sleep(moment)
    running.send_signal(signal.SIGKILL)
    running.wait()
    if rng.random() < 0.3:  # the way back may be killed as well
        back = subprocess.Popen([sys.executable, "-m", "cnilab.cli", "cluster", "restore"], env=environment)
        time.sleep(rng.uniform(0.5, 12))
        back.send_signal(signal.SIGKILL)
        back.wait()
    cleaned = cnilab(cluster, "cluster", "cleanup")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    restored = cnilab(cluster, "cluster", "restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert dump(api) == before, f"killed after {moment:.1f} s"
    assert detect(api).mode == "flannel-vxlan"


def test_a_pod_evicted_in_mid_trial_is_a_failed_row_and_placed_again(cluster, api, tmp_path):
    text = """
name: evicted
testbed: kubernetes
modes: [host, flannel-vxlan]
placements: [same_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 4}]
primary: {test: tcp_stream, metric: goodput_bps}
congestion_control: null
aa: false
blocks: 3
"""
    settings = ClusterSettings(kubeconfig=str(cluster.settings.kubeconfig))
    wanted = study.parse(text).model_copy(update={"cluster": settings})
    evicted = []
    first = next(t for t in wanted.plan().trials if t.mode == "flannel-vxlan")
    under_way = tmp_path / "run" / "raw" / first.trial_id / "client.out"

    def evict():
        """Evict the server of the first trial in the middle of it, as a drain would."""
        for _ in range(1200):
            if under_way.exists():
                break
            time.sleep(0.1)
        time.sleep(1)
        for names in runs(api).values():
            path = f"{NAMESPACES}/{min(names, key=len)}/pods"
            for pod in api.items(path, labels="cnilab.io/role=server-same-subnet"):
                name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
                body = {"apiVersion": "policy/v1", "kind": "Eviction"}
                body["metadata"] = {"name": name, "namespace": namespace}
                api.create(f"{path}/{name}/eviction", body)
                evicted.append(name)

    thread = threading.Thread(target=evict, daemon=True)
    thread.start()
    run = execute.run(wanted, tmp_path / "run", progress=False)
    thread.join(5)
    assert evicted
    metas = [m for m in run.metas if m["treatment"]["levels"]["mode"] == "flannel-vxlan"]
    failed = [m for m in metas if m["status"] == "failed"]
    assert len(failed) == 1, metas
    why = failed[0]["reason"]
    assert why["code"] == "bench_failed.pod_lost"
    assert evicted[0] in why["quoted"]
    assert "deleted" in why["quoted"] or "evict" in why["quoted"].lower()
    assert [m["status"] for m in metas].count("ok") == 2
    values = run.samples.query("mode == 'flannel-vxlan' and status != 'ok'")["value"]
    assert values.isna().all()


def test_a_failed_switch_puts_back_what_was_there(cluster, api, monkeypatch):
    before = dump(api)
    monkeypatch.setitem(flannel.BACKENDS, "flannel-host-gw", {"Type": "no-such-backend"})
    with pytest.raises(
        ClusterError, match=r"flanneld on n. ends with status 1 again and again.*flannel-vxlan was put back"
    ):
        switching.switch(api, detect(api), "flannel-host-gw")
    assert dump(api) == before
    assert switching.state.read(api) is None


def test_the_commands_of_the_readme(cluster, api):
    shown = cnilab(cluster, "cluster", "detect", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["mode"] == "flannel-vxlan"
    proved = cnilab(cluster, "cluster", "verify", "--json")
    assert proved.returncode == 0, proved.stdout + proved.stderr
    rows = json.loads(proved.stdout)["rows"]
    assert [r["placement"] for r in rows] == ["same_node", "same_subnet", "cross_subnet"]
    assert all(r["status"] == "ok" and len(r["checks"]) > 10 for r in rows)
    switched = cnilab(cluster, "cluster", "switch", "flannel-host-gw", "--yes", "--at-once")
    assert switched.returncode == 0, switched.stdout + switched.stderr
    assert detect(api).mode == "flannel-host-gw"
    wrong = cnilab(cluster, "cluster", "verify", "--mode", "flannel-vxlan")
    assert wrong.returncode == 1
    assert "mode not in effect" in wrong.stdout
    restored = cnilab(cluster, "cluster", "restore")
    assert "flannel-vxlan is back" in restored.stdout
