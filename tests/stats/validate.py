"""The full set of simulations, written down: ``python -m tests.stats.validate [--studies R]``.

Writes ``data/validation/statistics.csv`` (every number) and ``cnilab/stats/VALIDATION.md`` (the table people
read), prints the same table, and exits 1 if any promise is broken.
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy
import scipy

from .simulations import SIMULATIONS, Result, run

ROOT = Path(__file__).resolve().parents[2]
CSV = ROOT / "data" / "validation" / "statistics.csv"
PAGE = ROOT / "cnilab" / "stats" / "VALIDATION.md"

INTRO = """# Do the statistics keep their promises?

Simulated studies in which the truth is known. Each row is a rate over that many studies, and the band it must
lie in: the promise, and 3.3 standard errors of the simulation. Rows marked *wrong on purpose* show analyses
cnilab does not do, on the same data: they prove that the simulated studies are able to mislead.

Noise levels are assumptions (block 5 %, deployment 2 %, run 1 %, seconds autocorrelated at 0.6); a pilot's
own variance components (`cnilab.stats.variance`) say how near a bench is to them. The signed-rank level
and the interval's coverage do not depend on them; power and numbers of blocks do.

"""


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| id | what | setting | measured | must be | studies | held |",
        "|---|---|---|---:|---|---:|---|",
    ]
    for r in results:
        must = (
            f"≤ {r.high:.4f}"
            if r.low == 0
            else f"≥ {r.low:.4f}"
            if r.high == 1
            else f"{r.low:.3f} – {r.high:.3f}"
        )
        held = "yes" if r.held else "**no**"
        lines.append(f"| {r.id} | {r.what} | {r.setting} | {r.value:.4f} | {must} | {r.studies} | {held} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run all simulations; return 0 if every promise held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000, help="studies a setting (default 20000)")
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--dry-run", action="store_true", help="print only, write nothing")
    options = parser.parse_args(argv)
    results: list[Result] = []
    for name in SIMULATIONS:
        began = time.perf_counter()
        results += run(name, options.studies, options.seed)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    order = sorted(results, key=lambda r: int(r.id[1:]))
    broken = [r for r in order if not r.held]
    text = table(order)
    print(text)
    print(f"\n{len(order) - len(broken)} of {len(order)} promises held")
    if not options.dry_run:
        CSV.parent.mkdir(parents=True, exist_ok=True)
        with CSV.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*asdict(order[0]), "held"])
            writer.writeheader()
            writer.writerows({**asdict(r), "held": r.held} for r in order)
        made = (
            f"\n\nMade by `make validate` (seed {options.seed}, {options.studies} studies a setting, Python "
            f"{platform.python_version()}, numpy {numpy.__version__}, scipy {scipy.__version__}).\n"
        )
        PAGE.write_text(INTRO + text + made, encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
