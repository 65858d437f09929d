"""From per-second intervals to one value a trial: total over time, so that seconds never pose as samples.

The mean over equal seconds *is* total bytes over total time, which is what a rate over the run means; unequal
seconds are weighted by their length. Seconds marked as omitted (warm-up) do not enter.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cnilab.errors import DataError


def trial_means(intervals: pd.DataFrame) -> pd.DataFrame:
    """Reduce a table of intervals to one row a (run_id, trial_id, metric).

    Parameters
    ----------
    intervals
        Columns ``trial_id``, ``value`` and, if there, ``run_id``, ``metric``, ``t_start_s``, ``t_end_s`` and
        ``omitted``, as in :data:`cnilab.runs.samples.INTERVAL_COLUMNS`.

    Returns
    -------
    DataFrame
        ``run_id, trial_id, metric, value, seconds, n_intervals``; the columns of the key only where given.

    Raises
    ------
    DataError
        If a column is absent, or an interval that counts has no finite value or no length.
    """
    if need := [c for c in ("trial_id", "value") if c not in intervals]:
        raise DataError(f"columns {need} are absent from the intervals; they need trial_id and value")
    keep = np.ones(len(intervals), dtype=bool)
    if "omitted" in intervals:
        keep = ~intervals["omitted"].to_numpy(dtype=bool)
    value = intervals["value"].to_numpy(dtype=float, na_value=np.nan)
    weight = np.ones(len(intervals))
    if {"t_start_s", "t_end_s"} <= set(intervals):
        weight = intervals["t_end_s"].to_numpy(dtype=float) - intervals["t_start_s"].to_numpy(dtype=float)
    if (bad := keep & ~(np.isfinite(value) & (weight > 0))).any():
        i = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"interval {i} of trial {intervals['trial_id'].iloc[i]} is {value[i]:g} over {weight[i]:g} s"
        )
    keys = [c for c in ("run_id", "trial_id", "metric") if c in intervals]
    code = np.zeros(len(intervals), dtype=np.int64)
    levels = []
    for column in keys:
        codes, names = pd.factorize(intervals[column])
        if (codes < 0).any():
            raise DataError(f"{column} is missing in interval {int(np.flatnonzero(codes < 0)[0])}")
        code = code * len(names) + codes
        levels.append(names)
    if not len(intervals):
        return pd.DataFrame(columns=[*keys, "value", "seconds", "n_intervals"])
    dense = int(np.prod([len(names) for names in levels], dtype=np.int64))
    if dense > 4 * len(code):  # many empty combinations: close the gaps first
        seen, code = np.unique(code, return_inverse=True)
    else:
        seen = np.arange(dense)
    code, weight, value = code[keep], weight[keep], value[keep]
    seconds = np.bincount(code, weights=weight, minlength=len(seen))
    total = np.bincount(code, weights=weight * value, minlength=len(seen))
    count = np.bincount(code, minlength=len(seen))
    there = np.flatnonzero(count)
    parts, rest = {}, seen[there]
    for column, names in zip(reversed(keys), reversed(levels)):
        parts[column] = names.take(rest % len(names))
        rest = rest // len(names)
    frame = pd.DataFrame({column: parts[column] for column in keys})
    return frame.assign(value=total[there] / seconds[there], seconds=seconds[there], n_intervals=count[there])


def with_values_from(samples: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return ``samples`` with the value of each ok trial recomputed from its intervals, where it has any.

    Rows are matched on run_id, trial_id and metric (as far as both tables have them); only rows whose stat is
    ``value`` or ``mean`` (or that have no stat) are touched, because a percentile of seconds is no percentile
    of requests.
    """
    means = trial_means(intervals)
    keys = [c for c in ("run_id", "trial_id", "metric") if c in means and c in samples]
    if means.duplicated(keys).any():
        raise DataError(f"intervals of more than one metric or run meet one row of samples; both need {keys}")
    found = samples[keys].merge(means[[*keys, "value"]], on=keys, how="left")["value"].to_numpy(dtype=float)
    touch = np.isfinite(found)
    if "status" in samples:
        touch &= (samples["status"] == "ok").to_numpy(dtype=bool, na_value=False)
    if "stat" in samples:
        touch &= samples["stat"].isin(("value", "mean")).to_numpy(dtype=bool)
    old = (
        samples["value"].to_numpy(dtype=float, na_value=np.nan)
        if "value" in samples
        else np.full(len(samples), np.nan)
    )
    return samples.assign(value=np.where(touch, found, old))
