"""What a mode leaves in the kernel, against what flanneld 0.28 and Felix 3.32 with BIRD were seen to leave.

Lines as ``ip``, ``bridge`` and ``iptables-save`` print them on the first of three nodes, the third of which is
in another subnet. The proof looks at what carries a packet; this looks at the rest.
"""

import re

import pytest

from cnilab.modes import MODES
from cnilab.testbeds.lab import Lab

pytestmark = pytest.mark.lab

READ = r"""
ip -d -o link | sed 's/\\//g'; ip -o addr; ip -d route show table all; ip neigh show nud permanent; ip rule
bridge fdb show | grep dst; bridge -d -o link; iptables-save
for d in $(ls /proc/sys/net/ipv4/conf); do
  for k in ipv4/conf/$d/proxy_arp ipv4/conf/$d/route_localnet ipv6/conf/$d/accept_ra ipv4/neigh/$d/proxy_delay; do
    [ -r /proc/sys/net/$k ] && echo "$k = $(cat /proc/sys/net/$k)"
  done
done
echo acct = $(cat /proc/sys/net/netfilter/nf_conntrack_acct)
"""

FLANNEL = [
    r"cni0 +inet 10\.244\.1\.1/24 brd 10\.244\.1\.255 scope global cni0",
    r"cni0: .* qlen 1000",
    r"ipv6/conf/cni0/accept_ra = 0",
    r"vethb9cba836.* hairpin on",
    r"ipv6/conf/vethb9cba836/accept_ra = 0",
]
CALICO = [
    r"cali182c452fe96@.* link/ether ee:ee:ee:ee:ee:ee",
    r"unicast 10\.244\.1\.66 dev cali182c452fe96 .*proto boot scope link metric 1024",
    r"10\.244\.1\.66 dev cali182c452fe96 lladdr \S+ PERMANENT",
    r"ipv4/conf/cali182c452fe96/proxy_arp = 1",
    r"ipv4/conf/cali182c452fe96/route_localnet = 1",
    r"ipv4/neigh/cali182c452fe96/proxy_delay = 0",
    r"ipv6/conf/cali182c452fe96/accept_ra = 0",
    r"acct = 1",
]
BIRD = [r"blackhole 10\.244\.1\.64/26 .*proto bird scope global *$"]
TUNL0 = [r"tunl0: .* mtu 1480 .* qlen 1000", r"tunl0 +inet 10\.244\.1\.64/32 "]
FLANNEL1 = [
    r"flannel\.1: .* mtu 1450 .*vxlan id 1 local 192\.0\.2\.11 dev eth0 .*dstport 8472 nolearning ttl auto .* udpcsum",
    r"flannel\.1 +inet 10\.244\.1\.0/32 scope global",
    r"ipv6/conf/flannel\.1/accept_ra = 0",
    r"10\.244\.3\.0 dev flannel\.1 lladdr \S+ PERMANENT",
    r"dev flannel\.1 dst 198\.51\.100\.13 self permanent",
    r"unicast 10\.244\.3\.0/24 via 10\.244\.3\.0 dev flannel\.1 .*proto boot scope global onlink",
]
VXLAN_CALICO = [
    r"vxlan\.calico: .* mtu 1450 .* qlen 1000 .*vxlan id 4096 local 192\.0\.2\.11 dev eth0 .*dstport 4789 nolearning",
    r"vxlan\.calico +inet 10\.244\.1\.64/32 ",
    r"10\.244\.3\.64 dev vxlan\.calico lladdr 66:\S+ PERMANENT",
    r"10\.244\.3\.64/26 via 10\.244\.3\.64 dev vxlan\.calico .*proto boot scope global onlink mtu 1450",
    r"blackhole 10\.244\.1\.64/26 .*proto 80 ",
]

