"""``cnilab plan``: the noise of a recorded run of this machine, or of a pilot, and what follows from it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cnilab import study as studies
from cnilab.cli import app
from cnilab.errors import RunDirError
from cnilab.forecast import forecast, noise
from cnilab.runs.run import Run

SAMPLE = studies.load("data/studies/sample.yaml")
ROW = ["metric", "test", "placement", "path", "mode", "baseline", "half_width", "difference_told", "same_told"]


@pytest.fixture
def here(monkeypatch):
    """The recorded sample was made on this machine."""
    given = Run.open("data/sample").manifest["provenance"]
    monkeypatch.setattr(noise.provenance, "collect", lambda: given)


def test_a_recorded_run_tells_what_its_study_will_tell(here, tmp_path):
    (tmp_path / "mine").symlink_to(Run.open("data/sample").path.resolve())
    told = json.loads(forecast(SAMPLE, tmp_path).to_json())
    assert told["noise"]["source"] == "recorded run"
    assert told["noise"]["blocks"] == SAMPLE.blocks == told["blocks"]
    assert len(told["rows"]) == SAMPLE.comparisons
    assert all(list(row)[:9] == ROW for row in told["rows"])
    plan = SAMPLE.plan()
    crossing = [t for t in plan.trials if SAMPLE.possible(t.treatment, t.placement)]
    assert told["minutes"] > plan.measuring_s(crossing) / 60
    widths = [row["half_width"] for row in told["rows"]]
    assert all(0 < w < row["difference_told"] for w, row in zip(widths, told["rows"]))
    achieved = [np.log(r.sim_ci.high / r.sim_ci.low) / 2 for r in Run.open("data/sample").comparisons.primary if r.ratio]
    assert np.median(np.log1p(widths)) == pytest.approx(np.median(achieved), rel=0.35)


def test_more_blocks_tell_smaller_differences(here):
    few, many = (
        forecast(SAMPLE.model_copy(update={"blocks": n}), Run.open("data/sample").path) for n in (10, 40)
    )
    for a, b in zip(few.rows, many.rows):
        assert b.half_width < a.half_width
        assert b.same_told < a.same_told
    assert "minutes" in repr(few)
    assert "the same within" in repr(few)


def test_a_run_of_another_machine_is_no_noise_of_this_one():
    with pytest.raises(RunDirError, match="made on another machine"):
        forecast(SAMPLE, Run.open("data/sample").path)


def test_without_a_run_a_pilot_is_made_of_the_primary_test_alone(monkeypatch, tmp_path):
    asked = []

    def run(short, place, progress):
        asked.append((short, place))
        return Run.open("data/sample")

    monkeypatch.setattr(noise.execute, "run", run)
    told = forecast(SAMPLE, tmp_path / "runs", progress=False)
    ((short, place),) = asked
    assert [t.name for t in short.tests] == [SAMPLE.primary.test]
    assert short.blocks == noise.PILOT_BLOCKS
    assert place.parent == tmp_path / "runs"
    assert told.noise.source == "pilot"


def test_the_command(here):
    done = CliRunner().invoke(app, ["plan", "data/studies/sample.yaml", "--runs", "data/sample", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["schema_version"] == 1
