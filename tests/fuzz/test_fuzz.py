"""The fuzzer itself: a short run of its changes on every reader, an oracle that sees, a failure that is kept."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import fuzz_parsers
import mutate
import oracle
import pytest

from cnilab.measurements import qperf, readers
from cnilab.measurements.base import Reading, Sample

LATENCY = b"tcp_lat:\n    latency  =  15.6 us\n"


@pytest.mark.parametrize("name", readers())
def test_every_reader_holds_for_a_while(name):
    rng, change, start = random.Random(name), mutate.Mutator(name), mutate.seeds(name)
    for raw in start:
        oracle.check(name, raw)
    for _ in range(150):
        oracle.check(name, change(rng.choice(start), rng))


@pytest.mark.parametrize("name", readers())
def test_a_dictionary_has_the_tools_own_words_in_libfuzzers_form(name):
    lines = mutate.dictionary(name).splitlines()
    assert len(lines) > 40
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', line) for line in lines)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([Sample("latency_s", 1.0, "p50"), Sample("latency_s", 2.0, "p50")], "told twice"),
        ([Sample("goodput_bps", 1.0, "median")], "median"),
        ([Sample("latency_s", 3.0, "p50"), Sample("latency_s", 2.0, "p99")], "above"),
        ([Sample("loss_ratio", 1.5)], "above 1"),
    ],
)
def test_the_oracle_sees_what_cannot_be(monkeypatch, found, words):
    monkeypatch.setattr(qperf, "parse", lambda raw: [Reading(samples=tuple(found))])
    with pytest.raises(AssertionError) as caught:
        oracle.check("qperf", LATENCY)
    assert words in str(caught.getrepr())


def test_the_oracle_sees_other_line_ends_and_commas_read_differently(monkeypatch):
    true = qperf.parse

    def careless(raw: bytes) -> list[Reading]:
        value = 1.0 if raw == careless.raw else 2.0
        return [Reading(samples=(Sample("latency_s", value, "mean"),))]

    monkeypatch.setattr(qperf, "parse", careless)
    seen = set()
    for n in range(200):
        careless.raw = LATENCY + b"# %d\n" % n
        try:
            oracle.check("qperf", careless.raw)
        except AssertionError as problem:
            seen.add(str(problem).split(" read")[0])
    # A BOM and UTF-16 are taken off by tools.read before any reader sees the text, so no reader can trip over them.
    assert seen == {"CRLF", "decimal commas"}
    assert true(LATENCY)


def endless() -> None:
    with oracle.no_hang():
        while True:
            pass


def test_a_hang_is_ended(monkeypatch):
    import signal

    monkeypatch.setattr(oracle, "SECONDS", 0.05)
    before = signal.signal(signal.SIGPROF, oracle.ring)
    try:
        with pytest.raises(TimeoutError, match="CPU seconds"):
            endless()
    finally:
        signal.signal(signal.SIGPROF, before)


def test_what_failed_is_kept_and_run_first_the_next_time(monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz_parsers, "WORK", tmp_path)
    (tmp_path / "crashes").mkdir()
    monkeypatch.setattr(oracle, "check", lambda tool, raw: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fuzz_parsers.blind("qperf", 10)
    (kept,) = (tmp_path / "crashes").iterdir()
    seen: list[bytes] = []
    monkeypatch.setattr(oracle, "check", lambda tool, raw: seen.append(raw))
    fuzz_parsers.blind("qperf", 10)
    assert seen[0] == kept.read_bytes()
    assert len(seen) == 10


def test_a_campaign_goes_on_where_it_stopped_and_begins_anew_with_new_code(monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz_parsers, "WORK", tmp_path)
    state = {"tool": "qperf", "version": fuzz_parsers.version("qperf"), "inputs": 7}
    state |= {"seconds": 1.0, "coverage": 1, "features": 2}
    (tmp_path / "qperf.json").write_text(json.dumps(state))
    assert fuzz_parsers.done_so_far("qperf")["inputs"] == 7
    assert "| qperf | 7 | 1 | 1 / 2 |" in fuzz_parsers.table(["qperf"])
    monkeypatch.setattr(fuzz_parsers, "version", lambda tool: "other")
    assert fuzz_parsers.done_so_far("qperf")["inputs"] == 0


def test_the_record_of_the_campaign_names_every_reader():
    record = Path(__file__).with_name("CAMPAIGN.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\w+) \| [\d,]+ \|", record, re.MULTILINE) == list(readers())
