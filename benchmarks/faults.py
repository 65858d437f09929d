"""Faults at full size: kills, broken labs, full disks, damaged run directories, hostile studies and archives; a table.

    python benchmarks/faults.py [--kills 200] [--lab 30] [--disk 20] [--damaged 400] [--reports 20] [--studies 100]
                                [--archives 100] [--seed 1]

Kills are of a replayed run, which needs no lab and no privilege: each is killed at a random moment and continued until
it is whole; no byte of a trial that was done may change on the way. Faults in a standing lab are done during a trial:
its attempt must be failed, and the run must end with every trial measured. Full disks are file systems in memory, of
ten sizes in bytes and ten in inodes, mounted in a namespace of their own: the run must stop with a sentence, and the
command that it prints must end it once there is room. 0 leaves a part out. It exits with 1 if anything in the table but
the counts is not 0. A small part of it is in ``tests/test_hostile.py``.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

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
LAB_STUDY = """\
name: broken
modes: [flannel-vxlan, host]
placements: [same_subnet]
tests:
  - {name: a, tool: netperf, kind: tcp_rr, duration_s: 0.2}
  - {name: b, tool: netperf, kind: tcp_rr, duration_s: 0.2}
primary: {test: a, metric: transaction_rate_per_s}
blocks: 1
aa: false
"""
#: What is done to a standing lab during a trial.
LAB_FAULTS: tuple[Callable, ...] = (
    lambda lab: lab.sh("n1", "ip link set eth0 down; ip link set eth0 up"),
    lambda lab: lab.sh("n2", "ip link set flannel.1 mtu 1300"),
    lambda lab: lab.sh("n1", "ip route flush table main"),
    lambda lab: lab.sh("n2", "ip link delete flannel.1"),
    lambda lab: lab.agent.call("read", ns="", argv=["umount", "/run/netns/n2"]),
    lambda lab: os.kill(lab.agent.first_process, signal.SIGKILL),
    lambda lab: os.kill(lab.agent.first_process, signal.SIGSTOP),
)
SIZES = {
    "kills": 200, "lab": 30, "disk": 20, "damaged": 400, "reports": 20, "studies": 100, "archives": 100, "seed": 1
}  # fmt: skip
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


def ended(process: subprocess.Popen, tally: Counter, limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Wait for a command; a hang and a traceback are counted."""
    try:
        said, _ = process.communicate(timeout=limit_s)
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


