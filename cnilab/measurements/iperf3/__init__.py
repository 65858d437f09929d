"""iperf3: bulk transfer over TCP, UDP and SCTP.

Argument vectors for the testbeds, and the door to the two readers: JSON of every version from 3.0 on
(:mod:`.documents`) and the text that people paste (:mod:`.text`). It runs nothing.

Goodput is the *receiver's* figure. What a sender counts has only reached its socket buffer, so it keeps a
name of its own, ``sent_bps``.
"""

from __future__ import annotations

import math
import re

from cnilab.measurements import client_server
from cnilab.measurements.base import Call, Kind, Lone, Option, Program, Reading
from cnilab.measurements.iperf3 import documents, text
from cnilab.measurements.reading import texts

NAME = "iperf3"
PROGRAMS = (Program("iperf3", ("--version",)),)
PORTS = (5201,)

_AMOUNT = Option(
    "a number with K, M or G behind it or nothing", re.compile(r"\d+(\.\d+)?[KMGkmg]?").fullmatch
)
_OPTIONS = {"length": _AMOUNT, "window": _AMOUNT}
_CPU = ("cpu_client_ratio", "cpu_server_ratio", "cpu_s_per_byte")
KINDS = {
    "tcp_stream": Kind(
        ("goodput_bps", "sent_bps", "retransmitted_segments", "rtt_s", *_CPU),
        frozenset({"streams", "omit_s", "mss_bytes", "congestion_control"}),
        _OPTIONS,
    ),
    "udp_stream": Kind(
        (
            *("goodput_bps", "sent_bps", "loss_ratio", "lost_packets", "total_packets"),
            *("packet_rate_per_s", "jitter_rfc1889_s", *_CPU),
        ),
        frozenset({"streams", "omit_s"}),
        {**_OPTIONS, "bitrate": _AMOUNT},
    ),
}

_JSON = re.compile(
    rb'"version"\s*:\s*"iperf 3|"tcp_mss(?:_default)?"\s*:|"sum_(?:sent|received)"\s*:\s*\{'
    rb'|"event"\s*:\s*"(?:start|interval|end|error|server_output_json|server_output_text)"'
)

#: What ``docker compose logs`` and ``kubectl logs`` (``--prefix``, ``--timestamps``) put before every line.
_LOGGED = re.compile(
    rb"^(?:[\w.\-/]+ +\| ?|\[pod/[^\]\n]+\] )?"
    rb"(?:\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+\-]\d\d:?\d\d) (?:std(?:out|err) F )?)?",
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether this is iperf3's JSON or text; iperf2's text looks alike and is told apart by its layout."""
    return _json(head) or text.sniff(head)


def _json(head: bytes) -> bool:
    """Whether a document of iperf3's is here: also an error's, and one whose keys stand in another order."""
    if b"{" not in head:
        return False
    keys = (b'"connected"', b'"error"', b'"streams"')
    return _JSON.search(head) is not None or (
        (b'"start"' in head or b'"intervals"' in head) and any(key in head for key in keys)
    )


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a test: a JSON document, an NDJSON stream or a text report each.

    Raises
    ------
    ParseError
        Where the bytes are not iperf3's.
    """
    return _read(raw, series=True)


def parse_totals(raw: bytes) -> list[Reading]:
    """Read the same without the series, which is most of a long test's document and most of the work."""
    document = documents.alone(raw) if raw[:1] == b"{" else None
    return Lone([document]) if document else _read(raw, series=False)


def _read(raw: bytes, series: bool) -> list[Reading]:
    raw = texts.plain(raw)
    if _json(raw[:65536]) and not documents.sniff(raw[:65536]):
        raw = _LOGGED.sub(b"", raw)
    head = raw[:65536]
    # The text of --debug shows the control messages, which are JSON too.
    if documents.sniff(head) and (_json(head) or not text.sniff(head)):
        return documents.parse(raw, series)
    return text.parse(raw)


def interval_s(duration_s: float) -> float:
    """Seconds between reports: one, and for short trials a tenth of them, so that a series exists.

    iperf3 takes nothing below 0.1 s.
    """
    return 1.0 if duration_s > 2 else max(0.1, round(duration_s / 10, 1))


def server_argv(call: Call, address: str) -> list[str]:
    """Serve on ``address`` until killed, any number of tests one after the other."""
    argv = ["iperf3", "-s", "-B", address, "-p", str(PORTS[0])]
    if call.server_cpu is not None and call.client_cpu is None:
        argv += ["-A", str(call.server_cpu)]  # the client's "-A n,m" cannot leave n out
    return argv


def client_argv(call: Call, address: str) -> list[str]:
    """Run one test; ``-t`` and ``-O`` take whole seconds, so parts of a second are rounded up."""
    duration = max(1, math.ceil(call.duration_s))
    argv = [
        "iperf3",
        "-c",
        address,
        "-p",
        str(PORTS[0]),
        "-J",
        "-t",
        str(duration),
        "-i",
        f"{interval_s(duration):g}",
    ]
    if call.kind == "udp_stream":
        # Unpaced, as knb and k8s-netperf do; a study that wants a rate says so in its options.
        argv += ["-u", "-b", call.options.get("bitrate", "0")]
    if call.omit_s > 0:
        argv += ["-O", str(math.ceil(call.omit_s))]
    if call.streams != 1:
        argv += ["-P", str(call.streams)]
    if call.congestion_control and call.kind == "tcp_stream":
        argv += ["-C", call.congestion_control]
    if call.client_cpu is not None:
        both = call.server_cpu is not None
        argv += ["-A", f"{call.client_cpu},{call.server_cpu}" if both else str(call.client_cpu)]
    if call.mss_bytes is not None and call.kind == "tcp_stream":
        argv += ["-M", str(call.mss_bytes)]
    for option, flag in (("length", "-l"), ("window", "-w")):
        if option in call.options:
            argv += [flag, call.options[option]]
    return argv


_ENDS = client_server.ClientServer(parse, client_argv, server_argv, PORTS[0])
measure, read = _ENDS.measure, _ENDS.read
