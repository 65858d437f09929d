"""Every notebook runs from top to bottom on its own, is committed unrun, and holds no program."""

import ast
import io
import json
import logging
import os
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from report import runs

from cnilab.errors import RunDirError
from cnilab.report import pipeline
from cnilab.runs import derived, samples
from cnilab.runs.run import Run

NOTEBOOKS = sorted(pipeline.NOTEBOOKS.glob("*.ipynb"))
#: Third parties' own deprecations while a kernel starts, seen with jupyter_client 8 and pyzmq 27.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::ResourceWarning",
    "ignore:Proactor event loop",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return runs.make(tmp_path_factory.mktemp("notebooks") / "made-up")


@pytest.fixture
def run_dir(recorded, tmp_path):
    return shutil.copytree(recorded.path, tmp_path / "made-up")


def execute(name, tmp_path, **parameters):
    """Run a notebook and return it with everything it said on standard error."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    said = io.StringIO()
    with redirect_stderr(said):
        node = papermill.execute_notebook(
            str(pipeline.NOTEBOOKS / f"{name}.ipynb"),
            str(tmp_path / f"{name}.ipynb"),
            parameters={k: str(v) if isinstance(v, Path) else v for k, v in parameters.items()},
            kernel_name="python3",
            progress_bar=False,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    assert not warned(node)
    return node


def warned(node):
    """What a notebook's cells warned of on standard error."""
    streams = [o for c in node.cells for o in c.get("outputs", ()) if o.output_type == "stream"]
    return [o.text for o in streams if o.name == "stderr" and "Warning" in o.text]


def shown(node):
    return "\n".join(
        str(o.data.get("text/html") or o.data.get("text/plain"))
        for c in node.cells
        for o in c.get("outputs", ())
        if "data" in o
    )


def test_every_notebook_has_a_test():
    tested = {name.removeprefix("test_run_") for name in globals() if name.startswith("test_run_")}
    assert {p.stem for p in NOTEBOOKS} == tested
    assert set(pipeline.STAGES) <= {p.stem for p in NOTEBOOKS}


