"""Forms of iperf3's output that no recording has: old versions, interrupted runs, logs of several runs, ``--debug``.

Each text is written by hand in the form that the named version prints; the numbers mean nothing.
"""

from __future__ import annotations

import pytest
from invariants import read

from cnilab import measurements

RULE = "- - - - - - - - - - - - - - - - - - - - - - - - -\n"
ROW = "[  5]   0.00-2.00   sec   200 MBytes   839 Mbits/sec"
CLIENT = f"""Connecting to host 192.0.2.2, port 5201
[  5] local 192.0.2.1 port 40000 connected to 192.0.2.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
{ROW}    7    434 KBytes
{RULE}[ ID] Interval           Transfer     Bitrate         Retr
{ROW}    7             sender
[  5]   0.00-2.04   sec   198 MBytes   814 Mbits/sec                  receiver

iperf Done.
"""
GOOD = {"sent_bps": 839e6, "goodput_bps": 814e6, "retransmitted_segments": 7}
LISTENING = f"{'-' * 59}\nServer listening on 5201 (test #2)\n{'-' * 59}\n"
SERVER = f"""Accepted connection from 192.0.2.1, port 40002
[  5] local 192.0.2.2 port 5201 connected to 192.0.2.1 port 40004
[ ID] Interval           Transfer     Bitrate
{ROW}
{RULE}[ ID] Interval           Transfer     Bitrate
{ROW}                  receiver
"""
JITTER = "[ ID] Interval           Transfer     Bandwidth       Jitter    Lost/Total Datagrams\n"


def old_udp(summary: str, opening: str = "Accepted connection from 192.0.2.1, port 40002\n") -> str:
    """UDP until 3.1: the summary line is the sender's rate beside the receiver's loss, and names neither."""
    row = "[  5]   0.00-2.00   sec  1.25 MBytes  5.24 Mbits/sec  0.250 ms  0/160 (0%)\n"
    return f"{opening}{JITTER}{row}{RULE}{JITTER}{summary}\n[  5] Sent 200 datagrams\n"


