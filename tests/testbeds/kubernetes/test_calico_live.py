"""On a real cluster with a real Calico: every mode it can have, switched live, proven, measured, and put back.

Raises the cluster (see conftest.py), so it runs only where asked to.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnilab.errors import ClusterError
from cnilab.localcluster.status import status
from cnilab.runs.run import Run
from cnilab.testbeds.kubernetes import switching
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.switching import calico, calico_nodes

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

STUDY = Path(__file__).parents[3] / "data" / "studies" / "cluster-calico.yaml"
OBJECTS = ("ippools", "bgpconfigurations", "bgppeers", "felixconfigurations")


@pytest.fixture
def api(calico_cluster):
    return calico_cluster.api


def cnilab(cluster, *argv, code=0):
    environment = {**os.environ, "KUBECONFIG": str(cluster.settings.kubeconfig)}
    done = subprocess.run(
        [sys.executable, "-m", "cnilab.cli", *argv], env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr[-3000:]
    return done


def dump(api):
    """What a switch may touch: Calico's objects, and the marks that cnilab puts on nodes."""
    found = {}
    for kind in OBJECTS:
        for item in api.items(f"/apis/crd.projectcalico.org/v1/{kind}"):
            found[kind, item["metadata"]["name"]] = item["spec"]
    for node in api.items("/api/v1/nodes"):
        annotations, labels = node["metadata"].get("annotations") or {}, node["metadata"].get("labels") or {}
        kept = [k for k in (*annotations, *labels) if "cnilab" in k or k == calico_nodes.CLUSTER_ID]
        found["nodes", node["metadata"]["name"]] = kept
    return found


def rows(text):
    return {r["placement"]: r for r in json.loads(text)["rows"]}


def test_it_is_a_calico_as_published(calico_cluster, api):
    found = detect(api)
    assert (found.plugin, found.mode) == ("calico", "calico-vxlan")
    assert found.version.startswith("v3.28.5")
    assert not found.warnings
    told = status(calico_cluster)
    assert told.ok, told.trouble
    assert told.backend == "vxlan Always"
    running = {}
    for name, pod in calico_nodes.agents(api).items():
        answer = calico_nodes.run(api, pod, ["sh", "-c", "sv status /etc/service/enabled/*; bird --version"])
        running[name] = set(re.findall(r"run: \S+/([\w-]+):", answer.text))
        assert b"BIRD version 1.6" in answer.stderr
    assert all({"felix", "confd", "bird", "cni", "allocate-tunnel-addrs"} <= r for r in running.values())
    assert set(running) == set(calico_cluster.settings.addresses)


@pytest.mark.parametrize(
    ("mode", "same_subnet", "cross_subnet", "mtu"),
    [
        ("calico-bgp-mesh", "plain", "-", 1500),
        ("calico-bgp-rr", "plain", "-", 1500),
        ("calico-vxlan-crosssubnet", "plain", "vxlan 4789", 1450),
    ],
)
def test_a_mode_is_switched_to_proven_and_put_back(calico_cluster, api, mode, same_subnet, cross_subnet, mtu):
    before = dump(api)
    switching.switch(api, detect(api), mode, routed_underlay=True)
    assert detect(api).mode == mode
    proof = rows(cnilab(calico_cluster, "cluster", "verify", "--json").stdout)
    assert {r["status"] for r in proof.values()} == {"ok"}
    assert proof["same_node"]["mtu"] == mtu
    assert proof["same_subnet"]["outer"] == same_subnet
    assert proof["cross_subnet"]["outer"] == cross_subnet
    assert "calico-vxlan is back" in cnilab(calico_cluster, "cluster", "restore").stdout
    assert dump(api) == before, "a reflector's marks are gone for good"
    assert not calico_nodes.lacks(
        calico_nodes.states(api),
        calico_nodes.asked([{"cidr": "10.244.0.0/16", "vxlanMode": "Always"}], {}, {}, bird=True, mesh=True),
    )


def test_from_mode_to_mode_without_a_way_back_in_between(calico_cluster, api):
    """As a study does it: what the reflectors' mode left must not be in the next one's way."""
    before = dump(api)
    for mode in ("calico-bgp-rr", "calico-bgp-mesh", "calico-bgp-rr", "calico-vxlan"):
        switching.switch(api, detect(api), mode, routed_underlay=True)
        found = detect(api)
        assert (found.mode, list(found.warnings)) == (mode, [])
    switching.restore(api)
    assert dump(api) == before


@pytest.mark.parametrize("mode", ["calico-ipip", "calico-ipip-crosssubnet", "calico-wireguard"])
def test_what_cannot_be_carried_is_refused_before_anything_is_changed(calico_cluster, api, mode):
    """IP-in-IP for want of Calico's own BIRD, if the kernel has the device; WireGuard where it has not."""
    if mode == "calico-wireguard" and not calico.why_not(api, calico.find(api), mode, routed_underlay=True):
        pytest.skip("this kernel has WireGuard")
    before = dump(api)
    with pytest.raises(ClusterError, match=r"has no (ipip|wireguard) device|needs Calico's own BIRD"):
        switching.switch(api, detect(api), mode, routed_underlay=True)
    assert dump(api) == before
    assert switching.state.read(api) is None


def test_a_study_with_calicos_modes_switched_live(calico_cluster, api, tmp_path):
    before = dump(api)
    short = tmp_path / "study.yaml"
    short.write_text(STUDY.read_text().replace("blocks: 10", "blocks: 2"))
    argv = ("cluster", "run", str(short), "--switch", "--no-report", "--quiet", "-o", str(tmp_path / "run"))
    cnilab(calico_cluster, *argv)
    run = Run.open(tmp_path / "run")
    assert run.manifest["state"] == "complete"
    assert not [d for d in run.manifest["deployments"].values() if d.get("status") == "failed"]
    proofs = [json.loads(p.read_text()) for p in (run.path / "proof").glob("*.json")]
    carried = {(r["mode"], r["placement"]): r["outer"] for p in proofs for r in p["rows"]}
    assert carried["calico-vxlan", "same_subnet"] == "vxlan 4789"
    assert carried["calico-vxlan-crosssubnet", "same_subnet"] == "plain"
    assert carried["calico-bgp-mesh", "same_subnet"] == carried["calico-bgp-rr", "same_subnet"] == "plain"
    samples = run.samples
    goodput = samples[(samples["metric"] == "goodput_bps") & (samples["placement"] == "same_subnet")]
    assert set(goodput["mode"]) == {
        "host",
        "calico-vxlan",
        "calico-vxlan-crosssubnet",
        "calico-bgp-mesh",
        "calico-bgp-rr",
    }
    assert (goodput["value"] > 0).all()
    crossing = samples[
        samples["mode"].str.startswith("calico-bgp") & (samples["placement"] == "cross_subnet")
    ]
    assert set(crossing["reason_code"]) == {"not_crossing"}
    assert dump(api) == before
