"""``compare``: every mode against the baseline, in every table of a study, with a verdict each.

How the families are formed, so that no failure and no view of the data can change one:

* *primary*: the one test, metric and stat declared in the study, every mode but the baseline x every
  placement (and path) in which that test was planned. Holm and the simultaneous intervals run over all of it.
* *exploratory*: every other table. Holm and simultaneous intervals within its own test, metric and stat,
  formed alike, and Benjamini–Hochberg over all of them together. A difference must hold in both.
* *aa*: the baseline against itself under a blind label: one family over the tables of the primary family, one over
  all others, so that among many tables a false alarm is as rare as in one.

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

from cnilab.stats.cells import Cells, Table, collect
from cnilab.stats.comparisons import Comparisons
from cnilab.stats.declared import Declared, Primary
from cnilab.stats.equivalence import log_margin
from cnilab.stats.family import compared_modes, controls, possible
from cnilab.stats.frame import SCENARIO
from cnilab.stats.metrics import describe
from cnilab.stats.pairs import Family, Outcome, analyse
from cnilab.stats.projection import View, label_of, project
from cnilab.stats.ratio import check_alpha
from cnilab.stats.rows import centres, headline, report_rows
from cnilab.stats.sensitivity import reliability, under_failures, without_outliers
from cnilab.stats.steady import unsteady_share
from cnilab.stats.subjects import Moving, Subject, subject
from cnilab.stats.verdict import is_difference
from cnilab.study.parts import SEQUENTIAL
from cnilab.verdicts import FLAGS

NOTHING = Declared()


def compare(
    samples: pd.DataFrame,
    baseline: str | Mapping[str, Any],
    *,
    by: Sequence[str] = ("mode",),
    within: Sequence[str] = SCENARIO,
    margin: float = 0.05,
    alpha: float = 0.05,
    declared: Declared = NOTHING,
    also: Sequence[str] = (),
    kernel_paths: Mapping[str, str] | None = None,
    intervals: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Comparisons:
    """Compare every mode with the baseline, within blocks.

    Parameters
    ----------
    samples
        The samples table, or a bare frame with the columns ``block``, ``mode``, ``value`` (and, if there,
        ``metric``, ``test``, ``placement``, ``path``, ``stat``, ``twin``, ``run``, ``status``, ``reason``, ``unit``).
    baseline
        The mode the others are measured against, or its level of each factor in ``by``; rows of it marked ``twin``
        are its blind second measurement.
    by, within
        Columns that together name what is compared, and what it is compared within. A factor that varies and is
        in neither is told: every row it touches carries ``factor_varies``.
    margin
        δ > 0: ratios within [1/(1+δ), 1+δ] are practically the same.
    alpha
        Family-wise error rate, 0 < alpha < 1.
    declared
        What was fixed before the first trial: the primary family, what was planned, whether the margin was.
    also
        Metrics to compare although they are not in the table of metrics.
    kernel_paths
        Mode -> ``native``, ``ebpf`` or ``userspace``, for tables without that column.
    intervals
        The per-second series; with them, a mode whose runs change level in mid-run is not comparable.
    provenance
        More entries for the header (seed, schedule hash, stop reason, versions …).

    Returns
    -------
    Comparisons
        One row per comparison, with text and HTML forms, ``rows``, ``frame`` and ``to_json()``;
        :meth:`~cnilab.stats.comparisons.Comparisons.only` chooses rows.

    Raises
    ------
    UnknownKey
        If the baseline or the primary family is not in the table.
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
    log_margin(margin), check_alpha(alpha)  # a wrong one is told before a large table is read
    view = View(tuple(by), tuple(within))
    cells = collect(
        samples, modes=declared.modes, also=also, primary=declared.primary, view=view,
        better=declared.better, times=declared.design is None,
    )  # fmt: skip
    label = baseline if isinstance(baseline, str) else label_of({name: baseline[name] for name in by})
    return compare_cells(
        cells, label, margin=margin, alpha=alpha, declared=declared, kernel_paths=kernel_paths,
        unsteady=unsteady_runs(samples, intervals, view), provenance=provenance,
    )  # fmt: skip


