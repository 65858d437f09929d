"""One made-up run for all report tests; whoever writes into it takes a copy."""

import shutil

import matplotlib
import pytest

from report import runs

matplotlib.use("agg")


@pytest.fixture(scope="session")
def made_run(tmp_path_factory):
    return runs.make(tmp_path_factory.mktemp("run") / "made-up")


@pytest.fixture
def run_copy(made_run, tmp_path):
    from cnilab.runs.run import Run

    return Run.open(shutil.copytree(made_run.path, tmp_path / "made-up"))
