"""ApacheBench: its report (HTML with ``-w``), percentile CSV (``-e``) and raw times (``-g``). The lab does not run it.

``Failed requests`` counts answers of another length than the first; those are answers, and not counted in
``error_ratio``. Latencies are whole milliseconds but for the mean. ab's Kbytes are 1024 bytes; its ``kb/s`` is
1, 1000 or 1024 bytes by version, so there the bytes that came are taken instead.
"""

from __future__ import annotations

import re

from cnilab.errors import ParseError
from cnilab.measurements import conditions
from cnilab.measurements.base import Reading, Sample
from cnilab.measurements.reading import margins, texts
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading.numbers import number

NAME = "ab"

_VERSION = re.compile(r"This is ApacheBench, Version (\S+)")
_FIELD = re.compile(r"^(?P<name>[A-Z][\w\- ]+?):\s+(?P<amount>\S+)(?: (?P<unit>.*?))?\s*$")
_KINDS = re.compile(
    r"^\(Connect: (\d{1,15}),(?: Receive: (\d{1,15}),)? Length: (\d{1,15}), Exceptions: (\d{1,15})\)"
)
_PERCENT = re.compile(r"^(\d{1,3})%\s+(\d{1,15})(?: \(longest request\))?\s*$")
#: Two columns fewer with -S, and in HTML.
_TOTAL = re.compile(r"^Total:\s+(\d{1,15})\s+(\d{1,15})\s+(?:\d+\.\d+\s+\d+\s+)?(\d{1,15})\s*$")
_ERROR = re.compile(
    r"(apr_\w+(?:\(\))?(?: for \S+)?: .+|Test aborted after \d+ failures.*|\babs?(?:\.exe)?: [A-Za-z].+"
    r"|(?:socket|connect): .+ \(\d+\)|SSL \w+ failed.*|Send request (?:timed out|failed)!.*"
    r"|Total of \d+ requests completed.*|.*: bad hostname.*)$"
)
_SNIFF = re.compile(
    rb"This is ApacheBench|Benchmarking \S+ \(be patient\)"
    rb"|\babs?(?:\.exe)?: (?:invalid URL|[Cc]annot use concurrency|wrong number of arguments)"
    rb"|^Percentage served,Time in ms|^starttime\tseconds\tctime\tdtime\tttime\twait"
    rb"|Requests per second:[ \t]+\S+ \[#/sec\] \(mean\)|(?:^|[ \t>])Connn?ection Times \(ms\)[ \t]*\r?$"
    rb"|^Percentage of the requests served within a certain time",
    re.MULTILINE,
)
_HTML = re.compile(r"</tr>|<[^<>]{0,200}>")
_STATS = {0: "min", 50: "p50", 90: "p90", 99: "p99", 100: "max"}


#: Lines of ``-e`` and of ``-g``, which may stand beside a report.
FORMS = (
    re.compile(rb"Percentage served,|\d{1,3},[\d.]+\s*$", re.MULTILINE),
    re.compile(rb"starttime\t|[A-Z][a-z]{2} [A-Z][a-z]{2} [^\t\n]+\t\d+\t", re.MULTILINE),
)


def sniff(head: bytes) -> bool:
    """Whether one of ab's three outputs is here."""
    return _SNIFF.search(head) is not None


def parse(raw: bytes) -> list[Reading]:
    """Read one Reading a report or table.

    Raises
    ------
    ParseError
        Where the bytes are not ab's.
    """
    text = texts.decoded(raw).lstrip("\n")
    if "<table" in text and "This is ApacheBench" in text:
        text = _HTML.sub(lambda tag: "\n" if tag[0] == "</tr>" else " ", text)
    lines = margins.cleared(text)
    head = lines[0].strip() if lines else ""
    if head == "Percentage served,Time in ms":
        return [_percentiles(lines)]
    if head.startswith("starttime\tseconds"):
        return [_times(lines)]
    starts = [at for at, line in enumerate(lines) if _VERSION.search(line)]
    if not starts:
        starts = [at for at, line in enumerate(lines) if line.startswith("Server Software:")] or [0]
        if not re.search(
            r"\babs?(?:\.exe)?: |Benchmarking \S+ \(be patient\)"
            r"|Percentage of the requests served|Requests per second:",
            text,
        ):
            raise ParseError("no ab output in this text")
    return [_report(lines[a:b], a + 1) for a, b in zip(starts, [*starts[1:], len(lines)])]


def _percentiles(lines: list[str]) -> Reading:
    samples = []
    for at, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        share, _, amount = line.partition(",")
        value = number(amount)
        if not re.fullmatch(r"[0-9]{1,3}", share) or value is None:
            return checks.failed(f"line {at} is no row: {line.strip()[:80]!r}", test="http_load", line=1)
        if stat := _STATS.get(int(share)):
            samples.append(Sample("latency_s", value * 1e-3, stat))
    return checks.reading(samples, test="http_load", line=1)


