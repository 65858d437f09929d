"""What a verdict hangs on: failed blocks counted as the worst result, and blocks that hold an outlier.

Nothing is ever deleted for its value. The analysis is done once more under the other reading, and where the
answer changes the row says so. Failures are results: surviving blocks alone flatter a mode that fails when it
is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from cnilab.facts import Fact
from cnilab.stats.cells import Table
from cnilab.stats.pairs import Outcome, analyse
from cnilab.stats.signed_rank import DECIMALS
from cnilab.stats.subjects import Subject, commonest

#: Iglewicz and Hoaglin's limit for the modified z-score.
MODIFIED_Z = 3.5
#: Fewest blocks with which a spread is worth estimating.
FEWEST = 6


def failed_cells(table: Table) -> np.ndarray:
    """Return which cells, (k, n), have no value because the mode failed (not because the bench did)."""
    return (table.failed > 0) & (table.runs == 0)


def worst_rank_differences(table: Table, a: int, b: int) -> np.ndarray | None:
    """Return the differences of ``a`` - ``b`` with failed cells as the worst result.

    Blocks in which both failed, or one was never tried, stay out. None where nothing failed, or nobody has
    said which side of the metric is the worse.
    """
    failed = failed_cells(table)
    if not (failed[a].any() or failed[b].any()) or table.direction is None:
        return None
    worst = -np.inf if table.direction == "higher" else np.inf
    d = table.apart(a, b)
    d = np.where(failed[a] & ~failed[b] & ~np.isnan(table.values[b]), worst, d)
    d = np.where(failed[b] & ~failed[a] & ~np.isnan(table.values[a]), -worst, d)
    return d[~np.isnan(d)]


def outlying_cells(values: np.ndarray) -> np.ndarray:
    """Return which cells of (k, n) lie far from what their mode and their block make likely.

    A cell's residual is the median, over the *other* modes, of how far it is from each of them less how far
    it usually is: what a block does to all its modes cancels. (Residuals from block medians were tried: the
    middle mode of a block then has a residual of exactly zero, the spread collapses, and of three modes one
    cell in seven is flagged.) It is outlying where ``|0.6745 e / MAD| > 3.5``, the MAD taken within the mode,
    because modes differ in noise; with normal noise that flags 2 to 4 % of the cells at 8 blocks and 1 % at
    20. A mode with fewer than 6 values, or with no spread, has none.

    References
    ----------
    B. Iglewicz and D. C. Hoaglin (1993), How to Detect and Handle Outliers, ASQC Quality Press.
    """
    out = np.zeros(values.shape, dtype=bool)
    there = ~np.isnan(values)
    if there.all() and len(values) > 1 and values.shape[1] >= FEWEST:
        return _outlying_of_complete(values)
    rows = np.flatnonzero(there.sum(axis=1) >= FEWEST)
    for j in rows if len(rows) > 1 else ():
        apart = values[j] - values[rows[rows != j]]
        apart = apart[(~np.isnan(apart)).sum(axis=1) >= FEWEST]
        if not len(apart):
            continue
        apart = apart - np.nanmedian(apart, axis=1, keepdims=True)
        known = np.flatnonzero(~np.isnan(apart).all(axis=0))
        e = np.nanmedian(apart[:, known], axis=0)
        e -= np.median(e)
        spread = np.median(np.abs(e))
        if spread > 10.0**-DECIMALS:
            out[j, known] = np.abs(0.6745 * e / spread) > MODIFIED_Z
    return out


def _outlying_of_complete(values: np.ndarray) -> np.ndarray:
    """Return the same of cells without a gap, for all modes at once."""
    k, n = values.shape
    apart = values[:, None] - values[None]
    apart -= np.median(apart, axis=2, keepdims=True)
    e = np.median(apart[~np.eye(k, dtype=bool)].reshape(k, k - 1, n), axis=1)
    e -= np.median(e, axis=1, keepdims=True)
    spread = np.median(np.abs(e), axis=1, keepdims=True)
    varies = spread > 10.0**-DECIMALS
    return varies & (np.abs(0.6745 * e) > MODIFIED_Z * np.where(varies, spread, 1.0))


@dataclass(frozen=True)
class Reliability:
    """How often a mode failed beside its baseline; ``p`` is McNemar's exact, None where no block discords."""

    test: str | None
    placement: str | None
    path: str | None
    mode: str
    n_blocks: int
    n_failed: int
    only_mode_failed: int
    only_baseline_failed: int
    p: float | None
    reason: Fact | None


