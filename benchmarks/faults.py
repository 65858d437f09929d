"""Faults at full size: kills at random moments, damaged run directories, hostile studies; a table at the end.

    python benchmarks/faults.py [--kills 200] [--damaged 400] [--studies 100] [--seed 1]

Kills are of a replayed run, which needs no lab and no privilege: each is killed at a random moment and continued until
it is whole; no byte of a trial that was done may change on the way. It exits with 1 if anything in the table but the counts is
not 0. A small part of it is in ``tests/test_hostile.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cnilab.errors import CnilabError
from cnilab.runs.run import Run

STUDY = """\
name: faults
testbed: replay
modes: [host, flannel-vxlan, calico-ipip]
placements: [same_subnet, cross_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]
primary: {test: tcp_stream, metric: goodput_bps}
aa: false
blocks: 4
"""
LIMIT_S = 45.0
ENDS = {
    "process": signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "Ctrl-C": signal.SIGINT,
    "group": signal.SIGKILL,
}
FAULTS = ("lost", "doubled", "left over", "tracebacks", "hangs", "written outside", "silently wrong")


def cnilab(*argv: str) -> subprocess.Popen:
    """Start the command in a process group of its own, its words kept."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cnilab.cli", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen, tally: Counter) -> tuple[int, str]:
    """Wait for a command; a hang and a traceback are counted."""
    try:
        said, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        tally["hangs"] += 1
    if "Traceback (most recent call last)" in said:
        tally["tracebacks"] += 1
        print(said[-800:], file=sys.stderr)
    return process.returncode, said


def values(place: Path) -> str:
    """Return every value of a run as text; when and under which id it was taken is no value."""
    table = Run.open(place).samples.drop(columns=["run_id", "started_at", "wall_s"])
    return table.sort_values(["trial_id", "metric", "stat"]).to_csv(index=False)


def done(place: Path) -> dict[str, dict[str, bytes]]:
    """Return every file of each trial that is done, byte by byte."""
    trials = Run(place).done()
    return {t: {p.name: p.read_bytes() for p in (place / "raw" / t).iterdir()} for t in trials}


def kills(n: int, work: Path, dice: random.Random) -> Counter:
    """Kill a run at a random moment ``n`` times; continue it until nothing is missing."""
    tally: Counter = Counter()
    study = work / "faults.yaml"
    study.write_text(STUDY)
    began = time.monotonic()
    ended(cnilab("run", str(study), "-o", str(work / "whole"), "--quiet"), tally)
    lasts = time.monotonic() - began
    lasts = max(lasts, 1.0)
    place, tally["cases"], before = work / "killed", 0, {}
    while tally["cases"] < n:
        how = dice.choice(list(ENDS))
        process = cnilab("run", str(study), "-o", str(place), "--resume", "--quiet")
        try:
            process.wait(dice.uniform(0, lasts))
        except subprocess.TimeoutExpired:
            tally["cases"] += 1
            (os.killpg if how == "group" else os.kill)(process.pid, ENDS[how])
        status, _ = ended(process, tally)
        now = done(place)
        tally["lost"] += len(before.keys() - now.keys())
        tally["silently wrong"] += sum(now.get(trial, kept) != kept for trial, kept in before.items())
        before = now
        if status == 0:
            run = Run.open(place)
            measured = list(run.samples.drop_duplicates(["trial_id", "started_at"])["trial_id"])
            tally["lost"] += len({t.trial_id for t in run.plan.trials} - set(measured))
            tally["doubled"] += len(measured) - len(set(measured))
            tally["left over"] += len(list(place.rglob("*.part"))) + (place / ".lock").exists()
            shutil.rmtree(place)
            before = {}
    return tally


def damaged(n: int, work: Path, dice: random.Random) -> Counter:
    """Damage one file of a run ``n`` times; compare it, and continue it."""
    tally: Counter = Counter(cases=n)
    whole = values(work / "whole")
    names = [p.relative_to(work / "whole") for p in (work / "whole").rglob("*") if p.is_file()]
    for case in range(n):
        place = Path(shutil.copytree(work / "whole", work / "damaged", dirs_exist_ok=False))
        outside = work / "outside"
        outside.write_text("mine")
        path = place / dice.choice(names)
        data, how = path.read_bytes(), case % 7
        path.unlink()
        if how == 0:
            os.mkfifo(path)
        elif how == 1:
            path.symlink_to(outside)
        else:
            at = dice.randrange(len(data) + 1)
            path.write_bytes(
                {
                    2: b"",
                    3: data[:at],
                    4: data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :],
                    5: b"[" * 100_000,
                    6: dice.randbytes(len(data)),
                }[how]
            )
        began = time.monotonic()
        try:
            run = Run.open(place)
            changed = values(place) != whole
            tally["silently wrong"] += changed and not run.altered and not run.edits
        except CnilabError:
            pass  # one sentence, in place of values
        except Exception as error:
            tally["tracebacks"] += 1
            print(f"{path.relative_to(place)}, damage {how}: {error!r}", file=sys.stderr)
        tally["hangs"] += time.monotonic() - began > LIMIT_S
        tally["written outside"] += outside.read_text() != "mine"
        shutil.rmtree(place)
    return tally


def studies(n: int, dice: random.Random) -> Counter:
    """Read ``n`` studies with some of their characters changed, repeated or taken away."""
    from cnilab import study

    tally: Counter = Counter(cases=n)
    strange = [
        "[",
        "{",
        "&a ",
        "*a",
        "<<: ",
        "9" * 5000,
        "2001-99-99",
        "\x1b",
        '"\\ud800"',
        "!!set ",
        "\t",
        "- ",
        ": ",
    ]
    for _ in range(n):
        text = STUDY
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(text))
            text = (
                text[:at]
                + dice.choice(strange) * dice.choice([1, 1, 2, 600])
                + text[at + dice.randrange(3) :]
            )
        began = time.monotonic()
        try:
            study.parse(text).plan()
        except CnilabError:
            pass
        except Exception as error:
            tally["tracebacks"] += 1
            print(f"{text[:300]!r}: {error!r}", file=sys.stderr)
        tally["hangs"] += time.monotonic() - began > LIMIT_S
    return tally


def main() -> None:
    """Run the campaign and print its table."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("kills", 200), ("damaged", 400), ("studies", 100), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    dice = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="cnilab-faults-") as folder:
        work = Path(folder)
        table = {
            "kills": kills(asked.kills, work, dice),
            "damaged files": damaged(asked.damaged, work, dice),
            "hostile studies": studies(asked.studies, dice),
        }
    print(f"{'':16}{'cases':>7}" + "".join(f"{name:>17}" for name in FAULTS))
    for name, tally in table.items():
        print(f"{name:16}{tally['cases']:7}" + "".join(f"{tally[fault]:17}" for fault in FAULTS))
    sys.exit(any(tally[fault] for tally in table.values() for fault in FAULTS))


if __name__ == "__main__":
    main()
