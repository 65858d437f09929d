"""A run directory, read: what was asked, what was done, and every table that follows from it.

::

    study.yaml  plan.csv  manifest.json
    raw/<trial_id>/{client.out,client.err,server.out,server.err,meta.json}
    proof/<deployment_id>.json
    samples.parquet intervals.parquet remarks.parquet comparisons.parquet warnings.parquet
    notebooks/*.ipynb  report.html  summary.json

What does not change is read once, when it is first asked for; the manifest, which does while a run goes on, is read
each time. A table that is not there is made anew from the raw bytes, in memory. Nothing is written here, whatever
is asked: that is :mod:`cnilab.runs.writer`.

Schema history, newest first
----------------------------
2  reasons, substitutes and notes are facts (:mod:`cnilab.facts`); samples have ``wall_s``;
   comparisons carry their header and what they were made of
1  first version; its tables are read as :mod:`cnilab.runs.samples` says, its comparisons are made anew
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cnilab import study as studies
from cnilab.errors import RunDirError
from cnilab.runs import samples as tables
from cnilab.runs.files import digest as file_digest
from cnilab.study import Study, recorded
from cnilab.study.plan import Plan, Trial

if TYPE_CHECKING:
    from cnilab.runs.readings import Trials
    from cnilab.stats import Comparisons
    from cnilab.stats.cells import Cells
    from cnilab.stats.declared import Declared

SCHEMA_VERSION = 2


class Run:
    """One run on disk; :meth:`open` checks that it is one.

    Parameters
    ----------
    path
        The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run directory that exists.

        Raises
        ------
        RunDirError
            If it is none; the message says what is missing.
        """
        run = cls(path)
        for name in ("study.yaml", "plan.csv", "manifest.json"):
            if not (run.path / name).is_file():
                raise RunDirError(
                    f"{run.path} is not a run directory: it has no {name}. `cnilab run STUDY.yaml -o DIR` makes one"
                )
        return run

    # ---- what was asked -------------------------------------------------------------------------------

    @cached_property
    def study(self) -> Study:
        return studies.load(self.path / "study.yaml", recorded=True)

    @cached_property
    def plan(self) -> Plan:
        """The plan, drawn again from the study and held against the recorded hash.

        Raises
        ------
        RunDirError
            If they differ: the study was edited after it was planned.
        """
        plan = self.study.plan()
        if self.manifest["plan_hash"] not in (plan.hash, recorded.plan_hash(plan)):
            raise RunDirError(
                f"{self.path}/study.yaml no longer gives the recorded plan; start a new run for a changed study"
            )
        return plan

    # ---- what was done --------------------------------------------------------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        """State, provenance and deployments, as they stand now."""
        return self.read_json("manifest.json")

    @cached_property
    def run_id(self) -> str:
        return str(self.manifest["run_id"])

    @property
    def deployments(self) -> list[dict[str, Any]]:
        """What the manifest says of each treatment that was put in place."""
        return list(self.manifest.get("deployments", {}).values())

    @property
    def kernel_paths(self) -> dict[str, str]:
        """Mode -> what carried its packets, several joined by ``+``; a mode never put in place is absent."""
        carried: dict[str, set[str]] = {}
        for entry in self.deployments:
            if entry.get("kernel_path"):
                carried.setdefault(entry["mode"], set()).add(entry["kernel_path"])
        return {mode: "+".join(sorted(paths)) for mode, paths in carried.items()}

    def done(self) -> set[str]:
        """Trials that have been done by now, whatever came of them."""
        return {path.parent.name for path in (self.path / "raw").glob("*/meta.json")}

    def missing(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those of ``trials`` still to be done."""
        done = self.done()
        return [t for t in trials if t.trial_id not in done]

    @cached_property
    def metas(self) -> list[dict[str, Any]]:
        """How each trial was called and ended, in the plan's order."""
        folders = sorted((self.path / "raw").glob("*/meta.json"))
        found = [json.loads(path.read_text(encoding="utf-8")) for path in folders]
        return [recorded.meta(meta, self.study) for meta in found]

    @cached_property
    def proofs(self) -> dict[str, dict[str, Any]]:
        """Every deployment's proof by its id."""
        return {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((self.path / "proof").glob("*.json"))
        }

    # ---- what was measured ----------------------------------------------------------------------------

    @cached_property
    def readings(self) -> Trials:
        """Each trial's identity and what its raw bytes say, parsed anew."""
        from cnilab.runs.readings import identity_of, reading_of  # here: it loads every tool's reader

        return [
            (
                identity_of(meta, self.run_id, self.study.varying),
                reading_of(meta, self.path / "raw" / meta["trial_id"]),
            )
            for meta in self.metas
        ]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per trial, metric and stat (:mod:`cnilab.runs.samples`)."""
        from cnilab.runs import readings

        there = (self.path / "samples.parquet").exists()
        return tables.read(self.path) if there else readings.samples(self.readings)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: the samples without their values."""
        return self.samples.drop_duplicates("trial_id")

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """The per-interval values."""
        from cnilab.runs import readings

        path = self.path / "intervals.parquet"
        return pd.read_parquet(path) if path.exists() else readings.intervals(self.readings)

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """What the readers remarked on values that stand: ``trial_id, remark``, one row per remark.

        :data:`cnilab.measurements.remarks.REMARKS` has the meanings. A run of before they were kept is read again.
        """
        from cnilab.runs import readings

        path = self.path / "remarks.parquet"
        return pd.read_parquet(path) if path.exists() else readings.remarks(self.readings)

    # ---- what it says -----------------------------------------------------------------------------------

    @property
    def declared(self) -> Declared:
        """What the study fixed before the first trial."""
        from cnilab.stats.declared import Declared

        study = self.study
        return Declared(
            study.primary.model_dump(), study.modes, study.placements, sequential=study.stop is not None
        )

    @cached_property
    def cells(self) -> Cells:
        """One number per (block, mode) in every table."""
        from cnilab.stats.cells import collect

        return collect(self.samples, modes=self.declared.modes, primary=self.declared.primary)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Every mode against the baseline, as the study declared it before the first trial.

        Read from the directory if :meth:`cnilab.runs.writer.RunWriter.keep` left them there and they still belong to
        its samples; else made anew.
        """
        from cnilab.stats import Comparisons

        path = self.path / "comparisons.parquet"
        kept = Comparisons.load(path, made_of=self.made_of()) if path.exists() else None
        return self.compare() if kept is None else kept

    def compare(
        self, *, baseline: str | None = None, margin: float | None = None, **view: str | None
    ) -> Comparisons:
        """Compare on other terms than :attr:`comparisons`: a value to look at, never kept in the directory.

        Parameters
        ----------
        baseline, margin
            In place of what the study declared; a margin chosen now is marked as such.
        view
            ``metric``, ``test``, ``placement``, ``path``, ``stat``: which rows to show; no number depends on it.
        """
        from cnilab.stats import compare_cells, unsteady_runs
        from cnilab.stats.cells import collect

        study, declared, cells = self.study, self.declared, self.cells
        asked = view.get("metric")
        if asked and asked not in {
            t.metric for t in cells.tables
        }:  # one that is compared only when it is asked for
            cells = collect(self.samples, modes=declared.modes, primary=declared.primary, also=[asked])
        return compare_cells(
            cells,
            baseline or study.baseline,
            margin=study.margin if margin is None else margin,
            alpha=study.alpha,
            declared=replace(declared, margin=margin is None or margin == study.margin),
            unsteady=unsteady_runs(self.samples, self.intervals),
            provenance=self.manifest["provenance"],
        ).only(**view)

    def made_of(self) -> str:
        """Return a digest of what :attr:`comparisons` are made of: the study, the samples and the intervals."""
        parts = [self.path / name for name in ("study.yaml", "samples.parquet", "intervals.parquet")]
        told = [file_digest(path, self.path) if path.exists() else "" for path in parts]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    # ---- files ----------------------------------------------------------------------------------------

    def read_json(self, name: str) -> Any:
        """Return what a JSON file of the directory holds; raise RunDirError where it is damaged."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirError(f"{path} is damaged: {error}") from error

    def __repr__(self) -> str:
        try:
            plan, done = self.plan, self.done()
        except RunDirError as error:
            return f"Run {self.path}: {error}"
        return f"Run {self.path}: study {plan.study.name}, {len(done)} of {len(plan.trials)} trials done"


__all__ = ["Run"]
