"""netperf's omni results: named values, whether as KEY=VALUE, as CSV or in aligned columns.

All three end in one mapping of omni keys to text, and :func:`reading` turns that into samples. What netperf
could not tell it prints as -1; that is missing, not a value.
"""

from __future__ import annotations

import re
from typing import Any

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Interval, Reading, Sample
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.units import to_base

#: ``-f`` letters: k m g are powers of ten in bits, K M G powers of two in bytes.
RATES = {
    **{f"10^{power}bits/s": 10.0**power for power in (0, 3, 6, 9, 12)},
    "Bytes/s": 8.0,
    "KBytes/s": 8.0 * 2**10,
    "MBytes/s": 8.0 * 2**20,
    "GBytes/s": 8.0 * 2**30,
}
#: Kinds of test in which a transaction is a connection: with a request and an answer, or opened and closed only.
CONNECTS = ("crr", "cc")
TRANSACTIONS = ("Trans/s", "Tran/s", "per sec")

#: Titles of CSV and ``-O`` output -> the key that ``-k`` prints.
TITLES = {
    "Throughput": "THROUGHPUT",
    "Throughput Units": "THROUGHPUT_UNITS",
    "Throughput Confidence Width (%)": "THROUGHPUT_CONFID",
    "Confidence Level Percent": "CONFIDENCE_LEVEL",
    "Confidence Width Target": "CONFIDENCE_INTERVAL",
    "Confidence Iterations Run": "CONFIDENCE_ITERATION",
    "Elapsed Time (sec)": "ELAPSED_TIME",
    "Protocol": "PROTOCOL",
    "Direction": "DIRECTION",
    "Transaction Rate Tran/s": "TRANSACTION_RATE",
    "Round Trip Latency usec/tran": "RT_LATENCY",
    "Minimum Latency Microseconds": "MIN_LATENCY",
    "Maximum Latency Microseconds": "MAX_LATENCY",
    "Mean Latency Microseconds": "MEAN_LATENCY",
    "Stddev Latency Microseconds": "STDDEV_LATENCY",
    "50th Percentile Latency Microseconds": "P50_LATENCY",
    "90th Percentile Latency Microseconds": "P90_LATENCY",
    "99th Percentile Latency Microseconds": "P99_LATENCY",
    "Local CPU Util %": "LOCAL_CPU_UTIL",
    "Remote CPU Util %": "REMOTE_CPU_UTIL",
    "Local Service Demand": "LOCAL_SD",
    "Remote Service Demand": "REMOTE_SD",
    "Service Demand Units": "SD_UNITS",
    "Local Transport Retransmissions": "LOCAL_TRANSPORT_RETRANS",
    "Remote Transport Retransmissions": "REMOTE_TRANSPORT_RETRANS",
    "Local Send Throughput": "LOCAL_SEND_THROUGHPUT",
    "Remote Send Throughput": "REMOTE_SEND_THROUGHPUT",
    "Remote Recv Throughput": "REMOTE_RECV_THROUGHPUT",
    "Command Line": "COMMAND_LINE",
}
#: Titles of what was asked for -> their key. A script's own log may have lines of these names.
ASKED = {
    "Request Size Bytes": "REQUEST_SIZE",
    "Response Size Bytes": "RESPONSE_SIZE",
    "Local Send Size": "LOCAL_SEND_SIZE",
    "Remote Send Size": "REMOTE_SEND_SIZE",
    "Initial Burst Requests": "BURST_SIZE",
    "Local Congestion Control Algorithm": "LOCAL_CONG_CONTROL",
    "Remote Congestion Control Algorithm": "REMOTE_CONG_CONTROL",
}

#: Keys that are read; a script's log may hold lines of the same form that are its own settings.
KEYS = frozenset(TITLES.values())
TITLES |= ASKED
_LATENCY = {
    "MIN": "min", "MEAN": "mean", "P50": "p50", "P90": "p90", "P99": "p99", "MAX": "max", "STDDEV": "stddev",
}  # fmt: skip
#: Without one of these there is no result.
RESULTS = frozenset(
    ("THROUGHPUT", "TRANSACTION_RATE", "RT_LATENCY", "LOCAL_RECV_THROUGHPUT", "REMOTE_RECV_THROUGHPUT")
) | {f"{key}_LATENCY" for key in _LATENCY}
_TEST_OPTION = re.compile(r"-t\s*([A-Za-z]+(?:_[A-Za-z]+)*)")


def rate(value: float, unit: str) -> float:
    """Convert a stream's rate to bit/s; the tables write ``/sec`` where omni writes ``/s``."""
    return to_base(value, re.sub(r"/sec$", "/s", unit.strip()), RATES)


