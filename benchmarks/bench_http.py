"""Are HTTP figures those of the same command typed by hand?

Prints the ratio of wrk's requests a second through cnilab to those of the same wrk against an nginx started by the same
command, typed by hand (`nsenter …`) in the same namespaces, interleaved in random order, with its exact interval; and
for pacer how much of what it offered below capacity was answered in time, beside nginx's own count.

    python benchmarks/bench_http.py [--pairs 40] [--mode flannel-vxlan]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cnilab.measurements import pacer, wrk
from cnilab.measurements.base import Call
from cnilab.measurements.web import nginx
from cnilab.setup.programs import search_path
from cnilab.stats import hodges_lehmann
from cnilab.testbeds.lab import Lab
from cnilab.testbeds.lab.testbed import LabBench, pinned_cpus

TARGET = 0.02


def through_cnilab(lab: Lab, call: Call) -> float:
    """Requests a second of one trial exactly as a study runs it."""
    with tempfile.TemporaryDirectory() as folder:
        wrk.measure(LabBench(lab, "same_subnet", "pod_to_pod"), call, Path(folder), 20)
        return rate((Path(folder) / "client.out").read_bytes())


def by_hand(lab: Lab, call: Call) -> float:
    """The same two commands as a person would type them in two terminals."""
    enter = lab.shell_argv("n1")[: lab.shell_argv("n1").index("nsenter", 1)]
    client, server = lab.client(), lab.server("same_subnet")
    environment = {"PATH": search_path()}
    inside = [*enter, "nsenter", f"--net=/run/netns/{server.where}"]
    words = list(map(str, nginx.server_argv(call)))
    # it ends by itself: what stands between us and it does not pass a signal on
    serving = subprocess.Popen([*inside, "timeout", "2.5", *words], env=environment, stdin=subprocess.DEVNULL)
    time.sleep(0.3)
    argv = [*enter, "nsenter", f"--net=/run/netns/{client.where}", *wrk.client_argv(call, server.address)]
    done = subprocess.run(argv, capture_output=True, env=environment, check=True, timeout=30)
    serving.wait(10)
    return rate(done.stdout)


def rate(raw: bytes) -> float:
    return next(s.value for s in wrk.parse(raw)[0].samples if s.metric == "request_rate_per_s")


def ratio(pairs: int, mode: str) -> None:
    """Interleave both ways and print their ratio."""
    client, server = pinned_cpus()
    call = Call("http_load", duration_s=1, streams=16, client_cpu=client, server_cpu=server)
    rng, differences = random.Random(20261201), []
    ways = {"cnilab": through_cnilab, "hand": by_hand}
    with Lab(mode) as lab:
        through_cnilab(lab, call)  # the first trial of a lab is warm-up for both
        for _ in tqdm(range(pairs), desc=f"{mode}, pairs of trials", file=sys.stderr):
            found = {way: ways[way](lab, call) for way in rng.sample(sorted(ways), 2)}
            differences.append(np.log(found["cnilab"] / found["hand"]))
        told = hodges_lehmann(np.array(differences))
        low, high, middle = np.exp(told.low), np.exp(told.high), np.exp(told.estimate)
        within = max(abs(low - 1), abs(high - 1)) <= TARGET
        outside = low > 1 + TARGET or high < 1 - TARGET
        holds = "holds" if within else "DOES NOT HOLD" if outside else "cannot be told with these pairs"
        print(
            f"requests/s through cnilab / by hand, {mode}: {middle:.4f} [{low:.4f}, {high:.4f}] over {pairs} pairs; "
            f"target 1.00 ± {TARGET}: {holds}"
        )
        schedule(lab, call)


def schedule(lab: Lab, call: Call) -> None:
    """Offer 30 % of capacity and print what was answered in time, and what nginx counted of what was sent."""
    cpus = {"client_cpu": call.client_cpu, "server_cpu": call.server_cpu}
    asked = Call("http_rate", 1, streams=32, options={"load": "0.3"}, **cpus)
    with tempfile.TemporaryDirectory() as folder:
        pacer.measure(LabBench(lab, "same_subnet", "pod_to_pod"), asked, Path(folder), 20)
        [reading] = pacer.read(Path(folder))
    values = {s.metric: s.value for s in reading.samples if s.stat == "value"}
    kept = values["request_rate_per_s"] / values["offered_rate_per_s"]
    print(
        f"pacer at 30 % of capacity: offered {values['offered_rate_per_s']:,.0f}/s, answered in time {kept:.1%}, "
        f"nginx counted {values['served_ratio']:.1%} of what was sent; {', '.join(reading.notes) or 'unsaturated'}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--mode", default="flannel-vxlan")
    given = parser.parse_args()
    ratio(given.pairs, given.mode)
