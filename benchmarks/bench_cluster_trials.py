"""A trial through cnilab beside the same iperf3 command by `kubectl exec`, on a live cluster, taking turns.

Both go the same way (API server, kubelet, container runtime), so the ratio of what they measure must be one and
what cnilab adds to a trial is what its own bookkeeping costs. Needs a cluster (KUBECONFIG, or `make cluster`) and
kubectl; says so where they are not.

    python benchmarks/bench_cluster_trials.py [--pairs 30]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cnilab.errors import CnilabError
from cnilab.localcluster.lifecycle import Cluster
from cnilab.measurements import iperf3
from cnilab.measurements.base import Call
from cnilab.stats.ratio import hodges_lehmann
from cnilab.study import Treatment, parse
from cnilab.testbeds.base import Spec
from cnilab.testbeds.kubernetes.testbed import KubernetesTestbed

TARGET_RATIO, TARGET_TRIAL_S = 0.02, 0.5
STUDY = """
name: bench
testbed: kubernetes
modes: [host, flannel-vxlan]
placements: [same_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]
primary: {test: tcp_stream, metric: goodput_bps}
congestion_control: null
"""


def goodput(raw: bytes) -> float:
    return next(s.value for s in iperf3.parse(raw)[0].samples if s.metric == "goodput_bps")


def by_hand(ends, call: Call) -> float:
    """A server in one terminal, a client in another, as anybody would."""
    inside = ["kubectl", "exec", "-n", ends.server.namespace]
    serving = subprocess.Popen(
        [*inside, ends.server.name, "--", *iperf3.server_argv(call, "0.0.0.0"), "-1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    argv = [*inside, ends.client.name, "--", *iperf3.client_argv(call, ends.address)]
    try:
        return goodput(subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout)
    finally:
        serving.wait(15)


def compare(pairs: int) -> None:
    study = parse(STUDY)
    bed = KubernetesTestbed(Spec.of(study))
    try:
        mode = bed.current
        deployment = bed.deploy(Treatment({"mode": mode}))
        deployment.wait()
        trial = study.plan().trials[0]
        ends, call = bed.pair(mode, "same_subnet"), Call("tcp_stream", duration_s=1)
        rng, differences, overheads = random.Random(20261124), [], []
        with tempfile.TemporaryDirectory() as folder:

            def through_cnilab() -> float:
                began = time.monotonic()
                with deployment.bench(trial) as bench:
                    iperf3.measure(bench, call, Path(folder), 20)
                overheads.append(time.monotonic() - began - 1)
                return goodput((Path(folder) / "client.out").read_bytes())

            ways = {"cnilab": through_cnilab, "hand": lambda: by_hand(ends, call)}
            through_cnilab()  # the first trial is warm-up for both
            for _ in tqdm(range(pairs), desc=f"{mode}, pairs of trials", file=sys.stderr):
                rate = {way: ways[way]() for way in rng.sample(sorted(ways), 2)}
                differences.append(np.log(rate["cnilab"] / rate["hand"]))
    finally:
        left = bed.close()
    found = hodges_lehmann(np.array(differences))
    estimate, low, high = np.exp([found.estimate, found.low, found.high])
    verdict = "holds" if abs(estimate - 1) <= TARGET_RATIO else "DOES NOT HOLD"
    print(
        f"  goodput through cnilab / by kubectl exec, {mode}: {estimate:.4f} [{low:.4f}, {high:.4f}] "
        f"over {pairs} pairs; target 1.00 ± {TARGET_RATIO}: {verdict}"
    )
    print(
        f"  a trial beyond the tool's own second: median {statistics.median(overheads):.3f} s, "
        f"max {max(overheads):.3f} s; target {TARGET_TRIAL_S}"
    )
    if left:
        print(f"  {left}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=30)
    pairs = options.parse_args().pairs
    if not shutil.which("kubectl"):
        print("  not run: there is no kubectl to measure beside")
        return 0
    try:
        if "KUBECONFIG" not in os.environ:
            os.environ["KUBECONFIG"] = str(Cluster.find("default").settings.kubeconfig)
        compare(pairs)
    except CnilabError as error:
        print(f"  not run: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
