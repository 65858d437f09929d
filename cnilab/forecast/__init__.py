"""What a study will take and what it will be able to tell, before it is run: ``cnilab plan``.

The noise is that of this machine: of the newest recorded run in which the primary test was measured alike, or of a
pilot of a few blocks. ``noise`` finds and reads it; what follows from it is drawn by :mod:`cnilab.stats.foreseen`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from cnilab.digits import percent
from cnilab.forecast.noise import Noise, pilot, recorded
from cnilab.layout import columns
from cnilab.stats.foreseen import foresee
from cnilab.stats.metrics import describe
from cnilab.stats.projection import label_of
from cnilab.study import Study
from cnilab.study.parts import SEQUENTIAL

__all__ = ["Forecast", "forecast"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Foretold:
    """One primary comparison; ratios (differences on the linear scale) less one, None where nothing can be told."""

    metric: str
    test: str
    placement: str
    path: str
    mode: str
    baseline: str
    half_width: float | None
    difference_told: float | None
    same_told: float | None
    noise_of: str


@dataclass(frozen=True)
class Forecast:
    """Minutes, blocks, where the noise is taken from, and what each primary comparison will be able to tell."""

    study: str
    minutes: float
    blocks: int
    fewest_blocks: int
    margin: float
    noise: Noise
    rows: tuple[Foretold, ...]

    def to_dict(self) -> dict:
        """Return all of it for JSON: missing is None, nothing is rounded."""
        about = {k: v for k, v in asdict(self.noise).items() if k not in ("differences", "overhead_s")}
        return {
            "schema_version": SCHEMA_VERSION, "study": self.study, "minutes": self.minutes, "blocks": self.blocks,
            "fewest_blocks": self.fewest_blocks, "noise": about, "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def __repr__(self) -> str:
        told = [row.difference_told for row in self.rows if row.difference_told is not None]
        same = [row.same_told for row in self.rows if row.same_told is not None]
        out = [f"{self.study}: about {self.minutes:.0f} minutes, {self.blocks} blocks"]
        if not told:
            out.append(f"fewer than {self.fewest_blocks} blocks can tell no difference at all; set blocks: higher")
        else:
            out.append(
                f"it will call a difference of {percent(max(told), 1)} in every comparison (of {percent(min(told), 1)} "
                "in the quietest), in 4 of 5 studies"
            )
            short = "" if max(same) <= self.margin else f"; its margin of {percent(self.margin, 1)} is narrower"
            out.append(
                f"and two equal modes the same within {percent(max(same), 1)} ({percent(min(same), 1)} in the quietest)"
                + short
            )
        out += [f"noise: {self.noise.told()}", ""]
        head = ("mode", "placement", "half-width", "difference told", "same told", "noise of")
        lines = [
            (r.mode, r.placement, *(_shown(v) for v in (r.half_width, r.difference_told, r.same_told)), r.noise_of)
            for r in self.rows
        ]
        return "\n".join([*out, *columns([head, *lines], "  ")])


def _shown(value: float | None) -> str:
    return "–" if value is None else f"±{percent(value, 1)}"


def forecast(study: Study, runs: Path | None = None, *, progress: bool = True) -> Forecast:
    """Return what a study will take and what it will be able to tell.

    Parameters
    ----------
    study
        It is not run.
    runs
        A run directory or a folder of them to take the noise from; ``runs/`` by default. Where none fits, a pilot is
        run there, and is found the next time.
    progress
        Whether a pilot shows a bar.

    Raises
    ------
    DataError
        If the pilot gives too few values.
    RunDirError
        If ``runs`` is a run directory that does not fit; the message says why.
    LabError, Unavailable
        If a pilot cannot be run here.
    """
    folder = runs or Path("runs")
    noise = recorded(study, folder, only=runs is not None and (runs / "study.yaml").exists()) or pilot(
        study, folder, progress=progress
    )
    alpha = study.alpha * (SEQUENTIAL if study.stop else 1)
    log = describe(study.primary.metric).scale == "log"
    names = [name for name in study.varying if name == "mode" or name in study.control.levels]
    names = ["mode", *(name for name in names if name != "mode")]
    control = label_of({name: study.control.levels[name] for name in names})
    rows, drawn = [], {}
    for treatment in study.treatments:
        label = label_of({name: treatment.levels[name] for name in names})
        if treatment.twin or label == control:
            continue
        for placement in study.placements:
            if not (study.possible(treatment, placement) and study.possible(study.control, placement)):
                continue
            whose, d = noise.of(label, placement)
            key = (whose, placement)
            if key not in drawn:
                drawn[key] = foresee(d, study.blocks, m=max(1, study.comparisons), alpha=alpha, seed=study.seed)
            told = drawn[key]
            width, difference, same = (
                None if v is None else math.expm1(min(v, 700)) if log else v
                for v in (told.half_width, told.difference, told.same)
            )
            rows.append(
                Foretold(
                    metric=study.primary.metric, test=study.primary.test, placement=placement, path=study.path,
                    mode=label, baseline=control, half_width=width, difference_told=difference, same_told=same,
                    noise_of=whose,
                )
            )  # fmt: skip
    plan = study.plan()
    trials = [t for t in plan.trials if study.possible(t.treatment, t.placement)]
    seconds = plan.measuring_s(trials) + noise.overhead_s * len(trials)
    return Forecast(
        study.name, seconds / 60, study.blocks, study.fewest_blocks, study.margin, noise, tuple(rows)
    )
