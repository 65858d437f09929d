"""``cilium connectivity perf``: the JSON it leaves in its report folder, in perfdash's form, and its tables.

Several samples of one scenario stand one after the other under the same labels; a metric that comes again
begins the next reading. Its Mb/s are 10**6 bit/s.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import go_time, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.json_text import branch
from cnilab.measurements.reading.numbers import number
from cnilab.units import SECONDS, to_base

NAME = "cilium_perf"

_ITEMS = re.compile(rb'"dataItems"\s*:\s*\[')
_TITLED = re.compile(rb"Scenario +\| (?:Node +\| Test +\| |Test +\| Num Samples +\| )")
_RATES = {"Mb/s": 1e6, "Gb/s": 1e9}
_STATS = {"Min": "min", "Avg": "mean", "Perc50": "p50", "Perc90": "p90", "Perc99": "p99", "Max": "max"}
#: Titles of the tables -> statistic of the latency.
_TITLES = {"Min": "min", "Mean": "mean", "P50": "p50", "P90": "p90", "P99": "p99", "Max": "max"}
#: A row of a table begins with its sign and a name; an old one's name is a pod's.
_A_ROW = re.compile(r"^\W*[a-z][\w.-]* +\| ")
_VALUE = re.compile(r"(?P<amount>\S+) \((?P<unit>[^()]+)\)")
_PATHS = {"pod-to-pod": "pod_to_pod", "host-to-host": "host_to_host", "pod-to-service": "pod_to_service"}


def sniff(head: bytes) -> bool:
    """Whether perfdash's list of items or the titles of the tables are here."""
    # perfdash's list alone is clusterloader2's too; the scenario is cilium's.
    return (_ITEMS.search(head) is not None and b'"scenario"' in head) or _TITLED.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a scenario and sample.

    Raises
    ------
    ParseError
        Where the bytes are not of this form.
    """
    text = texts.decoded(raw)
    if not text.lstrip().startswith("{"):
        return _tables(text)
    document = documents.whole(raw)
    items = branch(document, "dataItems", list)
    if not isinstance(document, dict) or "dataItems" not in document:
        raise ParseError("JSON, but no list of data items")
    open_: dict[tuple, dict[str, dict]] = {}
    groups: list[tuple[tuple, dict[str, dict]]] = []
    if items and not any("scenario" in branch(item, "labels") for item in items):
        raise ParseError("a list of data items, but none names cilium's scenario")
    for item in items:
        if not isinstance(item, dict):
            continue
        labels = branch(item, "labels")
        key = tuple(str(labels.get(k, "")) for k in ("scenario", "node", "test_type"))
        metric = str(labels.get("metric", ""))
        group = open_.get(key)
        if group is None or metric in group:
            group = open_[key] = {}
            groups.append((key, group))
        group[metric] = item
    if not groups:
        return [checks.failed("a report without a single item", line=1)]
    return [_reading(key, group) for key, group in groups]


def _place(scenario: str, node: str, test: str, line: int) -> dict:
    labels = {"placement": "same_node" if node == "same-node" else "same_subnet"}
    if scenario in _PATHS:
        labels["path"] = _PATHS[scenario]
    else:
        test = f"{test} {scenario}".strip()  # host-to-pod and pod-to-host have no name among the paths
    return {"test": test, "labels": labels, "line": line}


def _tables(text: str) -> list[Reading]:
    """Read one Reading a row; every table names its own columns."""
    titles: list[str] = []
    found: list[Reading] = []
    for at, line in enumerate(text.split("\n"), 1):
        cells = [cell.strip() for cell in line.split("|")] if len(line) < 4000 else []
        if len(cells) < (2 if titles else 4):
            continue
        cells[0] = (cells[0].split() or [""])[-1]  # a sign stands before it
        if cells[0] == "Scenario":
            titles = cells
        elif len(cells) == len(titles) and {"Test", "Avg value"} <= set(titles):
            row = dict(zip(titles, cells))
            found.append(_average(row, at))
        elif len(cells) == len(titles) and {"Node", "Test"} <= set(titles):
            row = dict(zip(titles, cells))
            found.append(_row(row, _place(row["Scenario"], row["Node"], row["Test"].lower(), at)))
        elif titles and {"Node", "Test"} & set(titles) and _A_ROW.match(line):
            why = f"a row of {len(cells)} cells under {len(titles)} titles: the output was cut short"
            found.append(checks.failed(why, line=at, notes=("truncated",)))
    if not found:
        raise ParseError("no table of cilium's performance test in this text")
    return found


def _average(row: dict[str, str], line: int) -> Reading:
    """Read a row of the tables before 2023: the client's name tells its place, one average is all there is."""
    pod = row["Scenario"]
    scenario = "host-to-host" if "host" in pod else "pod-to-pod"
    rest = _place(scenario, "other-node" if "other-node" in pod else "same-node", row["Test"].lower(), line)
    value = _VALUE.fullmatch(row["Avg value"])
    if value is None:
        return checks.failed(f"unreadable Avg value {row['Avg value']!r}", **rest)
    return _row({"Duration": row.get("Duration", ""), value["unit"]: value["amount"]}, rest)


def _row(row: dict[str, str], rest: dict) -> Reading:
    connects = "crr" in rest["test"]
    samples: list[Sample] = []
    try:
        for title, word in row.items():
            if stat := _TITLES.get(title):
                samples.append(Sample("latency_s" if connects else "rtt_s", go_time.seconds(word), stat))
            elif title == "Duration":
                rest["duration_s"] = go_time.seconds(word)
            elif title.endswith(("OP/s", "Mb/s")):
                value = number(word)
                if value is None:
                    raise ParseError(f"unreadable {title} {word!r}")
                rate = "connection_rate_per_s" if connects else "transaction_rate_per_s"
                samples.append(
                    Sample("goodput_bps", value * 1e6) if title.endswith("Mb/s") else Sample(rate, value)
                )
    except ParseError as problem:
        return checks.failed(problem.what, **rest)
    return checks.reading(samples, **rest)


def _reading(key: tuple, group: dict[str, dict]) -> Reading:
    scenario, node, kind = key
    rest = _place(scenario, node, kind.split("-", 1)[-1].lower() or "unknown", 1)
    test = rest["test"]
    samples: list[Sample] = []
    try:
        for metric, item in group.items():
            data, unit = branch(item, "data"), str(item.get("unit", ""))
            if metric == "Latency":
                # netperf's latency of a connect-request-response is not a round trip.
                name = "latency_s" if "crr" in test else "rtt_s"
                for bucket, word in data.items():
                    if (stat := _STATS.get(bucket)) and (value := number(word)) is not None:
                        samples.append(Sample(name, to_base(value, unit, SECONDS), stat))
                continue
            value = number(data.get("Throughput"))
            if value is None:
                continue
            if metric == "TransactionRate":
                if unit != "ops/s":
                    raise ParseError(f"unknown unit {unit!r} of a transaction rate; known: ops/s")
                name = "connection_rate_per_s" if "crr" in test else "transaction_rate_per_s"
                samples.append(Sample(name, value))
            elif metric == "Throughput":
                samples.append(Sample("goodput_bps", to_base(value, unit, _RATES)))
    except ParseError as problem:
        return checks.failed(problem.what, **rest)
    return checks.reading(samples, **rest)
