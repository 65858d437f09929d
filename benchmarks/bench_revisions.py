"""Has cnilab become slower? This checkout beside an earlier revision of itself, interleaved.

Prints, as this checkout's time divided by the other's, the median of the pairs and their range: `import cnilab`, and
`cnilab report`, which is what `cnilab study` does after the measuring (three notebooks and the export), on one
recorded run that both can read. The other revision stands in a temporary worktree that is removed at the end.

    python benchmarks/bench_revisions.py [REVISION] [--run DIR] [--imports 20] [--reports 3]

REVISION is the last tag by default, or the parent of this commit where there is no tag.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
IMPORT = "import time; t = time.perf_counter(); import cnilab; print(time.perf_counter() - t)"


def git(*argv: str) -> str:
    done = subprocess.run(["git", "-C", str(HERE), *argv], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench_revisions: git {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def default_revision() -> str:
    described = subprocess.run(
        ["git", "-C", str(HERE), "describe", "--tags", "--abbrev=0"], capture_output=True, text=True
    )
    return described.stdout.strip() or "HEAD~1"


@contextmanager
def checkout(revision: str, within: Path) -> Iterator[Path]:
    place = within / "before"
    git("worktree", "add", "--detach", str(place), revision)
    try:
        yield place
    finally:
        git("worktree", "remove", "--force", str(place))


def python(checkout: Path, *argv: str) -> str:
    """Run Python with the cnilab of ``checkout``, kernels included, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, cwd=checkout, env=environment
    )
    if done.returncode:
        raise SystemExit(f"bench_revisions: {checkout}: {done.stderr.strip()[-500:]}")
    return done.stdout


def import_s(checkout: Path) -> float:
    return float(python(checkout, "-c", IMPORT))


def report_s(run: Path, within: Path) -> Callable[[Path], float]:
    def timed(checkout: Path) -> float:
        copy = shutil.copytree(run, within / "run")  # a report writes beside what it reads
        try:
            start = time.perf_counter()
            python(checkout, "-m", "cnilab.cli", "report", str(copy), "-o", str(within / "report.html"))
            return time.perf_counter() - start
        finally:
            shutil.rmtree(copy)

    return timed


def side_by_side(what: str, measure: Callable[[Path], float], before: Path, rounds: int) -> None:
    for place in (before, HERE):  # byte code is written, and files are in memory, before anything counts
        measure(place)
    times: dict[Path, list[float]] = {before: [], HERE: []}
    for _ in range(rounds):
        for place in random.sample([before, HERE], 2):
            times[place].append(measure(place))
    ratios = [now / then for then, now in zip(times[before], times[HERE])]
    then, now = (statistics.median(times[place]) for place in (before, HERE))
    print(
        f"{what:28} before {then:8.3f} s   now {now:8.3f} s   now/before {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {rounds} pairs)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revision", nargs="?", help="any commit [default: the last tag, else HEAD~1]")
    parser.add_argument("--run", type=Path, help="a recorded run [default: the revision's data/sample]")
    parser.add_argument("--imports", type=int, default=20)
    parser.add_argument("--reports", type=int, default=3)
    given = parser.parse_args()
    if not (HERE / ".git").exists():
        print("bench_revisions: not a git checkout; there is nothing to compare with")
        return
    revision = given.revision or default_revision()
    with (
        tempfile.TemporaryDirectory(prefix="cnilab-bench-") as folder,
        checkout(revision, Path(folder)) as before,
    ):
        print(f"this checkout ({git('describe', '--always', '--dirty')}) beside {revision}")
        side_by_side("import cnilab", import_s, before, given.imports)
        run = given.run or before / "data" / "sample"
        side_by_side(f"report on {run.name}", report_s(run, Path(folder)), before, given.reports)


if __name__ == "__main__":
    main()
