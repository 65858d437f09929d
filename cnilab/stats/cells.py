"""From rows to cells: one number a (block, mode), the only thing that counts as a sample.

A trial's seconds are not samples, and neither are the runs of one deployment: they share whatever that
deployment happened to be. Both are averaged *before* anything is compared (geometric mean on the log scale).
What is missing stays missing and is counted: a failed trial has no metric, so it is charged to its (test,
placement, path, mode, block), and every row of the table ends in exactly one count.

Two ways to be wrong, never mixed: rows that contradict the contract raise :class:`~cnilab.errors.DataError`;
too few or failed trials are results and raise nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.runs.samples import reason_of
from cnilab.stats.frame import SCENARIO, Coded, block_codes, code, joint, read_values, refuse_twice, tidy
from cnilab.stats.metrics import COMPARED_STATS, METRICS, describe
from cnilab.units import unit_of

#: Family of reasons that say the bench failed and not the mode: nothing is charged.
BENCH_FAILED = "bench_failed"
#: The control's label is the mode's own with this behind it.
AA_SUFFIX = "#aa"


@dataclass(frozen=True)
class Table:
    """The cells of one metric and stat in one (test, placement, path).

    ``values`` has shape (k modes, n blocks) on the scale compared (log or linear); NaN, never zero, where a
    cell has no value. ``runs``, ``failed``, ``skipped`` count the rows behind each cell, same shape.
    """

    metric: str
    stat: str
    test: str | None
    placement: str | None
    path: str | None
    unit: str
    modes: tuple[str, ...]
    blocks: tuple[str, ...]
    values: np.ndarray
    runs: np.ndarray
    failed: np.ndarray
    skipped: np.ndarray
    reasons: dict[str, Counter[Fact]] = field(default_factory=dict)
    kernel_paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nonpositive: float | None = None
    requests: float | None = None

    @property
    def scale(self) -> str:
        """``"log"`` or ``"linear"``."""
        return describe(self.metric).scale

    def row(self, mode: str) -> int:
        """Index of ``mode`` in the arrays."""
        return self.modes.index(mode)


@dataclass(frozen=True)
class Cells:
    """All tables of a samples frame, and where each of its rows went (``counts`` sums to ``n_rows``)."""

    tables: tuple[Table, ...]
    modes: tuple[str, ...]
    n_rows: int
    counts: dict[str, int]
    not_compared: tuple[str, ...] = ()


def collect(
    samples: pd.DataFrame,
    *,
    modes: Sequence[str] | None = None,
    also: Sequence[str] = (),
    primary: tuple[str | None, str, str] | None = None,
) -> Cells:
    """Reduce a samples table to cells.

    Parameters
    ----------
    samples
        A samples table (:mod:`cnilab.runs.samples`) or a bare frame (:func:`tidy`).
    modes
        The modes that were planned; those without a row get empty cells. Default: the modes in the table.
    also
        Metrics to take although :data:`~cnilab.stats.metrics.METRICS` does not list them.
    primary
        The declared ``(test, metric, stat)``. Its table exists even if every trial failed, and a value <= 0
        in it raises; elsewhere such a value bars its own table alone. None: it raises everywhere.

    Returns
    -------
    Cells
        One :class:`Table` a (metric, stat) x (test, placement, path), those without values included.

    Raises
    ------
    DataError
        On a repeated key, a value that is not finite in an ok row, a value in a row that is not ok, two units
        of one metric, a mode that was not planned, or a value <= 0 (see ``primary``).
    """
    frame = tidy(samples)
    bare = not {"trial_id", "test", "metric", "status"} <= set(samples.columns)
    status = frame["status"].astype("str")
    if (odd := ~status.isin(("ok", "failed", "skipped", "timeout"))).any():
        raise DataError(f"status {status[odd].iloc[0]!r}; allowed: ok, failed, skipped, timeout")
    ok = (status == "ok").to_numpy(dtype=bool)
    values = read_values(frame, ok)

    mode = code(frame["mode"])
    names = list(mode.names) if modes is None else list(dict.fromkeys(modes))
    # Controls are measured under a label of their own that a plan need not list.
    names += sorted(m for m in mode.names if m not in names and m.removesuffix(AA_SUFFIX) in names)
    if stray := [m for m in mode.names if m not in names]:
        raise DataError(
            f"mode {stray[0]!r} has rows but was not planned; planned: {', '.join(map(str, names))}"
        )
    mode = Coded(np.array([names.index(m) for m in mode.names])[mode.codes], names)
    block = block_codes(frame)
    parts = [code(frame[c].fillna("")) for c in SCENARIO]
    scenario, where = joint([p.codes for p in parts], [len(p.names) for p in parts])
    scenarios = [tuple(p.names[i] or None for p, i in zip(parts, at)) for at in where]
    metric, stat = code(frame["metric"].where(ok)), code(frame["stat"].fillna("value"))
    known = {*METRICS, *also}
    taken = np.array([bare or m in known for m in metric.names] + [False])[metric.codes]
    taken &= np.array([s in COMPARED_STATS for s in stat.names])[stat.codes] & ok
    left = sorted(
        {f"{frame['metric'][i]} ({frame['stat'][i]})" for i in _first_of_each(metric, stat, ok & ~taken)}
    )

    n_modes, n_blocks = len(names), len(block.names)
    place = mode.codes * n_blocks + block.codes
    size = n_modes * n_blocks
    rows = np.flatnonzero(taken)
    series, kinds = joint([metric.codes[rows], stat.codes[rows]], [len(metric.names), len(stat.names)])
    series_names = [(str(metric.names[m]), str(stat.names[s])) for m, s in kinds]
    if primary is not None and primary[1:] not in series_names:
        series_names.append((primary[1], primary[2]))
    trial = code(frame["trial_id"], sort=False).codes
    cell = (series * len(scenarios) + scenario[rows]) * size + place[rows]
    refuse_twice(frame, rows, cell * (int(trial.max()) + 1) + trial[rows])

    logs = np.array([describe(m).scale == "log" for m, _ in series_names] or [False])[series]
    x = values[rows]
    low = logs & (x <= 0)
    for i in np.flatnonzero(low):
        test = scenarios[scenario[rows[i]]][0]
        if primary is None or (test, *series_names[series[i]]) == primary:
            raise DataError(
                f"value {float(x[i])} of {series_names[series[i]][0]}, mode {frame['mode'][rows[i]]}, block "
                f"{frame['block'][rows[i]]}: it is compared as a ratio, which needs values above 0; a trial "
                "that delivered nothing has status failed and a reason"
            )
    fit = np.where(logs, np.log(np.where(low, 1.0, np.where(logs, x, 1.0))), x)

    failing, skipping = _charges(frame, status)
    n_failed = np.bincount((scenario * size + place)[failing], minlength=len(scenarios) * size)
    n_skipped = np.bincount((scenario * size + place)[skipping], minlength=len(scenarios) * size)
    present = np.bincount(scenario * n_blocks + block.codes, minlength=len(scenarios) * n_blocks) > 0
    bins = len(series_names) * len(scenarios) * size
    runs = np.bincount(cell, minlength=bins).reshape(-1, n_modes, n_blocks)
    with np.errstate(invalid="ignore"):
        means = np.bincount(cell, weights=fit, minlength=bins).reshape(runs.shape) / np.where(
            runs, runs, np.nan
        )

    reasons = _reasons(frame, ~ok, scenario, len(scenarios))
    varies = {c: _variants(frame[c], scenario, mode, len(scenarios)) for c in ("kernel_path", "tool_version")}
    units = _units(frame, rows, series, series_names)
    requests = _requests(frame, values, ok, scenario)
    tests_of = {
        s: {scenarios[c][0] for c in np.unique(scenario[rows[series == s]])} for s in range(len(series_names))
    }
    if primary is not None:
        tests_of[series_names.index((primary[1], primary[2]))].add(primary[0])
    tables = []
    for s, (metric_name, stat_name) in enumerate(series_names):
        for c, (test, placement, path) in enumerate(scenarios):
            if test not in tests_of[s]:
                continue
            keep = np.flatnonzero(present[c * n_blocks : (c + 1) * n_blocks])
            here = s * len(scenarios) + c
            charged = n_failed.reshape(-1, n_modes, n_blocks)[c], n_skipped.reshape(-1, n_modes, n_blocks)[c]
            wrong = np.flatnonzero(low & (series == s) & (scenario[rows] == c)) if low.any() else rows[:0]
            tables.append(
                Table(
                    metric=str(metric_name), stat=str(stat_name), test=test, placement=placement, path=path,
                    unit=units[s], modes=tuple(map(str, names)), blocks=tuple(block.names[b] for b in keep),
                    values=means[here][:, keep], runs=runs[here][:, keep],
                    failed=charged[0][:, keep],
                    skipped=charged[1][:, keep],
                    reasons=reasons[c], kernel_paths=varies["kernel_path"][c],
                    versions=varies["tool_version"][c],
                    nonpositive=float(x[wrong[0]]) if len(wrong) else None, requests=requests.get(c),
                )
            )  # fmt: skip
    counts = {"compared": int(taken.sum()), "not_compared": int((ok & ~taken).sum())}
    counts |= {name: int((status == name).sum()) for name in ("failed", "skipped", "timeout")}
    return Cells(tuple(tables), tuple(map(str, names)), len(frame), counts, tuple(left))


def _first_of_each(metric: Coded, stat: Coded, mask: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(mask)
    _, first = np.unique(metric.codes[at] * (len(stat.names) + 1) + stat.codes[at], return_index=True)
    return at[first]


def _charges(frame: pd.DataFrame, status: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the rows that are the mode's failure, and of those that say nothing about it."""
    bad = status.isin(("failed", "timeout")).to_numpy(dtype=bool)
    bench = np.zeros(len(frame), dtype=bool)
    if bad.any():
        reason = code(frame["reason_code"].where(bad))
        bench = bad & np.array([Fact(str(c)).within(BENCH_FAILED) for c in reason.names] + [False])[reason.codes]
    return bad & ~bench, (status == "skipped").to_numpy(dtype=bool) | bench


