"""Rows to cells: the right level, nothing lost, nothing invented."""

import numpy as np
import pandas as pd
import pytest

from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.stats.cells import collect

from .frames import campaign, contract, failed


def test_runs_of_a_deployment_become_one_cell_by_their_geometric_mean():
    frame = pd.DataFrame({
        "block": [0, 0, 0, 0], "mode": ["a", "a", "b", "b"], "run": [0, 1, 0, 1],
        "value": [1.0, 4.0, 3.0, 3.0],
    })  # fmt: skip
    table = collect(frame).tables[0]
    assert np.exp(table.values[:, 0]) == pytest.approx([2.0, 3.0])
    assert table.runs[:, 0].tolist() == [2, 2]


def test_counts_on_a_linear_metric_are_averaged_as_they_are():
    frame = pd.DataFrame({
        "block": [0, 0], "mode": ["a", "a"], "run": [0, 1], "value": [0.0, 4.0],
        "metric": "retransmitted_segments",
    })  # fmt: skip
    assert collect(frame).tables[0].values[0, 0] == 2.0


def test_two_values_for_one_key_raise_and_name_it():
    frame = pd.DataFrame({"block": [0, 0, 1], "mode": ["a", "a", "a"], "value": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"mode=a, block=0.*row 1.*column `run`"):
        collect(frame)
    twice = contract(campaign({"host": 0, "b": 0}, 3))
    twice = pd.concat([twice, twice.iloc[[4]]], ignore_index=True)
    with pytest.raises(DataError, match="recorded once"):
        collect(twice)


def test_every_row_ends_in_one_count():
    frame = contract(campaign({"host": 0, "b": 0, "c": 0}, 6))
    frame = failed(frame, frame.index.isin([3, 5]))
    frame = failed(frame, frame.index.isin([7]), status="timeout")
    frame = failed(frame, frame.index.isin([8]), status="skipped")
    other = contract(campaign({"host": 0, "b": 0}, 6, seed=2), metric="cwnd_bytes", test="tcp_rr")
    cells = collect(pd.concat([frame, other], ignore_index=True))
    assert sum(cells.counts.values()) == cells.n_rows == len(frame) + len(other)
    assert cells.counts == {"compared": 14, "not_compared": 12, "failed": 2, "timeout": 1, "skipped": 1, "set_aside": 0}
    assert cells.not_compared == ("cwnd_bytes (value)",)


def test_a_failure_without_a_metric_is_charged_to_its_cell():
    frame = contract(campaign({"host": 0, "b": 0}, 4))
    bad = (frame["mode"] == "b") & (frame["block"] == 2)
    table = collect(failed(frame, bad)).tables[0]
    assert table.failed[table.row("b")].tolist() == [0, 0, 1, 0]
    assert np.isnan(table.values[table.row("b"), 2])
    assert table.reasons["b"] == {Fact("tool_reported", quoted="connection refused"): 1}


def test_the_benchs_failures_are_not_the_modes():
    frame = contract(campaign({"host": 0, "b": 0}, 4))
    bad = (frame["mode"] == "b") & (frame["block"] == 2)
    table = collect(failed(frame, bad, Fact("bench_failed.pod_lost", quoted="node lost"))).tables[0]
    assert table.failed.sum() == 0
    assert table.skipped[table.row("b")].tolist() == [0, 0, 1, 0]


def test_equal_block_numbers_of_two_runs_are_two_blocks():
    one, two = (contract(campaign({"host": 0, "b": 0}, 3, seed=s), run_id=f"r{s}") for s in (1, 2))
    table = collect(pd.concat([one, two], ignore_index=True)).tables[0]
    assert table.blocks == ("r1/0", "r1/1", "r1/2", "r2/0", "r2/1", "r2/2")


def test_blocks_of_two_runs_are_in_the_order_they_were_measured():
    early = contract(campaign({"host": 0, "b": 0}, 2, seed=1), run_id="z", started_at="2026-01-01T00:00:00Z")
    late = contract(campaign({"host": 0, "b": 0}, 2, seed=2), run_id="a", started_at="2026-02-01T00:00:00Z")
    for order in ([early, late], [late, early]):
        table = collect(pd.concat(order, ignore_index=True)).tables[0]
        assert table.blocks == ("z/0", "z/1", "a/0", "a/1")


def test_planned_modes_without_a_row_have_empty_cells():
    frame = campaign({"host": 0, "b": 0}, 3)
    table = collect(frame, modes=["host", "b", "ghost"]).tables[0]
    assert table.modes == ("host", "b", "ghost")
    assert np.isnan(table.values[2]).all()
    with pytest.raises(DataError, match="'b' has rows but was not planned"):
        collect(frame, modes=["host"])


@pytest.mark.parametrize(
    ("value", "match"),
    [(np.nan, "status ok"), (np.inf, "status ok"), (0.0, "above 0"), (-1.0, "above 0")],
)
def test_values_that_cannot_be_raise_and_name_the_cell(value, match):
    frame = campaign({"host": 0, "b": 0}, 3)
    frame.loc[3, "value"] = value
    with pytest.raises(DataError, match=match) as caught:
        collect(frame)
    assert "block 1" in str(caught.value)
    assert "np.float64" not in str(caught.value)


def test_text_where_a_number_should_be():
    frame = campaign({"host": 0, "b": 0}, 2).astype({"value": object})
    frame.loc[1, "value"] = "9.4 Gbit/s"
    with pytest.raises(DataError, match="not a number"):
        collect(frame)


def test_a_failed_row_has_no_value():
    frame = campaign({"host": 0, "b": 0}, 2).assign(status="ok")
    frame.loc[1, "status"] = "failed"
    with pytest.raises(DataError, match="only ok rows"):
        collect(frame)


@pytest.mark.parametrize("gone", ["block", "mode", "value"])
def test_needed_columns(gone):
    with pytest.raises(DataError, match=gone):
        collect(campaign({"host": 0, "b": 0}, 2).drop(columns=gone))


def test_other_bad_input():
    good = campaign({"host": 0, "b": 0}, 2)
    with pytest.raises(DataError, match="no rows"):
        collect(good.iloc[:0])
    with pytest.raises(DataError, match="allowed: ok, failed"):
        collect(good.assign(status="fine"))
    with pytest.raises(DataError, match="units"):
        collect(good.assign(metric="goodput_bps", unit=["bit/s", "B/s", "bit/s", "bit/s"]))
    with pytest.raises(DataError, match="mode is missing in row 1"):
        collect(good.assign(mode=["host", None, "host", "b"]))
    with pytest.raises(DataError, match="metric is missing"):
        collect(good.assign(metric=["m", None, "m", "m"]))
