"""qperf: bandwidth, and latency as half the round trip of a ping-pong.

Runs and reads. qperf calls half of a round trip *latency*; so does ``latency_s`` here, and it is not doubled
into an ``rtt_s``. Its KB, MB and GB are powers of ten, its KiB, MiB and GiB powers of two.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress

from cnilab.errors import ParseError
from cnilab.measurements import client_server, conditions
from cnilab.measurements.base import Call, Kind, Option, Program, Reading, Sample
from cnilab.measurements.reading import margins, numbers, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.units import SECONDS, to_base

NAME = "qperf"
PROGRAMS = (Program("qperf", ("--version",)),)
PORTS = (19765, 19766)  # control and data
_SIZE = Option("bytes, or a number with K, M or G behind it", re.compile(r"\d+[KMGkmg]?").fullmatch)
_FLOW = ("goodput_bps", "sent_bps", "message_rate_per_s")
_GIVES = {"tcp_rr": ("latency_s",), "udp_rr": ("latency_s",), "tcp_stream": _FLOW, "udp_stream": _FLOW}
KINDS = {
    kind: Kind((*metrics, "cpu_client_cpus", "cpu_server_cpus"), options={"length": _SIZE})
    for kind, metrics in _GIVES.items()
}

_TESTS = {"tcp_rr": "tcp_lat", "udp_rr": "udp_lat", "tcp_stream": "tcp_bw", "udp_stream": "udp_bw"}
_KINDS = {test: kind for kind, test in _TESTS.items()}

_RATES = {f"{prefix}bytes/sec": 8.0 for prefix in ("", " ")}
_RATES |= {f"{k}B/sec": 8.0 * 10**p for k, p in (("K", 3), ("M", 6), ("G", 9), ("T", 12))}
_RATES |= {f"{k}iB/sec": 8.0 * 2**p for k, p in (("K", 10), ("M", 20), ("G", 30), ("T", 40))}
_RATES |= {f"{k}b/sec": 10.0**p for k, p in (("K", 3), ("M", 6), ("G", 9), ("T", 12))} | {"bits/sec": 1.0}
_SIZES = {"bytes": 1.0, "byte": 1.0, "": 1.0}
_SIZES |= {f"{k}B": 10.0**p for k, p in (("K", 3), ("M", 6), ("G", 9))}
_SIZES |= {f"{k}iB": 2.0**p for k, p in (("K", 10), ("M", 20), ("G", 30))}
_COUNTS = {"/sec": 1.0, "K/sec": 1e3, "M/sec": 1e6, "G/sec": 1e9}

_BASE = ("bytes/sec", "bits/sec", "/sec", "bytes")
_SECTION = re.compile(r"^(?P<test>(?!server:)[a-z][a-z0-9_]{1,40}):$")
_VALUE = re.compile(r"^(?P<key>[a-z_]+)\s+=\s*(?P<amount>\S+)\s*(?P<unit>.*)$")
#: ``-vv`` puts the same number in other units behind it.
_ANNOTATION = re.compile(r"\s*\([^()]*\)\s*$")
_FAILED = re.compile(
    r"^(?:\S+: )?((?:\w+ ){1,3}failed\b.*|\w+ failed: .*|failed to \w+.*|server:.*|unable to .*|cannot .*|.*timed out.*"
    r"|bad test; try: qperf .*|must specify a test type.*)$"
)
_SNIFF = re.compile(
    r"^(?:[a-z]+_(?:bi_|rdma_(?:read_|write_|write_poll_)|compare_swap_|fetch_add_)?(?:bw|lat|mr)|conf|quit):$"
    r"|; try: qperf --help",
    re.MULTILINE,
)


def sniff(head: bytes) -> bool:
    """Whether a section of qperf's output begins here."""
    return _SNIFF.search(margins.cleared_head(head)) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a section; a key that comes again in one section begins another.

    Raises
    ------
    ParseError
        Where the bytes are not qperf's.
    """
    found: list[Reading] = []
    test: str | None = None
    begun, version = 0, None
    values: dict[str, tuple[str, str]] = {}
    trouble: str | None = None

    def close() -> None:
        if test is not None and (values or trouble or test != "conf"):
            found.append(_reading(test, values, begun, version, trouble))

    for at, line in enumerate(margins.cleared(texts.decoded(raw)), 1):
        if section := _SECTION.match(line):
            if test is not None:
                close()
                trouble = None
            # What was said just before the first section is of it: errors are not held back as the report is.
            test, begun, values = section["test"], at, {}
        elif test and (value := _VALUE.match(line)):
            if value["key"] in values:
                close()
                begun, values = at, {}
            values[value["key"]] = (value["amount"], value["unit"])
            version = value["amount"] if value["key"] == "loc_qperf" else version
        elif said := _FAILED.match(line):
            trouble = "the server failed without a word" if said[1] == "server:" else said[1]
        elif line and test is None:
            trouble = None
    if trouble and test is None and sniff(raw):
        return [checks.failed(trouble, line=1)]
    close()
    if not found:
        raise ParseError("no qperf section in this text")
    return found


def _reading(
    test: str, values: dict[str, tuple[str, str]], line: int, version: str | None, trouble: str | None
) -> Reading:
    rest: dict = {"test": _KINDS.get(test, test), "line": line, "tool_version": version}
    if test == "conf":
        version = values.get("rem_qperf", ("", ""))[0] or None
        why = "what qperf found out about the machines; no measurement"
        return Reading(status="skipped", reason=why, test="conf", line=line, tool_version=version)
    rest["conditions"] = _asked(test, values)
    if trouble:
        return checks.failed(trouble, **rest)
    samples: list[Sample] = []
    try:
        for key, metric, table in (
            ("bw", "goodput_bps", _RATES),
            ("recv_bw", "goodput_bps", _RATES),
            ("send_bw", "sent_bps", _RATES),
            ("msg_rate", "message_rate_per_s", _COUNTS),
        ):
            if key in values:
                samples.append(Sample(metric, _quantity(values[key], table)))
        if "latency" in values:
            samples.append(Sample("latency_s", _quantity(values["latency"], SECONDS), "mean"))
        if samples:
            samples += _cpu(values)
        duration = _quantity(values["time"], SECONDS) if "time" in values else None
    except ParseError as problem:
        return checks.failed(f"{test}: {problem.what}", **rest)
    return checks.reading(samples, duration_s=duration, **rest)


def _asked(test: str, values: dict[str, tuple[str, str]]) -> dict[str, conditions.Value]:
    """Size of a message: of a stream's sends, of a datagram, or of a ping-pong's request and answer."""
    protocol = test.partition("_")[0]
    size = None
    with suppress(ParseError):
        size = _quantity(values["msg_size"], _SIZES) if "msg_size" in values else None
    names = ("request_bytes", "response_bytes") if test.endswith("lat") else ("message_bytes",)
    if test == "udp_bw":
        names = ("datagram_bytes",)
    return conditions.of(
        protocol=protocol if protocol in ("tcp", "udp", "sctp") else None, **dict.fromkeys(names, size)
    )


def _quantity(found: tuple[str, str], table: dict[str, float]) -> float:
    """Read a number and its unit.

    qperf groups the digits of whole numbers by commas, and only in a base unit do numbers grow that long: in any
    other, ``1,234`` may be the decimal comma of another locale.
    """
    amount, unit = found[0], _ANNOTATION.sub("", found[1])
    grouped = unit in _BASE and re.fullmatch(r"\d{1,3}(?:,\d{3})+", amount)
    return to_base(numbers.printed(amount.replace(",", "") if grouped else amount), unit, table)


def _cpu(values: dict) -> list[Sample]:
    """CPUs each machine used, by all its processes; ``loc`` and ``send`` are the client."""
    found = []
    ends = ((("loc_cpus_used", "send_cpus_used"), "client"), (("rem_cpus_used", "recv_cpus_used"), "server"))
    for keys, who in ends:
        for key in keys:
            amount, unit = values.get(key, ("", ""))
            percent = number(amount)
            if percent and unit.startswith("%"):
                found.append(Sample(f"cpu_{who}_cpus", percent / 100))
    return found


def server_argv(call: Call, address: str) -> list[str]:
    """Serve until killed. qperf cannot be told an address; it serves on every one of its namespace."""
    return ["qperf", "-lp", str(PORTS[0])]


def client_argv(call: Call, address: str) -> list[str]:
    """Run one test. ``-uu`` prints base units, so that nothing is lost to three digits."""
    duration = max(1, math.ceil(call.duration_s))
    argv = ["qperf", "-lp", str(PORTS[0]), "-ip", str(PORTS[1]), "-t", str(duration), "-v", "-uu"]
    if call.client_cpu is not None:
        argv += ["--loc_cpu_affinity", str(call.client_cpu)]
    if call.server_cpu is not None:
        argv += ["--rem_cpu_affinity", str(call.server_cpu)]
    if "length" in call.options:
        argv += ["-m", call.options["length"]]
    return [*argv, address, _TESTS[call.kind]]


_ENDS = client_server.ClientServer(parse, client_argv, server_argv, PORTS[0])
measure, read = _ENDS.measure, _ENDS.read
