"""What is measured, in English: the noun, how it is more or less, and the question a figure of it answers."""

from __future__ import annotations

from cnilab.report.language.base import Quantity

#: (metric, stat) -> its words.
QUANTITIES: dict[tuple[str, str], Quantity] = {
    ("goodput_bps", "value"): Quantity(
        "goodput", "less", "more", "as much", "How much goodput does each mode deliver?"
    ),
    ("throughput_bps", "value"): Quantity(
        "throughput", "less", "more", "as much", "How much can each mode carry without loss?"
    ),
    ("rtt_s", "p50"): Quantity(
        "median round trip", "shorter", "longer", "as long", "How long does a typical round trip take?"
    ),
    ("rtt_s", "mean"): Quantity(
        "mean round trip", "shorter", "longer", "as long", "How long does a round trip take on average?"
    ),
    ("rtt_s", "p90"): Quantity(
        "90th-percentile round trip", "shorter", "longer", "as long", "How long do slow round trips take?"
    ),
    ("rtt_s", "max"): Quantity(
        "longest round trip", "shorter", "longer", "as long", "How long does the slowest round trip take?"
    ),
    ("rtt_s", "p99"): Quantity(
        "99th-percentile round trip",
        "shorter",
        "longer",
        "as long",
        "How long do the slowest round trips take?",
    ),
    ("transaction_rate_per_s", "value"): Quantity(
        "rate of transactions", "lower", "higher", "as high", "How many transactions a second?"
    ),
    ("connection_rate_per_s", "value"): Quantity(
        "rate of connections", "lower", "higher", "as high", "How many new connections a second?"
    ),
    ("request_rate_per_s", "value"): Quantity(
        "rate of requests", "lower", "higher", "as high", "How many requests a second?"
    ),
    ("latency_s", "p50"): Quantity(
        "median latency", "shorter", "longer", "as long", "How long does a typical request take?"
    ),
    ("latency_s", "p99"): Quantity(
        "99th-percentile latency", "shorter", "longer", "as long", "How long do the slowest requests take?"
    ),
    ("cpu_s_per_request", "value"): Quantity(
        "CPU time a request", "less", "more", "as much", "How much CPU time does a request cost?"
    ),
    ("packet_rate_per_s", "value"): Quantity(
        "packet rate", "lower", "higher", "as high", "How many packets a second?"
    ),
    ("cpu_s_per_byte", "value"): Quantity(
        "CPU time a byte", "less", "more", "as much", "How much CPU time does a byte cost?"
    ),
    ("cpu_s_per_transaction", "value"): Quantity(
        "CPU time a transaction", "less", "more", "as much", "How much CPU time does a transaction cost?"
    ),
    ("wire_bytes_per_byte", "value"): Quantity(
        "bytes on the wire a byte", "fewer", "more", "as many", "How many bytes on the wire does a byte cost?"
    ),
    ("retransmitted_segments", "value"): Quantity(
        "retransmitted segments", "fewer", "more", "as many", "How many segments are sent again?"
    ),
    ("loss_ratio", "value"): Quantity(
        "packets", "fewer", "more", "as many", "How large is the share of packets that is lost?"
    ),
    ("cpu_s", "value"): Quantity(
        "CPU time", "less", "more", "as much", "How much CPU time do the daemons need?"
    ),
    ("rss_bytes", "value"): Quantity(
        "memory", "less", "more", "as much", "How much memory do the daemons hold?"
    ),
    ("converged_s", "value"): Quantity(
        "time until every route is held",
        "shorter",
        "longer",
        "as long",
        "How long until every node holds every route?",
    ),
}

#: (metric, stat) -> what a mode does with it, one mode and several; of all others a mode has a noun that is longer,
#: shorter, higher or lower.
VERBS: dict[tuple[str, str], tuple[str, str]] = {
    ("goodput_bps", "value"): ("delivers", "deliver"),
    ("throughput_bps", "value"): ("sustains", "sustain"),
    ("cpu_s_per_byte", "value"): ("uses", "use"),
    ("cpu_s_per_transaction", "value"): ("uses", "use"),
    ("wire_bytes_per_byte", "value"): ("sends", "send"),
    ("loss_ratio", "value"): ("loses", "lose"),
}
#: What an adjective says of a noun and not how much there is of it.
ADJECTIVES = ("shorter", "longer", "lower", "higher")
