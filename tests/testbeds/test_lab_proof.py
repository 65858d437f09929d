"""Labs broken on purpose, each caught by the proof: the mode reported is the mode that carries the packets."""

import pytest

from cnilab.testbeds.lab import Lab

pytestmark = pytest.mark.lab

#: what is wrong -> (mode, where, command, what the proof must say)
BROKEN = {
    "wrong VNI": (
        "flannel-vxlan",
        "n2",
        "ip link del flannel.1; ip link add flannel.1 mtu 1450 type vxlan id 9 local 192.0.2.12 dev eth0 dstport 8472 nolearning; "
        "ip link set flannel.1 up",
        {"vni", "vxlan_settings"},
    ),
    "forwarding entry missing": (
        "calico-vxlan",
        "n1",
        "set -- $(bridge fdb show dev vxlan.calico | grep 192.0.2.12); bridge fdb del $1 dev vxlan.calico dst 192.0.2.12 self",
        {"forwarding_entry"},
    ),
    "IP-in-IP route pointed at eth0": (
        "calico-ipip",
        "n1",
        "ip route replace 10.244.2.64/26 via 192.0.2.12 dev eth0 proto bird metric 1024",
        {"route_device"},
    ),
    "BGP filter drops a block": (
        "calico-bgp-mesh",
        "n2",
        "sed -i 's/then accept/then reject/' /run/cnilab/bird/n2/bird.conf; birdc -s /run/cnilab/bird/n2/bird.ctl configure; "
        "for i in $(seq 40); do ip -n n1 route show 10.244.2.64/26 | grep -q . || break; sleep 0.05; done",
        {"route_protocol", "route_present"},
    ),
    "MTU 1500 over VXLAN": (
        "flannel-vxlan",
        "n1",
        "mac=$(ip -br link show flannel.1 | awk '{print $3}'); ip link del flannel.1; "
        "ip link add flannel.1 address $mac mtu 1500 type vxlan id 1 local 192.0.2.11 dstport 8472 nolearning; ip link set flannel.1 up; "
        "ip addr add 10.244.1.0/32 dev flannel.1; ip neigh replace 10.244.2.0 lladdr MAC2 dev flannel.1 nud permanent; "
        "bridge fdb replace MAC2 dev flannel.1 dst 192.0.2.12 self permanent; ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
        {"device_mtu"},
    ),
    "pods with MTU 1500 over VXLAN": ("flannel-vxlan", "p1", "ip link set eth0 mtu 1500", {"end_mtu"}),
    "stale host-gw route under WireGuard": (
        "flannel-wireguard",
        "n1",
        "ip route add 10.244.2.0/24 via 192.0.2.12 dev eth0",
        {"route_device"},
    ),
    "no encapsulation inside the subnet": (
        "flannel-vxlan",
        "n1",
        "ip route replace 10.244.2.0/24 via 192.0.2.12 dev eth0",
        {"route_device"},
    ),
    "another mode's tunnel left behind": (
        "flannel-host-gw",
        "n2",
        "ip link add flannel.1 type vxlan id 1 local 192.0.2.12 dstport 8472 nolearning; ip link set flannel.1 up",
        {"no_other_tunnel"},
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_lab_is_caught(what, lab_of):
    mode, where, command, says = BROKEN[what]
    lab: Lab = lab_of(mode)
    assert lab.prove(["same_subnet"])[0].status == "ok", "the lab must be right before it is broken"
    command = command.replace("MAC2", lab.topology.node("n2").flannel_mac)
    lab.sh(where, command)
    row = lab.prove(["same_subnet"])[0]
    assert row.status == "failed"
    assert row.reason.code == "mode_not_in_effect"
    failed = {c.code for c in row.checks if not c.ok}
    assert failed & says, failed
