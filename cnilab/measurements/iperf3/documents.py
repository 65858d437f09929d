"""Where iperf3's JSON stands in a file: one document, several, an NDJSON stream, or within a harness's own object.

Two-way tests once wrote the key ``sum`` twice, logs hold prompts and errors between documents, and a document cut
short is a failure, not a shorter test. What a document says is read in :mod:`.document`.
"""

from __future__ import annotations

import json
import re

from cnilab.errors import ParseError
from cnilab.measurements.base import Reading
from cnilab.measurements.iperf3.document import reading
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.reading import texts
from cnilab.measurements.reading.json_text import branch

#: Ansible prints ``ok: [node] => {`` before an object.
_OPENS = re.compile(rb"^(?:[ \t]*(?:\[\s*)?|\w[^\n]{0,200} => )\{", re.MULTILINE)
_ERROR = re.compile(r"^[^\n{\"]{0,100}\biperf3: (?:(?:parameter )?error|interrupt) - (.*)", re.MULTILINE)
_NAN = re.compile(r"(?<=[:,\[\s])-?(?:nan|inf)(?:\(\w*\))?(?=\s*[,}\]])", re.IGNORECASE)
_START = re.compile(rb'"start"\s*:\s*\{')
_SERIES = re.compile(rb'"intervals"\s*:\s*\[')
_AFTER_SERIES = re.compile(rb'\]\s*,\s*"end"\s*:\s*\{')
#: How deep in a harness's own object a document may stand.
MAX_DEPTH = 4
#: A document that opens and never closes is searched no further than this for a next one.
MAX_DOCUMENTS = 100_000


def sniff(head: bytes) -> bool:
    """Whether a JSON object, or a list of them, begins a line of these bytes."""
    return _OPENS.search(head) is not None


def parse(raw: bytes, series: bool = True) -> list[Reading]:
    """Read every iperf3 document in ``raw``; without ``series`` a lone document's intervals are left out."""
    whole = None if series else _without_series(raw)
    if whole is None:
        try:
            whole = json.loads(raw)
        except (ValueError, RecursionError):
            return _several(texts.decoded(raw))
    if isinstance(whole, list) and whole and all(isinstance(one, dict) for one in whole):
        return _listed(whole)
    if not isinstance(whole, dict):
        raise ParseError("JSON, but not an iperf3 document: it is no object")
    if "event" in whole:
        return _stream([(1, whole)])
    if (found := _unpacked(whole)) != [whole]:
        return _listed(found)
    if _twice_summed(raw, whole):
        whole = _keep_both(texts.decoded(raw))
    if not series and "server_output_json" not in whole:
        whole["intervals"] = []
    return [reading(whole, 1)]


def alone(raw: bytes) -> Reading | None:
    """Read a file that is one document and nothing else, without its series; None for every other file."""
    whole = _without_series(raw)
    if whole is None or "event" in whole or not _is_document(whole) or _twice_summed(raw, whole):
        return None
    whole["intervals"] = []
    return reading(whole, 1)


def _without_series(raw: bytes) -> dict | None:
    """Load one document but for its intervals, or return None where they cannot be told from the rest.

    They are most of a long test's document, and JSON need not be understood to be passed over: iperf3 writes start,
    intervals and end in this order, and an interval holds no object called ``start`` or ``end``. So if what lies
    between opens as much as it closes and the rest is one document, no other document's end can have been taken.
    What is broken within the intervals alone goes unnoticed; the totals are as they were printed.
    """
    opening = _SERIES.search(raw)
    closing = _AFTER_SERIES.search(raw, opening.end()) if opening else None
    if opening is None or closing is None:
        return None
    passed = raw[opening.end() : closing.start()]
    if passed.count(b"{") != passed.count(b"}") or passed.count(b"[") != passed.count(b"]"):
        return None
    if _START.search(passed) or b'"intervals"' in passed:
        return None
    if raw.find(b'"intervals"', closing.end()) >= 0 or raw.find(b'"server_output_json"', closing.end()) >= 0:
        return None
    try:
        whole = json.loads(raw[: opening.end()] + raw[closing.start() :])
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def _listed(documents: list[dict]) -> list[Reading]:
    """Read the documents that somebody has put into one JSON list."""
    told: dict[str, dict] = {}
    if "event" in documents[0]:
        return _stream([(1, one) for one in documents])
    return [_once(found, 1, told) for one in documents for found in _unpacked(one)]


