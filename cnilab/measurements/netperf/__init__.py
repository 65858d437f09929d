"""netperf: transaction and connection rates, with latency percentiles; bulk transfer too.

Argument vectors for the testbeds (the omni tests' ``-k`` output, which names every value), and the door to
the readers: :mod:`.omni` for keyval, CSV and ``-O``, :mod:`.classic` for the tables of the older tests. It
runs nothing.
"""

from __future__ import annotations

import math
import re

from cnilab.measurements import client_server
from cnilab.measurements.base import Call, Kind, Option, Program, Reading, whole
from cnilab.measurements.netperf import report
from cnilab.measurements.reading import margins

NAME = "netperf"
PROGRAMS = (Program("netperf", ("-V",), "make netperf"), Program("netserver", (), "make netperf"))
#: The control connection's, and the data connection's at the server's end: fixed, so that a policy or a Service can
#: name it.
PORTS = (12865, 12866)

_TCP = frozenset({"congestion_control"})
_SIZES = Option(
    "REQUEST,RESPONSE in bytes, or one size for both", re.compile(r"\d+[KMGkmg]?(,\d+[KMGkmg]?)?").fullmatch
)
_REQUEST = {"request": _SIZES}
KINDS = {
    "tcp_rr": Kind(("transaction_rate_per_s", "rtt_s", "retransmitted_segments"), _TCP, _REQUEST),
    "tcp_crr": Kind(("connection_rate_per_s", "latency_s"), _TCP, _REQUEST),
    "udp_rr": Kind(("transaction_rate_per_s", "rtt_s"), frozenset(), _REQUEST),
    "tcp_stream": Kind(("goodput_bps", "sent_bps", "retransmitted_segments"), _TCP),
    "udp_stream": Kind(
        ("goodput_bps", "sent_bps", "loss_ratio", "lost_packets", "total_packets", "packet_rate_per_s"),
        options={"length": whole()},
    ),
}

#: What the output must tell. First what says how to read the rest, so that a cut file is not misread; last
#: COMMAND_LINE, which alone can hold blanks and signs.
SELECTORS = (
    "PROTOCOL", "DIRECTION", "THROUGHPUT_UNITS", "THROUGHPUT", "TRANSACTION_RATE", "ELAPSED_TIME",
    "MIN_LATENCY", "MEAN_LATENCY", "P50_LATENCY", "P90_LATENCY", "P99_LATENCY", "MAX_LATENCY",
    "STDDEV_LATENCY", "REQUEST_SIZE", "RESPONSE_SIZE", "BURST_SIZE", "LOCAL_SEND_THROUGHPUT",
    "REMOTE_RECV_THROUGHPUT",
    "LOCAL_TRANSPORT_RETRANS", "REMOTE_TRANSPORT_RETRANS", "TRANSPORT_MSS", "LOCAL_CONG_CONTROL",
    "REMOTE_CONG_CONTROL", "COMMAND_LINE",
)  # fmt: skip

_SNIFF = re.compile(
    r" TEST (?:from|to) \S.* port -?\d+ |(?:STREAM|MAERTS|SENDFILE|REQUEST/RESPONSE|SEND) TEST (?:from|to) \S"
    r"|^THROUGHPUT=|^NETPERF_INTERIM_RESULT\[|^Interim result:\s+[\d.]+ \S+ over "
    r"|^bytes +bytes +(?:bytes +)?secs\b|^bytes +bytes +bytes +bytes +secs\.|^(?:MIN|MEAN|P\d\d|RT)_LATENCY="
    r"|^\S*netperf: |establish[ _]control\b.* (?:netserver|control connection)|^Netperf could not|^TRANSACTION_RATE="
    r"|^The test you requested \(|^Could not open output selection file|^send_data: data send error|^recv_response\w*: "
    r"|^shutdown_control: no response "
    r"|^Throughput,Throughput Units|[, ]?(?:Mean|Minimum|Percentile) Latency Microseconds"
    r"|^(?:(?:Stream|Datagram|TCP|UDP|SCTP|Send|Receive|Send\|Recv|-?\d[\d.]*),)*"
    r"\d[\d.]*,(?:Trans/s|10\^\d+bits/s|[KMG]?Bytes/s)(?:,|$)|^[\d.]+,(?:Send|Receive)(?:,|$)"
    # The bare rows of -P 0: stream, transactions, datagrams; each with CPU columns or without.
    r"|^\d+ +\d+ +\d+ +(?:\d+ +)?\d+\.\d\d +\d+\.\d+(?: +-?\d+\.\d\d){2}(?: +-?\d+\.\d{3}){2}(?: {3}\S.*)?$"
    r"|^\d+ +\d+ +\d+ +(?:\d+ +)?\d+\.\d\d +\d+\.\d+(?: {3}\S.*)?$"
    r"|^\d+ +\d+ +\d+\.\d\d +\d+ +\d+ +\d+\.\d+(?: +-?\d+\.\d\d +-?\d+\.\d{3})?$",
    re.MULTILINE | re.IGNORECASE,
)


def sniff(head: bytes) -> bool:
    """Whether this is netperf's text: a banner, a keyval line, a header or the bare rows of ``-P 0``."""
    return _SNIFF.search(margins.cleared_head(head)) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a result, in the order of the file.

    Raises
    ------
    ParseError
        Where the bytes are not netperf's.
    """
    return report.parse(raw)


def server_argv(call: Call, address: str) -> list[str]:
    """Serve on ``address`` in the foreground until killed; each test gets a child of its own."""
    return ["netserver", "-D", "-L", address, "-p", str(PORTS[0])]


def client_argv(call: Call, address: str) -> list[str]:
    """Run one test. ``-l`` takes whole seconds (rounded up); netperf has no warm-up to omit.

    ``-j`` keeps the latency histogram, ``-D`` asks for interim results five times a second.
    """
    argv = ["netperf", "-H", address, "-p", str(PORTS[0]), "-t", call.kind.upper()]
    argv += ["-l", str(max(1, math.ceil(call.duration_s))), "-P", "0", "-j", "-D", "0.2"]
    if call.client_cpu is not None or call.server_cpu is not None:
        client, server = ("" if cpu is None else str(cpu) for cpu in (call.client_cpu, call.server_cpu))
        argv += ["-T", f"{client},{server}"]
    argv += ["--", "-P", f",{PORTS[1]}"]
    if call.congestion_control and call.kind.startswith("tcp"):
        argv += ["-K", f"{call.congestion_control},{call.congestion_control}"]
    if call.kind == "udp_stream":
        # netperf keeps unpaced UDP off routed paths by default; every pod network is a routed path.
        argv += ["-R", "1", "-m", call.options.get("length", "1400")]
    if call.kind.endswith("rr") and "request" in call.options:
        argv += ["-r", call.options["request"]]
    return [*argv, "-k", ",".join(SELECTORS)]


_ENDS = client_server.ClientServer(parse, client_argv, server_argv, PORTS[0])
measure, read = _ENDS.measure, _ENDS.read
