"""What the pings of other systems, languages and log files print: written by hand after their formats."""

from __future__ import annotations

import pytest

from cnilab import measurements
from cnilab.errors import ParseError

IPUTILS = """\
PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.100 ms
64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.300 ms

--- 10.0.0.2 ping statistics ---
4 packets transmitted, 2 received, 50% packet loss, time 3004ms
rtt min/avg/max/mdev = 0.100/0.200/0.300/0.100 ms
"""
GERMAN = """\
PING 10.0.0.2 (10.0.0.2) 56(84) Byte Daten.
64 Byte von 10.0.0.2 (10.0.0.2): icmp_seq=1 ttl=64 Zeit=0,100 ms
64 Byte von 10.0.0.2 (10.0.0.2): icmp_seq=2 ttl=64 Zeit=0.300 ms

--- 10.0.0.2 Ping-Statistik ---
4 Pakete übertragen, 2 empfangen, 50% Paketverlust, Zeit 3004ms
rtt min/avg/max/mdev = 0,100/0,200/0,300/0,100 ms
"""
SOLARIS = """\
PING far: 56 data bytes
64 bytes from far (10.0.0.2): icmp_seq=0. time=0.100 ms
64 bytes from far (10.0.0.2): icmp_seq=1. time=0.300 ms

----far PING Statistics----
4 packets transmitted, 2 packets received, 50% packet loss
round-trip (ms)  min/avg/max/stddev = 0.100/0.200/0.300/0.100
"""
BSD6 = """\
PING6(56=40+8+8 bytes) fe80::1%em0 --> ff02::1%em0
16 bytes from fe80::1%em0, icmp_seq=0 hlim=64 time=0.100 ms
16 bytes from fe80::2%em0, icmp_seq=0 hlim=64 time=0.250 ms(DUP!)
ping6: sendmsg: No buffer space available
16 bytes from fe80::1%em0, icmp_seq=1 hlim=64 time=0.300 ms

--- ff02::1%em0 ping6 statistics ---
4 packets transmitted, 2 packets received, +1 duplicates, 50.0% packet loss, 1 packets out of wait time
round-trip min/avg/max/std-dev = 0.100/0.200/0.300/0.100 ms
"""
ANDROID = """\
Ping 10.0.0.2 (10.0.0.2): 56(84) bytes.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.100 ms
64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.300 ms

--- 10.0.0.2 ping statistics ---
4 packets transmitted, 2 received, 50% packet loss
round-trip min/avg/max = 0.100/0.200/0.300 ms
"""
GO = """\
PING far (10.0.0.2):
24 bytes from 10.0.0.2: icmp_seq=0 time=100µs ttl=64
24 bytes from 10.0.0.2: icmp_seq=1 time=300µs ttl=64

--- far ping statistics ---
4 packets transmitted, 2 packets received, 0 duplicates, 50% packet loss
round-trip min/avg/max/stddev = 100µs/200µs/0.3ms/100µs
"""
FRENCH = """\
PING 10.0.0.2 (10.0.0.2) 56(84) octets de données.
64 octets de 10.0.0.2 : icmp_seq=1 ttl=64 temps=0.100 ms
64 octets de 10.0.0.2 : icmp_seq=2 ttl=64 temps=0.300 ms

--- statistiques ping 10.0.0.2 ---
4 paquets transmis, 2 reçus, +1 erreurs, 50 % paquets perdus, temps 3004 ms
rtt min/moy/max/mdev = 0.100/0.200/0.300/0.100 ms, tuyau 3
"""
UKRAINIAN = """\
PING 10.0.0.2 (10.0.0.2) 56(84) байтів даних.
64 байтів з 10.0.0.2: icmp_seq=1 ttl=64 час=0.100 мс
64 байтів з 10.0.0.2: icmp_seq=2 ttl=64 час=0.300 мс

--- Статистика луна-імпульсів 10.0.0.2 ---
Передано 4 пакетів, отримано 2, втрачено 50% пакетів, час 3004 мс
rtt мін/сер/макс/mdev = 0.100/0.200/0.300/0.100 мс
"""
CHINESE = """\
PING 10.0.0.2 (10.0.0.2) 56(84) 比特的数据。
64 比特，来自 10.0.0.2: icmp_seq=1 ttl=64 时间=0.100 毫秒
64 比特，来自 10.0.0.2: icmp_seq=2 ttl=64 时间=0.300 毫秒

--- 10.0.0.2 ping 统计 ---
已发送 4 个包， 已接收 2 个包, 50% packet loss, time 3004ms
rtt min/avg/max/mdev = 0.100/0.200/0.300/0.100 ms
"""
JAPANESE = """\
PING 10.0.0.2 (10.0.0.2) 56(84) バイトのデータ
64 バイト応答 送信元 10.0.0.2: icmp_seq=1 ttl=64 時間=0.100ミリ秒
64 バイト応答 送信元 10.0.0.2: icmp_seq=2 ttl=64 時間=0.300ミリ秒

--- 10.0.0.2 ping 統計 ---
送信パケット数 4, 受信パケット数 2, 50% packet loss, time 3004ms
rtt min/avg/max/mdev = 0.100/0.200/0.300/0.100 ms
"""
JSON = """\
{"bytes": 64, "host": "10.0.0.2", "seq": 1, "ttl": 64, "time": "0.100" }
{"bytes": 64, "host": {"arg": "far", "ip": "10.0.0.2"}, "seq": 2, "ttl": 64, "time": "0.300"}
{"transmitted": 4, "received": 2, "duplicates": 0, "corrupted": 0, "errors": 0, "loss": 50, "time": 3004, \
"rtt": {"min": "0.100", "avg": "0.200", "max": "0.300", "mdev": "0.100"}, "pipe": 2, }
"""
ESP = """\
64 bytes from 10.0.0.2 icmp_seq=1 ttl=64 time=0.1 ms
From 10.0.0.2 icmp_seq=2 timeout
64 bytes from 10.0.0.2 icmp_seq=3 ttl=64 time=0.3 ms
From 10.0.0.2 icmp_seq=4 timeout

--- 10.0.0.2 ping statistics ---
4 packets transmitted, 2 received, 50% packet loss, time 4ms
"""
CISCO = """\
R1#ping 10.0.0.2 repeat 4
Type escape sequence to abort.
Sending 4, 100-byte ICMP Echos to 10.0.0.2, timeout is 2 seconds:
.!.!
Success rate is 50 percent (2/4), round-trip min/avg/max = 10/20/30 ms
"""
WINDOWS = """\
Pinging far [10.0.0.2] with 32 bytes of data:
Reply from 10.0.0.2: bytes=32 time=10ms TTL=64
Request timed out.
Reply from 10.0.0.2: bytes=32 time=30ms TTL=64
Request timed out.

Ping statistics for 10.0.0.2:
    Packets: Sent = 4, Received = 2, Lost = 2 (50% loss),
Approximate round trip times in milli-seconds:
    Minimum = 10ms, Maximum = 30ms, Average = 20ms
"""
GERMAN_WINDOWS = """\
Ping wird ausgeführt für 10.0.0.2 mit 32 Bytes Daten:
Antwort von 10.0.0.2: Bytes=32 Zeit=10ms TTL=64
Antwort von 10.0.0.2: Bytes=32 Zeit=30ms TTL=64

Ping-Statistik für 10.0.0.2:
    Pakete: Gesendet = 4, Empfangen = 2, Verloren = 2
    (50% Verlust),
Ca. Zeitangaben in Millisek.:
    Minimum = 10ms, Maximum = 30ms, Mittelwert = 20ms
"""
CHINESE_WINDOWS = """\
正在 Ping 10.0.0.2 具有 32 字节的数据:
来自 10.0.0.2 的回复: 字节=32 时间=10ms TTL=64
来自 10.0.0.2 的回复: 字节=32 时间=30ms TTL=64

10.0.0.2 的 Ping 统计信息:
    数据包: 已发送 = 4，已接收 = 2，丢失 = 2 (50% 丢失)，
往返行程的估计时间(以毫秒为单位):
    最短 = 10ms，最长 = 30ms，平均 = 20ms
"""
RUSSIAN_WINDOWS = """\
Обмен пакетами с 10.0.0.2 по с 32 байтами данных:
Ответ от 10.0.0.2: число байт=32 время=10мс TTL=64
Ответ от 10.0.0.2: число байт=32 время=30мс TTL=64

Статистика Ping для 10.0.0.2:
    Пакетов: отправлено = 4, получено = 2, потеряно = 2
    (50% потерь)
Приблизительное время приема-передачи в мс:
    Минимальное = 10мсек, Максимальное = 30 мсек, Среднее = 20 мсек
"""
ITALIAN_WINDOWS = """\
Esecuzione di Ping 10.0.0.2 con 32 byte di dati:
Risposta da 10.0.0.2: byte=32 durata=10ms TTL=64
Risposta da 10.0.0.2: byte=32 durata=30ms TTL=64

Statistiche Ping per 10.0.0.2:
    Pacchetti: Trasmessi = 4, Ricevuti = 2,
    Persi = 2 (50% persi),
Tempo approssimativo percorsi andata/ritorno in millisecondi:
    Minimo = 10ms, Massimo =  30ms, Medio =  20ms
"""