# ---- committed unrun, thin, with parameters --------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_committed_unrun(path):
    node = nbformat.read(path, as_version=4)
    nbformat.validate(node)
    for cell in node.cells:
        if cell.cell_type == "code":
            assert cell.execution_count is None
            assert cell.outputs == []
    assert set(node.metadata) == {"kernelspec", "language_info"}
    assert node.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_holds_no_program(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            for item in ast.walk(ast.parse(cell.source)):
                if isinstance(item, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                    assert item.end_lineno - item.lineno < 5
            assert len(cell.source.splitlines()) <= 12


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_its_parameters_are_plain_and_explained(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", ())]
    assert len(cells) == 1
    tree = ast.parse(cells[0].source).body
    assert all(
        isinstance(s, ast.AnnAssign) and isinstance(ast.literal_eval(s.value), (str, int, float, bool))
        for s in tree
    )
    found = papermill.inspect_notebook(str(path))
    assert {s.target.id for s in tree} == set(found)
    rest = "\n".join(
        c.source
        for c in nbformat.read(path, as_version=4).cells
        if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", ())
    )
    used = {
        n.id for n in ast.walk(ast.parse(rest)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    assert "run_dir" in found
    assert set(found) <= used, "a parameter that does nothing is a promise not kept"
    assert len(found) <= 12
    assert all(
        p["help"] and p["inferred_type_name"] in ("str", "int", "float", "bool") for p in found.values()
    )


# ---- each one by itself ----------------------------------------------------------------------------------


def test_run_01_design(run_dir, tmp_path):
    html = shown(execute("01_design", tmp_path, run_dir=run_dir))
    assert "240 trials" in html
    assert "What a number of blocks can show" in html


def test_run_02_run(run_dir, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")}
    html = shown(execute("02_run", tmp_path, run_dir=run_dir))
    assert "240 of 240 trials done" in html or "Trials by how they ended" in html
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")} == before


def test_run_03_quality(run_dir, tmp_path):
    execute("03_quality", tmp_path, run_dir=run_dir, keep=True)
    assert "substitute_used" in set(pd.read_parquet(run_dir / "warnings.parquet")["code"])


def test_run_04_compare(run_dir, tmp_path):
    execute("04_compare", tmp_path, run_dir=run_dir, keep=True)
    rows = pd.read_parquet(run_dir / "comparisons.parquet")
    summary = json.loads((run_dir / "summary.json").read_text())
    assert set(rows["family"]) == {"primary", "exploratory", "aa"}
    assert summary["schema_version"] == 2
    assert len(summary["findings"]) == 8


def test_looking_at_the_sample_writes_nowhere(tmp_path):
    place = pipeline.locate("data/sample")
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    execute("03_quality", tmp_path)
    html = shown(execute("04_compare", tmp_path, margin=0.1))
    assert "chosen after the data" in html
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before


def test_another_margin_leaves_the_declared_comparisons(run_dir, tmp_path):
    execute("04_compare", tmp_path, run_dir=run_dir, keep=True, margin=0.5)
    assert set(pd.read_parquet(run_dir / "comparisons.parquet")["margin"].dropna()) == {0.05}


def test_run_05_report(run_dir, tmp_path):
    html = shown(execute("05_report", tmp_path, run_dir=run_dir, notice="Recorded numbers."))
    assert html.index("Recorded numbers.") < html.index("<h1>")
    assert "How to reproduce" in html


EXPERIMENTS = Path(pipeline.SAMPLE).parent / "experiments"


def test_run_07_http(tmp_path):
    html = shown(execute("07_http", tmp_path, run_dir=EXPERIMENTS / "http"))
    assert "What does an application notice?" in html
    assert "latencies" in html, "the table for questions of one's own"


def test_run_08_replicas(tmp_path):
    assert "Do more replicas beat a faster mode?" in shown(execute("08_replicas", tmp_path, run_dir=EXPERIMENTS / "replicas"))


def test_run_09_policy(run_dir, tmp_path):
    """Where nothing of it was measured, the notebook says why and ends well."""
    html = shown(execute("09_policy", tmp_path, run_dir=run_dir))
    assert "rules was not varied in this run" in html


def test_only_the_experiments_that_were_measured_are_run(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(pipeline, "_execute", lambda name, *_: ran.append(name))
    pipeline._experiments(Run.open(EXPERIMENTS / "http"), "en", True)
    assert ran == ["07_http"]
    told = capsys.readouterr().err
    assert "08_replicas: skipped, the number of replicas was not varied in this run" in told
    assert "09_policy: skipped, " in told


def test_run_10_growth(tmp_path):
    html = shown(execute("10_growth", tmp_path, run_dir=EXPERIMENTS / "growth"))
    assert "How does routing grow with the number of nodes?" in html
    assert "routes_per_node" in html, "the table for questions of one's own"
    assert "law_holds" in html


def test_run_explore(run_dir, tmp_path):
    before = sorted(run_dir.rglob("*"))
    node = execute("explore", tmp_path, run_dir=run_dir)
    printed = "".join(o.text for c in node.cells for o in c.get("outputs", ()) if o.output_type == "stream")
    assert "goodput than the host network" in printed
    assert "<svg" in shown(node) or "<img" in shown(node)
    assert sorted(run_dir.rglob("*")) == before


# ---- together --------------------------------------------------------------------------------------------


@pytest.fixture
def zero_jitter(run_dir):
    """A run with a jitter of exactly zero, which has no logarithm, in a metric that nothing was declared of."""
    run = Run.open(run_dir)
    jitter = run.samples[run.samples["metric"] == "goodput_bps"].assign(metric="pdv_s", unit="s", value=1e-5)
    jitter.iloc[0, jitter.columns.get_loc("value")] = 0.0
    samples.write(pd.concat([run.samples, jitter], ignore_index=True), run_dir / "samples.parquet")
    derived.keep(run_dir, ["samples.parquet"], Run(run_dir).origin)
    return run_dir


def test_a_run_is_reported_again_copied_with_a_notice_and_a_jitter_of_zero_stops_no_stage(
    zero_jitter, tmp_path
):
    place = tmp_path / "copy"
    report = pipeline.render_sample(place, notice="No lab here.", sample=zero_jitter)
    assert report == place / "report.html"
    text = report.read_text()
    assert text.index("No lab here.") < text.index("<h1>")
    assert {p.name for p in (place / "notebooks").iterdir()} == {f"{s}.ipynb" for s in pipeline.READING}
    for notebook in (place / "notebooks").iterdir():
        assert not warned(nbformat.read(notebook, as_version=4))
    assert "pdv_s" in set(pd.read_parquet(place / "comparisons.parquet")["metric"]), (
        "the zero went all the way"
    )
    assert (place / "summary.json").exists()
    with pytest.raises(RunDirError, match="not empty"):
        pipeline.render_sample(place, sample=zero_jitter)


def test_a_notebook_that_fails_is_kept_and_named(run_dir):
    next((run_dir / "proof").iterdir()).write_text("{")
    with pytest.raises(
        pipeline.NotebookError, match=r"03_quality stopped: \w+: .*notebooks/03_quality\.ipynb"
    ):
        pipeline.render(run_dir)
    node = nbformat.read(run_dir / "notebooks" / "03_quality.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in node.cells for o in c.get("outputs", ()))
    assert not (run_dir / "report.html").exists()


def test_a_file_in_a_folder_is_never_imported(run_dir, tmp_path, monkeypatch):
    """A library's name beside the run, in it, or in a folder of PYTHONPATH is data and is not executed."""
    touched = tmp_path / "executed"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (run_dir, elsewhere, tmp_path):
        for library in ("pandas", "cnilab", "seaborn", "ipykernel_launcher"):
            (folder / f"{library}.py").write_text(f"open({str(touched)!r}, 'w')\nraise SystemExit")
    monkeypatch.setenv("PYTHONPATH", f"{elsewhere}:")
    for here in (run_dir, tmp_path):
        monkeypatch.chdir(here)
        pipeline._execute("03_quality", {"run_dir": str(run_dir)}, run_dir, progress=False)
    assert not touched.exists()
    assert os.environ["PYTHONPATH"] == f"{elsewhere}:"


def test_notebooks_are_not_written_through_links(run_dir, tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("mine")
    (run_dir / "notebooks").mkdir(exist_ok=True)
    (run_dir / "notebooks" / "03_quality.ipynb").symlink_to(outside)
    pipeline._execute("03_quality", {"run_dir": str(run_dir)}, run_dir, progress=False)
    assert outside.read_text() == "mine"
    assert not (run_dir / "notebooks" / "03_quality.ipynb").is_symlink()


def test_of_a_bar_only_its_end_stays_in_the_notebook(tmp_path):
    """Each state of a bar would be a line of its own in JupyterLab's and nbconvert's HTML: hundreds a run."""
    bar = [nbformat.v4.new_output("stream", name="stderr", text=f"\rquick: {n}%") for n in range(0, 101, 50)]
    told = nbformat.v4.new_output("stream", name="stderr", text="\nleft: nothing\n")
    cell = nbformat.v4.new_code_cell("1", outputs=[*bar, told])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    (kept,) = pipeline._settled(tmp_path / "a.ipynb").cells[0].outputs
    assert kept.text == "quick: 100%\nleft: nothing\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_a_full_directory_is_refused_before_anything_runs(run_dir):
    with pytest.raises(RunDirError, match="--resume"):
        pipeline.run_notebooks("data/studies/quick.yaml", str(run_dir))


def test_missing_trials_need_to_be_asked_for(run_dir):
    run = Run.open(run_dir)
    shutil.rmtree(run_dir / "raw" / run.plan.trials[-1].trial_id)
    with pytest.raises(RunDirError, match="lacks 1 trials"):
        pipeline.measure("", str(run_dir))


def test_paths_are_found_from_the_root_and_from_the_notebooks(monkeypatch):
    wanted = pipeline.ROOT / "data" / "studies" / "quick.yaml"
    for folder in (pipeline.ROOT, pipeline.NOTEBOOKS):
        monkeypatch.chdir(folder)
        assert pipeline.locate("data/studies/quick.yaml") == wanted
        assert pipeline.study_of("data/studies/quick.yaml", "nowhere").name == "quick"


@pytest.mark.skipif(not (pipeline.SAMPLE / "manifest.json").exists(), reason="no sample is recorded yet")
def test_the_recorded_sample_lacks_nothing():
    """The notebooks' default run is whole, so that looking at it never starts a measurement."""
    run = Run.open(pipeline.locate("data/sample"))
    assert run.missing(run.plan.trials) == []
    assert pipeline.measure("", "data/sample").path == pipeline.SAMPLE
