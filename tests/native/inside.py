"""Runs in the emulated machine: ``cnilab lab verify --json``, and what the kernel held while each mode stood.

python inside.py OUT [MODE…]        writes OUT/verify.json and OUT/evidence.json
"""

import contextlib
import json
import sys
import time
from pathlib import Path

from cnilab import cli
from cnilab.testbeds.lab.lab import Lab

out, modes = Path(sys.argv[1]), sys.argv[2:]
began, seen = time.monotonic(), {}
gather = Lab.evidence


def evidence(self, *args, **options):
    """As the lab's own, kept."""
    started = time.monotonic()
    seen[self.mode.id] = gather(self, *args, **options)
    proved = time.monotonic() - started
    took = self.timings | {"prove_s": proved}
    steps = " ".join(f"{name}={seconds:.1f}" for name, seconds in took.items())
    print(f"{self.mode.id}: {steps}; {time.monotonic() - began:.0f} s so far", file=sys.stderr, flush=True)
    return seen[self.mode.id]


Lab.evidence = evidence  # type: ignore[method-assign]
print(f"started after {time.clock_gettime(time.CLOCK_BOOTTIME):.1f} s of the machine", flush=True)
status = 0
with open(out / "verify.json", "w") as file, contextlib.redirect_stdout(file):
    try:
        cli.app(["lab", "verify", "--json", *(f"--mode={mode}" for mode in modes)], standalone_mode=False)
    except (SystemExit, cli.typer.Exit) as error:
        status = getattr(error, "code", None) or getattr(error, "exit_code", 0)
(out / "evidence.json").write_text(json.dumps(seen))
sys.exit(status)
