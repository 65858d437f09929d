"""What a reader makes of broken, foreign and hostile bytes: a reason or a ParseError, no wrong number.

The inputs are the recordings: cut at each byte, lines swapped, in other encodings and locales; and noise.
"""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invariants import read
from test_recorded import DATA, FILES

from cnilab import measurements
from cnilab.measurements import TOOLS, readers
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import ends, numbers
from cnilab.measurements.reading import plausible as checks

SMALL = [p for p in FILES if p.stat().st_size < 4000]
RECORDED = {p.name: (p.parent.name, p.read_bytes()) for p in FILES}


def values(found: list[Reading] | None) -> set[tuple[str, str, float]]:
    return {(s.metric, s.stat, s.value) for r in found or [] for s in r.samples}


@pytest.mark.parametrize("path", SMALL, ids=[p.name for p in SMALL])
def test_cut_at_each_byte_gives_no_other_metric(path):
    """A cut file may tell less, and what is reckoned from several lines differently; but nothing else."""
    name, raw = RECORDED[path.name]
    whole = values(read(name, raw))
    allowed = {(metric, stat) for metric, stat, _ in whole}
    for end in range(0, len(raw), max(1, len(raw) // 400)):
        cut = raw[:end].rpartition(b"\n")[0] + b"\n"  # at a line's end nothing may change
        new = values(read(name, cut)) - whole
        # what is reckoned from several lines (percentiles of replies, sums over streams) does change
        assert all((m, s) in allowed or m == "goodput_bps" for m, s, _ in new), (end, new)
        # within a line it may tell less again, but no new value: half a number is not that number
        half = set() if raw[end : end + 1] == b"\n" else values(read(name, raw[:end]))
        line = raw[: raw.find(b"\n", end) + 1]
        assert half - whole <= values(read(name, cut)) | values(read(name, line)), (end, raw[:end][-60:])


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_line_ends_marks_and_encodings_change_nothing(path):
    name, raw = RECORDED[path.name]
    if raw[:2] == b"\x1f\x8b":
        pytest.skip("compressed")
    plain = values(read(name, raw))
    text = raw.decode()
    for variant in (
        raw.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + raw,
        text.encode("utf-16"),
        b"\n\n" + raw + b"\n\n",
    ):
        assert values(read(name, variant)) == plain


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_decimal_commas_are_not_read_as_other_numbers(path):
    """A number with a decimal comma is not read, least of all as the part behind the comma."""
    name, raw = RECORDED[path.name]
    if raw[:1] in (b"\x1f", b"{", b"[") or path.suffix in (".csv", ".tsv") or b"," in raw:
        pytest.skip("commas mean something else here")
    plain = values(read(name, raw))
    new = values(read(name, raw.replace(b".", b","))) - plain
    assert not {v for v in new if v[0].endswith(("_bps", "_per_s")) or v[0] in ("rtt_s", "latency_s")}


@pytest.mark.parametrize("name", ["iperf3_3.12_tcp_text.txt", "iperf2_2.1.8_tcp.txt"])
def test_a_decimal_comma_is_told_as_what_it_is(name):
    tool, raw = RECORDED[name]
    (reading,) = TOOLS[tool].parse(raw.replace(b".", b","))
    assert "is no complete row" in reading.reason
    assert "0,00" in reading.reason


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_swapped_dropped_and_repeated_lines(data):
    name, raw = RECORDED[data.draw(st.sampled_from(sorted(RECORDED)))]
    lines = raw.split(b"\n")
    for _ in range(data.draw(st.integers(1, 4))):
        a, b = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from("sdr")):
            case "s":
                lines[a], lines[b] = lines[b], lines[a]
            case "d" if len(lines) > 1:
                del lines[a]
            case _:
                lines.insert(b, lines[a])
    read(name, b"\n".join(lines))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_flipped_and_inserted_bytes(data):
    name, raw = RECORDED[data.draw(st.sampled_from(sorted(RECORDED)))]
    noisy = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, max(0, len(noisy) - 1)))
        noisy[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(name, bytes(noisy))


@pytest.mark.parametrize("name", readers())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)))
def test_random_bytes(name, raw):
    read(name, raw)
    measurements.detect(raw)


