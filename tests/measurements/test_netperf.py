"""What netperf prints with the options that change its layout: written by hand after its formats."""

from __future__ import annotations

import pytest

from cnilab import measurements
from cnilab.errors import ParseError

TO = "from 0.0.0.0 (0.0.0.0) port 0 AF_INET to 10.0.0.2 () port 0 AF_INET : demo"
DATAGRAMS = f"""\
MIGRATED UDP STREAM TEST {TO}
Socket  Message  Elapsed      Messages                   CPU      Service
Size    Size     Time         Okay Errors   Throughput   Util     Demand
bytes   bytes    secs            #      #   10^6bits/sec % SS     us/KB

212992    1000   2.00       400000      0     1600.0     40.00    2.000
212992           2.00       300000            1200.0     25.00    3.000
"""
STREAM = f"""\
MIGRATED TCP STREAM TEST {TO}
Recv   Send    Send                          Utilization       Service Demand
Socket Socket  Message  Elapsed              Send     Recv     Send    Recv
Size   Size    Size     Time     Throughput  local    remote   local   remote
bytes  bytes   bytes    secs.    MBytes  /s  % S      % S      us/KB   us/KB

131072  16384  16384    2.00        100.00   50.00    75.00    1.000   1.500
"""
TRANSACTIONS = f"""\
MIGRATED TCP REQUEST/RESPONSE TEST {TO} : first burst 0
Local /Remote
Socket Size   Request Resp.  Elapsed Tput     CPU    CPU    S.dem   S.dem
Send   Recv   Size    Size   Time    10^3bits local  remote local   remote
bytes  bytes  bytes   bytes  secs.   per sec  % S    % S    us/KB   us/KB

16384  131072 1       1      2.00    320.00   10.00  20.00  4.000   6.000
16384  131072
"""
STACKED = f"""\
MIGRATED TCP REQUEST/RESPONSE TEST {TO} : first burst 0
Protocol Mean         99th         Round      Throughput Throughput\x20
         Latency      Percentile   Trip                  Units     \x20
         Microseconds Latency      Latency                         \x20
                      Microseconds usec/tran                       \x20
TCP      40.00        90           41.000     24390.24   Trans/s   \x20

Local     Remote   \x20
Transport Transport\x20
Retransm  Retransm \x20
                   \x20
-1        -1       \x20
"""


def read(text: str):
    assert measurements.detect(text.encode()) == "netperf"
    return measurements.read("netperf", text.encode())


def values(text: str) -> dict[str, float]:
    (found,) = read(text)
    assert found.status == "ok", found.reason
    return {f"{s.metric}.{s.stat}".removesuffix(".value"): s.value for s in found.samples}


def test_datagrams_with_cpu_columns_keep_the_receivers_row():
    found = values(DATAGRAMS)
    assert found["goodput_bps"] == 1.2e9
    assert found["sent_bps"] == 1.6e9
    assert found["lost_packets"] == 100_000
    assert found["loss_ratio"] == 0.25
    assert found["cpu_client_machine_ratio"] == 0.40
    assert found["cpu_server_machine_ratio"] == 0.25
    assert found["cpu_s_per_byte"] == pytest.approx(5e-6 / 1024)


def test_datagrams_cut_before_the_receivers_row_have_no_goodput():
    (found,) = read(DATAGRAMS[: DATAGRAMS.rindex("212992")])
    assert [s.metric for s in found.samples] == ["sent_bps", "cpu_client_machine_ratio"]
    assert found.notes == ("receiver_missing",)


def test_an_unreadable_row_of_the_receiver_is_a_missing_one():
    (found,) = read(DATAGRAMS.replace("25.00    3.000", "25.00    3.0.0"))
    assert [s.metric for s in found.samples] == ["sent_bps", "cpu_client_machine_ratio"]
    assert found.notes == ("receiver_missing",)


def test_a_short_unit_is_padded_before_its_second():
    found = values(STREAM)
    assert found["goodput_bps"] == 100 * 8 * 2**20
    assert values(STREAM.replace("MBytes  /s", "10^9bits/s"))["goodput_bps"] == 1e11


