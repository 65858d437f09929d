"""flent's series whose unit stands at their runner, is another's, or stands nowhere."""

from __future__ import annotations

import json

import pytest
from invariants import read

from cnilab import loading, measurements


def document(results: dict[str, list], units: dict[str, str], **meta: object) -> bytes:
    series = {name: {"UNITS": unit} for name, unit in units.items()}
    metadata = {"NAME": "own", "LENGTH": 4, "FLENT_VERSION": "2.2.0", "SERIES_META": series} | meta
    return json.dumps(
        {"version": 4, "metadata": metadata, "x_values": [0, 1, 2], "results": results}
    ).encode()


def means(raw: bytes) -> dict[str, tuple[str, float]]:
    return {
        (reading.test or "").split("/", 1)[1]: (sample.metric, sample.value)
        for reading in read("flent", raw) or ()
        for sample in reading.samples
        if sample.stat == "mean"
    }


@pytest.mark.parametrize(
    ("series", "units", "metric", "value"),
    [
        ("TCP upload BE::tcp_rtt", {"TCP upload BE": "Mbits/s"}, "rtt_s", 0.02),
        ("TCP upload BE::tcp_cwnd", {"TCP upload BE": "Mbits/s"}, "congestion_window_segments", 20.0),
        ("TCP upload BE::tcp_delivery_rate", {"TCP upload BE": "Mbits/s"}, "delivery_rate_bps", 20e6),
        ("TCP upload::12::tcp_rtt_var", {}, "rtt_variation_s", 0.02),
        ("TCP upload::12", {"TCP upload": "Mbits/s"}, "sent_bps", 20e6),
        ("TCP upload fairness", {"TCP upload fairness": "Mbits/s"}, "fairness_ratio", 20.0),
        ("VoIP::delay", {"VoIP": "Kbps"}, "one_way_delay_s", 0.02),
        ("VoIP::bitrate", {"VoIP": "Kbps"}, "goodput_bps", 20e3),
        ("HTTP latency::3", {"HTTP latency": "ms"}, "latency_s", 0.02),
        ("cpu_stats_10.0.0.1::load", {"cpu_stats_10.0.0.1": "misc"}, "load_ratio", 20.0),
    ],
)
def test_the_part_of_a_series_decides_what_it_measures(series, units, metric, value):
    (found,) = means(document({series: [10, None, 30]}, {"other": "ms", **units})).values()
    assert found == (metric, pytest.approx(value))


@pytest.mark.parametrize(
    ("series", "units"),
    [
        ("wifi_stats_a::airtime_rx::b", {"wifi_stats_a::airtime_rx::b": "us"}),
        ("qdisc_stats_a::dropped", {"qdisc_stats_a": "misc"}),
        ("VoIP::loss", {"VoIP": "Kbps"}),
        ("TCP upload::tcp_lost", {"TCP upload": "Mbits/s"}),
    ],
)
def test_what_is_no_rate_and_no_time_is_left_out_and_said(series, units):
    raw = document({"Ping (ms) ICMP": [1, 2], series: [3, 4]}, {"Ping (ms) ICMP": "ms", **units})
    (ping,) = read("flent", raw)
    assert ping.notes == (f"series_left_out: 1 that are no rate and no time: {series}",)
    (alone,) = read("flent", document({series: [3, 4]}, units))
    assert alone.reason == "a flent file without a series of a rate or a time"


def test_netperf_wrapper_told_no_units_and_what_is_assumed_is_said():
    raw = document(
        {"Ping (ms) ICMP": [20], "TCP upload": [20], "odd": [1]}, {}, NETPERF_WRAPPER_VERSION="0.7"
    )
    ping, upload, odd = read("flent", raw)
    assert means(raw) == {"Ping (ms) ICMP": ("rtt_s", 0.02), "TCP upload": ("sent_bps", 20e6)}
    assert (ping.notes, upload.notes) == (("unit_assumed: ms",), ("unit_assumed: Mbits/s",))
    assert "unknown unit" in odd.reason


SUMMARY = """\
Started Flent 2.2.0 using Python 3.12.1.

Summary of own test run from 2031-04-05 06:07:08
  Title: 'a: b'

                              avg       median       99th %          # data pts
 Ping (ms) ICMP      :        20.00        19.00        40.00 ms              350
 TCP download avg    :        90.50          N/A          N/A Mbits/s         301
 TCP upload::tcp_rtt :        25.00        24.00        50.00                 300
 VoIP::loss          :         0.00         0.00         0.00 count           300
 TCP upload          : No data.

Summary of own test run from 2031-04-05 06:17:08

                     avg       median          # data pts
 Ping (ms) ICMP :        21.00        20.00 ms              350
"""


def test_the_printed_summary():
    ping, download, rtt, upload, second = read("flent", SUMMARY.encode())
    told = [{s.stat: (s.metric, s.value) for s in r.samples} for r in (ping, download, rtt, second)]
    assert told == [
        {"mean": ("rtt_s", 0.02), "p50": ("rtt_s", 0.019), "p99": ("rtt_s", 0.04)},
        {"mean": ("goodput_bps", 90.5e6)},
        {"mean": ("rtt_s", 0.025), "p50": ("rtt_s", 0.024), "p99": ("rtt_s", 0.05)},
        {"mean": ("rtt_s", 0.021), "p50": ("rtt_s", 0.02)},
    ]
    assert (ping.test, ping.tool_version) == ("own/Ping (ms) ICMP", "2.2.0")
    assert upload.reason == "series 'TCP upload' has no value"
    assert ping.notes == ("series_left_out: 1 that are no rate and no time",)


def test_a_table_without_its_title_is_a_summary_too():
    raw = SUMMARY.encode()[SUMMARY.index("                      ") :].split(b"Summary", 1)[0]
    assert measurements.detect(raw) == "flent"
    assert read("flent", raw)[0].test == "flent/Ping (ms) ICMP"


def test_a_summary_beside_its_data_file_is_not_counted_again(tmp_path):
    (tmp_path / "own.flent").write_bytes(document({"Ping (ms) ICMP": [20]}, {"Ping (ms) ICMP": "ms"}))
    (tmp_path / "log.txt").write_text(SUMMARY)
    files = loading.load(tmp_path, progress=False).files.set_index("path")["reason"]
    assert files[f"{tmp_path}/log.txt"] == "flent's summary of the data files beside it"
