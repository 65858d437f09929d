"""sockperf as users keep it: cut to its last lines, quoted, of several servers; written by hand after its formats."""

from __future__ import annotations

import pytest

from cnilab import measurements

HEAD = """\
sockperf: == version #3.10-no.git ==
sockperf[CLIENT] send on:sockperf: using recvfrom() to block on socket(s)
[ 0] IP = 10.0.0.2        PORT = 11111 # UDP
"""
TOTAL = (
    "sockperf: [Total Run] RunTime=1.000 sec; Warm up time=400 msec; SentMessages={}; ReceivedMessages={}\n"
)
SERVER = """\
sockperf: ========= Printing statistics for Server No: {}
sockperf: [Valid Duration] RunTime=0.500 sec; SentMessages=500; ReceivedMessages=500
sockperf: ====> avg-latency={}.000 (std-dev=1.000, mean-ad=0.500, 99.0% ci=[1.000, 2.000])
sockperf: # dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0
"""
SUMMARY = """\
sockperf: Summary: Latency is 20.000 usec
sockperf: Total 500 observations; each percentile contains 5.00 observations
sockperf: ---> <MAX> observation =   30.000
sockperf: ---> percentile 99.000 =   25.000
sockperf: ---> <MIN> observation =   10.000
"""
THROUGHPUT = """\
sockperf: == version #3.10-no.git ==
[ 0] IP = 10.0.0.2        PORT = 11111 # TCP
sockperf: Total of 1000 messages sent in 1.000 sec
sockperf: Summary: Message Rate is 1000 [msg/sec]
sockperf: Summary: BandWidth is 1.000 MBps (8.000 Mbps)
"""


def read(text: str):
    assert measurements.detect(text.encode()) == "sockperf"
    return measurements.read("sockperf", text.encode())


def test_the_summary_alone_has_the_mean():
    (found,) = read(SUMMARY)
    assert {s.stat: s.value for s in found.samples} == pytest.approx(
        {"mean": 20e-6, "max": 30e-6, "p99": 25e-6, "min": 10e-6}
    )
    (found,) = read(SUMMARY.replace("Latency is", "Round trip is"))
    assert {s.metric for s in found.samples} == {"rtt_s"}


@pytest.mark.parametrize("margin", ["> ", ">> ", "    ", "2031-05-02T08:00:00.5Z "])
def test_what_was_put_before_each_line_changes_nothing(margin):
    (found,) = read("".join(margin + line for line in THROUGHPUT.splitlines(keepends=True)))
    assert (found.test, found.samples) == ("tcp_stream", read(THROUGHPUT)[0].samples)


def test_each_server_of_one_run_is_a_reading():
    first, second = read(HEAD + TOTAL.format(500, 900) + SERVER.format(0, 20) + SERVER.format(1, 25))
    assert [r.samples[0].value for r in (first, second)] == [pytest.approx(20e-6), pytest.approx(25e-6)]
    assert (second.test, second.tool_version) == ("udp_under_load", "3.10-no.git")


def test_connections_of_two_protocols_are_of_neither():
    both = HEAD + "[ 1] IP = 10.0.0.2        PORT = 11112 # TCP\n"
    assert read(both + TOTAL.format(501, 500) + SERVER.format(0, 20))[0].test == "rr"
    assert read(HEAD + TOTAL.format(501, 500) + SERVER.format(0, 20))[0].test == "udp_rr"


def test_a_ping_pong_in_bursts_is_a_ping_pong():
    burst = "sockperf: Summary: Latency of burst of 10 messages is 20.000 usec\n"
    assert read(HEAD + TOTAL.format(510, 500) + SERVER.format(0, 20) + burst)[0].test == "udp_rr"
    assert read(HEAD + TOTAL.format(511, 500) + SERVER.format(0, 20) + burst)[0].test == "udp_under_load"


def test_a_failed_run_has_sockperfs_reason_and_no_kind_that_it_does_not_tell():
    (found,) = read(HEAD + "sockperf: No messages were received from the server. Is the server down?\n")
    assert (found.test, found.reason) == (
        None,
        "No messages were received from the server. Is the server down?",
    )
    (found,) = read("sockperf: '-i' Invalid address: far\nping-pong (pp): Run sockperf client\n")
    assert found.reason == "'-i' Invalid address: far"


def test_angle_brackets_may_have_been_taken_for_markup():
    (found,) = read(SUMMARY.replace("<", "").replace(">", "").replace("---", "--->"))
    assert {s.stat for s in found.samples} == {"mean", "max", "p99", "min"}


@pytest.mark.parametrize(
    ("width", "value"),
    [
        ("0.125 GBps (1.000 Gbps)", 125 * 8 * 2**20),
        ("125.000000000 MBps (1000.000000000 Mbps)", 125 * 8 * 2**20),
        ("125.000000000 GBps (1000.000000000 Gbps)", 125 * 8 * 2**20),
    ],
)
def test_gigabytes_are_a_thousand_megabytes_and_nine_digits_are_never_of_them(width, value):
    (found,) = read(THROUGHPUT.replace("1.000 MBps (8.000 Mbps)", width))
    assert [s.value for s in found.samples if s.metric == "sent_bps"] == [value]


@pytest.mark.parametrize(
    "said", ["No valid observations found. Try tune parameters: --time/--mps", "No messages were sent"]
)
def test_a_run_without_observations_says_so_and_was_not_cut(said):
    (found,) = read(HEAD + TOTAL.format(5, 5) + f"sockperf: {said}\n")
    assert (found.reason, found.notes) == (said, ())


def test_a_servers_log_measures_nothing():
    (found,) = read("sockperf: == version #3.10-no.git ==\nsockperf: [SERVER] listen on:\n")
    assert (found.status, found.tool_version) == ("skipped", "3.10-no.git")
