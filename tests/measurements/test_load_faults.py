"""Inputs that were once read wrongly, each of which stands for a kind; ``tests/data/load`` has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnilab import measurements

DATA = Path(__file__).resolve().parents[1] / "data" / "load"
GOODPUT = "goodput_bps"

#: File -> its reader, and for each reading the value of one metric or the words of its failure.
EXPECTED: dict[str, tuple[str, list[tuple[str, str, float] | str]]] = {
    "K03-two-pods-iperf3.txt": ("iperf3", [(GOODPUT, "value", 970e6), (GOODPUT, "value", 1940e6)]),
    "K03-two-pods-netperf.txt": ("netperf", [(GOODPUT, "value", 9000e6), (GOODPUT, "value", 4000e6)]),
    "K07-server-jsonstream-terminated.jsonl": ("iperf3", [(GOODPUT, "value", 1e9), (GOODPUT, "value", 2e9)]),
    "K08-good-then-hung-iperf3.txt": (
        "iperf3",
        [(GOODPUT, "value", 970e6), "connected and reported nothing"],
    ),
    "K11-bidir-cpu.json": ("iperf3", [("cpu_s_per_byte", "value", 5e-9)]),
    "K12-nbsp.txt": ("iperf3", [(GOODPUT, "value", 970e6)]),
    "K13-markdown-bold.txt": ("iperf3", [(GOODPUT, "value", 970e6)]),
    "K14-udp-datagram-too-large.txt": ("iperf3", [(GOODPUT, "value", 417e6)]),
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
