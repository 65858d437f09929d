"""qperf as users keep it, and its complaints: written by hand after its formats."""

from __future__ import annotations

import pytest

from cnilab import measurements

REPORT = """\
tcp_bw:
    bw        =  1.5 GB/sec
    msg_rate  =   23 K/sec
udp_bw:
    send_bw  =  900 Mb/sec
    recv_bw  =  800 Mb/sec
tcp_lat:
    latency  =  25.5 us
"""


def read(text: str):
    assert measurements.detect(text.encode()) == "qperf"
    return measurements.read("qperf", text.encode())


@pytest.mark.parametrize("margin", ["", "    ", "\t", "> ", "2031-05-02T08:00:00.1234567Z ", "client-1  | "])
def test_what_was_put_before_each_line_changes_nothing(margin):
    found = read("".join(margin + line for line in REPORT.splitlines(keepends=True)))
    assert [r.test for r in found] == ["tcp_stream", "udp_stream", "tcp_rr"]
    assert [r.samples[0].value for r in found] == [1.2e10, 8e8, pytest.approx(25.5e-6)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("tcp_bw:\n10.0.0.2: failed to connect\n", "failed to connect"),
        ("10.0.0.2: failed to connect\ntcp_bw:\n", "failed to connect"),
        (
            "tcp_bw:\ngetaddrinfo failed: Name or service not known\n",
            "getaddrinfo failed: Name or service not known",
        ),
        ("rds_bw:\nconnect failed: Connection refused\n", "connect failed: Connection refused"),
        ("server: \nsctp_bw:\n", "the server failed without a word"),
        ("foo_bw: bad test; try: qperf --help tests\n", "bad test; try: qperf --help tests"),
        ("tcp_bw:\n", "no result in this output"),
    ],
)
def test_a_complaint_is_the_reason_of_the_one_failed_test(said, reason):
    (found,) = read(said)
    assert (found.status, found.reason) == ("failed", reason)


def test_a_remark_before_the_report_is_no_complaint():
    found = read("cannot say more about the machines\n\n$ qperf 10.0.0.2 tcp_bw\n" + REPORT)
    assert {r.status for r in found} == {"ok"}


def test_a_remote_test_is_known_by_its_name():
    (found,) = read("rc_rdma_write_bw:\n    bw  =  9.5 GB/sec\n")
    assert found.samples[0].value == 7.6e10
