"""The peers' tables as they print them: k8s-netperf, cilium connectivity perf, kubernetes/perf-tests."""

from __future__ import annotations

import json

import pytest
from invariants import read

from cnilab import measurements

COLUMNS = "| DRIVER  |  SCENARIO  | PARALLELISM | HOST NETWORK | SERVICE | MESSAGE SIZE | BURST | SAME NODE | DURATION | SAMPLES |"
NETPERF = f"""\
INFO[2031-04-05 06:07:08] reading own.yml
+-------------------+
|    RESULT TYPE    {COLUMNS}      AVG VALUE      |   95% CONFIDENCE INTERVAL    |
+-------------------+
| 📊 Stream Results | netperf | TCP_STREAM | 1 | true  | false | 1024 | 0 | false | 10 | 3 | 9000.500000 (Mb/s) | 8000.0-9900.0 (Mb/s) |
| 📊 Stream Results | uperf   | TCP_STREAM | 1 | true  | false | 1024 | 0 | false | 10 | 3 | 8000.000000 (Mb/s) | 0.0-0.0 (Mb/s) |
| 📊 Rr Results     | netperf | TCP_RR     | 1 | false | false | 1024 | 2 | true  | 10 | 3 | 20000.000000 (OP/s) | 1.0-2.0 (OP/s) |
| 📊 Rr Results     | netperf | TCP_CRR    | 2 | false | true  | 1024 | 0 | true  | 10 | 3 | 0.000000 (OP/s) | 0.0-0.0 (OP/s) |
|      RESULT TYPE      {COLUMNS}   99%TILE VALUE   |
| 📊 Rr Latency Results | netperf | TCP_RR     | 1 | false | false | 1024 | 2 | true  | 10 | 3 | 150.000000 (usec) |
|        TYPE         {COLUMNS} AVG VALUE |
| TCP Retransmissions | netperf | TCP_STREAM | 1 | true  | false | 1024 | 0 | false | 10 | 3 | 0.000000 |
| TCP Retransmissions | uperf   | TCP_STREAM | 1 | true  | false | 1024 | 0 | false | 10 | 3 | 0.000000 |
"""
CILIUM = """\
🔥 Network Performance Test Summary [own]:
--------------------------------
📋 Scenario     | Node       | Test     | Duration | Min  | Mean    | Max   | P50  | P90  | P99  | Transaction rate OP/s
--------------------------------
📋 pod-to-pod   | same-node  | TCP_RR   | 10s      | 20µs | 42.5µs  | 1.5ms | 40µs | 50µs | 70µs | 20000.50
📋 host-to-host | other-node | TCP_CRR  | 10s      | 20µs | 42.5µs  | 1.5ms | 40µs | 50µs | 70µs | 900.00
--------------------------------
📋 Scenario     | Node       | Test       | Duration | Throughput Mb/s
--------------------------------
📋 pod-to-pod   | other-node | TCP_STREAM | 10s      | 9000.25
📋 pod-to-host  | other-node | UDP_STREAM | 10s      | 0.00
"""
PERF_TESTS = """\
MSS                                 , Maximum, 96, 160, 224, 288,
1 iperf TCP. Same VM using Pod IP   ,900.000000,700,,900,800,
2 iperf TCP. Remote VM using Pod IP ,650.000000,600,650,
"""


def told(found) -> list[tuple]:
    return [(r.test, r.labels, {(s.metric, s.stat): s.value for s in r.samples} or r.reason) for r in found]


def test_the_tables_of_k8s_netperf_make_one_reading_of_a_scenario():
    assert measurements.detect(NETPERF.encode()) == "k8s_netperf"
    host = {"path": "host_to_host", "placement": "same_subnet"}
    rate, p99 = ("transaction_rate_per_s", "value"), ("rtt_s", "p99")
    stream, uperf, rr, crr = told(read("k8s_netperf", NETPERF.encode()))
    assert stream == (
        "tcp_stream_1024",
        host,
        {("goodput_bps", "value"): 9000.5e6, ("retransmitted_segments", "value"): 0.0},
    )
    # uperf counts no retransmission, so its 0 is none
    assert uperf == ("tcp_stream_1024_uperf", host, {("goodput_bps", "value"): 8e9})
    assert rr[0] == "tcp_rr_1024_burst2"
    assert rr[2] == {rate: 20000.0, p99: pytest.approx(150e-6)}
    assert crr[:2] == ("tcp_crr_1024_x2", {"path": "pod_to_service", "placement": "same_node"})
    assert "printed as 0" in crr[2]