@pytest.mark.parametrize("name", readers())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_foreign_output(name, data):
    """Any file given to any reader by ``--as``."""
    _, raw = RECORDED[data.draw(st.sampled_from(sorted(RECORDED)))]
    read(name, raw)


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({})
)


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".json"], ids=lambda p: p.name)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_json_with_foreign_leaves(path, data):
    """Whatever stands where a number should: another type, a huge integer, NaN."""
    name, raw = RECORDED[path.name]
    document = json.loads(raw)

    def spoil(node: object) -> None:
        for _ in range(6):
            if isinstance(node, dict) and node:
                key = data.draw(st.sampled_from(sorted(node)))
            elif isinstance(node, list) and node:
                key = data.draw(st.integers(0, len(node) - 1))
            else:
                return
            if data.draw(st.booleans()) and isinstance(node[key], (dict, list)):
                node = node[key]
            else:
                node[key] = data.draw(LEAF)
                return

    for _ in range(data.draw(st.integers(1, 5))):
        spoil(document)
    read(name, json.dumps(document).encode())


HOSTILE = {
    "separator before a digit": b"Percentage served,Time in ms\n0,1\n\x1e2,0.093\n",  # found by fuzzing
    "deep": b"[" * 200_000,
    "deep objects": b'{"start":' * 50_000,
    "huge integer": b'{"start": {"version": "iperf 3.1"}, "end": {"sum_received": {"bytes": '
    + b"9" * 5000
    + b"}}}",
    "infinite": b'{"start": {"version": "iperf 3.1"}, "end": {"sum_received": {"bits_per_second": 1e999}}}',
    "nul": b"\0" * 4096,
    "long line": b"[  5]   0.00-1.00   sec  1.00 GBytes  " + b"9" * 3_000_000,
    "spaces": b" " * 1_000_000 + b"\n",
    "many braces": b"{\n" * 100_000,
    "commas": b"," * 1_000_000,
    "gzip": gzip.compress(b"{}"),
    "gzip cut": gzip.compress(b"x" * 100_000)[:60],
    "digits": b"1 " * 500_000,
    "colons": b"a:\n" * 200_000,
}


