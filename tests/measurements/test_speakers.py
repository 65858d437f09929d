"""Several speakers in one log are told apart; a table, a list and one speaker are left alone."""

from __future__ import annotations

import pytest

from cnilab import measurements
from cnilab.measurements.reading import speakers

A = [
    "Running 10s test @ http://10.0.0.1/",
    "  2 threads and 10 connections",
    "Requests/sec: 1.0",
    "Transfer/sec: 2.0B",
]
B = [line.replace("10.0.0.1", "10.0.0.2") for line in A]

FORMS = {
    "kubectl": ("[pod/client-a/bench] ", "[pod/client-b/bench] "),
    "compose": ("client-a-1  | ", "client-b-1  | "),
    "compose with times": ("client-a-1  | 2026-01-01T10:00:00.5Z ", "client-b-1  | 2026-01-01T10:00:00.6Z "),
    "stern": ("client-a-6d9 bench ", "client-b-7f1 bench "),
    "kail": ("default/client-a[bench]: ", "default/client-b[bench]: "),
    "syslog": ("Jan  2 10:00:00 node1 bench[1]: ", "Jan  2 10:00:00 node2 bench[2]: "),
    "syslog of today": (
        "2026-01-02T10:00:00.1+01:00 node1 bench[1]: ",
        "2026-01-02T10:00:00.1+01:00 node1 bench[2]: ",
    ),
    "pdsh": ("node1: ", "node2: "),
    "grep": ("runs/a.txt:", "runs/b.txt:"),
    "grep -n": ("a.txt:7:", "b.txt:8:"),
}


def interleaved(before: tuple[str, str], first: list[str], second: list[str]) -> bytes:
    lines = []
    for at in range(max(len(first), len(second))):
        lines += [before[0] + line for line in first[at : at + 1]]
        lines += [before[1] + line for line in second[at : at + 1]]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("before", FORMS.values(), ids=FORMS)
def test_each_speaker_has_its_own_lines_and_their_places_in_the_file(before):
    parts = speakers.split(interleaved(before, A, B))
    assert [part.raw.decode().splitlines() for part in parts] == [A, B]
    assert [part.lines for part in parts] == [(1, 3, 5, 7), (2, 4, 6, 8)]


ALONE = {
    "one pod": "".join(f"[pod/client-a/bench] {line}\n" for line in A),
    "a table": "Scenario | Node | Test\npod-a | same | 1\npod-b | same | 2\npod-a | other | 3\npod-b | other | 4\n",
    "both ends of nuttcp": "nuttcp-t: v6.1.2\nnuttcp-r: v6.1.2\n" * 4,
    "a report's own colons": "Total: 1\nTotal: 2\nTotal: 3\nRate: 1\nRate: 2\nrate of all\n",
    "clocks": "10:00:01 one\n10:00:02 two\n10:00:03 three\n",
    "a list of addresses": "10.0.0.1 : xmt/rcv/%loss = 1/1/0%\n10.0.0.2 : xmt/rcv/%loss = 1/1/0%\n",
}


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_what_is_not_several_speakers_is_left_alone(text):
    (part,) = speakers.split(text.encode())
    assert part.raw == text.encode()


def test_numbered_lines_lose_their_numbers_and_keep_their_places():
    (part,) = speakers.split(b"3:one\n7:two\n12:three\n")
    assert (part.raw, part.placed(2)) == (b"one\ntwo\nthree\n", 2)


def test_a_container_that_measured_nothing_is_no_failure():
    text = (
        "[pod/a/proxy] starting up\n[pod/a/bench] [  5]   0.00-2.00   sec   238 MBytes  1.00 Gbits/sec    7    sender\n"
        "[pod/a/proxy] listening\n[pod/a/bench] [  5]   0.00-2.04   sec   236 MBytes   970 Mbits/sec       receiver\n"
    )
    (reading,) = measurements.read("iperf3", text.encode())
    assert (reading.status, reading.line) == ("ok", 2)
