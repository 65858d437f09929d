"""A run directory, written: made from a plan, filled trial by trial, and its tables built from the raw bytes.

``meta.json`` is written last: a trial without one has not been done. Files are replaced in one step, so that
a reader never meets half of one. Whoever only looks at a run uses :class:`cnilab.runs.run.Run`; nothing here runs or
judges anything.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnilab.errors import RunDirError
from cnilab.runs import readings
from cnilab.runs import samples as tables
from cnilab.runs.files import replacing
from cnilab.runs.run import SCHEMA_VERSION, Run
from cnilab.study.plan import Plan, Trial

if TYPE_CHECKING:
    from cnilab.stats import Comparisons


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    """Turn the disk's refusals into one sentence with the next thing to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise RunDirError(
                f"disk full while writing {path}; free some space, then run again with --resume"
            ) from error
        raise RunDirError(f"cannot write {path}: {error.strerror or error}") from error


class RunWriter:
    """The writing side of one run directory.

    Parameters
    ----------
    path
        The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path, plan: Plan, provenance: dict) -> RunWriter:
        """Make a run directory with the study, its plan and the hash over it, before anything is run.

        Raises
        ------
        RunDirError
            If the directory holds something already, or cannot be written.
        """
        writer = cls(path)
        # `notebooks` alone is what an attempt leaves that failed before it could measure
        if writer.path.exists() and any(p.name != "notebooks" for p in writer.path.iterdir()):
            raise RunDirError(
                f"{writer.path} is not empty; choose another -o DIR, or continue it with --resume"
            )
        with _refusals_named(writer.path):
            (writer.path / "raw").mkdir(parents=True, exist_ok=True)
            (writer.path / "proof").mkdir(exist_ok=True)
        writer.write_text("study.yaml", plan.study.to_yaml(access=False))
        writer.write_text("plan.csv", plan.frame().to_csv(index=False))
        writer.write_json(
            "manifest.json",
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": writer.path.resolve().name,
                "study": plan.study.name,
                "study_hash": plan.study.digest,
                "plan_hash": plan.hash,
                "state": "planned",
                "provenance": provenance,
                "deployments": {},
            },
        )
        return writer

    @classmethod
    def open(cls, path: str | Path) -> RunWriter:
        """Open a run directory to continue it; see :meth:`cnilab.runs.run.Run.open`."""
        return cls(Run.open(path).path)

    @property
    def run(self) -> Run:
        """The directory as it stands now, to be read; what an earlier one has read already is not in it."""
        return Run(self.path)

    # ---- trials ---------------------------------------------------------------------------------------

    def update_manifest(self, **changes: Any) -> None:
        """Replace keys of the manifest."""
        self.write_json("manifest.json", self.run.manifest | changes)

    def raw(self, trial_id: str) -> Path:
        """Folder of a trial's raw bytes, made if need be."""
        folder = self.path / "raw" / trial_id
        with _refusals_named(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, trial: Trial, meta: dict) -> None:
        """Mark a trial as done; ``meta`` says how it was called and how it ended."""
        self.write_json(
            f"raw/{trial.trial_id}/meta.json", {"schema_version": SCHEMA_VERSION, **trial.to_dict(), **meta}
        )

    def rebuild(self) -> Run:
        """Parse all raw output anew into the tables of this directory, and return the run as it then stands."""
        read = self.run.readings
        with _refusals_named(self.path / "samples.parquet"):
            for name, make in (
                ("samples", readings.samples),
                ("intervals", readings.intervals),
                ("remarks", readings.remarks),
            ):
                tables.write(make(read), self.path / f"{name}.parquet")
        return self.run

    def keep(self, comparisons: Comparisons) -> Path:
        """Leave a run's own comparisons in its directory, for as long as its samples are what they are."""
        path = self.path / "comparisons.parquet"
        with _refusals_named(path):
            return comparisons.save(path, made_of=self.run.made_of(), within=self.path)

    # ---- files ----------------------------------------------------------------------------------------

    def write_text(self, name: str, text: str) -> Path:
        """Write a file in one step: readers see the old one or the new one."""
        path = self.path / name
        with _refusals_named(path), replacing(path) as part, open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return path

    def write_json(self, name: str, value: Any, *, indent: int | None = 1) -> Path:
        """Write a value as JSON; ``indent=None`` for what only programs read."""
        return self.write_text(name, json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n")


__all__ = ["RunWriter"]
