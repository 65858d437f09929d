"""Coverage-guided fuzzing of every reader of :mod:`cnilab.tools`, seeded with the recordings.

    python tests/fuzz/fuzz_parsers.py                       a million inputs for each reader
    python tests/fuzz/fuzz_parsers.py --runs 20000 --tool qperf

Needs atheris (``pip install atheris``). A crash is any exception but ParseError, an answer that breaks the
invariants of ``tests/tools/invariants.py`` (a failure without a reason, an impossible number), or an input of
more than ten seconds; the input is kept and its path printed. Without atheris the same inputs are mutated
blindly.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "tools"
CRASHES = ROOT / "build" / "fuzz"
MAX_LENGTH = 4096


def seeds(tool: str) -> list[bytes]:
    """Recordings of one tool, unpacked, cut to the length that is mutated."""
    found = []
    for path in sorted((DATA / tool).iterdir()):
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        found += [raw[:MAX_LENGTH], raw[-MAX_LENGTH:]]
    return found


def guided(tool: str, runs: int) -> None:
    """Fuzz in this process; atheris ends it."""
    import atheris

    with atheris.instrument_imports(include=["cnilab.tools", "cnilab.units", "cnilab.errors"]):
        from invariants import read

    with tempfile.TemporaryDirectory() as folder:
        for number, raw in enumerate(seeds(tool)):
            Path(folder, f"seed{number}").write_bytes(raw)
        CRASHES.mkdir(parents=True, exist_ok=True)
        options = [
            f"-runs={runs}",
            f"-max_len={MAX_LENGTH}",
            "-timeout=10",
            f"-artifact_prefix={CRASHES}/{tool}-",
        ]
        atheris.Setup(
            [sys.argv[0], *options, "-print_final_stats=1", folder], lambda raw: read(tool, raw) and None
        )
        atheris.Fuzz()


def blind(tool: str, runs: int) -> None:
    """Mutate seeds without looking at coverage; reproducible by its seed."""
    from invariants import read

    rng = random.Random(tool)
    start = seeds(tool)
    for _ in range(runs):
        raw = bytearray(rng.choice(start))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(raw) + 1)
            raw[at : at + rng.randint(0, 8)] = rng.choice(
                (rng.randbytes(rng.randint(0, 4)), raw[at : at + 40])
            )
        began = time.perf_counter()
        try:
            read(tool, bytes(raw[:MAX_LENGTH]))
            assert time.perf_counter() - began < 10, "took longer than ten seconds"
        except Exception:
            CRASHES.mkdir(parents=True, exist_ok=True)
            (CRASHES / f"{tool}-blind").write_bytes(raw)
            raise
    print(f"stat::number_of_executed_units: {runs}")


def one(tool: str, runs: int, how: str) -> tuple[str, bool, str]:
    """Fuzz one reader in a process of its own."""
    began = time.monotonic()
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "tools")])}
    command = [sys.executable, __file__, "--child", how, "--tool", tool, "--runs", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    said = done.stdout + done.stderr
    count = re.search(r"number_of_executed_units: *(\d+)", said)
    kept = re.search(r"Test unit written to (\S+)", said)
    took = time.monotonic() - began
    text = f"{tool:12} {count[1] if count else '?':>9} inputs {took:7.1f} s  "
    if done.returncode == 0:
        return tool, True, text + "no crash"
    return tool, False, text + (f"CRASH, kept in {kept[1]}" if kept else "CRASH") + "\n" + said[-1500:]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each reader")
    parser.add_argument("--tool", action="append", help="only this reader (may be repeated)")
    parser.add_argument("--child", choices=["guided", "blind"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        {"guided": guided, "blind": blind}[options.child](options.tool[0], options.runs)
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        how = "blind"
        print("atheris is not installed, so mutation is blind; for coverage guidance: pip install atheris")
    else:
        how = "guided"
    sys.path.insert(0, str(ROOT))
    from cnilab.tools import TOOLS

    names = options.tool or list(TOOLS)
    failed = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _, fine, text in pool.map(lambda name: one(name, options.runs, how), names):
            print(text, flush=True)
            failed += not fine
    print(f"{len(names) - failed} of {len(names)} readers without a crash")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