def transactions_metric(test: str | None) -> str:
    """Return what a transaction of this kind of test counts: connections, or requests on one of them."""
    return "connection_rate_per_s" if test and test.endswith(CONNECTS) else "transaction_rate_per_s"


def conditions_of(test: str | None, notes: list[str], **told: object) -> dict[str, conditions.Value]:
    """Return what was asked for of a test of this kind."""
    protocol = (test or "").partition("_")[0]
    stream = (test or "").endswith("stream")
    return conditions.of(
        protocol=protocol if protocol in ("tcp", "udp", "sctp") else None,
        direction=("reverse" if "reverse" in notes else "forward") if stream else None,
        **told,
    )


def _asked(values: dict[str, str], test: str | None, notes: list[str], sender: str) -> dict:
    """What the named values tell of what was asked for."""
    told: dict[str, object] = {"congestion_control": values.get(f"{sender}_CONG_CONTROL", "").strip('" ')}
    if test and test.endswith("stream"):
        size = positive(values.get(f"{sender}_SEND_SIZE"))
        told["datagram_bytes" if test.startswith("udp") else "message_bytes"] = size
    else:
        for key, name in (("REQUEST", "request_bytes"), ("RESPONSE", "response_bytes"), ("BURST", "burst")):
            told[name] = positive(values.get(f"{key}_SIZE"))
    return conditions_of(test, notes, **told)


def positive(text: str | None) -> float | None:
    """Return the number in ``text`` unless it is missing: not there, no number, or netperf's -1."""
    value = number(text)
    return None if value is None or value == -1 else value


def test_of(values: dict[str, str], test: str | None) -> str | None:
    """Kind of test: from the banner, the command line, or the direction and protocol keys."""
    if test and "_" in test:
        return test
    command = values.get("COMMAND_LINE", "")
    whole = command.count('"') != 1  # -k puts it in quotes: one of them alone, and the other was cut off
    option = _TEST_OPTION.search(command) if whole else None
    if option and option[1].lower() != "omni":
        name = option[1].lower()
        return (
            name.replace("_maerts", "_stream")
            .replace("_sendfile", "_stream")
            .replace("_stream_many", "_stream")
        )
    protocol = values.get("PROTOCOL", "").lower()
    direction = values.get("DIRECTION", "")
    if not protocol.isalnum() or not direction:
        return test  # the banner of an omni test names no protocol
    kind = "crr" if "Connect" in direction else "rr" if "|" in direction else "stream"
    return f"{protocol}_{kind}"


def another(values: dict[str, str], test: str | None) -> bool:
    """Whether named values are of another test than ``test``, which a banner before them named."""
    own = test_of(values, None)
    if not own or not test or "_" not in own or "_" not in test:
        return False
    if values.get("COMMAND_LINE") and _TEST_OPTION.search(values["COMMAND_LINE"]):
        return own != test
    # Direction and protocol alone do not tell one way of connecting from another.
    return own.replace("_crr", "_cc") != test.replace("_crr", "_cc")


def reading(values: dict[str, str], test: str | None, line: int, **rest: Any) -> Reading:
    """Turn one result's named values into a Reading."""
    test = test_of(values, test)
    notes = list(rest.pop("notes", ()))
    if values.get("DIRECTION", "").startswith("Rec") and "reverse" not in notes:
        notes.append("reverse")
    sender, receiver = ("REMOTE", "LOCAL") if "reverse" in notes else ("LOCAL", "REMOTE")
    wanted = rest.pop("wanted", None)
    units = values.get("THROUGHPUT_UNITS", "").strip('" ')
    throughput = positive(values.get("THROUGHPUT"))
    transactions = test is not None and test.endswith("rr")
    if throughput is not None and not units:
        # Without -f the default depends on the kind of test alone.
        if test is None and "DIRECTION" not in values and "TRANSACTION_RATE" not in values:
            return checks.failed("THROUGHPUT without its units or a kind of test", line=line, **rest)
        if " -f" in values.get("COMMAND_LINE", ""):
            return checks.failed(
                "THROUGHPUT without its units, and -f changed them", line=line, test=test, **rest
            )
        transactions = transactions or "|" in values.get("DIRECTION", "") or "TRANSACTION_RATE" in values
        units = "Trans/s" if transactions else "10^6bits/s"
        notes.append("unit_assumed")
    transactions = transactions or units in TRANSACTIONS
    connects = test is not None and test.endswith(CONNECTS)
    if transactions:
        test = test or "rr"
    samples: list[Sample] = []
    try:
        if transactions:
            per_s = positive(values.get("TRANSACTION_RATE"))
            if throughput is not None and units not in TRANSACTIONS:
                # -f turns transactions into the payload of requests and answers together.
                samples.append(Sample("goodput_bps", rate(throughput, units)))
                notes.append("both_directions")
            elif per_s is None:
                per_s = throughput
            if per_s is not None:
                samples.append(Sample(transactions_metric(test), per_s))
            samples += _latency(values, "latency_s" if connects else "rtt_s")
        elif throughput is not None:
            test = test or "stream"
            samples.append(Sample("goodput_bps", rate(throughput, units)))
            samples += _sent(values, sender, units)
        elif (arrived := positive(values.get(f"{receiver}_RECV_THROUGHPUT"))) and units:
            test = test or "stream"
            samples += [Sample("goodput_bps", rate(arrived, units)), *_sent(values, sender, units)]
        elif per_s := positive(values.get("TRANSACTION_RATE")):
            samples.append(Sample("transaction_rate_per_s", per_s))
        if samples:
            samples += _cost(values)
            samples += _retransmitted(values, transactions, sender)
    except ParseError as problem:
        return checks.failed(problem.what, test=test, line=line, **rest)
    width = positive(values.get("THROUGHPUT_CONFID"))
    if width is not None and wanted is not None and width > 2 * wanted:
        notes.append(f"confidence_not_met: throughput {width:g}%")
    elapsed = positive(values.get("ELAPSED_TIME"))
    rest["conditions"] = _asked(values, test, notes, sender)
    return checks.reading(samples, test=test, line=line, duration_s=elapsed, notes=tuple(notes), **rest)


