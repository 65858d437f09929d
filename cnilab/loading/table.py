"""Puts the workers' answers together: the samples table, the files' table, the intervals.

Columns are built a reading at a time and then stretched over its samples, because a table made row by row
costs more than parsing what is in it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd

from cnilab.loading.places import Places
from cnilab.loading.sources import natural
from cnilab.loading.work import Answer
from cnilab.measurements import knb
from cnilab.measurements.base import Reading
from cnilab.runs import samples as samples_table
from cnilab.units import unit_of

#: What a file that says nothing is taken for.
DEFAULTS = {"mode": "unknown", "placement": "same_subnet", "path": "pod_to_pod"}

_FLENT_DATA = re.compile(r"\.flent(?:\.gz|\.bz2)?$|\.json\.gz$")

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
    frame, trials = _samples(kept, run_id)
    notes = [
        {"path": a.path, "line": r.line, "note": note}
        for a, r, _, _ in kept
        for note in r.notes
        if r.status == "ok"
    ]
    if places.unfitted:
        notes.append({"path": None, "line": None, "note": places.unfitted})
    return (
        frame,
        _files(files),
        _intervals(kept, trials, run_id) if series else _intervals([], [], run_id),
        notes,
    )


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


def _samples(kept: list, run_id: str) -> tuple[pd.DataFrame, list[str]]:
    """Build the samples table; a failed reading is one row with its reason and no value."""
    metrics: list[str | None] = []
    stats: list[str | None] = []
    values: list[float] = []
    counts: list[int] = []
    for _, reading, _, _ in kept:
        samples = reading.samples
        if len(samples) > 1:  # a value is recorded once, whatever a file says twice
            samples = tuple({(s.metric, s.stat): s for s in reversed(samples)}.values())[::-1]
        counts.append(max(1, len(samples)))
        if samples:
            metrics += [s.metric for s in samples]
            stats += [s.stat for s in samples]
            values += [s.value for s in samples]
        else:
            metrics.append(None)
            stats.append(None)
            values.append(np.nan)
    spread = np.repeat(np.arange(len(kept)), counts)

    def column(name: str, words: list) -> pd.api.extensions.ExtensionArray:
        return pd.array(words, dtype=samples_table.COLUMNS[name]).take(spread)

    def place(name: str) -> list[str]:
        default = DEFAULTS[name]
        return [
            given.get(name) or r.labels.get(name) or _label(a, name) or default for a, r, given, _ in kept
        ]

    trials = [a.path if index < 0 else f"{a.path}#{index}" for a, _, _, index in kept]
    tests = [given.get("test") or reading.test or "unknown" for _, reading, given, _ in kept]
    modes, placements, paths = place("mode"), place("placement"), place("path")
    blocks = _blocks(
        [given.get("block") for _, _, given, _ in kept], list(zip(modes, placements, paths, tests))
    )
    units = {metric: unit_of(metric) for metric in set(metrics) if metric}
    columns = {
        "run_id": column("run_id", [given.get("run_id") or run_id for _, _, given, _ in kept]),
        "trial_id": column("trial_id", trials),
        "block": np.asarray(blocks, dtype="int64")[spread],
        "slot": spread.astype("int64"),
        "deployment_id": column("deployment_id", [f"{m}/{b}" for m, b in zip(modes, blocks)]),
        "mode": column("mode", modes),
        "kernel_path": column("kernel_path", [given.get("kernel_path") for _, _, given, _ in kept]),
        "placement": column("placement", placements),
        "path": column("path", paths),
        "test": column("test", tests),
        "tool": column("tool", [a.tool or "unknown" for a, _, _, _ in kept]),
        "tool_version": column("tool_version", [r.tool_version for _, r, _, _ in kept]),
        "metric": pd.array(metrics, dtype="string"),
        "stat": pd.array(stats, dtype="string"),
        "value": np.asarray(values, dtype="float64"),
        "unit": pd.array([units.get(m or "") for m in metrics], dtype="string"),
        "status": column("status", [r.status for _, r, _, _ in kept]),
        "reason": column("reason", [r.reason for _, r, _, _ in kept]),
        "started_at": column("started_at", [None] * len(kept)),
        "duration_s": np.asarray([np.nan if r.duration_s is None else r.duration_s for _, r, _, _ in kept])[
            spread
        ]
        if kept
        else np.asarray([], dtype="float64"),
        "raw_path": column("raw_path", [a.path for a, _, _, _ in kept]),
    }
    frame = pd.DataFrame(columns, columns=list(samples_table.COLUMNS))
    frame.attrs["schema_version"] = samples_table.SCHEMA_VERSION
    return samples_table.validate(frame), trials


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


def _intervals(kept: list, trials: list[str], run_id: str) -> pd.DataFrame:
    rows = [
        {"run_id": run_id, "trial_id": trial, "unit": unit_of(i.metric), **i._asdict()}
        for (_, reading, _, _), trial in zip(kept, trials)
        for i in reading.intervals
    ]
    return samples_table.intervals_from_rows(rows)
