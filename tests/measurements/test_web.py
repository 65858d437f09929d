"""HTTP under load: what was planted in a server is found by the generators, and what a saturated one says stays apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnilab.bench import spelled
from cnilab.errors import ParseError
from cnilab.measurements import Call, pacer, web, wrk
from cnilab.measurements.web import nginx
from cnilab.setup.programs import find
from cnilab.testbeds.lab.testbed import _own

SLOW = Path(__file__).with_name("slow_server.py")


@pytest.fixture
def slow(tmp_path):
    """Start servers with a planted delay; each is ended with the test."""
    servers = []

    def start(delay_s, stall_at=0, stall_s=0.0):
        file = tmp_path / f"port-{len(servers)}"
        argv = [sys.executable, "-I", str(SLOW), str(file), str(delay_s), str(stall_at), str(stall_s)]
        servers.append(subprocess.Popen(argv))
        for _ in range(1000):
            if file.exists() and file.read_text():
                return file.read_text()
            subprocess.run(["sleep", "0.01"], check=True)
        raise AssertionError("the slow server does not listen")

    yield start
    for server in servers:
        server.kill()
        server.wait()


def load(port, rate, seconds, connections, connection="keep"):
    argv = [
        find("pacer"),
        "load",
        "127.0.0.1",
        port,
        "/",
        str(rate),
        str(seconds),
        str(connections),
        connection,
    ]
    done = subprocess.run(list(map(str, argv)), capture_output=True, timeout=20, check=True)
    [reading] = pacer.parse(done.stdout)
    assert reading.status == "ok", reading.reason
    return reading, {(s.metric, s.stat): s.value for s in reading.samples}, json.loads(done.stdout)


@pytest.mark.parametrize("connection", ["keep", "new"])
def test_a_planted_delay_and_capacity_are_found_by_a_closed_loop(slow, connection):
    """Eight connections that each wait 40 ms are answered 200 times a second, and never faster."""
    _, values, said = load(slow(0.04), 0, 0.6, 8, connection)
    assert 0.04 <= values["latency_s", "min"] <= values["latency_s", "p50"] < 0.08
    assert 100 < values["request_rate_per_s", "value"] <= 8 / 0.04
    assert said["latest_send_s"] == 0


def test_below_its_capacity_a_server_is_not_saturated_and_above_it_it_is(slow):
    port = slow(0.02)
    reading, values, _ = load(port, 100, 0.5, 16)
    assert reading.notes == ()
    assert 0.02 <= values["latency_s", "p50"] < 0.04
    assert values["offered_rate_per_s", "value"] == 100
    # Two connections can carry 100 a second; 400 are offered.
    reading, values, said = load(port, 400, 0.3, 2)
    assert [note.partition(":")[0] for note in reading.notes] == ["saturated"]
    assert not [key for key in values if key[0] == "latency_s"], "no latency of a queue that grows"
    assert values["latency_at_least_s", "p50"] > 0.1
    assert said["sent"] <= said["scheduled"] == 120


def test_who_waits_while_a_server_stands_still_is_counted(slow):
    """200 requests a second meet a pause of 0.3 s: sixty wait, though two connections saw but two slow answers."""
    port = slow(0.0, stall_at=20, stall_s=0.3)
    _, _, said = load(port, 200, 0.6, 2)
    slow_since_due = sum(n for low, n in said["from_due_ns"] if low > 0.05e9)
    slow_since_sent = sum(n for low, n in said["from_sent_ns"] if low > 0.05e9)
    assert slow_since_due >= 0.8 * (0.3 - 0.05) * 200
    assert slow_since_sent <= 4


def report(pairs, **said):
    known = {
        "program": "cnilab pacer", "version": "1", "started_at": 1796100458.4, "offered_per_s": 100.0,
        "duration_s": 1.0, "elapsed_s": 1.0, "scheduled": 1000, "answered": 1000, "answered_in_time": 1000,
        "refused": 0, "broken": 0, "bytes": 4000, "connections": 1, "sub_buckets": 256, "from_due_ns": pairs,
    }  # fmt: skip
    return json.dumps(known | said).encode()


def test_quantiles_are_those_of_the_histogram_and_none_is_made_of_what_was_never_answered():
    pairs = [[100, 900], [200, 90], [255, 10]]
    [whole] = pacer.parse(report(pairs))
    latency = {s.stat: s.value for s in whole.samples if s.metric == "latency_s"}
    assert latency["p50"] == pytest.approx((100 + 500 / 900) * 1e-9)
    assert latency["p99"] == pytest.approx(201e-9)
    assert latency["p999"] == pytest.approx(255.9e-9)
    assert (latency["min"], latency["max"]) == pytest.approx((100e-9, 256e-9))
    [lacking] = pacer.parse(report([[100, 900], [200, 88]], answered=988, answered_in_time=988))
    latency = {s.stat: s.value for s in lacking.samples if s.metric == "latency_s"}
    assert latency["p90"] == pytest.approx(101e-9)
    assert not {"p99", "p999", "max"} & set(latency), "they lie among the twelve that were never answered"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        report([[1, 1]])[:-20],
        report([[1, -1]]),
        report([[1]]),
        report([], sub_buckets=0),
        report([], scheduled="many"),
        b"[1]",
    ],
)
def test_what_is_no_whole_report_is_refused(raw):
    with pytest.raises(ParseError):
        pacer.parse(raw)


BOOT = "8f0a3f0e-0000-4000-8000-00000000000{}\ncpu  {} 0 {} {} 0 0 {} {} 7 0\ncpu0 1 0 1 1 0 0 1 0 0 0\n"


def test_cpu_time_is_what_all_machines_were_busy_and_stolen_time_is_nobodys():
    before = BOOT.format(1, 100, 50, 1000, 10, 5) + BOOT.format(2, 0, 0, 0, 0, 0)
    after = BOOT.format(1, 130, 60, 1100, 20, 25) + BOOT.format(2, 50, 0, 50, 0, 0)
    # 30 user + 10 system + 10 softirq of 150 ticks, and 50 of 100 on the other; guests' 7 stand in user's.
    assert web.spent(before, after) == (pytest.approx(1.0), pytest.approx(100 / 250))
    for wrong in ("", BOOT.format(1, 130, 60, 1100, 20, 25), before):
        with pytest.raises(ParseError):
            web.spent(before, wrong)


def test_commands_ask_for_what_the_call_says():
    options = {"body_bytes": "65536", "connection": "new", "tls": "yes"}
    call = Call("http_load", 1.2, streams=8, client_cpu=1, server_cpu=0, options=options)
    assert " ".join(wrk.client_argv(call, "192.0.2.7")) == (
        "taskset -c 1 wrk -t 1 -c 8 -d 2s --latency -H Connection: close https://192.0.2.7:8080/65536"
    )
    server = nginx.server_argv(call)
    assert server[:3] == ["taskset", "-c", "0"]
    assert server[-2:] == ["65536", "yes"]
    argv = spelled(pacer.client_argv(call, "192.0.2.7", 1500, 0.5), _own)
    assert argv[4:] == ["load", "192.0.2.7", "8080", "/65536", "1500.000", "0.5", "8", "new"]
    assert Path(argv[3]).is_file()
