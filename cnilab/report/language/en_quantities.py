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
    ("packet_rate_per_s", "value"): Quantity(
        "packet rate", "lower", "higher", "as high", "How many packets a second?"
    ),
    ("cpu_s_per_byte", "value"): Quantity(
        "CPU time a byte", "less", "more", "as much", "How much CPU time does a byte cost?"
    ),
    ("wire_bytes_per_byte", "value"): Quantity(
        "bytes on the wire a byte", "less", "more", "as much", "How many bytes on the wire does a byte cost?"
    ),
}
