"""Campaigns made up for tests: a frame of cells with known ratios, seeded."""

import numpy as np
import pandas as pd

from cnilab.facts import Fact
from cnilab.runs.samples import reason_columns


def campaign(effects, n_blocks=12, *, sd=0.02, block_sd=0.05, seed=1, placements=("same_subnet",), **columns):
    """Return a bare frame: ``log(value)`` is block + effect + noise, ``effects`` maps mode to log ratio."""
    rng = np.random.default_rng(seed)
    rows = []
    for placement in placements:
        for block in range(n_blocks):
            level = rng.normal(0, block_sd)
            for mode, effect in effects.items():
                value = 1e9 * np.exp(level + effect + rng.normal(0, sd))
                rows.append({"block": block, "mode": mode, "placement": placement, "value": value, **columns})
    return pd.DataFrame(rows)


def contract(frame, *, test="tcp_stream", metric="goodput_bps", stat="value", run_id="r1", **more):
    """Turn a bare frame into a full samples table."""
    from cnilab.runs.samples import from_rows
    from cnilab.runs.schema1 import with_levels

    rows = []
    for i, row in enumerate(with_levels(frame).to_dict("records")):
        rows.append({
            "run_id": run_id, "trial_id": f"{test}-{i:05d}", "slot": 0, "deployment_id": f"d{i}",
            "kernel_path": "native", "placement": "same_subnet", "path": "pod_to_pod", "test": test,
            "tool": "iperf3", "metric": metric,
            "stat": stat, "unit": "bit/s", "status": "ok", **more, **row,
        })  # fmt: skip
    return from_rows(rows)


def failed(frame, mask, reason="connection refused", status="failed"):
    """Return a samples table in which the masked trials failed: no metric, no value, a reason."""
    out = frame.copy()
    out.loc[mask, ["metric", "stat", "unit"]] = pd.NA
    out.loc[mask, "value"] = np.nan
    out.loc[mask, "status"] = status
    why = reason if isinstance(reason, Fact) else Fact("tool_reported", quoted=reason)
    for column, value in reason_columns(why).items():
        if column not in out:
            out[column] = None
        out.loc[mask, column] = value
    return out


def strip(rows, *drop):
    """Return rows without ``drop`` keys, for comparing results."""
    return [{k: v for k, v in row.items() if k not in drop} for row in rows]