def test_the_json_of_k8s_netperf_is_found_below_its_log():
    row = {"profile": "UDP_STREAM", "messageSize": 64, "driver": "uperf", "udpLossPercent": 0, "virt": True}
    row |= {"throughput": 5.5, "tputMetric": "Mb/s", "ltcyMetric": "usec", "local": True}
    raw = b"INFO[2031-04-05 06:07:08] reading [own.yml]\n" + json.dumps([row], indent=2).encode() + b"\n"
    assert measurements.detect(raw) == "k8s_netperf"
    ((test, _, values),) = told(read("k8s_netperf", raw))
    assert (test, values) == ("udp_stream_64_uperf_virt", {("goodput_bps", "value"): 5.5e6})


def test_the_tables_of_cilium():
    assert measurements.detect(CILIUM.encode()) == "cilium_perf"
    rr, crr, stream, udp = told(read("cilium_perf", CILIUM.encode()))
    assert rr[:2] == ("tcp_rr", {"path": "pod_to_pod", "placement": "same_node"})
    assert rr[2]["rtt_s", "mean"] == pytest.approx(42.5e-6)
    assert rr[2]["rtt_s", "max"] == pytest.approx(1.5e-3)
    assert rr[2]["transaction_rate_per_s", "value"] == 20000.5
    assert crr[2]["connection_rate_per_s", "value"] == 900.0
    assert ("latency_s", "p99") in crr[2]
    assert stream[2] == {("goodput_bps", "value"): 9000.25e6}
    assert (udp[0], "printed as 0" in udp[2]) == ("udp_stream pod-to-host", True)


CILIUM_BEFORE_2023 = """\
🔥 Performance Test Summary
--------------------------------------------------------------------
📋 Scenario                      | Test        | Num Samples | Duration | Avg value
--------------------------------------------------------------------
📋 perf-client-other-node-6b-xz  | TCP_RR      | 3           | 2s       | 7000.50 (OP/s)
📋 perf-client-56cf-hgq8x        | TCP_CRR     | 3           | 2s       | 800.25 (OP/s)
📋 perf-host-net-client-5d-k2    | TCP_STREAM  | 3           | 2s       | 9000.25 (Mb/s)
📋 perf-client-56cf-hgq8x        | UDP_STREAM  | 3           | 2s       | none
"""


def test_the_tables_of_cilium_before_2023_have_one_average():
    assert measurements.detect(CILIUM_BEFORE_2023.encode()) == "cilium_perf"
    rr, crr, stream, udp = told(read("cilium_perf", CILIUM_BEFORE_2023.encode()))
    rate = ("transaction_rate_per_s", "value")
    assert rr == ("tcp_rr", {"path": "pod_to_pod", "placement": "same_subnet"}, {rate: 7000.5})
    assert crr[2] == {("connection_rate_per_s", "value"): 800.25}
    assert stream[1] == {"path": "host_to_host", "placement": "same_node"}
    assert stream[2] == {("goodput_bps", "value"): 9000.25e6}
    assert udp[2] == "unreadable Avg value 'none'"


@pytest.mark.parametrize("frame", ["", "│ "])
def test_an_empty_cell_moves_no_other_value_to_another_size(frame):
    raw = "".join(f"{frame}{line}   {frame}\n" for line in PERF_TESTS.splitlines()).encode()
    assert measurements.detect(raw) == "perf_tests"
    values = {(r.test, r.labels["placement"]): r.samples for r in read("perf_tests", raw)}
    same, remote = "same_node", "same_subnet"
    assert {key: samples[0].value for key, samples in values.items() if samples} == {
        ("tcp_stream_mss96", same): 7e8,
        ("tcp_stream_mss224", same): 9e8,
        ("tcp_stream_mss288", same): 8e8,
        ("tcp_stream_mss96", remote): 6e8,
        ("tcp_stream_mss160", remote): 6.5e8,
    }
    assert not values["tcp_stream_mss160", same]


def test_clusterloader2s_lists_are_not_ciliums():
    item = {"data": {"Perc99": 5}, "unit": "ms", "labels": {"Metric": "pod_startup"}}
    raw = json.dumps({"version": "v1", "dataItems": [item]}).encode()
    assert measurements.detect(raw) is None
    assert read("cilium_perf", raw) is None


def test_a_value_above_its_rows_own_maximum_is_refused():
    rows = (
        "MSS                    , Maximum, 96, 160,\n1 iperf TCP. Same VM using Pod IP ,100.000000,90,200,\n"
    )
    (reading,) = read("perf_tests", rows.encode())
    assert reading.status == "failed"
    assert "above the row's own maximum" in reading.reason
