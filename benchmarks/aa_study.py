"""How often does cnilab call one mode different from itself, on this machine's real noise?

One mode, deployed afresh under eight labels in every randomised block, measured like any study; every pair of labels
that is called `different_*` is a false alarm. Writes the samples and prints the share, for one fixed baseline
(the family a study has) and for all 28 pairs (Holm over all of them, as a ranking does).

    python benchmarks/aa_study.py [--mode flannel-vxlan] [--blocks 20] [-o data/validation/aa.csv]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from cnilab.measurements import iperf3, netperf
from cnilab.measurements.base import Call
from cnilab.stats import compare, rank
from cnilab.study import orders as design
from cnilab.testbeds.lab import Lab
from cnilab.testbeds.lab.testbed import LabBench, pinned_cpus

LABELS = [f"label-{i}" for i in range(1, 9)]
SEED = 20261124
PLACEMENT = "same_subnet"


def measure(mode: str, blocks: int) -> pd.DataFrame:
    """One row a cell and metric: block, mode (the label), metric, placement, value."""
    client, server = pinned_cpus()
    rows = []
    calls = [(iperf3, "tcp_stream", "goodput_bps"), (netperf, "tcp_rr", "transaction_rate_per_s")]
    with tempfile.TemporaryDirectory() as name, tqdm(total=blocks * len(LABELS), file=sys.stderr) as bar:
        folder = Path(name)
        for block in range(1, blocks + 1):
            for label in design.block_order(LABELS, SEED, block):
                with Lab(mode) as lab:
                    proved = lab.prove([PLACEMENT])[0]
                    if proved.status != "ok":
                        sys.exit(f"block {block}, {label}: {proved.reason}")
                    for tool, kind, metric in calls:
                        call = Call(
                            kind,
                            duration_s=1,
                            congestion_control="cubic",
                            client_cpu=client,
                            server_cpu=server,
                        )
                        tool.measure(LabBench(lab, PLACEMENT, "pod_to_pod"), call, folder, 20)
                        reading = tool.read(folder)[0]
                        value = next(s.value for s in reading.samples if s.metric == metric)
                        rows.append(
                            {
                                "block": block,
                                "mode": label,
                                "metric": metric,
                                "placement": PLACEMENT,
                                "value": value,
                            }
                        )
                bar.update()
    return pd.DataFrame(rows)


def report(frame: pd.DataFrame, mode: str) -> int:
    """Print the shares; return the number of false alarms against the fixed baseline."""
    blocks = frame["block"].nunique()
    print(f"{mode} under {len(LABELS)} labels, {blocks} blocks, {len(frame)} cells")
    false_alarms = 0
    for metric, part in frame.groupby("metric"):
        bare = part.drop(columns="metric")
        rows = compare(bare, LABELS[0]).rows
        wrong = [r for r in rows if r["verdict"].startswith("different_")]
        false_alarms += len(wrong)
        verdicts = pd.Series([r["verdict"] for r in rows]).value_counts().to_dict()
        spread = part.groupby("mode")["value"].std() / part.groupby("mode")["value"].mean()
        print(
            f"  {metric}: {len(wrong)} of {len(rows)} called different from the baseline; {verdicts}; CV within a label {spread.median():.1%}"
        )
        pairs = rank(bare).pairs
        told = [p for p in pairs if p["verdict"].startswith("different_")]
        print(f"    all pairs: {len(told)} of {len(pairs)} called different")
    return false_alarms


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--mode", default="flannel-vxlan")
    options.add_argument("--blocks", type=int, default=20)
    options.add_argument("-o", "--out", type=Path)
    options.add_argument("--read", type=Path, help="report on a CSV written before instead of measuring")
    chosen = options.parse_args()
    data = pd.read_csv(chosen.read) if chosen.read else measure(chosen.mode, chosen.blocks)
    if chosen.out:
        data.to_csv(chosen.out, index=False)
    report(data, chosen.mode)
