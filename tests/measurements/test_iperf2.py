"""Forms of iperf2's output that no recording has: 2.2's columns, bounceback, logs of several tests, ``-y C`` in a loop.

Each text is written by hand in the form that the named version prints; the numbers mean nothing.
"""

from __future__ import annotations

import pytest
from test_iperf3 import check

CLIENT = """------------------------------------------------------------
Client connecting to 192.0.2.2, TCP port 5001 with pid 77 (1/0 flows/load)
TCP window size: 16.0 KByte (default)
------------------------------------------------------------
[  1] local 192.0.2.1%eth0 port 40000 connected with 192.0.2.2 port 5001 (icwnd/mss/irtt=14/1448/90)
"""
SENT = "[ ID] Interval        Transfer    Bandwidth       Write/Err  Rtry     InF(pkts)/Cwnd(pkts)/RTT(var)        NetPwr\n"
ROW = "[  1] 0.00-2.00 sec   200 MBytes   839 Mbits/sec  1600/0"
SERVER = """------------------------------------------------------------
Server listening on UDP port 5001
UDP buffer size:  208 KByte (default)
------------------------------------------------------------
"""


BOUNCING = CLIENT.replace("(icwnd", "(bb w/quickack len/hold=100/0) (icwnd")
SERVED = CLIENT.replace("Client connecting to 192.0.2.2,", "Server listening on").replace("40000", "5001")


def received(stream: int, start: float, end: float, mbit: float, lost: int) -> str:
    return f"[{stream:3}] {start:.2f}-{end:.2f} sec  1.19 MBytes  {mbit} Mbits/sec   0.020 ms {lost}/100 ({lost}%)\n"


def begun(stream: int, peer: str = "192.0.2.1") -> str:
    return f"[{stream:3}] local 192.0.2.2 port 5001 connected with {peer} port 5000{stream}\n"


