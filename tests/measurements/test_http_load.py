"""The HTTP load generators as users keep their output: other versions and options, failed runs, logs around them.

Every text here was written for the test, after the form the program prints.
"""

from __future__ import annotations

import json

import pytest
from invariants import read

from cnilab import measurements
from cnilab.errors import ParseError

WRK = """\
Running 30s test @ http://10.0.0.7:8080/
  2 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.50ms  410.00us   9.75ms   81.00%
    Req/Sec     1.61k   120.00     1.90k    70.00%
  96000 requests in 30.00s, 12.00MB read
Requests/sec:   3200.00
Transfer/sec:    409.60KB
"""
WRK_VALUES = {
    ("request_rate_per_s", "value"): 3200.0,
    ("latency_s", "mean"): 2.5e-3,
    ("latency_s", "max"): 9.75e-3,
    ("goodput_bps", "value"): 409.6 * 1024 * 8,
}
AB = """\
Server Software:        own/1
Server Hostname:        10.0.0.7
Server Port:            80

Document Path:          /
Document Length:        512 bytes

Concurrency Level:      5
Time taken for tests:   2.500000 seconds
Complete requests:      500
Failed requests:        40
   (Connect: 0, Length: 40, Exceptions: 0)
Write errors:           0
Total transferred:      320000 bytes
HTML transferred:       256000 bytes
Requests per second:    200.00 [#/sec] (mean)
Time per request:       25.000 [ms] (mean)
Time per request:       5.000 [ms] (mean, across all concurrent requests)
Transfer rate:          125.00 [Kbytes/sec] received

Connection Times (ms)
              min  mean[+/-sd] median   max
Total:          9   25   3.0     24      61
"""
AB_HTML = """\
Finished 500 requests
<p>
 This is ApacheBench, Version 2.3 <i>&lt;$Revision: 1 $&gt;</i><br>
</p>
<table >
<tr ><th colspan=2 bgcolor=white>Time taken for tests:</th><td colspan=2 bgcolor=white>2.500 seconds</td></tr>
<tr ><th colspan=2 bgcolor=white>Complete requests:</th><td colspan=2 bgcolor=white>500</td></tr>
<tr ><th colspan=2 bgcolor=white>Failed requests:</th><td colspan=2 bgcolor=white>0</td></tr>
<tr ><th colspan=2 bgcolor=white>Total transferred:</th><td colspan=2 bgcolor=white>320000 bytes</td></tr>
<tr ><th colspan=2 bgcolor=white>Requests per second:</th><td colspan=2 bgcolor=white>200.00</td></tr>
<tr ><th colspan=2 bgcolor=white>Transfer rate:</th><td colspan=2 bgcolor=white>{rate} kb/s received</td></tr>
<tr ><th bgcolor=white>&nbsp;</th> <th bgcolor=white>min</th>   <th bgcolor=white>avg</th></tr>
<tr ><th bgcolor=white>Total:</th><td bgcolor=white>    9</td><td bgcolor=white>   25</td><td>   61</td></tr>
</table>
"""
HEY = """\
Summary:
  Total:\t4.0000 secs
  Slowest:\t0.0900 secs
  Fastest:\t0.0010 secs
  Average:\t0.0200 secs
  Requests/sec:\t250.0000

Response time histogram:
  0.001 [1]\t|

Latency distribution:
  50% in 0.0190 secs
  99% in 0.0800 secs

Status code distribution:
  [200]\t900 responses
  [503]\t60 responses

Error distribution:
  [40]\tGet "http://10.0.0.7/": context deadline exceeded
"""
HEY_VALUES = {
    ("request_rate_per_s", "value"): 250.0,
    ("latency_s", "mean"): 0.02,
    ("latency_s", "p99"): 0.08,
    ("error_ratio", "value"): 0.1,
}
FORTIO = """\
Fortio 1.60.1 running at 40 queries per second, 4->4 procs, for 2s: http://10.0.0.7/
Starting at 40 qps with 4 thread(s) [gomax 4] for 2s : 20 calls each (total 80)
Ended after 1m2.5s : 80 calls. qps=1.28
Sleep times : count 76 avg 0.1 +/- 0.01 min 0.08 max 0.12 sum 7.6
Aggregated Function Time : count 80 avg 0.004 +/- 0.001 min 0.002 max 0.009 sum 0.32
# range, mid point, percentile, count
>= 0.002 <= 0.009 , 0.0055 , 100.00, 80
# target 50% 0.0038
# target 99.9% 0.0089
Error cases : count 20 avg 0.5 +/- 0.1 min 0.4 max 0.6 sum 10
# target 50% 0.5
Sockets used: 24 (for perfect keepalive, would be 4)
Code 200 : 60 (75.0 %)
Code 503 : 20 (25.0 %)
All done 80 calls (plus 4 warmup) 4.000 ms avg, 1.3 qps
"""
FORTIO_VALUES = {
    ("request_rate_per_s", "value"): 1.28,
    ("latency_s", "mean"): 0.004,
    ("latency_s", "p50"): 0.0038,
    ("latency_s", "p999"): 0.0089,
    ("error_ratio", "value"): 0.25,
}
FORTIO_JSON = {
    "RunType": "HTTP",
    "ActualQPS": 30.0,
    "ActualDuration": 2_000_000_000,
    "DurationHistogram": {"Count": 60, "Min": 0.1, "Max": 0.3, "Avg": 0.2, "Percentiles": []},
    "RetCodes": {"200": 60},
}
VEGETA = """\
Requests      [total, rate, throughput]  600, 60.00, 54.00
Duration      [total, attack, wait]      1m10.5s, 1m10s, 500ms
Latencies     [mean, 50, 95, 99, max]    3.5ms, 3ms, 9ms, 20ms, 1.2s
Success       [ratio]                    90.00%
Status Codes  [code:count]               200:540  503:60
Error Set:
503 Service Unavailable
"""
VEGETA_VALUES = {
    ("request_rate_per_s", "value"): 54.0,
    ("offered_rate_per_s", "value"): 60.0,
    ("latency_s", "p50"): 3e-3,
    ("latency_s", "max"): 1.2,
    ("error_ratio", "value"): 0.1,
}
VEGETA_CSV = """\
1700000000000000000,200,2000000,0,5,,aGVsbG8=,1,,GET,http://10.0.0.7/,
1700000001000000000,200,4000000,0,5,,aGVsbG8=,0,,GET,http://10.0.0.7/,
1700000002000000000,0,1000000,0,0,"dial tcp: refused, ""so"" it said",,2,,GET,http://10.0.0.7/,
"""
BOMBARDIER = """\
Bombarding http://10.0.0.7:80 for 1m0s using 50 connection(s)
[=======================================] 1m0sDone!
Statistics        Avg      Stdev        Max
  Reqs/sec      8000.00     250.50    9100.00
  Latency        6.00ms   900.00us      1.50s
  Latency Distribution
     50%     5.50ms
     99%    12.00ms
  HTTP codes:
    1xx - 0, 2xx - 450, 3xx - 0, 4xx - 30, 5xx - 10
    others - 10
  Errors:
    dial tcp 10.0.0.7:80: i/o timeout - 10
  Throughput:     2.50MB/s
"""
BOMBARDIER_VALUES = {
    ("request_rate_per_s", "value"): 8000.0,
    ("latency_s", "mean"): 6e-3,
    ("latency_s", "max"): 1.5,
    ("latency_s", "p99"): 12e-3,
    ("total_bps", "value"): 2.5 * 2**20 * 8,
    ("error_ratio", "value"): 0.1,
}
BOMBARDIER_JSON = {
    "spec": {"numberOfConnections": 2},
    "result": {"bytesRead": 0, "timeTakenSeconds": 1.0, "req2xx": 0, "others": 7, "rps": {"mean": 900.0}}
    | {"errors": [{"description": "dial tcp: connection refused", "count": 7}]},
}