def compare_cells(
    cells: Cells,
    baseline: str,
    *,
    margin: float = 0.05,
    alpha: float = 0.05,
    declared: Declared = NOTHING,
    kernel_paths: Mapping[str, str] | None = None,
    unsteady: Mapping[tuple, Moving] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Comparisons:
    """Compare as :func:`compare` does, from cells that were collected already.

    ``unsteady`` is what :func:`unsteady_runs` says of the samples behind them.
    """
    log_margin(margin)
    level = check_alpha(alpha) * (SEQUENTIAL if declared.sequential else 1.0)
    compared = compared_modes(cells, baseline)
    primary = cells.primary or _only_one(cells)
    subjects = _subjects(cells, baseline, compared, primary, margin, declared, kernel_paths, unsteady)
    outcomes = [
        replace(o, verdict="not_comparable") if _settled(s) else o
        for s, o in zip(subjects, analyse([s.pair for s in subjects], level))
    ]
    subjects, outcomes = under_failures(subjects, outcomes, level)
    subjects = _marked_by_controls(without_outliers(subjects, outcomes, level), outcomes)
    rows = report_rows(subjects, outcomes, centres(cells.tables, level), margin, level, declared.margin)
    unreliable = [
        r for t in _one_per_scenario(cells) for mode in compared if (r := reliability(t, mode, baseline))
    ]
    header = headline(
        cells, rows, baseline=baseline, primary=primary, margin=margin, alpha=alpha, level=level,
        declared=declared, compared=compared, unreliable=unreliable, provenance=provenance,
    )  # fmt: skip
    return Comparisons(tuple(rows), header)


def _settled(s: Subject) -> bool:
    """Whether more blocks would not make a comparison of it."""
    return "nonpositive_value" in s.flags or (s.absent is not None and FLAGS[s.absent].settled)


def _only_one(cells: Cells) -> Primary | None:
    """Return the one test, metric and stat of data that hold no other: there was nothing to choose from."""
    names = {(t.test, t.metric, t.stat) for t in cells.tables}
    return Primary(*names.pop()) if len(names) == 1 else None


def _subjects(
    cells: Cells,
    baseline: str,
    compared: Sequence[str],
    primary: Primary | None,
    margin: float,
    declared: Declared,
    kernel_paths: Mapping[str, str] | None,
    unsteady: Mapping[tuple, Moving] | None,
) -> list[Subject]:
    """Pair every mode with the baseline, and every control with its own mode, each in its family."""
    sizes = possible(cells, baseline, compared, declared.placements, declared.impossible)
    beside = sum(not _first(primary, table) for table in cells.tables)
    subjects: list[Subject] = []
    for table in cells.tables:
        name = (table.test, table.metric, table.stat)
        first = _first(primary, table)
        m = sum(
            n for where, n in sizes[table.test].items()
            if not first or primary is None or primary.allows(dict(where))
        )  # fmt: skip
        kind = "primary" if first else "exploratory"
        family = Family((kind, *name), max(m, 1), explored=not first)
        about = describe(table.metric)
        bound = log_margin(margin) if about.scale == "log" else about.margin
        for mode in compared:
            subjects.append(subject(table, mode, baseline, family, bound, kernel_paths, unsteady))
        for label in controls(cells):
            own = Family(("aa", kind, label), len(cells.tables) - beside if first else beside)
            subjects.append(subject(table, label, cells.twins[label], own, bound, kernel_paths, unsteady))
    return subjects


def _first(primary: Primary | None, table: Table) -> bool:
    return primary is not None and primary.covers(table)


def _marked_by_controls(subjects: list[Subject], outcomes: list[Outcome]) -> list[Subject]:
    """Let every comparison of a table know what the table's A/A control says of the bench."""
    marked = list(subjects)
    for s, outcome in zip(subjects, outcomes):
        if s.pair.family.name[0] != "aa":
            continue
        marks = ["aa_differs"] if is_difference(outcome.verdict) else []
        wide = (outcome.high - outcome.low) / 2
        if s.pair.lam is not None and np.isfinite(wide) and wide > s.pair.lam:
            marks.append("margin_below_noise")
        for i, other in enumerate(marked):
            if other.table is s.table and s.baseline in (other.mode, other.baseline):
                marked[i] = other.flagged(*marks)
    return marked


def unsteady_runs(
    samples: pd.DataFrame, intervals: pd.DataFrame | None, view: View | None = None
) -> dict[tuple, Moving]:
    """Return how many runs changed level, by (test, placement, path, mode, metric), where it is known."""
    if intervals is None or intervals.empty:
        return {}
    share = unsteady_share(project(samples, view).frame, intervals)
    return {
        (r.test or None, r.placement or None, r.path or None, r.mode, r.metric): Moving(r.share, r.seconds)
        for r in share.itertuples()
        if r.share is not None and np.isfinite(r.share)
    }


def _one_per_scenario(cells: Cells) -> list[Table]:
    """Return one table per scenario: failures are charged to the scenario, not to a metric."""
    seen: dict[tuple, Table] = {}
    for t in cells.tables:
        seen.setdefault((t.test, t.placement, t.path), t)
    return list(seen.values())