def _latency(values: dict[str, str], metric: str) -> list[Sample]:
    found = []
    for key, stat in _LATENCY.items():
        # Without -j nothing was timed and every latency stands as 0 or -1.
        value = positive(values.get(f"{key}_LATENCY"))
        if value is not None and (value != 0 or stat == "stddev"):
            found.append(Sample(metric, value * 1e-6, stat))
    if not any(s.stat == "mean" for s in found):
        # Reckoned by netperf from the rate alone, so it has it without -j.
        trip = positive(values.get("RT_LATENCY"))
        found += [Sample(metric, trip * 1e-6, "mean")] if trip else []
    return found if any(s.stat != "stddev" for s in found) else []


def _sent(values: dict[str, str], sender: str, units: str) -> list[Sample]:
    sent = positive(values.get(f"{sender}_SEND_THROUGHPUT"))
    return [] if sent is None else [Sample("sent_bps", rate(sent, units))]


def _cost(values: dict[str, str]) -> list[Sample]:
    """CPU of the whole machine at each end, and service demand."""
    found = []
    for end, who in (("LOCAL", "client"), ("REMOTE", "server")):
        percent = positive(values.get(f"{end}_CPU_UTIL"))
        if percent:
            found.append(Sample(f"cpu_{who}_machine_ratio", percent / 100))
    found += service_demand(
        positive(values.get("LOCAL_SD")), positive(values.get("REMOTE_SD")), values.get("SD_UNITS")
    )
    return found


def _retransmitted(values: dict[str, str], transactions: bool, sender: str) -> list[Sample]:
    """Segments sent again by both ends; of a stream the sender's alone will do, of transactions it takes both."""
    ends = {end: positive(values.get(f"{end}_TRANSPORT_RETRANS")) for end in ("LOCAL", "REMOTE")}
    known = [count for count in ends.values() if count is not None]
    if len(known) == 2 or (known and not transactions and ends[sender] is not None):
        return [Sample("retransmitted_segments", sum(known))]
    return []


def service_demand(local: float | None, remote: float | None, units: str | None) -> list[Sample]:
    """CPU time both ends spent: per byte of a stream (KB of 1024) or per transaction."""
    if not local or not remote:
        return []
    units = (units or "").strip().lower()
    if units in ("usec/kb", "us/kb"):
        return [Sample("cpu_s_per_byte", (local + remote) * 1e-6 / 1024)]
    if units in ("usec/tran", "us/tr"):
        return [
            Sample(f"cpu_{who}_transaction_s", v * 1e-6) for who, v in (("client", local), ("server", remote))
        ]
    raise ParseError(
        f"unknown unit {units!r} of service demand; known here: us/KB, usec/KB, us/Tr, usec/Tran"
    )


def interval(value: str, unit: str, seconds: str, since: float, test: str | None) -> Interval | None:
    """Build one interim result that began ``since`` seconds into the test, or None if it is unreadable."""
    amount, length = number(value), number(seconds)
    if amount is None or length is None or length <= 0:
        return None
    if unit.strip() in TRANSACTIONS:
        return Interval(since, since + length, transactions_metric(test), amount)
    try:
        return Interval(since, since + length, "sent_bps", rate(amount, unit))
    except ParseError:
        return None
