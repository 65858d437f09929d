"""Is a run in its steady state: warm-up left at its beginning, and level changes in its middle.

Both are *advisory and never delete*. Seconds of one run are not independent, so neither check tests a run
against itself: the warm-up profile is judged across blocks, and the step check is a plain limit whose false
alarms were counted by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.stats.metrics import METRICS
from cnilab.stats.ratio import hl_intervals

#: Level change from the first to the last third of a run that makes it unsteady.
STEP = 0.10
#: Share of unsteady runs beyond which a mode's mean is no property of the mode.
UNSTEADY_SHARE = 0.20
#: Seconds of a run from which on a change of level is the run's and not its start's. Shorter ones are doubted only.
LONG_S = 5.0
#: Fewest intervals (after omission), and fewest blocks, with which anything is said.
FEWEST = 6
#: Seconds at the start of a run that the profile looks at, and the offset that matters.
PROFILE, OFFSET = 5, 0.02


@dataclass(frozen=True)
class WarmUp:
    """Offset of each early interval from the run's second half, over blocks, on the log scale.

    ``status`` is ``ok``, ``omit_too_short`` or ``unknown``. ``offset``, ``low``, ``high`` have shape (5,), or
    are empty where unknown.
    """

    status: str
    n: int
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray


def warm_up(y: np.ndarray, alpha: float = 0.05) -> WarmUp:
    """Check whether the first intervals differ from the rest, over the blocks of one mode.

    Parameters
    ----------
    y
        Intervals after omission, shape (n blocks, T), all above 0; a block without values is a row of NaN.
    alpha
        Level over the five intervals together.

    Returns
    -------
    WarmUp
        ``omit_too_short`` if an early interval is off by more than 2 % and its interval excludes 0.

    Raises
    ------
    DataError
        If a value is infinite, not above 0, or missing in the middle of a row.

    References
    ----------
    P. D. Welch (1983), The statistical analysis of simulation results, for averaging over replications.
    """
    y = np.atleast_2d(np.asarray(y, dtype=float))
    y = y[~np.isnan(y).all(axis=1)]
    if (bad := ~(np.isfinite(y) & (y > 0))).any():
        row, t = np.argwhere(bad)[0]
        raise DataError(
            f"interval {t} of block {row} is {float(y[row, t])!r}; a rate profile needs finite values above 0"
        )
    n, length = y.shape
    none = np.empty(0)
    if n < FEWEST or length < FEWEST:
        return WarmUp("unknown", n, none, none, none)
    logs = np.log(y)
    profile = logs - logs[:, length // 2 :].mean(axis=1, keepdims=True)
    first = min(PROFILE, length // 2)
    offset, [(low, high)] = hl_intervals(profile[:, :first].T, [alpha / PROFILE])
    off = (np.abs(offset) > OFFSET) & ((low > 0) | (high < 0))
    return WarmUp("omit_too_short" if off.any() else "ok", n, offset, low, high)


def step_in_run(y: np.ndarray) -> np.ndarray:
    """Return ``|mean(first third) / mean(last third) - 1|`` of runs of shape (R, T).

    NaN where T < 6 (not known, not "steady"); infinite where the last third delivered nothing.
    """
    y = np.atleast_2d(np.asarray(y, dtype=float))
    third = y.shape[1] // 3
    if y.shape[1] < FEWEST:
        return np.full(len(y), np.nan)
    first, last = y[:, :third].mean(axis=1), y[:, -third:].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.abs(first / last - 1)
    return np.where(last == 0, np.where(first == 0, 0.0, np.inf), step)


def trial_steps(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return the step of every (run_id, trial_id, metric): the key, ``step`` (NaN: unknown), ``n``, ``seconds``."""
    frame = intervals
    if "omitted" in frame:
        frame = frame[~frame["omitted"].to_numpy(dtype=bool)]
    keys = [c for c in ("run_id", "trial_id", "metric") if c in frame]
    if "t_start_s" in frame:
        frame = frame.sort_values("t_start_s", kind="stable")
    group = frame.groupby(keys, sort=True, observed=True)["value"]
    at, n = group.cumcount().to_numpy(), group.transform("size").to_numpy()
    code = group.ngroup().to_numpy()
    value, third = frame["value"].to_numpy(dtype=float), n // 3
    groups = int(code.max()) + 1 if len(code) else 0
    early, late = at < third, at >= n - third
    first = np.bincount(code[early], value[early], minlength=groups)
    last = np.bincount(code[late], value[late], minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(last == 0, np.where(first == 0, 0.0, np.inf), np.abs(first / last - 1))
    sizes = np.bincount(code, minlength=groups)
    out = group.size().reset_index()[keys]
    seconds = sizes.astype(float)
    if {"t_start_s", "t_end_s"} <= set(frame):
        spans = (frame["t_end_s"] - frame["t_start_s"]).to_numpy(dtype=float)
        seconds = np.bincount(code, spans, minlength=groups)
    return out.assign(step=np.where(sizes < FEWEST, np.nan, step), n=sizes, seconds=seconds)


def _belonging(steps: pd.DataFrame, samples: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return the metric of its trial that each series tells of: its own, or the one that has no seconds itself."""
    metric = steps["metric"].astype("str")
    there = set(metric.unique())
    for name, about in METRICS.items() if "metric" in samples else ():
        for stand_in in about.series:
            if stand_in not in there:
                continue
            theirs = pd.MultiIndex.from_frame(samples.loc[samples["metric"] == name, keys].astype("str"))
            own = pd.MultiIndex.from_frame(steps.loc[metric == name, keys].astype("str"))
            at = pd.MultiIndex.from_frame(steps[keys].astype("str"))
            metric = metric.mask((metric == stand_in) & at.isin(theirs) & ~at.isin(own), name)
    return metric


def unsteady_share(samples: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return, a mode in a (test, placement, path) and metric, how many of its runs changed level.

    Returns
    -------
    DataFrame
        ``test, placement, path, mode, metric, runs, unsteady, unknown, seconds, share``; ``seconds`` is how long a
        run's series is, ``share`` is of the runs that could be judged and missing where none could.
    """
    steps = trial_steps(intervals)
    keys = [c for c in ("run_id", "trial_id") if c in steps and c in samples]
    if "trial_id" not in keys:
        raise DataError(
            "intervals and samples share no trial_id; a run's steadiness cannot be told to its mode"
        )
    cell = ["test", "placement", "path", "mode"]
    about = samples.loc[
        samples["status"] == "ok", [*keys, *(c for c in cell if c in samples)]
    ].drop_duplicates()
    about = about.assign(**{c: "" for c in cell if c not in about})
    joined = steps.merge(about, on=keys, how="inner")
    if "metric" not in joined:
        joined = joined.assign(metric="value")
    joined = joined.assign(metric=_belonging(joined, samples, keys))
    joined = joined.assign(
        off=joined["step"] > STEP, unknown=joined["step"].isna(), **{c: joined[c].fillna("") for c in cell}
    )
    out = joined.groupby([*cell, "metric"], observed=True, as_index=False).agg(
        runs=("step", "size"), unsteady=("off", "sum"), unknown=("unknown", "sum"),
        seconds=("seconds", "median"),
    )
    judged = out["runs"] - out["unknown"]
    return out.assign(share=np.where(judged > 0, out["unsteady"] / judged.where(judged > 0, 1), np.nan))
