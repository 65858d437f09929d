"""Puts the workers' answers together: which trial each reading is, which files told nothing new.

The rows of samples and intervals are made by :mod:`cnilab.runs.readings`, as a run's own are.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import replace

import pandas as pd

from cnilab.layout import natural
from cnilab.loading.distinct import crowded, distinct
from cnilab.loading.places import Places
from cnilab.loading.work import EMPTY, Answer
from cnilab.measurements import knb
from cnilab.measurements.base import Reading
from cnilab.measurements.conditions import COLUMNS, WORDS
from cnilab.runs import readings as rows

#: What a file that says nothing is taken for.
DEFAULTS = {"mode": "unknown", "placement": "same_subnet", "path": "pod_to_pod"}

_FLENT_DATA = re.compile(r"\.flent(?:\.gz|\.bz2)?$|\.json\.gz$")

#: Where a program's complaints are kept; to be empty is what is hoped of them.
_ERRORS = re.compile(r"(?:\.err|stderr(?:\.\w+)?)$", re.IGNORECASE)

FILE_COLUMNS = ("path", "tool", "tool_version", "samples", "status", "reason", "line")


def build(
    answers: list[Answer], places: Places, series: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[dict]]:
    """Return samples, files, intervals and notes."""
    _drop_second_views(answers)
    run_id = "loaded-" + hashlib.sha256("\n".join(a.path for a in answers).encode()).hexdigest()[:8]
    files: list[dict] = []
    kept: list[tuple[Answer, Reading, dict[str, str], int]] = []
    tests: dict[str, list[str | None]] = defaultdict(list)
    for answer in answers:  # a script's log has an answer for each program in it
        tests[answer.path] += [r.test for r in answer.readings if r.status != "skipped"]
    begun: Counter[str] = Counter()
    for answer in answers:
        fields = places.of(answer.path, answer.archive)
        if fields is None and answer.status != "skipped":
            answer.status, answer.reason, answer.line = "skipped", "fits neither pattern nor mapping", None
            answer.readings = []
        if fields and answer.reason == EMPTY and not _ERRORS.search(answer.path):
            answer.status = "failed"  # what was meant to be measured here was not
        readings = [r for r in answer.readings if r.status != "skipped"]
        if answer.status == "failed" and not readings:
            readings = [Reading(status="failed", reason=answer.reason, line=answer.line)]
        if answer.status == "skipped":
            readings = []
        files.append(
            {
                "path": answer.path,
                "tool": answer.tool,
                "tool_version": next((r.tool_version for r in readings if r.tool_version), None),
                "samples": sum(len(r.samples) for r in readings),
                "status": answer.status,
                "reason": answer.reason,
                "line": answer.line,
            }
        )
        # A single file's pieces are tests of their own; the pattern's {test} then names the family.
        several = len(set(tests[answer.path])) > 1
        for reading in readings:
            given = dict(fields or {})
            if several and "test" in given and reading.test:
                given["test"] = f"{given['test']}/{reading.test}"
            kept.append((answer, reading, given, begun[answer.path] if len(tests[answer.path]) > 1 else -1))
            begun[answer.path] += 1
    kept = _charged(kept)
    identities, varying, found = _identities(kept, run_id)
    trials = list(zip(identities, (reading for _, reading, _, _ in kept)))
    notes = [
        {"path": a.path, "line": r.line, "note": note}
        for a, r, _, _ in kept
        for note in r.notes
        if r.status == "ok"
    ]
    notes += found
    if places.unfitted:
        notes.append({"path": None, "line": None, "note": places.unfitted})
    return (
        _with_conditions(rows.samples(trials), kept, varying),
        _files(files),
        rows.intervals(trials if series else []),
        notes,
    )


def _charged(kept: list) -> list:
    """Charge a failure that tells no test to the one test that all files of its name hold."""
    if all(reading.status == "ok" or reading.test for _, reading, _, _ in kept):
        return kept
    held: dict[str, set[str | None]] = defaultdict(set)
    for answer, reading, _, _ in kept:
        if reading.status == "ok":
            held[answer.path.rpartition("/")[2]].add(reading.test)
    out = []
    for answer, reading, given, index in kept:
        tests = held.get(answer.path.rpartition("/")[2], set())
        if reading.test is None and reading.status != "ok" and len(tests) == 1:
            reading = replace(reading, test=next(iter(tests)))
        out.append((answer, reading, given, index))
    return out


def _drop_second_views(answers: list[Answer]) -> None:
    """Skip what tells a test again that a file beside it has told: a server's output, knb's summary.

    Counted twice, one trial would pass for two.
    """
    told = {a.path for a in answers if a.readings}
    summarised = {
        p.rpartition("/")[0] for p in told if re.search(r"-client\.(?:stdout|json)$|-p2[ps]-\d+\.log$", p)
    }
    kept_by_flent = {p.rpartition("/")[0] for p in told if _FLENT_DATA.search(p)}
    whole = {p.rpartition("/")[0] for p in told if p.rpartition("/")[2] == "all.results"}
    for answer in answers:
        folder, _, name = answer.path.rpartition("/")
        client = (f"{folder}/" if folder else "") + name.replace("server", "client")
        if answer.readings and "server" in name and client in told:
            answer.status, answer.reason = (
                "skipped",
                f"the server's view of {client.rpartition('/')[2]} beside it",
            )
        elif answer.tool == "flent" and folder in kept_by_flent and not _FLENT_DATA.search(name):
            answer.status, answer.reason = "skipped", "flent's summary of the data files beside it"
        elif answer.tool == "knb" and answer.status != "skipped" and folder in summarised:
            answer.status, answer.reason = "skipped", "knb's summary of the files beside it"
        elif answer.tool == "knb" and answer.readings and name != "all.results" and folder in whole:
            answer.status, answer.reason = "skipped", "stands in knb's all.results beside it too"
        else:
            continue
        answer.readings, answer.line = [], None


def _identities(kept: list, run_id: str) -> tuple[list[dict[str, object]], list[str], list[dict]]:
    """Return what is known of each reading besides itself: which trial it is, of which mode, block and test.

    Returns
    -------
    tuple
        The identities; the conditions that vary, by which tests are told apart; remarks on tests and cells.
    """
    place = {
        name: [given.get(name) or r.labels.get(name) or _label(a, name) or default for a, r, given, _ in kept]
        for name, default in DEFAULTS.items()
    }
    tests = [given.get("test") or reading.test or "unknown" for _, reading, given, _ in kept]
    apart = distinct(
        list(zip(tests, place["placement"], place["path"])),
        place["mode"],
        [r.conditions for _, r, _, _ in kept],
    )
    named = [given.get("block") for _, _, given, _ in kept]
    cells = list(zip(place["mode"], place["placement"], place["path"], apart.tests))
    blocks = _blocks(named, cells)
    identities = [
        {
            "run_id": given.get("run_id") or run_id,
            "trial_id": answer.path if index < 0 else f"{answer.path}#{index}",
            "block": block,
            "slot": slot,
            "deployment_id": f"{mode}/{block}",
            "mode": mode,
            "kernel_path": given.get("kernel_path"),
            "placement": placement,
            "path": path,
            "test": test,
            "tool": answer.tool or "unknown",
            "started_at": reading.started_at,
            "raw_path": answer.path,
        }
        for slot, ((answer, reading, given, index), mode, placement, path, test, block) in enumerate(
            zip(kept, place["mode"], place["placement"], place["path"], apart.tests, blocks)
        )
    ]
    measured = [
        ((*cell, block, identity["run_id"]), answer.path)
        for cell, block, identity, (answer, reading, _, _) in zip(cells, blocks, identities, kept)
        if reading.status == "ok"
    ]
    said = [*apart.remarks(), *crowded([cell for cell, _ in measured], [path for _, path in measured])]
    notes = _of_blocks(kept, named, cells) + [{"path": None, "line": None, "note": note} for note in said]
    return identities, list(apart.varying), notes


def _with_conditions(frame: pd.DataFrame, kept: list, varying: list[str]) -> pd.DataFrame:
    """Add a column for each condition that varies."""
    for name in varying:
        told = pd.array(
            [r.conditions.get(name) for _, r, _, _ in kept], dtype="string" if name in WORDS else "Float64"
        )
        frame[COLUMNS[name]] = told.take(frame["slot"])
    return frame


def _of_blocks(kept: list, named: list[str | None], cells: list[tuple]) -> list[dict]:
    """Remark on each file of which several results of one test become blocks."""
    counts = Counter(
        (a.path, cell) for (a, r, _, _), name, cell in zip(kept, named, cells) if name is None and r.samples
    )
    notes = []
    for (path, (_, _, _, test)), n in counts.items():
        if n > 1:
            notes.append({"path": path, "line": None, "note": f"results_as_blocks: {n} of {test}"})
    return notes


def _label(answer: Answer, name: str) -> str | None:
    """What a knb member's own name says of its path."""
    return knb.labels(answer.path).get(name) if name == "path" else None


def _blocks(given: list[str | None], cells: list[tuple]) -> list[int]:
    """Return block numbers: as the path says, or by file order within each mode and test.

    Whole numbers are kept; other names are numbered in natural order. Without a block the k-th file of a mode
    and test is of block k: files written in the order they were measured meet their contemporaries.
    """
    names = {name for name in given if name is not None}
    if all(re.fullmatch(r"\d{1,9}", name) for name in names):
        number = {name: int(name) for name in names}
    else:
        number = {name: at for at, name in enumerate(sorted(names, key=natural))}
    seen: dict[tuple, int] = {}
    out = []
    for name, cell in zip(given, cells):
        order = seen.get(cell, 0)
        seen[cell] = order + 1
        out.append(order if name is None else number[name])
    return out


def _files(rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(FILE_COLUMNS))
    kinds = dict.fromkeys(("path", "tool", "tool_version", "status", "reason"), "string")
    return frame.astype({**kinds, "samples": "int64", "line": "Int64"})
