"""A study file from anywhere is one sentence within a second, whatever YAML lets it mean."""

import time

import pytest

from cnilab import study
from cnilab.errors import StudyError
from cnilab.study import yaml_text

GOOD = """\
name: small
modes: [host, flannel-vxlan]
tests: [{name: tcp_stream, tool: iperf3}]
primary: {test: tcp_stream, metric: goodput_bps}
"""
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=False)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]}}\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=False)
)
HOSTILE = {
    "aliases": (LAUGHS, "aliases written out"),
    "merge keys": (MERGES, "aliases written out"),
    "an alias in itself": ("a: &a [*a]\n", "holds itself"),
    "20,000 keys": ("\n".join(f"key{i}: {i}" for i in range(3000)), "more than 4000 values"),
    "200,000 keys": ("\n".join(f"key{i}: {i}" for i in range(200_000)), "at most 65536 are read"),
    "brackets": ("a: " + "[" * 500, "more than 32 levels"),
    "many brackets": ("[" * 60_000, "more than 32 levels"),
    "braces": ("{" * 500, "more than 32 levels"),
    "digits": (GOOD + "seed: " + "9" * 5000, "a number of 5000 characters"),
    "sexagesimal": (GOOD + "seed: 1" + ":59" * 3000, "characters; at most"),
    "a date that is none": (GOOD + "seed: 2001-99-99", "seed: '2001-99-99'"),
    "a date": (GOOD + "seed: 2001-09-09", "seed: '2001-09-09'"),
    "an object": (GOOD + "seed: !!python/object/apply:os.system [id]", "is not read"),
    "binary": (GOOD + "seed: !!binary AAAA", "is not read"),
    "a set": (GOOD + "seed: !!set {a, b}", "is not read"),
    "an escape": (GOOD + 'congestion_control: "\\e[31mred"', "U+001B"),
    "text turned round": (GOOD + 'congestion_control: "\\u202ebbr"', "U+202E"),
    "half a character": (GOOD + 'congestion_control: "\\ud800"', "s.yaml"),
    "a NUL": (GOOD + "seed: \0", "not YAML"),
    "a key of a list": (GOOD + "? [a]\n: b\n", "a key is text"),
    "a key twice": (GOOD + "name: other\n", "line 1 already"),
    "nothing": ("", "a study is a mapping"),
    "two documents": (GOOD + "---\n" + GOOD, "not YAML"),
    "unknown keys": (GOOD + "".join(f"key{i}: 1\n" for i in range(1500)), "and 14"),
    "a very long key": (GOOD + "k" * 5000 + ": 1\n", "s.yaml"),
    "infinite": (GOOD + "rest_s: .inf\n", "rest_s"),
    "not a number": (GOOD + "margin: .nan\n", "margin"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_study_is_a_sentence_within_a_second(what):
    text, words = HOSTILE[what]
    began = time.process_time()
    with pytest.raises(StudyError) as caught:
        study.parse(text, name="s.yaml")
    assert time.process_time() - began < 1
    message = str(caught.value)
    assert words in message
    assert max(map(len, message.splitlines())) < 1000
    assert message.replace("\n", "").isprintable()


def test_a_key_given_twice_is_told_with_both_lines():
    with pytest.raises(StudyError, match=r"s\.yaml:6: 'blocks' is given twice; it stands in line 5 already"):
        study.parse(GOOD + "blocks: 3\nblocks: 8\n", name="s.yaml")
    with pytest.raises(StudyError, match=r"s\.yaml:3: 'tool' is given twice"):
        study.parse(GOOD.replace("tool: iperf3", "tool: iperf3, tool: netperf"), name="s.yaml")


def test_honest_aliases_and_merge_keys_are_read():
    text = "base: &b {tool: iperf3, duration_s: 1}\ntests:\n- {<<: *b, name: one}\n- {<<: *b, name: two}\n"
    data, _ = yaml_text.read(text, "m.yaml")
    assert data["tests"][1] == {"tool": "iperf3", "duration_s": 1, "name": "two"}


def test_a_study_that_is_a_pipe_or_a_device_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "s.yaml")
    with pytest.raises(StudyError, match="a pipe"):
        study.load(tmp_path / "s.yaml")
    with pytest.raises(StudyError, match="a device"):
        study.load("/dev/zero")