def stamped(text: str) -> str:
    return "".join(f"2031-04-05T06:07:08.1234567Z {line}" for line in text.splitlines(keepends=True))


def composed(text: str) -> str:
    return (
        "".join(f"load-1  | {line}" for line in text.splitlines(keepends=True))
        + "load-1 exited with code 0\n"
    )


def quoted(text: str) -> str:
    return "".join(f"> {line}" for line in text.splitlines(keepends=True))


def indented(text: str) -> str:
    return "\n".join(f"\t    {line}" for line in text.splitlines()) + "\n"


WHOLE = [
    ("wrk", WRK, WRK_VALUES),
    ("hey", HEY, HEY_VALUES),
    ("fortio", FORTIO, FORTIO_VALUES),
    ("vegeta", VEGETA, VEGETA_VALUES),
    ("bombardier", BOMBARDIER, BOMBARDIER_VALUES),
    (
        "ab",
        "This is ApacheBench, Version 2.0.40-dev <$Revision: 1 $> apache-2.0\n" + AB,
        {
            ("request_rate_per_s", "value"): 200.0,
            ("latency_s", "mean"): 0.025,
            ("latency_s", "max"): 0.061,
            ("goodput_bps", "value"): 125 * 1024 * 8,
            ("error_ratio", "value"): 0.0,
        },
    ),
]


