"""pacer: HTTP requests at a constant rate, latency from the moment each was due, and whole histograms.

Ours, ``pacer.c`` beside this module, because what there is does another thing or cannot keep up on one CPU: h2load's
``--rps`` sends every 10 ms what has become due and counts from the sending; vegeta keeps a schedule, but at 10,000
requests a second on one CPU the garbage collector and its own scheduler add milliseconds to a network's tens of
microseconds; fortio counts from the sending; wrk2 is in no distribution.

With ``load`` each trial finds the capacity first, by a short closed loop over as many connections in the same
deployment (``capacity.out``), and offers that share of it. Where fewer than :data:`KEPT` of what was offered was
answered in time the trial is *saturated*: its latency is that of a queue which grows as long as one measures, and is
kept as ``latency_at_least_s``, never as ``latency_s``. nginx's own count of requests is read before and after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from cnilab.bench import Argv, Bench, Ended
from cnilab.errors import ParseError
from cnilab.measurements import conditions, web
from cnilab.measurements.base import Call, Kind, Option, Program, Reading, Sample
from cnilab.measurements.reading import clock, texts
from cnilab.measurements.reading import json_text as documents
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number
from cnilab.measurements.web import nginx

NAME = "pacer"
SOURCE = Path(__file__).with_name("pacer.c")
PROGRAMS = (Program("pacer", ("--version",), "sudo apt-get install gcc libc6-dev"), nginx.PROGRAM)
PORTS = (nginx.PORT,)
#: Any of several servers behind one address may answer a request.
BALANCED = True
#: Answered in time over offered from which on a trial counts as unsaturated.
KEPT = 0.98
#: Seconds of the closed loop that finds the capacity, and what is offered of it where nothing is said.
PROBE_S, LOAD = 0.5, "0.5"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def _amount(most: float) -> Option:
    def accepts(text: str) -> bool:
        value = number(text)
        return value is not None and 0 < value <= most

    return Option(f"a number above 0 and up to {most:g}", accepts)


KINDS = {
    "http_load": Kind(
        (
            "latency_s",
            "request_rate_per_s",
            "goodput_bps",
            "error_ratio",
            "served_ratio",
            "cpu_s_per_request",
            "cpu_busy_ratio",
        ),
        frozenset({"streams"}),
        nginx.OPTIONS,
    ),
    "http_rate": Kind(
        (
            "latency_s",
            "latency_at_least_s",
            "request_rate_per_s",
            "offered_rate_per_s",
            "goodput_bps",
            "error_ratio",
            "served_ratio",
            "cpu_s_per_request",
            "cpu_busy_ratio",
        ),
        frozenset({"streams"}),
        {**nginx.OPTIONS, "load": _amount(2), "offered_per_s": _amount(1e7)},
    )
}


def sniff(head: bytes) -> bool:
    """Whether pacer's own name is here."""
    return re.search(rb'"program"\s*:\s*"cnilab pacer"', head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a report.

    Raises
    ------
    ParseError
        Where the bytes are not pacer's, or were cut.
    """
    return documents.readings(texts.decoded(raw), ("from_due_ns",), _reading, "http_rate")


def _reading(said: Mapping[str, Any], line: int) -> Reading:
    names = ("scheduled", "answered", "answered_in_time", "refused", "broken", "bytes", "duration_s")
    values = {name: number(said.get(name)) for name in names}
    if gone := [name for name, value in values.items() if value is None]:
        raise ParseError(f"pacer's report without {gone[0]}")
    scheduled, answered, in_time, refused, broken, received, seconds = (values[n] or 0.0 for n in names)
    offered = number(said.get("offered_per_s")) or 0.0
    rest: dict[str, Any] = {
        "test": "http_rate" if offered else "http_load",
        "line": line,
        "tool_version": str(said.get("version")),
        "duration_s": seconds,
        "started_at": clock.of_seconds(said.get("started_at")),
        "conditions": conditions.of(
            streams=said.get("connections"), offered_per_s=offered or None, duration_s=seconds
        ),
    }
    if in_time <= 0 or seconds <= 0:
        return checks.failed("no request was answered in time", **rest)
    histogram = _histogram(said)
    # What was due within the fastest answer's time of the end could not be answered before it.
    answerable = scheduled - offered * histogram[0][0] if histogram else scheduled
    kept = in_time / max(1.0, answerable)
    saturated = bool(offered) and kept < KEPT
    metric = "latency_at_least_s" if saturated else "latency_s"
    samples = [
        Sample("request_rate_per_s", in_time / seconds),
        Sample("goodput_bps", received * 8 / max(seconds, number(said.get("elapsed_s")) or 0.0)),
        Sample("error_ratio", (refused + broken) / max(1.0, answered + broken)),
        *_latencies(metric, histogram, scheduled),
    ]
    if offered:
        samples.append(Sample("offered_rate_per_s", offered))
    notes = (f"saturated: {kept:.3f}",) if saturated else ()
    return checks.reading(samples, notes=notes, **rest)


def _histogram(said: Mapping[str, Any]) -> list[tuple[float, float, int]]:
    """Return the ends of each bucket in seconds, and how many requests fell into it.

    Raises
    ------
    ParseError
        Where it is none.
    """
    parts, pairs = said.get("sub_buckets"), said.get("from_due_ns")
    if type(parts) is not int or not 1 <= parts <= 1 << 16 or not isinstance(pairs, list):
        raise ParseError("pacer's report without its histogram")
    found = []
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and 0 <= n < 1 << 63 for n in pair)):
            raise ParseError(f"a bucket that is none: {str(pair)[:40]}")
        low, count = pair
        width = 1 if low < parts else 1 << (low.bit_length() - parts.bit_length())
        if count:
            found.append((low * 1e-9, (low + width) * 1e-9, count))
    return sorted(found)


def _latencies(
    metric: str, histogram: Sequence[tuple[float, float, int]], scheduled: float
) -> list[Sample]:
    """Return quantiles over all that was due; one that falls among what was never answered is not known.

    Within a bucket requests are taken to lie evenly.
    """
    if not histogram:
        return []
    reached = list(accumulate(count for *_, count in histogram))
    total = max(scheduled, reached[-1])
    found = [
        Sample(metric, sum((low + high) / 2 * count for low, high, count in histogram) / reached[-1], "mean"),
        Sample(metric, histogram[0][0], "min"),
    ]
    for stat, share in _QUANTILES.items():
        if total * (1 - share) >= 1 and (at := share * total) <= reached[-1]:
            i = next(i for i, n in enumerate(reached) if n >= at)
            low, high, count = histogram[i]
            found.append(Sample(metric, high - (reached[i] - at) / count * (high - low), stat))
    if reached[-1] >= total:
        found.append(Sample(metric, histogram[-1][1], "max"))
    return found


def client_argv(call: Call, address: str, rate: float = 0.0, seconds: float = PROBE_S) -> Argv:
    """Return the command that offers ``rate`` requests a second, or 0 for a closed loop."""
    connection = call.options.get("connection", "keep")
    path, shown = f"/{nginx.body(call)}", f"{rate:.3f}"
    argv: list[str | Path] = [SOURCE, "load", address, str(nginx.PORT), path, shown, f"{seconds:g}"]
    argv += [str(call.streams), connection]
    return argv if call.client_cpu is None else ["taskset", "-c", str(call.client_cpu), *argv]


def measure(bench: Bench, call: Call, folder: Path, limit_s: float) -> Ended:
    """Find the capacity if a share of it is to be offered, then offer that rate for as long as the call says.

    ``http_load`` is the closed loop alone: wrk's, for fractions of a second and with whole histograms.
    """
    with web.serving(bench, call, folder) as served:
        if call.kind == "http_load" or "offered_per_s" in call.options:
            rate = float(call.options.get("offered_per_s", 0))
        else:
            probed = bench.run(
                bench.client(),
                client_argv(call, served.address, 0, PROBE_S),
                out=folder / "capacity.out",
                err=folder / "capacity.err",
                limit_s=limit_s,
            )
            if probed.code != 0 or probed.timed_out:
                (folder / "client.err").write_bytes((folder / "capacity.err").read_bytes())
                return replace(probed, called=served.called | dict(probed.called))
            rate = float(call.options.get("load", LOAD)) * _capacity(folder / "capacity.out")
        _count(bench, served, folder)
        ended = web.loaded(bench, client_argv(call, served.address, rate, call.duration_s), folder, limit_s)
        _count(bench, served, folder)
    return replace(ended, called=served.called | dict(ended.called))


def _capacity(path: Path) -> float:
    [found] = parse(path.read_bytes())
    rates = [sample.value for sample in found.samples if sample.metric == "request_rate_per_s"]
    return rates[0] if rates else 1.0  # nothing was answered: the trial itself will say so


def _count(bench: Bench, served: web.Served, folder: Path) -> None:
    """Ask every nginx how many requests it has served, this one included; a file a server and a time."""
    for end, name in zip(served.ends, web.names(len(served.ends))):
        earlier = (folder / f"{name}-before.txt").exists()
        out = folder / f"{name}-{'after' if earlier else 'before'}.txt"
        argv: Argv = [SOURCE, "fetch", web.LOOPBACK, str(nginx.PORT), nginx.STATUS]
        bench.run(end, argv, out=out, err=folder / f"{name}-count.err", limit_s=5)


_SENT = re.compile(rb'"sent": (\d{1,15}),')
_COUNTED = re.compile(r"server accepts handled requests\s+\d+ \d+ (\d{1,15})\b")


def _served(folder: Path) -> int | None:
    """Return how many requests all servers counted between the two readings, or None where one is missing."""
    total = 0
    for before in sorted(folder.glob("server*-before.txt")):
        after = before.with_name(before.name.replace("-before", "-after"))
        found = [
            _COUNTED.search(p.read_text(errors="replace")) if p.is_file() else None for p in (before, after)
        ]
        if found[0] is None or found[1] is None:
            return None
        total += int(found[1][1]) - int(found[0][1]) - 1
    return total if total > 0 else None


def read(folder: Path) -> list[Reading]:
    """Read pacer's report, what the requests cost in CPU time, and how many of them the servers counted."""
    raw = (folder / "client.out").read_bytes()
    found = parse(raw)
    served, sent = _served(folder), _SENT.search(raw)
    if served is not None and sent and int(sent[1]) and len(found) == 1 and found[0].status == "ok":
        found = [replace(found[0], samples=(*found[0].samples, Sample("served_ratio", served / int(sent[1]))))]
    return [web.with_cpu(reading, folder) for reading in found]
