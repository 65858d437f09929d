"""The run directory: raw bytes first, then everything that can be rebuilt from them.

::

    study.yaml  plan.csv  manifest.json
    raw/<trial_id>/{client.out,client.err,server.out,server.err,meta.json}
    proof/<deployment_id>.json
    samples.parquet intervals.parquet remarks.parquet comparisons.parquet warnings.parquet
    notebooks/*.ipynb  report.html  summary.json

``meta.json`` is written last: a trial without one has not been done. Files are replaced in one step, so that
a reader never meets half of one. Nothing here runs or judges anything.

Schema history, newest first
----------------------------
1  first version
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cnilab import study as studies
from cnilab.errors import ParseError, RunDirError
from cnilab.runs import samples as tables
from cnilab.runs.files import replacing
from cnilab.study import Study
from cnilab.study.plan import Plan, Trial
from cnilab.units import unit_of

SCHEMA_VERSION = 1

#: Columns of the samples table that a trial's meta holds under the same name.
_FROM_META = (
    "trial_id", "block", "slot", "deployment_id", "kernel_path", "placement", "path", "test", "tool",
    "started_at", "status", "reason",
)  # fmt: skip


@contextmanager
def _telling(path: Path):
    """Turn the disk's refusals into one sentence with the next thing to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise RunDirError(
                f"disk full while writing {path}; free some space, then run again with --resume"
            ) from error
        raise RunDirError(f"cannot write {path}: {error.strerror or error}") from error