#: A pod's own side, as the bridge plugin, Calico's plugin and Docker leave it.
POD_READ = """ip -o -4 addr show eth0; ip route; ip -o link show eth0
for k in ipv4/conf/eth0/arp_notify ipv6/conf/eth0/accept_dad; do echo $k = $(cat /proc/sys/net/$k); done"""
POD = {
    "host": [],
    "bridge": [
        r"inet 10\.244\.1\.2/24 brd 10\.244\.1\.255",
        r"^default via 10\.244\.1\.1 dev eth0",
        r"^10\.244\.0\.0/16 via 10\.244\.1\.1 dev eth0",
        r"ipv4/conf/eth0/arp_notify = 1",
        r"ipv6/conf/eth0/accept_dad = 0",
    ],
    "routed": [
        r"inet 10\.244\.1\.66/32 ",
        r"^169\.254\.1\.1 dev eth0 scope link",
        r"^default via 169\.254\.1\.1 dev eth0",
    ],
    "docker": [r"inet 172\.18\.0\.2/16 brd 172\.18\.255\.255", r"^default via 172\.18\.0\.1 dev eth0"],
}

#: mode -> lines that must be there
THERE = {
    "host": [r"unicast default via 192\.0\.2\.1 dev eth0"],
    "docker-bridge": [
        r"inet 172\.18\.0\.1/16 brd 172\.18\.255\.255",
        r"-A POSTROUTING -s 172\.18\.0\.0/16 ! -o br-\w+ -j MASQUERADE",
        r"-A DOCKER ! -i br-\w+ -p tcp -m tcp --dport 5201 -j DNAT --to-destination 172\.18\.0\.2:5201",
    ],
    "flannel-udp": [
        *FLANNEL,
        r"flannel0: .* mtu 1472 qdisc pfifo_fast .* qlen 500",
        r"unicast 10\.244\.0\.0/16 dev flannel0 .*proto boot scope global",
    ],
    "flannel-vxlan": [*FLANNEL, *FLANNEL1, r"unicast 10\.244\.2\.0/24 via 10\.244\.2\.0 dev flannel\.1 .*onlink"],
    "flannel-vxlan-directrouting": [
        *FLANNEL, *FLANNEL1, r"unicast 10\.244\.2\.0/24 via 192\.0\.2\.12 dev eth0 .*proto boot scope global *$",
    ],
    "flannel-host-gw": [*FLANNEL, r"unicast 10\.244\.2\.0/24 via 192\.0\.2\.12 dev eth0 .*proto boot scope global *$"],
    "flannel-ipip": [
        *FLANNEL,
        r"flannel\.ipip +inet 10\.244\.1\.0/32 ",
        r"unicast 10\.244\.3\.0/24 via 198\.51\.100\.13 dev flannel\.ipip .*proto boot scope global onlink",
    ],
    "flannel-wireguard": [
        *FLANNEL,
        r"flannel-wg: .* mtu 1420",
        r"flannel-wg +inet 10\.244\.1\.0/32 ",
        r"unicast 10\.244\.0\.0/16 dev flannel-wg .*proto boot scope link",
    ],
    "calico-ipip": [
        *CALICO, *BIRD, *TUNL0,
        r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev tunl0 .*proto bird scope global metric 1024 onlink",
        r"10\.244\.3\.64/26 via 198\.51\.100\.13 dev tunl0 .*proto bird scope global metric 1024 onlink",
    ],
    "calico-ipip-crosssubnet": [
        *CALICO, *BIRD, *TUNL0,
        r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev eth0 .*proto bird scope global metric 1024 *$",
        r"10\.244\.3\.64/26 via 198\.51\.100\.13 dev tunl0 .*proto bird scope global metric 1024 onlink",
    ],
    "calico-vxlan": [*CALICO, *VXLAN_CALICO, r"10\.244\.2\.64/26 via 10\.244\.2\.64 dev vxlan\.calico .*onlink mtu 1450"],
    "calico-vxlan-crosssubnet": [
        *CALICO, *VXLAN_CALICO, r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev eth0 .*proto 80 scope global onlink *$",
        r"10\.244\.2\.64 dev vxlan\.calico lladdr .* PERMANENT", r"dst 192\.0\.2\.12 self permanent",
    ],
    "calico-bgp-mesh": [
        *CALICO, *BIRD,
        r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev eth0 .*proto bird scope global metric 1024 *$",
        r"10\.244\.3\.64/26 via 192\.0\.2\.1 dev eth0 .*proto bird scope global metric 1024 *$",
    ],
    "calico-bgp-rr": [
        *CALICO, *BIRD,
        r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev eth0 .*proto bird scope global metric 1024 *$",
        r"10\.244\.3\.64/26 via 192\.0\.2\.1 dev eth0 .*proto bird scope global metric 1024 *$",
    ],
    "calico-wireguard": [
        *CALICO, *BIRD,
        r"99:\s+not from all fwmark 0x200000/0x200000 lookup 1",
        r"10\.244\.3\.64/26 dev wireguard\.cali table 1 .*scope link",
        r"throw 10\.244\.1\.64/26 table 1",
        r"10\.244\.2\.64/26 via 192\.0\.2\.12 dev eth0 .*proto bird scope global metric 1024 *$",
    ],
}  # fmt: skip