@pytest.mark.parametrize("name", readers())
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bytes_end_soon(name, what):
    read(name, HOSTILE[what])
    measurements.detect(HOSTILE[what][:65536])


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_time_grows_with_length_and_not_with_its_square(path):
    name, raw = RECORDED[path.name]
    if raw[:2] == b"\x1f\x8b":
        pytest.skip("compressed")
    long = raw * (400_000 // len(raw))
    started = time.process_time()  # what else the machine does is not counted
    read(name, long)
    assert time.process_time() - started < 5


DOCUMENTS = sorted((DATA / "iperf3").glob("*.json"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=[p.name for p in DOCUMENTS])
def test_totals_are_the_same_without_their_series(path):
    full, totals = (read("iperf3", path.read_bytes(), totals=alone) for alone in (False, True))
    assert full is not None
    assert totals is not None
    assert [replace(reading, intervals=()) for reading in full] == totals


def test_no_end_of_another_test_is_taken_for_the_totals_of_a_cut_one():
    """Passing over a document's intervals must not pass over its missing end into the next document."""

    def told(raw, totals):
        return [(r.test, r.status, values([r])) for r in read("iperf3", raw, totals=totals) or ()]

    first, second = (
        (DATA / "iperf3" / f"iperf3_3.12_{kind}.json").read_bytes() for kind in ("tcp_stream", "udp_stream")
    )
    opening = first.index(b"[", first.index(b'"intervals"')) + 1
    entry = first.index(b"}, {", opening) + 1  # where what came before opens as much as it closes
    step = max(1, len(first) // 200)
    for end in (entry, entry + 1, *range(0, len(first) - 3, step)):
        for between in (b"", b"\n", b"]}\n"):
            mixed = first[:end] + between + second
            assert told(mixed, True) == told(mixed, False), (end, between)
    rest = second[second.index(b"}, {", second.index(b'"intervals"')) + 1 :]
    within = range(first.index(b"{", opening) + 1, entry - 1, 7)
    for end in within:  # the middle of a file was lost, from inside an interval to between two others
        assert told(first[:end] + rest, True) == told(first[:end] + rest, False), end
    whole = values(read("iperf3", first))
    for end in range(opening, first.index(b'"end":\t{'), step):
        for hole in (1, 40, 700, 5000):
            mixed = first[:end] + first[end + hole :]
            full, totals = (values(read("iperf3", mixed, totals=alone)) for alone in (False, True))
            assert full <= totals <= whole, (end, hole)


IPERF3 = json.loads((DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes())


def iperf3_with(**received: object) -> Reading:
    document = json.loads(json.dumps(IPERF3))
    document["end"]["sum_received"].update(received)
    return TOOLS["iperf3"].parse(json.dumps(document).encode())[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits_per_second": -1.0}, "negative"),
        ({"bits_per_second": 0, "bytes": 0}, "printed as 0"),
    ],
)
def test_impossible_values_fail_with_their_reason(change, words):
    reading = iperf3_with(**change)
    assert reading.status == "failed"
    assert words in reading.reason


def test_a_missing_value_is_missing_and_not_zero():
    document = json.loads(json.dumps(IPERF3))
    del document["end"]["sum_received"], document["end"]["cpu_utilization_percent"]
    reading = TOOLS["iperf3"].parse(json.dumps(document).encode())[0]
    assert {s.metric for s in reading.samples}.isdisjoint({"goodput_bps", "cpu_s_per_byte"})
    assert "receiver_missing" in reading.notes


def test_nan_in_json_is_missing():
    raw = json.dumps(IPERF3).encode().replace(b'"retransmits": ', b'"retransmits": -nan, "x": ')
    reading = TOOLS["iperf3"].parse(raw)[0]
    assert reading.status == "ok"
    assert not any(s.metric == "retransmitted_segments" for s in reading.samples)


def test_unknown_units_are_failures():
    text = (DATA / "iperf3" / "iperf3_3.12_tcp_text.txt").read_bytes().replace(b"Gbits/sec", b"Furlongs/sec")
    assert "unknown unit" in TOOLS["iperf3"].parse(text)[0].reason
    text = b"tcp_bw:\n    bw  =  2.14 stone/sec\n"
    assert "unknown unit 'stone/sec'" in TOOLS["qperf"].parse(text)[0].reason
    text = (DATA / "netperf" / "netperf_2.7.0_tcp_stream.txt").read_bytes().replace(b"10^6bits/s", b"acres/s")
    assert "unknown unit" in TOOLS["netperf"].parse(text)[0].reason


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([("rtt_s", 2.0, "p50"), ("rtt_s", 1.0, "p99")], "p50 = 2 is above its p99 = 1"),
        ([("rtt_s", 2.0, "min"), ("rtt_s", 1.0, "mean")], "min = 2 is above its mean"),
        ([("loss_ratio", 1.01, "value")], "above 1"),
        ([("goodput_bps", float("inf"), "value")], "impossible"),
        ([("goodput_bps", 0.0, "value")], "printed as 0"),
    ],
)
def test_faults_are_told(samples, words):
    assert words in checks.fault([Sample(m, v, s) for m, v, s in samples])


def test_equal_values_rounded_apart_are_no_fault():
    assert checks.fault([Sample("rtt_s", 1.0005, "p99"), Sample("rtt_s", 1.0, "max")]) is None


@pytest.mark.parametrize(
    "value", ["1_5", "nan", "inf", "-inf", "", "1,5", "0x10", True, None, [], "9" * 400, 10**400]
)
def test_what_is_no_number_is_none(value):
    assert numbers.number(value) is None


def test_two_values_under_one_name_are_a_failure_and_one_value_told_twice_is_one():
    twice = checks.reading([Sample("goodput_bps", 2.0), Sample("goodput_bps", 3.0)])
    assert twice.status == "failed"
    assert "stands twice" in twice.reason
    assert len(checks.reading([Sample("goodput_bps", 2.0)] * 2).samples) == 1


@pytest.mark.parametrize("duration", [-1.0, float("nan"), 1e12])
def test_an_impossible_duration_fails_the_reading(duration):
    found = checks.reading([Sample("goodput_bps", 2.0)], duration_s=duration)
    assert (found.status, found.duration_s) == ("failed", None)


@pytest.mark.parametrize(
    ("metric", "value"), [("goodput_bps", 1e16), ("packet_rate_per_s", 1e13), ("rtt_s", 1e10)]
)
def test_beyond_what_any_network_does_is_impossible(metric, value):
    assert "impossible" in checks.fault([Sample(metric, value)])
    assert checks.fault([Sample("sent_bytes", 1e16)]) is None


#: Inputs that coverage-guided fuzzing found (tests/fuzz), each with what it did before.
FOUND = {
    "iperf3 document": [
        b'{"start":{"version":"iperf 3.1"},"end":{"streams":[{"udp":{"sender":[]}},{}],"sum":{}}}'
    ],
    "flent": [b'{"metadata":{"SERIES_META":{"a":{"UNITS":{"b":1}}}},"x_values":[0,1],"results":{"a":[1,2]}}'],
    "iperf2": [b"time,srcaddress,srcport,dstaddr\n1,a,1,b,2,3,0.0,1.0,8,8\n"],
    "iperf3": [
        b"Connecting to host a, port 5201\nCPU Utilization: local/sender 1.5.2% (x), remote/receiver 2%\n",
        b"[  5]   0.00-1.00   sec  4.26 GBytes  " + b"9" * 300 + b" Gbits/sec\n",
        b"Accepted connection from a, port 52730\n"
        b"[  5]   0.00-1.00   sec  0.00 Bytes  0.00 bits/sec                  sender\n",
    ],
    "ping": [
        b"PING a (b) 56(84) bytes of data.\n"
        + b"9" * 400
        + b" packets transmitted, 1 received, 0% packet loss\n"
    ],
    "fping": [b"a : xmt/rcv/%loss = " + b"9" * 400 + b"/1/0%, min/avg/max = 1/1/1\n"],
    "nuttcp": [
        b"  1.0 MB /  " + b"9" * 30 + b" sec = 1.0 Mbps     0 retrans\n  1.0 MB /   0.25 sec = 1.0 Mbps\n",
        b"megabytes=1 real_seconds=1 rate_Mbps=1 rate_Mbps=5 tx_cpu=1 rx_cpu=1 retrans=0\n",
    ],
}


@pytest.mark.parametrize(("name", "raw"), [(name, raw) for name, raws in FOUND.items() for raw in raws])
def test_what_fuzzing_found_gives_no_value(name, raw):
    assert not values(read(name.split()[0], raw))


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (b"a = 12.5", "a = …"),
        (b"a = 12.", "a = …"),
        (b"max 1.1m", "max …"),
        (b"a = 12.5 ", "a = …"),
        (b"a = 12.5\n", "a = 12.5\n"),
        (b"[\n[SUM] a = 12.5", "[\n[SUM] a = …"),
        (b"[\r\n  {}, 12.5", "[\r\n  {}, 12.5"),
        (b"a = 12.5\r\n", "a = 12.5\r\n"),
        (b"12.5KB", "12.5KB"),
        (b"It failed.", "It failed."),
        (b'{"a": 1', '{"a": 1'),
        (b"", ""),
        (b"9" * 100_000, "…"),
    ],
)
def test_a_number_at_an_end_without_line_end_is_not_believed(raw, left):
    assert ends.trusted(raw).decode() == left
