"""Forms of nuttcp's output that no recording has: ``-fparse`` with ``-i`` or ``-v``, ``-I``, jitter, one end alone, loops.

Each text is written by hand in the form that the named version prints; the numbers mean nothing.
"""

from __future__ import annotations

import pytest
from test_iperf3 import check

from cnilab.measurements import nuttcp

ROW = "  112.5000 MB /   1.00 sec =  943.7000 Mbps 12 %TX 40 %RX 3 retrans 0.25 msRTT\n"
GOOD = {
    "goodput_bps": 943.7e6,
    "cpu_client_ratio": 0.12,
    "cpu_server_ratio": 0.4,
    "retransmitted_segments": 3,
    "rtt_s": 250e-6,
}
STEP = "   56.2500 MB /   0.50 sec =  943.7000 Mbps     1 retrans    434 KB-cwnd\n"
REFUSED = "nuttcp-t: v8.2.2: Error: connect: Connection refused\nerrno=111\n"
UDP = "    2.3906 MB /   1.00 sec =   20.0000 Mbps 90 %TX 1 %RX"
VERBOSE = """nuttcp-t: v6.1.2: socket
nuttcp-t: connect to 192.0.2.2 with mss=1448, RTT=0.250 ms
nuttcp-t: 112.6000 MB in 1.00 real seconds = 115302.40 KB/sec = 944.5000 Mbps
nuttcp-t: retrans = 3
nuttcp-t: 0.0user 0.1sys 0:01real 12% 0i+0d 768maxrss 0+3pf 0+0csw
nuttcp-r: 112.5000 MB in 1.00 real seconds = 115200.00 KB/sec = 943.7000 Mbps
nuttcp-r: 0.0user 0.4sys 0:01real 40% 0i+0d 768maxrss 0+3pf 0+0csw
"""

#: What a text is, the text, and of each test in it the values that are told, or words of the reason that none is.
TEXTS = {
    "-I": (f"mine: {STEP}mine: {STEP}\nmine: {ROW}", [GOOD]),
    "a time before each line": (f"10:00:01 {STEP}10:00:02 {ROW}", [GOOD]),
    "-v": (VERBOSE, [GOOD | {"sent_bps": 944.5e6, "tool_version": "6.1.2"}]),
    "-v -I": (VERBOSE.replace("-t:", "-t-mine:").replace("-r:", "-r-mine:"), [GOOD | {"sent_bps": 944.5e6}]),
    "-v of version 5": (VERBOSE.replace("Mbps", "Mb/s"), [GOOD | {"sent_bps": 944.5e6}]),
    "-v -b": (VERBOSE.replace("nuttcp-r: 112", f"{ROW}\nnuttcp-r: 112"), [GOOD | {"sent_bps": None}]),
    "-v, then -b": (VERBOSE + ROW, [GOOD | {"sent_bps": 944.5e6}, GOOD]),
    "-b, then -v": (ROW + VERBOSE, [GOOD, GOOD | {"sent_bps": 944.5e6}]),
    "-fparse -i": (
        "megabytes=56.2500 real_sec=0.50 rate_Mbps=943.7000 retrans=1\n" * 2
        + "\nmegabytes=112.5000 real_seconds=1.00 rate_Mbps=943.7000 tx_cpu=12 rx_cpu=40 retrans=3 rtt_ms=0.25\n",
        [GOOD],
    ),
    "-fparse -v": (
        "nuttcp-t: connect=192.0.2.2 mss=1448 rtt_ms=0.250\n"
        "nuttcp-t: megabytes=112.6000 real_seconds=1.00 rate_KBps=115302.40 rate_Mbps=944.5000\nnuttcp-t: retrans=3\n"
        "nuttcp-t: stats=cpu user=0.0 system=0.1 elapsed=0:01 cpu=12% memory=0i+0d-768maxrss io=0+0pf swaps=1+3csw\n"
        "nuttcp-r: megabytes=112.5000 real_seconds=1.00 rate_KBps=115200.00 rate_Mbps=943.7000\n"
        "nuttcp-r: stats=cpu user=0.0 system=0.1 elapsed=0:01 cpu=40% memory=0i+0d-768maxrss io=0+0pf swaps=1+3csw\n",
        [GOOD | {"sent_bps": 944.5e6}],
    ),
    "-fparse, retransmissions of the host": (
        "megabytes=1.0 real_seconds=1.00 rate_Mbps=8.0 tx_cpu=1 rx_cpu=1 host-retrans=9\n", [{"retransmitted_segments": 9}]
    ),
    "-br -N3": (ROW.replace("3 retrans", "12 = 5+4+3 retrans"), [{"retransmitted_segments": 12}]),
    "-u": (f"{UDP} 6 / 300 drop/pkt 2.00 %loss\n", [{"test": "udp_stream", "loss_ratio": 0.02, "packet_rate_per_s": 294}]),
    "-u -f-drops": (f"{UDP} 2.00 %loss\n", [{"test": "udp_stream", "loss_ratio": 0.02, "total_packets": None}]),
    "-u -j -o": (
        f"{UDP} 0 / 300 drop/pkt 0.00 %loss 0.0010 msMinJitter 0.0040 msAvgJitter 0.1300 msMaxJitter 0.5000 msMinOWD 0.6000 msAvgOWD 0.9000 msMaxOWD\n",
        [{"jitter_s.min": 1e-6, "jitter_s.mean": 4e-6, "jitter_s.max": 130e-6, "one_way_delay_s.mean": 600e-6}],
    ),
    "-u -v, duplicates": (
        VERBOSE.replace(" retrans = 3", " 112.6 MB").replace("nuttcp-r: 0.0", "nuttcp-r: -3 / 300 drop/pkt -1.00% data loss\nnuttcp-r: 0.0"),
        [{"test": "udp_stream", "goodput_bps": 943.7e6, "loss_ratio": None}],
    ),
    "-u, duplicates": (
        f"{UDP} -3 / 300 drop/pkt -1.00 %loss\n",
        [{"test": "udp_stream", "loss_ratio": None, "notes": ("more_received_than_sent",)}],
    ),
    "-u -o, clocks apart": (
        f"{UDP} 0 / 300 drop/pkt 0.00 %loss -8.5000 msAvgOWD\n", [{"goodput_bps": 20e6, "notes": ("clocks_apart",)}]
    ),
    "no server, the transmitter": (
        ROW.partition(" 40 %RX")[0] + "\n", [{"sent_bps": 943.7e6, "goodput_bps": None, "notes": ("receiver_missing",)}]
    ),
    "no server, the receiver": (ROW.partition("12 %TX")[0] + "40 %RX\n", [{"goodput_bps": 943.7e6, "cpu_server_ratio": 0.4}]),
    "a loop in which the server was gone for a while": (ROW + REFUSED + ROW, [GOOD, "Connection refused", GOOD]),
    "an error of a beta": (REFUSED.replace("8.2.2", "8.1.4-beta"), ["Connection refused"]),
    "cut short by an error": (STEP + "nuttcp-r: v8.2.2: Error: Nread: Connection reset by peer\n", ["Connection reset by peer"]),
}  # fmt: skip