def values(found) -> list[dict]:
    return [{(s.metric, s.stat): s.value for s in r.samples} or r.reason for r in found]


@pytest.mark.parametrize("around", [str, stamped, composed, quoted, indented])
@pytest.mark.parametrize(("tool", "text", "expected"), WHOLE, ids=[w[0] for w in WHOLE])
def test_what_stands_before_the_lines_changes_nothing(tool, text, expected, around):
    raw = around(text).encode()
    assert measurements.detect(raw) == tool
    (found,) = values(read(tool, raw))
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("tool", "text", "expected"), WHOLE, ids=[w[0] for w in WHOLE])
def test_results_one_after_the_other_are_as_many(tool, text, expected):
    found = values(read(tool, (text + "\n$ again\n" + text).encode()))
    assert len(found) == 2
    assert found[0] == found[1]


ODD = {
    "wrk without its first line": ("wrk", WRK.split("\n", 1)[1], [WRK_VALUES]),
    "wrk whose one latency is rounded both ways": (
        "wrk",
        WRK.replace("2.50ms  410.00us   9.75ms", "1.04ms    0.00us   1.03ms"),
        [{("latency_s", "mean"): 1.04e-3}],
    ),
    "wrk's last lines, twice": (
        "wrk",
        2 * WRK[WRK.index("requests in") - 5 :].lstrip("\n"),
        2 * [{key: WRK_VALUES[key] for key in WRK_VALUES if key[0] in ("request_rate_per_s", "goodput_bps")}],
    ),
    "wrk that had no answer": (
        "wrk",
        "Running 1s test @ http://h/\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n"
        "    Latency     -nanus    -nanus   0.00us    0.00%\n  0 requests in 1.00s, 0.00B read\n"
        "  Socket errors: connect 0, read 31, write 0, timeout 0\nRequests/sec:      0.00\n",
        ["no request was answered; Socket errors: connect 0, read 31, write 0, timeout 0"],
    ),
    "wrk refused twice": (
        "wrk",
        "unable to connect to h:1 Connection refused\nunable to connect to h:2 Connection refused\n",
        ["unable to connect to h:1 Connection refused", "unable to connect to h:2 Connection refused"],
    ),
    "wrk without a name": (
        "wrk",
        "unable to resolve h:80 Name or service not known\n",
        ["unable to resolve h:80"],
    ),
    "wrk called wrongly": (
        "wrk",
        "number of connections must be >= threads\nUsage: wrk <options> <url>   \n  Options:\n",
        ["number of connections must be >= threads"],
    ),
    "wrk whose script stops it": (
        "wrk",
        "Running 1s test @ http://h/\nPANIC: unprotected error in call to Lua API (a.lua:3: nil)\n",
        ["PANIC: unprotected error in call to Lua API (a.lua:3: nil)"],
    ),
    "ab -S": (
        "ab",
        AB.replace("min  mean[+/-sd] median   max", "min   avg   max").replace(
            "25   3.0     24      61", "25    61"
        ),
        [{("latency_s", "max"): 0.061, ("latency_s", "min"): 0.009}],
    ),
    "ab without a name": (
        "ab",
        "This is ApacheBench, Version 2.3 <$Revision: 1 $>\n"
        "Benchmarking h (be patient)...apr_sockaddr_info_get() for h: Name or service not known (670002)\n",
        ["apr_sockaddr_info_get() for h: Name or service not known (670002)"],
    ),
    "ab called wrongly": (
        "ab",
        "/usr/bin/ab: Cannot use concurrency level greater than total number of requests\nUsage: ab [options]\n",
        ["ab: Cannot use concurrency level greater than total number of requests"],
    ),
    "ab of 1.3, without its first line": (
        "ab",
        "Document Path:          /\nConcurrency Level:      5\nTime taken for tests:   2.500 seconds\n"
        "Complete requests:      500\nFailed requests:        0\nTotal transferred:      320000 bytes\n"
        "Requests per second:    200.00\nTransfer rate:          128.00 kb/s received\n\n"
        "Connnection Times (ms)\n              min   avg   max\nTotal:          9    25    61\n",
        [{("request_rate_per_s", "value"): 200.0, ("goodput_bps", "value"): 128000 * 8}],
    ),
    "ab that had no answer in its time": (
        "ab",
        "Benchmarking h (be patient)\nTime taken for tests:   3.000 seconds\nComplete requests:      0\n",
        ["no request was answered"],
    ),
    "ab called wrongly on Windows": (
        "ab",
        "abs.exe: invalid URL\nUsage: abs.exe [options]\n",
        ["abs.exe: invalid URL"],
    ),
    "hey before it was hey": ("hey", HEY.replace(" secs", " secs."), [HEY_VALUES]),
    "hey with errors for answers": (
        "hey",
        HEY.replace("[200]\t900", "[500]\t900"),
        [{("request_rate_per_s", "value"): 250.0, ("error_ratio", "value"): 1.0}],
    ),
    "hey refused": (
        "hey",
        HEY.replace("0.0200", " NaN").replace("  [200]\t900 responses\n  [503]\t60 responses\n", ""),
        ['Get "http://10.0.0.7/": context deadline exceeded'],
    ),
    "old hey refused": (
        "hey",
        "\nError distribution:\n  [9]\tGet http://h/: refused\n",
        ["Get http://h/: refused"],
    ),
    "hey called wrongly": (
        "hey",
        "-n cannot be less than -c.\n\nUsage: hey [options...] <url>\n",
        ["-n cannot be less than -c."],
    ),
    "old hey's rows": (
        "hey",
        "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read\n"
        "0.0100,0.0001,0.0000,0.0000,0.0090,0.0000\n0.0300,0.0001,0.0000,0.0000,0.0090,0.0000\n",
        [{("latency_s", "mean"): 0.02, ("latency_s", "max"): 0.03}],
    ),
    "fortio refused": (
        "fortio",
        FORTIO.split("\n", 1)[0] + "\nAborting because of error -1 for http://10.0.0.7/ (0 bytes)\n",
        ["Aborting because of error -1 for http://10.0.0.7/ (0 bytes)"],
    ),
    "fortio whose every connection failed": (
        "fortio",
        json.dumps({**FORTIO_JSON, "RetCodes": {"-1": 60}}),
        ["no request was answered"],
    ),
    "fortio whose every connection failed, printed": (
        "fortio",
        FORTIO.replace("Code 200", "Code  -1").replace("Code 503", "Code  -1"),
        ["no request was answered"],
    ),
    "fortio cut": ("fortio", FORTIO[: FORTIO.index("Sleep")], ["cut short"]),
    "fortio's gRPC": (
        "fortio",
        FORTIO.replace("Code 200", "Ping SERVING").replace("Code 503", "Ping ERROR"),
        [{("error_ratio", "value"): 0.25}],
    ),
    "fortio's two documents below its log": (
        "fortio",
        '{"level":"info","msg":"Starting"}\n' + 2 * (json.dumps(FORTIO_JSON, indent=1) + "\n"),
        2 * [{("request_rate_per_s", "value"): 30.0, ("latency_s", "mean"): 0.2}],
    ),
    "fortio's second document cut": (
        "fortio",
        json.dumps(FORTIO_JSON) + "\n" + json.dumps(FORTIO_JSON)[:90] + "\n",
        [{("request_rate_per_s", "value"): 30.0}, "broken JSON"],
    ),
    "fortio's first document cut, and a list after it": (
        "fortio",
        "[INFO] begins\n"
        + json.dumps(FORTIO_JSON)[:90]
        + "\n"
        + json.dumps([FORTIO_JSON, FORTIO_JSON])
        + "\n",
        ["broken JSON", *2 * [{("request_rate_per_s", "value"): 30.0}]],
    ),
    "vegeta refused": (
        "vegeta",
        VEGETA.replace("54.00", "0.00").replace("90.00%", "0.00%").replace("503 S", "dial tcp: S"),
        ["dial tcp: Service Unavailable"],
    ),
    "vegeta's latencies alone, twice": (
        "vegeta",
        "$ one\n{0}\n$ two\n{0}\n".format(VEGETA.splitlines()[2]),
        2 * [{("latency_s", "p50"): 3e-3, ("latency_s", "max"): 1.2}],
    ),
    "vegeta's interim reports": (
        "vegeta",
        "\x1b[2J\x1b[0;0H" + VEGETA.replace("54.00", "10.00") + "\x1b[2J\x1b[0;0H" + VEGETA + VEGETA,
        [VEGETA_VALUES],
    ),
    "vegeta through PowerShell": ("vegeta", VEGETA.replace("3ms,", "3000┬╡s,"), [VEGETA_VALUES]),
    "vegeta through a code page": ("vegeta", VEGETA.replace("3ms,", "3000\ufffds,"), [VEGETA_VALUES]),
    "vegeta's rows": (
        "vegeta",
        VEGETA_CSV,
        [
            {
                ("latency_s", "max"): 0.004,
                ("error_ratio", "value"): 1 / 3,
                ("request_rate_per_s", "value"): 2 / 2.001,
            }
        ],
    ),
    "bombardier refused": (
        "bombardier",
        BOMBARDIER.replace("2xx - 450", "2xx - 0").replace("4xx - 30, 5xx - 10", "4xx - 0, 5xx - 0"),
        ["dial tcp 10.0.0.7:80: i/o timeout"],
    ),
    "bombardier refused, as JSON behind its bar": (
        "bombardier",
        " 7 / 7  100.00% 9/s" + json.dumps(BOMBARDIER_JSON) + "\n",
        ["dial tcp: connection refused"],
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_other_versions_options_and_failures(what):
    tool, text, expected = ODD[what]
    assert measurements.detect(text.encode()) == tool
    found = values(read(tool, text.encode()))
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected):
        if isinstance(wanted, str):
            assert wanted in one
        else:
            assert {key: one.get(key) for key in wanted} == pytest.approx(wanted)


def test_a_latency_without_a_unit_is_not_dropped_in_silence():
    (found,) = read("wrk", WRK.replace("2.50ms  410.00us   9.75ms", "1500000 1200000 30000000").encode())
    assert "latency_unreadable: Latency " in found.notes[0]
    assert ("latency_s", "mean") not in values([found])[0]


def test_a_rounded_latency_that_crosses_the_mean_is_said():
    (found,) = read("wrk", ODD["wrk whose one latency is rounded both ways"][1].encode())
    assert "max_below_mean_by_rounding" in found.notes
    assert ("latency_s", "max") not in values([found])[0]


def test_answers_that_are_all_errors_are_said_of_ab():
    (found,) = read(
        "ab",
        AB.replace("Write errors:  ", "Non-2xx responses:").replace("   0\nTotal", " 500\nTotal").encode(),
    )
    assert found.notes == ("every_answer_an_error",)


def test_ab_goes_on_after_a_handshake_that_failed():
    for line, notes in (
        ("SSL handshake failed (5).\n", ()),
        ("apr_socket_recv: reset (104)\n", ("stopped_early",)),
    ):
        (found,) = read("ab", ("This is ApacheBench, Version 2.3 <r>\n" + line + AB).encode())
        assert found.notes == notes


def test_vegetas_binary_results_are_named():
    raw = b"\x7f\xff\x81\x03\x01\x01\x06Result\x01\xff\x82\x00\x01\x02\x01\x06Attack\x01\x0c\x00\x01\x04Code\x01\x06\x00"
    assert measurements.detect(raw) == "vegeta"
    with pytest.raises(ParseError, match="first: vegeta encode FILE"):
        measurements.read("vegeta", raw)


@pytest.mark.parametrize("rate", ["128.00", "125.00", "128000.00"])
def test_the_html_of_ab_gives_one_rate_by_whatever_its_kb_are(rate):
    (found,) = values(read("ab", AB_HTML.format(rate=rate).encode()))
    assert found["goodput_bps", "value"] == pytest.approx(128000 * 8)
    assert found["latency_s", "max"] == 0.061


GO_WRK = """\
Running 4s test @ http://10.0.0.7/
  8 goroutine(s) running concurrently
1000 requests in 3.9s, 2.00MB read
Requests/sec:\t\t256.41
Transfer/sec:\t\t525.13KB
Number of Errors:\t40
"""
AUTOCANNON = """\
Running 4s test @ http://10.0.0.7/
8 connections with 2 pipelining factor

│ Latency │ 0 ms │ 0 ms │ 1 ms  │ 2 ms │ 0.02 ms │ 0.16 ms │ 16.45 ms │

1k requests in 4.05s, 113 kB read
"""


@pytest.mark.parametrize(
    "text", [GO_WRK, AUTOCANNON, stamped(GO_WRK), quoted(AUTOCANNON), GO_WRK + AUTOCANNON]
)
def test_programs_that_begin_like_wrk_are_not_taken_for_it(text):
    assert measurements.detect(text.encode()) is None
    with pytest.raises(ParseError, match="not wrk's"):
        measurements.read("wrk", text.encode())


def test_wrk_beside_such_a_program_is_read():
    text = (AUTOCANNON + WRK + GO_WRK).encode()
    assert measurements.detect(text) == "wrk"
    found = values(read("wrk", text))
    assert [isinstance(one, str) for one in found] == [True, False, True]
    assert {key: found[1].get(key) for key in WRK_VALUES} == pytest.approx(WRK_VALUES)


def test_wrk_cut_after_its_second_line_is_a_failure():
    text = "\n".join(WRK.splitlines()[:2]).encode()
    assert measurements.detect(text) == "wrk"
    assert values(read("wrk", text)) == ["no summary: the output was cut short"]


OHA = HEY.replace("Summary:\n", "Summary:\n  Success rate:\t100.00%\n")
GHZ = HEY.replace("Summary:\n", "Summary:\n  Count:\t1000\n").replace("secs", "ms")


@pytest.mark.parametrize("text", [OHA, GHZ, stamped(OHA), indented(GHZ), OHA + GHZ])
def test_programs_that_print_like_hey_are_not_taken_for_it(text):
    assert measurements.detect(text.encode()) is None
    with pytest.raises(ParseError, match="not hey's"):
        measurements.read("hey", text.encode())


def test_hey_beside_such_a_program_is_read():
    found = values(read("hey", (OHA + HEY).encode()))
    assert measurements.detect((OHA + HEY).encode()) == "hey"
    assert "not hey's" in found[0]
    assert found[1]["request_rate_per_s", "value"] == 250.0
