"""Every file of the shared corpus of real outputs against what a human reads off it.

The corpus is not part of the repository: its files have licences of their own. It is looked for in
``CNILAB_CORPUS`` and beside the repository, and without it these tests are skipped.
"""

from __future__ import annotations

import csv
import math
import os
import re
from pathlib import Path

import pytest

from cnilab import measurements
from cnilab.errors import ParseError
from cnilab.loading import load
from cnilab.measurements.base import Reading

CORPUS = Path(
    os.environ.get("CNILAB_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus"
).resolve()


def rows() -> list[dict]:
    index = CORPUS / "INDEX.tsv"
    if not index.exists():
        return []
    with index.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


ROWS = rows()

#: What describes a test and is no measurement; the samples table has no column for it.
NOT_MEASURED = re.compile(
    r"^(?:num_streams|n_streams|sender_tcp_congestion|congestion|units|UNITS|THROUGHPUT_UNITS|header|json_loads_keeps"
    r"|upstream_\w+|cwnd|CONFIDENCE_ITERATION|sum_line|hist_total|kernel|mtu|knb_version|n_members|p75_s|p80_s|p95_s"
    r"|flent_file_version|total_length_s|RT_LATENCY|actual_duration_raw|failed|failed_length|status_\d+|n_errors"
    r"|req2xx|hdr_mean_ms|row1_conf_low|count|ret_codes|status_codes|tcp_send_msgs|sent_datagrams"
    r"|confidence_met|stream_bits_per_second|n_x_values|first_latency_us|messages_received|transfer_bytes~"
    r"|end\.sum#\d\.sender|n_events)$"
)  # fmt: skip

MILLI, MICRO, NANO, PERCENT = 1e-3, 1e-6, 1e-9, 1e-2
#: Expected key -> (metric, stat, factor to the base unit). Several metrics: any of them may say it.
SCALARS: dict[str, tuple[str, str, float]] = {
    "transactions_per_second": ("transaction_rate_per_s|connection_rate_per_s", "value", 1),
    "cpu_local_pct|local_cpu_pct": ("cpu_client_machine_ratio", "value", PERCENT),
    "cpu_remote_pct": ("cpu_server_machine_ratio", "value", PERCENT),
    "sdem_local_us_per_tran": ("cpu_client_transaction_s", "value", MICRO),
    "MEAN_LATENCY|mean_latency_us": ("rtt_s|latency_s", "mean", MICRO),
    "MIN_LATENCY|min_latency_us|min_us": ("rtt_s|latency_s", "min", MICRO),
    "MAX_LATENCY|max_latency_us|max_us": ("rtt_s|latency_s", "max", MICRO),
    "P50_LATENCY": ("rtt_s", "p50", MICRO),
    "P90_LATENCY": ("rtt_s", "p90", MICRO),
    "P99_LATENCY|result0_p99_us": ("rtt_s", "p99", MICRO),
    "STDDEV_LATENCY": ("rtt_s", "stddev", MICRO),
    "latency_avg_us|latency_mean_us": ("latency_s", "mean", MICRO),
    "latency_avg_ms": ("latency_s|one_way_delay_s", "mean", MILLI),
    "mean_ms": ("latency_s", "mean", MILLI),
    "mean_ns": ("latency_s", "mean", NANO),
    "p50_ns": ("latency_s", "p50", NANO),
    "p99_ns": ("latency_s", "p99", NANO),
    "max_ns": ("latency_s", "max", NANO),
    "average_s|avg_s": ("latency_s", "mean", 1),
    "p50_s": ("latency_s", "p50", 1),
    "p90_s": ("latency_s", "p90", 1),
    "p99_s": ("latency_s", "p99", 1),
    "p99.9_s": ("latency_s", "p999", 1),
    "latency_stdev_ms": ("latency_s", "stddev", MILLI),
    "latency_max_ms": ("latency_s", "max", MILLI),
    "p0_ms": ("latency_s", "min", MILLI),
    "p50_ms": ("latency_s", "p50", MILLI),
    "p99_ms": ("latency_s", "p99", MILLI),
    "p50_us": ("latency_s", "p50", MICRO),
    "p99_us": ("latency_s", "p99", MICRO),
    "p99_9_us": ("latency_s", "p999", MICRO),
    "row4_p99_us": ("latency_s", "p99", MICRO),
    "requests_per_second|actual_qps|rps_mean|throughput": ("request_rate_per_s", "value", 1),
    "rate": ("offered_rate_per_s", "value", 1),
    "messages_per_second": ("message_rate_per_s", "value", 1),
    "msg_rate_per_s": ("message_rate_per_s", "value", 1),
    "bandwidth_MBps": ("sent_bps", "value", 8 * 2**20),
    "dropped": ("lost_packets", "value", 1),
    "retransmits|retries|tx_retransmits|DTS_RTS": ("retransmitted_segments", "value", 1),
    "rx_retransmits": ("reverse_retransmitted_segments", "value", 1),
    "jitter_ms|server_jitter_ms|tx_jitter_ms": ("jitter_rfc1889_s", "value", MILLI),
    "rx_jitter_ms": ("reverse_jitter_rfc1889_s", "value", MILLI),
    "lost_packets|lost_messages|lost_packets_sum": ("lost_packets", "value", 1),
    "packets|messages_ok|packets_sum": ("total_packets", "value", 1),
    "rtt_us": ("rtt_s", "value", MICRO),
    "cpu_host_total": ("cpu_client_ratio", "value", PERCENT),
    "cpu_remote_total": ("cpu_server_ratio", "value", PERCENT),
    "throughput_KBytes_per_s": ("goodput_bps", "value", 8 * 2**10),
    "throughput_MBytes_per_s": ("goodput_bps", "value", 8 * 2**20),
    "throughput_10^6bits/s": ("goodput_bps", "value", 1e6),
    "sum_received_bits_per_second|received_bits_per_second": ("goodput_bps", "value", 1),
    "tx_received_bits_per_second": ("goodput_bps", "value", 1),
    "tcp_bw_bits_per_second|udp_recv_bits_per_second": ("goodput_bps", "value", 1),
    "bits_per_second_receive|bits_per_second_send": ("goodput_bps", "value", 1),
    "rx_received_bits_per_second": ("reverse_goodput_bps", "value", 1),
    "sum_sent_bits_per_second|sent_bits_per_second|tx_sent_bits_per_second": ("sent_bps", "value", 1),
    "client_bits_per_second|sum_client_bits_per_second|tx_bits_per_second": ("sent_bps", "value", 1),
    "rx_sent_bits_per_second": ("reverse_sent_bps", "value", 1),
    "rx_bits_per_second": ("goodput_bps", "value", 1),
    "bits_per_second|sum_bits_per_second": ("goodput_bps|sent_bps", "value", 1),
    "DTM_BW|DTS_BW|DUS_BW": ("goodput_bps", "value", 1),
    "DUS_LOST": ("loss_ratio", "value", PERCENT),
    "row1_throughput_Mbps": ("goodput_bps", "value", 1e6),
    "row4_OPs": ("connection_rate_per_s", "value", 1),
    "idle_bw_mbit": ("", "", 0),
    "tcp_lat_us|udp_lat_us": ("latency_s", "mean", MICRO),
}  # fmt: skip
BY_KEY = {key: rule for keys, rule in SCALARS.items() for key in keys.split("|")}


def readings_of(path: Path) -> list[Reading]:
    """What cnilab says of a file that is no archive."""
    raw = path.read_bytes()
    name = measurements.detect(raw[:65536])
    assert raw == b"" or name in (path.parent.name.replace("-", "_"), None), f"taken for {name}"
    try:
        return measurements.get(path.parent.name.replace("-", "_")).parse(raw)
    except ParseError as problem:
        return [Reading(status="failed", reason=problem.what)]


def close(found: float, wanted: float, rel: float = 1e-5) -> bool:
    return math.isclose(found, wanted, rel_tol=rel, abs_tol=1e-15)


class Check:
    """Answers whether the readings of one file say ``key=value``."""

    def __init__(self, readings: list[Reading]) -> None:
        self.readings = readings
        self.samples = [s for r in readings for s in r.samples]

    def values(self, metrics: str, stat: str) -> list[float]:
        return [s.value for s in self.samples if s.metric in metrics.split("|") and s.stat == stat]

    def says(self, metrics: str, stat: str, wanted: float, rel: float = 1e-5) -> bool:
        return any(close(v, wanted, rel) for v in self.values(metrics, stat))

    def failed_with(self, words: str) -> bool:
        return any(r.status == "failed" and words in (r.reason or "") for r in self.readings)

    def __call__(self, key: str, value: str) -> bool:
        if NOT_MEASURED.match(key):
            return True
        if found := re.match(r"doc(\d+)\.(.*)$", key):
            return Check([self.readings[int(found[1])]])(found[2], value)
        if value == "None":
            return self.readings[0].status == "ok" if key == "error" else not self.values("latency_s", "mean")
        if key == "error":
            return self.failed_with(value)
        if (key, value) in (("result", "none"), ("end", "{}")):
            return not self.samples
        if value in ("absent", "null"):
            return self._absent(key)
        if key in ("n_results", "n_documents"):
            ok = [r for r in self.readings if r.samples or r.status == "failed"]
            return int(value) == (len(ok) if any(r.samples for r in ok) else 0)
        if key.startswith("mean[") or key.startswith("none["):
            return self._flent(key, value)
        handler = getattr(self, "_" + re.sub(r"\W", "_", key), None)
        if handler:
            return handler(value)
        if key.startswith("end."):
            return self._end(key[4:], value)
        if found := re.match(r"result(\d+)$", key):
            return self._result(int(found[1]), value)
        if key.endswith("lost_percent"):
            prefix = "reverse_" if key.startswith("rx") else ""
            return self.says(f"{prefix}loss_ratio", "value", float(value) / 100, rel=0.05)
        return self._scalar(key, value)

    def _server_bits_per_second(self, value: str) -> bool:
        return self.says("goodput_bps", "value", math.fsum(float(v) for v in value.split(",")))

    def _scalar(self, key: str, value: str) -> bool:
        metrics, stat, factor = BY_KEY[key]
        if self.failed_with("printed as 0"):
            return True  # the rule: a test whose receiver printed zero has failed, whatever its sender says
        return all(self.says(metrics, stat, float(v) * factor) for v in value.split(","))

    def _absent(self, key: str) -> bool:
        metric = {
            "retransmits": "retransmitted_segments",
            "sender_line": "sent_bps",
            "STS_BW": "goodput_bps",
        }.get(key)
        if key == "summary":
            return all(r.status == "failed" and "truncated" in r.notes for r in self.readings)
        if key == "STS_BW":
            return self.failed_with("STS_BW=null")
        return metric is not None and not self.values(metric, "value")

    def _end(self, key: str, value: str) -> bool:
        where, _, field = key.rpartition(".")
        prefix = "reverse_" if where.endswith("_bidir_reverse") or where == "sum#2" else ""
        side = "goodput_bps" if "received" in where else "sent_bps"
        number = float(value)
        if not self.samples or (
            where == "sum_received" and number == 0 and not self.values("goodput_bps", "value")
        ):
            return number == 0
        if field == "bits_per_second":
            return self.says(prefix + side, "value", number)
        if field == "bytes" or field == "seconds":
            return self._bytes_or_seconds(where, field, prefix + side, number)
        if where == "sum_sent" and field in ("jitter_ms", "lost_packets", "lost_percent"):
            return number == 0  # a sender knows of no loss
        if where == "sum" and field == "packets" and self.values("total_packets", "value"):
            return self.says(prefix + "total_packets", "value", number, rel=1e-3)
        metric, factor = {
            "retransmits": ("retransmitted_segments", 1.0),
            "jitter_ms": ("jitter_rfc1889_s", MILLI),
            "lost_packets": ("lost_packets", 1.0),
            "packets": ("total_packets", 1.0),
            "lost_percent": ("loss_ratio", PERCENT),
        }[field]
        rel = 1e-3 if where == "sum_sent" else 1e-5
        return self.says(prefix + metric, "value", number * factor, rel)

    def _bytes_or_seconds(self, where: str, field: str, metric: str, number: float) -> bool:
        """Bytes are rate times time; the table keeps the rate and the receiver's time."""
        duration = self.readings[0].duration_s
        if duration is None:
            return False
        if field == "seconds":
            return close(duration, number, 0.3 if duration < 1e-3 else 0.03)
        rates = self.values(metric, "value")
        return any(close(rate * duration / 8, number, 0.5 if duration < 1e-3 else 0.03) for rate in rates)

    def _flent(self, key: str, value: str) -> bool:
        series = key[5:-1]
        reading = next(r for r in self.readings if r.test and r.test.endswith("/" + series))
        if key.startswith("none["):
            return True
        scale = 1e6 if reading.samples[0].metric.endswith("_bps") else MILLI
        scale = 1.0 if reading.samples[0].metric.endswith("_ratio") else scale
        return any(s.stat == "mean" and close(s.value, float(value) * scale, 1e-4) for s in reading.samples)

    def _result(self, index: int, value: str) -> bool:
        amount, unit = value.split()
        factor = {"Trans/s": 1.0, "10^6bits/s": 1e6}[unit]
        return any(close(s.value, float(amount) * factor) for s in self.readings[index].samples)

    def _protocol(self, value: str) -> bool:
        return all((r.test or "").startswith(value.lower()) for r in self.readings)

    def _reverse(self, value: str) -> bool:
        return ("reverse" in self.readings[0].notes) == (value == "1")

    def _n_intervals(self, value: str) -> bool:
        reading = self.readings[0]
        series = {i.metric for i in reading.intervals} or {""}
        counts = [[i.omitted for i in reading.intervals if i.metric == m] for m in series]
        # The index counts omitted intervals in JSON and leaves them out in text.
        return any(int(value) in (len(c), len(c) - sum(c)) for c in counts)

    def _n_omitted_intervals(self, value: str) -> bool:
        return sum(i.omitted for i in self.readings[0].intervals) == int(value)

    def _interval_sum_bps(self, value: str) -> bool:
        return any(close(i.value, float(value)) for i in self.readings[0].intervals)

    def _interval_bits_per_second(self, value: str) -> bool:
        return [i.value for i in self.readings[0].intervals] == [float(v) for v in value.split(",")]

    def _interval1_bits_per_second(self, value: str) -> bool:
        return close(self.readings[0].intervals[0].value, float(value))

    def _interval4_sum_bits_per_second(self, value: str) -> bool:
        return close(self.readings[0].intervals[3].value, float(value))

    def _interval1_retransmits(self, value: str) -> bool:
        return True  # the series keeps rates only

    def _bytes(self, value: str) -> bool:
        return self._bytes_or_seconds("", "bytes", "sent_bps", float(value))

    def _elapsed_s(self, value: str) -> bool:
        return close(self.readings[0].duration_s or 0, float(value))

    _ELAPSED_TIME = _length_s = _elapsed_s

    def _THROUGHPUT(self, value: str) -> bool:
        return self.says("transaction_rate_per_s", "value", float(value)) or self.says(
            "goodput_bps", "value", float(value) * 1e6
        )

    def _pps(self, value: str) -> bool:
        return self.says("packet_rate_per_s", "value", float(value), rel=0.01)

    def _confidence_throughput_pct(self, value: str) -> bool:
        said = [n for r in self.readings for n in r.notes if n.startswith("confidence_not_met")]
        return [float(re.findall(r"[\d.]+", n)[-1]) for n in said] == [float(v) for v in value.split(",")]

    def _first_bits_per_second(self, value: str) -> bool:
        return close(self.readings[0].samples[0].value, float(value))

    def _tcp_stream_bits_per_second(self, value: str) -> bool:
        return all(self.says("goodput_bps", "value", float(v)) for v in value.split(","))

    _tcp_maerts_bits_per_second = _tcp_stream_bits_per_second

    def _tcp_rr_transactions_per_second(self, value: str) -> bool:
        return all(self.says("transaction_rate_per_s", "value", float(v)) for v in value.split(","))

    def _sum_bits_per_second(self, value: str) -> bool:
        total = math.fsum(self.values("goodput_bps", "value"))
        return self.says("sent_bps|goodput_bps", "value", float(value)) or close(total, float(value))

    def _observations(self, value: str) -> bool:
        rate, seconds = self.values("transaction_rate_per_s", "value"), self.readings[0].duration_s
        return not rate or close(rate[0] * (seconds or 0), float(value))

    def _n_rows(self, value: str) -> bool:
        return "truncated" not in self.readings[0].notes and bool(self.samples)

    _n_requests = _n_rows

    def _requests(self, value: str) -> bool:
        rate, seconds = self.values("request_rate_per_s", "value"), self.readings[0].duration_s
        return not rate or close(rate[0] * (seconds or 0), float(value), 0.05)

    def _non_2xx(self, value: str) -> bool:
        rate, seconds = self.values("request_rate_per_s", "value"), self.readings[0].duration_s
        share = self.values("error_ratio", "value")[0]
        return close(share * rate[0] * (seconds or 0), float(value), 0.05)

    def _n_500(self, value: str) -> bool:
        return close(self.values("error_ratio", "value")[0] * 200, float(value))

    def _success(self, value: str) -> bool:
        return close(1 - self.values("error_ratio", "value")[0], float(value))

    def _n_series(self, value: str) -> bool:
        return len(self.readings) == int(value)

    def _test(self, value: str) -> bool:
        return all((r.test or "").startswith(value + "/") for r in self.readings)

    def _value(self, value: str) -> bool:
        return self.failed_with(value)  # a bare number without test or unit is named and not believed

    def _rem_qperf(self, value: str) -> bool:
        return self.readings[0].tool_version == value


@pytest.mark.skipif(not ROWS, reason=f"no corpus at {CORPUS}; set CNILAB_CORPUS")
@pytest.mark.parametrize("row", ROWS, ids=[r["path"] for r in ROWS])
def test_corpus_file_says_what_a_human_reads_off_it(row):
    path = CORPUS / row["path"]
    expected = [part.partition("=")[::2] for part in row["expected"].split("; ")]
    if path.suffix == ".knbdata":
        _check_knb(path, dict(expected))
        return
    check = Check(readings_of(path))
    wrong = [f"{key}={value}" for key, value in expected if not check(key, value)]
    assert not wrong, f"{wrong}; read: {check.readings}"


def _check_knb(path: Path, expected: dict[str, str]) -> None:
    loaded = load(path, progress=False)
    assert len(loaded.files) == int(expected["n_members"]) - 1  # the folder itself is no file
    for key, value in expected.items():
        if found := re.match(r"(tcp|udp)-(p2[ps])_bw_mbit$", key):
            table = loaded.samples[loaded.samples["metric"] == "goodput_bps"]
            table = table[table["test"] == f"{found[1]}_stream"]
            table = table[table["path"] == {"p2p": "pod_to_pod", "p2s": "pod_to_service"}[found[2]]]
            assert list(table["value"]) == [float(value) * 1e6]
    assert not loaded.samples["raw_path"].str.contains("idle").any()