def test_transactions_counted_in_bits_are_no_transactions():
    assert values(TRANSACTIONS)["goodput_bps"] == 320_000.0
    assert "transaction_rate_per_s" not in values(TRANSACTIONS)
    plain = TRANSACTIONS.replace("Tput     CPU", "Trans.   CPU").replace("10^3bits local", "Rate     local")
    assert values(plain.replace("us/KB", "us/Tr"))["transaction_rate_per_s"] == 320.0
    named = values(f"MIGRATED TCP REQUEST/RESPONSE TEST {TO}\nTHROUGHPUT=2.5\nTHROUGHPUT_UNITS=10^6bits/s\n")
    assert named == {"goodput_bps": 2.5e6}


def test_stacked_columns_of_several_blocks_are_one_result():
    found = values(STACKED)
    assert found == pytest.approx(
        {"transaction_rate_per_s": 24390.24, "rtt_s.mean": 40e-6, "rtt_s.p99": 90e-6}, rel=1e-9
    )


def test_a_row_of_numbers_alone_stands_under_its_stacked_titles():
    text = f"""\
MIGRATED TCP REQUEST/RESPONSE TEST {TO}
99th         Transaction\x20
Percentile   Rate       \x20
Latency      Tran/s     \x20
Microseconds            \x20
90           24390.24   \x20
"""
    assert values(text) == pytest.approx({"rtt_s.p99": 90e-6, "transaction_rate_per_s": 24390.24})


@pytest.mark.parametrize(
    ("rows", "metric", "value", "test"),
    [
        ("131072  16384  16384    2.00     9000.00   50.00    75.00    1.000   1.500\n", "goodput_bps", 9e9, "stream"),
        ("131072  16384  16384    2.00     9000.00   two words\n", "goodput_bps", 9e9, "stream"),
        ("16384  131072 1       1      2.00    9000.00  10.00  20.00  4.000   6.000\n16384  131072\n",
         "transaction_rate_per_s", 9e3, "rr"),
        ("212992   1000   2.00    400000      0   1600.00\n212992          2.00    300000          1200.00\n",
         "goodput_bps", 1.2e9, "udp_stream"),
    ],
)  # fmt: skip
def test_rows_without_a_header_are_known_by_their_form(rows, metric, value, test):
    assert values(rows)[metric] == value
    assert read(rows)[0].test == test


def test_one_number_under_a_banner_has_the_unit_of_its_test():
    assert values(f"MIGRATED TCP STREAM TEST {TO}\n9000.00\n") == {"goodput_bps": 9e9}
    assert values(f"MIGRATED TCP REQUEST/RESPONSE TEST {TO}\n9000.00\n") == {"transaction_rate_per_s": 9e3}
    (found,) = read(f"MIGRATED UDP STREAM TEST {TO}\n9000.00\n")
    assert found.reason == "one number, '9000.00', does not tell whether the sender's or the receiver's it is"


def test_named_values_tell_the_sender_and_the_receiver():
    text = (
        "DIRECTION={}\nTHROUGHPUT_UNITS=10^6bits/s\nLOCAL_SEND_THROUGHPUT=9.00\nREMOTE_RECV_THROUGHPUT=8.00\n"
    )
    text += "LOCAL_RECV_THROUGHPUT=7.00\nREMOTE_SEND_THROUGHPUT=7.50\nTHROUGHPUT_CONFID=-1.000\n"
    banner = f"MIGRATED UDP STREAM TEST {TO}\n"
    assert values(banner + text.format("Send")) == {"goodput_bps": 8e6, "sent_bps": 9e6}
    assert values(banner + text.format("Receive")) == {"goodput_bps": 7e6, "sent_bps": 7.5e6}


def test_the_senders_retransmissions_do_for_a_stream_but_not_for_transactions():
    stream = "THROUGHPUT=9.00\nTHROUGHPUT_UNITS=10^6bits/s\n{}_TRANSPORT_RETRANS=5\n"
    assert values(stream.format("LOCAL"))["retransmitted_segments"] == 5
    assert "retransmitted_segments" not in values(stream.format("REMOTE"))
    rates = "THROUGHPUT=9.00\nTHROUGHPUT_UNITS=Trans/s\nLOCAL_TRANSPORT_RETRANS=5\n"
    assert "retransmitted_segments" not in values(rates)


def test_the_round_trip_reckoned_from_the_rate_is_a_mean():
    text = "THROUGHPUT=20000.00\nTHROUGHPUT_UNITS=Trans/s\nRT_LATENCY=50.000\n{}"
    assert values(text.format(""))["rtt_s.mean"] == pytest.approx(50e-6)
    assert values(text.format("MEAN_LATENCY=49.00\n"))["rtt_s.mean"] == pytest.approx(49e-6)


