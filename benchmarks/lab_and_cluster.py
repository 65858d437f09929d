"""The lab beside a real cluster: the same study on both, each mode's ratio to the host network in each.

    cnilab run data/studies/cluster.yaml --testbed lab -o runs/lab
    cnilab cluster run data/studies/cluster.yaml --switch --no-report -o runs/cluster
    python benchmarks/lab_and_cluster.py runs/lab runs/cluster

Two runs are two samples, so they are not tested against each other: the 95 % intervals of both are
printed, and *agree* means no more than that they overlap.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cnilab.loading.comparing import compare_source


def rows(run: Path) -> dict:
    found = compare_source(run)
    return {(r["test"], r["metric"], r["placement"], r["mode"]): r for r in found.to_dict()["rows"]}


def cell(row: dict) -> str:
    if row["ratio"] is None:
        return "no number"
    if row["ci_low"] is None:
        return f"{row['ratio']:.2f} [too few blocks]"
    return f"{row['ratio']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("lab", type=Path)
    options.add_argument("cluster", type=Path)
    chosen = options.parse_args()
    lab, cluster = rows(chosen.lab), rows(chosen.cluster)
    print(f"{'test':<12} {'placement':<13} {'mode':<28} {'lab, ratio to host':<22} {'cluster':<22}")
    for key in sorted(set(lab) & set(cluster)):
        test, metric, placement, mode = key
        if metric not in ("goodput_bps", "transaction_rate_per_s") or "#" in mode:
            continue
        one, other = lab[key], cluster[key]
        both = [r for r in (one, other) if r["ratio"] is not None and r["ci_low"] is not None]
        if len(both) == 2:
            overlap = one["ci_low"] <= other["ci_high"] and other["ci_low"] <= one["ci_high"]
            word = "agree" if overlap else "DIFFER"
        else:
            word = "agree: crosses in neither" if not both else "DIFFER"
        print(f"{test:<12} {placement:<13} {mode:<28} {cell(one):<22} {cell(other):<22} {word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
