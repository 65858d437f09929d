"""``compare``: every mode against the baseline, in every table of a study, with verdicts that keep their word.

How the families are formed, so that no failure and no view of the data can change one:

* *primary*: the one test, metric and stat declared in the study, every mode but the baseline x every placement
  (and path) in which that test was planned. Holm and the simultaneous intervals run over all of it.
* *exploratory*: every other table. Holm and simultaneous intervals within its own test, metric and stat, formed
  alike, and Benjamini–Hochberg over all of them together. A difference must hold in both.
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

from cnilab.errors import DataError, UnknownKey
from cnilab.stats.cells import AA_SUFFIX, Cells, Table, collect, tidy
from cnilab.stats.comparisons import Comparisons
from cnilab.stats.equivalence import log_margin
from cnilab.stats.metrics import describe
from cnilab.stats.pairs import Family, Outcome, Pair, analyse, differences
from cnilab.stats.ratio import check_alpha
from cnilab.stats.rows import Subject, centres, headline, report_rows
from cnilab.stats.sensitivity import failed_cells, outlying_cells, reliability, worst_rank_differences
from cnilab.stats.steady import UNSTEADY_SHARE, unsteady_share
from cnilab.stats.stopping import SEQUENTIAL
from cnilab.stats.verdict import is_difference

#: Which stat a declared metric means if the study does not say.
STAT_ORDER = ("value", "p50", "mean")
#: Why a mode has no value at all, where more blocks would not give it one.
ABSENT_FOR_A_REASON = ("does_not_cross_subnets", "all_failed", "all_skipped")


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
        ``{"test": …, "metric": …}`` and optionally ``placement``, ``path``, ``stat``: the family declared before
        the first trial.
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
    compared = _compared_modes(cells, baseline)
    if declared is None and len({(t.test, t.metric, t.stat) for t in cells.tables}) == 1:
        declared = (cells.tables[0].test, cells.tables[0].metric, cells.tables[0].stat)

    shaky = _unsteady(samples, intervals)
    sizes = _scenarios_planned(cells, planned_placements)
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
            subjects.append(_subject(table, mode, baseline, family, bound, kernel_paths, shaky))
        for label in _controls(cells):
            own = Family(("aa", *name, table.placement, table.path, label), 1)
            stem = label.removesuffix(AA_SUFFIX)
            subjects.append(_subject(table, label, stem, own, bound, kernel_paths, shaky))

    outcomes = [
        replace(o, verdict="not_comparable") if s.absent in ABSENT_FOR_A_REASON else o
        for s, o in zip(subjects, analyse([s.pair for s in subjects], level))
    ]
    outcomes = _under_failures(subjects, outcomes, level)
    _without_outliers(subjects, outcomes, level)
    _mark_controls(subjects, outcomes)
    rows = report_rows(subjects, outcomes, centres(cells.tables, level), margin, level, margin_declared)
    unreliable = [
        r for t in _one_a_scenario(cells) for mode in compared if (r := reliability(t, mode, baseline))
    ]
    header = headline(
        cells, rows, baseline=baseline, declared=declared, within=within, margin=margin, alpha=alpha, level=level,
        margin_declared=margin_declared, sequential=sequential, compared=compared, unreliable=unreliable,
        provenance=provenance,
    )  # fmt: skip
    shown = _restrict(rows, metric=metric, test=test, placement=placement, path=path, stat=stat)
    return Comparisons(tuple(shown), header, cells, level)


def declare(
    samples: pd.DataFrame, primary: Mapping[str, Any]
) -> tuple[tuple[str | None, str, str], dict[str, Any]]:
    """Return the declared ``(test, metric, stat)`` in full, and the placement and path it is restricted to.

    A stat that is not declared is the first of ``value``, ``p50``, ``mean`` that the metric has.

    Raises
    ------
    UnknownKey
        If the test, the metric or the stat is not in the table although its test has values.
    DataError
        If no metric is named.
    """
    allowed = ("test", "metric", "placement", "path", "stat")
    if odd := [k for k in primary if k not in allowed]:
        raise UnknownKey("key of primary", odd[0], allowed)
    if not primary.get("metric"):
        raise DataError(f"primary {dict(primary)!r} names no metric; it needs at least test and metric")
    frame = tidy(samples)
    tests = sorted(str(t) for t in frame["test"].dropna().unique() if t)
    test = primary.get("test")
    if test is None and len(tests) == 1:
        test = tests[0]
    if (test is None and tests) or (test is not None and test not in tests):
        raise UnknownKey("primary test", test, tests)
    here = frame if test is None else frame[frame["test"] == test]
    ok = here[here["status"] == "ok"]
    there = ok[ok["metric"] == primary["metric"]]
    if there.empty and len(ok):
        raise UnknownKey(
            "primary metric", primary["metric"], sorted(map(str, ok["metric"].dropna().unique()))
        )
    stats = set(there["stat"].dropna())
    stat = primary.get("stat") or next((s for s in STAT_ORDER if s in stats), STAT_ORDER[0])
    if stats and stat not in stats:
        raise UnknownKey("primary stat", stat, sorted(map(str, stats)))
    within = {k: primary[k] for k in ("placement", "path") if primary.get(k) is not None}
    for key, value in within.items():
        if value not in (known := sorted(map(str, here[key].dropna().unique()))):
            raise UnknownKey(f"primary {key}", value, known)
    return (test, str(primary["metric"]), str(stat)), within


def _compared_modes(cells: Cells, baseline: str) -> list[str]:
    if baseline not in cells.modes:
        raise UnknownKey("baseline", baseline, cells.modes)
    controls = _controls(cells)
    compared = [m for m in cells.modes if m != baseline and m not in controls]
    if not compared and not controls:
        raise DataError(
            f"only {baseline!r} was measured; a comparison needs a second mode in the same blocks"
        )
    return compared


def _controls(cells: Cells) -> list[str]:
    return [m for m in cells.modes if m.endswith(AA_SUFFIX) and m.removesuffix(AA_SUFFIX) in cells.modes]


def _scenarios_planned(cells: Cells, placements: Sequence[str] | None) -> dict[str | None, set[tuple]]:
    """Return, a test, the (placement, path) in which it was planned."""
    out: dict[str | None, set[tuple]] = {}
    for t in cells.tables:
        out.setdefault(t.test, set()).add((("placement", t.placement), ("path", t.path)))
    for planned in out.values():
        paths = {where[1] for where in planned}
        planned |= {(("placement", p), path) for p in placements or () for path in paths}
    return out


def _subject(table: Table, mode: str, base: str, family: Family, lam, kernel_paths, shaky) -> Subject:
    a, b = table.row(mode), table.row(base)
    d, used = differences(table.values, a, b)
    flags: list[str] = []
    reason = None
    for name, row in ((mode, a), (base, b)):
        paths = set(table.kernel_paths.get(name, ())) or {(kernel_paths or {}).get(name, "native")}
        if paths != {"native"}:
            flags.append("substitute")
        if len(paths) > 1:
            flags.append("kernel_path_varies")
        if len(table.versions.get(name, ())) > 1:
            flags.append("mixed_versions")
        if ((table.runs[row] > 0) & (table.failed[row] > 0)).any():
            flags.append("partial_cells")
        share = shaky.get((table.test, table.placement, table.path, name, table.metric))
        if share is not None and share > UNSTEADY_SHARE and table.stat in ("value", "mean"):
            flags.append("unsteady")
            reason = f"{name}: level changes within the run in {share:.0%} of runs"
    if table.versions.get(mode, ()) != table.versions.get(base, ()) and table.versions.get(mode):
        flags.append("mixed_versions")
    if table.nonpositive is not None:
        flags.append("nonpositive_value")
        reason = f"a value of {table.nonpositive!r} has no ratio"
    if len(used) < len(table.blocks):
        flags.append("blocks_missing")
    absent = None
    for name, row in ((mode, a), (base, b)):
        absent = absent or _absence(table, name, row)
    if absent is not None:
        flags.append(absent[0])
        reason = absent[1]
    barred = "unsteady" in flags or "nonpositive_value" in flags
    pair = Pair(d, family, lam, barred)
    return Subject(table, mode, base, pair, used, flags, reason, absent[0] if absent else None)


def _absence(table: Table, mode: str, row: int) -> tuple[str, str] | None:
    """Say why a mode has no value at all in this table, or None if it has one."""
    if table.runs[row].any():
        return None
    why = table.reasons.get(mode)
    if not why:
        return "no_rows", f"{mode}: no value of {table.metric} ({table.stat})"
    most = max(why.items(), key=lambda item: (item[1], item[0]))[0]
    if all(text.startswith("does not cross subnets") for text in why):
        return "does_not_cross_subnets", f"{mode}: {most}"
    return ("all_failed" if table.failed[row].any() else "all_skipped"), f"{mode}: {most}"


def _under_failures(subjects: list[Subject], outcomes: list[Outcome], level: float) -> list[Outcome]:
    """Repeat the analysis with failures as worst ranks; where a verdict changes, it stands for neither."""
    other, touched = [], []
    for i, s in enumerate(subjects):
        a, b = s.table.row(s.mode), s.table.row(s.baseline)
        d = worst_rank_differences(s.table, a, b) if s.absent is None else None
        if d is not None:
            touched.append(i)
        elif s.absent is None and failed_cells(s.table)[[a, b]].any():
            s.flags.append("failures_not_assessed")
        other.append(Pair(s.pair.d if d is None else d, s.pair.family, s.pair.lam, s.pair.barred))
    if not touched:
        return outcomes
    again = analyse(other, level, infinite=True)
    out = list(outcomes)
    for i in touched:
        if outcomes[i].verdict != again[i].verdict and outcomes[i].verdict != "insufficient_n":
            subjects[i].flags.append("depends_on_failures")
            subjects[
                i
            ].reason = f"{outcomes[i].verdict} among surviving blocks, {again[i].verdict} with failures as the worst result"
            out[i] = replace(outcomes[i], verdict="not_comparable")
    return out


def _without_outliers(subjects: list[Subject], outcomes: list[Outcome], level: float) -> None:
    """Repeat the analysis without blocks that hold an outlier, and name them where a verdict depends on them."""
    found: dict[int, np.ndarray] = {}
    pairs, touched = [], []
    for i, s in enumerate(subjects):
        far = found.setdefault(id(s.table), outlying_cells(s.table.values))
        bad = far[s.table.row(s.mode)] | far[s.table.row(s.baseline)]
        bad = bad[s.used] if len(s.used) else np.zeros(0, dtype=bool)
        keep = s.pair.d
        if bad.any() and outcomes[i].verdict not in ("insufficient_n", "not_comparable"):
            s.outliers = tuple(s.table.blocks[b] for b in s.used[bad])
            if (~bad).sum() < outcomes[i].n_min:
                s.flags.append("outlier_unchecked")
            else:
                keep = s.pair.d[~bad]
                touched.append(i)
        pairs.append(Pair(keep, s.pair.family, s.pair.lam, s.pair.barred))
    if not touched:
        return
    again = analyse(pairs, level)
    for i in touched:
        if again[i].verdict != outcomes[i].verdict:
            subjects[i].flags.append("depends_on_block")


def _mark_controls(subjects: list[Subject], outcomes: list[Outcome]) -> None:
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


def _restrict(rows: list[dict], **wanted: str | None) -> list[dict]:
    for key, value in wanted.items():
        if value is None:
            continue
        known = sorted({str(row[key]) for row in rows if row[key] is not None})
        if str(value) not in known:
            raise UnknownKey(key, value, known)
        rows = [row for row in rows if row[key] == value]
    return rows
