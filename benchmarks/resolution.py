"""What the default study can tell on this machine, by its design and by deployments one after another, alternating.

    python benchmarks/resolution.py --runs 2
    python benchmarks/resolution.py --runs 2 --disturb

Each run is the whole study (about four minutes), so this is no part of `make bench`. ``--disturb`` lets two busy
processes of nobody's come and go beside it (8 s of every 33 s). Printed for each run: minutes, trials disturbed and
measured again, the half-width of the control's interval, that of the widest native comparison, and the verdicts.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnilab import execute, study
from cnilab.bundled import bundled
from cnilab.runs.run import Run

#: Two processes that are busy 8 s of every 33 s, at most for the time given; an orphan, so that it is nobody's.
_BURSTS = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
other = os.fork()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    began = time.monotonic()
    while time.monotonic() - began < 8:
        pass
    time.sleep(25)
"""


@contextmanager
def bursts(limit_s: float) -> Iterator[None]:
    """Let busy processes come and go until the context is left."""
    started = subprocess.Popen(
        [sys.executable, "-c", _BURSTS, str(limit_s)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    leader = int(started.stdout.readline())
    try:
        yield
    finally:
        started.wait()
        with suppress(ProcessLookupError):  # its time may be over
            os.killpg(leader, signal.SIGKILL)


def half_width(low: float | None, high: float | None) -> float:
    """Return half the width of an interval of ratios, as a ratio less one; infinite where an end is open."""
    if low is None or high is None:
        return math.inf
    return math.expm1((math.log(high) - math.log(low)) / 2)


def line(name: str, run: Run, minutes: float) -> str:
    """Return what a run could tell, in one line."""
    rows = run.comparisons.rows
    primary = [r for r in rows if r.family == "primary" and r.n_used]
    native = [r for r in primary if r.kernel_path == "native"]
    own = run.study.primary
    control = [r for r in rows if r.family == "aa" and (r.test, r.metric) == (own.test, own.metric)]
    disturbed = int(run.watched["disturbed"].notna().sum())
    return (
        f"{name:<10} {minutes:5.1f} min  disturbed {disturbed:3d} of {len(run.watched):3d}  "
        f"control ±{max(half_width(*r.ci) for r in control):6.1%}  "
        f"widest native ±{max(half_width(*r.sim_ci) for r in native):6.1%}  "
        + ", ".join(f"{n} {verdict}" for verdict, n in Counter(r.verdict for r in primary).items())
    )


def main() -> None:
    """Alternate both designs and print a line a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, default=bundled("data/studies/quick.yaml"))
    parser.add_argument("--runs", type=int, default=1, help="of each design")
    parser.add_argument("--disturb", action="store_true")
    parser.add_argument("--only", choices=("rounds", "one by one"), help="run this design alone")
    parser.add_argument("--keep", type=Path, help="folder for the run directories")
    given = parser.parse_args()
    today = study.load(given.study)
    designs = {"rounds": today, "one by one": today.model_copy(update={"rounds": None, "quiet": None})}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(given.runs):
            for name, one in designs.items():
                if given.only not in (None, name):
                    continue
                place = (given.keep or Path(scratch)) / f"{name.replace(' ', '-')}-{number}"
                began = time.monotonic()
                if given.disturb:
                    with bursts(1800):
                        run = execute.run(one, place, progress=sys.stderr.isatty())
                else:
                    run = execute.run(one, place, progress=sys.stderr.isatty())
                print(line(name, run, (time.monotonic() - began) / 60), flush=True)


if __name__ == "__main__":
    main()
