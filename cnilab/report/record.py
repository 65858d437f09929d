"""Everything a report reads, opened once from a run directory; and what comparing leaves there for it.

The hand-over between notebooks is files: ``comparisons.parquet`` and ``summary.json`` from comparing,
``warnings.parquet`` from looking the run over. What an earlier stage has not left is made anew from the raw
files, so that a report can always be made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cnilab import findings, modes
from cnilab.report import names, words
from cnilab.runs.files import replacing
from cnilab.runs.run import Run
from cnilab.runs.samples import PLACEMENTS
from cnilab.runs.writer import RunWriter
from cnilab.stats import Comparisons
from cnilab.stats.cells import Cells, Table
from cnilab.study import Study

#: 2: reasons and warnings are facts; 1: they were sentences, and such a file is made anew.
SCHEMA_VERSION = 2


def save_comparisons(run: Run, found: Comparisons) -> tuple[Path, Path]:
    """Write ``comparisons.parquet`` and ``summary.json``, each in one step, and return their paths."""
    rows = [{k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in found.rows]
    table = pa.Table.from_pylist(
        [
            {**r, "warnings": [json.dumps(w) for w in r["warnings"]], "reason": _json(r["reason"])}
            for r in rows
        ]
    )
    table = table.replace_schema_metadata({"schema_version": str(SCHEMA_VERSION)})
    path = run.path / "comparisons.parquet"
    with replacing(path) as part:
        pq.write_table(table, part)
    manifest = run.manifest
    ordered = sort_rows(rows)
    summary = {
        "schema_version": SCHEMA_VERSION,
        **{k: manifest[k] for k in ("run_id", "study", "study_hash", "plan_hash")},
        "seed": run.study.seed,
        "answer": words.lead(ordered, found.header),
        "findings": [words.sentence(r) for r in ordered if r["family"] == "primary"],
        "verdicts": found.header["verdicts"],
        "header": found.header,
    }
    return path, RunWriter(run.path).write_json("summary.json", summary)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _current(path: Path) -> bool:
    """Whether a table is there and of this schema."""
    if not path.exists():
        return False
    about = pq.read_schema(path).metadata or {}
    return about.get(b"schema_version") == str(SCHEMA_VERSION).encode()


def sort_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in the catalogue's order of modes within placements from near to far."""
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
    _made: dict[str, Comparisons] = field(default_factory=dict, repr=False)

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
    def rows(self) -> list[dict[str, Any]]:
        """The comparisons, in the order in which they are shown."""
        path = self.run.path / "comparisons.parquet"
        if _current(path):
            rows = pq.read_table(path).to_pylist()
            rows = [
                {
                    **r,
                    "warnings": [json.loads(w) for w in r["warnings"] or ()],
                    "flags": r["flags"] or [],
                    "reason": json.loads(r["reason"]) if r["reason"] else None,
                }
                for r in rows
            ]
        else:
            rows = [dict(r) for r in self._compared.rows]
        return sort_rows(rows)

    @cached_property
    def header(self) -> Mapping[str, Any]:
        path = self.run.path / "summary.json"
        return self.run.read_json("summary.json")["header"] if path.exists() else self._compared.header

    @property
    def _compared(self) -> Comparisons:
        if "it" not in self._made:
            self._made["it"] = self.run.comparisons
        return self._made["it"]

    @cached_property
    def warnings(self) -> pd.DataFrame:
        path = self.run.path / "warnings.parquet"
        return pd.read_parquet(path) if path.exists() else findings.check(self.run)

    @cached_property
    def proofs(self) -> dict[str, dict]:
        return self.run.proofs

    # ---- choosing ------------------------------------------------------------------------------------------

    @property
    def primary(self) -> list[dict[str, Any]]:
        """The declared family, without controls."""
        return [r for r in self.rows if r["family"] == "primary"]

    def select(self, metric: str, stat: str = "value", test: str | None = None) -> list[dict[str, Any]]:
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
        for t in self.cells.tables:
            if (t.metric, t.stat, t.test, t.placement) == (metric, stat, test, placement):
                return t
        return None

    @cached_property
    def kernel_paths(self) -> dict[str, str]:
        """Mode -> what carried its packets, several joined by ``+``; a mode never put in place is absent."""
        out: dict[str, set[str]] = {}
        for entry in self.manifest.get("deployments", {}).values():
            if entry.get("kernel_path"):
                out.setdefault(entry["mode"], set()).add(entry["kernel_path"])
        return {m: "+".join(sorted(paths)) for m, paths in out.items()}

    def label(self, mode: str) -> str:
        """Return a mode's name with its substitute."""
        return names.mode_label(mode, self.kernel_paths.get(mode))
