"""k8s-netperf's results, as CSV, JSON and the tables it prints: one row a scenario, averaged over its samples.

A second CSV has its losses and retransmissions, the tables have latency, losses and retransmissions apart: rows of
one scenario are one reading. It names where a scenario ran, and that goes into ``path`` and ``placement``. The
latency it prints for a stream is how long a send took, not a round trip, and is left out. A driver that counts no
loss has a 0 there, which is left out too.
"""

from __future__ import annotations

import csv
import io
import json
import re

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.units import SECONDS, to_base

NAME = "k8s_netperf"

_HEADER = re.compile(r"^(?:Type,)?(?:Driver,)?Profile,Same node,", re.MULTILINE)
_SNIFF = re.compile(
    rb'^(?:Type,)?(?:Driver,)?Profile,Same node,|"tputMetric"\s*:|"ltcyMetric"\s*:'
    rb"|\| +(?:RESULT )?TYPE +\| DRIVER +\| +SCENARIO +\| PARALLELISM \|",
    re.MULTILINE,
)
_ARRAY = re.compile(r"^ ?\[\s*$", re.MULTILINE)
_CELL = re.compile(r"(?P<amount>\S+)(?: \((?P<unit>[^()]+)\))?")
_RATES = {"Mb/s": 1e6, "Gb/s": 1e9, "Kb/s": 1e3}
_COLUMNS = {
    "Type": "type",
    "Value": "value",
    "UDN Info": "udnInfo",
    "Bridge Info": "bridgeInfo",
    "SR-IOV Info": "sriovInfo",
    "External Server": "externalServer",
    "Virt mode": "virt",
    "Burst": "burst",
    "Driver": "driver",
    "Profile": "profile",
    "Same node": "local",
    "Host Network": "hostNetwork",
    "Service": "service",
    "Duration": "duration",
    "Parallelism": "parallelism",
    "Message Size": "messageSize",
    "Avg Throughput": "throughput",
    "Throughput Metric": "tputMetric",
    "99%tile Observed Latency": "latency",
    "Latency Metric": "ltcyMetric",
}
#: The tables' titles are the CSV's but for these.
_TITLES = {title.upper(): key for title, key in _COLUMNS.items()} | {"SCENARIO": "profile"}
#: First column of a table's row -> the keys its value and the value's unit stand for.
_TABLES = {
    "STREAM RESULTS": ("throughput", "tputMetric"),
    "RR RESULTS": ("throughput", "tputMetric"),
    "RR LATENCY RESULTS": ("latency", "ltcyMetric"),
    "TCP RETRANSMISSIONS": ("tcpRetransmits", ""),
    "UDP LOSS PERCENT": ("udpLossPercent", ""),
}
#: Drivers that count what was lost and sent again.
_COUNTING = ("", "netperf", "iperf3")


#: Rows of the tables it prints, and of its two CSVs.
FORMS = (
    re.compile(rb"[|+]", re.MULTILINE),
    re.compile(rb"Type,|(?![{\[\s\"])(?:[^,|\n]*,){6}", re.MULTILINE),
)


def sniff(head: bytes) -> bool:
    """Whether the header of the CSV, or a key only this JSON has, is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a scenario.

    Raises
    ------
    ParseError
        Where the bytes are not k8s-netperf's.
    """
    text = texts.decoded(raw)
    if text.lstrip().startswith(("[", "{")):
        return _documents(text)
    if '"tputMetric"' in text and (begin := _ARRAY.search(text)):
        return _documents("\n" * text.count("\n", 0, begin.start()) + text[begin.start() :])
    found = _HEADER.search(text)
    if not found and "PARALLELISM" in text:
        return _tables(text)
    if not found:
        raise ParseError("no k8s-netperf results in this text")
    begun = text.count("\n", 0, found.start()) + 1
    rows = csv.DictReader(io.StringIO(text[found.start() :]))
    return [
        _reading({_COLUMNS[k]: v for k, v in row.items() if k in _COLUMNS}, begun + at)
        for at, row in enumerate(rows, 1)
    ] or [checks.failed("a header and no row", line=begun)]


def _documents(text: str) -> list[Reading]:
    """Read the list of documents, or one document a line, as an index takes them."""
    try:
        loaded = json.loads(text)
        told = [(1, d) for d in (loaded if isinstance(loaded, list) else [loaded])]
    except (ValueError, RecursionError):
        told = []
        for at, line in enumerate(text.split("\n"), 1):
            if line.strip():
                told.append((at, documents.whole(line.encode())))
    found = [_reading(d, at) for at, d in told if isinstance(d, dict) and "profile" in d]
    if not found:
        raise ParseError("JSON, but no k8s-netperf document")
    return found


