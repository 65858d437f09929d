"""A program's output as clusters, containers and CI services keep it: something stands before every line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnilab.loading import load
from cnilab.loading import margins as logs

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
RECORDED = [
    DATA / "iperf3" / "iperf3_3.12_tcp_stream.json",
    DATA / "iperf3" / "iperf3_3.12_tcp_text.txt",
    DATA / "wrk" / "wrk_4.1.0_http_load.txt",
    DATA / "ping" / "ping_iputils-20221126_icmp_rr.txt",
]
BEFORE = {
    "container runtime": "2031-04-05T06:07:08.123456789+02:00 stdout F ",
    "kubectl logs --timestamps": "2031-04-05T06:07:08.123456789Z ",
    "kubectl logs --prefix": "[pod/client-7d9f/client] ",
    "kubectl logs with both": "[pod/client-7d9f/client] 2031-04-05T06:07:08.123456789Z ",
    "gh run view --log": "bench (calico)\tRun the client\t2031-04-05T06:07:08.1234567Z ",
    "journalctl": "Apr  5 06:07:08 node-1 bench[4242]: ",
    "ts": "Apr 05 06:07:08 ",
    "Jenkins": "[2031-04-05T06:07:08.123Z] ",
    "Jenkins, time alone": "06:07:08  ",
}


def read(folder: Path, raw: bytes) -> list[tuple]:
    folder.mkdir()
    (folder / "one.log").write_bytes(raw)
    loaded = load(folder, progress=False)
    assert list(loaded.files["status"]) == ["ok"], list(loaded.files["reason"])
    return list(loaded.samples[["tool", "test", "metric", "value"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
@pytest.mark.parametrize("before", BEFORE)
def test_what_stands_before_every_line_changes_nothing(tmp_path, path, before):
    text = path.read_text()
    kept = "".join(f"{BEFORE[before]}{line}\n" for line in text.splitlines())
    assert read(tmp_path / "kept", kept.encode()) == read(tmp_path / "bare", text.encode())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_docker_keeps_a_document_a_line(tmp_path, path):
    text = path.read_text()
    kept = "".join(
        json.dumps({"log": line, "stream": "stdout", "time": "2031-04-05T06:07:08Z"}, separators=(",", ":"))
        + "\n"
        for line in text.splitlines(keepends=True)
    )
    assert read(tmp_path / "kept", kept.encode()) == read(tmp_path / "bare", text.encode())


def test_a_line_the_container_runtime_cut_is_whole_again():
    kept = b"".join(
        b"2031-04-05T06:07:08.1Z stdout %s %s\n" % (mark, part)
        for mark, part in ((b"P", b"one li"), (b"F", b"ne"), (b"F", b""), (b"F", b"another"))
    )
    assert logs.unwrapped(kept) == b"one line\n\nanother\n"


def test_the_journals_own_lines_stay():
    kept = b"-- Journal begins at Sat. --\n" + b"Apr  5 06:07:08 node-1 bench[4]: text\n" * 3
    assert logs.unwrapped(kept).splitlines() == [b"-- Journal begins at Sat. --", b"text", b"text", b"text"]


@pytest.mark.parametrize(
    "raw",
    [
        b"06:07:08 I begins\nFortio 1 running\n06:07:09 I ends\n06:07:10 I over\n",
        b"06:07:08 one\n06:07:08 two\n",
        b'{"log":"a"}\n{"log":"b"}\n{"log":1}\n',
        b'{"log":"a"}\n{"log":"b"}\n{"log":"c\n',
        b"",
    ],
    ids=["some lines have none", "too few", "no text", "cut short", "empty"],
)
def test_other_texts_are_left_as_they_are(raw):
    assert logs.unwrapped(raw) is raw
