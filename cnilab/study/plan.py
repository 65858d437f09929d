"""A study's plan: its randomised complete blocks, one row per trial, in the order in which they are run.

The order and a hash over it are there before the first trial, and the results carry the hash. How a block's order is
drawn is in :mod:`cnilab.study.orders`. Runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from cnilab.layout import html_table
from cnilab.study import orders as design
from cnilab.study.factors import Level, Treatment

if TYPE_CHECKING:
    from cnilab.study import Study

__all__ = ["Plan", "Trial", "planned_id"]

#: Third word of the seed for rounds, which no slot has as its number.
_ROUNDS_STREAM = 0x524F554E


#: Between a planned trial's name and how often it was measured again.
_AGAIN = "-again"


def planned_id(trial_id: str) -> str:
    """Return the name of the planned trial that a trial is, or repeats.

    >>> planned_id("b001-s02-t03-again1"), planned_id("b001-s02-t03")
    ('b001-s02-t03', 'b001-s02-t03')
    """
    return trial_id.partition(_AGAIN)[0]


@dataclass(frozen=True)
class Trial:
    """One measurement to be made: one row of the plan.

    ``treatment`` is what stands while it is made; ``levels`` are those of the factors that vary within a deployment;
    ``round`` is the pass over its block's deployments, ``repeat`` how often it was measured before, disturbed.
    """

    trial_id: str
    block: int
    slot: int
    deployment_id: str
    treatment: Treatment
    position: int
    placement: str
    path: str
    test: str
    levels: Mapping[str, Level] = field(default_factory=dict, hash=False)
    round: int = 1
    repeat: int = 0

    @property
    def cell(self) -> tuple[Any, ...]:
        """What is compared within: trials of one cell and round differ in their treatment alone."""
        return (
            self.block,
            self.round,
            self.placement,
            self.path,
            self.test,
            tuple(sorted(self.levels.items())),
        )

    def again(self) -> Trial:
        """Return the same trial, to be measured once more beside what there is."""
        number = self.repeat + 1
        return replace(self, trial_id=f"{planned_id(self.trial_id)}{_AGAIN}{number}", repeat=number)

    @property
    def mode(self) -> str:
        """The mode to put in place."""
        return self.treatment.mode

    def to_dict(self) -> dict[str, Any]:
        """Return the trial for JSON, as a trial's meta holds it."""
        return vars(self) | {"treatment": self.treatment.to_dict(), "levels": dict(self.levels)}


@dataclass(frozen=True)
class Plan:
    """Every trial of a study in order.

    Parameters
    ----------
    study
        What it was made from.
    trials
        In the order in which they are to be run.
    hash
        SHA-256 over the order; recorded before the first trial.
    """

    study: Study
    trials: tuple[Trial, ...]
    hash: str

    @classmethod
    def of(cls, study: Study) -> Plan:
        """Draw the order: treatments within blocks, then tests and placements within each deployment."""
        treatments = study.treatments
        orders = (
            design.williams_orders(treatments, study.blocks, study.seed)
            if study.design == "williams"
            else [design.block_order(treatments, study.seed, b) for b in range(1, study.blocks + 1)]
        )
        cells = [(placement, *tested) for placement in study.placements for tested in study.tested]
        trials = []
        for block, order in enumerate(orders, start=1):
            slots = list(enumerate(order, start=1))
            drawn: Iterable[tuple[int, int, int]]
            if study.together:
                drawn = _rounds(study, block, len(slots), len(cells))
            else:
                drawn = [
                    (slot - 1, round_, int(index))
                    for slot, _ in slots
                    for round_ in range(1, (study.rounds or 1) + 1)
                    for index in design.generator(
                        study.seed, block, slot, *([round_] if round_ > 1 else [])
                    ).permutation(len(cells))
                ]
            position: Counter[int] = Counter()
            for at, round_, index in drawn:
                slot, treatment = slots[at]
                position[slot] += 1
                placement, test, levels = cells[index]
                deployment = f"b{block:03d}-s{slot:02d}"
                trial = f"{deployment}-t{position[slot]:02d}"
                where = (block, slot, deployment, treatment, position[slot], placement, study.path)
                trials.append(Trial(trial, *where, test.name, levels, round_))
        rows = [
            (t.trial_id, t.treatment.label, t.placement, t.path, t.test, *sorted(map(str, t.levels.items())))
            for t in trials
        ]
        return cls(study, tuple(trials), design.schedule_hash(rows))

    @property
    def blocks(self) -> list[tuple[Trial, ...]]:
        """The trials grouped by block, in order."""
        return [tuple(group) for _, group in groupby(self.trials, lambda trial: trial.block)]

    @property
    def deployments(self) -> list[tuple[Trial, ...]]:
        """The trials grouped by deployment, in order."""
        groups: dict[str, list[Trial]] = {}
        for trial in self.trials:
            groups.setdefault(trial.deployment_id, []).append(trial)
        return [tuple(group) for group in groups.values()]

    def frame(self) -> pd.DataFrame:
        """Return one row per trial, with a column for each factor that varies.

        ``trial_id, block, slot, deployment_id, treatment, twin, position, placement, path, test``, then the factors'.
        """
        varying = self.study.varying
        return pd.DataFrame(
            [
                vars(t)
                | {"treatment": t.treatment.label, "twin": t.treatment.twin}
                | {name: {**t.treatment.levels, **t.levels}.get(name) for name in varying}
                for t in self.trials
            ]
        ).drop(columns=["levels", "repeat", *([] if self.study.rounds else ["round"])])

    def measuring_s(self, trials: Iterable[Trial] | None = None) -> float:
        """Return the seconds that the measurements themselves will take."""
        tests = {t.name: t.duration_s + t.omit_s for t in self.study.tests}
        return sum(tests[t.test] for t in (self.trials if trials is None else trials))

    def __repr__(self) -> str:
        s = self.study
        rounds = f" x {s.rounds} rounds" if (s.rounds or 1) > 1 else ""
        return (
            f"Plan {s.name}: {s.blocks} blocks x {len(s.treatments)} deployments{rounds} x "
            f"{len(s.placements) * len(s.tested)} trials = {len(self.trials)} trials, "
            f"{self.measuring_s() / 60:.1f} min of measuring; order {self.hash[:12]}"
            + (
                f"\n{s.blocks} blocks are fewer than the {s.fewest_blocks} that any difference needs to be told"
                if s.blocks < s.fewest_blocks
                else ""
            )
        )

    def _repr_html_(self) -> str:
        grid = (
            self.frame()
            .drop_duplicates("deployment_id")
            .pivot(index="block", columns="slot", values="treatment")
        )
        head = ["", *(f"{slot}." for slot in grid.columns)]
        body = [[f"block {b}", *map(str, row)] for b, row in zip(grid.index, grid.to_numpy())]
        return html_table([head, *body], repr(self))


def _rounds(study: Study, block: int, deployments: int, cells: int) -> Iterator[tuple[int, int, int]]:
    """Yield (deployment, round, cell) in a block whose deployments all stand: each cell at all of them, then the next.

    What is compared is then neighbours in time. Both orders are drawn: that of the cells in a round, and in each cell
    that of the deployments.
    """
    for round_ in range(1, (study.rounds or 1) + 1):
        rng = design.generator(study.seed, block, _ROUNDS_STREAM, round_)
        for cell in rng.permutation(cells):
            for at in rng.permutation(deployments):
                yield int(at), round_, int(cell)
