"""A study's plan: its randomised complete blocks, every trial a row, in the order in which they are run.

The order and a hash over it are there before the first trial, and the results carry the hash. How a block's order is
drawn is in :mod:`cnilab.study.orders`. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cnilab.layout import html_table
from cnilab.modes import AA_SUFFIX
from cnilab.study import orders as design

if TYPE_CHECKING:
    from cnilab.study import Study

__all__ = ["Plan", "Trial"]


@dataclass(frozen=True)
class Trial:
    """One tool execution to be done: one row of the plan."""

    trial_id: str
    block: int
    slot: int
    deployment_id: str
    label: str
    position: int
    placement: str
    path: str
    test: str

    @property
    def mode(self) -> str:
        """The mode to put in place; the A/A label's is the baseline."""
        return self.label.removesuffix(AA_SUFFIX)


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
        """Draw the order: modes within blocks, then tests and placements within each deployment."""
        orders = (
            design.williams_orders(study.labels, study.blocks, study.seed)
            if study.design == "williams"
            else [design.block_order(study.labels, study.seed, b) for b in range(1, study.blocks + 1)]
        )
        cells = [(placement, test.name) for placement in study.placements for test in study.measured]
        trials = []
        for block, order in enumerate(orders, start=1):
            for slot, label in enumerate(order, start=1):
                shuffled = design.generator(study.seed, block, slot).permutation(len(cells))
                deployment = f"b{block:03d}-s{slot:02d}"
                for position, index in enumerate(shuffled, start=1):
                    placement, test = cells[index]
                    trial = f"{deployment}-t{position:02d}"
                    trials.append(
                        Trial(trial, block, slot, deployment, label, position, placement, study.path, test)
                    )
        rows = [(t.trial_id, t.label, t.placement, t.path, t.test) for t in trials]
        return cls(study, tuple(trials), design.schedule_hash(rows))

    @property
    def deployments(self) -> list[tuple[Trial, ...]]:
        """The trials grouped by deployment, in order."""
        groups: dict[str, list[Trial]] = {}
        for trial in self.trials:
            groups.setdefault(trial.deployment_id, []).append(trial)
        return [tuple(group) for group in groups.values()]

    def frame(self) -> pd.DataFrame:
        """One row a trial: ``trial_id, block, slot, deployment_id, label, position, placement, path, test``."""
        return pd.DataFrame([vars(t) for t in self.trials])

    def measuring_s(self, trials: Iterable[Trial] | None = None) -> float:
        """Seconds the tools themselves will take."""
        tests = {t.name: t.duration_s + t.omit_s for t in self.study.measured}
        return sum(tests[t.test] for t in (self.trials if trials is None else trials))

    def __repr__(self) -> str:
        s = self.study
        return (
            f"Plan {s.name}: {s.blocks} blocks x {len(s.labels)} deployments x "
            f"{len(s.placements) * len(s.measured)} trials = {len(self.trials)} trials, "
            f"{self.measuring_s() / 60:.1f} min of measuring; order {self.hash[:12]}"
        )

    def _repr_html_(self) -> str:
        grid = (
            self.frame().drop_duplicates("deployment_id").pivot(index="block", columns="slot", values="label")
        )
        head = ["", *(f"{slot}." for slot in grid.columns)]
        body = [[f"block {b}", *map(str, row)] for b, row in zip(grid.index, grid.to_numpy())]
        return html_table([head, *body], repr(self))