def _reasons(frame: pd.DataFrame, bad: np.ndarray, scenario: np.ndarray, n: int) -> list[dict[str, Counter[Fact]]]:
    out: list[dict[str, Counter[Fact]]] = [{} for _ in range(n)]
    at = np.flatnonzero(bad)
    columns = frame[["reason_code", "reason_args", "reason"]].iloc[at].to_dict("records")
    for c, m, row in zip(scenario[at], frame["mode"].iloc[at], columns):
        out[c].setdefault(str(m), Counter())[reason_of(row) or Fact("no_reason")] += 1
    return out


def _variants(
    column: pd.Series, scenario: np.ndarray, mode: Coded, n: int
) -> list[dict[str, tuple[str, ...]]]:
    """Return, a scenario, each mode's distinct values of a column that ought not to vary."""
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


def _units(frame: pd.DataFrame, rows: np.ndarray, series: np.ndarray, names: list) -> list[str]:
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


def _requests(
    frame: pd.DataFrame, values: np.ndarray, ok: np.ndarray, scenario: np.ndarray
) -> dict[int, float]:
    """Return, a scenario, the fewest requests behind one trial: rate x duration, where both are known."""
    metric = frame["metric"].astype("str")
    rated = ok & metric.isin(("transaction_rate_per_s", "request_rate_per_s")).to_numpy(dtype=bool)
    if not rated.any():
        return {}
    seconds = pd.to_numeric(frame["duration_s"]).to_numpy(dtype=float, na_value=np.nan)
    count = values * seconds
    rated &= np.isfinite(count)
    return {int(c): float(count[rated & (scenario == c)].min()) for c in np.unique(scenario[rated])}
