"""Everything a report reads, opened once from a run directory; and what comparing leaves there for it.

The hand-over between notebooks is files: ``comparisons.parquet`` and ``warnings.parquet`` from looking the run over.
What an earlier stage has not left is made anew from the raw files, so that a report can always be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cnilab import findings, modes
from cnilab.report import names, words
from cnilab.runs.run import Run
from cnilab.runs.samples import PLACEMENTS
from cnilab.runs.writer import RunWriter
from cnilab.stats import Comparison
from cnilab.stats.cells import Cells, Table
from cnilab.study import Study

#: 2: reasons and warnings are facts; 1: they were sentences, and such a file is made anew.
SCHEMA_VERSION = 2


def save_summary(run: Run) -> Path:
    """Write ``summary.json``, the answer for programs, of the run's own comparisons, in one step."""
    found, manifest = run.comparisons, run.manifest
    ordered = sort_rows(found.rows)
    summary = {
        "schema_version": SCHEMA_VERSION,
        **{k: manifest[k] for k in ("run_id", "study", "study_hash", "plan_hash")},
        "seed": run.study.seed,
        "answer": words.lead(ordered, found.header),
        "findings": [words.sentence(r) for r in ordered if r["family"] == "primary"],
        "verdicts": found.header["verdicts"],
        "header": found.header,
    }
    return RunWriter(run.path).write_json("summary.json", summary)


def sort_rows(rows: Iterable[Comparison]) -> list[Any]:
    """Return rows in the catalogue's order of modes within placements from near to far."""
    rows = list(rows)
    place = {p: i for i, p in enumerate(PLACEMENTS)}
    mode = {m: i for i, m in enumerate(modes.order([r["mode"] for r in rows]))}
    return sorted(rows, key=lambda r: (place.get(r["placement"], len(place)), mode[r["mode"]]))


@dataclass
class Record:
    """One run as a report sees it.

    Parameters
    ----------
    run
        The run directory.
    notice
        A line that stands before everything else, e.g. that these are recorded numbers.
    """

    run: Run
    notice: str = ""

    @classmethod
    def open(cls, run_dir: str | Path, notice: str = "") -> Record:
        """Open a run directory; see :meth:`cnilab.runs.run.Run.open` for what can be wrong with it."""
        return cls(Run.open(run_dir), notice)

    @cached_property
    def study(self) -> Study:
        return self.run.study

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self.run.manifest

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self.run.samples

    @cached_property
    def cells(self) -> Cells:
        """One number a (block, mode) in every table."""
        return self.run.cells

    @cached_property
    def rows(self) -> list[Any]:
        """The comparisons, in the order in which they are shown."""
        return sort_rows(self.run.comparisons.rows)

    @property
    def header(self) -> Mapping[str, Any]:
        return self.run.comparisons.header

    @cached_property
    def warnings(self) -> pd.DataFrame:
        return findings.load(self.run)

    @cached_property
    def proofs(self) -> dict[str, dict]:
        return self.run.proofs

    # ---- choosing ------------------------------------------------------------------------------------------

    @property
    def primary(self) -> list[Any]:
        """The declared family, without controls."""
        return [r for r in self.rows if r["family"] == "primary"]

    def select(self, metric: str, stat: str = "value", test: str | None = None) -> list[Any]:
        """Return the comparisons of one metric, stat and test."""
        return [
            r
            for r in self.rows
            if r["family"] != "aa"
            and (r["metric"], r["stat"]) == (metric, stat)
            and test in (None, r["test"])
        ]

    def questions(self) -> list[tuple[str, str, str]]:
        """Return ``(metric, stat, test)`` of everything a picture is drawn of, the declared primary first."""
        seen = {(r["metric"], r["stat"], r["test"]) for r in self.rows if r["family"] != "aa" and r["n_used"]}
        order = {k: i for i, k in enumerate(names.QUANTITIES)}
        tests = {t.name: i for i, t in enumerate(self.study.tests)}
        p = self.study.primary
        asked = [q for q in seen if q[:2] in order]
        return sorted(
            asked, key=lambda q: (q != (p.metric, p.stat, p.test), order[q[:2]], tests.get(q[2], 99))
        )

    def table(self, metric: str, stat: str, test: str | None, placement: str | None) -> Table | None:
        """Return the cells of one scenario, None if there are none."""
        return self.cells.table(metric, stat, test=test, placement=placement)

    def label(self, mode: str) -> str:
        """Return a mode's name with its substitute."""
        return names.mode_label(mode, self.run.kernel_paths.get(mode))
