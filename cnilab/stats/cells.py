"""From rows to cells: one number per (block, mode), the only thing that counts as a sample.

A trial's seconds are not samples, and neither are the runs of one deployment: they share whatever that
deployment happened to be. Both are averaged *before* anything is compared (geometric mean on the log scale).
What is missing stays missing and is counted: a failed trial has no metric, so it is charged to its (test,
placement, path, mode, block), and every row of the table ends in exactly one count.

Two ways to be wrong, never mixed: rows that contradict the contract raise :class:`~cnilab.errors.DataError`;
too few or failed trials are results and raise nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.stats import beside, strata
from cnilab.stats.declared import Primary, primary_of
from cnilab.stats.frame import SCENARIO, Coded, block_codes, code, joint, read_values, refuse_twice
from cnilab.stats.metrics import COMPARED_STATS, METRICS, describe
from cnilab.stats.projection import Projected, View, project
from cnilab.stats.signed_rank import DECIMALS


@dataclass(frozen=True)
class Table:
    """The cells of one metric and stat in one (test, placement, path).

    ``values`` has shape (k modes, n blocks) on the scale compared (log or linear); NaN, never zero, where a
    cell has no value. ``runs``, ``failed``, ``skipped``, ``disturbed`` count the rows behind each cell, same
    shape. ``started`` is when a cell's trials began on average, in seconds, NaN where nobody recorded it, None where
    nobody asked. ``nonpositive`` holds, of the modes that have one, a value that has no ratio. ``by_state`` holds
    means and numbers of runs by state of the machine, (states, k, n), where it was in several of ``states``.
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
    disturbed: np.ndarray
    reasons: dict[str, Counter[Fact]] = field(default_factory=dict)
    kernel_paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nonpositive: Mapping[str, float] = field(default_factory=dict)
    better: str | None = None
    started: np.ndarray | None = None
    requests: float | None = None
    treatments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Any] = field(default_factory=dict)
    residue: tuple[str, ...] = ()
    states: tuple[int, ...] = ()
    by_state: tuple[np.ndarray, np.ndarray] | None = None

    def apart(self, a: int, b: int) -> np.ndarray:
        """Return row ``a`` less row ``b`` block by block, shape (n,), NaN where a block has not both.

        Where the machine was in several states the differences are formed within them (:mod:`.strata`).
        """
        return (
            self.values[a] - self.values[b]
            if self.by_state is None
            else strata.within(*self.by_state, a, b)[0]
        )

    def differences(self, mode: str, baseline: str) -> tuple[np.ndarray, np.ndarray]:
        """Return ``mode`` less ``baseline`` in the blocks that have both, and which blocks those are.

        What is no more than the rounding of two logarithms is no difference.
        """
        d = self.apart(self.row(mode), self.row(baseline))
        used = np.flatnonzero(~np.isnan(d))
        d = d[used]
        return np.where(np.abs(d) <= 10.0**-DECIMALS, 0.0, d), used

    @property
    def scale(self) -> str:
        """``"log"`` or ``"linear"``."""
        return describe(self.metric).scale

    @property
    def direction(self) -> str | None:
        """Which side is better: ``"higher"``, ``"lower"``, or None where nobody has said."""
        return describe(self.metric).direction or self.better

    def row(self, mode: str) -> int:
        """Index of ``mode`` in the arrays."""
        return self.modes.index(mode)


@dataclass(frozen=True)
class Cells:
    """All tables of a samples frame, and where each of its rows went (``counts`` sums to ``n_rows``).

    ``primary`` is the declared family as the data have it, ``not_compared`` what no table was made of.
    """

    tables: tuple[Table, ...]
    modes: tuple[str, ...]
    n_rows: int
    counts: dict[str, int]
    not_compared: tuple[str, ...] = ()
    primary: Primary | None = None
    twins: Mapping[str, str] = field(default_factory=dict)
    view: View | None = None

    def table(
        self, metric: str, stat: str = "value", *, test: str | None, placement: str | None
    ) -> Table | None:
        """Return the first table of a metric and stat in a test and placement, None if there is none."""
        wanted = (metric, stat, test, placement)
        return next((t for t in self.tables if (t.metric, t.stat, t.test, t.placement) == wanted), None)


