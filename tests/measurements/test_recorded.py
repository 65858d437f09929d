"""Recorded output of the real programs, and a few files written by hand after a format's definition.

Names hold the program's version; ``_written`` stands for by hand. A new tool fails here until it has a
recording, and every recording fails until it has a line in ``EXPECTED``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cnilab import measurements
from cnilab.measurements import TOOLS, Call, Measurement, readers
from cnilab.runs.samples import STATS
from cnilab.units import unit_of

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
FILES = sorted(path for path in DATA.glob("*/*") if path.is_file())

#: File -> for each reading its test and one value that stands in the file, or the words of its failure.
EXPECTED = {
    "ab_2.3_error_refused.txt": [
        ("http_load", "apr_socket_recv: Connection refused (111)"),
    ],
    "ab_2.3_html.html": [
        ("http_load", "error_ratio", "value", 0.0),
    ],
    "ab_2.3_no_deviation.txt": [
        ("http_load", "error_ratio", "value", 0.0),
    ],
    "ab_2.3_percentiles.csv": [
        ("http_load", "latency_s", "min", 4.7e-05),
    ],
    "ab_2.3_report.txt": [
        ("http_load", "goodput_bps", "value", 74005544.96),
    ],
    "ab_2.3_times.tsv": [
        ("http_load", "every time is below what the tool can print"),
    ],
    "bombardier_1.2.6_error_refused.txt": [
        ("http_load", "dial tcp 127.0.0.1:1: connect: connection refused"),
    ],
    "bombardier_1.2.6_json.json": [
        ("http_load", "goodput_bps", "value", 57462538.0853),
    ],
    "bombardier_1.2.6_printed.txt": [
        ("http_load", "total_bps", "value", 141721.6),
    ],
    "cilium_perf_written.json": [
        ("tcp_rr", "transaction_rate_per_s", "value", 8123.5),
        ("tcp_stream", "goodput_bps", "value", 9412250000.0),
        ("tcp_stream", "goodput_bps", "value", 9400000000.0),
        ("tcp_crr host-to-pod", "connection_rate_per_s", "value", 900.0),
    ],
    "cilium_perf_written_tables.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 20000.5),
        ("tcp_crr", "connection_rate_per_s", "value", 900.0),
        ("tcp_stream", "goodput_bps", "value", 9000250000.0),
        ("udp_stream pod-to-host", "goodput_bps was printed as 0: nothing ran or nothing arrived"),
    ],
    "flent_2.2.0_written_summary.txt": [
        ("own/Ping (ms) ICMP", "rtt_s", "p99", 0.04),
        ("own/TCP download avg", "goodput_bps", "mean", 90500000.0),
        ("own/TCP upload::tcp_rtt", "rtt_s", "p99", 0.05),
        ("own/TCP upload", "series 'TCP upload' has no value"),
        ("own/Ping (ms) ICMP", "rtt_s", "p50", 0.02),
    ],
    "flent_written.flent.gz": [
        ("tcp_1up/TCP upload", "sent_bps", "mean", 930000000.0),
        ("tcp_1up/Ping (ms) ICMP", "rtt_s", "mean", 0.0004),
        ("tcp_1up/cpu_stats_node::cpu0", "cpu_core_ratio", "mean", 0.5),
        ("tcp_1up/odd", "series 'odd': unknown unit 'furlongs'; known: bits/s, Kbits/"),
    ],
    "fortio_1.63.9_error_refused.txt": [
        ("http_load", "Aborting because of error -1 for http://127.0.0.1:1/ (0 byte"),
    ],
    "fortio_1.63.9_http.json": [
        ("http_load", "request_rate_per_s", "value", 499.37418926),
    ],
    "fortio_1.63.9_tcp_printed.txt": [
        ("tcp_load", "error_ratio", "value", 0.0),
    ],
    "fping_5.1_columns.txt": [
        ("icmp_rr", "rtt_s", "mean", 6.82e-05),
        ("icmp_rr", "rtt_s", "mean", 2.86e-05),
    ],
    "fping_5.1_interim.txt": [
        ("icmp_rr", "total_packets", "value", 4.0),
    ],
    "fping_5.1_counts.txt": [
        ("icmp_rr", "rtt_s", "min", 2.8e-05),
        ("icmp_rr", "rtt_s", "min", 2.6e-05),
    ],
    "hey_0.1.4_error_refused.txt": [
        ("http_load", 'Get "http://127.0.0.1:15089/": dial tcp 127.0.0.1:15089: con'),
    ],
    "hey_0.1.4_every_answer_an_error.txt": [
        ("http_load", "error_ratio", "value", 1.0),
    ],
    "hey_0.1.4_requests.csv": [
        ("http_load", "request_rate_per_s", "value", 21505.3763441),
    ],
    "hey_0.1.4_summary.txt": [
        ("http_load", "request_rate_per_s", "value", 25130.0101),
    ],
    "iperf2_2.1.8_error_refused.txt": [
        ("tcp_stream", "tcp connect failed: Connection refused"),
    ],
    "iperf2_2.1.8_tcp.txt": [
        ("tcp_stream", "sent_bps", "value", 22800000000.0),
    ],
    "iperf2_2.1.8_tcp_csv_P2.csv": [
        ("tcp_stream", "sent_bps", "value", 37187064107.0),
    ],
    "iperf2_2.1.8_tcp_enhanced_P2.txt": [
        ("tcp_stream", "rtt_s", "value", 5.9e-05),
    ],
    "iperf2_2.1.8_udp.txt": [
        ("udp_stream", "goodput_bps", "value", 21000000.0),
    ],
    "iperf2_2.1.8_tcp_full_duplex.txt": [
        ("tcp_stream", "sent_bps", "value", 8650000000.0),
        ("tcp_stream", "goodput_bps", "value", 12300000000.0),
    ],
    "iperf2_2.1.8_tcp_reverse.txt": [
        ("tcp_stream", "goodput_bps", "value", 19400000000.0),
    ],
    "iperf2_2.1.8_server_full_duplex.txt": [
        ("tcp_stream", "goodput_bps", "value", 14700000000.0),
        ("tcp_stream", "sent_bps", "value", 9240000000.0),
    ],
    "iperf2_2.1.9_written_tcp_enhanced.csv": [
        ("tcp_stream", "sent_bps", "value", 41392537840.0),
    ],
    "iperf2_2.2.0_written_tcp_enhanced.csv": [
        ("tcp_stream", "retransmitted_segments", "value", 13.0),
    ],
    "iperf2_2.2.0_written_udp_server.csv": [
        ("udp_stream", "loss_ratio", "value", 0.02),
    ],
    "iperf2_2.2.0_written_unknown_counters.csv": [
        ("tcp_stream", "sent_bps", "value", 86754824.0),
    ],
    "iperf2_2.1.8_udp_csv.csv": [
        ("udp_stream", "sent_bps", "value", 20992741.0),
    ],
    "iperf2_2.1.8_udp_enhanced.txt": [
        ("udp_stream", "goodput_bps", "value", 21000000.0),
    ],
    "iperf2_2.1.8_udp_server.txt": [
        ("udp_stream", "goodput_bps", "value", 21000000.0),
    ],
    "iperf3_3.12_error_refused.json": [
        (None, "unable to connect to server: Connection refused"),
    ],
    "iperf3_3.12_error_refused.txt": [
        ("tcp_stream", "unable to connect to server: Connection refused"),
    ],
    "iperf3_3.12_server_two_tests.txt": [
        ("tcp_stream", "goodput_bps", "value", 19900000000.0),
        ("udp_stream", "goodput_bps", "value", 20200000.0),
    ],
    "iperf3_3.12_tcp_P2_omit1.json": [
        ("tcp_stream", "goodput_bps", "value", 23420104100.6),
    ],
    "iperf3_3.12_tcp_bidir.json": [
        ("tcp_stream", "goodput_bps", "value", 17167070857.2),
    ],
    "iperf3_3.12_tcp_reverse.json": [
        ("tcp_stream", "goodput_bps", "value", 18485764668.0),
    ],
    "iperf3_3.12_tcp_server_output.json": [
        ("tcp_stream", "goodput_bps", "value", 20060115784.4),
    ],
    "iperf3_3.12_tcp_stream.json": [
        ("tcp_stream", "goodput_bps", "value", 54307276099.4),
    ],
    "iperf3_3.12_tcp_text.txt": [
        ("tcp_stream", "goodput_bps", "value", 18300000000.0),
    ],
    "iperf3_3.12_tcp_text_server_output.txt": [
        ("tcp_stream", "goodput_bps", "value", 24200000000.0),
    ],
    "iperf3_3.12_tcp_text_verbose_P2.txt": [
        ("tcp_stream", "goodput_bps", "value", 23500000000.0),
    ],
    "iperf3_3.12_udp_bidir_text.txt": [
        ("udp_stream", "goodput_bps", "value", 20200000.0),
    ],
    "iperf3_3.12_udp_stream.json": [
        ("udp_stream", "goodput_bps", "value", 41033411565.2),
    ],
    "iperf3_3.12_udp_text.txt": [
        ("udp_stream", "goodput_bps", "value", 50100000.0),
    ],
    "k8s_netperf_written.csv": [
        ("tcp_stream_1024", "goodput_bps", "value", 870250000.0),
        ("tcp_rr_1024_x2", "transaction_rate_per_s", "value", 6200.5),
        ("tcp_crr_1024", "connection_rate_per_s", "value", 2200.0),
    ],
    "k8s_netperf_written_losses.csv": [
        ("udp_stream_1024", "loss_ratio", "value", 0.025),
        ("tcp_stream_1024_iperf3_layer3", "retransmitted_segments", "value", 31.0),
    ],
    "k8s_netperf_written_tables.txt": [
        ("tcp_stream_1024", "retransmitted_segments", "value", 0.0),
        ("tcp_stream_1024_uperf", "goodput_bps", "value", 8000000000.0),
        ("tcp_rr_1024_burst2", "rtt_s", "p99", 0.00015),
        ("tcp_crr_1024_x2", "connection_rate_per_s was printed as 0: nothing ran or nothi"),
    ],
    "knb_1.5.0_written_report.txt": [
        ("idle", "knb's idle run: no traffic was sent"),
        ("tcp_stream", "goodput_bps", "value", 7000000000.0),
        ("udp_stream", "goodput_bps", "value", 900000000.0),
        ("tcp_stream", "knb recorded no bandwidth: the test failed"),
    ],
    "vegeta_12.12.0_encode.csv": [
        ("http_load", "request_rate_per_s", "value", 49.290675452317124),
    ],
    "vegeta_12.12.0_error_refused.txt": [
        ("http_load", 'Get "http://127.0.0.1:1/": dial tcp 0.0.0.0:0->127.0.0.1:1: '),
    ],
    "vegeta_12.12.0_written_encode.jsonl": [
        ("http_load", "request_rate_per_s", "value", 2 / 1.002),
    ],
    "iperf3_3.19_written_stream_full_output.jsonl": [
        ("tcp_stream", "goodput_bps", "value", 54307276099.4436),
        (None, "the same test (by its cookie) stands before"),
    ],
    "iperf3_3.16_written_sctp.json": [
        ("sctp_stream", "goodput_bps", "value", 54307276099.4436),
    ],
    "k8s_netperf_written.json": [
        ("udp_stream_1024_iperf3", "goodput_bps", "value", 788900000.0),
        ("tcp_rr_64", "transaction_rate_per_s", "value", 9000.5),
    ],
    "knb_2024_written.results": [
        ("tcp_stream", "goodput_bps", "value", 9400000000.5),
        ("udp_stream", "goodput_bps", "value", 2045222000.25),
        ("tcp_stream_parallel", "knb recorded STM_BW=null: the test failed"),
        ("idle", "knb's idle run: no traffic was sent"),
    ],
    "knb_idle.log": [
        ("idle", "knb's idle run: no traffic was sent"),
    ],
    "netperf_2.7.0_error_refused.txt": [
        (None, "establish control: are you sure there is a netserver listeni"),
    ],
    "netperf_2.7.0_maerts_bare.txt": [
        ("stream", "goodput_bps", "value", 19414320000.0),
    ],
    "netperf_2.7.0_tcp_cc_classic.txt": [
        ("tcp_cc", "connection_rate_per_s", "value", 22760.96),
    ],
    "netperf_2.7.0_tcp_crr.txt": [
        ("tcp_crr", "connection_rate_per_s", "value", 17093.65),
    ],
    "netperf_2.7.0_tcp_crr_classic_histogram.txt": [
        ("tcp_crr", "connection_rate_per_s", "value", 32194.98),
    ],
    "netperf_2.7.0_tcp_rr.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 16840.969),
    ],
    "netperf_2.7.0_tcp_rr_classic.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 97294.0),
    ],
    "netperf_2.7.0_tcp_rr_columns.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 16989.3),
    ],
    "netperf_2.7.0_tcp_rr_csv.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 17195.97),
    ],
    "netperf_2.7.0_tcp_rr_interim.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 141564.16),
    ],
    "netperf_2.7.0_tcp_stream.txt": [
        ("tcp_stream", "goodput_bps", "value", 54339500000.0),
    ],
    "netperf_2.7.0_tcp_stream_all_keys.txt": [
        ("tcp_stream", "goodput_bps", "value", 25051120000.0),
    ],
    "netperf_2.7.0_tcp_stream_classic.txt": [
        ("tcp_stream", "goodput_bps", "value", 21768050000.0),
    ],
    "netperf_2.7.0_tcp_stream_classic_cpu.txt": [
        ("tcp_stream", "goodput_bps", "value", 16580910000.0),
    ],
    "netperf_2.7.0_tcp_stream_confidence.txt": [
        ("tcp_stream", "goodput_bps", "value", 23670550000.0),
    ],
    "netperf_2.7.0_udp_rr.txt": [
        ("udp_rr", "transaction_rate_per_s", "value", 18494.188),
    ],
    "netperf_2.7.0_udp_stream.txt": [
        ("udp_stream", "goodput_bps", "value", 6201800000.0),
    ],
    "netperf_2.7.0_udp_stream_classic.txt": [
        ("udp_stream", "goodput_bps", "value", 3021410000.0),
    ],
    "nuttcp_6.1.2_written_verbose.txt": [
        ("tcp_stream", "goodput_bps", "value", 942769400.0),
    ],
    "nuttcp_6.1.2_error_refused.txt": [
        (None, "nuttcp-t: v6.1.2: Error: connect: Connection refused"),
    ],
    "nuttcp_6.1.2_tcp.txt": [
        ("tcp_stream", "goodput_bps", "value", 15507559700.0),
    ],
    "nuttcp_6.1.2_tcp_fparse.txt": [
        ("tcp_stream", "goodput_bps", "value", 16780010700.0),
    ],
    "nuttcp_6.1.2_udp.txt": [
        ("udp_stream", "goodput_bps", "value", 100290500.0),
    ],
    "perf_tests_written.csv": [
        ("tcp_stream_mss96", "goodput_bps", "value", 22650000000.0),
        ("tcp_stream_mss160", "goodput_bps", "value", 24252000000.0),
        ("tcp_stream_mss96", "goodput_bps was printed as 0: nothing ran or nothing arrived"),
        ("tcp_stream_mss160", "goodput_bps", "value", 1860000000.0),
        ("netperf_tcp_stream", "goodput_bps", "value", 7763070000.0),
    ],
    "ping_iputils-20221126_icmp_rr.txt": [
        ("icmp_rr", "rtt_s", "min", 2.2e-05),
    ],
    "ping_iputils-20221126_lost.txt": [
        ("icmp_rr", "rtt_s", "min", 4e-05),
        ("icmp_rr", "no reply to any of 2 packets"),
    ],
    "qperf_0.4.11_tcp_rr.txt": [
        ("tcp_rr", "message_rate_per_s", "value", 308814.0),
    ],
    "qperf_0.4.11_tcp_stream.txt": [
        ("tcp_stream", "goodput_bps", "value", 15553003520.0),
    ],
    "qperf_0.4.11_udp_rr.txt": [
        ("udp_rr", "message_rate_per_s", "value", 374819.0),
    ],
    "qperf_0.4.11_udp_stream.txt": [
        ("udp_stream", "goodput_bps", "value", 32908247040.0),
    ],
    "sockperf_3.7_error_no_server.txt": [
        (None, "No messages were received from the server. Is the server dow"),
    ],
    "sockperf_3.7_tcp_rr.txt": [
        ("tcp_rr", "transaction_rate_per_s", "value", 22903.6363636),
    ],
    "sockperf_3.7_udp_rr.txt": [
        ("udp_rr", "transaction_rate_per_s", "value", 22735.4014599),
    ],
    "sockperf_3.7_udp_throughput.txt": [
        ("udp_stream", "message_rate_per_s", "value", 552457.0),
    ],
    "sockperf_3.7_udp_under_load.txt": [
        ("udp_under_load", "latency_s", "mean", 3.9491e-05),
    ],
    "vegeta_12.12.0_report.json": [
        ("http_load", "request_rate_per_s", "value", 200.916898935),
    ],
    "vegeta_12.12.0_report.txt": [
        ("http_load", "request_rate_per_s", "value", 200.84),
    ],
    "pacer_1_http_load.json": [
        ("http_load", "request_rate_per_s", "value", 180.0),
    ],
    "pacer_1_http_rate.json": [
        ("http_rate", "latency_s", "min", 0.02031616),
    ],
    "pacer_1_saturated.json": [
        ("http_rate", "latency_at_least_s", "min", 0.020774912),
    ],
    "wrk_4.1.0_error_refused.txt": [
        ("http_load", "unable to connect to 127.0.0.1:15089 Connection refused"),
    ],
    "wrk_2_written_uncorrected.txt": [
        ("http_load", "latency_s", "p99", 0.005),
    ],
    "wrk_4.1.0_http_load.txt": [
        ("http_load", "goodput_bps", "value", 31625052.16),
    ],
}


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_recorded_output(path):
    raw = path.read_bytes()
    found = TOOLS[path.parent.name].parse(raw)
    wanted = EXPECTED[path.name]
    assert len(found) == len(wanted)
    for reading, (test, *rest) in zip(found, wanted):
        if len(rest) == 1:
            assert reading.status in ("failed", "skipped")
            assert not reading.samples
            assert rest[0] in reading.reason
        else:
            metric, stat, value = rest
            values = {(s.metric, s.stat): s.value for s in reading.samples}
            assert reading.status == "ok", reading.reason
            assert values[metric, stat] == pytest.approx(value, rel=1e-9)
        assert reading.test == test


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_detected_by_content_alone(path):
    head = path.read_bytes()[:65536]
    assert [name for name, tool in readers().items() if tool.sniff(head)] == [path.parent.name]
    assert measurements.detect(head) == path.parent.name


@pytest.mark.parametrize("name", readers())
def test_every_tool_has_a_recording_and_keeps_the_contract(name):
    tool = TOOLS[name]
    assert name == tool.NAME
    assert (DATA / name).is_dir(), f"no recorded output in tests/data/tools/{name}"
    assert tool.__doc__
    if isinstance(tool, Measurement):
        for kind in tool.KINDS:
            assert list((DATA / name).glob(f"*_{kind}.*")), f"no recording of {name} {kind}"


def test_every_expectation_has_its_file():
    assert set(EXPECTED) == {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_samples_are_in_base_units_and_known_stats(path):
    for reading in TOOLS[path.parent.name].parse(path.read_bytes()):
        for sample in reading.samples:
            assert sample.stat in STATS
            plain = sample.metric.endswith(("_ratio", "_segments", "_packets", "_cpus"))
            assert plain or unit_of(sample.metric) != "1", sample.metric


def test_unknown_tool_names_the_known_ones():
    with pytest.raises(measurements.UnknownKey, match="iperf3"):
        measurements.get("iperf4")


@pytest.mark.parametrize("name", sorted(measurements.runnable().keys() & readers().keys()))
def test_argv_names_only_its_programs_and_the_address(name):
    tool = TOOLS[name]
    for kind in tool.KINDS:
        call = Call(kind, duration_s=1.2, client_cpu=0, server_cpu=1, congestion_control="cubic")
        client = tool.client_argv(call, "192.0.2.7")
        assert any("192.0.2.7" in str(word) for word in client)
        server = tool.server_argv(call, "192.0.2.7") if hasattr(tool, "server_argv") else []
        assert all(isinstance(word, str | Path) and word for word in [*client, *server])
        # parts of a second are rounded up, never down to nothing
        assert "0" not in [client[i + 1] for i, w in enumerate(client[:-1]) if w in ("-t", "-l", "-d")]


def test_iperf3_argv():
    pinned = {"client_cpu": 0, "server_cpu": 1}
    call = Call("tcp_stream", omit_s=0.5, streams=4, congestion_control="cubic", mss_bytes=1200, **pinned)
    argv = measurements.get("iperf3").client_argv(call, "192.0.2.7")
    assert " ".join(argv) == ("iperf3 -c 192.0.2.7 -p 5201 -J -t 1 -i 0.1 -O 1 -P 4 -C cubic -A 0,1 -M 1200")
    assert measurements.get("iperf3").client_argv(Call("tcp_stream", duration_s=10), "a")[-1] == "1"
    assert measurements.get("iperf3").server_argv(Call("tcp_stream", server_cpu=1), "a")[-2:] == ["-A", "1"]


def test_netperf_argv_fixes_the_data_port_and_names_the_test_last():
    argv = measurements.get("netperf").client_argv(Call("tcp_rr", client_cpu=0, server_cpu=1), "192.0.2.7")
    assert argv[:6] == ["netperf", "-H", "192.0.2.7", "-p", "12865", "-t"]
    assert argv[argv.index("--") + 1 :][:2] == ["-P", ",12866"]
    assert argv[-1].endswith("COMMAND_LINE")


def test_a_senders_counters_in_iperf2_csv_are_not_taken_for_loss_nor_minus_one_for_a_count():
    """Without a header the ninth to fourteenth column are a server's loss or a sender's counters."""
    for name, retransmitted in (
        ("iperf2_2.1.9_written_tcp_enhanced.csv", False),
        ("iperf2_2.2.0_written_unknown_counters.csv", False),
        ("iperf2_2.2.0_written_tcp_enhanced.csv", True),
    ):
        (reading,) = TOOLS["iperf2"].parse((DATA / "iperf2" / name).read_bytes())
        told = {s.metric for s in reading.samples}
        assert "goodput_bps" not in told
        assert "loss_ratio" not in told
        assert ("retransmitted_segments" in told) == retransmitted, name


def test_iperf3_documents_in_one_json_list_are_tests_of_their_own():
    raw = (DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes()
    other = raw.replace(b'"cookie":\t"', b'"cookie":\t"q')
    whole = b"[" + raw + b"," + other + b"," + raw + b"]"
    assert measurements.detect(whole) == "iperf3"
    assert [r.status for r in TOOLS["iperf3"].parse(whole)] == ["ok", "ok", "skipped"]


def test_nuttcp_verbose_both_ways_and_several():
    raw = (DATA / "nuttcp" / "nuttcp_6.1.2_written_verbose.txt").read_bytes()
    sender, receiver = raw.split(b"\n\n")
    for text, count in ((raw + raw, 2), (receiver + sender, 1), (sender, 1)):
        found = TOOLS["nuttcp"].parse(text)
        assert len(found) == count
        assert {s.value for s in found[0].samples if s.metric == "sent_bps"} == {944654900.0}
    assert found[0].notes == ("receiver_missing",)
