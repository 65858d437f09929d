"""Objects that detection reads, made in a real API server and taken away again.

No agent runs here: what flannel, k3s or Calico would write is written by the test, in the fields of their sources.
"""

import contextlib
import json
from pathlib import Path

import yaml

from cnilab.testbeds.kubernetes.api import Conflict, NotFound

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FOLDER = Path(__file__).parent / "crds"
FLANNEL = "flannel.alpha.coreos.com"


class World:
    """What one test puts into the server; :meth:`clear` takes it away, so that tests may share a server."""

    def __init__(self, api):
        self.api = api
        self.made = []

    def put(self, path, name, /, **body):
        meta = {"name": name, **body.pop("metadata", {})}
        self.api.create(path, {"metadata": meta, **body})
        self.made.append(f"{path}/{name}")

    def clear(self):
        for path in reversed(self.made):
            self.api.delete(path, grace_s=0)  # no kubelet ends a pod here
        for path in self.made:
            self.api.wait(f"{path} is gone", lambda path=path: self._gone(path), 30)

    def _gone(self, path):
        try:
            return self.api.get(path) is None
        except NotFound:
            return True

    def namespace(self, name):
        """Stays: without controllers no namespace ever ends."""
        with contextlib.suppress(Conflict):
            self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})

    def kinds(self, file):
        """Serve the custom kinds of a file of ``crds/``; they stay, since serving them takes seconds."""
        self._serve(file, True)

    def without(self, file):
        """Serve the kinds of a file no more; unlike deleting them this takes no finalizer's time."""
        self._serve(file, False)

    def _serve(self, file, on):
        changed = []
        for crd in yaml.safe_load_all((FOLDER / file).read_text()):
            path = f"{CRDS}/{crd['metadata']['name']}"
            try:
                version = self.api.get(path)["spec"]["versions"][0]
                if version["served"] != on:
                    change = [{"op": "replace", "path": "/spec/versions/0/served", "value": on}]
                    self.api.patch(path, change, kind="json")
                    changed.append(crd["spec"])
            except NotFound:
                if on:
                    self.api.create(CRDS, crd)
                    changed.append(crd["spec"])
        for spec in changed:
            path, plural = f"/apis/{spec['group']}/{spec['versions'][0]['name']}", spec["names"]["plural"]
            word = "served" if on else "gone"
            self.api.wait(f"{plural} is {word}", lambda p=path, k=plural: self._serves(p, k) == on, 60)

    def _serves(self, path, plural):
        try:
            listed = plural in {r["name"] for r in self.api.get(path)["resources"]}
            return listed and self.api.get(f"{path}/{plural}") is not None
        except NotFound:
            return False

    # ---- what plugins write ---------------------------------------------------------------------------

    def node(self, name, **notes):
        self.put("/api/v1/nodes", name, metadata={"annotations": notes})

    def daemonset(self, namespace, name, container, image, **more):
        self.namespace(namespace)
        labels = {"app": name}
        pod = {"containers": [{"name": container, "image": image, **more}]}
        spec = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        self.put(f"/apis/apps/v1/namespaces/{namespace}/daemonsets", name, spec=spec)

    def config(self, namespace, name, **data):
        self.namespace(namespace)
        self.put(f"/api/v1/namespaces/{namespace}/configmaps", name, data=data)

    def flannel(self, backend, nodes, *, namespace="kube-flannel", prefix=FLANNEL, key="Backend", **more):
        """flannel's ConfigMap (``backend`` None: without the key), DaemonSet and nodes' announced back ends."""
        conf = {"Network": "10.244.0.0/16", **({} if backend is None else {key: backend}), **more}
        self.config(namespace, "kube-flannel-cfg", **{"net-conf.json": json.dumps(conf)})
        args = [] if prefix == FLANNEL else [f"--kube-annotation-prefix={prefix}"]
        image = "localhost/flannel:v0.28.10"
        self.daemonset(namespace, "kube-flannel-ds", "kube-flannel", image, args=args)
        for number, kind in enumerate(nodes, 1):
            told = {"backend-type": kind, "backend-data": "null", "public-ip": f"192.0.2.1{number}"}
            self.node(f"n{number}", **{f"{prefix}/{k}": v for k, v in told.items()})

    def calico(self, *pools, api="v3", version="v3.32.1", nodes=None, bgp=None, felix=None, operator=None):
        """Calico by manifest, or by operator if ``operator`` is Installation's ``calicoNetwork``."""
        namespace = "kube-system" if operator is None else "calico-system"
        self.without("calico-v1.yaml" if api == "v3" else "calico-v3.yaml")
        self.kinds(f"calico-{api}.yaml")
        if operator is not None:
            self.kinds("operator.yaml")
            where = "/apis/operator.tigera.io/v1/installations"
            head = {"apiVersion": "operator.tigera.io/v1", "kind": "Installation"}
            self.put(where, "default", **head, spec={"calicoNetwork": operator})
        self.daemonset(namespace, "calico-node", "calico-node", f"localhost/calico/node:{version}")
        self.group = "projectcalico.org/v3" if api == "v3" else "crd.projectcalico.org/v1"
        for name, spec in pools:
            labels = {"app.kubernetes.io/managed-by": "tigera-operator"} if operator is not None else {}
            self.custom("IPPool", name, spec, labels=labels)
        for kind, spec in (("BGPConfiguration", bgp), ("FelixConfiguration", felix)):
            if spec is not None:
                self.custom(kind, "default", spec)
        for name, notes in (nodes or {"n1": {}, "n2": {}}).items():
            tunnels = {"IPv4IPIPTunnelAddr": "10.244.0.1", "IPv4VXLANTunnelAddr": "10.244.0.2"}
            told = {"IPv4Address": "192.0.2.11/24", **tunnels, **notes}
            self.node(name, **{f"projectcalico.org/{k}": v for k, v in told.items()})

    def custom(self, kind, name, spec, **metadata):
        where = f"/apis/{self.group}/{kind.lower()}s"
        self.put(where, name, apiVersion=self.group, kind=kind, spec=spec, metadata=metadata)


def pool(ipip="Never", vxlan="Never", cidr="10.244.0.0/17", **more):
    return {"cidr": cidr, "ipipMode": ipip, "vxlanMode": vxlan, **more}
