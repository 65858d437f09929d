"""Calico's objects on a real API server, and the stand-in's program against it, as the cluster of this machine has them."""

import os
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from cnilab.errors import Unavailable
from cnilab.localcluster import calico
from cnilab.localcluster.compiling import binary
from cnilab.localcluster.lifecycle import _collection
from cnilab.localcluster.status import _plugin
from cnilab.testbeds.kubernetes.api import Api, ApiError
from cnilab.testbeds.kubernetes.detect import detect
from cnilab.testbeds.kubernetes.detecting.calico import STAND_IN

POOL = "/apis/projectcalico.org/v3/ippools/default-ipv4-ippool"
FELIX = "/apis/projectcalico.org/v3/felixconfigurations"
ACCOUNT = "/api/v1/namespaces/kube-system/serviceaccounts/calico-node"


def served(api, path):
    try:
        return api.get(path) is not None
    except ApiError:
        return False


@pytest.fixture(scope="module")
def api(control_plane):
    made = Api.load(str(control_plane.admin))
    for obj in calico.kinds():
        made.create(_collection(obj), obj)
    for obj in calico.objects():
        made.wait(f"{obj['kind']} is served", lambda obj=obj: served(made, _collection(obj)), 60)
        made.create(_collection(obj), obj)
    made.create("/api/v1/nodes", {"metadata": {"name": "n1"}, "spec": {"podCIDR": "10.244.1.0/24"}})
    return made


def test_it_is_detected_as_calico_and_told_to_be_a_stand_in(api):
    found = detect(api)
    assert (found.plugin, found.version, found.per_pool[0].mode) == ("calico", "stand-in", "calico-ipip")
    assert found.warnings[0] == (
        "this calico-node is a stand-in of cnilab's: its program only writes node annotations; flannel carries the pods"
    )
    assert STAND_IN == calico.MARK
    assert "stand-in" in _plugin("calico")
    assert _plugin("flannel") == "flannel"


def test_a_pool_of_two_encapsulations_is_refused(api):
    with pytest.raises(ApiError, match="cannot both be enabled"):
        api.patch(POOL, {"spec": {"vxlanMode": "Always"}})


@pytest.fixture
def agent(api, control_plane, tmp_path):
    """The stand-in's program with its service account's token, as the kubelet would hand it over."""
    try:
        program = binary("calico-stand-in")
    except Unavailable as error:
        pytest.skip(str(error))
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    made = api.create(f"{ACCOUNT}/token", {**kind, "metadata": {}, "spec": {"expirationSeconds": 3600}})
    (tmp_path / "token").write_text(made["status"]["token"] + "\n")
    (tmp_path / "ca.crt").write_bytes((control_plane.folder / "pki" / "ca.crt").read_bytes())
    where = urlsplit(control_plane.url)
    environment = {
        "NODE_NAME": "n1",
        "NODE_IP": "192.0.2.11",
        "TOKEN_FOLDER": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": where.hostname,
        "KUBERNETES_SERVICE_PORT": str(where.port),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([program], env={**os.environ, **environment}, stderr=log)
        yield tmp_path / "log"
        process.terminate()
        assert process.wait(10) == 0


def notes_once(api, wanted, log):
    """The node's annotations once they hold ``wanted`` and no other tunnel."""
    told, end = {}, time.monotonic() + 20
    while time.monotonic() < end:
        all_told = api.get("/api/v1/nodes/n1")["metadata"].get("annotations") or {}
        told = {k.removeprefix("projectcalico.org/"): v for k, v in all_told.items()}
        if wanted == {k for k in told if "Tunnel" in k or "Wireguard" in k}:
            return told
        time.sleep(0.1)
    raise AssertionError(f"wanted {wanted}, the node says {told}; {log.read_text()}")


def test_the_stand_in_says_what_calico_node_would(api, agent):
    told = notes_once(api, {"IPv4IPIPTunnelAddr"}, agent)
    assert (told["IPv4Address"], told["IPv4IPIPTunnelAddr"]) == ("192.0.2.11/24", "10.244.1.0")
    assert told[calico.MARK] == "writes annotations, moves no packet"
    assert detect(api).mode == "calico-ipip"
    api.patch(POOL, {"spec": {"ipipMode": "Never", "vxlanMode": "CrossSubnet"}})
    notes_once(api, {"IPv4VXLANTunnelAddr", "VXLANTunnelMACAddr"}, agent)
    head = {"apiVersion": "projectcalico.org/v3", "kind": "FelixConfiguration"}
    api.create(FELIX, {**head, "metadata": {"name": "default"}, "spec": {"wireguardEnabled": True}})
    api.patch(POOL, {"spec": {"vxlanMode": "Never"}})
    told = notes_once(api, {"WireguardPublicKey", "IPv4WireguardInterfaceAddr"}, agent)
    assert len(told["WireguardPublicKey"]) == 44
    assert detect(api).mode == "calico-wireguard"
