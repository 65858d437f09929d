"""k8s-bench-suite (knb): what its archives and results trees hold beside iperf3's own output.

A ``.knbdata`` is a gzipped tar of small files, a 2024 results tree a folder a CNI and run; the loader opens
both, and iperf3's reader takes the logs. This module reads the ``*.results`` summaries, knows which member is
bookkeeping, and which path its name stands for. It also reads the report knb writes (``-o text``, ``json`` or
``yaml``) line by line, since knb's JSON lacks a value or has a comma too many where a test was left out.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

NAME = "knb"

_LINE = re.compile(r"^(?P<test>[DS][TU][SM]|IDLE)_(?P<key>[A-Z_]+)=(?P<value>\S*)\s*$")
_SNIFF = re.compile(
    rb"^(?:[DS][TU][SM]|IDLE)_(?:BW|RTS|JITTER|LOST|(?:CLIENT|SERVER)_(?:SYSTEM|USER|MEM))="
    rb'|Discovered k8s version +:|"?generator"?: +"knb"',
    re.MULTILINE,
)
_REPORT = re.compile(r'^(?:Benchmark Results|"?metadata"?: ?\{?)$')
_PART = re.compile(
    r'^"?(?P<name>idle|[a-z]{3,9} to [a-z]{3,9}|[a-z]{3,9}2[a-z]{3,9}|tcp|udp)"? ?:(?: \{)?$', re.IGNORECASE
)
_BANDWIDTH = re.compile(r'^"?bandwidth"?(?: =|:) *(?P<amount>(?!Mbit/s)[^\s,]*?),?(?P<unit> Mbit/s)?$')
_VERSION = re.compile(r'^"?version"? *: *"?(?P<version>\d[\w.\-]*)"?,?$', re.IGNORECASE)
_IDLE = re.compile(rb"^(?:0 ){4,}receiver\s*$")
_PATHS = {"p2p": "pod_to_pod", "p2s": "pod_to_service", "D": "pod_to_pod", "S": "pod_to_service"}
_PATHS |= {"pod to pod": "pod_to_pod", "pod2pod": "pod_to_pod"}
_PATHS |= {"pod to service": "pod_to_service", "pod2svc": "pod_to_service"}
_PATHS |= {"node to node": "host_to_host", "node2node": "host_to_host"}
#: Members of an archive that hold no result of their own.
_BOOKKEEPING = re.compile(
    r"(?:^|/)(?:mtu|kernel|cpu|env|k8s-version|discovered-cni|result-\w+|[\w.\-]+\.(?:bw|avg|metrics)"
    r"|(?:idle|[ds][tu][sm])-(?:server|client)\.(?:stderr|monitor\w*))$"
)


#: Lines of a summary, which may stand beside a report.
FORMS = (re.compile(rb"(?:[DS][TU][SM]|IDLE)_[A-Z_]+=", re.MULTILINE),)


def sniff(head: bytes) -> bool:
    """Whether this is a summary, or the line knb leaves where it measured nothing."""
    return _SNIFF.search(head) is not None or _IDLE.match(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a test of a summary or a report.

    Raises
    ------
    ParseError
        Where the bytes are not knb's.
    """
    if _IDLE.match(raw):
        why = "knb's idle run: no traffic was sent"
        return [Reading(status="skipped", reason=why, test="idle", line=1)]
    tests: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for at, line in enumerate(texts.decoded(raw).split("\n"), 1):
        if found := _LINE.match(line):
            tests.setdefault(found["test"], {})[found["key"]] = found["value"]
            lines.setdefault(found["test"], at)
    if not tests:
        return _report(texts.decoded(raw))
    return [_reading(test, values, lines[test]) for test, values in tests.items()]


def _reading(test: str, values: dict[str, str], line: int) -> Reading:
    if test == "IDLE":
        return Reading(status="skipped", reason="knb's idle run: no traffic was sent", test="idle", line=line)
    where, protocol, streams = tuple(test)
    name = f"{'tcp' if protocol == 'T' else 'udp'}_stream" + ("_parallel" if streams == "M" else "")
    rest: dict = {"test": name, "line": line, "labels": {"path": _PATHS[where]}}
    if values.get("BW", "null") == "null":
        return checks.failed(f"knb recorded {test}_BW={values.get('BW', 'nothing')}: the test failed", **rest)
    samples = []
    for key, metric, factor in (
        ("BW", "goodput_bps", 1.0),
        ("RTS", "retransmitted_segments", 1.0),
        ("JITTER", "jitter_rfc1889_s", 1e-3),
        ("LOST", "loss_ratio", 1e-2),
    ):
        if values.get(key, "null") != "null":
            value = number(values[key])
            if value is None:
                return checks.failed(f"unreadable number {test}_{key}={values[key]!r}", **rest)
            samples.append(Sample(metric, value * factor))
    return checks.reading(samples, **rest)


def _report(text: str) -> list[Reading]:
    found: list[Reading] = []
    version = place = protocol = None
    for at, line in enumerate(margins.cleared(text), 1):
        if _REPORT.match(line):
            version = place = protocol = None
        elif told := _VERSION.match(line):
            version = version or told["version"]
        elif part := _PART.match(line):
            name = part["name"].lower()
            place, protocol = (place, name) if name in ("tcp", "udp") else (name, None)
        elif (bandwidth := _BANDWIDTH.match(line)) and place:
            rest: dict = {"line": at, "tool_version": version}
            if place == "idle":
                why = "knb's idle run: no traffic was sent"
                found.append(Reading(status="skipped", reason=why, test="idle", **rest))
                continue
            test = f"{protocol or 'unknown'}_stream"
            rest |= (
                {"test": test, "labels": {"path": _PATHS[place]}}
                if place in _PATHS
                else {"test": f"{test} {place}"}
            )
            amount = bandwidth["amount"]
            if not amount:
                found.append(checks.failed("knb recorded no bandwidth: the test failed", **rest))
            elif (value := number(amount)) is None:
                found.append(checks.failed(f"unreadable bandwidth {amount!r}", **rest))
            else:
                found.append(checks.reading([Sample("goodput_bps", value * 1e6)], **rest))
    if not found:
        raise ParseError("no knb summary and no report with a bandwidth in this text")
    return found


def bookkeeping(member: str) -> bool:
    """Whether a member of a knb archive or tree is not a result."""
    return _BOOKKEEPING.search(member) is not None


def labels(member: str) -> dict[str, str]:
    """What the name of a member says of its path.

    >>> labels("knb-client-tcp-p2s-6542.log"), labels("results/cilium/1/sus-client.stdout")
    ({'path': 'pod_to_service'}, {'path': 'pod_to_service'})
    """
    if found := re.search(r"knb-client-(?:tcp|udp)-(p2[ps])-\d+\.log$", member):
        return {"path": _PATHS[found[1]]}
    if found := re.search(r"(?:^|/)([ds])[tu][sm]-(?:client|server)\.(?:stdout|json)$", member):
        return {"path": _PATHS[found[1].upper()]}
    return {}
