"""fping with the options that change its lines: written by hand after its formats."""

from __future__ import annotations

import pytest

from cnilab import measurements

REPORT = """\
far : [0], 64 bytes, 0.100 ms (0.100 avg, 0% loss)
far : [1], timed out (0.100 avg, 50% loss)
far : [2], 64 bytes, 0.300 ms (0.200 avg, 33% loss)
far : [3], timed out (0.200 avg, 50% loss)

far : xmt/rcv/%loss = 4/2/50%, min/avg/max = 0.100/0.200/0.300
"""
JSON = """\
{"resp": {"host": "far", "seq": 0, "size": 64, "rtt": 0.100}}
{"timeout": {"host": "far", "seq": 1}}
{"intSum": {"time": 7,"host": "far", "xmt": 2, "rcv": 1, "loss": 50, "rttMin": 0.1, "rttAvg": 0.1, "rttMax": 0.1}}
{"resp": {"timestamp": "1893456000.5", "host": "far", "seq": 2, "size": 64, "rtt": 0.300, "ttl": 64}}
{"timeout": {"host": "far", "seq": 3}}
{"summary": {"host": "far", "xmt": 4, "rcv": 2, "loss": 50, "rttMin": 0.100, "rttAvg": 0.200, "rttMax": 0.300}}
{"stats": {"targets": 1, "alive": 1, "rttMin": 0.1, "rttAvg": 0.2, "rttMax": 0.3}}
"""
VALUES = {
    "loss_ratio": 0.5,
    "lost_packets": 2.0,
    "total_packets": 4.0,
    "rtt_s.min": pytest.approx(100e-6),
    "rtt_s.mean": pytest.approx(200e-6),
    "rtt_s.max": pytest.approx(300e-6),
    "rtt_s.p50": pytest.approx(100e-6),
}


def read(text: str):
    assert measurements.detect(text.encode()) == "fping"
    return measurements.read("fping", text.encode())


def values(text: str) -> dict[str, float]:
    (found,) = read(text)
    assert found.status == "ok", found.reason
    return {f"{s.metric}.{s.stat}".removesuffix(".value"): s.value for s in found.samples}


@pytest.mark.parametrize("margin", ["", "    ", "> ", "[1893456000.12345] "])
def test_what_was_put_before_each_line_changes_nothing(margin):
    assert values("".join(margin + line for line in REPORT.splitlines(keepends=True))) == VALUES


@pytest.mark.parametrize("host", ["far (10.0.0.2)", "fe80::2 (fe80::2)   "])
def test_an_address_may_stand_behind_the_name(host):
    assert values(REPORT.replace("far", host)) == VALUES
    (found,) = read(f"{host} : 0.100 - 0.300 -\n")
    assert found.samples[0].value == 0.5
    (found,) = read(f"{host.strip()} is alive (0.250 ms)\n")
    assert found.samples[0].value == 250e-6


@pytest.mark.parametrize("when", ["Tue Jan  1 00:00:00 2030", "2030-01-01T00:00:00+0100", "1893456000.00000"])
def test_a_time_of_any_form_may_stand_before_an_answer(when):
    assert values(REPORT.replace("far : [", f"[{when}] far : [")) == VALUES


@pytest.mark.parametrize(
    "beside", ["(TTL 64) (0.250 ms)", "(0.250 ms) [<- 10.0.0.3]", "(SRC 10.0.0.3) (TOS unknown) (0.250 ms)"]
)
def test_what_else_an_answer_had_is_no_part_of_its_time(beside):
    (found,) = read(f"far is alive {beside}\n")
    assert {s.value for s in found.samples} == {250e-6}


def test_an_outage_stands_between_loss_and_times():
    assert values(REPORT.replace("50%, min", "50%, outage(ms) = 40, min")) == VALUES
    (found,) = read("far : xmt/rcv/%loss = 4/0/100%, outage(ms) = 80\n")
    assert found.reason == "no reply to any of 4 packets"


def test_json_says_the_same():
    assert values(JSON) == VALUES
    ((found),) = read('{"vSum": {"host": "far", "values": [0.100, null, 0.300, null]}}\n')
    assert {s.value for s in found.samples} >= {0.5, 2.0, 4.0}
    (found,) = read('{"warning": {"host": "far", "message": "Name or service not known"}}\n')
    assert found.reason == "far: Name or service not known"


def test_json_that_is_cut_has_no_summary():
    (found,) = read(JSON[: JSON.index('"rttAvg": 0.200')])
    assert found.reason == "no summary for far: the output was cut short"


def test_the_time_of_one_answer_and_hosts_without_any():
    timed, dead, unknown = read(
        "near is alive (0.250 ms)\nfar is unreachable\nfarther: Name or service not known\n"
    )
    assert {s.value for s in timed.samples} == {250e-6}
    assert (dead.status, dead.reason) == ("failed", "far is unreachable")
    assert (unknown.status, unknown.reason) == ("failed", "farther: Name or service not known")
    (found, _) = read("near is alive\nfar is unreachable\n")
    assert (found.status, found.reason) == ("skipped", "near is alive, and no time was printed")


def test_a_name_and_a_number_are_no_row_of_times():
    found = read("requests: 12.5\n" + REPORT + '"mean": 3.5\n')
    assert len(found) == 1