def reliability(table: Table, mode: str, baseline: str) -> Reliability | None:
    """Return the row of a mode that failed in at least 2 blocks or more than 10 %, else None."""
    failed = failed_cells(table)
    a, b = failed[table.row(mode)], failed[table.row(baseline)]
    n = len(table.blocks)
    if not (a.sum() >= 2 or a.sum() > 0.1 * n):
        return None
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else None
    why = table.reasons.get(mode)
    return Reliability(
        table.test, table.placement, table.path, mode, n, int(a.sum()), only_a, only_b, p,
        commonest(why) if why else None,
    )  # fmt: skip


def under_failures(
    subjects: Sequence[Subject], outcomes: Sequence[Outcome], level: float
) -> tuple[list[Subject], list[Outcome]]:
    """Repeat the analysis with failures as worst ranks; where a verdict changes, it stands for neither."""
    marked, out = list(subjects), list(outcomes)
    other, touched = [], []
    for i, s in enumerate(subjects):
        a, b = s.table.row(s.mode), s.table.row(s.baseline)
        d = worst_rank_differences(s.table, a, b) if s.absent is None else None
        if d is not None:
            touched.append(i)
        elif s.absent is None and failed_cells(s.table)[[a, b]].any():
            marked[i] = s.flagged("failures_not_assessed")
        other.append(s.pair if d is None else replace(s.pair, d=d, nothing=False))
    if not touched:
        return marked, out
    again = analyse(other, level, infinite=True)
    for i in touched:
        if outcomes[i].verdict != again[i].verdict and outcomes[i].verdict != "insufficient_n":
            survivors, all_of_them = outcomes[i].verdict, again[i].verdict
            reason = Fact("verdicts_differ", {"survivors": survivors, "with_failures": all_of_them})
            marked[i] = marked[i].flagged("depends_on_failures", reason=reason)
            out[i] = replace(outcomes[i], verdict="not_comparable")
    return marked, out


def without_outliers(subjects: Sequence[Subject], outcomes: Sequence[Outcome], level: float) -> list[Subject]:
    """Repeat the analysis without blocks that hold an outlier; name them where a verdict depends on it."""
    marked = list(subjects)
    outlying: dict[int, np.ndarray] = {}
    pairs, touched = [], []
    for i, s in enumerate(subjects):
        if id(s.table) not in outlying:
            apart = s.table.values[None] if s.table.by_state is None else s.table.by_state[0]
            outlying[id(s.table)] = np.any([outlying_cells(each) for each in apart], axis=0)
        far = outlying[id(s.table)]
        bad = far[s.table.row(s.mode)] | far[s.table.row(s.baseline)]
        bad = bad[s.used] if len(s.used) else np.zeros(0, dtype=bool)
        keep = s.pair.d
        if bad.any() and outcomes[i].verdict not in ("insufficient_n", "not_comparable"):
            few = (~bad).sum() < outcomes[i].n_min
            blocks = tuple(s.table.blocks[b] for b in s.used[bad])
            marked[i] = s.flagged(*(["outlier_unchecked"] if few else []), outliers=blocks)
            if not few:
                keep = s.pair.d[~bad]
                touched.append(i)
        pairs.append(replace(s.pair, d=keep))
    again = analyse(pairs, level) if touched else []
    for i in touched:
        if again[i].verdict != outcomes[i].verdict:
            marked[i] = marked[i].flagged("depends_on_block")
    return marked