def _tables(text: str) -> list[Reading]:
    """Read the printed tables; a scenario is known by all its columns but the value."""
    titles: list[str] = []
    open_: dict[tuple, dict] = {}
    rows: list[tuple[dict, int]] = []
    for at, line in enumerate(margins.cleared(text), 1):
        if not line.startswith("| ") or not line.endswith("|"):
            continue
        cells = [cell.strip() for cell in line[1:-1].split("|")]
        if "SCENARIO" in cells and "DRIVER" in cells:
            titles = cells
            continue
        kind = re.sub(r"^\W+", "", cells[0]).upper()
        if kind not in _TABLES or len(cells) != len(titles):
            continue
        named = dict(zip(titles, cells))
        row = {key: named[title] for title, key in _TITLES.items() if title in named}
        told = next((named[title] for title in titles if title.endswith("VALUE")), "")
        row.pop("type", None)
        value, unit = _TABLES[kind]
        scenario = tuple(row.items())
        if scenario not in open_ or value in open_[scenario]:
            open_[scenario] = row
            rows.append((row, at))
        amount = _CELL.match(told)
        open_[scenario][value] = amount["amount"] if amount else None
        if unit:
            open_[scenario][unit] = (amount["unit"] if amount else None) or ""
    if not rows:
        raise ParseError("no row of a result in these tables")
    return [_reading(row, at) for row, at in rows]


def _true(value: object) -> bool:
    return str(value).strip().lower() == "true"


def _reading(row: dict, line: int) -> Reading:
    profile, size = str(row.get("profile", "")).strip(), row.get("messageSize")
    test = f"{profile.lower()}_{size}" if size not in (None, "") else profile.lower()
    host, service = _true(row.get("hostNetwork")), _true(row.get("service"))
    labels = {"path": "host_to_host" if host else "pod_to_service" if service else "pod_to_pod"}
    labels["placement"] = "same_node" if _true(row.get("local")) else "same_subnet"
    parallel = number(row.get("parallelism"))
    if parallel and parallel != 1:
        test += f"_x{parallel:g}"
    # The same profile by another program, or over a network of the user's own, is another test.
    others = [str(row.get(key) or "").strip() for key in ("driver", "udnInfo", "bridgeInfo", "sriovInfo")]
    test += "".join(f"_{word}" for word in others if word and word != "netperf")
    if burst := number(row.get("burst")):
        test += f"_burst{burst:g}"
    switches = (("externalServer", "external"), ("virt", "virt"), ("acrossAZ", "across_az"))
    test += "".join(f"_{word}" for key, word in switches if _true(row.get(key)))
    rest: dict = {"test": test, "line": line, "labels": labels, "duration_s": number(row.get("duration"))}
    size = number(size)
    rr = profile.upper().endswith("RR")
    rest["conditions"] = conditions.of(
        service="yes" if service else "no" if "service" in row else None,
        streams=parallel,
        message_bytes=None if rr else size,
        request_bytes=size if rr else None,
        burst=burst,
        duration_s=row.get("duration"),
    )
    if "type" in row:
        return _losses(str(row["type"]).strip(), row.get("value"), rest)
    rate, unit = number(row.get("throughput")), str(row.get("tputMetric", "")).strip()
    if rate is None:
        return checks.failed(f"unreadable throughput {row.get('throughput')!r}", **rest)
    try:
        if unit == "OP/s":
            metric = "connection_rate_per_s" if profile.endswith("CRR") else "transaction_rate_per_s"
            samples = [Sample(metric, rate)]
            latency = number(row.get("latency"))
            if latency:
                name = "latency_s" if profile.endswith("CRR") else "rtt_s"
                seconds = to_base(latency, str(row.get("ltcyMetric", "")).strip(), SECONDS)
                samples.append(Sample(name, seconds, "p99"))
        else:
            samples = [Sample("goodput_bps", to_base(rate, unit, _RATES))]
            counts = others[0] in _COUNTING
            lost, again = number(row.get("udpLossPercent")), number(row.get("tcpRetransmits"))
            if lost is not None and profile.startswith("UDP") and (lost or counts):
                samples.append(Sample("loss_ratio", lost / 100))
            if again is not None and profile.startswith("TCP") and (again or counts):
                samples.append(Sample("retransmitted_segments", again))
    except ParseError as problem:
        return checks.failed(problem.what, **rest)
    return checks.reading(samples, **rest)


def _losses(what: str, amount: object, rest: dict) -> Reading:
    """Read a row of the second CSV, whose first column says what its value is."""
    value = number(amount)
    if value is None:
        return checks.failed(f"unreadable value {amount!r} of {what!r}", **rest)
    if what == "UDP Percent Loss":
        return checks.reading([Sample("loss_ratio", value / 100)], **rest)
    if what == "TCP Retransmissions":
        return checks.reading([Sample("retransmitted_segments", value)], **rest)
    return checks.failed(f"unknown type {what!r}; known here: UDP Percent Loss, TCP Retransmissions", **rest)