def _is_document(mapping: dict) -> bool:
    start, end = branch(mapping, "start"), branch(mapping, "end")
    return not start.keys().isdisjoint(("version", "test_start", "connected")) or not end.keys().isdisjoint(
        ("sum", "sum_sent", "sum_received", "streams")
    )


def _unpacked(whole: dict) -> list[dict]:
    """Return the documents that a harness has put into ``whole`` with words of its own, else ``whole``."""
    return [whole] if _is_document(whole) else _within(whole) or [whole]


def _within(outer: dict | list, depth: int = MAX_DEPTH) -> list[dict]:
    found: list[dict] = []
    for inner in outer.values() if isinstance(outer, dict) else outer:
        if isinstance(inner, dict) and _is_document(inner):
            found.append(inner)
        elif isinstance(inner, dict | list) and depth:
            found += _within(inner, depth - 1)
    return found


def _once(document: dict, line: int, told: dict[str, dict]) -> Reading:
    """Read a document, unless the file has told its test before."""
    figures = _figures(document)
    before = _again(branch(document, "start"), told, figures)
    if before is None:
        return reading(document, line)
    # --json-stream-full-output ends with what it has streamed; logs of both ends are put together
    why = "the same test (by its cookie) stands before in this file"
    if before and figures and before != figures:
        return checks.failed(f"{why}, with other figures", line=line)
    return Reading(status="skipped", reason=why, line=line)


def _figures(document: dict) -> str:
    """Return the totals of a document as text, or nothing where it has none."""
    end = branch(document, "end")
    return "".join(repr(end[key]) for key in ("sum_sent", "sum_received", "sum") if key in end)


def _twice_summed(raw: bytes, whole: dict) -> bool:
    """Whether this is a two-way UDP test of a version that writes ``sum`` twice (3.7 to 3.16)."""
    if len(branch(branch(whole, "end"), "streams", list)) < 2:
        return False
    streams = branch(branch(whole, "end"), "streams", list)
    senders = {repr(branch(s, "udp").get("sender", branch(s, "sender").get("sender"))) for s in streams}
    return len(senders) == 2 and b"bidir_reverse" not in raw


def _keep_both(text: str) -> dict:
    """Load JSON keeping a repeated ``sum…`` under the name newer versions give the second one."""

    def pairs(items: list[tuple[str, object]]) -> dict:
        found: dict[str, object] = {}
        for key, value in items:
            found[f"{key}_bidir_reverse" if key in found and key.startswith("sum") else key] = value
        return found

    return json.loads(text, object_pairs_hook=pairs)


def _several(text: str) -> list[Reading]:
    """Read documents one after the other, with whatever stands between them (prompts, log lines)."""
    decoder = json.JSONDecoder()
    readings: list[Reading] = []
    events: list[tuple[int, dict]] = []
    told: dict[str, dict] = {}
    patched = _NAN.sub("null", text)
    at, line, counted = 0, 1, 0
    for _ in range(MAX_DOCUMENTS):
        before, at = at, _next_brace(patched, at)
        between = patched[before : at if at >= 0 else None]
        for said in _ERROR.finditer(between):
            where = line + patched.count("\n", counted, before + said.start())
            readings.append(checks.failed(said[1], line=where))
        if at < 0:
            break
        line += patched.count("\n", counted, at)
        counted = at
        try:
            found, end = decoder.raw_decode(patched, at)
        except RecursionError:
            raise ParseError("JSON nested too deeply", line=line) from None
        except ValueError as problem:
            cut = _next_document(patched, at + 1)
            readings += _stream(events)
            events = []
            if not isinstance(problem, json.JSONDecodeError):  # an integer of thousands of digits
                readings.append(checks.failed(f"unreadable number in JSON: {problem}", line=line))
            else:
                readings.append(_broken(patched, at, cut, problem, line))
            if cut < 0:
                return readings
            at = cut
            continue
        if isinstance(found, dict) and "event" in found:
            if found.get("event") == "start" and events:
                readings += _stream(events)
                events = []
            events.append((line, found))
            if found.get("event") == "start":
                _again(branch(found, "data"), told, "")
        elif isinstance(found, dict):
            readings += _stream(events)
            events = []
            if _twice_summed(patched[at:end].encode(), found):
                found = _keep_both(patched[at:end])
            readings += [_once(one, line, told) for one in _unpacked(found)]
        at = end
    else:
        raise ParseError(f"more than {MAX_DOCUMENTS} JSON documents in one file")
    readings += _stream(events)
    if not readings:
        raise ParseError("no iperf3 document in this text")
    return readings