#: mode -> lines that must not be there
ABSENT = {
    "flannel-host-gw": [r"10\.244\.3\.0/24"],  # the kernel refuses a gateway that is not on the link
    "flannel-vxlan-directrouting": [r"10\.244\.2\.0 dev flannel\.1", r"dst 192\.0\.2\.12 self"],
    "calico-bgp-mesh": [r"tunl0", r"vxlan\.calico"],
}
#: Devices flanneld and Felix make through netlink, where nobody asks for a queue.
NO_QUEUE = {
    "flannel-vxlan": ["flannel.1", "vethb9cba836"],
    "flannel-ipip": ["flannel.ipip", "vethb9cba836"],
    "calico-vxlan": ["cali182c452fe96"],
}
#: In the order in which flanneld appends them.
MASQUERADE = [
    "-m mark --mark 0x4000/0x4000 -j RETURN",
    "-s 10.244.1.0/24 -d 10.244.0.0/16 -j RETURN",
    "-s 10.244.0.0/16 -d 10.244.1.0/24 -j RETURN",
    "! -s 10.244.0.0/16 -d 10.244.1.0/24 -j RETURN",
    "-s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
    "! -s 10.244.0.0/16 -d 10.244.0.0/16 -j MASQUERADE --random-fully",
]


@pytest.mark.parametrize("mode", MODES)
def test_the_kernel_holds_what_the_daemons_leave(mode):
    with Lab(mode) as lab:
        lines = lab.sh("n1", READ).splitlines()
        pod = lab.sh("p1", POD_READ).splitlines() if MODES[mode].wiring != "host" else []
    wanted = [*POD[MODES[mode].wiring], rf"mtu {MODES[mode].pod_mtu()} "] if pod else []
    lacking = [fact for fact in wanted if not any(re.search(fact, line) for line in pod)]
    assert not lacking, lacking
    missing = [fact for fact in THERE[mode] if not any(re.search(fact, line) for line in lines)]
    assert not missing, missing
    extra = [line for fact in ABSENT.get(mode, ()) for line in lines if re.search(fact, line)]
    assert not extra, extra
    for device in NO_QUEUE.get(mode, ()):
        (link,) = [
            line for line in lines if re.match(rf"\d+: {re.escape(device)}[@:].*mtu .*numtxqueues 1 ", line)
        ]
        assert "qlen" not in link
    if MODES[mode].plugin == "flannel":
        appended = [line for line in lines if line.startswith("-A FLANNEL-POSTRTG")]
        bare = [re.sub(r'^-A FLANNEL-POSTRTG |-m comment --comment "[^"]*" ', "", line) for line in appended]
        assert bare == MASQUERADE
