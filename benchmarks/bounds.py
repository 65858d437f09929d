"""What a run of 1,000 and of 100,000 trials costs beside the measuring: time and memory, and how they grow.

    python benchmarks/bounds.py [--trials 1000 100000] [--keep DIR]

The run directories are written by the real writer from recorded raw bytes, trial by trial with every fsync, so that
what is timed is what a run pays; then `cnilab run --resume` with nothing missing, `cnilab compare` and `cnilab report`
are each run in a process of its own. Half an hour and 3 GB of disk at 100,000 trials.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from cnilab import study as studies
from cnilab.bundled import bundled
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter
from cnilab.study.plan import Plan, Trial

#: What is to be reached at the larger size: seconds, MB; the report's is a multiple of the smaller size's.
TARGETS = {"bookkeeping": 0.005, "resume": (10, 300), "compare": (20, 600), "report": 2.0}
STUDY = """\
name: bounds
testbed: replay
modes: [host, flannel-vxlan, flannel-host-gw, flannel-ipip, calico-ipip, calico-vxlan, calico-bgp-mesh, calico-bgp-rr]
placements: [same_subnet, cross_subnet]
tests:
  - {{name: tcp_stream, tool: iperf3, duration_s: 1}}
  - {{name: tcp_stream_4, tool: iperf3, kind: tcp_stream, streams: 4, duration_s: 1}}
  - {{name: tcp_stream_8, tool: iperf3, kind: tcp_stream, streams: 8, duration_s: 1}}
  - {{name: tcp_rr, tool: netperf, duration_s: 1}}
  - {{name: tcp_rr_again, tool: netperf, kind: tcp_rr, duration_s: 1}}
  - {{name: tcp_rr_thrice, tool: netperf, kind: tcp_rr, duration_s: 1}}
primary: {{test: tcp_stream, metric: goodput_bps}}
blocks: {blocks}
"""
PER_BLOCK = 9 * 2 * 6  # eight modes and the twin


class Recorded:
    """Trials and proofs of the recorded sample, to be had again under other names."""

    def __init__(self) -> None:
        sample = Run.open(bundled("data/sample"))
        self.raw: dict[str, list[tuple[dict, dict[str, bytes]]]] = {}
        for meta in sample.metas:
            if meta["status"] == "ok":
                folder = sample.path / "raw" / meta["trial_id"]
                files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "meta.json"}
                self.raw.setdefault(meta["test"].split("_")[1], []).append((meta, files))
        self.proof = next(p for p in sample.proofs.values() if all(r["status"] == "ok" for r in p["rows"]))
        self.entry = next(iter(sample.deployments))


def fill(writer: RunWriter, plan: Plan, recorded: Recorded) -> float:
    """Write every trial of a plan; return the seconds that the writer took for it."""
    dice, spent = random.Random(1), 0.0
    for trials in tqdm(plan.deployments, desc=f"{len(plan.trials)} trials", file=sys.stderr, mininterval=5):
        began = time.perf_counter()
        first = trials[0]
        identity = {"deployment_id": first.deployment_id, "mode": first.mode}
        writer.write_json(f"proof/{first.deployment_id}.json", recorded.proof | identity, indent=None)
        spent += time.perf_counter() - began
        for trial in trials:
            spent += _trial(writer, trial, *dice.choice(recorded.raw[trial.test.split("_")[1]]))
        began = time.perf_counter()
        about = {"mode": first.mode, **first.treatment.to_dict(), "block": first.block, "slot": first.slot}
        writer.record(first.deployment_id, recorded.entry | about)
        spent += time.perf_counter() - began
    writer.update_manifest(state="complete")
    return spent


def _trial(writer: RunWriter, trial: Trial, meta: dict, files: dict[str, bytes]) -> float:
    said = {k: v for k, v in meta.items() if k not in {*trial.to_dict(), "schema_version", "files"}}
    began = time.perf_counter()
    folder = writer.raw(trial.trial_id)
    spent = time.perf_counter() - began
    for name, data in files.items():  # the tool's own writing
        (folder / name).write_bytes(data)
    began = time.perf_counter()
    writer.finish(trial, said)
    return spent + time.perf_counter() - began


def command(*argv: str) -> tuple[float, float]:
    """Return the seconds and the most MB that a command of ours took."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "cnilab.cli", *argv], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"cnilab {' '.join(argv)}: exit {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1000


def measured(n: int, place: Path) -> dict[str, tuple[float, float]]:
    """Write a run of about ``n`` trials and take its costs: name -> seconds and MB."""
    study = place.with_suffix(".yaml")
    study.write_text(STUDY.format(blocks=max(2, round(n / PER_BLOCK))))
    plan = studies.load(study).plan()
    if not place.exists():
        writer = RunWriter.create(place, plan, {"testbed": "replay"})
        spent = fill(writer, plan, Recorded())
        (place.with_suffix(".json")).write_text(json.dumps(spent))
    n = len(plan.trials)
    return {
        "trials": (n, 0.0),
        "bookkeeping": (json.loads(place.with_suffix(".json").read_text()) / n, 0.0),
        "tables": command("run", str(study), "-o", str(place), "--resume", "--quiet"),
        "resume": command("run", str(study), "-o", str(place), "--resume", "--quiet"),
        "compare": command("compare", str(place)),
        "report": command("report", str(place)),
    }


def main() -> None:
    """Measure each size and print how the costs grow."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, nargs=2, default=(1000, 100_000))
    options.add_argument("--keep", type=Path, help="where the run directories stay")
    asked = options.parse_args()
    work = asked.keep or Path(tempfile.mkdtemp(prefix="cnilab-bounds-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        small, large = (measured(n, work / f"run-{n}") for n in asked.trials)
    finally:
        if not asked.keep:
            shutil.rmtree(work)
    print(f"{'':12}{small['trials'][0]:>16} trials{large['trials'][0]:>16} trials")
    for name in ("bookkeeping", "tables", "resume", "compare", "report"):
        (s1, mb1), (s2, mb2) = small[name], large[name]
        limit = TARGETS.get(name)
        if name == "bookkeeping":
            good = max(s1, s2) <= TARGETS[name]
            print(f"{name:12}{s1 * 1e3:13.2f} ms each{s2 * 1e3:15.2f} ms each   target 5 ms: {_said(good)}")
            continue
        line = f"{name:12}{s1:9.1f} s {mb1:7.0f} MB{s2:11.1f} s {mb2:7.0f} MB"
        if isinstance(limit, tuple):
            line += f"   target {limit[0]} s, {limit[1]} MB: {_said(s2 <= limit[0] and mb2 <= limit[1])}"
        elif limit:
            line += f"   target {limit:g} x: {_said(s2 <= limit * s1)} ({s2 / s1:.1f} x)"
        print(line)


def _said(good: bool) -> str:
    return "holds" if good else "DOES NOT HOLD"


if __name__ == "__main__":
    main()