@pytest.mark.parametrize("what", TEXTS)
def test_text(what):
    raw, wanted = TEXTS[what]
    check("nuttcp", raw.encode(), wanted)


@pytest.mark.parametrize("prefix", ["    ", "> ", "[2026-11-24 10:00:01.123456] "])
@pytest.mark.parametrize("step", ["", STEP])
def test_verbose_lines_behind_a_prefix(prefix, step):
    """A row of ``-i`` before them was taken for a test that had been cut short."""
    raw = "".join(f"{prefix}{line}\n" for line in f"{step}{VERBOSE}".splitlines())
    check("nuttcp", raw.encode(), [GOOD | {"sent_bps": 944.5e6, "tool_version": "6.1.2"}])


def test_an_error_behind_a_prefix():
    check("nuttcp", f"    $ nuttcp 192.0.2.2\n    {REFUSED}".encode(), ["Connection refused"])


def test_a_line_that_names_no_end_is_no_rate():
    """Found by mutation: it ended the reader."""
    check(
        "nuttcp",
        VERBOSE.replace("nuttcp-r: 1", "nuttcp: 1").encode(),
        [{"sent_bps": 944.5e6, "goodput_bps": None}],
    )


def test_the_rows_of_intervals_are_no_tests():
    for what in ("-I", "-fparse -i"):
        (reading,) = nuttcp.parse(TEXTS[what][0].encode())
        assert [(i.t_end_s, i.value) for i in reading.intervals] == [(0.5, 943.7e6), (1.0, 943.7e6)]


@pytest.mark.parametrize("once", [VERBOSE, TEXTS["-v -b"][0], TEXTS["-fparse -v"][0]])
def test_the_rows_of_intervals_before_a_verbose_test_are_its_series(once):
    found = nuttcp.parse((STEP + STEP + once + STEP + once).encode())
    assert [[i.t_end_s for i in r.intervals] for r in found] == [[0.5, 1.0], [0.5]]
