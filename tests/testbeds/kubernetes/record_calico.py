"""Writes down what a real Calico has on each node of the local cluster, mode by mode, as ``tests/data/calico`` holds it.

    cnilab cluster up --cni calico
    python -m tests.testbeds.kubernetes.record_calico

The answers are kept as the programs gave them. A pod on each node, and a second one on the first, are there meanwhile.
"""

import json
import subprocess
from pathlib import Path

from cnilab.localcluster.lifecycle import Cluster
from cnilab.localcluster.shape import BENCH_IMAGE
from cnilab.testbeds.kubernetes import switching
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.switching import calico_nodes

DATA = Path(__file__).parents[2] / "data" / "calico"
MODES = ("calico-vxlan", "calico-vxlan-crosssubnet", "calico-bgp-mesh", "calico-bgp-rr")
PODS = {"a": "n1", "b": "n1", "c": "n2", "d": "n3"}
#: On every node, and what is the same on all, on the first only.
EVERYWHERE = ("ip -j -d addr", "ip -j route", "ip -j neigh", "bridge -j fdb")
FIRST = ("iptables-save", "ipset save", "ip -j rule")
PATH = "/api/v1/namespaces/default/pods"


def main():
    cluster = Cluster.find()
    api = cluster.api
    DATA.mkdir(exist_ok=True)
    for mode in MODES:
        if detect(api).mode != mode:
            switching.switch(api, detect(api), mode, routed_underlay=True, progress=print)
        for name, node in PODS.items():
            api.create(PATH, pod(name, node))
        running = api.wait("pods", lambda: addresses(api), 60)
        found = {
            "mode": mode,
            "calico": detect(api).version,
            "kernel": subprocess.run(["uname", "-r"], capture_output=True, text=True).stdout.strip(),
            "pods": running,
            "nodes": {node: look(cluster, node) for node in cluster.settings.addresses},
        }
        (DATA / f"{mode}.json").write_text(json.dumps(found, indent=1) + "\n")
        for name in PODS:
            api.delete(f"{PATH}/{name}")
        api.wait("no pods", lambda: not list(api.items(PATH)), 60)
    switching.restore(api)


def pod(name, node):
    container = {"name": "c", "image": BENCH_IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "600"]}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"metadata": {"name": name}, "spec": spec}


def addresses(api):
    there = {p["metadata"]["name"]: p for p in api.items(PATH)}
    found = {n: [p["spec"]["nodeName"], p["status"].get("podIP")] for n, p in there.items()}
    return found if all(p["status"].get("phase") == "Running" for p in there.values()) else None


def look(cluster, node):
    asked = (*EVERYWHERE, *(FIRST if node == "n1" else ()))
    answers = {command: run([*cluster.enter(node), "sh", "-c", command]) for command in asked}
    agent = calico_nodes.agents(cluster.api)[node]
    answers["look"] = calico_nodes.run(cluster.api, agent, ["sh", "-c", calico_nodes.LOOK]).text
    item = cluster.api.get(f"/api/v1/nodes/{node}")
    kept = {k: v for k, v in item["metadata"]["annotations"].items() if k.startswith("projectcalico.org/")}
    ready = [{"type": "Ready", "status": "True"}]
    answers["node"] = {
        "metadata": {"name": node, "annotations": kept},
        "spec": {},
        "status": {"addresses": item["status"]["addresses"], "conditions": ready},
    }
    return answers


def run(argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


if __name__ == "__main__":
    main()