#: What a text is, the text, and of each test in it the values that are told, or words of the reason that none is.
TEXTS = {
    "2.2, bytes in flight and packets": (
        f"{CLIENT}{SENT}{ROW}         3      191K(3)/2941K(46)/190(33) us  15523\n",
        [{"sent_bps": 839e6, "retransmitted_segments": 3, "rtt_s": 190e-6}],
    ),
    "2.2, packets, paced": (
        f"{CLIENT}{ROW}         3      319K(22)/160(8) us  100 Mbits/sec 789254\n",
        [{"retransmitted_segments": 3, "rtt_s": 160e-6}],
    ),
    "2.2, no window known": (
        f"{CLIENT}{ROW}         3       NA/160(8) us  789254\n",
        [{"retransmitted_segments": 3, "rtt_s": 160e-6}],
    ),
    "2.1 bounceback with its histogram": (
        f"{BOUNCING}[  1] 0.00-2.00 sec  3.91 KBytes  15.9 Kbits/sec    20=0.240/0.070/2.420/0.530 ms    1  576K/141 us    4106 rps\n"
        "[  1] 0.00-2.00 sec BB8(f)-PDF: bin(w=100us):cnt(20)=1:19,3:1 (5.00/95.00/99.7%=1/3/3,Outliers=0,obl/obu=0/0)\n",
        [{"test": "tcp_rr", "transaction_rate_per_s": 4106, "rtt_s.mean": 240e-6, "rtt_s.max": 2420e-6,
          "rtt_s.stddev": 530e-6, "retransmitted_segments": 1, "sent_bps": None}],
    ),
    "2.2 bounceback": (
        f"{BOUNCING}[  1] 0.00-2.00 sec  3.91 KBytes  15.9 Kbits/sec    20=0.240/0.070/2.420/0.530 ms    0   -(-)/-(-)    "
        "Tx=1.95 KByte Rx=1.95 KByte  RPS=4106\n",
        [{"test": "tcp_rr", "transaction_rate_per_s": 4106, "rtt_s.min": 70e-6}],
    ),
    "bounceback, its server": (
        SERVED.replace("(icwnd", "(bb len/hold=100/0) (icwnd")
        + "[  1] 0.00-2.00 sec  3.91 KBytes  16.0 Kbits/sec\n",
        ["its figures are its client's"],
    ),
    "TCP with trip times, its server": (
        SERVED
        + "[  1] 0.00-2.00 sec   200 MBytes   839 Mbits/sec  0.781/0.150/14.509/1.263 ms (1600/131072) 1.38 MByte 2373101"
        "  2389=134:17:0:602:283:1:0:1352\n",
        [{"goodput_bps": 839e6, "latency_s.mean": 781e-6, "latency_s.max": 14509e-6}],
    ),
    "2.2, refused": (
        CLIENT.partition("[")[0] + "[  1] tcp connect to 192.0.2.2 port 5001 failed (Connection refused) on 2026-11-24\n",
        ["port 5001 failed (Connection refused)"],
    ),
    "2.2, refused, with -y C": ("[  1] tcp connect to 192.0.2.2 port 5001 failed (No route to host)\n", ["No route to host"]),
    "server, port taken": (SERVER + "listener bind failed: Address already in use\n", ["Address already in use"]),
    "a warning of the command line": (f"iperf: ignoring extra argument -- 5\n{CLIENT}{ROW}\n", [{"sent_bps": 839e6}]),
    "2.0, ack failed": (
        CLIENT.replace("TCP", "UDP") + ROW.partition("  1600")[0] + "\n[  1] WARNING: ack of last datagram failed after 10 tries.\n",
        [{"sent_bps": 839e6, "goodput_bps": None, "notes": ("receiver_missing",)}],
    ),
    "2.0, a report over no time": (
        CLIENT.replace("TCP", "UDP")
        + ROW.partition("  1600")[0]
        + "\n[  1] Server Report:\n"
        + received(1, 2, 2, 9.0, 4),
        [{"sent_bps": 839e6, "goodput_bps": 9e6, "loss_ratio": 0.04, "packet_rate_per_s": None}],
    ),
    "2.0, a report cut short": (
        CLIENT.replace("TCP", "UDP")
        + ROW.partition("  1600")[0]
        + "\n[  1] Server Report:\n[  1] 0.00-2.00 sec  1.19 MBytes  9.0 Mbits/sec",
        [{"sent_bps": 839e6, "goodput_bps": None, "notes": ("truncated", "receiver_missing")}],
    ),
    "2.0, ack late": (
        CLIENT.replace("TCP", "UDP")
        + ROW.partition("  1600")[0]
        + "\n[  1] WARNING: did not receive ack of last datagram after 10 tries.\n[  1] Server Report:\n"
        + received(1, 0, 2, 9.0, 4),
        [{"sent_bps": 839e6, "goodput_bps": 9e6, "notes": ()}],
    ),
    "-f g on a slow link": (f"{CLIENT}[  1]  0.0- 2.0 sec  0.00 GBytes  0.00 Gbits/sec\n", ["printed as 0"]),
    "-f G on a slow link": (f"{CLIENT}[  1]  0.0- 2.0 sec  2.00 MBytes  0.00 GBytes/sec\n", [{"sent_bps": 2**20 * 8}]),
    "UDP server: the next test begins before a total": (
        SERVER + begun(1) + received(1, 0, 1, 9.0, 5) + received(1, 1, 2, 9.2, 3)
        + begun(2) + received(1, 0, 2, 9.1, 4) + received(2, 0, 1, 7.0, 0) + received(2, 0, 1, 7.0, 0),
        [{"goodput_bps": 9.1e6, "lost_packets": 4}, {"goodput_bps": 7e6, "lost_packets": 0}],
    ),
    "UDP server: streams of one test": (
        SERVER + begun(1) + begun(2) + received(1, 0, 2, 9.0, 4) + received(2, 0, 2, 7.0, 0),
        [{"goodput_bps": 16e6, "lost_packets": 4}],
    ),
    "TCP server: clients of two hosts": (
        SERVER.replace("UDP", "TCP") + begun(4) + "[  4]  0.0- 1.0 sec  10.0 MBytes  83.9 Mbits/sec\n" + begun(5, "192.0.2.9")
        + "[  5]  0.0- 2.0 sec  2.00 MBytes  8.4 Mbits/sec\n[  4]  0.0- 2.0 sec  20.0 MBytes  83.8 Mbits/sec\n",
        [{"goodput_bps": 83.8e6}, {"goodput_bps": 8.4e6}],
    ),
    "no banner, the server's end": (
        begun(4) + "[  4]  0.0- 2.0 sec  20.0 MBytes  83.8 Mbits/sec\n",
        [{"goodput_bps": 83.8e6, "notes": ("role_from_ports",)}],
    ),
    "no banner, a UDP client": (
        CLIENT.partition("(default)")[2] + "[  1]  0.0- 2.0 sec  20.0 MBytes  83.8 Mbits/sec\n[  1] Sent 14000 datagrams\n",
        [{"test": "udp_stream", "sent_bps": 83.8e6, "goodput_bps": None}],
    ),
    "TCP server: a stream that came late": (
        SERVER.replace("UDP", "TCP") + begun(4) + "[  4]  1.0- 2.0 sec  10.0 MBytes  83.9 Mbits/sec\n" + begun(5)
        + "[  5]  0.0- 2.0 sec  2.00 MBytes  8.4 Mbits/sec\n[  4]  0.0- 2.0 sec  20.0 MBytes  83.8 Mbits/sec\n",
        [{"goodput_bps": 92.2e6}],
    ),
    "2.2 bounceback over a slow link": (
        f"{BOUNCING}[  1] 0.00-2.00 sec  3.91 KBytes  15.9 Kbits/sec    20=108.2/70.1/242.0/53.0 ms    0   -(-)/-(-)    "
        "Tx=1.95 KByte Rx=1.95 KByte  RPS=9.2\n",
        [{"transaction_rate_per_s": 9.2, "rtt_s.max": 0.242}],
    ),
    "a system that does not tell the window": (
        f"{CLIENT}{ROW}          7       NA/2500(300)us    27216\n",
        [{"retransmitted_segments": 7, "rtt_s": 2500e-6}],
    ),
    "2.0.14, delays in columns": (
        SERVER + begun(3) + received(3, 0, 2, 9.0, 4).strip() + " 75.185/ 2.367/85.189/14.430 ms 318 pps 3.64 MByte 620.58\n",
        [{"one_way_delay_s.mean": 75.185e-3, "one_way_delay_s.min": 2.367e-3, "one_way_delay_s.stddev": 14.43e-3}],
    ),
    "2.0.12, clocks apart": (
        SERVER + begun(3) + received(3, 0, 2, 9.0, 4).strip() + "  0.116/-0.204/ 0.302/ 0.120 ms   50 pps   2/0\n",
        [{"goodput_bps": 9e6, "loss_ratio": 0.04, "one_way_delay_s.mean": None, "notes": ("clocks_apart",)}],
    ),
    "2.1 -e, a sum without jitter": (
        SERVER + begun(1) + begun(2) + received(1, 0, 2, 9.0, 4) + received(2, 0, 2, 7.0, 0)
        + "[ ID] Interval            Transfer     Bandwidth      Write/Err  PPS\n"
        "[SUM] 0.00-2.00 sec  2.38 MBytes  16.1 Mbits/sec  4/200      100 pps\n",
        [{"goodput_bps": 16.1e6, "lost_packets": 4, "total_packets": 200, "jitter_rfc1889_s": 20e-6}],
    ),
    "a receiver's row alone": (received(3, 0, 2, 9.0, 4), [{"goodput_bps": 9e6, "lost_packets": 4, "sent_bps": None}]),
    "a client's log and the rows of its server": (
        CLIENT.replace("TCP", "UDP") + ROW.partition("  1600")[0] + "\n[  1] Server Report:\n" + received(1, 0, 2, 9.0, 4)
        + begun(1) + received(1, 0, 2, 9.1, 3),
        [{"sent_bps": 839e6, "goodput_bps": 9e6, "lost_packets": 4}, {"goodput_bps": 9.1e6, "lost_packets": 3}],
    ),
    "lwIP's server, no jitter": (
        "UDP server listening on port 5001\r\n" + begun(1) + "[ ID] Interval\t     Transfer     Bandwidth\t    Lost/Total Datagrams\n\r"
        "[  1]  0.0- 2.0 sec  1.19 MBytes  9.00 Mbits/sec     4/  100 (4%)\n\rUDP test passed Successfully\n\r",
        [{"goodput_bps": 9e6, "lost_packets": 4, "jitter_rfc1889_s": None}],
    ),
    "UDP server that could not tell its client": (
        SERVER + begun(1) + received(1, 0, 2, 9.0, 4) + "read failed: Connection refused\n",
        [{"goodput_bps": 9e6, "lost_packets": 4}],
    ),
    "UDP client that was not told": (
        CLIENT.replace("TCP", "UDP") + ROW.partition("  1600")[0] + "\nread failed: Connection refused\n",
        ["read failed: Connection refused"],
    ),
    "no banner, the server's end of several streams": (
        begun(4) + begun(5) + "".join(
            f"[{n}]  0.0- 2.0 sec  {mbytes} MBytes  {mbit} Mbits/sec\n"
            for n, mbytes, mbit in (("  4", "20.0", "83.8"), ("  5", "10.0", "41.9"), ("SUM", "30.0", "126"))
        ),
        [{"goodput_bps": 126e6, "sent_bps": None}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TEXTS)
def test_text(what):
    raw, wanted = TEXTS[what]
    check("iperf2", raw.encode(), wanted)


@pytest.mark.parametrize("prefix", ["> ", "    ", "iperf-client-1  | ", "2026-11-24T10:00:00.123Z "])
def test_text_behind_a_prefix(prefix):
    raw = "".join(
        f"{prefix}{line}\n" for line in f"{CLIENT}{ROW}         3     2941K/190 us  15\n".splitlines()
    )
    check("iperf2", raw.encode(), [{"sent_bps": 839e6, "retransmitted_segments": 3}])


SENDER = "time,srcaddress,srcport,dstaddr,dstport,transferid,istart,iend,bytes,speed,writecnt,writeerr,tcpretry,tcpcwnd,tcppcwnd,tcprtt,tcprttvar\n"
READER = "time,srcaddress,srcport,dstaddr,dstport,transferid,istart,iend,bytes,speed,readcnt,bin0,bin1\n"
BOUNCE = (
    "time,srcaddress,srcport,dstaddr,dstport,transferid,istart,iend,bytes,speed,bbcnt,bbavg,bbmin,bbmax,bbstdev,"
    "tcpretry,tcpcwnd,tcppcwnd,tcprtt,tcprttvar,txbytes,rxbytes,rps\n"
)


def line(time: int, port: int, stream: int, span: str, bps: int, more: str = "", zone: str = "") -> str:
    return f"{zone}{time},192.0.2.1,{port},192.0.2.2,5001,{stream},{span},100,{bps}{more}\n"


AT = 20261124100000
#: As above, of rows.
ROWS = {
    "a loop of clients": (
        line(AT, 41001, 3, "0.0-10.0", 100) + line(AT + 12, 41003, 3, "0.0-10.0", 120) + line(AT + 24, 41005, 3, "0.0-10.0", 140),
        [{"sent_bps": 100}, {"sent_bps": 120}, {"sent_bps": 140}],
    ),
    "a loop of clients with intervals": (
        "".join(line(AT + 12 * n, 41000 + n, 3, span, 100 + n) for n in (1, 2) for span in ("0.0-5.0", "5.0-10.0", "0.0-10.0")),
        [{"sent_bps": 101}, {"sent_bps": 102}],
    ),
    "an interval as long as the test": (line(AT, 41001, 3, "0.0-10.0", 101) + line(AT, 41001, 3, "0.0-10.0", 101), [{"sent_bps": 101}]),
    "a server's log of totals": (
        line(AT, 41001, 4, "0.0-10.0", 100) + line(AT + 12, 41003, 5, "0.0-10.0", 120),
        [{"sent_bps": 100}, {"sent_bps": 120}],
    ),
    "parallel streams": (
        line(AT, 41001, 4, "0.0-10.0", 100) + line(AT + 1, 41003, 5, "0.0-10.0", 120) + line(AT + 1, 0, -1, "0.0-10.0", 220),
        [{"sent_bps": 220}],
    ),
    "parallel streams, the sum named after their number": (
        line(AT, 41001, 4, "0.0-10.0", 100) + line(AT, 41003, 5, "0.0-10.0", 120) + line(AT, 0, -2, "0.0-10.0", 221),
        [{"sent_bps": 221}],
    ),
    "streams without a time": (
        line(19700101000000, 41001, 1, "0.0-10.0", 100) + line(19700101000000, 41003, 2, "0.0-10.0", 120),
        [{"sent_bps": 220, "notes": ("role_from_ports", "parallel_assumed", "receiver_missing")}],
    ),
    "2.2, a server's log": (
        "".join(READER + line(AT + 9 * n, 41001 + n, n, "0.0,2.0", 100 + n, ",5,5,0", "+0000:") for n in (1, 2)),
        [{"goodput_bps": 101}, {"goodput_bps": 102}],
    ),
    "2.2, bounceback": (
        BOUNCE + line(AT, 41001, 1, "0.0,2.0", 15948, ",20,0.028,0.007,0.296,0.067,1,0,0,0,0,2000,2000,35211.3", "+0000:"),
        [{"test": "tcp_rr", "transaction_rate_per_s": 35211.3, "rtt_s.mean": 28e-6, "sent_bps": None}],
    ),
    "2.2, a UDP client counts what it sends": (
        line(AT, 41001, 1, "0.0-1.0", 100, ",0.000,0,425,0.000,0") + line(AT, 41001, 1, "1.0-2.0", 100, ",0.000,0,426,0.000,0")
        + line(AT, 41001, 1, "0.0-2.0", 100, ",-nan,0,-1,-0.000,0"),
        [{"test": "udp_stream", "sent_bps": 100, "goodput_bps": None, "loss_ratio": None}],
    ),
    "2.2, a UDP server names the sender first": (
        line(AT, 41001, 1, "0.0-2.0", 100, ",0.028,2,400,0.500,0"),
        [{"test": "udp_stream", "goodput_bps": 100, "loss_ratio": 0.005, "sent_bps": None}],
    ),
    "2.0, a UDP client with its server's report": (
        line(AT, 41001, 3, "0.0-2.0", 100) + f"{AT},192.0.2.2,5001,192.0.2.1,41001,3,0.0-2.0,100,98,0.028,2,400,0.500,0\n",
        [{"test": "udp_stream", "sent_bps": 100, "goodput_bps": 98, "loss_ratio": 0.005}],
    ),
    "full duplex": (
        "".join(row for span in ("0.0-1.0", "0.0-2.0") for row in (line(AT, 41001, 1, span, 100), f"{AT},192.0.2.1,5001,::,0,1,{span},9,90\n")),
        [{"sent_bps": 100}, {"goodput_bps": 90}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ROWS)
def test_comma_separated_rows(what):
    raw, wanted = ROWS[what]
    check("iperf2", raw.encode(), wanted)