@dataclass(frozen=True)
class _Axes:
    """What spans the cells, and each row's ``place`` in a (mode, block) grid and its scenario."""

    modes: list[str]
    blocks: list[str]
    scenarios: list[tuple[str | None, ...]]
    mode: Coded
    scenario: np.ndarray
    place: np.ndarray
    present: np.ndarray  # (scenarios, blocks): whether there is a row

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.scenarios), len(self.modes), len(self.blocks)

    def counted(self, rows: np.ndarray) -> np.ndarray:
        """Return how many of ``rows`` lie in each cell, whatever their metric, in :attr:`shape`."""
        grid = len(self.modes) * len(self.blocks)
        flat = (self.scenario * grid + self.place)[rows]
        return np.bincount(flat, minlength=len(self.scenarios) * grid).reshape(self.shape)


@dataclass(frozen=True)
class _Series:
    """The rows that are compared, and of which (metric, stat) each is; ``left`` names what is not."""

    rows: np.ndarray
    codes: np.ndarray
    names: list[tuple[str, str]]
    left: list[str]


def collect(
    samples: pd.DataFrame,
    *,
    modes: Sequence[str] | None = None,
    also: Sequence[str] = (),
    primary: Mapping[str, Any] | None = None,
    view: View | None = None,
    better: Mapping[str, str] | None = None,
    times: bool = False,
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
        The declared family (:class:`~cnilab.stats.declared.Declared`). Its table exists even if every trial
        failed, and a value <= 0 in it raises; elsewhere such a value bars the comparisons of its own mode alone.
        None: it raises everywhere.
    view
        Which factors name a treatment and which a table; None: every factor in the place of its kind.
    better
        Metric -> ``higher`` or ``lower``, for metrics of which :data:`~cnilab.stats.metrics.METRICS` does not know it.
    times
        Whether to read when each cell was measured.

    Returns
    -------
    Cells
        One :class:`Table` per (metric, stat) x (test, placement, path), those without values included.

    Raises
    ------
    DataError
        On a direction that contradicts the table of metrics, a repeated key, a value that is not finite in an ok
        row, a value in a row that is not ok, two units of one metric, a mode that was not planned, or a value <= 0
        (see ``primary``).
    UnknownKey
        If the primary family is not in the table although its test has values.
    """
    projected = project(samples, view)
    for metric, side in (better or {}).items():
        if describe(metric).direction not in (None, side):
            raise DataError(f"{metric}: {side} cannot be better; {describe(metric).direction} is")
    aside = strata.set_aside(projected.frame)
    projected = replace(projected, frame=projected.frame[~aside].reset_index(drop=True))
    frame = projected.frame
    declared = None if primary is None else primary_of(frame, primary)
    status = frame["status"].astype("str")
    if (odd := ~status.isin(("ok", "failed", "skipped", "timeout"))).any():
        raise DataError(f"status {status[odd].iloc[0]!r}; allowed: ok, failed, skipped, timeout")
    ok = (status == "ok").to_numpy(dtype=bool)
    values = read_values(frame, ok)
    axes = _axes(projected, modes)
    bare = not {"trial_id", "test", "metric", "status"} <= set(samples.columns)
    known = None if bare else {*METRICS, *also, *([declared.metric] if declared else ())}
    series = _series(frame, ok, known, declared, every_stat=bare)
    fit = _on_scale(frame, values, axes, series, declared)
    runs, means = _averaged(axes, series, fit, frame)
    states, of_row = strata.of_rows(frame)
    split = None
    if len(states) > 1:
        each = [_averaged(axes, series, fit, frame, of_row == s) for s in range(len(states))]
        split = np.stack([m for _, m in each]), np.stack([r for r, _ in each])
    started = beside.started(frame, axes.scenario, axes.place, axes.shape) if times else None
    tables = [
        replace(
            table,
            treatments=projected.treatments,
            twins=projected.twins,
            levels=projected.tests.get(table.test or "", {}),
            residue=projected.residue.get(table.test or "", ()),
            better=(better or {}).get(table.metric),
        )
        for table in _tables(
            frame, values, ok, status, axes, series, declared, runs, means, states, split, started
        )
    ]  # fmt: skip
    counts = {"compared": len(series.rows), "not_compared": int(ok.sum()) - len(series.rows)}
    counts |= {name: int((status == name).sum()) for name in ("failed", "skipped", "timeout")}
    counts["set_aside"] = int(aside.sum())
    return Cells(
        tuple(tables),
        tuple(axes.modes),
        len(aside),
        counts,
        tuple(series.left),
        declared,
        projected.twins,
        view,
    )


def _axes(projected: Projected, modes: Sequence[str] | None) -> _Axes:
    """Code modes (in the plan's order), blocks (in time) and scenarios."""
    frame = projected.frame
    mode = code(frame["mode"])
    names = list(mode.names) if modes is None else list(dict.fromkeys(modes))
    # A plan need not list the twins.
    names += sorted(m for m in mode.names if m not in names and projected.twins.get(m) in names)
    if stray := [m for m in mode.names if m not in names]:
        raise DataError(
            f"mode {stray[0]!r} has rows but was not planned; planned: {', '.join(map(str, names))}"
        )
    mode = Coded(np.array([names.index(m) for m in mode.names])[mode.codes], names)
    block = block_codes(frame)
    parts = [code(frame[c].fillna("")) for c in SCENARIO]
    scenario, where = joint([p.codes for p in parts], [len(p.names) for p in parts])
    n_blocks = len(block.names)
    there = np.bincount(scenario * n_blocks + block.codes, minlength=len(where) * n_blocks) > 0
    return _Axes(
        modes=[str(name) for name in names],
        blocks=block.names,
        scenarios=[tuple(p.names[i] or None for p, i in zip(parts, at)) for at in where],
        mode=mode,
        scenario=scenario,
        place=mode.codes * n_blocks + block.codes,
        present=there.reshape(len(where), n_blocks),
    )


def _series(
    frame: pd.DataFrame, ok: np.ndarray, known: set[str] | None, declared: Primary | None, *, every_stat: bool
) -> _Series:
    """Choose the rows of known metrics (None: of all) and compared stats (or of every one), and say what is left."""
    metric, stat = code(frame["metric"].where(ok)), code(frame["stat"].fillna("value"))
    taken = np.array([known is None or m in known for m in metric.names] + [False])[metric.codes]
    taken &= np.array([every_stat or s in COMPARED_STATS for s in stat.names])[stat.codes] & ok
    left = {f"{frame['metric'][i]} ({frame['stat'][i]})" for i in _first_of_each(metric, stat, ok & ~taken)}
    rows = np.flatnonzero(taken)
    codes, kinds = joint([metric.codes[rows], stat.codes[rows]], [len(metric.names), len(stat.names)])
    names = [(str(metric.names[m]), str(stat.names[s])) for m, s in kinds]
    if declared is not None and (declared.metric, declared.stat) not in names:
        names.append((declared.metric, declared.stat))
    return _Series(rows, codes, names, sorted(left))


def _on_scale(
    frame: pd.DataFrame, values: np.ndarray, axes: _Axes, series: _Series, declared: Primary | None
) -> np.ndarray:
    """Return the compared values, the logarithm where ratios are compared; raise where one has none that needs it."""
    x = values[series.rows]
    logs = np.array([describe(m).scale == "log" for m, _ in series.names] or [False])[series.codes]
    low = logs & (x <= 0)
    for i in np.flatnonzero(low):
        row = series.rows[i]
        name = (axes.scenarios[axes.scenario[row]][0], *series.names[series.codes[i]])
        if declared is None or name == declared.name:
            raise DataError(
                f"value {float(x[i])} of {name[1]}, mode {frame['mode'][row]}, block {frame['block'][row]}: it is "
                "compared as a ratio, which needs values above 0; a trial that delivered nothing has status failed "
                "and a reason"
            )
    return np.where(low, np.nan, np.where(logs, np.log(np.where(logs & ~low, x, 1.0)), x))


def _averaged(
    axes: _Axes, series: _Series, fit: np.ndarray, frame: pd.DataFrame, only: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many runs are in each cell and their mean, (series x scenarios, modes, blocks); NaN where none.

    ``only`` restricts this to some rows of the frame.
    """
    n_scenarios, n_modes, n_blocks = axes.shape
    size = n_modes * n_blocks
    cell = (series.codes * n_scenarios + axes.scenario[series.rows]) * size + axes.place[series.rows]
    if only is None:
        trial = code(frame["trial_id"], sort=False).codes
        refuse_twice(frame, series.rows, cell * (int(trial.max()) + 1) + trial[series.rows])
    else:
        cell, fit = cell[only[series.rows]], fit[only[series.rows]]
    bins = len(series.names) * n_scenarios * size
    runs = np.bincount(cell, minlength=bins).reshape(-1, n_modes, n_blocks)
    with np.errstate(invalid="ignore"):
        sums = np.bincount(cell, weights=fit, minlength=bins).reshape(runs.shape)
        return runs, sums / np.where(runs, runs, np.nan)


def _tables(
    frame: pd.DataFrame,
    values: np.ndarray,
    ok: np.ndarray,
    status: pd.Series,
    axes: _Axes,
    series: _Series,
    declared: Primary | None,
    runs: np.ndarray,
    means: np.ndarray,
    states: np.ndarray,
    split: tuple[np.ndarray, np.ndarray] | None,
    started: np.ndarray | None,
) -> list[Table]:
    """Cut the averages into tables, each with what failed, what varied and why a mode is absent."""
    n_scenarios = len(axes.scenarios)
    failing, skipping = beside.charges(frame, status)
    failed, skipped = axes.counted(failing), axes.counted(skipping)
    disturbed = axes.counted(frame["disturbed"].notna().to_numpy(bool) if "disturbed" in frame else ~ok & ok)
    reasons = beside.reasons(frame, ~ok, axes.scenario, n_scenarios)
    carried = beside.variants(frame["kernel_path"], axes.scenario, axes.mode, n_scenarios)
    versions = beside.variants(frame["tool_version"], axes.scenario, axes.mode, n_scenarios)
    units = beside.units(frame, series.rows, series.codes, series.names)
    requests = beside.requests(frame, values, ok, axes.scenario)
    x, where = values[series.rows], axes.scenario[series.rows]
    tables = []
    for s, (metric, stat) in enumerate(series.names):
        own = series.codes == s
        tests = {axes.scenarios[c][0] for c in np.unique(where[own])}
        if declared is not None and (metric, stat) == (declared.metric, declared.stat):
            tests.add(declared.test)
        unfit = own & (x <= 0) if describe(metric).scale == "log" else np.zeros(len(x), dtype=bool)
        for c, (test, placement, path) in enumerate(axes.scenarios):
            if test not in tests:
                continue
            keep = np.flatnonzero(axes.present[c])
            at = s * n_scenarios + c
            wrong = np.flatnonzero(unfit & (where == c)) if unfit.any() else ()
            tables.append(
                Table(
                    metric=metric, stat=stat, test=test, placement=placement, path=path, unit=units[s],
                    modes=tuple(axes.modes), blocks=tuple(axes.blocks[b] for b in keep),
                    values=means[at][:, keep], runs=runs[at][:, keep],
                    failed=failed[c][:, keep], skipped=skipped[c][:, keep], disturbed=disturbed[c][:, keep],
                    reasons=reasons[c], kernel_paths=carried[c], versions=versions[c],
                    nonpositive={
                        axes.modes[axes.mode.codes[series.rows[i]]]: float(x[i]) for i in reversed(wrong)
                    },
                    requests=requests.get(c), started=None if started is None else started[c][:, keep],
                    states=tuple(int(s) for s in states) if split else (),
                    by_state=(split[0][:, at][:, :, keep], split[1][:, at][:, :, keep]) if split else None,
                )
            )  # fmt: skip
    return tables


def _first_of_each(metric: Coded, stat: Coded, mask: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(mask)
    _, first = np.unique(metric.codes[at] * (len(stat.names) + 1) + stat.codes[at], return_index=True)
    return at[first]
