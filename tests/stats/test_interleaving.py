"""Modes measured one after the other drift apart without a difference; what is known of the times stands in the way."""

import numpy as np
import pandas as pd
import pytest

from cnilab.stats import Declared, compare

from .frames import campaign

START = 1_700_000_000.0


def timed(effects, n_blocks, *, order, drift=0.0, seed=1):
    """Return a frame with ``started_at``: ``order`` gives the sequence of (block, mode) in which it was measured."""
    frame = campaign(effects, n_blocks, sd=0.005, block_sd=0.0, seed=seed).set_index(["block", "mode"])
    at = pd.Series(np.arange(len(order)) * 60.0, index=pd.MultiIndex.from_tuples(order)).reindex(frame.index)
    moments = pd.to_datetime(START + at, unit="s", utc=True).map(lambda t: t.isoformat())
    return frame.assign(value=frame["value"] * np.exp(drift * at / 60), started_at=moments).reset_index()


def apart(n):
    return [(b, m) for m in ("host", "a") for b in range(n)]


def in_turn(n, seed=3):
    rng = np.random.default_rng(seed)
    return [(b, m) for b in range(n) for m in rng.permutation(["host", "a"])]


def test_all_of_one_and_then_all_of_the_other_is_no_comparison():
    frame = timed({"host": 0, "a": 0}, 10, order=apart(10), drift=-0.01)
    row = compare(frame, "host").rows[0]
    assert row["p"] < 0.01, "the drift must look like a difference, or the test asks nothing"
    assert (row["verdict"], row["flags"]) == ("not_comparable", ("not_interleaved",))
    assert row["reason"]["args"] == {"mode": "a", "baseline": "host"}


def test_so_is_one_batch_of_blocks_after_another():
    halves = [(b, m) for half in (range(5), range(5, 10)) for m in ("host", "a") for b in half]
    frame = timed({"host": 0, "a": 0}, 10, order=halves, drift=-0.01)
    assert compare(frame, "host").rows[0]["verdict"] == "not_comparable"


@pytest.mark.parametrize("seed", range(20))
def test_blocks_in_turn_are_not_barred(seed):
    frame = timed({"host": 0, "a": -0.2}, 10, order=in_turn(10, seed), drift=-0.01)
    assert compare(frame, "host").rows[0]["verdict"] == "different_material"


def test_what_a_plan_says_is_believed():
    frame = timed({"host": 0, "a": 0}, 10, order=apart(10))
    assert "not_interleaved" not in compare(frame, "host", declared=Declared(design="randomised")).rows[0]["flags"]


def test_seconds_are_times_and_no_times_are_none():
    frame = timed({"host": 0, "a": 0}, 10, order=apart(10))
    seconds = frame.assign(started_at=pd.to_datetime(frame["started_at"], format="ISO8601").map(lambda t: t.timestamp()))
    assert "not_interleaved" in compare(seconds, "host").rows[0]["flags"]
    bare = compare(frame.drop(columns="started_at"), "host")
    assert "not_interleaved" not in bare.rows[0]["flags"]
    assert bare.header["design"] == "not_recorded"
    assert "how their order was drawn is not recorded" in repr(bare)
