"""What a verdict hangs on: failures as worst ranks, outlying cells, reliability."""

import numpy as np
import pandas as pd
import pytest

from cnilab.stats.cells import collect
from cnilab.stats.sensitivity import failed_cells, outlying_cells, reliability, worst_rank_differences

from .frames import campaign


def table(metric):
    """Three blocks: the mode failed in 0, the baseline in 1, both in 2; then two whole ones."""
    rows = []
    for block in range(5):
        for mode in ("a", "b"):
            bad = (block == 2) or (block == 0 and mode == "b") or (block == 1 and mode == "a")
            rows.append({
                "block": block, "mode": mode, "metric": None if bad else metric, "test": "t",
                "value": np.nan if bad else (2.0 if mode == "b" else 1.0),
                "status": "failed" if bad else "ok", "reason": "reset" if bad else None,
            })  # fmt: skip
    return collect(pd.DataFrame(rows), also=[metric]).tables[0]


@pytest.mark.parametrize(("metric", "worst"), [("goodput_bps", -np.inf), ("rtt_s", np.inf)])
def test_a_failed_block_is_the_worst_result_of_its_mode(metric, worst):
    t = table(metric)
    assert worst_rank_differences(t, t.row("b"), t.row("a")).tolist() == [worst, -worst, np.log(2), np.log(2)]
    assert failed_cells(t).sum(axis=1).tolist() == [2, 2]


def test_without_a_better_side_or_a_failure_there_is_no_worst():
    t = table("queue_length")
    assert worst_rank_differences(t, 1, 0) is None
    assert worst_rank_differences(collect(campaign({"a": 0, "b": 0}, 6)).tables[0], 1, 0) is None


def test_reliability_is_mcnemars():
    found = reliability(table("goodput_bps"), "b", "a")
    assert (found.n_failed, found.only_mode_failed, found.only_baseline_failed, found.p) == (2, 1, 1, 1.0)
    assert reliability(collect(campaign({"a": 0, "b": 0}, 6)).tables[0], "b", "a") is None


@pytest.mark.parametrize("k", [3, 5, 8])
def test_few_ordinary_cells_are_flagged_and_a_far_one_is(k):
    rng = np.random.default_rng(k)
    share, hits = [], []
    for _ in range(200):
        values = rng.normal(0, 1, (k, 10)) + rng.normal(0, 3, 10)
        share.append(outlying_cells(values).mean())
        values[0, 3] += 12
        hits.append(outlying_cells(values)[0, 3])
    assert np.mean(share) < 0.04
    assert np.mean(hits) > 0.95


def test_no_spread_or_too_few_blocks_have_no_outliers():
    assert not outlying_cells(np.zeros((3, 9))).any()
    assert not outlying_cells(np.random.default_rng(0).normal(size=(3, 5))).any()
    assert not outlying_cells(np.full((2, 8), np.nan)).any()