def _times(lines: list[str]) -> Reading:
    """Read ``-g``: one row a request; the fifth column is its whole time in milliseconds."""
    times = []
    for at, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("\t")
        value = number(cells[4]) if len(cells) == 6 else None
        if value is None:
            return checks.failed(f"line {at} is no row: {line.strip()[:80]!r}", test="http_load", line=1)
        times.append(value * 1e-3)
    return checks.reading(checks.distribution("latency_s", times), test="http_load", line=1)


def _report(lines: list[str], begun: int) -> Reading:
    fields: dict[str, tuple[str, str]] = {}
    latency: dict[str, float] = {}
    kinds: list[int] = []
    version = error = None
    for line in lines:
        if len(line) > 2000:
            continue
        if found := _VERSION.search(line):
            version = found[1]
        elif found := _KINDS.match(line):
            kinds = [int(n or 0) for n in found.groups()]
        elif found := _PERCENT.match(line):
            if stat := _STATS.get(int(found[1])):
                latency[stat] = float(found[2]) * 1e-3
        elif found := _TOTAL.match(line):
            latency["min"], latency["mean"] = float(found[1]) * 1e-3, float(found[2]) * 1e-3
            latency.setdefault("max", float(found[3]) * 1e-3)
        elif found := _ERROR.search(line):
            error = error or found[1].strip()
        elif found := _FIELD.match(line):
            # "Time per request" comes twice; the second is the first over the concurrency.
            fields.setdefault(found["name"], (found["amount"], found["unit"] or ""))
    rest: dict = {"test": "http_load", "line": begun, "tool_version": version}
    rest["conditions"] = conditions.of(streams=fields.get("Concurrency Level", ("", ""))[0])
    if "Requests per second" not in fields:
        if error:
            return checks.failed(error, **rest)
        if fields.get("Complete requests", ("", ""))[0] == "0":
            return checks.failed("no request was answered", **rest)
        return checks.failed("no summary: the output was cut short", notes=("truncated",), **rest)
    try:
        return _results(fields, latency, kinds, error, rest)
    except ParseError as problem:
        return checks.failed(problem.what, **rest)


def _results(fields: dict, latency: dict, kinds: list[int], error: str | None, rest: dict) -> Reading:
    samples = [Sample("request_rate_per_s", _field(fields, "Requests per second", "[#/sec] (mean)", ""))]
    if "Time per request" in fields:
        # Finer than the table's whole milliseconds, but reckoned from the concurrency: only where it fits.
        mean = _field(fields, "Time per request", "[ms] (mean)") * 1e-3
        if abs(mean - latency.get("mean", mean)) <= 1e-3:
            latency["mean"] = mean
    complete = _field(fields, "Complete requests", "")
    if fields.get("Transfer rate", ("", ""))[1] == "kb/s received":
        if complete and "Total transferred" in fields:
            size = _field(fields, "Total transferred", "bytes") / complete
            samples.append(Sample("goodput_bps", size * samples[0].value * 8))
    elif "Transfer rate" in fields:
        samples.append(
            Sample("goodput_bps", _field(fields, "Transfer rate", "[Kbytes/sec] received") * 8 * 1024)
        )
    # Rounded to milliseconds the extremes may cross a mean that was not rounded.
    middle = latency.get("mean", 0.0)
    latency = {
        k: v for k, v in latency.items() if not ((k == "max" and v < middle) or (k == "min" and v > middle))
    }
    samples += [Sample("latency_s", value, stat) for stat, value in latency.items()]
    failed = _field(fields, "Failed requests", "") if "Failed requests" in fields else 0.0
    other = _field(fields, "Non-2xx responses", "") if "Non-2xx responses" in fields else 0.0
    if complete:
        wrong = (failed - kinds[2] if kinds else failed) + other
        samples.append(Sample("error_ratio", min(wrong, complete) / complete))
    duration = _field(fields, "Time taken for tests", "seconds")
    notes: tuple[str, ...] = (
        ("stopped_early",) if error and not error.startswith("SSL") else ()
    )  # ab goes on after those
    notes += ("every_answer_an_error",) if complete and other >= complete else ()
    return checks.reading(samples, duration_s=duration, notes=notes, **rest)


def _field(fields: dict[str, tuple[str, str]], name: str, *units: str) -> float:
    amount, found = fields.get(name, ("", ""))
    value = number(amount)
    if value is None:
        raise ParseError(f"{name}: unreadable number {amount!r}")
    if found.strip() not in units:
        raise ParseError(f"{name}: unknown unit {found!r}; known: {units[0]!r}")
    return value
