"""What a switch writes, what it finds left over in a kernel, and the patch that undoes a change."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab import modes
from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.switching import flannel, k3s
from cnilab.testbeds.kubernetes.switching.rolling import _holds, difference

NET = "10.244.0.0/16"
CNI0 = {"ifname": "cni0", "mtu": 1450}
VXLAN = {"ifname": "flannel.1", "mtu": 1450}
DIRECT = {"dst": "10.244.1.0/24", "gateway": "192.0.2.12", "dev": "eth0"}
TUNNELLED = {"dst": "10.244.1.0/24", "gateway": "10.244.1.0", "dev": "flannel.1", "flags": ["onlink"]}
OWN = {"dst": "10.244.0.0/24", "dev": "cni0", "protocol": "kernel"}
DEFAULT = {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}


def env(mtu):
    return f"FLANNEL_NETWORK={NET}\nFLANNEL_SUBNET=10.244.0.1/24\nFLANNEL_MTU={mtu}\nFLANNEL_IPMASQ=true\n"


def left(mode, links, routes, mtu):
    return [" ".join(c) for c in flannel.leftovers(modes.get(mode), links, routes, env(mtu), NET)]


def test_vxlan_to_host_gw_removes_the_device_and_frees_the_bridge():
    assert left("flannel-host-gw", [CNI0, VXLAN], [DIRECT, OWN, DEFAULT], 1500) == [
        "ip link del flannel.1",
        "ip link set cni0 mtu 1500",
    ]


def test_host_gw_to_vxlan_has_nothing_to_remove_but_shrinks_the_bridge():
    bridge = {"ifname": "cni0", "mtu": 1500}
    assert left("flannel-vxlan", [bridge, VXLAN], [TUNNELLED, OWN, DEFAULT], 1450) == [
        "ip link set cni0 mtu 1450"
    ]


def test_old_plain_routes_would_carry_clear_text_beside_wireguard():
    links = [CNI0, VXLAN, {"ifname": "flannel-wg", "mtu": 1420}]
    wide = {"dst": NET, "dev": "flannel-wg", "scope": "link"}
    assert left("flannel-wireguard", links, [DIRECT, wide, OWN, DEFAULT], 1420) == [
        "ip link del flannel.1",
        "ip route del 10.244.1.0/24 via 192.0.2.12",
        "ip link set cni0 mtu 1420",
    ]


def test_in_place_means_nothing_left_to_do():
    assert left("flannel-vxlan", [CNI0, VXLAN], [TUNNELLED, OWN, DEFAULT], 1450) == []
    assert left("flannel-vxlan", [VXLAN], [], "") == []  # no pod yet, so no bridge


def test_foreign_routes_and_devices_are_never_touched():
    foreign = [{"dst": "172.16.0.0/12", "gateway": "192.0.2.99", "dev": "eth0"}, DEFAULT]
    assert left("flannel-wireguard", [{"ifname": "vxlan.calico", "mtu": 1}, CNI0], foreign, 1450) == []


@pytest.mark.parametrize("mode", list(flannel.BACKENDS))
def test_only_the_backend_of_a_configuration_changes(mode):
    before = json.dumps({"Network": NET, "EnableNFTables": False, "backend": {"type": "vxlan", "VNI": 7}})
    after = json.loads(flannel.with_backend(before, mode))
    assert after == {"Network": NET, "EnableNFTables": False, "Backend": flannel.BACKENDS[mode]}
    assert flannel._mode_of(json.dumps(after)) == mode


def test_no_backend_is_udp_as_in_flannels_code():
    assert flannel._mode_of(json.dumps({"Network": NET})) == "flannel-udp"
    assert (
        flannel._mode_of('{"Backend": {"TYPE": "vxlan", "directrouting": true}}')
        == "flannel-vxlan-directrouting"
    )
    assert flannel._mode_of('{"Backend": {"Type": "alloc"}}') is None


def test_every_flannel_mode_of_the_catalogue_has_a_backend():
    assert set(flannel.BACKENDS) == {m.id for m in modes.MODES.values() if m.plugin == "flannel"}


def test_k3s_has_instructions_and_no_patch():
    told = "\n".join(k3s.instructions("k3s", "flannel-wireguard"))
    assert "flannel-backend: wireguard-native" in told
    assert "cnilab cluster verify --mode flannel-wireguard" in told
    with pytest.raises(
        ClusterError, match="k3s has no back end for flannel-udp; it has flannel-vxlan, flannel-host-gw"
    ):
        k3s.instructions("k3s", "flannel-udp")
    with pytest.raises(ClusterError, match="RKE2"):
        k3s.instructions("rke2", "flannel-vxlan")


VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def merge(now, patch):
    """RFC 7396, section 2, as its pseudocode says."""
    if not isinstance(patch, dict):
        return patch
    now = dict(now) if isinstance(now, dict) else {}
    for key, value in patch.items():
        if value is None:
            now.pop(key, None)
        else:
            now[key] = merge(now.get(key), value)
    return now


@given(OBJECTS, OBJECTS)
def test_the_difference_undoes_any_change(now, was):
    change = difference(now, was)
    assert merge(now, change or {}) == was
    assert (change is None) == (now == was)
    assert _holds(was, change or {})
    assert _holds(now, change or {}) == (now == was)
