"""How fast a million interval rows become verdicts, beside others: ``python benchmarks/bench_stats.py``.

Equal p-values are asserted before any clock starts. The programs take turns, and the times are compared with
cnilab's own method: a repeat is a block, a program is a mode. The others return a p-value a pair, so the
limits are against the same p-values; whole rows (ratio, two intervals, equivalence, Holm, verdict) are timed
beside them. Exit 1 if a limit is missed: 0.5 s a million rows, 4 s for 3,200 tables, 20 x pingouin, 100 x
scikit-posthocs.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from itertools import combinations

import numpy as np
import pandas as pd

from cnilab.stats import compare
from cnilab.stats.cells import collect
from cnilab.stats.pairs import Family, Pair, analyse
from cnilab.stats.signed_rank import signed_rank

MODES = ("host", "calico-bgp-mesh", "calico-ipip", "flannel-host-gw", "flannel-vxlan")
PAIRS = list(combinations(range(len(MODES)), 2))
LIMIT_S, LIMIT_PINGOUIN, LIMIT_POSTHOCS = 0.5, 20.0, 100.0
#: Tables of one small study each, and the seconds that comparing them all may take.
TABLES, LIMIT_TABLES_S = 3200, 4.0


def study(tests: int, blocks: int = 20, runs: int = 5, seconds: int = 50, step: float | None = None):
    """Return samples and intervals typed as :mod:`cnilab.runs.samples` does; ``step`` makes ties."""
    rng = np.random.default_rng(20261124)
    shape = (tests, len(MODES), blocks, runs)
    t, m, b, _ = (x.ravel() for x in np.indices(shape))
    level = rng.normal(0, 0.05, (tests, 1, blocks, 1)) + rng.normal(0, 0.02, (*shape[:3], 1))
    level = (
        level + rng.normal(0, 0 if step else 0.01, shape) + np.linspace(0, -0.1, len(MODES))[:, None, None]
    ).ravel()
    value = np.exp(level)
    if step:
        value = np.maximum(step, np.round(value / step) * step)
    trials = np.array([f"t{i:06d}" for i in range(value.size)])
    text = {"run_id": "r", "placement": "same_subnet", "path": "pod_to_pod", "metric": "goodput_bps",
            "stat": "value", "unit": "bit/s", "status": "ok", "kernel_path": "native"}  # fmt: skip
    samples = pd.DataFrame({"trial_id": trials, "block": b, "mode": np.array(MODES)[m],
                            "test": np.char.add("test", t.astype(str)), "value": value * 1e9,
                            **text})  # fmt: skip
    noise = rng.normal(0, 0.03, (value.size, seconds)) if not step else np.zeros((value.size, seconds))
    at = np.tile(np.arange(seconds, dtype=float), value.size)
    intervals = pd.DataFrame({"run_id": "r", "trial_id": np.repeat(trials, seconds), "t_start_s": at,
                              "t_end_s": at + 1, "metric": "goodput_bps", "omitted": False,
                              "value": (value[:, None] * np.exp(noise)).ravel() * 1e9})  # fmt: skip
    strings = [*text, "trial_id", "mode", "test"]
    samples = samples.astype(dict.fromkeys(strings, "string"))
    return samples, intervals.astype(dict.fromkeys(("run_id", "trial_id", "metric"), "string"))


def verdicts(samples, intervals):
    """Intervals to verdicts, everything but reading the file."""
    return compare(samples, "host", intervals=intervals)


def many_tables(n: int = TABLES) -> pd.DataFrame:
    """Return a bare table of ``n`` tests, three modes and ten blocks each."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {"block": np.tile(np.repeat(np.arange(10), 3), n), "mode": np.tile(["host", "a", "b"], 10 * n),
         "test": np.repeat([f"t{i}" for i in range(n)], 30), "metric": "goodput_bps",
         "value": np.exp(rng.normal(0, 0.03, 30 * n))}
    )  # fmt: skip


def cell_frame(samples) -> pd.DataFrame:
    """One row a (test, block, mode), log values: what pingouin wants."""
    cells = samples.assign(value=np.log(samples["value"]))
    cells = cells.groupby(["test", "block", "mode"], as_index=False)["value"].mean()
    return cells.astype({"test": str, "mode": str})


def whole_rows(arrays: list[np.ndarray]) -> np.ndarray:
    """All pairs of all tests: ratios, two intervals, tests, equivalence, Holm, verdicts; returns their p."""
    todo = []
    for number, values in enumerate(arrays):
        family = Family((number,), len(PAIRS))
        todo += [Pair(values[i] - values[j], family, np.log(1.05)) for i, j in PAIRS]
    return np.array([outcome.p for outcome in analyse(todo, 0.05)])


def only_p(arrays: list[np.ndarray]) -> np.ndarray:
    """The same p-values and nothing else, which is what the others return."""
    stack = np.stack(arrays)
    d = np.stack([stack[:, i] - stack[:, j] for i, j in PAIRS], axis=1)
    return signed_rank(d.reshape(-1, d.shape[2])).two_sided


