"""Coverage-guided fuzzing of every reader of :mod:`cnilab.measurements`, seeded with the recordings.

    make fuzz                                               a million inputs for each reader
    python tests/fuzz/fuzz_parsers.py --runs 20000 --tool qperf
    python tests/fuzz/fuzz_parsers.py --table               what has been done so far, as Markdown

An input fails if the reader raises anything but ParseError, takes more than five CPU seconds, or answers with
something that cannot be so (``oracle.py``). It is kept in ``build/fuzz/crashes`` and its path printed; the exit
code is then 1. Work is done in slices: stopped at any moment, the same command goes on from the last one, with the
inputs found so far (``build/fuzz/corpus``). A reader whose code has changed begins its count anew.

Guided by atheris (``pip install 'cnilab[fuzz]'``); without it, inputs are mutated blindly, and that is said.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "measurements"), str(HERE)]

from mutate import MAX_LENGTH, Mutator, dictionary, seeds  # noqa: E402

WORK = ROOT / "build" / "fuzz"
SLICE = 100_000


# ---- one slice, in a process of its own ------------------------------------------------------------------------


def kept(tool: str) -> list[bytes]:
    """Inputs that failed before: they are run first, so that no later slice passes while one of them fails."""
    return [path.read_bytes() for path in sorted((WORK / "crashes").glob(f"{tool}-*"))]


def guided(tool: str, runs: int) -> None:
    """Fuzz in this process; atheris ends it."""
    import atheris

    with atheris.instrument_imports(include=["cnilab.measurements", "cnilab.units", "cnilab.errors"]):
        import oracle
    signal.signal(signal.SIGPROF, oracle.ring)
    folder = WORK / "corpus" / tool
    folder.mkdir(parents=True, exist_ok=True)
    start = [*seeds(tool), *kept(tool)]
    for number, raw in enumerate(start):
        (folder / f"seed{number}").write_bytes(raw)
    tokens = WORK / f"{tool}.dict"
    tokens.write_text(dictionary(tool))
    change = Mutator(tool)

    def mutate(raw: bytes, longest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return change(raw, rng)[:longest] if raw and rng.random() < 0.5 else atheris.Mutate(raw, longest)

    def one(raw: bytes) -> None:
        with oracle.no_hang():
            oracle.check(tool, raw)

    options = {
        "runs": runs,
        "max_len": min(MAX_LENGTH, max(512, max(map(len, start)) * 3 // 2)),  # longer ones only cost time
        "dict": tokens,
        "artifact_prefix": f"{WORK / 'crashes' / tool}-",
        "reload": 0,
        "timeout": 3600,  # wall time; hangs are found by the oracle's CPU time
        "print_final_stats": 1,
        "verbosity": 1,
    }
    arguments = [f"-{key}={value}" for key, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(folder)], one, custom_mutator=mutate)
    atheris.Fuzz()


def blind(tool: str, runs: int) -> None:
    """Mutate seeds without looking at coverage."""
    import oracle

    signal.signal(signal.SIGPROF, oracle.ring)
    rng, change, start, known = random.Random(), Mutator(tool), seeds(tool), kept(tool)
    for turn in range(runs):
        raw = known[turn] if turn < len(known) else change(rng.choice(start), rng)
        try:
            with oracle.no_hang():
                oracle.check(tool, raw)
        except Exception:
            place = WORK / "crashes" / f"{tool}-{hashlib.sha1(raw).hexdigest()}"
            place.write_bytes(raw)
            print(f"Test unit written to {place}", file=sys.stderr)
            raise
    print(f"stat::number_of_executed_units: {runs}")


# ---- the campaign ----------------------------------------------------------------------------------------------


def version(tool: str) -> str:
    """Return a fingerprint of all the code that reads this tool's output, less its comments and docstrings.

    That is the tool's own modules, and what they import of :mod:`cnilab.measurements` and :mod:`cnilab.units`.
    """
    waiting = {f"cnilab.measurements.{tool}", "cnilab.units"}
    waiting |= {
        f"cnilab.measurements.{tool}.{path.stem}"
        for path in (ROOT / "cnilab" / "measurements" / tool).glob("[!_]*.py")
    }
    read: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        base = ROOT.joinpath(*module.split("."))
        path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
        if module in read or not path.is_file():
            continue
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cnilab.measurements"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                waiting |= (names | {str(node.module)}) - {"cnilab.measurements"}
            elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        read[module] = ast.dump(tree)
    return hashlib.sha1("".join(read[module] for module in sorted(read)).encode()).hexdigest()[:10]


def done_so_far(tool: str) -> dict:
    """Return what this version of the reader has been through."""
    fresh = {
        "tool": tool,
        "version": version(tool),
        "inputs": 0,
        "seconds": 0.0,
        "coverage": 0,
        "features": 0,
    }
    try:
        state = json.loads((WORK / f"{tool}.json").read_text())
    except (OSError, ValueError):
        return fresh
    return state if state["version"] == fresh["version"] else fresh


def campaign(tool: str, runs: int, how: str) -> bool:
    """Fuzz one reader, slice by slice, until it has had ``runs`` inputs; return whether it held."""
    while (state := done_so_far(tool))["inputs"] < runs:
        began = time.monotonic()
        wanted = min(SLICE, runs - state["inputs"])
        command = [sys.executable, __file__, "--child", how, "--tool", tool, "--runs", str(wanted)]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", cwd=ROOT, check=False
        )
        said = done.stdout + done.stderr
        state["seconds"] = round(state["seconds"] + time.monotonic() - began, 1)
        if count := re.search(r"number_of_executed_units: *(\d+)", said):
            state["inputs"] += int(count[1])
        if reached := re.findall(r"cov: (\d+) ft: (\d+)", said):
            state["coverage"], state["features"] = map(int, reached[-1])
        (WORK / f"{tool}.json").write_text(json.dumps(state))
        line = f"{tool:12} {state['inputs']:>9,} of {runs:,} inputs  {state['seconds']:8.1f} s  "
        print(f"{line}coverage {state['coverage']}/{state['features']}", flush=True)
        if done.returncode:
            kept = re.search(r"Test unit written to (\S+)", said)
            told = re.search(r"Uncaught Python exception: ===\n(.*?)\n(?:\n|INFO|==|MS:)", said, re.DOTALL)
            print(
                f"{tool}: FAILED; the input is {kept[1] if kept else 'lost'}\n{told[1] if told else said[-2000:]}"
            )
            return False
        if not count:
            print(f"{tool}: the fuzzer ended without a count\n{said[-2000:]}")
            return False
    return True


def table(tools: list[str]) -> str:
    """Return what has been done as a Markdown table."""
    rows = ["| reader | inputs | seconds | edges / features | code |", "|---|--:|--:|--:|---|"]
    for state in map(done_so_far, tools):
        cover = f"{state['coverage']} / {state['features']}"
        rows.append(
            f"| {state['tool']} | {state['inputs']:,} | {state['seconds']:.0f} | {cover} | {state['version']} |"
        )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=1_000_000, help="inputs for each reader, all slices together"
    )
    parser.add_argument("--tool", action="append", help="only this reader (may be repeated)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="readers at a time")
    parser.add_argument("--table", action="store_true", help="print what has been done, and end")
    parser.add_argument("--child", choices=["guided", "blind"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        {"guided": guided, "blind": blind}[options.child](options.tool[0], options.runs)
        return 0
    from cnilab.measurements import get, readers

    names = [name for name in options.tool or readers() if get(name)]
    if options.table:
        print(table(names))
        return 0
    (WORK / "crashes").mkdir(parents=True, exist_ok=True)
    how = "guided" if find_spec("atheris") else "blind"
    if how == "blind":
        print(
            "atheris is not installed: inputs are mutated blindly. For coverage: pip install 'cnilab[fuzz]'"
        )
    with ThreadPoolExecutor(options.jobs) as pool:
        held = list(pool.map(lambda name: campaign(name, options.runs, how), names))
    print(f"{sum(held)} of {len(names)} readers held")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
