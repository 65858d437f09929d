"""What things are called in front of a reader: metrics, placements, verdicts, substitutes.

One place, so that a table, a figure and a sentence never use two words for one thing. Columns and files keep
their own names; these are labels only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnilab.stats.verdict import VERDICTS, absence_in


@dataclass(frozen=True)
class Quantity:
    """The words for one metric.

    Parameters
    ----------
    noun
        What it is: ``"goodput"``.
    less, more, times
        What a ratio below one, above one, and a multiple of it are called.
    question
        What a reader wants to know.
    """

    noun: str
    less: str
    more: str
    times: str
    question: str


#: (metric, stat) -> its words, in the order in which a report asks.
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

PLACEMENTS = {
    "same_node": "On the same node",
    "same_subnet": "In the same subnet",
    "cross_subnet": "Across subnets",
}

#: Verdict -> (sign, short words). The sign stands beside the words, never instead of them.
VERDICT_WORDS: dict[str, tuple[str, str]] = {
    code: (VERDICTS[code].sign, words)
    for code, words in {
        "different_material": "different",
        "different_size_unclear": "different, size unclear",
        "different_negligible": "practically the same",
        "equivalent": "the same",
        "inconclusive": "cannot tell yet",
        "insufficient_n": "too few blocks",
        "not_comparable": "not comparable",
    }.items()
}

#: kernel_path -> the mark a mode's name carries where a substitute moved the packets.
SUBSTITUTES = {"ebpf": "eBPF", "userspace": "userspace"}

#: Flags of not_comparable -> short words.
ABSENCES = {
    "does_not_cross_subnets": "does not cross subnets",
    "all_skipped": "could not run here",
    "all_failed": "every trial failed",
    "no_rows": "not measured",
}


def quantity(metric: str, stat: str = "value") -> Quantity:
    """Return the words for a metric, its own name where nobody has found better ones."""
    known = QUANTITIES.get((metric, stat))
    if known:
        return known
    noun = metric.replace("_", " ") + ("" if stat == "value" else f" ({stat})")
    return Quantity(noun, "less", "more", "as much", f"What of {noun}?")


def mode_label(mode: str, kernel_path: str | None = None, *, twin: bool = False) -> str:
    """Return a mode's name for a reader, with its substitute named.

    >>> mode_label("calico-ipip", "ebpf"), mode_label("host", twin=True)
    ('calico-ipip (eBPF)', 'host, again (A/A)')
    """
    if twin:
        return f"{mode}, again (A/A)"
    marks = [SUBSTITUTES[p] for p in str(kernel_path or "").split("+") if p in SUBSTITUTES]
    return f"{mode} ({', '.join(marks)})" if marks else mode


def is_substitute(kernel_path: str | None) -> bool:
    """Whether anything but the real implementation carried packets."""
    return any(p in SUBSTITUTES for p in str(kernel_path or "").split("+"))


def placement(name: str | None) -> str:
    """Return ``"In the same subnet"`` for ``same_subnet``."""
    return PLACEMENTS.get(name or "", name or "Everywhere")


def short_verdict(row: Mapping[str, Any]) -> str:
    """Return sign and short words for a row, with what is known of why there is no comparison."""
    return " ".join(verdict_words(row))


def verdict_words(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sign and the words of :func:`short_verdict` apart."""
    sign, words = VERDICT_WORDS[row["verdict"]]
    absent = absence_in(row["flags"])
    if absent and row["verdict"] in ("not_comparable", "insufficient_n"):
        return VERDICTS["not_comparable"].sign, ABSENCES[absent]
    return sign, words


__all__ = [
    "ABSENCES", "PLACEMENTS", "QUANTITIES", "SUBSTITUTES", "VERDICT_WORDS", "Quantity", "is_substitute",
    "mode_label", "placement", "quantity", "short_verdict",
]  # fmt: skip
