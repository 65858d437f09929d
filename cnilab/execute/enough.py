"""Whether a run measured what its plan needs: else its end is no success, whatever it did measure.

Counts only; what follows for a comparison is :mod:`cnilab.stats`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnilab.facts import Fact
from cnilab.runs.run import Run


@dataclass(frozen=True)
class Measured:
    """What came of a run's trials.

    Parameters
    ----------
    trials
        Status -> number of trials.
    by_bench
        Trials that the bench failed at: they say nothing of a mode and are to be measured again.
    baseline, needed
        Blocks in which the baseline has a value of the primary test, and those that any verdict needs.
    """

    trials: dict[str, int]
    by_bench: int
    baseline: int
    needed: int

    @property
    def enough(self) -> bool:
        """Whether every trial was measured or failed by its mode, and the baseline in as many blocks as it takes."""
        return bool(self.trials.get("ok")) and not self.by_bench and self.baseline >= self.needed


def measured(run: Run) -> Measured:
    """Count what a run measured, against what its plan needs."""
    trials, study = run.trials, run.study
    codes = trials.loc[trials["status"].isin(("failed", "timeout")), "reason_code"].dropna()
    control = run.samples[
        (run.samples["mode"] == study.control.mode)
        & ~run.samples["twin"]
        & (run.samples["test"] == study.primary.test)
        & (run.samples["status"] == "ok")
    ]
    blocks = control.groupby("placement")["block"].nunique()
    stopped = run.manifest.get("stopped") is not None
    planned = study.fewest_blocks if study.blocks >= study.fewest_blocks and not stopped else 1
    return Measured(
        {str(status): int(n) for status, n in trials["status"].value_counts().items()},
        sum(Fact(str(code)).within("bench_failed") for code in codes),
        int(blocks.max()) if len(blocks) else 0,
        planned,
    )


__all__ = ["Measured", "measured"]
