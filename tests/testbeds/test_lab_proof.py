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
    "VXLAN answered plain": (
        "flannel-vxlan",
        "n2",
        "ip route replace 10.244.1.0/24 via 192.0.2.11 dev eth0",
        {"route_device", "carried_by"},
    ),
    "DirectRouting answered through the tunnel": (
        "flannel-vxlan-directrouting",
        "n2",
        "mac=$(ip -n n1 -br link show flannel.1 | awk '{print $3}'); ip neigh replace 10.244.1.0 lladdr $mac dev flannel.1 nud permanent; bridge fdb replace $mac dev flannel.1 dst 192.0.2.11 self permanent; ip route replace 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink",
        {"route_device"},
    ),
    "WireGuard answered in clear text": (
        "flannel-wireguard",
        "n2",
        "ip route replace 10.244.1.0/24 via 192.0.2.11 dev eth0",
        {"carried_by"},
    ),
    "TCP in clear under WireGuard": (
        "flannel-wireguard",
        "n1",
        "ip route add default via 192.0.2.12 dev eth0 table 77; ip rule add ipproto tcp to 10.244.0.0/16 lookup 77 priority 50",
        {"no_earlier_rule"},
    ),
    "whole TCP segments dropped": (
        "flannel-vxlan",
        "n1",
        "iptables -t mangle -A FORWARD -p tcp -m length --length 1000:65535 -j DROP",
        {"stream_completes"},
    ),
    "MSS clamped in a chain named like Felix's": (
        "calico-bgp-mesh",
        "n1",
        "iptables -t mangle -N cali-X; iptables -t mangle -A cali-X -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 536; iptables -t mangle -A FORWARD -j cali-X",
        {"segment_size"},
    ),
    "pods masqueraded towards pods": (
        "flannel-host-gw",
        "n1",
        "iptables -t nat -I FLANNEL-POSTRTG -s 10.244.0.0/16 -j MASQUERADE",
        {"source_address"},
    ),
    "the underlay by way of the router": (
        "flannel-vxlan",
        "n1",
        "ip route add 192.0.2.12/32 via 192.0.2.1 dev eth0",
        {"underlay_hops"},
    ),
    "a token bucket on the node's end": (
        "flannel-vxlan",
        "n1",
        "d=$(ip -br link show master cni0 | head -1 | cut -d@ -f1); tc qdisc add dev $d root tbf rate 500mbit burst 64kb latency 50ms",
        {"no_rate_limit"},
    ),
    "a token bucket in the pod": (
        "calico-vxlan",
        "p1",
        "tc qdisc add dev eth0 root tbf rate 500mbit burst 64kb latency 50ms",
        {"no_rate_limit"},
    ),
    "short segments on the tunnel": (
        "flannel-vxlan",
        "n1",
        "ip link set flannel.1 gso_max_size 3000",
        {"whole_segments"},
    ),
    "TSO off on the tunnel": (
        "flannel-vxlan",
        "n1",
        "ethtool -K flannel.1 tso off gso off tx off",
        {"offloads"},
    ),
    "TSO off in the pod": (
        "flannel-vxlan",
        "p1",
        "ethtool -K eth0 tso off",
        {"offloads"},
    ),
    "checksum offload off on the underlay": (
        "flannel-vxlan",
        "n1",
        "ethtool -K eth0 tx off",
        {"offloads"},
    ),
    "500 rules in FORWARD": (
        "flannel-vxlan",
        "n1",
        "for i in $(seq 500); do echo \"-A FORWARD -s 203.0.113.$((i%250))/32 -j DROP\"; done | (echo '*filter'; cat; echo COMMIT) | iptables-restore -n",
        {"no_foreign_rules"},
    ),
    "no connection tracking": (
        "flannel-vxlan",
        "n1",
        "iptables -t raw -A PREROUTING -j NOTRACK",
        {"no_foreign_rules"},
    ),
    "bridged packets pass no netfilter": (
        "flannel-vxlan",
        "n1",
        "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
        {"bridge_netfilter"},
    ),
    "sessions down, the route typed by hand": (
        "calico-bgp-mesh",
        "n1",
        "for i in $(birdc -s /run/cnilab/bird/n1/bird.ctl show protocols | awk '$2==\"BGP\"{print $1}'); do birdc -s /run/cnilab/bird/n1/bird.ctl disable $i; done; sleep 0.5; ip route replace 10.244.2.64/26 via 192.0.2.12 dev eth0 proto bird",
        {"bgp_established"},
    ),
    "answers dropped": (
        "flannel-vxlan",
        "n2",
        "iptables -I FORWARD -p udp -j DROP",
        {"packet_arrives"},
    ),
    "a routing rule before the mode's own": (
        "flannel-host-gw",
        "n1",
        "ip route add 10.244.2.0/24 via 192.0.2.12 table 88; ip rule add to 10.244.2.0/24 lookup 88 priority 40",
        {"no_earlier_rule"},
    ),
    "TTL raised": (
        "flannel-vxlan",
        "n1",
        "iptables -t mangle -A FORWARD -j TTL --ttl-inc 1",
        {"ttl"},
    ),
    "CrossSubnet answered through the tunnel": (
        "calico-ipip-crosssubnet",
        "n2",
        "ip route replace 10.244.1.64/26 via 192.0.2.11 dev tunl0 onlink proto bird",
        {"carried_by"},
    ),
    "a queue of one packet": (
        "flannel-vxlan",
        "n1",
        "tc qdisc add dev eth0 root pfifo limit 1",
        {"no_rate_limit"},
    ),
    "a smaller MTU in the server's pod": (
        "flannel-vxlan",
        "p2",
        "ip link set eth0 mtu 1200",
        {"segment_size"},
    ),
}


#: Modes proved right before one of them was broken.
RIGHT: set[str] = set()


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_lab_is_caught(what, lab_of):
    mode, where, command, says = BROKEN[what]
    lab: Lab = lab_of(mode)
    if (
        mode not in RIGHT
    ):  # once per mode: that it is right in every placement and path is another test's matter
        assert lab.prove(["same_subnet"])[0].status == "ok", "the lab must be right before it is broken"
        RIGHT.add(mode)
    command = command.replace("MAC2", lab.topology.node("n2").flannel_mac)
    lab.sh(where, command)
    row = lab.prove(["same_subnet"])[0]
    assert row.status == "failed"
    assert row.reason.code == "mode_not_in_effect"
    failed = {c.code for c in row.checks if not c.ok}
    assert failed & says, failed
