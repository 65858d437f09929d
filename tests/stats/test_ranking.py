"""Ranks are intervals, letters are decisions, and nothing that cannot be compared is ranked."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cnilab.errors import DataError, UnknownKey
from cnilab.facts import Fact
from cnilab.stats import rank
from cnilab.stats.letters import _letter, compact_letters, rank_intervals

from .frames import campaign, contract, failed

EFFECTS = {"host": 0.0, "host#aa": 0.0, "b": -0.005, "c": -0.2, "d": -0.21, "e": -0.6}


@given(some.integers(1, 7).flatmap(lambda k: some.tuples(some.just(k), some.sets(some.integers(0, 48)))))
def test_sharing_a_letter_is_not_being_told_apart(case):
    k, picks = case
    reject = np.zeros((k, k), dtype=bool)
    for pick in picks:
        i, j = pick % k, pick // k % k
        if i != j:
            reject[i, j] = reject[j, i] = True
    letters = compact_letters(reject)
    for i in range(k):
        assert letters[i]
        for j in range(k):
            assert bool(set(letters[i]) & set(letters[j])) == (not reject[i, j])


def test_more_sets_than_letters_in_the_alphabet():
    assert [_letter(n) for n in (0, 25, 26, 51, 52)] == ["a", "z", "aa", "az", "ba"]


def test_ranks_and_letters_of_a_study():
    result = rank(contract(campaign(EFFECTS, 12, sd=0.01)))
    rows = {r["mode"]: r for r in result.rows}
    assert [r["mode"] for r in result.rows][-1] == "e"
    assert not any("twin" in mode for mode in rows)
    assert (rows["e"]["rank_low"], rows["e"]["rank_high"]) == (5, 5)
    assert (rows["host"]["rank_low"], rows["host"]["rank_high"]) == (1, 2)
    assert rows["host"]["letters"] == rows["b"]["letters"] == "a"
    assert rows["c"]["letters"] == rows["d"]["letters"] == "b"
    assert result.matrix.loc["host", "b"] == "equivalent"
    assert result.omnibus.p < 0.001
    assert len(result.pairs) == 10


def test_lower_is_better_turns_the_order():
    result = rank(contract(campaign(EFFECTS, 12, sd=0.01), metric="rtt_s", stat="p50", unit="s"))
    assert result.rows[0]["mode"] == "e"
    assert (result.rows[0]["rank_low"], result.rows[0]["rank_high"]) == (1, 1)


def test_what_cannot_be_ranked_is_listed():
    frame = contract(campaign(EFFECTS, 12, sd=0.01))
    frame.loc[frame["mode"] == "e", "kernel_path"] = "userspace"
    frame.loc[frame["mode"] == "c", "kernel_path"] = "ebpf"
    frame = failed(frame, frame["mode"] == "d", Fact("not_crossing"))
    rows = {r["mode"]: r for r in rank(frame, planned_modes=[*frame["mode"].unique(), "ghost"]).rows}
    assert [m for m, r in rows.items() if not r["ranked"]] == ["d", "e", "ghost"]
    assert rows["e"]["reason"] == {"code": "not_ranked_userspace"}
    assert rows["c"]["reason"] == {"code": "carried_by_substitute", "args": {"path": "ebpf"}}
    assert rows["d"]["rank_low"] is None


def test_a_planned_mode_that_failed_stays_in_the_family():
    frame = campaign({"a": 0, "b": -0.05, "c": -0.1}, 12)
    alone, planned = rank(frame), rank(frame, planned_modes=["a", "b", "c", "x", "y"])
    assert planned.pairs[0]["p_holm"] > alone.pairs[0]["p_holm"]


def test_failures_that_matter_leave_a_rank_open():
    frame = contract(campaign({"a": 0.0, "b": -0.03}, 12, sd=0.005))
    assert rank(frame).rows[0]["rank_high"] == 1
    half = failed(frame, (frame["mode"] == "a") & (frame["block"] < 4))
    assert (rank(half).rows[0]["rank_low"], rank(half).rows[0]["rank_high"]) == (1, 2)


def test_one_table_at_a_time():
    two = pd.concat([contract(campaign(EFFECTS, 8)), contract(campaign(EFFECTS, 8), test="tcp_rr",
                     metric="rtt_s", stat="p50", unit="s")])  # fmt: skip
    with pytest.raises(DataError, match="2 tables"):
        rank(two)
    assert rank(two, metric="rtt_s", test="tcp_rr").title.startswith("tcp_rr, rtt_s, p50")
    with pytest.raises(UnknownKey, match="tcp_rr"):
        rank(two, test="udp")
    with pytest.raises(DataError, match="two modes"):
        rank(campaign({"a": 0}, 8))
    with pytest.raises(DataError, match="better side"):
        rank(campaign({"a": 0, "b": 0}, 8, metric="queue_length"))


def test_forms():
    result = rank(contract(campaign({"<a>": 0, "b": -0.3}, 8)))
    text, page = repr(result), result._repr_html_()
    assert "were not shown to differ" in text
    assert "were not shown to differ" in page
    assert "<a>" not in page
    back = json.loads(result.to_json())
    assert back["schema_version"] == 1
    assert back["rows"][0]["rank_low"] == 1
    assert result.frame["mode"].tolist() == ["<a>", "b"]


def test_better_must_be_a_relation():
    with pytest.raises(DataError, match="beat each other"):
        rank_intervals(np.ones((2, 2), dtype=bool))