#: What a text is, the text, and of each test in it the values that are told, or words of the reason that none is.
TEXTS = {
    "run, then no server": (CLIENT + "iperf3: error - unable to connect to server: No route to host\n",
                            [GOOD, "unable to connect to server: No route to host"]),
    "run, then a busy server": (
        CLIENT.replace("\niperf Done.\n", "") + "iperf3: error - the server is busy running a test. try again later\n",
        [GOOD, "busy running a test"],
    ),
    "server's log with a port scan": (
        LISTENING + SERVER + LISTENING + "iperf3: error - unable to receive cookie at server: Bad file descriptor\n"
        + LISTENING + "iperf3: interrupt - the server has terminated\n",
        [{"goodput_bps": 839e6}, "unable to receive cookie"],
    ),
    "server's log with an error before it listens again": (
        SERVER + "iperf3: error - unable to receive parameters from client: \n" + LISTENING,
        [{"goodput_bps": 839e6}, "unable to receive parameters from client"],
    ),
    "server's log of errors, with the time": (
        "Tue Nov 24 10:00:00 2026 Server listening on 5201 (test #1)\n"
        "Tue Nov 24 10:01:00 2026 iperf3: error - unable to receive cookie at server: Bad file descriptor\n",
        ["unable to receive cookie"],
    ),
    "client gone": (SERVER + "iperf3: the client has terminated\n", ["the client has terminated"]),
    "command with -R after a run": (
        CLIENT + "$ iperf3 -c 192.0.2.2 -R\n" + CLIENT,
        [GOOD | {"notes": ()}, GOOD | {"notes": ("reverse",)}],
    ),
    "3.0 beta": (
        CLIENT.partition(RULE)[0] + RULE + "[ ID] Interval           Transfer     Bandwidth       Retransmits\n"
        f"      Sent\n{ROW}  9\n      Received\n[  5]   0.00-2.00   sec   198 MBytes   830 Mbits/sec\n",
        [{"sent_bps": 839e6, "goodput_bps": 830e6, "retransmitted_segments": 9}],
    ),
    "old UDP server that was told the sender's rate": (
        old_udp("[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec  0.250 ms  150/200 (75%)"),
        [{"sent_bps": 52.4e6, "goodput_bps": 13.1e6, "loss_ratio": 0.75}],
    ),
    "old UDP server that was not": (
        old_udp("[  5]   0.00-2.00   sec  0.00 Bytes  0.00 bits/sec  0.250 ms  50/200 (25%)"),
        [{"goodput_bps": None, "sent_bps": None, "loss_ratio": 0.25, "notes": ("server_side", "receiver_missing")}],
    ),
    "old UDP client to which nothing came": (
        old_udp("[  5]   0.00-2.00   sec  0.00 Bytes  0.00 bits/sec  0.000 ms  0/0 (-nan%)", "Connecting to host a, port 1\n"),
        ["nothing arrived"],
    ),
    "out of order": (
        old_udp("[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec  0.250 ms  50/200 (25%)", "Connecting to host a, port 1\n")
        + "[SUM]  0.0- 2.0 sec  395 datagrams received out-of-order\n",
        [{"sent_bps": 52.4e6, "loss_ratio": 0.25}],
    ),
    "only the end of the file": (
        f"{RULE}{JITTER}[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec  0.250 ms  50/200 (25%)\n",
        [{"sent_bps": 52.4e6, "goodput_bps": 39.3e6}],
    ),
    "-f g on a slow link": (
        CLIENT.replace("839 Mbits/sec", "0.00 Gbits/sec").replace("814 Mbits/sec", "0.00 Gbits/sec")
        .replace("200 MBytes", "200 KBytes").replace("198 MBytes", "102 KBytes"),
        [{"sent_bps": 819200.0, "goodput_bps": 409600.0}],
    ),
    "the summary of a mail that broke its lines": (
        CLIENT.replace(" sender", "\n sender").replace(" receiver", "\n receiver"),
        ["a stream twice"],
    ),
    "a server stopped by hand": (
        SERVER.replace("[  5]   0.00", "^C[  5]   0.00", 1) + "iperf3: interrupt - the server has terminated\n",
        [{"goodput_bps": 839e6}],
    ),
    "summaries alone": (
        "".join(
            f"[  5]   0.00-2.00   sec   200 MBytes  {n}.0 Mbits/sec{whose}\n"
            for n in (7, 8)
            for whose in ("    1             sender", "                  receiver")
        ),
        [{"goodput_bps": 7e6, "retransmitted_segments": 1}, {"goodput_bps": 8e6}],
    ),
    "3.0 and terabytes, for which it has no unit": (
        CLIENT.replace("200 MBytes", "0.00 (null)s").replace("198 MBytes", "0.00 (null)s"), [GOOD]
    ),
    "spaces squeezed": (
        "[ID] Interval Transfer Bandwidth\n[ 5] 0.00-2.07 sec 0.00 Bytes 0.00 bits/sec sender\n"
        "[ 5] 0.00-2.07 sec 80 MBytes 324 Mbits/sec receiver\n",
        [{"goodput_bps": 324e6, "sent_bps": None}],
    ),
    "--debug": (
        'iperf 3.12\nsend_parameters:\n{\n\t"tcp":\ttrue,\n\t"client_version":\t"3.12"\n}\n' + CLIENT
        + 'get_results\n{\n\t"cpu_util_total":\t1.5,\n\t"streams":\t[{\n\t\t"id":\t1\n\t}]\n}\n',
        [GOOD],
    ),
    "wrong option": ("iperf3: unrecognized option '--fast'\n", ["unrecognized option '--fast'"]),
}  # fmt: skip


def check(name: str, raw: bytes, wanted: list[dict | str]) -> None:
    """Hold what the reader called ``name`` makes of ``raw`` against what is wanted of each test in it."""
    assert measurements.detect(raw) == name
    found = read(name, raw)
    assert found is not None
    assert len(found) == len(wanted), [(r.status, r.reason, r.samples) for r in found]
    for reading, want in zip(found, wanted):
        if isinstance(want, str):
            assert reading.status in ("failed", "skipped")
            assert want in reading.reason
            continue
        assert reading.status == "ok", reading.reason
        told = {s.metric if s.stat == "value" else f"{s.metric}.{s.stat}": s.value for s in reading.samples}
        for key, value in want.items():
            if key in ("notes", "test", "tool_version"):
                assert getattr(reading, key) == value
            elif value is None:
                assert key not in told
            else:
                assert told[key] == pytest.approx(value), key


@pytest.mark.parametrize("what", TEXTS)
def test_text(what):
    raw, wanted = TEXTS[what]
    check("iperf3", raw.encode(), wanted)


@pytest.mark.parametrize("prefix", ["> ", ">", "    ", "iperf3-client-1  | ", "2026-11-24T10:00:00.123Z "])
def test_text_behind_a_prefix(prefix):
    check("iperf3", "".join(f"{prefix}{line}\n" for line in CLIENT.splitlines()).encode(), [GOOD])


def test_a_list_of_lines_as_ansible_prints_it():
    lines = ",\n".join(f'        "{line}"' for line in CLIENT.splitlines())
    check("iperf3", f'ok: [node] => {{\n    "out.stdout_lines": [\n{lines}\n    ]\n}}\n'.encode(), [GOOD])


