"""The five notebooks, run by papermill in order into a run directory, and the page made of the last one.

Each notebook leaves its files in the run directory and the next one reads them there. One that fails is kept
as far as it came, and the error names it. What is in a notebook is not decided here.
"""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from cnilab import study as studies
from cnilab.bundled import bundled
from cnilab.errors import CnilabError, RunDirError
from cnilab.report.html import export
from cnilab.runs.files import replacing
from cnilab.runs.run import Run

ROOT = bundled()
NOTEBOOKS = bundled("notebooks")
SAMPLE = bundled("data/sample")
STAGES = ("01_design", "02_run", "03_quality", "04_compare", "05_report")
#: The stages that only read what has been measured.
READING = STAGES[2:]


#: A kernel ended by Ctrl-C would log the answers it could not send any more; a cell's errors come another way.
QUIET_KERNEL = "--IPKernelApp.log_level=CRITICAL"


class NotebookError(CnilabError, RuntimeError):
    """A notebook that stopped; the message names the file that holds all it said until then."""


def locate(path: str | Path) -> Path:
    """Return ``path`` wherever a notebook was started: from here, or beside the notebooks.

    Examples
    --------
    >>> locate("data/studies/quick.yaml").is_file()
    True
    """
    given = Path(path).expanduser()
    if given.is_absolute() or given.exists():
        return given.resolve()
    at_root = ROOT / given
    return at_root if at_root.exists() or Path.cwd() == NOTEBOOKS else given.resolve()


def study_of(study: str, run_dir: str) -> studies.Study:
    """Return the study named, or, if none is, the one that ``run_dir`` was made by."""
    place = locate(run_dir)
    recorded = place / "study.yaml"
    return studies.load(locate(study) if study or not recorded.exists() else recorded)


def measure(study: str, run_dir: str, *, resume: bool = False, progress: bool = True) -> Run:
    """Return a run directory in which nothing is missing; measure only what is.

    A directory that already holds every trial of the study is opened and left as it is, so that looking at a
    recorded run needs no lab and no privilege.
    """
    place = locate(run_dir)
    if (place / "manifest.json").exists():
        run = Run.open(place)
        wanted = study_of(study, run_dir)
        if run.study.digest == wanted.digest and not run.missing(run.plan.trials):
            return run
        if not resume and run.study.digest == wanted.digest:
            raise RunDirError(
                f"{place} lacks {len(run.missing(run.plan.trials))} trials; set resume to run what is missing"
            )
    from cnilab.execute import run as execute  # here, so that reading a record loads no testbed

    return execute(study_of(study, run_dir), place, resume=resume, progress=progress)


def run_notebooks(study_path: str, run_dir: str, *, resume: bool = False, progress: bool = True) -> Path:
    """Run the five notebooks in order and export the page.

    Parameters
    ----------
    study_path
        The study's YAML file.
    run_dir
        Where everything goes.
    resume
        Measure only what is missing there.
    progress
        Whether to tell on standard error what is going on.

    Returns
    -------
    Path
        ``<run_dir>/report.html``.

    Raises
    ------
    NotebookError
        If a notebook fails; it is kept as far as it came.
    """
    place = Path(run_dir).resolve()
    study = str(Path(study_path).resolve())
    if not resume and place.exists() and any(place.iterdir()):
        raise RunDirError(f"{place} is not empty; choose another -o DIR, or continue it with --resume")
    # The run directory is made by the second stage, before which it must not exist.
    waiting = place.parent / f".{place.name}.notebooks"
    waiting.mkdir(parents=True, exist_ok=True)
    try:
        for name in STAGES[:2]:
            given = {"study": study, "run_dir": str(place)} | (
                {"resume": resume, "progress": progress} if name == "02_run" else {}
            )
            _execute(name, waiting / f"{name}.ipynb", given, place / "notebooks", progress)
    finally:
        for made in sorted(waiting.glob("*.ipynb")):
            (place / "notebooks").mkdir(parents=True, exist_ok=True)
            shutil.move(made, place / "notebooks" / made.name)
        waiting.rmdir()
    return render(place, progress=progress)


def render(
    run_dir: str | Path, out: str | Path | None = None, *, notice: str = "", progress: bool = False
) -> Path:
    """Look a run over, compare and report again, from an existing run directory.

    Parameters
    ----------
    run_dir
        The run directory.
    out
        The HTML file; by default ``report.html`` in the run directory.
    notice
        A line to stand before everything else in the page.
    """
    run = Run.open(Path(run_dir).resolve())
    folder = run.path / "notebooks"
    folder.mkdir(exist_ok=True)
    for name in READING:
        given = {"run_dir": str(run.path)} | ({"notice": notice} if name == "05_report" else {"keep": True})
        _execute(name, folder / f"{name}.ipynb", given, folder, progress)
    return export(folder / "05_report.ipynb", Path(out) if out else run.path / "report.html")


def render_sample(run_dir: str | Path, *, notice: str = "", sample: str | Path = SAMPLE) -> Path:
    """Copy the recorded sample to ``run_dir`` and report on it, saying so in the first line."""
    place = Path(run_dir).resolve()
    if place.exists() and any(place.iterdir()):
        raise RunDirError(f"{place} is not empty; choose another -o DIR")
    Run.open(sample)
    shutil.copytree(sample, place, dirs_exist_ok=True)
    return render(place, notice=notice or "These are recorded numbers, not this machine's.")


def _execute(name: str, to: Path, parameters: dict[str, Any], final: Path, progress: bool) -> None:
    """Run one notebook; its progress bar goes on to standard error, and what it came to stays in the notebook."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    if progress:
        print(f"{name} …", file=sys.stderr, flush=True)
    with warnings.catch_warnings():
        # A third party's deprecation is no news for who runs a study, and no failure of it.
        warnings.simplefilter("ignore")
        try:
            papermill.execute_notebook(
                str(NOTEBOOKS / f"{name}.ipynb"),
                str(to),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                cwd=str(Path.cwd()),
                stderr_file=sys.stderr if progress else None,
                extra_arguments=[QUIET_KERNEL],
            )
        except PapermillExecutionError as error:
            raise NotebookError(
                f"{name} stopped: {error.ename}: {error.evalue}; all it said until then is in "
                f"{final / to.name}"
            ) from error
        finally:
            if to.exists():
                _settle(to)


def _settle(notebook: Path) -> None:
    """Keep of a text that was written over itself what a terminal shows at the end: one line of a bar, not all."""
    import nbformat
    from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

    node = nbformat.read(notebook, as_version=4)
    node, _ = CoalesceStreamsPreprocessor().preprocess(node, {})
    with replacing(notebook) as part:
        nbformat.write(node, part)


__all__ = [
    "NOTEBOOKS",
    "ROOT",
    "SAMPLE",
    "STAGES",
    "NotebookError",
    "export",
    "locate",
    "measure",
    "render",
    "render_sample",
    "run_notebooks",
    "study_of",
]
