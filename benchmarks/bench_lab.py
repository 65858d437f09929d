"""Building a lab of 50 nodes and 50 pods beside Mininet building the same number of hosts, in one run.

Both build namespaces, veths and bridges and address every host; cnilab's lab also routes every pod from every
node. The two take turns; printed are medians and the ratio pair by pair, and the time to take it down.

    python benchmarks/bench_lab.py [--rounds 5] [--nodes 50]
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time

from tqdm import tqdm

from cnilab.errors import Unavailable
from cnilab.modes import MODES
from cnilab.testbeds.lab import Lab

#: Mininet has its own interpreter (the system's), so it is timed from inside and told through its output.
MININET = """
import sys, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.log import setLogLevel
setLogLevel("error")
n = int(sys.argv[1])
began = time.monotonic()
net = Mininet(controller=None, switch=LinuxBridge, build=False)
switch = net.addSwitch("s1")
for i in range(n):
    node = net.addHost("n%d" % i, ip="10.0.%d.1/16" % i)
    pod = net.addHost("p%d" % i, ip="10.1.%d.2/24" % i)
    net.addLink(node, switch)
    net.addLink(pod, node, params2={"ip": "10.1.%d.1/24" % i})
net.build()
net.start()
up = time.monotonic()
net.stop()
print("built %.3f stopped %.3f" % (up - began, time.monotonic() - up))
"""
TARGET = 0.5


def mininet(nodes: int) -> tuple[float, float]:
    """Seconds to build and to stop, in network, mount and process namespaces of its own."""
    argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        [*argv, "/usr/bin/python3", "-c", MININET, str(nodes)], capture_output=True, text=True, timeout=120
    )
    found = re.search(r"built ([\d.]+) stopped ([\d.]+)", done.stdout)
    if not found:
        sys.exit(
            f"Mininet did not build: {(done.stderr or done.stdout).strip()[-400:]}\ntry: apt-get install mininet"
        )
    return float(found[1]), float(found[2])


def cnilab(nodes: int, mode: str) -> tuple[float, float]:
    """Seconds to build and to take down."""
    lab = Lab(mode, nodes=nodes)
    began = time.monotonic()
    lab.start()
    up = time.monotonic()
    lab.close()
    return up - began, time.monotonic() - up


def deployment(mode: str) -> tuple[float, float]:
    """Seconds until a study's lab of this mode stands, routes and all, and until it is proved."""
    began = time.monotonic()
    with Lab(mode) as lab:
        up = time.monotonic()
        lab.prove()
        return up - began, time.monotonic() - up


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--nodes", type=int, default=50)
    chosen = options.parse_args()
    ours, theirs, plain = [], [], []
    for _ in tqdm(range(chosen.rounds), desc="rounds", file=sys.stderr):
        theirs.append(mininet(chosen.nodes))
        plain.append(cnilab(chosen.nodes, "flannel-host-gw"))
        ours.append(cnilab(chosen.nodes, "flannel-vxlan"))
    built = statistics.median(t[0] for t in theirs)
    print(
        f"{chosen.nodes} nodes and {chosen.nodes} pods, median of {chosen.rounds} rounds side by side, seconds"
    )
    print(
        f"  Mininet (hosts, links, one bridge)       build {built:.2f}  stop {statistics.median(t[1] for t in theirs):.2f}"
    )
    for name, times in (("flannel-host-gw", plain), ("flannel-vxlan", ours)):
        ratios = [o[0] / t[0] for o, t in zip(times, theirs)]
        verdict = "holds" if statistics.median(ratios) <= TARGET else "DOES NOT HOLD"
        print(
            f"  cnilab {name:<33} build {statistics.median(t[0] for t in times):.2f}  stop {statistics.median(t[1] for t in times):.2f}"
            f"  build / Mininet's {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); target {TARGET}: {verdict}"
        )
    print(f"  deployment of each mode in a study's lab of 3 nodes, median of {chosen.rounds}")
    for mode in MODES:
        try:
            took = [deployment(mode) for _ in range(chosen.rounds)]
        except Unavailable as problem:
            print(f"    {mode:<28} not here: {problem}")
            continue
        up, proved = (statistics.median(t[i] for t in took) for i in (0, 1))
        print(f"    {mode:<28} stands {up:.2f}  proof in every placement {proved:.2f}")
