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

import numpy as np
import pandas as pd

from cnilab import findings, modes
from cnilab.report import language as languages
from cnilab.report.language.about import Row
from cnilab.runs.run import Run
from cnilab.runs.samples import PLACEMENTS
from cnilab.runs.writer import RunWriter
from cnilab.stats import Comparison
from cnilab.stats.cells import Cells, Table
from cnilab.study import Study

#: 2: reasons and warnings are facts; 1: they were sentences, and such a file is made anew.
SCHEMA_VERSION = 2
#: (metric, stat) of what a figure is drawn of, in the order in which a report asks.
QUESTIONS = (
    ("goodput_bps", "value"),
    ("throughput_bps", "value"),
    ("rtt_s", "p50"),
    ("rtt_s", "p99"),
    ("transaction_rate_per_s", "value"),
    ("connection_rate_per_s", "value"),
    ("request_rate_per_s", "value"),
    ("latency_s", "p50"),
    ("latency_s", "p99"),
    ("cpu_s_per_request", "value"),
    ("packet_rate_per_s", "value"),
    ("cpu_s_per_byte", "value"),
    ("cpu_s_per_transaction", "value"),
    ("wire_bytes_per_byte", "value"),
)


def save_summary(run: Run) -> Path:
    """Write ``summary.json``, the answer for programs, of the run's own comparisons, in one step."""
    from cnilab.report.pricing import prices  # here: it opens a record of its own

    found, manifest, record = run.comparisons, run.manifest, Record(run)
    ordered, english = sort_rows(found.rows), languages.get("en")
    summary = {
        "schema_version": SCHEMA_VERSION,
        **{k: manifest[k] for k in ("run_id", "study", "study_hash", "plan_hash")},
        "seed": run.study.seed,
        "answer": str(english.lead(ordered, found.header)),
        "findings": [str(english.sentence(r)) for r in ordered if r["family"] == "primary"],
        "verdicts": found.header["verdicts"],
        "header": found.header,
        "prices": [one.to_dict() for one in prices(record)],
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
    """

    run: Run

    @classmethod
    def open(cls, run_dir: str | Path) -> Record:
        """Open a run directory; see :meth:`cnilab.runs.run.Run.open` for what can be wrong with it."""
        return cls(Run.open(run_dir))

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

    @staticmethod
    def compared(rows: Iterable[Row]) -> bool:
        """Whether any of the comparisons has a block behind it."""
        return any(r["n_used"] for r in rows)

    def questions(self) -> list[tuple[str, str, str]]:
        """Return ``(metric, stat, test)`` of everything a figure is drawn of, the declared primary first."""
        seen = {(r["metric"], r["stat"], r["test"]) for r in self.rows if r["family"] != "aa" and r["n_used"]}
        order = {key: i for i, key in enumerate(QUESTIONS)}
        tests = {t.name: i for i, t in enumerate(self.study.tests)}
        p = self.study.primary
        return sorted(
            (q for q in seen if q[:2] in order),
            key=lambda q: (q != (p.metric, p.stat, p.test), order[q[:2]], tests.get(q[2], 99)),
        )

    def streams(self, test: str | None) -> int | None:
        """Return how many streams a test has in parallel, None where that is varied or the test is not the study's."""
        return next((t.streams for t in self.study.tests if t.name == test), None)

    @property
    def placements(self) -> list[str]:
        """The study's placements, from near to far."""
        return [place for place in PLACEMENTS if place in self.study.placements]

    def block_ratios(self, metric: str, stat: str, test: str) -> pd.DataFrame:
        """Return each mode's ratio to the baseline in every block that has both: ``placement, mode, ratio``."""
        rows = []
        for place in dict.fromkeys(t.placement for t in self.cells.tables):
            table = self.table(metric, stat, test, place)
            if table is not None and table.scale == "log":
                base = table.values[table.row(self.study.baseline)]
                for mode, values in zip(table.modes, table.values):
                    ratios = np.exp((values - base)[~np.isnan(values - base)])
                    rows += [(table.placement, mode, ratio) for ratio in ratios]
        return pd.DataFrame(rows, columns=["placement", "mode", "ratio"])

    def table(self, metric: str, stat: str, test: str | None, placement: str | None) -> Table | None:
        """Return the cells of one scenario, None if there are none."""
        return self.cells.table(metric, stat, test=test, placement=placement)

    @property
    def kernel_paths(self) -> dict[str, str]:
        """Mode -> what carried its packets, several joined by ``+``; a mode never put in place is absent."""
        return self.run.kernel_paths
