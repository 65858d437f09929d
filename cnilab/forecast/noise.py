"""The noise of this machine: within-block differences of the primary test, from a recorded run or from a pilot.

A run fits if it was made here (the same kernel, CPU and number of them), in the same testbed, with the same tool and
kind of test; what is different besides is told. Nothing is computed of the differences here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from cnilab import execute
from cnilab.errors import CnilabError, DataError, RunDirError
from cnilab.runs import provenance
from cnilab.runs.run import Run
from cnilab.stats.foreseen import FEWEST
from cnilab.study import Study

#: Blocks of a pilot.
PILOT_BLOCKS = 5
#: What of the machine must be the same.
_MACHINE = ("kernel", "cpu", "cpus_usable")


@dataclass(frozen=True)
class Noise:
    """Recorded differences, by mode and placement, and where they are from.

    ``differs`` names what the run had otherwise than the study; ``overhead_s`` is what a trial took beside measuring.
    """

    source: str
    run: str
    recorded_at: str
    blocks: int
    differs: tuple[str, ...]
    overhead_s: float
    differences: dict[tuple[str, str], np.ndarray]

    def of(self, mode: str, placement: str) -> tuple[str, np.ndarray]:
        """Return whose differences stand for a comparison: its own, all of its placement, or all."""
        if (mode, placement) in self.differences:
            return mode, self.differences[mode, placement]
        here = [d for (_, place), d in self.differences.items() if place == placement]
        return ("all modes here" if here else "all modes"), np.concatenate(here or [*self.differences.values()])

    def told(self) -> str:
        """Return in one line where it is from."""
        other = f"; it had {', '.join(self.differs)}" if self.differs else ""
        return f"{self.source} {self.run}, {self.blocks} blocks, {self.recorded_at[:16].replace('T', ' ')}{other}"


def recorded(study: Study, folder: Path, *, only: bool = False) -> Noise | None:
    """Return the noise of the run that is most like the study, the newest of equals; None if none fits.

    ``only`` says that ``folder`` itself is the run to take.

    Raises
    ------
    RunDirError
        If that run does not fit.
    """
    here = provenance.collect()
    found: list[tuple[int, str, Noise]] = []
    for place in [folder] if only else sorted(folder.glob("*/study.yaml")) if folder.is_dir() else []:
        try:
            run = Run.open(place if only else place.parent)
            why = _unfit(study, run, here)
            noise = None if why else _read(study, run, "recorded run")
        except CnilabError as error:
            why, noise = str(error), None
        if noise is None:
            if only:
                raise RunDirError(f"{folder} tells no noise for this study: {why or 'too few blocks'}")
            continue
        found.append((-len(noise.differs), noise.recorded_at, noise))
    return max(found, key=lambda each: each[:2])[2] if found else None


def pilot(study: Study, folder: Path, *, progress: bool = True) -> Noise:
    """Run a few blocks of the primary test and return their noise; the run stays in ``folder``.

    Raises
    ------
    DataError
        If it gives too few values.
    """
    place = folder / f"pilot-{study.name}-{datetime.now():%Y%m%d-%H%M%S}"
    short = study.model_copy(
        update={"tests": (study.test(study.primary.test),), "blocks": PILOT_BLOCKS, "stop": None}
    )
    noise = _read(study, execute.run(short, place, progress=progress), "pilot")
    if noise is None:
        raise DataError(f"the pilot {place} has no comparison with {FEWEST} blocks; look at its trials' reasons")
    return noise


def _unfit(study: Study, run: Run, here: dict[str, Any]) -> str | None:
    """Return why a run says nothing about the study on this machine."""
    then = run.manifest.get("provenance") or {}
    if other := [name for name in _MACHINE if then.get(name) != here.get(name)]:
        return f"it was made on another machine ({other[0]} {then.get(other[0])!r}, here {here.get(other[0])!r})"
    if run.study.testbed != study.testbed:
        return f"testbed {run.study.testbed}, and not {study.testbed}"
    if _test(study)[:2] != _test(run.study)[:2] or run.study.primary.metric != study.primary.metric:
        return f"its primary test is {' '.join(map(str, _test(run.study)[:2]))}, {run.study.primary.metric}"
    return None


def _test(study: Study) -> tuple[Any, ...]:
    test = study.test(study.primary.test)
    return test.tool, test.kind, test.streams, test.duration_s, test.omit_s, dict(test.options)


def _read(study: Study, run: Run, source: str) -> Noise | None:
    """Return the differences of a run's primary family, None where no comparison has blocks enough."""
    cells, control, theirs = run.cells, run.control, run.study
    differences: dict[tuple[str, str], np.ndarray] = {}
    for table in cells.tables:
        if cells.primary is None or not cells.primary.covers(table):
            continue
        for mode in table.modes:
            if mode != control and mode not in table.twins:
                d, _ = table.differences(mode, control)
                if len(d) >= FEWEST:
                    differences[mode, str(table.placement)] = d
    if not differences:
        return None
    values = {
        "duration_s": (_test(study)[3], _test(theirs)[3]),
        "omit_s": (_test(study)[4], _test(theirs)[4]),
        "streams": (_test(study)[2], _test(theirs)[2]),
        "rounds": (study.rounds, theirs.rounds),
        "quiet": (study.quiet is not None, theirs.quiet is not None),
    }
    differs = tuple(f"{name} {then}" for name, (now, then) in values.items() if now != then)
    began = str((run.manifest.get("provenance") or {}).get("recorded_at") or "")
    blocks = max(len(d) for d in differences.values())
    return Noise(source, str(run.path), began, blocks, differs, _overhead_s(run), differences)


def _overhead_s(run: Run) -> float:
    """Return what a trial took beside its measuring: building, proving, waiting, repeating."""
    times = [
        (datetime.fromisoformat(m["started_at"]).timestamp(), float(m.get("wall_s") or 0))
        for m in run.metas
        if m.get("started_at")
    ]
    if len(times) < 2:
        return 0.0
    began, ended = min(at for at, _ in times), max(at + wall for at, wall in times)
    begun = {m["trial_id"] for m in run.metas if m.get("started_at")}
    measured = [t for t in run.plan.trials if t.trial_id in begun]
    return max(0.0, (ended - began - run.plan.measuring_s(measured)) / max(1, len(measured)))
