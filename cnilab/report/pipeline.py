"""The five notebooks, run by papermill in order into a run directory, and the page made of the last one.

Each notebook leaves its files in the run directory and the next one reads them there. One that fails is kept
as far as it came, and the error names it. What is in a notebook is not decided here.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnilab import study as studies
from cnilab.bundled import bundled
from cnilab.errors import CnilabError, RunDirError
from cnilab.report import language as languages
from cnilab.report.isolation import ISOLATED_KERNEL, isolated
from cnilab.runs import files, lock
from cnilab.runs.run import Run

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = bundled()
NOTEBOOKS = bundled("notebooks")
SAMPLE = bundled("data/sample")
STAGES = ("01_design", "02_run", "03_quality", "04_compare", "05_report")
#: The stages that only read what has been measured.
READING = STAGES[2:]
#: Notebook of an experiment -> the report's chapter that it shows; run where that chapter has something to say.
EXPERIMENTS = {"07_http": "http", "08_replicas": "replicas", "09_policy": "policy", "10_growth": "growth"}


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


def run_notebooks(
    study_path: str, run_dir: str, *, resume: bool = False, language: str = "en", progress: bool = True
) -> Path:
    """Run the five notebooks in order and export the page.

    Parameters
    ----------
    study_path
        The study's YAML file.
    run_dir
        Where everything goes.
    resume
        Measure only what is missing there.
    language
        A key of :data:`cnilab.report.language.LANGUAGES`.
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
    lock.refuse_if_held(place)
    languages.get(language)  # an unknown one is told before anything is measured
    for name in STAGES[:2]:
        given = {"study": study, "run_dir": str(place)} | (
            {"resume": resume, "progress": progress, "language": language} if name == "02_run" else {}
        )
        _execute(name, given, place, progress)
    return render(place, language=language, progress=progress)


def render(
    run_dir: str | Path,
    out: str | Path | None = None,
    *,
    notice: str = "",
    language: str = "en",
    progress: bool = False,
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
    language
        A key of :data:`cnilab.report.language.LANGUAGES`.
    """
    from cnilab.report.page import (
        export,
    )  # here: every kernel imports this module, and none of them writes a page

    spoken = languages.get(language)
    run = Run.open(Path(run_dir).resolve())
    writable = os.access(run.path, os.W_OK)
    if not writable and out is None:
        raise RunDirError(f"{run.path} cannot be written; say with -o FILE where the report goes")
    _experiments(run, language, progress)
    for name in READING:
        given = {"run_dir": str(run.path), "language": language}
        if name == "05_report":
            made = _execute(name, given | {"notice": notice}, run.path, progress)
        else:
            _execute(name, given | {"keep": writable}, run.path, progress)
    return export(made, Path(out) if out else run.path / "report.html", spoken)


def _experiments(run: Run, language: str, progress: bool) -> None:
    """Run the notebook of each experiment that was measured, and tell why the others are not run."""
    from cnilab.report import chapters  # here, with the page's own: a kernel that measures needs neither
    from cnilab.report.record import Record

    record = Record(run)
    for name, chapter in EXPERIMENTS.items():
        why_not = chapters.CHAPTERS[chapter].applies(record)
        if why_not is None:
            _execute(name, {"run_dir": str(run.path), "language": language}, run.path, progress)
        elif progress:
            print(f"{name}: skipped, {languages.tell(why_not, language)}", file=sys.stderr, flush=True)


def render_sample(
    run_dir: str | Path, *, notice: str = "", language: str = "en", sample: str | Path = SAMPLE
) -> Path:
    """Copy the recorded sample to ``run_dir`` and report on it, saying so in the first line."""
    place = Path(run_dir).resolve()
    if place.exists() and any(place.iterdir()):
        raise RunDirError(f"{place} is not empty; choose another -o DIR")
    Run.open(sample)
    shutil.copytree(sample, place, dirs_exist_ok=True)
    spoken = languages.get(language)
    return render(place, notice=notice or spoken.word("notice.recorded"), language=language)


def _execute(name: str, parameters: dict[str, Any], run_dir: Path, progress: bool) -> NotebookNode:
    """Run one notebook, keep it in the run directory as far as it came, and return it.

    The kernel sees nothing of the directory it reports on, nor of the one it was called from: a run directory is a
    stranger's, and a file called ``pandas.py`` in it is data. A progress bar goes on to standard error, and what it
    came to stays in the notebook.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    if progress:
        print(f"{name} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="cnilab-") as work, warnings.catch_warnings(), isolated():
        # A third party's deprecation is no news for who runs a study, and no failure of it.
        warnings.simplefilter("ignore")
        to, own = Path(work, f"{name}.ipynb"), Path(work, "kernel")
        own.mkdir()
        try:
            papermill.execute_notebook(
                str(NOTEBOOKS / f"{name}.ipynb"),
                str(to),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                cwd=str(own),
                stderr_file=sys.stderr if progress else None,
                extra_arguments=[QUIET_KERNEL, *ISOLATED_KERNEL],
            )
        except PapermillExecutionError as error:
            raise NotebookError(
                f"{name} stopped: {error.ename}: {error.evalue}; all it said until then is in "
                f"{run_dir / 'notebooks' / to.name}"
            ) from error
        finally:
            if to.exists():
                node = _settled(to)
                _keep(node, run_dir, to.name)
        return node


def _keep(node: NotebookNode, run_dir: Path, name: str) -> None:
    """Leave a notebook in the run directory, if that can be written and nobody else is writing there."""
    import nbformat

    folder = run_dir / "notebooks"
    with suppress(OSError, RunDirError):
        lock.refuse_if_held(run_dir)
        with files.folder(folder, run_dir, make=True):
            files.write(folder / name, nbformat.writes(node).encode(), run_dir)


def _settled(notebook: Path) -> NotebookNode:
    """Keep of a text that was written over itself what a terminal shows at the end: one line of a bar, not all."""
    import nbformat
    from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

    node, _ = CoalesceStreamsPreprocessor().preprocess(nbformat.read(notebook, as_version=4), {})
    return node


__all__ = [
    "EXPERIMENTS",
    "NOTEBOOKS",
    "ROOT",
    "SAMPLE",
    "STAGES",
    "NotebookError",
    "locate",
    "measure",
    "render",
    "render_sample",
    "run_notebooks",
    "study_of",
]
