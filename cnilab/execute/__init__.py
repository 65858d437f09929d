"""Run a study in a run directory: a new one, or one that was begun under the same terms.

One writer at a time; every byte it leaves is on the disk before it counts. How deployments and trials follow each other
is in :mod:`.matrix`; nothing here judges a value.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from cnilab import testbeds
from cnilab.errors import RunDirError
from cnilab.execute.matrix import Interrupted, Matrix
from cnilab.runs import lock, provenance
from cnilab.runs.declared import edits as edits_of
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter, refusals_named
from cnilab.study import Study, load
from cnilab.study.plan import Plan
from cnilab.testbeds.base import Spec, Testbed

__all__ = ["Interrupted", "run"]


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    retry: Collection[str] = (),
    progress: bool = True,
    testbed: Testbed | None = None,
) -> Run:
    """Run a study and keep everything it says in a run directory.

    Parameters
    ----------
    study
        A study, or the path of its YAML file.
    out
        The run directory: new, or with ``resume`` one to be continued.
    resume
        Run only what is missing. Nothing missing means nothing is run.
    retry
        With ``resume``: measure trials that ended so anew, too: ``failed`` (a timeout is one), ``skipped``. What they
        left stays beside the new bytes, under a hidden name.
    progress
        Whether to show a bar with the time left on standard error.
    testbed
        An object instead of the one the study names.

    Returns
    -------
    Run
        With the samples table built.

    Raises
    ------
    StudyError, RunDirError
        If the study is wrong, the directory is not empty, belongs to another study, or the disk is full.
    Interrupted
        On Ctrl-C; the trial under way is discarded, all others are kept.
    """
    study = study if isinstance(study, Study) else load(study)
    place = Path(out)
    if not resume and (strange := RunWriter(place).strange()):
        raise RunDirError(
            f"{place} is not empty ({strange}); choose another -o DIR, or continue it with --resume"
        )
    with refusals_named(place):
        place.mkdir(parents=True, exist_ok=True)
    with lock.held(place):
        RunWriter(place).sweep()
        plan, archive = _continued(study, place) if resume else _new(study, place)
        if missing := archive.run.missing(plan.trials, retry):
            bed = testbed or testbeds.get(study.testbed)(Spec.of(study))
            if not archive.run.manifest["provenance"]:
                archive.update_manifest(provenance={**provenance.collect(), **bed.provenance()})
            Matrix(plan, archive, bed, missing, progress).run()
        return archive.rebuild()


def _new(study: Study, place: Path) -> tuple[Plan, RunWriter]:
    plan = study.plan()
    return plan, RunWriter.create(place, plan, {})


def _continued(study: Study, place: Path) -> tuple[Plan, RunWriter]:
    """Return the run that was begun, if it was begun under the same terms; else the keys that differ."""
    writer = RunWriter(place)
    if mended := writer.mend():
        print(
            f"cnilab: {place}: {mended} damaged meta.json made anew; their raw bytes are as recorded",
            file=sys.stderr,
        )
    if not writer.whole():
        if writer.strange() is None:
            return _new(study, place)
        plan = study.plan()
        return plan, RunWriter.recover(place, plan)
    begun = writer.run
    edits = [*edits_of(begun.manifest, study), *begun.edits]
    if refused := sorted({str(edit) for edit in edits if edit.matters}):
        raise RunDirError(
            f"{place} was begun under other terms, and one run has one study; use a new -o DIR, or put back "
            + "; ".join(refused)
        )
    for free in sorted(set(map(str, edits))):
        print(f"cnilab: {place}: {free}; it changes no result", file=sys.stderr)
    return begun.plan, writer
