"""What loading costs: 10,000 iperf3 JSON files beside ``json.loads`` of the same files, on two cores each.

    python benchmarks/bench_load.py [--files 10000] [--rounds 5]

``json.loads`` is the floor: whatever reads these files must at least do that. Both sides read the files from
disk with the same number of processes, take turns, and the median round counts. Below it stand the readers of
flent and jc on files that they and cnilab both read, one process each, where those packages are installed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from cnilab.loading import load
from cnilab.measurements import get

DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "tools"
PROCESSES = 2
#: The target of the issue: at most twice the floor.
TARGET = 2.0


def write_files(folder: Path, count: int) -> int:
    """Write ``count`` files that differ in their numbers; return their bytes.

    A recorded one-second test with ten reports, given the thirty intervals that a usual test of 30 s has.
    """
    document = json.loads((DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes())
    document["intervals"] = (document["intervals"] * 3)[:30]
    text = json.dumps(document, indent="\t")
    size = 0
    for number in range(count):
        mode, block = f"mode{number % 10}", number // 10
        target = folder / mode / f"{block}"
        target.mkdir(parents=True, exist_ok=True)
        changed = re.sub(r'("bits_per_second": \d+)', rf"\g<1>{number % 10}", text)
        size += (target / "tcp_stream.json").write_text(changed)
    return size


def floor_of(paths: list[str]) -> int:
    """Read and ``json.loads`` one share of the files."""
    kept = 0
    for path in paths:
        with open(path, "rb") as stream:
            kept += len(json.loads(stream.read()))
    return kept


def floor(paths: list[str]) -> None:
    chunks = [paths[i : i + 64] for i in range(0, len(paths), 64)]
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        for _ in pool.imap_unordered(floor_of, chunks):
            pass


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def against_the_floor(count: int, rounds: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_files(folder, count)
        paths = sorted(str(p) for p in folder.rglob("*.json"))
        pattern = "{mode}/{block}/{test}.json"
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(seconds(lambda: floor(paths)))
            ours.append(seconds(lambda: load(folder, pattern=pattern, workers=PROCESSES, progress=False)))
        loaded = load(folder, pattern=pattern, workers=PROCESSES, progress=False)
        assert len(loaded.files) == count
        assert (loaded.files["status"] == "ok").all()
    ratio = statistics.median(ours) / statistics.median(theirs)
    each = f"{size / count / 1e3:.1f} kB"
    print(f"{count} iperf3 JSON files of {each}, {PROCESSES} processes, median of {rounds}")
    rows = len(loaded.samples)
    print(f"  json.loads   {statistics.median(theirs):6.2f} s   (least {min(theirs):.2f} s)")
    print(f"  cnilab.load  {statistics.median(ours):6.2f} s   (least {min(ours):.2f} s)   {rows} rows")
    print(f"  ratio {ratio:.2f}, target at most {TARGET}: {'met' if ratio <= TARGET else 'MISSED'}")
    return ratio <= TARGET


def beside_flent(count: int = 100) -> None:
    try:
        from flent.resultset import ResultSet
    except ImportError:
        print("flent is not installed: not compared")
        return
    document = json.loads(gzip.decompress((DATA / "flent" / "flent_written.flent.gz").read_bytes()))
    points = 700
    document["x_values"] = [0.2 * n for n in range(points)]
    document["results"] = {f"TCP upload {n}": [900.0 + n % 7] * points for n in range(8)}
    document["metadata"] |= {"SERIES_META": {k: {"UNITS": "Mbits/s"} for k in document["results"]}}
    document["metadata"] |= {
        "DATA_FILENAME": "x.flent.gz",
        "TIME": "2026-01-01T00:00:00",
        "HOST": "h",
        "TITLE": "",
    }
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "x.flent.gz")
        path.write_bytes(gzip.compress(json.dumps(document).encode()))
        raw = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = seconds(lambda: [ResultSet.load_file(str(path)) for _ in range(count)])
            except Exception as problem:  # another version of a peer must not fail the benchmark
                print(f"flent did not read the file: {problem!r}")
                return
        ours = seconds(lambda: [get("flent").parse(raw) for _ in range(count)])
    print(f"{count} flent files of 8 series x {points} points: flent {theirs:.2f} s, cnilab {ours:.2f} s")


def beside_jc(count: int = 300) -> None:
    try:
        import jc
    except ImportError:
        print("jc is not installed: not compared")
        return
    raw = next((DATA / "ping").glob("*icmp_rr.txt")).read_bytes()
    text = raw.decode()
    theirs = seconds(lambda: [jc.parse("ping", text, quiet=True) for _ in range(count)])
    ours = seconds(lambda: [get("ping").parse(raw) for _ in range(count)])
    print(f"{count} ping outputs of 100 replies: jc {theirs:.2f} s, cnilab {ours:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    met = against_the_floor(options.files, options.rounds)
    beside_flent()
    beside_jc()
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