def test_connections_of_an_omni_test_are_not_transactions():
    for what in ("Connect|Send|Recv", "Connection"):
        text = f"OMNI {what} TEST {TO}\nTHROUGHPUT=900.00\nTHROUGHPUT_UNITS=Trans/s\n"
        assert values(text) == {"connection_rate_per_s": 900.0}


@pytest.mark.parametrize("margin", ["> ", "\t", "    ", "2031-05-02T08:00:00.1234567Z ", "client-1  | "])
@pytest.mark.parametrize(
    "text", [DATAGRAMS, STREAM, TRANSACTIONS, STACKED], ids=["udp", "tcp", "rr", "columns"]
)
def test_what_was_put_before_each_line_changes_nothing(text, margin):
    assert values("".join(margin + line for line in text.splitlines(keepends=True))) == values(text)


@pytest.mark.parametrize(
    "ends", ["to far", "from 0.0.0.0 (0.0.0.0)\n port 7 AF_INET to 10.0.0.2 () port 7 AF_INET"]
)
def test_a_banner_may_lack_its_port_or_be_wrapped(ends):
    text = STREAM.replace(TO, ends)
    assert read(text)[0].test == "tcp_stream"
    assert values(text) == values(STREAM)


def test_interim_rows_of_csv_and_of_old_versions_are_a_series():
    rows = "9000.00,10^6bits/s,0.500,1893456000.500\n8000.00,10^6bits/s,0.500,1893456001.000\n"
    (found,) = read(f"OMNI Send TEST {TO}\n{rows}Throughput,Throughput Units\n8500.00,10^6bits/s\n")
    assert [i.value for i in found.intervals] == [9e9, 8e9]
    assert found.samples[0].value == 8.5e9
    old = "".join(f"Interim result: {v} 10^6bits/s over 0.50 seconds\n" for v in ("9000.00", "8000.00"))
    (found,) = read(STREAM.replace("Recv   Send    Send  ", old + "Recv   Send    Send  "))
    assert [i.value for i in found.intervals] == [9e9, 8e9]


def test_a_table_after_named_values_is_another_result():
    table = STREAM.partition("\n")[2]
    first, second = read(f"THROUGHPUT=20000.00\nTHROUGHPUT_UNITS=Trans/s\n{table}")
    assert (first.samples[0].value, second.samples[0].value) == (20000.0, 100 * 8 * 2**20)


@pytest.mark.parametrize(
    "said",
    [
        "establish_control could not establish the control connection from 0.0.0.0 port 0 to 10.0.0.2 port 12865\n",
        "The test you requested (SCTP_STREAM) is unknown to this netperf.\n",
        "Could not open output selection file 'FOO' errno 2\n",
        "send_data: data send error: No route to host (errno 113)\nnetperf: send_omni: send_data failed\n",
    ],
)
def test_a_complaint_alone_is_a_failed_run_in_netperfs_own_words(said):
    (found,) = read(said)
    assert found.status == "failed"
    assert said.split("\n")[0] in found.reason


def test_one_number_after_interim_results_has_their_unit():
    rows = "".join(f"Interim result: {v} 10^6bits/s over 0.50 seconds ending at 7.5\n" for v in (0.25, 0.24))
    (found,) = read(f"MIGRATED UDP REQUEST/RESPONSE TEST {TO} : first burst 0\n{rows}0.25\n")
    assert [(s.metric, s.value) for s in found.samples] == [("goodput_bps", 250_000.0)]
    assert found.notes == ("both_directions",)
    (found,) = read(f"{rows.replace('10^6bits/s', 'Trans/s')}20000.00\n")
    assert (found.test, found.samples[0].metric) == ("rr", "transaction_rate_per_s")


def test_a_bare_row_after_interim_results_has_their_unit():
    rows = "Interim result: 100.00 MBytes/s over 0.50 seconds ending at 7.5\n"
    (found,) = read(rows + "131072  16384  16384    2.00      100.00\n")
    assert (found.samples[0].value, found.notes) == (100 * 8 * 2**20, ())


def test_rows_appended_under_one_csv_header_are_all_read():
    rows = "1, Trans/s,20000.00,50.00\n2, Trans/s,10000.00,100.00\n"
    found = read(f"Test #,Throughput Units,Throughput,Mean Latency Microseconds\n{rows}and so on, twice\n")
    assert [r.samples[0].value for r in found] == [20000.0, 10000.0]


