"""Inputs that were once read wrongly, each of which stands for a kind; ``tests/data/load`` has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnilab import loading, measurements
from cnilab.cli import app

DATA = Path(__file__).resolve().parents[1] / "data" / "load"
GOODPUT = "goodput_bps"

#: File -> its reader, and for each reading the value of one metric or the words of its failure.
EXPECTED: dict[str, tuple[str, list[tuple[str, str, float] | str]]] = {
    "K03-two-pods-iperf3.txt": ("iperf3", [(GOODPUT, "value", 970e6), (GOODPUT, "value", 1940e6)]),
    "K03-two-pods-netperf.txt": ("netperf", [(GOODPUT, "value", 9000e6), (GOODPUT, "value", 4000e6)]),
    "K04-iperf2-sum-half-of-streams.csv": ("iperf2", [("sent_bps", "value", 400e6)]),
    "K06-k8snetperf-host-service.txt": (
        "k8s_netperf",
        [("transaction_rate_per_s", "value", 2000.0), ("transaction_rate_per_s", "value", 3000.0)],
    ),
    "K07-server-jsonstream-terminated.jsonl": ("iperf3", [(GOODPUT, "value", 1e9), (GOODPUT, "value", 2e9)]),
    "K08-good-then-hung-iperf3.txt": (
        "iperf3",
        [(GOODPUT, "value", 970e6), "connected and reported nothing"],
    ),
    "K09-cilium-cut-row.txt": ("cilium_perf", [(GOODPUT, "value", 9000e6), "cut short"]),
    "K11-bidir-cpu.json": ("iperf3", [("cpu_s_per_byte", "value", 5e-9)]),
    "K12-nbsp.txt": ("iperf3", [(GOODPUT, "value", 970e6)]),
    "K13-markdown-bold.txt": ("iperf3", [(GOODPUT, "value", 970e6)]),
    "K14-udp-datagram-too-large.txt": ("iperf3", [(GOODPUT, "value", 417e6)]),
    "K15-netperf-rr-v2.txt": ("netperf", [("rtt_s", "mean", 50e-6)]),
    "K16-json-in-string.json": ("iperf3", [(GOODPUT, "value", 17408540000.0)]),
    "K18-grep-H.txt": ("iperf3", [(GOODPUT, "value", 970e6), (GOODPUT, "value", 1940e6)]),
    "K19-netperf-lines-in-json.json": ("netperf", [(GOODPUT, "value", 1e9)]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_input_says_what_a_human_reads_off_it(name):
    raw = (DATA / name).read_bytes()
    tool, expected = EXPECTED[name]
    assert (measurements.detect(raw) or measurements.detect_within(raw)) == tool
    readings = [r for r in measurements.read(tool, raw) if r.status != "skipped"]
    assert len(readings) == len(expected)
    for reading, wanted in zip(readings, expected):
        if isinstance(wanted, str):
            assert reading.status == "failed"
            assert wanted in reading.reason
        else:
            found = {(s.metric, s.stat): s.value for s in reading.samples}
            assert found[wanted[:2]] == pytest.approx(wanted[2])


def test_a_datagram_of_megabytes_has_neither_a_packet_rate_nor_a_loss():
    (reading,) = measurements.read("iperf3", (DATA / "K14-udp-datagram-too-large.txt").read_bytes())
    assert not {"packet_rate_per_s", "loss_ratio", "lost_packets"} & {s.metric for s in reading.samples}
    assert "datagrams_impossible" in reading.notes


def test_a_sum_that_is_half_of_its_streams_is_told():
    (reading,) = measurements.read("iperf2", (DATA / "K04-iperf2-sum-half-of-streams.csv").read_bytes())
    assert "rate_and_bytes_disagree" in reading.notes
    assert reading.conditions["streams"] == 2


def test_a_rate_that_a_unit_hid_stands_in_netperfs_second_table():
    raw = (DATA / "K15-netperf-rr-v2.txt").read_text()
    (reading,) = measurements.read(
        "netperf",
        raw.replace("Elapsed  Trans.", "Elapsed  Tput")
        .replace("secs.    per sec", "secs.    10^6bits/s")
        .encode(),
    )
    found = {(s.metric, s.stat): s.value for s in reading.samples}
    assert found["transaction_rate_per_s", "value"] == 20000
    assert found["rtt_s", "mean"] == pytest.approx(50e-6)


def compared(folder: str, pattern: str) -> dict[str, dict]:
    done = CliRunner().invoke(
        app, ["compare", str(DATA / folder), "--pattern", pattern, "--baseline", "host", "--json"]
    )
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    return {row["test"]: row for row in rows if row["metric"] == GOODPUT}


def test_a_single_stream_and_parallel_ones_are_two_tests():
    rows = compared("K01-parallel", "{mode}/{block}/*")
    assert {test: round(row["ratio"], 3) for test, row in rows.items()} == {
        "tcp_stream streams=1": 0.668,
        "tcp_stream streams=2": 1.0,
    }
    assert {row["n_used"] for row in rows.values()} == {8}


def test_sizes_of_a_message_are_tests_and_no_blocks():
    rows = compared("K02-sizes", "{mode}.*")
    assert len(rows) == 7
    assert {row["n_used"] for row in rows.values()} == {1}
    assert {row["verdict"] for row in rows.values()} == {"insufficient_n"}


def test_through_a_service_and_without_it_are_two_tests():
    loaded = loading.load(DATA / "K06-k8snetperf-host-service.txt", progress=False)
    found = loaded.samples[["test", "path", "service", "block", "value"]].to_dict(orient="records")
    assert [(row["service"], row["value"], row["block"]) for row in found] == [
        ("yes", 2000.0, 0),
        ("no", 3000.0, 0),
    ]
    assert {row["path"] for row in found} == {"host_to_host"}
    assert len({row["test"] for row in found}) == 2
