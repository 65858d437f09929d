"""What makes two results two tests, and what is told where several fall into one cell."""

from __future__ import annotations

import json

import pytest

from cnilab.loading import load
from cnilab.loading.distinct import crowded, distinct

HERE = ("tcp_stream", "same_subnet", "pod_to_pod")


def test_a_condition_that_varies_is_part_of_the_name_and_one_that_is_told_nowhere_is_not():
    found = distinct(
        [HERE] * 3, ["a"] * 3, [{"streams": 1.0, "family": "ipv4"}, {"streams": 8.0, "family": "ipv4"}, {}]
    )
    assert found.tests == ["tcp_stream streams=1", "tcp_stream streams=8", "tcp_stream"]
    assert found.varying == {"streams": [1.0, 8.0]}


def test_what_one_result_does_not_tell_tells_no_other_apart():
    assert distinct([HERE] * 2, ["a", "b"], [{"message_bytes": 131072.0}, {}]).tests == ["tcp_stream"] * 2


def test_conditions_of_another_test_or_path_do_not_matter():
    there = ("tcp_stream", "same_subnet", "pod_to_service")
    found = distinct([HERE, there], ["a", "a"], [{"service": "no"}, {"service": "yes"}])
    assert found.tests == ["tcp_stream"] * 2


@pytest.mark.parametrize(("sizes", "n"), [((1448.0, 1398.0), 1), ((1448.0, 64.0), 2)])
def test_datagrams_as_long_as_the_path_allows_are_one_test(sizes, n):
    here = ("udp_stream", "same_subnet", "pod_to_pod")
    found = distinct([here] * 2, ["host", "vxlan"], [{"datagram_bytes": size} for size in sizes])
    assert len(set(found.tests)) == n


def test_modes_that_were_measured_differently_are_told():
    found = distinct([HERE] * 2, ["host", "vxlan"], [{"streams": 1.0}, {"streams": 8.0}])
    (remark,) = found.remarks()
    assert "streams=1 in host; streams=8 in vxlan" in remark
    same = distinct([HERE] * 4, ["host", "vxlan"] * 2, [{"streams": 1.0}] * 2 + [{"streams": 8.0}] * 2)
    assert same.remarks() == []


def test_what_falls_into_one_cell_is_told_with_its_files():
    cell = ("host", "same_subnet", "pod_to_pod", "tcp_stream", 1)
    other = (*cell[:-1], 2)
    assert crowded([cell, cell, other], ["a.txt", "b.txt", "c.txt"]) == [
        "one cell: 2 results of tcp_stream in block 1 of host: a.txt, b.txt"
    ]


def netperf(rate: float) -> str:
    return f"TCP STREAM TEST from 0.0.0.0 port 0 AF_INET to 10.0.0.1 port 0 AF_INET\nTHROUGHPUT={rate}\n"


def test_results_of_one_file_become_blocks_with_a_remark(tmp_path):
    (tmp_path / "host.txt").write_text("".join(map(netperf, (1.0, 2.0, 3.0))))
    loaded = load(tmp_path, pattern="{mode}.txt", progress=False)
    assert list(loaded.samples["block"]) == [0, 1, 2]
    (note,) = [n for n in loaded.notes if n["note"].startswith("results_as_blocks")]
    assert (note["path"].endswith("host.txt"), note["note"]) == (True, "results_as_blocks: 3 of tcp_stream")


def test_two_files_of_one_block_are_told(tmp_path):
    for name, rate in (("x", 1.0), ("y", 2.0)):
        (tmp_path / "host" / "1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "host" / "1" / f"{name}.txt").write_text(netperf(rate))
    loaded = load(tmp_path, pattern="{mode}/{block}/*", progress=False)
    (note,) = [n["note"] for n in loaded.notes if n["note"].startswith("one cell")]
    assert "2 results of tcp_stream in block 1 of host" in note
    assert "x.txt" in note
    assert "y.txt" in note


def test_the_tools_own_times_are_kept(tmp_path):
    start = {
        "version": "iperf 3.16",
        "timestamp": {"timesecs": 1795467299},
        "test_start": {"protocol": "TCP"},
    }
    rate = {"bits_per_second": 8e9, "bytes": 1e9, "seconds": 1}
    (tmp_path / "a.json").write_text(
        json.dumps({"start": start, "end": {"sum_sent": rate, "sum_received": rate}})
    )
    assert set(load(tmp_path, progress=False).samples["started_at"]) == {"2026-11-23T20:54:59Z"}


def test_an_empty_file_that_the_pattern_claims_is_a_failed_run_of_its_test(tmp_path):
    for mode, text in (("host", netperf(1.0)), ("vxlan", "")):
        (tmp_path / mode).mkdir()
        (tmp_path / mode / "tcp.txt").write_text(text)
        (tmp_path / mode / "tcp.err").write_text("")
    loaded = load(tmp_path, pattern="{mode}/tcp.*", progress=False)
    rows = loaded.samples.set_index("mode")
    assert (rows.loc["vxlan", "status"], rows.loc["vxlan", "reason"]) == ("failed", "empty file")
    assert set(rows["test"]) == {"tcp_stream"}
    assert len(rows) == 2


def test_many_files_are_told_in_five_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("cnilab.loading.summary.MANY", 10)
    for number in range(6):
        for mode in ("host", "vxlan"):
            (tmp_path / mode).mkdir(exist_ok=True)
            size = f"131072  16384  {64 * (number % 2 + 1)}    10.00    800.00"
            banner = "TCP STREAM TEST from 0.0.0.0 port 0 AF_INET to 10.0.0.1 port 0 AF_INET"
            units = "bytes  bytes   bytes    secs.    10^6bits/sec"
            (tmp_path / mode / f"{number}.txt").write_text(f"{banner}\n{units}\n\n{size}\n")
    (tmp_path / "host" / "6.txt").write_text("")
    (tmp_path / "notes.md").write_text("what was done")
    lines = repr(load(tmp_path, pattern="{mode}/{block}.txt", progress=False)).splitlines()
    assert len(lines) == 5
    assert lines[0] == "14 files: 12 read, 1 failed, 1 skipped"
    assert "modes: host, vxlan" in lines[1]
    assert lines[2].startswith("tests: tcp_stream message_bytes=128 (6), tcp_stream message_bytes=64 (6)")
    assert lines[3] == "conditions that vary: message_bytes 64, 128"
    assert "1 failed: empty file" in lines[4]


def test_an_asked_for_duration_does_not_stand_in_the_measured_ones_place(tmp_path):
    for asked in (10, 30):
        start = {"version": "iperf 3.16", "test_start": {"protocol": "TCP", "duration": asked}}
        rate = {"bits_per_second": 8e9, "bytes": 1e9 * (asked + 0.5), "seconds": asked + 0.5}
        text = json.dumps({"start": start, "end": {"sum_sent": rate, "sum_received": rate}})
        (tmp_path / f"{asked}.json").write_text(text)
    samples = load(tmp_path, progress=False).samples
    assert set(samples["duration_s"]) == {10.5, 30.5}
    assert set(samples["asked_duration_s"]) == {10.0, 30.0}