def read(text: str, encoding: str = "utf-8"):
    raw = text.encode(encoding)
    assert measurements.detect(raw) == "ping"
    return measurements.read("ping", raw)


def values(text: str, encoding: str = "utf-8") -> dict[str, float]:
    (found,) = read(text, encoding)
    assert found.status == "ok", found.reason
    return {f"{s.metric}.{s.stat}".removesuffix(".value"): s.value for s in found.samples}


@pytest.mark.parametrize(
    "text", [IPUTILS, GERMAN, FRENCH, UKRAINIAN, CHINESE, JAPANESE, SOLARIS, BSD6, ANDROID, GO, JSON, ESP]
)
def test_every_ping_says_the_same(text):
    assert (
        values(text).items()
        >= {
            "total_packets": 4.0,
            "lost_packets": 2.0,
            "loss_ratio": 0.5,
            "rtt_s.min": pytest.approx(100e-6),
            "rtt_s.mean": pytest.approx(200e-6),
            "rtt_s.max": pytest.approx(300e-6),
            "rtt_s.p50": pytest.approx(100e-6),
        }.items()
    )


@pytest.mark.parametrize("text", [WINDOWS, GERMAN_WINDOWS, CHINESE_WINDOWS, RUSSIAN_WINDOWS, ITALIAN_WINDOWS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_windows_says_it_in_any_language(text, encoding):
    assert values(text, encoding) == {
        "total_packets": 4.0,
        "lost_packets": 2.0,
        "loss_ratio": 0.5,
        "rtt_s.min": pytest.approx(10e-3),
        "rtt_s.mean": pytest.approx(20e-3),
        "rtt_s.max": pytest.approx(30e-3),
        "rtt_s.p50": pytest.approx(10e-3),
    }


def test_windows_counts_an_unreachable_host_as_an_answer_and_cnilab_does_not():
    said = "Reply from 10.0.0.1: Destination host unreachable."
    counts = "Sent = 4, Received = 4, Lost = 0 (0% loss)"
    text = WINDOWS.replace("Request timed out.", said).replace(
        "Sent = 4, Received = 2, Lost = 2 (50% loss)", counts
    )
    (found,) = read(text)
    assert found.samples[0].value == 0.5
    assert found.notes == ("unreachable_counted_as_received",)
    text = f"Pinging 10.0.0.2 with 32 bytes of data:\n{said}\n\nPing statistics for 10.0.0.2:\n    Packets: Sent = 1, "
    (found,) = read(text + "Received = 1, Lost = 0 (0% loss),\n")
    assert found.reason == "no reply to any of 1 packets: Destination host unreachable"


def test_less_than_a_millisecond_is_no_time_on_windows():
    text = WINDOWS.replace("time=10ms", "time<1ms").replace("Minimum = 10ms", "Minimum = 0ms")
    (found,) = read(text)
    assert {s.stat for s in found.samples if s.metric == "rtt_s"} == {"max", "mean"}
    assert found.notes == ("below_resolution",)


def test_windows_answers_of_several_hosts_and_of_none():
    lost = WINDOWS.replace("Received = 2, Lost = 2 (50% loss)", "Received = 0, Lost = 4 (100% loss)")
    lost = "\n".join(line for line in lost.split("\n") if "Reply" not in line).partition("Approx")[0]
    ok, none, unknown = read(
        f"{WINDOWS}\n{lost}\nPing request could not find host far. Please check the name.\n"
    )
    assert (ok.status, none.reason) == ("ok", "no reply to any of 4 packets")
    assert unknown.reason == "Ping request could not find host far. Please check the name."
    (impossible,) = read(WINDOWS.replace("Lost = 2", "Lost = 1"))
    assert impossible.reason == "4 packets sent are not 2 received and 1 lost"


@pytest.mark.parametrize(
    "margin",
    ["> ", "\t", "[1893456000.123456] ", "Mon Jan  1 00:00:00 UTC 2031: ", "2031-01-01T00:00:00.5Z "],
)
def test_what_was_put_before_each_line_changes_nothing(margin):
    assert values("".join(margin + line for line in IPUTILS.splitlines(keepends=True))) == values(IPUTILS)


def test_the_last_line_of_each_run_is_enough_for_its_times():
    times = IPUTILS.splitlines(keepends=True)[-1]
    first, second = read(times + times.replace("0.100/", "0.150/", 1))
    assert first.samples[0].value == pytest.approx(100e-6)
    assert second.samples[0].value == pytest.approx(150e-6)
    counts = IPUTILS.splitlines(keepends=True)[-2]
    first, second = read((counts + times) * 2)
    assert len(first.samples) == len(second.samples) == 7


def test_answers_without_times_tell_the_loss():
    text = "".join(line for line in IPUTILS.splitlines(keepends=True) if not line.startswith("rtt"))
    (found,) = read(text.replace(" time=0.100 ms", "").replace(" time=0.300 ms", ""))
    assert {s.metric for s in found.samples} == {"total_packets", "loss_ratio", "lost_packets"}
    assert found.notes == ("no_times",)


def test_an_error_among_the_replies_is_not_the_result_and_without_replies_it_is_the_reason():
    said = "ping: sendmsg: No buffer space available\n"
    assert values(IPUTILS.replace("\n\n---", f"\n{said}\n---")) == values(IPUTILS)
    head, tail = IPUTILS.splitlines(keepends=True)[0], IPUTILS.splitlines(keepends=True)[3:6]
    lost = "".join(tail).replace("2 received, 50%", "0 received, +4 errors, 100%")
    (found,) = read(f"{head}From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n{lost}")
    assert found.reason == "no reply to any of 4 packets: Destination Host Unreachable"
    (found,) = read(f"{head}{said}{lost}")
    assert found.reason == "no reply to any of 4 packets: sendmsg: No buffer space available"
    (found,) = read("ping: Warning: source address might be selected on device other than: eth0\n" + IPUTILS)
    assert found.status == "ok"


def test_more_answers_than_packets_leave_the_loss_unsaid():
    text = IPUTILS.replace("4 packets transmitted, 2 received, 50% packet loss, time 3004ms",
                           "1 packets transmitted, 2 packets received, -- somebody's printing up packets!")  # fmt: skip
    assert "loss_ratio" not in values(text)
    assert values(text)["rtt_s.mean"] == pytest.approx(200e-6)


@pytest.mark.parametrize(
    "text", ["Time = 12ms, Speed = 14ms\n", "seq=3 of 7 ms\n", "Jobs: Sent = 4, Done = 4, Failed = 0 (0%)\n"]
)
def test_other_texts_are_not_ping(text):
    assert measurements.detect(text.encode()) is None
    with pytest.raises(ParseError):
        measurements.read("ping", text.encode())


def test_what_other_programs_say_around_it_is_not_pings():
    others = "fping: invalid option\nconnect: Connection refused\nseq=3 took=5 ms\n5 files done, 3 good, 60% of all\n"
    assert values(others + IPUTILS + "\n".join(others.split("\n"))) == values(IPUTILS)


@pytest.mark.parametrize("text", [JSON, ESP, CISCO])
def test_runs_without_a_first_line_end_where_the_next_begins(text):
    first, second = read(text * 2)
    assert first.samples == second.samples
    assert first.line != second.line


def test_cisco_tells_the_loss_and_the_times_in_one_line():
    assert values(CISCO) == {
        "total_packets": 4.0,
        "lost_packets": 2.0,
        "loss_ratio": 0.5,
        "rtt_s.min": pytest.approx(10e-3),
        "rtt_s.mean": pytest.approx(20e-3),
        "rtt_s.max": pytest.approx(30e-3),
    }
    (found,) = read("Success rate is 0 percent (0/5)\n")
    assert found.reason == "no reply to any of 5 packets"


def test_json_that_is_cut_or_tells_an_error():
    (found,) = read(JSON[: JSON.index('"mdev"')])
    assert found.reason == "no statistics: the output was cut short"
    (found,) = measurements.read("ping", b'{"error": ["connect", "Network is unreachable"]}\n')
    assert found.reason == "connect: Network is unreachable"


def test_a_time_printed_as_zero_is_below_what_the_ping_can_print():
    text = SOLARIS.replace("time=0.100 ms", "time=0. ms").replace("time=0.300", "time=2.")
    (found,) = read(text.replace("min/avg/max/stddev = 0.100/0.200/0.300/0.100", "min/avg/max = 0/1/2"))
    assert {s.stat: s.value for s in found.samples if s.metric == "rtt_s"} == {"mean": 1e-3, "max": 2e-3}
    assert found.notes == ("below_resolution",)
    (found,) = read(
        ANDROID.replace("0.100/0.200/0.300", "0/0/0").replace("=0.100", "=0").replace("=0.300", "=0")
    )
    assert {s.metric for s in found.samples} == {"total_packets", "loss_ratio", "lost_packets"}


@pytest.mark.parametrize("head", ["HPING far (eth0 10.0.0.2): S set, 40 headers + 0 data bytes", "ARPING 10.0.0.2",
                                  "PING far:80 (/):"])  # fmt: skip
def test_what_ends_like_ping_but_sends_no_echoes_is_not_read(head):
    others = f"{head}\n\n" + "".join(IPUTILS.splitlines(keepends=True)[-3:])
    with pytest.raises(ParseError, match="other packets than echoes"):
        measurements.read("ping", others.encode())
    assert values(others + IPUTILS + others) == values(IPUTILS)


def test_psping_has_decimals_and_its_answers_are_no_complaints():
    text = WINDOWS.replace("bytes=32 time=10ms TTL=64", "0.70ms").replace(
        "bytes=32 time=30ms TTL=64", "0.90ms"
    )
    found = values(
        text.replace("= 10ms", "= 0.70ms").replace("= 30ms", "= 0,90ms").replace("= 20ms", "= 0.80ms")
    )
    assert found["loss_ratio"] == 0.5
    assert [found[f"rtt_s.{stat}"] for stat in ("min", "mean", "max")] == pytest.approx(
        [0.7e-3, 0.8e-3, 0.9e-3]
    )


def test_the_reason_of_a_silent_host_may_hold_numbers_and_be_in_any_language():
    head, *tail = IPUTILS.splitlines(keepends=True)
    lost = "".join(tail[3:5]).replace("2 received, 50%", "0 received, +4 errors, 100%")
    for said in ("Frag needed and DF set (mtu = 1450)", "目的のホストへ届きません"):
        (found,) = read(f"{head}From 10.0.0.1 icmp_seq=1 {said}\n{lost}")
        assert found.reason == f"no reply to any of 4 packets: {said}"


@pytest.mark.parametrize(
    "said",
    [
        "Antwoord van 10.0.0.1: De bestemmingshost is onbereikbaar.",
        "10.0.0.1의 응답: 대상 호스트에 연결할 수 없습니다.",
    ],
)
def test_windows_says_unreachable_in_any_language(said):
    text = WINDOWS.replace("Request timed out.", said).replace(
        "Sent = 4, Received = 2, Lost = 2 (50% loss)", "Sent = 4, Received = 4, Lost = 0 (0% loss)"
    )
    assert values(text) == values(WINDOWS)


def test_windows_does_not_find_a_host_in_any_language():
    for said in (
        "La solicitud de ping no pudo encontrar el host far. Compruebe",
        "Ping 请求找不到主机 far。请检查",
    ):
        (found,) = read(f"{said}\n")
        assert found.reason == said