def with_pingouin(cells: pd.DataFrame) -> np.ndarray:
    """One call a test, all pairs."""
    import pingouin

    out = []
    for _, part in cells.groupby("test"):
        pairs = pingouin.pairwise_tests(
            data=part, dv="value", within="mode", subject="block", parametric=False
        )
        out.append(pairs["p_unc" if "p_unc" in pairs else "p-unc"].to_numpy())
    return np.concatenate(out)


def with_posthocs(arrays: list[np.ndarray]) -> np.ndarray:
    """One call a test, all pairs, on arrays: it pairs by position, and a frame costs it another tenth."""
    import scikit_posthocs

    out = []
    for values in arrays:
        matrix = scikit_posthocs.posthoc_wilcoxon(values, method="exact").to_numpy()
        out.append([matrix[i, j] for i, j in PAIRS])
    return np.concatenate(out)


def timed(call, *args) -> float:
    began = time.perf_counter()
    call(*args)
    return time.perf_counter() - began


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0 if every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10, help="interleaved repeats (default 10)")
    parser.add_argument("--tests", type=int, default=40, help="tests in the study; 40 make a million rows")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args(argv)
    # The opponents warn about their own small samples and deprecations; none of it is a result here.
    warnings.simplefilter("ignore")

    samples, intervals = study(options.tests)
    tied_samples, tied_intervals = study(options.tests, step=0.02)
    for table in collect(tied_samples).tables:
        assert signed_rank(table.values[1:] - table.values[0]).tied.all(), "a comparison without ties"
    rows, n = len(intervals), len(PAIRS) * options.tests
    frame, arrays = cell_frame(samples), [table.values for table in collect(samples).tables]
    programs = {
        "cnilab, p only": lambda: only_p(arrays),
        "cnilab, whole rows": lambda: whole_rows(arrays),
        "pingouin": lambda: with_pingouin(frame),
        "scikit-posthocs": lambda: with_posthocs(arrays),
    }
    reference = only_p(arrays)
    for name, program in programs.items():
        worst = float(np.abs(program() - reference).max())
        assert worst <= 1e-12, f"p-values of {name} differ by {worst}"

    whole, tied, turns = [], [], []
    verdicts(samples, intervals)
    rng = np.random.default_rng(1)
    for repeat in range(options.repeats):
        whole.append(timed(verdicts, samples, intervals))
        tied.append(timed(verdicts, tied_samples, tied_intervals))
        for name in rng.permutation(list(programs)):
            turns.append({"block": repeat, "mode": str(name), "value": timed(programs[str(name)])})
    report = compare(pd.DataFrame(turns).assign(metric="latency_s"), "cnilab, p only")
    ratio = {row["mode"]: row for row in report.rows}
    seconds, tied_s = float(np.median(whole)), float(np.median(tied))
    tables = many_tables()
    tables_s = min(timed(lambda: compare(tables, "host")) for _ in range(3))
    result = {
        "interval_rows": rows, "pairs": n, "repeats": options.repeats, "seconds": seconds,
        "rows_per_s": rows / seconds, "seconds_all_tied": tied_s, "seconds_many_tables": tables_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **{f"times_{m}": {k: ratio[m][k] for k in ("ratio", "ci_low", "ci_high")} for m in ratio},
        "limits": {"seconds": LIMIT_S, "pingouin": LIMIT_PINGOUIN, "scikit-posthocs": LIMIT_POSTHOCS},
    }  # fmt: skip
    kept = (
        seconds * 1e6 / rows <= LIMIT_S
        and tables_s <= LIMIT_TABLES_S
        and ratio["pingouin"]["ratio"] >= LIMIT_PINGOUIN
        and ratio["scikit-posthocs"]["ratio"] >= LIMIT_POSTHOCS
    )
    if options.json:
        print(json.dumps({**result, "kept": kept}))
        return 0 if kept else 1
    print(f"{rows:,} interval rows to verdicts: {seconds:.3f} s ({rows / seconds / 1e6:.1f} million rows/s)")
    print(f"the same with every comparison tied:  {tied_s:.3f} s")
    print(f"{TABLES:,} tables of a study: {tables_s:.2f} s (limit {LIMIT_TABLES_S:g} s)")
    print(f"peak memory of this process: {result['peak_rss_mb']:.0f} MB")
    print(f"\nthe same {n} pairs, p equal to 1e-12, {options.repeats} interleaved repeats:")
    print(report)
    for name, limit in (("pingouin", LIMIT_PINGOUIN), ("scikit-posthocs", LIMIT_POSTHOCS)):
        row = ratio[name]["ratio"] / ratio["cnilab, whole rows"]["ratio"]
        same = ratio[name]["ratio"]
        print(f"{name}: {same:.0f} x the same p-values (limit {limit:.0f}), {row:.0f} x whole rows")
    print("all limits kept" if kept else "A LIMIT IS MISSED")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