DOCUMENT = b"""{"start": {"version": "iperf 3.9", "test_start": {"protocol": "TCP"}}, "end": {
"sum_sent": {"seconds": 2, "bits_per_second": 8e6, "retransmits": 1},
"sum_received": {"seconds": 2, "bits_per_second": 7e6}}}
"""


@pytest.mark.parametrize(
    "prefix",
    [
        "iperf3-1  | ",
        "2026-11-24T10:00:00.123456789Z ",
        "[pod/client/iperf3] ",
        "2026-11-24T10:00:00.1+01:00 stdout F ",
    ],
)
def test_a_document_in_a_log(prefix):
    raw = "".join(f"{prefix}{line}\n" for line in DOCUMENT.decode().splitlines())
    check("iperf3", raw.encode(), [{"sent_bps": 8e6, "goodput_bps": 7e6}])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"end": {"sum_sent": {"bits_per_second": 8e6, "retransmits": 1}}}',
        b'{\n"sum_sent": {"bits_per_second": 8e6, "retransmits": 1},\n"cpu_utilization_percent": {}\n}\n',
    ],
)
def test_what_jq_left_of_a_document(raw):
    check("iperf3", raw, [{"sent_bps": 8e6, "retransmitted_segments": 1, "test": "tcp_stream"}])


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize(
    ("raw", "tests"),
    [
        (b'{"node": "a", "start": "10:00", "error": null, "result": %s}' % DOCUMENT, 1),
        (b'[{"node": "a", "iperf3": %s}, {"node": "b", "iperf3": %s}]' % (DOCUMENT, DOCUMENT), 2),
        (b'{"runs": [{"iperf3": %s}, {"iperf3": %s}], "date": "2026-11-24"}' % (DOCUMENT, DOCUMENT), 2),
        (b'{"iperf3": %s}\n{"iperf3": %s}\n' % (DOCUMENT, DOCUMENT), 2),
        (b'TASK [show]\nok: [node] => {\n    "msg": %s}\n' % DOCUMENT, 1),
    ],
)
def test_documents_within_an_object_of_a_harness(raw, tests, totals):
    assert measurements.detect(raw) == "iperf3"
    found = measurements.read("iperf3", raw, totals=totals)
    assert [(r.status, r.samples[0].value) for r in found] == [("ok", 8e6)] * tests


def test_documents_with_a_comma_between_them():
    raw = DOCUMENT.strip() + b", " + DOCUMENT.strip() + b",\n" + DOCUMENT
    check("iperf3", raw, [{"goodput_bps": 7e6}] * 3)


def test_an_error_behind_a_document_is_told():
    raw = DOCUMENT + b"iperf3: error - unable to send control message: Broken pipe\n" + DOCUMENT
    good = {"sent_bps": 8e6, "goodput_bps": 7e6, "tool_version": "3.9"}
    check("iperf3", raw, [good, "unable to send control message: Broken pipe", good])
    assert [r.line for r in read("iperf3", raw)] == [1, 4, 5]


def test_a_server_knows_one_end_of_each_direction():
    """What its client received in the other direction stands in a server's document as 0, or as the sender's."""
    raw = b"""{"start": {"version": "iperf 3.12", "accepted_connection": {}, "test_start": {"protocol": "UDP"}}, "end": {
    "sum": {"seconds": 1, "bits_per_second": 0, "packets": 9, "lost_packets": 0, "lost_percent": 0},
    "sum_sent": {"bits_per_second": 0},
    "sum_received": {"seconds": 1, "bytes": 5, "bits_per_second": 40, "packets": 9, "lost_packets": 3},
    "sum_bidir_reverse": {"seconds": 1, "bits_per_second": 80, "packets": 8, "lost_packets": 0, "lost_percent": 0},
    "sum_sent_bidir_reverse": {"seconds": 1, "bits_per_second": 80},
    "sum_received_bidir_reverse": {"seconds": 1, "bytes": 0, "bits_per_second": 0, "packets": 0}}}"""
    missing = dict.fromkeys(("sent_bps", "reverse_goodput_bps", "reverse_loss_ratio"))
    check("iperf3", raw, [{"goodput_bps": 40, "loss_ratio": 1 / 3, "reverse_sent_bps": 80} | missing])


def test_an_old_servers_document_that_was_not_told_the_rate():
    raw = b"""{"start": {"version": "iperf 3.1.3", "accepted_connection": {}, "test_start": {"protocol": "UDP"}}, "end": {
    "sum": {"seconds": 1, "bits_per_second": 0, "jitter_ms": 1, "packets": 8, "lost_packets": 2, "lost_percent": 25}}}"""
    check(
        "iperf3",
        raw,
        [{"goodput_bps": None, "loss_ratio": 0.25, "notes": ("server_side", "receiver_missing")}],
    )
