"""``compare``: every mode against the baseline, in every table of a study, with a verdict each.

How the families are formed, so that no failure and no view of the data can change one:

* *primary*: the one test, metric and stat declared in the study, every mode but the baseline x every
  placement (and path) in which that test was planned. Holm and the simultaneous intervals run over all of it.
* *exploratory*: every other table. Holm and simultaneous intervals within its own test, metric and stat,
  formed alike, and Benjamini–Hochberg over all of them together. A difference must hold in both.
* *aa*: the baseline against itself under a blind label; a family of its own, one a table.

If nothing is declared and the data hold one single test, metric and stat, that is the primary one: there was
nothing to choose from. Otherwise all is exploratory and says so. A restriction to a metric, test, placement
or path is a view: it chooses rows and changes no number in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cnilab.errors import UnknownKey
from cnilab.stats.cells import AA_SUFFIX, Cells, Table, collect
from cnilab.stats.comparison import Comparison
from cnilab.stats.comparisons import Comparisons
from cnilab.stats.equivalence import log_margin
from cnilab.stats.family import compared_modes, controls, declare, scenarios_planned
from cnilab.stats.metrics import describe
from cnilab.stats.pairs import Family, Outcome, analyse
from cnilab.stats.ratio import check_alpha
from cnilab.stats.rows import centres, headline, report_rows
from cnilab.stats.sensitivity import reliability, under_failures, without_outliers
from cnilab.stats.steady import unsteady_share
from cnilab.stats.stopping import SEQUENTIAL
from cnilab.stats.subjects import Subject, subject
from cnilab.stats.verdict import FLAGS, is_difference


def compare(
    samples: pd.DataFrame,
    baseline: str,
    *,
    metric: str | None = None,
    test: str | None = None,
    placement: str | None = None,
    path: str | None = None,
    stat: str | None = None,
    margin: float = 0.05,
    alpha: float = 0.05,
    primary: Mapping[str, Any] | None = None,
    planned_modes: Sequence[str] | None = None,
    planned_placements: Sequence[str] | None = None,
    kernel_paths: Mapping[str, str] | None = None,
    margin_declared: bool = True,
    sequential: bool = False,
    intervals: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Comparisons:
    """Compare every mode with the baseline, within blocks.

    Parameters
    ----------
    samples
        The samples table, or a bare frame with the columns ``block``, ``mode``, ``value`` (and, if there,
        ``metric``, ``test``, ``placement``, ``path``, ``stat``, ``run``, ``status``, ``reason``, ``unit``).
    baseline
        The mode the others are measured against. ``<baseline>#aa`` is its blind second measurement.
    metric, test, placement, path, stat
        Show only such rows; the numbers in them do not change. A ``metric`` asked for by name is compared
        even if it is not in the table of metrics.
    margin
        δ > 0: ratios within [1/(1+δ), 1+δ] are practically the same.
    alpha
        Family-wise error rate, 0 < alpha < 1.
    primary
        ``{"test": …, "metric": …}`` and optionally ``placement``, ``path``, ``stat``: the family declared
        before the first trial.
    planned_modes, planned_placements
        What the study planned. A mode or placement without a single row still counts in the families.
    kernel_paths
        Mode -> ``native``, ``ebpf`` or ``userspace``, for tables without that column.
    margin_declared
        False stamps every row ``post_hoc_margin``.
    sequential
        True if the number of blocks was decided by looking at the precision reached: then 0.7 ``alpha`` is
        used throughout, which keeps the promised coverage.
    intervals
        The per-second series; with them, a mode whose runs change level in mid-run is not comparable.
    provenance
        More entries for the header (seed, schedule hash, stop reason, versions …).

    Returns
    -------
    Comparisons
        One row a comparison, with text and HTML forms, ``rows``, ``frame`` and ``to_json()``.

    Raises
    ------
    UnknownKey
        If the baseline, or a value to restrict to, is not in the table.
    DataError
        If the table breaks its contract (see :func:`cnilab.stats.cells.collect`), there is nothing to compare
        the baseline with, or ``margin`` or ``alpha`` is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"block": [0, 0, 1, 1], "mode": ["a", "b"] * 2, "value": [1.0, 2.0, 1.1, 2.1]})
    >>> compare(frame, "a").rows[0]["verdict"]
    'insufficient_n'
    """
    lam, level = log_margin(margin), check_alpha(alpha) * (SEQUENTIAL if sequential else 1.0)
    declared, within = declare(samples, dict(primary)) if primary is not None else (None, {})
    also = [m for m in (metric, declared[1] if declared else None) if m]
    cells = collect(samples, modes=planned_modes, also=also, primary=declared)
    compared = compared_modes(cells, baseline)
    if declared is None and len({(t.test, t.metric, t.stat) for t in cells.tables}) == 1:
        declared = (cells.tables[0].test, cells.tables[0].metric, cells.tables[0].stat)

    shaky = _unsteady(samples, intervals)
    sizes = scenarios_planned(cells, planned_placements)
    subjects: list[Subject] = []
    for table in cells.tables:
        name = (table.test, table.metric, table.stat)
        first = name == declared and all(getattr(table, k) == v for k, v in within.items())
        m = len(compared) * sum(
            1
            for where in sizes[table.test]
            if not first or all(dict(where)[k] == v for k, v in within.items())
        )
        family = Family(("primary" if first else "exploratory", *name), max(m, 1), explored=not first)
        about = describe(table.metric)
        bound = lam if about.scale == "log" else about.margin
        for mode in compared:
            subjects.append(subject(table, mode, baseline, family, bound, kernel_paths, shaky))
        for label in controls(cells):
            own = Family(("aa", *name, table.placement, table.path, label), 1)
            stem = label.removesuffix(AA_SUFFIX)
            subjects.append(subject(table, label, stem, own, bound, kernel_paths, shaky))

    outcomes = [
        replace(o, verdict="not_comparable") if s.absent and FLAGS[s.absent].settled else o
        for s, o in zip(subjects, analyse([s.pair for s in subjects], level))
    ]
    outcomes = under_failures(subjects, outcomes, level)
    without_outliers(subjects, outcomes, level)
    _mark_controls(subjects, outcomes)
    rows = report_rows(subjects, outcomes, centres(cells.tables, level), margin, level, margin_declared)
    unreliable = [
        r for t in _one_a_scenario(cells) for mode in compared if (r := reliability(t, mode, baseline))
    ]
    header = headline(
        cells, rows, baseline=baseline, declared=declared, within=within, margin=margin, alpha=alpha,
        level=level, margin_declared=margin_declared, sequential=sequential, compared=compared,
        unreliable=unreliable, provenance=provenance,
    )  # fmt: skip
    shown = _restrict(rows, metric=metric, test=test, placement=placement, path=path, stat=stat)
    return Comparisons(tuple(shown), header, cells, level)


def _mark_controls(subjects: list[Subject], outcomes: list[Outcome]) -> None:
    """Let every row of a table know what the table's A/A control says of the bench."""
    for s, outcome in zip(subjects, outcomes):
        if s.pair.family.name[0] != "aa":
            continue
        marks = ["aa_differs"] if is_difference(outcome.verdict) else []
        wide = (outcome.high - outcome.low) / 2
        if s.pair.lam is not None and np.isfinite(wide) and wide > s.pair.lam:
            marks.append("margin_below_noise")
        for other in subjects:
            if other.table is s.table and s.baseline in (other.mode, other.baseline):
                other.flags.extend(marks)


def _unsteady(samples: pd.DataFrame, intervals: pd.DataFrame | None) -> dict[tuple, float]:
    if intervals is None or intervals.empty:
        return {}
    share = unsteady_share(samples, intervals)
    return {
        (r.test or None, r.placement or None, r.path or None, r.mode, r.metric): r.share
        for r in share.itertuples()
        if r.share is not None and np.isfinite(r.share)
    }


def _one_a_scenario(cells: Cells) -> list[Table]:
    """Return one table a scenario: failures are charged to the scenario, not to a metric."""
    seen: dict[tuple, Table] = {}
    for t in cells.tables:
        seen.setdefault((t.test, t.placement, t.path), t)
    return list(seen.values())


def _restrict(rows: list[Comparison], **wanted: str | None) -> list[Comparison]:
    for key, value in wanted.items():
        if value is None:
            continue
        known = sorted({str(row[key]) for row in rows if row[key] is not None})
        if str(value) not in known:
            raise UnknownKey(key, value, known)
        rows = [row for row in rows if row[key] == value]
    return rows
