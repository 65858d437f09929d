"""What stands beside the values of a table: failures and their reasons, what varied, units, numbers of requests.

Everything is counted per scenario; what is done with it is :mod:`.cells`'.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.runs.samples import reason_of
from cnilab.stats.frame import Coded, code
from cnilab.units import unit_of

#: Family of reasons that say the bench failed and not the mode: nothing is charged.
BENCH_FAILED = "bench_failed"


def charges(frame: pd.DataFrame, status: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the rows that are the mode's failure, and of those that say nothing about it."""
    bad = status.isin(("failed", "timeout")).to_numpy(dtype=bool)
    bench = np.zeros(len(frame), dtype=bool)
    if bad.any():
        reason = code(frame["reason_code"].where(bad))
        bench = (
            bad & np.array([Fact(str(c)).within(BENCH_FAILED) for c in reason.names] + [False])[reason.codes]
        )
    return bad & ~bench, (status == "skipped").to_numpy(dtype=bool) | bench


def reasons(
    frame: pd.DataFrame, bad: np.ndarray, scenario: np.ndarray, n: int
) -> list[dict[str, Counter[Fact]]]:
    out: list[dict[str, Counter[Fact]]] = [{} for _ in range(n)]
    at = np.flatnonzero(bad)
    columns = frame[["reason_code", "reason_args", "reason"]].iloc[at].to_dict("records")
    for c, m, row in zip(scenario[at], frame["mode"].iloc[at], columns):
        out[c].setdefault(str(m), Counter())[reason_of(row) or Fact("no_reason")] += 1
    return out


def variants(
    column: pd.Series, scenario: np.ndarray, mode: Coded, n: int
) -> list[dict[str, tuple[str, ...]]]:
    """For each scenario, return each mode's distinct values of a column that ought not to vary."""
    out: list[dict[str, tuple[str, ...]]] = [{} for _ in range(n)]
    coded = code(column)
    there = coded.codes >= 0
    width = len(coded.names)
    for flat in np.unique(
        (scenario[there] * len(mode.names) + mode.codes[there]) * width + coded.codes[there]
    ):
        c, m, v = (
            int(flat) // (len(mode.names) * width),
            int(flat) // width % len(mode.names),
            int(flat) % width,
        )
        name = str(mode.names[m])
        out[c][name] = (*out[c].get(name, ()), str(coded.names[v]))
    return out


def units(frame: pd.DataFrame, rows: np.ndarray, series: np.ndarray, names: list) -> list[str]:
    unit = code(frame["unit"])
    out = []
    for s, (metric, _) in enumerate(names):
        seen = [unit.names[u] for u in np.unique(unit.codes[rows[series == s]]) if u >= 0]
        if len(seen) > 1:
            raise DataError(
                f"metric {metric} in the units {seen}; one metric has one base unit, {unit_of(metric)!r}"
            )
        out.append(str(seen[0]) if seen else unit_of(str(metric)))
    return out


def requests(
    frame: pd.DataFrame, values: np.ndarray, ok: np.ndarray, scenario: np.ndarray
) -> dict[int, float]:
    """For each scenario, return the fewest requests behind one trial: rate x measured time, where both are known."""
    metric = frame["metric"].astype("str")
    rated = ok & metric.isin(("transaction_rate_per_s", "request_rate_per_s")).to_numpy(dtype=bool)
    if not rated.any():
        return {}
    seconds = pd.to_numeric(frame["duration_s"]).to_numpy(dtype=float, na_value=np.nan)
    count = values * seconds
    rated &= np.isfinite(count)
    return {int(c): float(count[rated & (scenario == c)].min()) for c in np.unique(scenario[rated])}


def started(
    frame: pd.DataFrame, scenario: np.ndarray, place: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray | None:
    """Return when each cell's trials began on average, in seconds, in ``shape``; None if nobody knows of any.

    ``place`` is each row's in the (modes, blocks) grid of its ``scenario``.
    """
    if "started_at" not in frame or not frame["started_at"].notna().any():
        return None
    column = frame["started_at"]
    if pd.api.types.is_numeric_dtype(column):
        seconds = column.to_numpy(dtype=float, na_value=np.nan)
    else:
        coded = code(column, sort=False)
        text = pd.Series(coded.names, dtype="string")
        moments = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        known = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(dtype=float)
        seconds = np.append(known, np.nan)[coded.codes]
    there = np.isfinite(seconds)
    if not there.any():
        return None
    flat = (scenario * (shape[1] * shape[2]) + place)[there]
    n = np.bincount(flat, minlength=int(np.prod(shape)))
    total = np.bincount(flat, weights=seconds[there] - seconds[there].min(), minlength=len(n))
    return (total / np.where(n, n, np.nan)).reshape(shape)