def test_what_a_reader_wrote_behind_a_row_is_no_part_of_it():
    assert values(STREAM.replace("1.000   1.500", "1.000   1.500 <-- with the patch")) == values(STREAM)


def test_a_row_with_one_number_too_many_is_not_read():
    (found,) = read(TRANSACTIONS.replace("16384  131072 1       1 ", "16384  131072 1     2   1 "))
    assert found.reason == "a row of 11 numbers where 6 or 10 belong"


def test_the_reason_is_the_complaint_and_not_the_header_before_it():
    head = STREAM[: STREAM.index("131072")]
    (found,) = read(head + "recv_response_timed_n: no response received. errno 110 counter 0\n")
    assert found.reason == "recv_response_timed_n: no response received. errno 110 counter 0"
    (found,) = read(head)
    assert found.reason == "the test was announced but gave no result"
    interim = "Interim result: 9000.00 10^6bits/s over 0.50 seconds ending at 7.5\n"
    (found,) = read(f"netperf: send_omni: recv_data failed: No route to host\n{interim}")
    assert found.reason == "netperf: send_omni: recv_data failed: No route to host"


def test_a_prompt_before_the_banner_is_no_failed_run():
    assert values("[root@a ~]# netperf -H 10.0.0.2 -c -C -f M\n" + STREAM) == values(STREAM)


def test_settings_of_a_script_are_no_results():
    rows = "131072  16384  16384    2.00     9000.00\n"
    for text in ("NODE=a\nPROTOCOL=tcp\n", "DURATION=2\n"):
        assert values(text + STREAM) == values(STREAM)
        assert values(text + "PROTOCOL=TCP\nTHROUGHPUT_UNITS=10^6bits/s\nTHROUGHPUT=9.00\n") == {
            "goodput_bps": 9e6
        }
    assert values("DURATION=2\n" + rows) == {"goodput_bps": 9e9}
    (found,) = read("netperf: sending to far\nPROTOCOL=TCP\nDIRECTION=Send\n")
    assert found.status == "failed"


def test_a_csv_row_without_its_header_tells_what_its_words_tell():
    (found,) = read("Stream,UDP,Receive,9000.00,10^6bits/s\n")
    assert (found.test, found.samples[0].value, found.notes) == ("udp_stream", 9e9, ("reverse",))
    (found,) = read("20000.00,Trans/s,41,84.50\n")
    assert [(s.metric, s.value) for s in found.samples] == [("transaction_rate_per_s", 20000.0)]
    assert found.notes == ("columns_unnamed",)
    for text in ("10^6bits/s,9000.00\n", "9000.00,10^6bits/s,of luck\n", "41,84.50\n"):
        with pytest.raises(ParseError):
            measurements.read("netperf", text.encode())


def test_netperfs_side_by_side_print_their_banners_before_their_tables():
    banner, table = STREAM.split("\n", 1)
    found = read(f"{banner}\n{banner}\n{banner}\n{table}{table.replace('100.00', '200.00')}")
    assert [(r.status, r.line, r.test) for r in found] == [
        ("ok", 1, "tcp_stream"),
        ("failed", 2, "tcp_stream"),
        ("ok", 3, "tcp_stream"),
    ]
    assert [r.samples[0].value for r in found if r.samples] == [200 * 8 * 2**20, 100 * 8 * 2**20]
    assert found[1].reason == "the test was announced but gave no result"


def test_a_number_after_the_result_of_another_test_is_not_that_of_the_silent_one():
    banner = f"MIGRATED TCP STREAM TEST {TO}\n"
    silent, told = read(f"{banner}{STREAM}\nMaximum\nSegment\nSize (bytes)\n  1448\n")
    assert (silent.status, silent.line, told.status, told.line) == ("failed", 1, "ok", 2)


def test_the_clients_socket_tells_what_a_stream_sent_again():
    info = "tcpi_rto 204000 tcpi_ato 0\ntcpi_reordering 3 tcpi_total_retrans 5\n"
    banner, table = STREAM.split("\n", 1)
    assert values(f"{banner}\n{info}{table}")["retransmitted_segments"] == 5
    for other in (banner.replace("STREAM", "MAERTS") + f"\n{info}", f"{banner}\n{info}{info}"):
        assert "retransmitted_segments" not in values(other + table)


def test_a_control_connection_that_ends_without_a_word_is_a_failed_run():
    (found,) = read("shutdown_control: no response received  errno 4\n")
    assert found.reason == "shutdown_control: no response received errno 4"
