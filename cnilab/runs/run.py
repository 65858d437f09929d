"""A run directory, read: what was asked, what was done, and every table that follows from it.

::

    study.yaml  plan.csv  manifest.json
    raw/<trial_id>/{client.out,client.err,server.out,server.err,meta.json}
    proof/<deployment_id>.json  deployments.jsonl  raw.index
    samples.parquet intervals.parquet remarks.parquet comparisons.parquet warnings.parquet
    notebooks/*.ipynb  report.html  summary.json

What does not change is read once, when it is first asked for, and so is what stands under ``raw``; the manifest, which
changes while a run goes on, is read again whenever it has. A table that is not there is made anew from the raw bytes,
in memory. Nothing is written here, whatever is asked: that is :mod:`cnilab.runs.writer`.

Schema history, newest first
----------------------------
2  reasons, substitutes and notes are facts (:mod:`cnilab.facts`); samples have ``wall_s``;
   comparisons carry their header and what they were made of
1  first version; its tables are read as :mod:`cnilab.runs.samples` says, its comparisons are made anew
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cnilab import study as studies
from cnilab.errors import RunDirError
from cnilab.facts import Fact
from cnilab.runs import derived, documents, files, watched
from cnilab.runs import samples as tables
from cnilab.runs.declared import Edit, edits
from cnilab.runs.raw import Raw
from cnilab.runs.samples import Tables
from cnilab.study import Study, recorded
from cnilab.study.factors import FACTORS
from cnilab.study.plan import Plan, Trial, planned_id

if TYPE_CHECKING:
    from cnilab.stats import Comparisons
    from cnilab.stats.cells import Cells
    from cnilab.stats.declared import Declared
    from cnilab.stats.projection import View
    from cnilab.stats.strata import States

SCHEMA_VERSION = 2
#: Newest schema of a proof that is read; :mod:`cnilab.testbeds.proof` writes it.
PROOF_SCHEMA = 2


class Run:
    """One run on disk; :meth:`open` checks that it is one.

    Parameters
    ----------
    path
        The directory.
    verify
        Read and hash every raw file anew, whatever ``raw.index`` says.
    """

    def __init__(self, path: str | Path, *, verify: bool = False) -> None:
        self.path, self._verify = Path(path), verify
        self._manifest: tuple[object, dict[str, Any]] | None = None

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> Run:
        """Open a run directory that exists.

        Raises
        ------
        RunDirError
            If it is none; the message says what is missing.
        """
        run = cls(path, verify=verify)
        for name in ("study.yaml", "manifest.json"):
            if not (run.path / name).is_file():
                raise RunDirError(
                    f"{run.path} is not a run directory: it has no {name}. `cnilab run STUDY.yaml -o DIR` makes one"
                )
        _ = run.manifest  # a damaged one is told now
        return run

    # ---- what was asked -------------------------------------------------------------------------------

    @cached_property
    def study(self) -> Study:
        path = self.path / "study.yaml"
        try:
            return studies.parse(files.read(path, self.path).decode(), name=str(path), recorded=True)
        except (OSError, UnicodeDecodeError) as error:
            raise RunDirError(f"{path} cannot be read: {error}") from error

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """What of the study is not as it was declared before the first trial."""
        return edits(self.manifest, self.study)

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
        now = [files.stamp(self.path / name) for name in ("manifest.json", documents.DEPLOYMENTS)]
        if self._manifest is not None and self._manifest[0] == now:
            return self._manifest[1]
        try:
            self._manifest = now, documents.manifest(self.path, SCHEMA_VERSION)
            return self._manifest[1]
        except RunDirError as error:
            raise RunDirError(f"{error} (`cnilab run STUDY.yaml -o DIR --resume` makes it anew)") from error

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

    @cached_property
    def raw(self) -> Raw:
        """What stands under ``raw``."""
        return Raw(self.path, SCHEMA_VERSION, verify=self._verify)

    def done(self) -> set[str]:
        """Trials that had been done, whatever came of them, when this run was first asked for them."""
        return self.raw.done

    def missing(self, trials: Iterable[Trial], retry: Collection[str] = ()) -> list[Trial]:
        """Those of ``trials`` still to be done, and those to be done again.

        Parameters
        ----------
        retry
            ``failed``, ``skipped``: trials that ended so, and of which no repetition has a value.
        """
        done = self.done()
        if retry:
            ended: dict[str, set[str]] = {}
            for meta in self.raw.metas():
                status = "failed" if meta["trial_id"] in self.altered else meta["status"]
                ended.setdefault(planned_id(meta["trial_id"]), set()).add(status.replace("timeout", "failed"))
            done -= {trial for trial, how in ended.items() if how & set(retry) and "ok" not in how}
        return [t for t in trials if t.trial_id not in done]

    @cached_property
    def metas(self) -> list[dict[str, Any]]:
        """How each trial was called and ended, in the plan's order."""
        return list(self._metas())

    def _metas(self) -> Iterator[dict[str, Any]]:
        return (recorded.meta(meta, self.study) for meta in self.raw.metas())

    @property
    def altered(self) -> dict[str, Fact]:
        """Trials whose raw bytes are not those that were recorded: trial -> which file."""
        return self.raw.altered

    @cached_property
    def origin(self) -> str:
        """Digest of all that the tables are made of, as it stands now (:mod:`cnilab.runs.derived`)."""
        return self.raw.origin()

    def believed(self, name: str) -> BytesIO | None:
        """Return a derived file if it follows from what stands here now; else it is to be made anew."""
        data = derived.believed(self.path, name, self.origin)
        return None if data is None else BytesIO(data)

    @cached_property
    def proofs(self) -> dict[str, dict[str, Any]]:
        """Every deployment's proof by its id."""
        return {
            path.stem: documents.read(path, self.path, PROOF_SCHEMA)
            for path in sorted((self.path / "proof").glob("*.json"))
        }

    # ---- what was measured ----------------------------------------------------------------------------

    def parse(self, at_once: int = 2000) -> Iterator[Tables]:
        """Parse all raw bytes anew into tables, of so many trials at once that memory does not grow with the run."""
        from cnilab.runs import readings  # here: it loads every tool's reader

        states = self._states_of_trials()
        metas = self._metas()
        some = list(islice(metas, at_once))
        while True:
            yield readings.tables_of(some, self.path, self.run_id, self.study, states)
            if not (some := list(islice(metas, at_once))):
                return

    @cached_property
    def _parsed(self) -> Tables:
        """The tables as the raw bytes have them, for a directory that keeps none that follow from them."""
        parts = list(self.parse())
        return (
            parts[0] if len(parts) == 1 else Tables(*(pd.concat(t, ignore_index=True) for t in zip(*parts)))
        )

    @cached_property
    def watched(self) -> pd.DataFrame:
        """What else the machine did, one row per watched trial (:mod:`cnilab.runs.watched`)."""
        return watched.table(self._metas())

    @cached_property
    def states(self) -> States:
        """The states the machine was in, from the references of this run's trials alone."""
        from cnilab.stats.strata import machine_states

        return machine_states(self.watched[["before_s", "after_s"]].to_numpy())

    @cached_property
    def state_of(self) -> np.ndarray:
        """The state of each row of :attr:`watched`, 0 for the fastest; -1 where there is no reference."""
        return self.states.of_trials(self.watched[["before_s", "after_s"]].to_numpy())

    def _states_of_trials(self) -> dict[str, int]:
        """Return the state of each trial that has references; none are asked for where nothing was watched."""
        if self.watched.empty:
            return {}
        return {trial: int(state) for trial, state in zip(self.watched["trial_id"], self.state_of) if state >= 0}

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per trial, metric and stat (:mod:`cnilab.runs.samples`)."""
        kept = self.believed("samples.parquet")
        return tables.upgraded(pd.read_parquet(kept)) if kept else self._parsed.samples

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: the samples without their values."""
        return self.samples.drop_duplicates("trial_id")

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """The per-interval values."""
        kept = self.believed("intervals.parquet")
        return pd.read_parquet(kept) if kept else self._parsed.intervals

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """What the readers remarked on values that stand: ``trial_id, remark``, one row per remark.

        :data:`cnilab.measurements.remarks.REMARKS` has the meanings. A run of before they were kept is read again.
        """
        kept = self.believed("remarks.parquet")
        return pd.read_parquet(kept) if kept else self._parsed.remarks

    # ---- what it says -----------------------------------------------------------------------------------

    @cached_property
    def view(self) -> View:
        """What is compared, and within what: the factors that treatments differ in, and the rest."""
        from cnilab.stats.projection import SCENARIO, View

        varying = [FACTORS[name] for name in self.study.varying if name != "mode"]
        return View(
            ("mode", *(factor.name for factor in varying if factor.compared)),
            (*SCENARIO, *(factor.name for factor in varying if not factor.compared)),
        )

    @property
    def planned(self) -> list[str]:
        """The labels of the treatments that were planned, without the twin's."""
        from cnilab.stats.projection import label_of

        planned = [t for t in self.study.treatments if not t.twin]
        by = self.view.by
        return list(dict.fromkeys(label_of({n: t.levels[n] for n in by if n in t.levels}) for t in planned))

    @property
    def control(self) -> str:
        """The label of the treatment that the others are compared with."""
        from cnilab.stats.projection import label_of

        levels = self.study.control.levels
        return label_of({name: levels[name] for name in self.view.by if name in levels})

    @property
    def declared(self) -> Declared:
        """What the study fixed before the first trial."""
        from cnilab.stats.declared import Declared

        study = self.study
        return Declared(
            study.primary.model_dump(),
            self.planned,
            study.placements,
            sequential=study.stop is not None,
            design=study.design,
            impossible=self._impossible,
        )

    @property
    def _impossible(self) -> frozenset[tuple[str, str, str]]:
        """What the catalogue of modes rules out, by the labels of treatments."""
        from cnilab.stats.projection import label_of

        return frozenset(
            (label_of({name: t.levels[name] for name in self.view.by}), placement, self.study.path)
            for t in self.study.treatments
            if not t.twin
            for placement in self.study.placements
            if not self.study.possible(t, placement)
        )

    @cached_property
    def cells(self) -> Cells:
        """One number per (block, mode) in every table."""
        from cnilab.stats.cells import collect

        return collect(self.samples, modes=self.declared.modes, primary=self.declared.primary, view=self.view)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Every mode against the baseline, as the study declared it before the first trial.

        Read from the directory if :meth:`cnilab.runs.writer.RunWriter.keep` left them there and they follow from what
        stands there now; else made anew.
        """
        from cnilab.stats import Comparisons

        file = self.believed("comparisons.parquet")
        kept = None if file is None else Comparisons.load(file)
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
        if asked and all(asked != table.metric for table in cells.tables):  # compared only when asked for
            cells = collect(
                self.samples, modes=declared.modes, primary=declared.primary, also=[asked], view=self.view
            )
        return compare_cells(
            cells,
            baseline or self.control,
            margin=study.margin if margin is None else margin,
            alpha=study.alpha,
            declared=replace(
                declared,
                margin=(margin is None or margin == study.margin)
                and not any(edit.key == "margin" for edit in self.edits),
            ),
            unsteady=unsteady_runs(self.samples, self.intervals, self.view),
            provenance=self.manifest["provenance"],
        ).only(**view)

    def __repr__(self) -> str:
        try:
            plan, done = self.plan, self.done()
        except RunDirError as error:
            return f"Run {self.path}: {error}"
        return f"Run {self.path}: study {plan.study.name}, {len(done)} of {len(plan.trials)} trials done"


__all__ = ["Run"]
