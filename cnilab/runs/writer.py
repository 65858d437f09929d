"""A run directory, written: made from a plan, filled trial by trial, and its tables built from the raw bytes.

``meta.json`` is written last: a trial without one has not been done. Files are replaced in one step, so that
a reader never meets half of one. Whoever only looks at a run uses :class:`cnilab.runs.run.Run`; nothing here runs or
judges anything.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnilab.errors import RunDirError
from cnilab.runs import declared, derived, documents, files, lock, raw
from cnilab.runs import samples as tables
from cnilab.runs.run import SCHEMA_VERSION, Run
from cnilab.study.plan import Plan, Trial, planned_id

if TYPE_CHECKING:
    from cnilab.stats import Comparisons


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
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
        self._begun: str | None = None

    @classmethod
    def create(cls, path: str | Path, plan: Plan, provenance: dict) -> RunWriter:
        """Make a run directory with the study, its plan and the hash over it, before anything is run.

        Raises
        ------
        RunDirError
            If the directory holds something already, or cannot be written.
        """
        writer = cls(path)
        if strange := writer.strange():
            raise RunDirError(
                f"{writer.path} is not empty ({strange}); choose another -o DIR, or continue it with --resume"
            )
        writer._begin(plan, provenance)
        return writer

    @classmethod
    def recover(cls, path: str | Path, plan: Plan) -> RunWriter:
        """Make the manifest of a run anew that has none or a damaged one, from its plan and its raw files.

        Raises
        ------
        RunDirError
            If what was measured there is not of this plan.
        """
        writer = cls(path)
        planned = {t.trial_id: t for t in plan.trials}
        known = documents.deployments(writer.path)
        for meta in writer.run.raw.metas():
            its = planned.get(planned_id(meta["trial_id"]))
            if its is None or (its.placement, its.path, its.test) != tuple(
                meta[k] for k in ("placement", "path", "test")
            ):
                raise RunDirError(
                    f"{writer.path} belongs to another study (trial {meta['trial_id']}); use a new -o DIR"
                )
            if its.deployment_id not in known:
                entry = {"mode": its.mode, **its.treatment.to_dict(), "block": its.block, "slot": its.slot}
                known[its.deployment_id] = entry | {"kernel_path": meta.get("kernel_path"), "recovered": True}
                writer.record(its.deployment_id, known[its.deployment_id])
        writer._begin(plan, {})
        return writer

    def _begin(self, plan: Plan, provenance: dict) -> None:
        with refusals_named(self.path):
            for name in ("raw", "proof"):
                with files.folder(self.path / name, self.path, make=True):
                    pass
        self.write_text("study.yaml", plan.study.to_yaml(access=False))
        self.write_text("plan.csv", plan.frame().to_csv(index=False))
        self.write_json(
            "manifest.json",
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": self.path.resolve().name,
                "study": plan.study.name,
                "study_hash": plan.study.digest,
                "declared": declared.values(plan.study),
                "plan_hash": plan.hash,
                "state": "planned",
                "provenance": provenance,
                "deployments": {},
            },
        )

    def sweep(self) -> None:
        """Remove what a writer that was killed has left half written; only its lock's holder may."""
        with refusals_named(self.path):
            for folder in (self.path, self.path / "proof", self.path / "notebooks"):
                if folder.is_dir() and not folder.is_symlink():
                    files.sweep(folder)

    def strange(self) -> str | None:
        """Return a name that no attempt leaves behind which failed before it could measure, or None."""
        left = {"notebooks", "raw", "proof", "study.yaml", "plan.csv", "manifest.json", lock.NAME}
        if not self.path.exists():
            return None
        names = sorted(p.name for p in self.path.iterdir())
        strange = [n for n in names if n not in left and not (n[0] == "." and n.endswith(".part"))]
        begun = [n for n in ("raw", "proof") if n in names and any((self.path / n).iterdir())]
        return next(iter(strange + begun + [n for n in names if n == "manifest.json" and self.whole()]), None)

    def whole(self) -> bool:
        """Whether the directory has a manifest that can be read."""
        try:
            _ = self.run.manifest
        except RunDirError:
            return False
        return True

    @property
    def run(self) -> Run:
        """The directory as it stands now, to be read; what an earlier one has read already is not in it."""
        return Run(self.path)

    # ---- trials ---------------------------------------------------------------------------------------

    def update_manifest(self, **changes: Any) -> None:
        """Replace keys of the manifest; deployments have a file of their own, see :meth:`record`."""
        kept = documents.read(self.path / "manifest.json", self.path, SCHEMA_VERSION)
        self.write_json("manifest.json", kept | changes)

    def raw(self, trial_id: str) -> Path:
        """Make an empty folder for a trial's raw bytes; an attempt that did not end is not in it."""
        folder = self.path / "raw" / trial_id
        with refusals_named(folder):
            files.fresh_folder(folder, self.path, keep="meta.json")
        self._begun = trial_id
        return folder

    def finish(self, trial: Trial, meta: dict) -> None:
        """Mark a trial as done, once its raw bytes are on the disk; ``meta`` says how it was called and ended."""
        if self._begun != trial.trial_id:
            self.raw(trial.trial_id)
        self._begun = None
        folder = self.path / "raw" / trial.trial_id
        whole: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **trial.to_dict(), **meta}
        digests: dict[str, str] = {}

        def text(kept: dict[str, dict[str, int | str]]) -> bytes:
            whole["files"] = kept
            data = _json(whole)
            digests.update({name: str(about["sha256"]) for name, about in kept.items()})
            digests["meta.json"] = hashlib.sha256(data).hexdigest()
            return data

        with refusals_named(folder):
            files.settle(folder, self.path, "meta.json", text)
            raw.add(self.path, trial.trial_id, raw.digest_of(digests), whole)

    def amend(self, trial: Trial, **changes: Any) -> None:
        """Replace keys of a done trial's meta; its raw bytes, and what was recorded of them, stay."""
        name = f"raw/{trial.trial_id}/meta.json"
        self.write_json(name, json.loads(files.read(self.path / name, self.path)) | changes)

    def record(self, deployment_id: str, entry: Mapping[str, Any]) -> None:
        """Keep what is to be known of a treatment that was put in place; a later entry takes an earlier one's place."""
        line = json.dumps({"deployment_id": deployment_id, **entry}, ensure_ascii=False, default=str) + "\n"
        path = self.path / documents.DEPLOYMENTS
        with refusals_named(path):
            files.append(path, line.encode(), self.path, sync=True)

    def mend(self) -> int:
        """Write metas that are damaged or gone anew where that can be done; return how many were."""
        with refusals_named(self.path):
            return self.run.raw.mend()

    def rebuild(self) -> Run:
        """Bring the tables of this directory up to its raw bytes, and return the run as it then stands."""
        run = self.run
        names = [f"{name}.parquet" for name in tables.Tables._fields]
        if all(run.believed(name) for name in names):
            with refusals_named(self.path / raw.NAME):
                run.raw.keep()
            return run
        with refusals_named(self.path / "samples.parquet"):
            with ExitStack() as until:
                add = [until.enter_context(tables.writing(self.path / name)) for name in names]
                for parsed in run.parse():
                    for each, frame in zip(add, parsed, strict=True):
                        each(frame)
            derived.keep(self.path, names, run.origin)
            run.raw.keep()
        return self.run

    def keep(self, comparisons: Comparisons) -> Path:
        """Leave a run's own comparisons in its directory, believed for as long as what it was made of stays."""
        path = self.path / "comparisons.parquet"
        origin = self.run.origin
        with refusals_named(path):
            comparisons.save(path, within=self.path)
            derived.keep(self.path, [path.name], origin)
        return path

    # ---- files ----------------------------------------------------------------------------------------

    def write_text(self, name: str, text: str) -> Path:
        """Write a file in one step: readers see the old one or the new one."""
        path = self.path / name
        with refusals_named(path):
            files.write(path, text.encode(), self.path)
        return path

    def write_json(self, name: str, value: Any, *, indent: int | None = 1) -> Path:
        """Write a value as JSON; ``indent=None`` for what only programs read."""
        return self.write_text(name, _json(value, indent).decode())


def _json(value: Any, indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n").encode()


__all__ = ["RunWriter", "refusals_named"]