def _again(start: dict, told: dict[str, dict], figures: str) -> str | None:
    """Note the test that ``start`` is of; None where ``told`` had it not.

    Otherwise the figures it had: of the same document, or nothing where it was the other end's.
    """
    cookie = start.get("cookie")
    if not isinstance(cookie, str) or len(cookie) < 30:
        return None
    served = "accepted_connection" in start and "connecting_to" not in start
    name = (repr(branch(start, "timestamp").get("timesecs")), served)
    before = told.setdefault(cookie, {})
    again = before.get(name, "" if (not served) in before else None)
    before.setdefault(name, figures)
    before[served] = ""
    return again


def _next_brace(text: str, at: int) -> int:
    """Position of the next ``{`` that begins a line or follows a document directly, or -1."""
    while (at := text.find("{", at)) >= 0:
        before = text[max(0, at - 200) : at].rpartition("\n")[2]
        if not before.strip() or before.rstrip().endswith(("}", "},", "$", "#", ">")):
            return at
        at += 1
    return -1


def _next_document(text: str, at: int) -> int:
    """Position of the next document's own opening after a broken one, or -1."""
    found = re.compile(r'^\{(?=\s*"(?:start|event|title|error)")', re.MULTILINE).search(text, at)
    return found.start() if found else -1


def _broken(text: str, at: int, cut: int, problem: json.JSONDecodeError, line: int) -> Reading:
    said = re.search(
        r'"error"\s*:\s*"((?:[^"\\]|\\.){1,400})', text[at : cut if cut >= 0 else at + 2_000_000]
    )
    version = re.search(r'"version"\s*:\s*"iperf ([^"\s]{1,40})', text[at : at + 20_000])
    where = line + text.count("\n", at, problem.pos)
    ends = not text[problem.pos : cut if cut >= 0 else None].strip() or "Unterminated" in problem.msg
    reason = "JSON document cut short" if ends else f"broken JSON ({problem.msg})"
    if said:
        reason += f"; it says: {said[1]}"
    return checks.failed(
        f"{reason}, at line {where}",
        line=line,
        tool_version=version[1] if version else None,
        notes=("truncated",) if ends else (),
    )


def _stream(events: list[tuple[int, dict]]) -> list[Reading]:
    """Put the events of one ``--json-stream`` test together to the document ``-J`` would have written."""
    if not events:
        return []
    document: dict = {"intervals": []}
    ended = False
    for _, event in events:
        kind, data = event.get("event"), event.get("data")
        if kind == "interval":
            document["intervals"].append(data)
        elif isinstance(kind, str) and kind not in document:
            document[kind] = data
            ended |= kind == "end"
    if "start" not in document and "the server has terminated" in str(document.get("error")):
        return [Reading(status="skipped", reason=str(document["error"]), line=events[0][0])]
    if not ended and "error" not in document:
        version = str(branch(document, "start").get("version", "")).removeprefix("iperf ") or None
        return [
            checks.failed(
                "JSON stream cut short: no end event",
                line=events[0][0],
                tool_version=version,
                notes=("truncated",),
            )
        ]
    return [reading(document, events[0][0])]
