"""What the remarks in :attr:`Reading.notes` mean, in words: values stand beside each of them, with this to be known.

A remark is one of these codes, alone or before a colon and what only that output says
(``unit_assumed: Mbits/s``). Why a test has *no* value is not a remark but its reading's ``reason``.
"""

from __future__ import annotations

REMARKS: dict[str, str] = {
    "below_resolution": "a time printed as 0 is below what the tool can print; it is left out",
    "both_directions": "one rate for both directions together, as the tool printed it",
    "clocks_apart": "a one-way delay below zero: the clocks of the two ends differ; it is left out",
    "columns_unnamed": "rows without their header; their columns are taken in the tool's usual order",
    "confidence_not_met": "netperf did not reach the confidence it was asked for; the width is the one it reached",
    "datagrams_impossible": "bytes over packets are more than a datagram can be; packet rate and loss are left out",
    "every_answer_an_error": "every answer was an error; the rate and the latency are those of errors",
    "goodput_from_loss": "the receiver's rate is reckoned from the sender's rate and the receiver's loss",
    "latencies_only": "single latencies and nothing of when they were; there is no rate",
    "latency_unreadable": "the latency is printed without its unit, or as no number; it is left out",
    "max_below_mean_by_rounding": "the maximum is printed below the mean, by rounding; it is left out",
    "more_received_than_sent": "more was received than sent; the loss below zero is left out",
    "no_times": "no time of any reply is in this output; there is only the loss",
    "parallel_assumed": "streams at the same time are taken for one test's, as the output does not say",
    "rate_and_bytes_disagree": "the printed rate is not its bytes over its seconds; where these are exact, they decide",
    "rate_from_rows": "the rate is reckoned from the single requests: their number over the time they span",
    "receiver_missing": "the receiver's figure is missing; the sender's is not used in its place",
    "results_as_blocks": "results of one test in one file that names no block; the k-th is taken for block k",
    "reverse": "the server sent and the client received",
    "role_from_ports": "who sent is told from the ports, as the output does not say",
    "saturated": "less was answered in time than was offered; its latency grows with the length of the test, and is "
    "kept as one that it is no less than",
    "series_left_out": "series that are neither a rate nor a time are not read",
    "server_side": "printed by the server",
    "stopped_early": "the run stopped early, after an error; the values are of what was done until then",
    "sum_and_streams_disagree": "a printed sum is not the sum of its streams; bytes over seconds decide",
    "truncated": "the output was cut short; the values stand before the cut",
    "unit_assumed": "a unit is not printed; the tool's default is taken",
    "unreachable_counted_as_received": "Windows counts an unreachable destination's answer as received; "
    "the loss here does not",
}


def in_words(remark: str) -> str:
    """Return a remark with what it means.

    >>> in_words("unit_assumed: Mbits/s")
    "unit_assumed (a unit is not printed; the tool's default is taken): Mbits/s"
    """
    code, colon, own = remark.partition(":")
    return f"{code} ({REMARKS[code]}){colon}{own}" if code in REMARKS else remark
