"""What a reader must know before believing a run: every doubt a row, nothing dropped in silence.

Reads a run directory and looks: what is missing and why, whether the order was kept, whether the bench was
still, whether both sides of a comparison had the same conditions, whether the proofs hold. It changes no
number and removes no trial; verdicts are :mod:`cnilab.stats`' own.

Schema history, newest first
----------------------------
2  what was found and what helps are facts (``fact``, ``remedy``), as JSON; ``scope`` is gone
1  first version: sentences; looked over anew by :func:`load`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from cnilab.findings import alike as conditions
from cnilab.findings import alterations, disturbance, steadiness
from cnilab.findings import completeness as trials
from cnilab.findings import offloads as settings
from cnilab.runs import derived
from cnilab.runs import samples as tables
from cnilab.runs.run import Run

SCHEMA_VERSION = 2
SEVERITIES = ("serious", "warning", "info")
COLUMNS = {
    "code": "string",
    "severity": "string",
    "mode": "string",
    "placement": "string",
    "test": "string",
    "trial_id": "string",
    "fact": "string",
    "value": "float64",
    "threshold": "float64",
    "remedy": "string",
}

#: In the order in which equally serious findings are told.
CHECKS: tuple[Callable[[Run], Iterator[dict]], ...] = (
    alterations.study_changed,
    alterations.raw_changed,
    trials.trials_missing,
    trials.order_not_as_planned,
    trials.proof_failed,
    trials.trials_without_result,
    disturbance.disturbed,
    disturbance.several_states,
    steadiness.control_differs,
    conditions.hidden_difference,
    settings.settings_differ,
    conditions.substitute_used,
    conditions.tail_unreliable,
    trials.receiver_missing,
    steadiness.unsteady,
    steadiness.bench_moved,
    conditions.core_full,
    trials.remarked,
    trials.setting_not_made,
)


def check(run_dir: str | Path | Run) -> pd.DataFrame:
    """Look a run over.

    Parameters
    ----------
    run_dir
        A run directory.

    Returns
    -------
    DataFrame
        One row a finding, serious ones first: ``code, severity, mode, placement, test, trial_id, fact, value,
        threshold, remedy``. No row means that nothing was found, not that nothing was looked at.
    """
    run = run_dir if isinstance(run_dir, Run) else Run.open(run_dir)
    found = []
    for look in CHECKS:
        found += [{"code": look.__name__, **row} for row in look(run)]
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)
    rank = frame["severity"].map({s: i for i, s in enumerate(SEVERITIES)})
    frame = frame.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame


def save(run: Run, found: pd.DataFrame) -> Path:
    """Write the findings beside the run they are about."""
    path = tables.write(found, run.path / "warnings.parquet")
    derived.keep(run.path, [path.name], run.origin)
    run.raw.keep()
    return path


def load(run: Run) -> pd.DataFrame:
    """Return the findings that stand beside a run; looked for anew where none do, or an older schema's."""
    kept = run.believed("warnings.parquet")
    found = pd.read_parquet(kept) if kept else None
    return found if found is not None and "fact" in found else check(run)


__all__ = ["CHECKS", "COLUMNS", "SEVERITIES", "check", "load", "save"]
