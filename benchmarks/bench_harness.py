"""Does measuring through cnilab change what is measured, and what does it cost in time?

Prints the ratio of goodput through cnilab to goodput of the same iperf3 command typed by hand (`nsenter …`) in
the same namespaces, interleaved in random order, with cnilab's own Hodges–Lehmann interval; and the time a
deployment and a trial take beyond the tool's own.

    python benchmarks/bench_harness.py [--pairs 60] [--deployments 3]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cnilab import execute, modes
from cnilab.measurements import iperf3
from cnilab.measurements.base import Call
from cnilab.setup.programs import search_path
from cnilab.stats import hodges_lehmann
from cnilab.study import parse
from cnilab.testbeds.lab import Lab, kernel
from cnilab.testbeds.lab.testbed import LabBench, pinned_cpus

TARGET_RATIO, TARGET_DEPLOYMENT_S, TARGET_TRIAL_S = 0.02, 0.5, 0.3


def through_cnilab(lab: Lab, call: Call, folder: Path) -> float:
    """Goodput of one trial exactly as a study runs it, in bit/s."""
    iperf3.measure(LabBench(lab, "same_subnet", "pod_to_pod"), call, folder, 20)
    return goodput((folder / "client.out").read_bytes())


def by_hand(lab: Lab, call: Call) -> float:
    """The same two commands as a person would type them in two terminals, in bit/s."""
    enter = lab.shell_argv("n1")[: lab.shell_argv("n1").index("nsenter", 1)]
    client, server = lab.client(), lab.server("same_subnet")
    environment = {"PATH": search_path()}
    serving = subprocess.Popen(
        [
            *enter,
            "nsenter",
            f"--net=/run/netns/{server.where}",
            *iperf3.server_argv(call, "0.0.0.0"),
            "--one-off",
        ],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    time.sleep(0.1)
    argv = [*enter, "nsenter", f"--net=/run/netns/{client.where}", *iperf3.client_argv(call, server.address)]
    done = subprocess.run(argv, capture_output=True, env=environment, check=True)
    serving.wait(5)
    return goodput(done.stdout)


def goodput(raw: bytes) -> float:
    return next(s.value for s in iperf3.parse(raw)[0].samples if s.metric == "goodput_bps")


def ratio(pairs: int, mode: str) -> None:
    client, server = pinned_cpus()
    call = Call("tcp_stream", duration_s=1, congestion_control="cubic", client_cpu=client, server_cpu=server)
    rng, differences = random.Random(20261124), []
    with Lab(mode) as lab, tempfile.TemporaryDirectory() as folder:
        ways = {"cnilab": lambda: through_cnilab(lab, call, Path(folder)), "hand": lambda: by_hand(lab, call)}
        through_cnilab(lab, call, Path(folder))  # the first trial of a lab is warm-up for both
        for _ in tqdm(range(pairs), desc=f"{mode}, pairs of trials", file=sys.stderr):
            order = rng.sample(sorted(ways), 2)
            rate = {way: ways[way]() for way in order}
            differences.append(np.log(rate["cnilab"] / rate["hand"]))
    found = hodges_lehmann(np.array(differences))
    low, high = np.exp(found.low), np.exp(found.high)
    verdict = "holds" if 1 - TARGET_RATIO <= np.exp(found.estimate) <= 1 + TARGET_RATIO else "DOES NOT HOLD"
    print(
        f"goodput through cnilab / by hand, {mode}: {np.exp(found.estimate):.4f} "
        f"[{low:.4f}, {high:.4f}] over {pairs} pairs; target 1.00 ± {TARGET_RATIO}: {verdict}"
    )


STUDY = """
name: bench
modes: {modes}
placements: [same_subnet, cross_subnet]
tests:
  - {{name: tcp_stream, tool: iperf3, duration_s: 1}}
  - {{name: tcp_rr, tool: netperf, duration_s: 1}}
primary: {{test: tcp_stream, metric: goodput_bps}}
aa: false
blocks: {blocks}
seed: 7
"""


def overheads(blocks: int) -> None:
    """Seconds of a study that are not measuring, by mode: what is left of the wall clock."""
    wanted = [m for m in modes.MODES if kernel.kernel_path(m)[0]]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = execute.run(parse(STUDY.format(modes=json.dumps(wanted), blocks=blocks)), Path(folder) / "run")
        wall = time.monotonic() - began
        metas, deployments = run.metas, run.manifest["deployments"]
    trials = [m for m in metas if m["status"] == "ok"]
    per_trial = [m["overhead_s"] for m in trials]
    measuring = sum(m["wall_s"] for m in trials)
    print(
        f"\na trial beyond the tool's own second: median {statistics.median(per_trial):.3f} s, max {max(per_trial):.3f} s; target {TARGET_TRIAL_S}"
    )
    print("a deployment: built + waited for + proved, seconds (median over blocks)")
    everything = []
    for mode in wanted:
        mine = [d for d in deployments.values() if d["mode"] == mode and "build_s" in d]
        parts = {k: statistics.median(d[k] for d in mine) for k in ("build_s", "settle_s", "prove_s")}
        # the first deployment of a run has no trial before it during which BGP could settle
        later = [
            d["build_s"] + d["ready_s"]
            for key, d in deployments.items()
            if d in mine and key != min(deployments)
        ]
        if not later:
            continue  # one round, and this mode was the first of it
        everything += later
        print(
            f"  {mode:<28} {parts['build_s']:.3f} + {parts['settle_s']:.3f} + {parts['prove_s']:.3f} = {statistics.median(later):.3f}"
        )
    print(
        f"over all: median {statistics.median(everything):.3f} s, max {max(everything):.3f} s; target {TARGET_DEPLOYMENT_S}"
    )
    idle = (wall - measuring) / len(deployments)
    print(
        f"whole study: {wall:.1f} s for {measuring:.1f} s of tools, {idle:.3f} s a deployment with everything in between"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=60)
    options.add_argument("--deployments", type=int, default=3)
    chosen = options.parse_args()
    ratio(chosen.pairs, "flannel-vxlan")
    overheads(chosen.deployments)