class RunDir:
    """One run on disk.

    Parameters
    ----------
    path
        The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # ---- making and opening ---------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, plan: Plan, provenance: dict) -> RunDir:
        """Make a run directory with the study, its plan and the hash over it, before anything is run.

        Raises
        ------
        RunDirError
            If the directory holds something already, or cannot be written.
        """
        run = cls(path)
        # `notebooks` alone is what an attempt leaves that failed before it could measure
        if run.path.exists() and any(p.name != "notebooks" for p in run.path.iterdir()):
            raise RunDirError(f"{run.path} is not empty; choose another -o DIR, or continue it with --resume")
        with _telling(run.path):
            (run.path / "raw").mkdir(parents=True, exist_ok=True)
            (run.path / "proof").mkdir(exist_ok=True)
        run.write_text("study.yaml", plan.study.to_yaml())
        run.write_text("plan.csv", plan.frame().to_csv(index=False))
        run.write_json(
            "manifest.json",
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": run.path.resolve().name,
                "study": plan.study.name,
                "study_hash": plan.study.digest,
                "plan_hash": plan.hash,
                "state": "planned",
                "provenance": provenance,
                "deployments": {},
            },
        )
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunDir:
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

    @property
    def run_id(self) -> str:
        return str(self.manifest["run_id"])

    @property
    def study(self) -> Study:
        return studies.load(self.path / "study.yaml")

    @property
    def plan(self) -> Plan:
        """The plan, drawn again from the study and held against the recorded hash.

        Raises
        ------
        RunDirError
            If they differ: the study was edited after it was planned.
        """
        plan = self.study.plan()
        if plan.hash != self.manifest["plan_hash"]:
            raise RunDirError(
                f"{self.path}/study.yaml no longer gives the recorded plan; start a new run for a changed study"
            )
        return plan

    @property
    def manifest(self) -> dict:
        return self.read_json("manifest.json")

    def update_manifest(self, **changes: Any) -> None:
        """Replace keys of the manifest."""
        self.write_json("manifest.json", self.manifest | changes)

    # ---- trials ---------------------------------------------------------------------------------------

    def raw(self, trial_id: str) -> Path:
        """Folder of a trial's raw bytes, made if need be."""
        folder = self.path / "raw" / trial_id
        with _telling(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, trial: Trial, meta: dict) -> None:
        """Mark a trial as done; ``meta`` says how it was called and how it ended."""
        self.write_json(
            f"raw/{trial.trial_id}/meta.json", {"schema_version": SCHEMA_VERSION, **vars(trial), **meta}
        )

    def done(self) -> set[str]:
        """Trials that have been done, whatever came of them."""
        return {p.parent.name for p in (self.path / "raw").glob("*/meta.json")}

    def missing(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those of ``trials`` still to be done."""
        done = self.done()
        return [t for t in trials if t.trial_id not in done]

    def metas(self) -> list[dict]:
        """Every done trial's meta, in the plan's order."""
        folders = sorted((self.path / "raw").glob("*/meta.json"))
        return [json.loads(p.read_text(encoding="utf-8")) for p in folders]

    def proofs(self) -> dict[str, dict]:
        """Every deployment's proof by its id."""
        return {
            p.stem: json.loads(p.read_text(encoding="utf-8"))
            for p in sorted((self.path / "proof").glob("*.json"))
        }

    # ---- from raw to tables ---------------------------------------------------------------------------

    def rebuild(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Parse all raw output anew into the tables of this directory; return the samples and the intervals."""
        rows, series, remarks = self._parsed()
        samples, intervals = tables.from_rows(rows), tables.intervals_from_rows(series)
        with _telling(self.path / "samples.parquet"):
            tables.write(samples, self.path / "samples.parquet")
            tables.write(intervals, self.path / "intervals.parquet")
            tables.write(_remarks(remarks), self.path / "remarks.parquet")
        return samples, intervals

    def _parsed(self) -> tuple[list[dict], list[dict], list[dict]]:
        """Return what the raw output says: samples, intervals and the readers' remarks."""
        from cnilab import measurements

        run_id, rows, series, remarks = self.run_id, [], [], []
        for meta in self.metas():
            base = {
                "run_id": run_id,
                "mode": meta["label"],
                "duration_s": meta.get("wall_s"),
                "raw_path": f"raw/{meta['trial_id']}/client.out" if meta.get("client_argv") else None,
                **{k: meta.get(k) for k in _FROM_META},
            }  # fmt: skip
            readings: list = []
            if meta["status"] == "ok":
                try:
                    folder = self.path / "raw" / meta["trial_id"]
                    readings = measurements.measurement(meta["tool"]).read(folder)
                except OSError as error:
                    base |= {"status": "failed", "reason": f"its raw output cannot be read: {error.strerror}"}
                except ParseError as error:
                    base |= {"status": "failed", "reason": f"output not readable: {error}"}
                if len(readings) > 1:
                    base |= {"status": "failed", "reason": f"{len(readings)} results in one trial's output"}
                    readings = []
                elif not readings and base["status"] == "ok":
                    base |= {"status": "failed", "reason": "the output holds no result"}
            if not readings:
                rows.append(base)
                continue
            reading = readings[0]
            base["tool_version"] = reading.tool_version
            if reading.status != "ok":
                rows.append(base | {"status": reading.status, "reason": reading.reason})
                continue
            remarks += [{"trial_id": meta["trial_id"], "remark": note} for note in reading.notes]
            for sample in reading.samples:
                unit = unit_of(sample.metric)
                rows.append(
                    base | {"metric": sample.metric, "stat": sample.stat, "value": sample.value, "unit": unit}
                )
            for i in reading.intervals:
                series.append(
                    {"run_id": run_id, "trial_id": meta["trial_id"], **i._asdict(), "unit": unit_of(i.metric)}
                )
        return rows, series, remarks

    def samples(self) -> pd.DataFrame:
        """The samples table, rebuilt if it is not there."""
        return tables.read(self.path) if (self.path / "samples.parquet").exists() else self.rebuild()[0]

    def intervals(self) -> pd.DataFrame:
        """The table of per-interval values, rebuilt if it is not there."""
        path = self.path / "intervals.parquet"
        return pd.read_parquet(path) if path.exists() else self.rebuild()[1]

    def remarks(self) -> pd.DataFrame:
        """What the readers remarked on values that stand: ``trial_id, remark``, one row a remark.

        :data:`cnilab.measurements.remarks.REMARKS` has the meanings. A run of before they were kept is read again.
        """
        path = self.path / "remarks.parquet"
        return pd.read_parquet(path) if path.exists() else _remarks(self._parsed()[2])

    # ---- files ----------------------------------------------------------------------------------------

    def write_text(self, name: str, text: str) -> Path:
        """Write a file in one step: readers see the old one or the new one."""
        path = self.path / name
        with _telling(path), replacing(path) as part, open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return path

    def write_json(self, name: str, value: Any, *, indent: int | None = 1) -> Path:
        """Write a value as JSON; ``indent=None`` for what only programs read."""
        return self.write_text(name, json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n")

    def read_json(self, name: str) -> Any:
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirError(f"{path} is damaged: {error}") from error

    def __repr__(self) -> str:
        try:
            plan, done = self.plan, self.done()
        except RunDirError as error:
            return f"RunDir {self.path}: {error}"
        return f"RunDir {self.path}: study {plan.study.name}, {len(done)} of {len(plan.trials)} trials done"


def _remarks(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["trial_id", "remark"], dtype="string")


__all__ = ["RunDir"]