def damaged(n: int, reports: int, work: Path, dice: random.Random) -> Counter:
    """Damage one file of a run ``n`` times; read, load, compare and continue it, and report on ``reports`` of them."""
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
        if reports and case % max(1, n // reports) == 0:
            ended(cnilab("report", str(place), "-o", str(work / "page.html")), tally, 4 * LIMIT_S)
        try:
            used(place, work / "faults.yaml")
        except Exception as error:
            tally["tracebacks"] += 1
            print(f"{path.relative_to(place)}, damage {how}: {error!r}", file=sys.stderr)
        tally["hangs"] += time.monotonic() - began > LIMIT_S
        tally["written outside"] += outside.read_text() != "mine"
        shutil.rmtree(place)
    return tally


def used(place: Path, study: Path) -> None:
    """Continue a damaged run, compare it, and load it as anybody's raw output; each may say no in a sentence."""
    from cnilab.execute import run as execute
    from cnilab.loading import load
    from cnilab.loading.comparing import compare_source

    for act in (
        lambda: load([str(place)], progress=False),
        lambda: compare_source(str(place)),
        lambda: execute(study, place, resume=True, progress=False),
    ):
        with suppress(CnilabError):
            act()


def lab(n: int, work: Path) -> Counter:
    """Break a standing lab during a trial ``n`` times; each run must end with every trial measured."""
    from cnilab import execute, study
    from cnilab.testbeds.base import Spec
    from cnilab.testbeds.lab.testbed import LabTestbed

    class Broken(LabTestbed):
        """The lab, in which something is done to the first deployment of the tunnel during a trial."""

        act: Callable | None = None

        def deploy(self, treatment: Any) -> Any:
            deployment = super().deploy(treatment)
            if treatment.mode == "flannel-vxlan" and self.act:
                act, self.act = self.act, None
                bench = deployment.bench

                def spoilt(trial: Any) -> Any:
                    act(deployment.lab)
                    deployment.bench = bench
                    return bench(trial)

                deployment.bench = spoilt
            return deployment

    tally: Counter = Counter(cases=n)
    for case in range(n):
        place = work / "lab"
        asked = study.parse(LAB_STUDY)
        bed = Broken(Spec.of(asked))
        bed.act = LAB_FAULTS[case % len(LAB_FAULTS)]
        began, before = time.monotonic(), children()
        try:
            run = execute.run(asked, place, progress=False, testbed=bed)
        except Exception as error:
            tally["tracebacks"] += 1
            print(f"lab fault {case % len(LAB_FAULTS)}: {error!r}", file=sys.stderr)
            continue
        tally["lost"] += int((run.trials["status"] != "ok").sum())
        tally["silently wrong"] += not list((place / "raw").glob(".*/meta.json"))
        tally["hangs"] += time.monotonic() - began > 2 * LIMIT_S
        tally["left over"] += len(children() - before)
        shutil.rmtree(place)
    return tally


def children() -> set[str]:
    """Return the processes that this one has started and that still are."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return set(text.split())


def disks(n: int, work: Path) -> Counter:
    """Run on ``n`` file systems that are too small in bytes or in inodes, then give them room and continue."""
    tally: Counter = Counter(cases=n)
    study, place = work / "disk.yaml", work / "disk"
    study.write_text(STUDY)
    place.mkdir()
    command = f"{sys.executable} -P -m cnilab.cli"
    for case in range(n):
        size = 4 * 1.6 ** (case // 2)
        room = f"size={int(size * 4)}k" if case % 2 else f"size=64m,nr_inodes={int(size)}"
        script = (
            f"mount -t tmpfs -o {room} none {place} || exit 99\n"
            f"{command} run {study} -o {place}/run --quiet; first=$?\n"
            f"mount -o remount,size=64m,nr_inodes=100000 {place} || exit 99\n"
            f"{command} run {study} -o {place}/run --quiet --resume || exit 98\n"
            f"echo first $first; find {place} -name '*.part' | sed 's/^/left /'; {command} compare {place}/run >/dev/null"
        )
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        process = subprocess.Popen(
            ["unshare", *user, "--mount", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        status, said = ended(process, tally, 4 * LIMIT_S)
        if status:
            tally["lost"] += 1
            print(f"{room}: exit {status}: {said[-400:]}", file=sys.stderr)
        tally["left over"] += said.count("left ")
        if "first 0" not in said and not said.startswith("cnilab: "):
            tally["silently wrong"] += 1
            print(f"{room}: {said[:300]}", file=sys.stderr)
    return tally


def archives(n: int, work: Path, dice: random.Random) -> Counter:
    """Load ``n`` archives that lead outside, never end, or are damaged."""
    from cnilab.loading import load

    tally: Counter = Counter(cases=n)
    good = next((work / "whole" / "raw").glob("*/client.out")).read_bytes()
    outside = work / "outside"
    for case in range(n):
        outside.write_text("mine")
        path = work / f"hostile-{case}.{'zip' if case % 2 else 'tar.gz'}"
        path.write_bytes(_zipped(dice, good) if case % 2 else _tarred(dice, good, outside))
        if case % 3 == 0:
            data = bytearray(path.read_bytes())
            for _ in range(dice.randrange(1, 9)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            path.write_bytes(data[: dice.randrange(1, len(data) + 1)] if case % 9 == 0 else data)
        began, there = time.monotonic(), set(os.listdir(work))
        try:
            loaded = load([str(path)], progress=False)
            tally["written outside"] += "mine" in repr(loaded.samples.to_dict())
        except CnilabError:
            pass
        except Exception as error:
            tally["tracebacks"] += 1
            print(f"{path.name}: {error!r}", file=sys.stderr)
        tally["hangs"] += time.monotonic() - began > LIMIT_S
        tally["written outside"] += outside.read_text() != "mine" or set(os.listdir(work)) != there
        path.unlink()
    return tally


NAMES = (
    "../outside",
    "/etc/passwd",
    "a/../../outside",
    "a\\..\\b",
    "x" * 300,
    "\x1b[31m",
    "a/b/client.out",
    "",
    ".",
)


def _tarred(dice: random.Random, good: bytes, outside: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for _ in range(dice.randrange(1, 6)):
            entry = tarfile.TarInfo(dice.choice(NAMES))
            entry.type = dice.choice(
                [
                    tarfile.REGTYPE,
                    tarfile.REGTYPE,
                    tarfile.SYMTYPE,
                    tarfile.LNKTYPE,
                    tarfile.FIFOTYPE,
                    tarfile.CHRTYPE,
                ]
            )
            data = dice.choice([good, b"", bytes(30 << 20), b"[" * 100_000, good[: len(good) // 2]])
            entry.linkname = str(outside)
            entry.size = len(data) if entry.type == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _zipped(dice: random.Random, good: bytes) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        warnings.simplefilter("ignore")  # a name twice is one of the faults
        for _ in range(dice.randrange(1, 6)):
            inner = buffer.getvalue() if dice.random() < 0.1 else good
            data = dice.choice([inner, b"", bytes(30 << 20), b"{" * 100_000, good[: len(good) // 2]])
            packed.writestr(dice.choice(NAMES) or "x", data)
    return buffer.getvalue()


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
    for name, default in SIZES.items():
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    dice = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="cnilab-faults-") as folder:
        work = Path(folder)
        parts: dict[str, tuple[int, Callable[[], Counter]]] = {
            "broken labs": (asked.lab, lambda: lab(asked.lab, work)),
            "full disks": (asked.disk, lambda: disks(asked.disk, work)),
            "damaged files": (asked.damaged, lambda: damaged(asked.damaged, asked.reports, work, dice)),
            "hostile studies": (asked.studies, lambda: studies(asked.studies, dice)),
            "hostile archives": (asked.archives, lambda: archives(asked.archives, work, dice)),
        }
        table = {
            "kills": kills(asked.kills, work, dice)
        }  # the first run of it, whole, is the others' material
        table |= {name: part() for name, (cases, part) in parts.items() if cases}
    print(f"{'':16}{'cases':>7}" + "".join(f"{name:>17}" for name in FAULTS))
    for name, tally in table.items():
        print(f"{name:16}{tally['cases']:7}" + "".join(f"{tally[fault]:17}" for fault in FAULTS))
    sys.exit(any(tally[fault] for tally in table.values() for fault in FAULTS))


if __name__ == "__main__":
    main()
