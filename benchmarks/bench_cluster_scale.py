"""How cnilab does with a thousand nodes and ten thousand pods, on a real API server with nothing behind it.

The objects are written straight to the server, so that no machine has to run them. Each step of a run is timed
beside the same server's answer to the naive question, "all pods of the cluster", in the same minute; requests
and bytes are counted where they leave. Needs the programs of `make cluster-build`; says so where they are not.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cnilab.errors import Unavailable
from cnilab.localcluster.apiserver import ControlPlane
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.testbeds.kubernetes import detect, placing
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.cleanup import clean_up
from cnilab.testbeds.kubernetes.pods import Pods, Want

NODES, PODS = 1000, 10_000
ROUNDS = 5


class Counting(Api):
    """An Api that counts what it asks."""

    requests = 0

    def _once(self, *told):
        Counting.requests += 1
        return super()._once(*told)


def node(index: int) -> dict:
    address = f"10.{index // 250}.0.{index % 250 + 2}"
    return {
        "kind": "Node",
        "metadata": {
            "name": f"node-{index:04}",
            "annotations": {
                "flannel.alpha.coreos.com/backend-type": "vxlan",
                "flannel.alpha.coreos.com/backend-data": '{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}',
                "flannel.alpha.coreos.com/public-ip": address,
                "flannel.alpha.coreos.com/kube-subnet-manager": "true",
            },
        },
        "spec": {"podCIDR": f"10.{128 + index // 256}.{index % 256}.0/24"},
    }


def status(index: int) -> dict:
    address = f"10.{index // 250}.0.{index % 250 + 2}"
    return {
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"operatingSystem": "linux"},
        }
    }


def pod(name: str, node_name: str, labels: dict) -> dict:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node_name, "containers": [{"name": "main", "image": "localhost/none:1"}]},
    }


def fill(api: Api) -> None:
    """Write the cluster: nodes, flannel with a pod a node, and other people's pods in forty namespaces."""
    everywhere = {"app": "flannel"}
    names = [f"team-{i}" for i in range(40)] + ["kube-flannel"]
    for name in names:
        api.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name}})
    net_conf = '{"Network": "10.128.0.0/12", "Backend": {"Type": "vxlan"}}'
    api.create(
        "/api/v1/namespaces/kube-flannel/configmaps",
        {"kind": "ConfigMap", "metadata": {"name": "kube-flannel-cfg"}, "data": {"net-conf.json": net_conf}},
    )
    template = {
        "metadata": {"labels": everywhere},
        "spec": {"containers": [{"name": "kube-flannel", "image": "flannel:v0"}]},
    }
    api.create(
        "/apis/apps/v1/namespaces/kube-flannel/daemonsets",
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "kube-flannel-ds", "labels": everywhere},
            "spec": {"selector": {"matchLabels": everywhere}, "template": template},
        },
    )

    def one_node(index: int) -> None:
        api.create("/api/v1/nodes", node(index))
        api.patch(f"/api/v1/nodes/node-{index:04}/status", status(index))
        api.patch(f"/api/v1/nodes/node-{index:04}", {"spec": {"taints": None}})  # set on every new node

    def one_pod(index: int) -> None:
        where, labels = (
            ("kube-flannel", everywhere) if index < NODES else (f"team-{index % 40}", {"app": "theirs"})
        )
        api.create(
            f"/api/v1/namespaces/{where}/pods", pod(f"pod-{index}", f"node-{index % NODES:04}", labels)
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one_node, range(NODES)))
        list(pool.map(one_pod, range(PODS)))


def measured(what, work, naive_s: float) -> None:
    Counting.requests = 0
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        found = work()
        times.append(time.monotonic() - began)
    best = sorted(times)[len(times) // 2]
    print(
        f"  {what:<42} {best:6.2f} s   ratio to listing all pods {best / naive_s:5.2f}   "
        f"{Counting.requests / ROUNDS:5.0f} requests   {found}"
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        plane = ControlPlane(Path(folder))
        try:
            plane.start()
        except Unavailable as error:
            print(f"  not run: {error}")
            return 0
        try:
            api = Counting.load(str(plane.admin))
            began = time.monotonic()
            fill(api)
            print(f"  {NODES} nodes and {PODS} pods written in {time.monotonic() - began:.0f} s")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.monotonic()
            found = detect.detect(api)
            measured("detect, node by node", lambda: detect.detect(api).mode, naive := naive_seconds(api))
            measured(
                "choose nodes for three placements",
                lambda: ", ".join(
                    n.name
                    for n in placing.place(
                        placing.read(api.items("/api/v1/nodes")), ("same_node", "same_subnet", "cross_subnet")
                    ).nodes
                ),
                naive,
            )
            pods = Pods(api, "scale", ClusterSettings())
            pods.open(host=True)
            home = placing.read([api.get("/api/v1/nodes/node-0000")])[0]
            for index in range(5):
                pods._create(pods.namespace, pods._manifest(f"own-{index}", Want("client", home)))
            measured("list the run's own pods", lambda: f"{len(pods.listed())} of {PODS + 5}", naive)
            measured("find what every run has left", lambda: clean_up(api, "nobody").removed, naive)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"  {found.mode}; peak memory {after / 1024:.0f} MiB, of which {(after - before) / 1024:.0f} by these steps"
            )
        finally:
            plane.close()
    return 0


def naive_seconds(api: Api) -> float:
    """The question cnilab never asks."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        count = sum(1 for _ in api.items("/api/v1/pods"))
        times.append(time.monotonic() - began)
    print(f"  {'listing all pods, the naive question':<42} {sorted(times)[1]:6.2f} s   {count} objects")
    return sorted(times)[1]


if __name__ == "__main__":
    sys.exit(main())
