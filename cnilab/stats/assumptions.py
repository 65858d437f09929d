"""Was the bench still while it measured: drift, carry-over, position, one change point. Advisory.

Blocks already take drift out of the *comparisons*; these checks protect the reading of absolute numbers and
show what the design could not balance. Each has a known rate of false alarms (0.01) and little power at ten
blocks: the word is "not detected", with an interval for the size that could be missed, not "there is none".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata, theilslopes

from cnilab.errors import DataError
from cnilab.stats.cells import Cells, Table
from cnilab.stats.omnibus import permutation_p
from cnilab.stats.projection import project
from cnilab.stats.signed_rank import DECIMALS

#: Level of each check.
ALPHA = 0.01
#: Fewest blocks with which anything is said.
FEWEST = 8
PERMUTATIONS = 1999


@dataclass(frozen=True)
class Check:
    """One check of one series. ``status``: ``not_detected``, ``flagged``, or ``unknown`` without a ``p``."""

    name: str
    status: str
    n: int
    p: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


def _series(x: np.ndarray) -> np.ndarray | None:
    """Return the present values, or None if there are too few or they do not vary; infinite ones raise."""
    x = np.asarray(x, dtype=float)
    if x.ndim != 1 or np.isinf(x).any():
        raise DataError(f"a series of shape {x.shape} with infinite values or more than one dimension")
    x = x[~np.isnan(x)]
    return None if len(x) < FEWEST or not np.round(np.ptp(x), DECIMALS) else x


def _unknown(name: str, n: int) -> Check:
    return Check(name, "unknown", n)


def drift(level: np.ndarray, when: np.ndarray | None = None, *, alpha: float = ALPHA) -> Check:
    """Check block means for a monotone trend: Kendall's τ, and Theil–Sen's slope with its interval.

    Parameters
    ----------
    level
        Block means on the log scale in time order, shape (n,); NaN for a missing block (its place is kept).
    when
        Time of each block; by default its number. The slope is per unit of it.

    References
    ----------
    M. G. Kendall (1938), Biometrika 30; P. K. Sen (1968), JASA 63(324).
    """
    level = np.asarray(level, dtype=float)
    x = _series(level)
    there = ~np.isnan(level)
    if x is None:
        return _unknown("drift", int(there.sum()))
    at = np.arange(len(level), dtype=float) if when is None else np.asarray(when, dtype=float)
    x = np.round(x, DECIMALS)
    p = float(kendalltau(at[there], x).pvalue)
    slope, _, low, high = (float(v) for v in theilslopes(x, at[there], 1 - alpha))
    if p <= alpha:
        return Check("drift", "flagged", len(x), p, slope, low, high)
    return Check("drift", "not_detected", len(x), p, slope, low, high)


def lag_one(d: np.ndarray, *, seed: int = 0, alpha: float = ALPHA, permutations: int = PERMUTATIONS) -> Check:
    """Check whether a block's difference resembles the block before it (lag-1 correlation, by permutation).

    Two-sided about -1/(n-1), its mean under independence. Missing blocks are skipped over.
    """
    x = _series(d)
    if x is None:
        return _unknown("lag_one", int((~np.isnan(np.asarray(d, dtype=float))).sum()))
    rng = np.random.default_rng(seed)
    rows = np.vstack([x, rng.permuted(np.tile(x, (permutations, 1)), axis=1)])
    z = rows - x.mean()
    r = (z[:, 1:] * z[:, :-1]).sum(axis=1) / (z[0] ** 2).sum()
    away = np.abs(r + 1 / (len(x) - 1))
    p = float((1 + (away[1:] >= away[0] - 1e-12).sum()) / (permutations + 1))
    status = "flagged" if p <= alpha else "not_detected"
    return Check("lag_one", status, len(x), p, float(r[0]))


def change_point(
    x: np.ndarray, *, seed: int = 0, alpha: float = ALPHA, permutations: int = PERMUTATIONS
) -> Check:
    """Check for one step in a series: the largest CUSUM of ranks, by permutation.

    ``estimate`` is the 0-based position of the last value before the step, among the values present.

    References
    ----------
    A. N. Pettitt (1979), Applied Statistics 28(2).
    """
    values = _series(x)
    if values is None:
        return _unknown("change_point", int((~np.isnan(np.asarray(x, dtype=float))).sum()))
    ranks = rankdata(np.round(values, DECIMALS))
    rng = np.random.default_rng(seed)
    rows = np.vstack([ranks, rng.permuted(np.tile(ranks, (permutations, 1)), axis=1)])
    cusum = np.abs(np.cumsum(rows - ranks.mean(), axis=1)[:, :-1])
    # Standardised, so that a step near an end is not hidden by the larger wander in the middle.
    t = np.arange(1, len(ranks))
    cusum = cusum / np.sqrt(t * (len(ranks) - t))
    top = cusum.max(axis=1)
    p = float((1 + (top[1:] >= top[0] - 1e-12).sum()) / (permutations + 1))
    last = int(cusum[0].argmax())
    if p <= alpha:
        return Check("change_point", "flagged", len(ranks), p, float(last))
    return Check("change_point", "not_detected", len(ranks), p, float(last))


def position(
    cells: np.ndarray,
    slots: np.ndarray,
    *,
    seed: int = 0,
    alpha: float = ALPHA,
    permutations: int = PERMUTATIONS,
) -> Check:
    """Check whether the place in a block matters, whatever mode stood there (permutation F over slots).

    Parameters
    ----------
    cells
        Shape (k, n) on the log scale; NaN where missing.
    slots
        Shape (k, n): the rank of each mode within its block, 0 … k-1.

    Returns
    -------
    Check
        ``estimate`` is the mean offset of the first slot. Complete blocks only.
    """
    c, s = np.asarray(cells, dtype=float), np.asarray(slots, dtype=float)
    full = ~(np.isnan(c) | np.isnan(s)).any(axis=0)
    c, order = c[:, full], s[:, full].argsort(axis=0, kind="stable")
    if np.isinf(c).any():
        raise DataError("an infinite cell in the position check; cells are finite or missing")
    n = c.shape[1]
    if n < FEWEST or len(c) < 2:
        return _unknown("position", n)
    e = c - c.mean(axis=1, keepdims=True)
    e = e - e.mean(axis=0, keepdims=True)
    by_slot = np.take_along_axis(e, order, axis=0).T
    if not np.round(by_slot, DECIMALS).any():
        return _unknown("position", n)
    _, p = permutation_p(by_slot, np.random.default_rng(seed), permutations)
    first = float(by_slot[:, 0].mean())
    if p <= alpha:
        return Check(
            "position",
            "flagged",
            n,
            p,
            first,
        )
    return Check("position", "not_detected", n, p, first)


def check_table(
    table: Table, baseline: str, slots: np.ndarray | None = None, *, seed: int = 0
) -> list[tuple[str, Check]]:
    """Return every check of one table as ``(mode or "", check)``; drift and step are of block means."""
    k = [i for i, m in enumerate(table.modes) if table.runs[i].any()]
    if not k:
        return []
    values = table.values[k]
    centred = values - np.nanmean(values, axis=1, keepdims=True)
    # Mode-centred before averaging: a block that lacks a slow mode must not look fast.
    there = ~np.isnan(values)
    level = np.where(
        there.any(axis=0), np.where(there, centred, 0).sum(axis=0) / np.maximum(1, there.sum(axis=0)), np.nan
    )
    out = [("", drift(level)), ("", change_point(level, seed=seed))]
    if slots is not None:
        out.append(("", position(values, slots[k], seed=seed)))
    if baseline in table.modes:
        b = table.row(baseline)
        for i in k:
            if i != b and table.runs[b].any() and table.modes[i] not in table.twins:
                out.append(
                    (table.modes[i], lag_one(table.differences(table.modes[i], baseline)[0], seed=seed))
                )
    return out


def run_checks(cells: Cells, samples: pd.DataFrame, baseline: str, *, seed: int = 0) -> pd.DataFrame:
    """Run drift, change point, position and lag-1 on every table of a study.

    Parameters
    ----------
    cells, samples
        The cells, and the samples they were collected from: a row's ``slot`` is its position within the block.
    baseline
        The mode the others are compared with.
    seed
        Of the permutations.

    Returns
    -------
    DataFrame
        ``metric, stat, test, placement, path, mode, check, status, n, p, estimate, low, high``; missing
        is NaN. At level 0.01 one row in a hundred is flagged by chance.
    """
    slots = _slots(samples, cells)
    rows = []
    for table in cells.tables:
        where = slots.get((table.test, table.placement, table.path))
        for mode, check in check_table(table, baseline, where, seed=seed):
            rows.append({
                "metric": table.metric, "stat": table.stat, "test": table.test, "placement": table.placement,
                "path": table.path, "mode": mode or None, "check": check.name, "status": check.status,
                "n": check.n, "p": check.p, "estimate": check.estimate, "low": check.low, "high": check.high,
                            })  # fmt: skip
    return pd.DataFrame(rows)


def _slots(samples: pd.DataFrame, cells: Cells) -> dict[tuple, np.ndarray]:
    """Return, a scenario, the rank of each mode's slot within its block, shape (k, n), NaN where unknown."""
    if "slot" not in samples:
        return {}
    frame = project(samples, cells.view).frame
    many = frame["run_id"].nunique() > 1
    block = frame["block"].astype("str")
    if many:
        block = frame["run_id"].astype("str") + "/" + block
    first = pd.DataFrame({c: frame[c].fillna("") for c in ("test", "placement", "path", "mode")})
    first = first.assign(block=block, slot=frame["slot"].astype(float))
    place = first.groupby(["test", "placement", "path", "mode", "block"], observed=True)["slot"].min()
    lookup = place.to_dict()
    out: dict[tuple, np.ndarray] = {}
    for t in cells.tables:
        key = (t.test, t.placement, t.path)
        if key not in out:
            at = (t.test or "", t.placement or "", t.path or "")
            raw = np.array([[lookup.get((*at, m, b), np.nan) for b in t.blocks] for m in t.modes])
            out[key] = raw
    return out
