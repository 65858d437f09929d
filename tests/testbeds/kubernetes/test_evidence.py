"""What ping printed and what a capture holds, read as the proof needs it."""

import struct

import pytest

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.evidence import frames, read_ping, topology

# Recorded with iputils 20221126 and 20240905 in the lab's pods.
OK = """PING 10.244.1.2 (10.244.1.2) 72(100) bytes of data.
80 bytes from 10.244.1.2: icmp_seq=1 ttl=62 time=0.132 ms

--- 10.244.1.2 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 0.132/0.132/0.132/0.000 ms
"""
LOCAL = """PING 10.244.1.2 (10.244.1.2) 1423(1451) bytes of data.
ping: local error: message too long, mtu=1450

--- 10.244.1.2 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
"""
SENDMSG = "ping: sendmsg: Message too long\n"
ROUTER = """PING 10.244.1.2 (10.244.1.2) 1472(1500) bytes of data.
From 10.244.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1450)

--- 10.244.1.2 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
"""
NET = """PING 10.244.2.2 (10.244.2.2) 72(100) bytes of data.
From 192.0.2.1 icmp_seq=1 Destination Net Unreachable

--- 10.244.2.2 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
"""
CONNECT = "ping: connect: Network is unreachable\n"
LOST = """PING 10.244.2.2 (10.244.2.2) 72(100) bytes of data.

--- 10.244.2.2 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OK, {"result": "ok", "ttl": 62, "rtt_s": 0.000132}),
        (LOCAL, {"result": "too_long", "mtu": 1450, "by": None}),
        (SENDMSG, {"result": "too_long", "mtu": None, "by": None}),
        (ROUTER, {"result": "too_long", "mtu": 1450, "by": "10.244.0.1"}),
        (NET, {"result": "unreachable", "error": "network is unreachable", "by": "192.0.2.1"}),
        (CONNECT, {"result": "unreachable", "error": "network is unreachable", "by": None}),
        (LOST, {"result": "lost", "error": "no echo within 1 s"}),
    ],
)
def test_ping(text, expected):
    found = read_ping(text)
    assert (
        {**found, "rtt_s": pytest.approx(found["rtt_s"])} == expected
        if "rtt_s" in found
        else found == expected
    )


@pytest.mark.parametrize(
    "text", ["", "sh: ping: not found\n", "ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\n"]
)
def test_a_ping_that_cannot_run_is_an_error_not_a_loss(text):
    with pytest.raises(ClusterError, match="ping could not run"):
        read_ping(text)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_a_capture_is_split_into_its_frames(order, magic):
    packets = [b"\x00" * 14, b"\x45" * 60, b""]
    body = b"".join(struct.pack(order + "IIII", 1, 2, len(p), 1500) + p for p in packets)
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 256, 1)
    assert frames(head + body) == packets
    assert frames(head + body + struct.pack(order + "IIII", 1, 2, 60, 60) + b"cut") == packets
    assert frames(head) == []


@pytest.mark.parametrize("raw", [b"", b"garbage and more of it than a header", b"\xd4\xc3\xb2\xa1"])
def test_what_is_no_capture_is_an_error(raw):
    with pytest.raises(ClusterError, match="no pcap"):
        frames(raw)


def test_other_link_types_are_refused():
    with pytest.raises(ClusterError, match="link type is 113"):
        frames(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 256, 113))


def test_a_nodes_own_word_on_its_network():
    state = {
        "addresses": [
            {"ifname": "lo", "mtu": 65536, "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
            {"ifname": "ens5", "mtu": 9001, "addr_info": [{"local": "10.0.3.7", "prefixlen": 20}]},
        ],
        "routes": [
            {"dst": "default", "gateway": "10.0.0.9", "table": "220"},
            {"dst": "default", "gateway": "10.0.0.1"},
        ],
    }
    told = topology(state, "n1", "10.0.3.7", "10.0.3.0/24")
    assert told == {
        "ip": "10.0.3.7",
        "subnet": "10.0.0.0/20",
        "gateway": "10.0.0.1",
        "uplink": "ens5",
        "mtu": 9001,
    }
    assert topology(None, "n1", "10.0.3.7", "10.0.3.0/24")["subnet"] == "10.0.3.0/24"
    with pytest.raises(ClusterError, match=r"no device has its InternalIP 10\.9\.9\.9"):
        topology(state, "n1", "10.9.9.9", "")
