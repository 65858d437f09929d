"""Any raw output of the field's tools, and the archives of cnilab's peers, into the samples table.

    loaded = cnilab.load("results/", pattern="results/{mode}/{block}/{test}.json")
    cnilab.compare(loaded.samples, baseline="host")

Files are told apart by their content. Nothing a file contains is run, and no file, however broken or large,
ends a load: it becomes a row of ``files`` with its reason. Reading a run directory of cnilab's own is not
done here (:mod:`cnilab.runs.run`).

``sources`` opens files and archives within limits, ``margins`` takes off what a cluster put before each line,
``places`` reads mode and block off a path, ``work`` does one file in a worker process, ``table`` puts the
answers together, ``summary`` tells them.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from cnilab.loading import sources, table, work
from cnilab.loading.places import Places
from cnilab.loading.summary import Loaded
from cnilab.measurements import get

__all__ = ["Loaded", "load"]

#: Fewer files and bytes than this are read here: starting workers would take longer.
_FEW, _SMALL = 24, 4 * 2**20
_CHUNK = 64


def load(
    path: str | os.PathLike | list,
    *,
    as_tool: str | None = None,
    pattern: str | None = None,
    mapping: str | Path | Mapping | None = None,
    workers: int | None = None,
    progress: bool = True,
    intervals: bool = False,
    max_bytes: int = sources.MAX_BYTES,
) -> Loaded:
    """Load raw benchmark output.

    Parameters
    ----------
    path
        A file, folder, glob, or tar, zip, gzip, bzip2 or xz of any mixture, or a list of them.
    as_tool
        Read everything as this tool's output instead of finding out by content.
    pattern
        Where mode, block and test stand in a path: ``results/{mode}/{block}/{test}.json``. Files it does not
        fit are left out and counted.
    mapping
        The same by globs: a dict ``{glob: {"mode": …, "block": …}}`` or a CSV, YAML or JSON file of one
        (:mod:`cnilab.loading.places` shows one). A later line overrides an earlier one, and the pattern.
    workers
        Processes; as many as there are CPUs by default, 1 reads here.
    progress
        Show a bar where there is a terminal to show it on.
    intervals
        Keep the tools' time series too; they are most of what long tests print.
    max_bytes
        Largest file or archive member that is read.

    Returns
    -------
    Loaded
        ``.samples``, ``.files``, ``.intervals`` and ``.notes``. Without a pattern the mode is ``unknown``,
        the placement ``same_subnet``, the path ``pod_to_pod``, and the k-th file of a test is of block k.

    Raises
    ------
    DataError
        Where there is nothing at ``path``, or pattern or mapping are wrong.
    UnknownKey
        Where there is no such tool.
    """
    if as_tool is not None:
        get(as_tool)
    places = Places(pattern, mapping)
    files = sources.find(path)
    answers: dict[int, list[work.Answer]] = {}
    bar = tqdm(total=len(files), unit="file", desc="load", disable=None if progress else True, leave=False)
    with work.uncollected():
        with bar:
            for first, chunk in _read(files, as_tool, workers, max_bytes, intervals):
                answers[first] = chunk
                bar.update(min(len(files) - bar.n, _CHUNK))
        ordered = [answer for first in sorted(answers) for answer in answers[first]]
        frame, listed, series, notes = table.build(ordered, places, intervals)
    for given in path if isinstance(path, list) else [path]:
        if (Path(given) / "manifest.json").is_file() and (Path(given) / "plan.csv").is_file():
            own = f"{given}: a run directory; its modes and blocks: cnilab.Run.open({str(given)!r}).samples"
            notes.append({"path": None, "line": None, "note": own})
    notes += [{"path": glob, "line": None, "note": f"mapping fits no file: {glob}"} for glob in places.unused]
    return Loaded(frame, listed, series, notes)


def _read(
    files: list[tuple[str, str]], as_tool: str | None, workers: int | None, max_bytes: int, series: bool
) -> Iterator[tuple[int, list[work.Answer]]]:
    """Yield answers a chunk at a time, in whatever order they come; a chunk is known by its first file."""
    workers = workers or len(os.sched_getaffinity(0))
    sizes = [os.path.getsize(f) if os.path.isfile(f) else 0 for f, _ in files[:_FEW]]
    if workers == 1 or (len(files) < _FEW and sum(sizes) < _SMALL):
        for at in range(0, len(files), _CHUNK):
            yield at, work.read_all(files[at : at + _CHUNK], as_tool, max_bytes, series)
        return
    step = max(1, min(_CHUNK, len(files) // (4 * workers)))
    starts = list(range(0, len(files), step))
    with warnings.catch_warnings():
        # Workers are forked from a process whose numeric libraries may have threads; they touch none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        broken = yield from _pooled(files, starts, step, as_tool, workers, max_bytes, series)
    for at in broken:
        for offset, one in enumerate(files[at : at + step]):
            # One of these ended a worker: each gets a worker of its own, so that only the culprit is lost.
            yield at + offset, _alone(one, as_tool, max_bytes, series)


def _pooled(
    files: list,
    starts: Iterable[int],
    step: int,
    as_tool: str | None,
    workers: int,
    max_bytes: int,
    series: bool,
) -> Generator[tuple[int, list[work.Answer]], None, list[int]]:
    """Read chunks in a pool; return the starts of those whose worker died."""
    context = multiprocessing.get_context("fork")
    waiting: dict[Future, int] = {}
    broken: list[int] = []
    with ProcessPoolExecutor(workers, mp_context=context, initializer=work.confine) as pool:
        for at in starts:
            try:
                waiting[pool.submit(work.read_all, files[at : at + step], as_tool, max_bytes, series)] = at
            except BrokenProcessPool:
                broken.append(at)
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                at = waiting.pop(future)
                try:
                    yield at, future.result()
                except (BrokenProcessPool, MemoryError):
                    broken.append(at)
    return broken


def _alone(one: tuple[str, str], as_tool: str | None, max_bytes: int, series: bool) -> list[work.Answer]:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context, initializer=work.confine) as pool:
        try:
            return pool.submit(work.read_all, [one], as_tool, max_bytes, series).result()
        except (BrokenProcessPool, MemoryError):
            return [work.Answer(one[1], None, "failed", "took more memory than a file may")]
