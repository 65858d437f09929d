"""A run directory opens, whatever schema it is of; it is compared once, and looking at it writes nothing."""

import json
import shutil
from importlib import import_module

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from report import runs

import cnilab
from cnilab import findings
from cnilab.errors import DataError
from cnilab.measurements.base import Reading, Sample
from cnilab.report.record import Record
from cnilab.runs import derived, readings, samples
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter

SAMPLE = "data/sample"


@pytest.fixture
def run(tmp_path):
    return Run.open(shutil.copytree(SAMPLE, tmp_path / "sample"))


def rewrite(run, change):
    """Change a run's samples and return it opened again."""
    samples.write(change(run.samples), run.path / "samples.parquet")
    derived.keep(run.path, ["samples.parquet"], Run(run.path).origin)
    return Run.open(run.path)


def everything(path):
    return {str(p): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_a_table_of_schema_1_is_read_with_what_it_has():
    assert "wall_s" not in pq.read_schema(f"{SAMPLE}/samples.parquet").names, "still of schema 1"
    table = samples.read(SAMPLE)
    assert list(table.columns) == list(samples.COLUMNS)
    assert table["wall_s"].equals(table["duration_s"]), "all that schema 1 has of a run"


def test_raw_bytes_give_what_was_recorded_but_the_tools_own_time():
    run = Run.open(SAMPLE)
    (parsed,) = run.parse()
    again = parsed.samples
    keep = [
        c
        for c in samples.COLUMNS
        if c not in ("duration_s", "wall_s", "reason", "reason_code", "reason_args")
    ]
    order = ["trial_id", "metric", "stat"]
    old, new = (f.sort_values(order).reset_index(drop=True) for f in (samples.read(SAMPLE), again))
    assert new[keep].equals(old[keep])
    assert np.allclose(new["wall_s"], old["wall_s"], equal_nan=True)
    measured = new["duration_s"].dropna()
    assert len(measured)
    assert (measured <= new.loc[measured.index, "wall_s"]).all()


def test_a_file_of_a_newer_schema_is_refused(tmp_path):
    frame = Run.open(SAMPLE).samples
    frame.attrs["schema_version"] = samples.SCHEMA_VERSION + 1
    samples.write(frame, tmp_path / "samples.parquet")
    with pytest.raises(DataError, match="install a newer one"):
        samples.read(tmp_path)


def test_a_value_that_is_printed_twice_is_one_row_and_a_failure_keeps_its_series():
    identity = {"run_id": "r", "trial_id": "t", "block": 1, "slot": 1, "deployment_id": "d", "mode": "host",
                "placement": "same_subnet", "path": "pod_to_pod", "test": "x", "tool": "x", "wall_s": 1.2}  # fmt: skip
    twice = Reading((Sample("goodput_bps", 1.0), Sample("goodput_bps", 2.0)), duration_s=1.0)
    (row,) = readings.samples([(identity, twice)]).to_dict("records")
    assert (row["value"], row["duration_s"], row["wall_s"], row["unit"]) == (1.0, 1.0, 1.2, "bit/s")


def test_one_study_is_collected_and_compared_once(run, monkeypatch):
    called = []
    for module, name in (("cells", "collect"), ("compare", "report_rows")):
        owner = import_module(f"cnilab.stats.{module}")
        real = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *a, _real=real, _name=name, **k: called.append(_name) or _real(*a, **k)
        )
    record = Record(run)
    findings.check(run)
    assert record.rows
    assert record.header
    assert record.cells is run.cells
    assert sorted(called) == ["collect", "report_rows"]


def test_what_is_kept_is_loaded_until_the_samples_change(run, monkeypatch):
    made = run.comparisons
    RunWriter(run.path).keep(made)
    monkeypatch.setattr(Run, "compare", lambda *_, **__: pytest.fail("compared again"))
    assert Run.open(run.path).comparisons == made
    monkeypatch.undo()
    (run.path / "raw" / run.metas[0]["trial_id"] / "client.out").write_text("{}")
    later = Run.open(run.path)
    assert later.comparisons != made, "what was kept no longer follows from the raw bytes"
    assert later.comparisons == later.compare()


def test_another_margin_is_a_value_to_look_at(run):
    before = everything(run.path)
    wide = run.compare(margin=0.5)
    assert {row.margin for row in wide.primary} == {0.5}
    assert all("post_hoc_margin" in row.flags for row in wide.rows)
    assert {row.margin for row in run.comparisons.primary} == {run.study.margin}
    assert everything(run.path) == before


def test_reading_a_run_writes_nowhere(run):
    for name in ("samples", "intervals", "remarks", "comparisons", "warnings"):
        (run.path / f"{name}.parquet").unlink()
    before = everything(run.path)
    record = Record.open(run.path)
    assert all(map(len, (record.samples, record.run.intervals, record.rows, record.warnings)))
    assert everything(run.path) == before


def test_a_jitter_of_zero_bars_its_own_table_alone(run):
    def jitter(frame):
        own = frame[(frame["metric"] == "goodput_bps")].assign(metric="pdv_s", unit="s", value=1e-5)
        own.iloc[0, own.columns.get_loc("value")] = 0.0
        return pd.concat([frame, own], ignore_index=True)

    still = rewrite(run, jitter)
    rows = [row for row in still.comparisons.rows if row.metric == "pdv_s"]
    assert any("nonpositive_value" in row.flags for row in rows)
    assert still.comparisons.primary == run.comparisons.primary
    assert len(findings.check(still))
    assert Record(still).cells is still.cells


def test_the_door_opens_a_run():
    assert repr(cnilab.Run.open(SAMPLE)).startswith("Run data/sample: study")
    assert json.loads(cnilab.Run.open(SAMPLE).comparisons.to_json())["rows"]


def test_a_run_under_another_name_keeps_what_was_derived(tmp_path):
    """Where a directory lies says nothing about what is in it."""
    made = runs.make(tmp_path / "mine")
    moved = shutil.copytree(made.path, tmp_path / "yours")
    assert Run(moved).origin == Run(made.path).origin
    assert len(Run.open(moved).samples) == len(made.samples) > 0
    (moved / "study.yaml").write_bytes((moved / "study.yaml").read_bytes() + b"\n")
    assert Run(moved).origin != Run(made.path).origin
