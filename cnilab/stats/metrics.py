"""What is known of each metric: which way is better, and on which scale two modes are compared.

One literal table. A metric whose values multiply (rates, times, costs) is compared as a *ratio*, on the log
scale, where what a block does to all its modes cancels. A metric that can honestly be zero (losses,
retransmissions) has no ratio and is compared as a *difference*, on the linear scale.

The table does not convert units and does not say what is compared with what.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How one metric is compared.

    Parameters
    ----------
    direction
        ``"higher"`` or ``"lower"`` is better; None where nobody has said.
    scale
        ``"log"`` (ratios) or ``"linear"`` (differences).
    margin
        On the linear scale the largest difference, in the metric's own unit, that is practically none. None:
        no such margin was ever declared, so equivalence cannot be claimed. Unused on the log scale, where the
        study's relative margin holds.
    series
        Metrics of a trial's seconds that tell how steady this one was, where it has no seconds of its own: what was
        sent stands for what arrived.
    """

    direction: str | None
    scale: str = "log"
    margin: float | None = None
    series: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "goodput_bps": Metric("higher", series=("sent_bps",)),
    "throughput_bps": Metric("higher"),
    "transaction_rate_per_s": Metric("higher"),
    "connection_rate_per_s": Metric("higher"),
    "request_rate_per_s": Metric("higher"),
    "packet_rate_per_s": Metric("higher"),
    "message_rate_per_s": Metric("higher"),
    "rtt_s": Metric("lower"),
    "one_way_delay_s": Metric("lower"),
    "latency_s": Metric("lower"),
    "connect_time_s": Metric("lower"),
    "pdv_s": Metric("lower"),
    "jitter_rfc1889_s": Metric("lower"),
    "cpu_s_per_byte": Metric("lower"),
    "cpu_s_per_request": Metric("lower"),
    "wire_bytes_per_byte": Metric("lower"),
    "cpu_s": Metric("lower"),
    "rss_bytes": Metric("lower"),
    "converged_s": Metric("lower"),
    "loss_ratio": Metric("lower", "linear", 0.001),
    "retransmitted_segments": Metric("lower", "linear"),
    "out_of_order_packets": Metric("lower", "linear"),
}

#: Stats that are compared; ``min`` and ``stddev`` describe a run and are not a property one would choose by.
COMPARED_STATS = ("value", "mean", "p50", "p90", "p99", "p999", "max")

#: Stat -> the quantile it estimates, for the stats that need many requests behind them.
TAIL = {"p90": 0.9, "p99": 0.99, "p999": 0.999}


def describe(name: str | None) -> Metric:
    """Return the table's entry, or, for a metric nobody has described, a ratio without a better side."""
    return METRICS.get(name or "", Metric(None))
