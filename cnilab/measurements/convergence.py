"""How routes spread among many routers: counts, memory, CPU time and the time until everybody holds everything.

A measurement that watches and moves no payload. Its bench lets routers act (:class:`cnilab.bench.Acting`) and leaves,
act by act, what their daemons and ``/proc`` say; here it is read. Counts that have a closed form are held against it:
a run in which a session or a route is missing is no measurement. Of flannel there is no daemon to watch: memory, CPU
time and messages of daemons are then absent, not zero.

What is counted: ``messages`` are routes announced and withdrawn as BIRD counts them at the receiver, ``received_bytes``
are frames on the routers' links, both summed over all routers from their start until the last one held every route.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cnilab.bench import Acting, Bench, Ended
from cnilab.errors import LabError, ParseError
from cnilab.facts import Fact
from cnilab.measurements.base import Call, Kind, Option, Program, Reading, Sample, whole

#: Act -> the metric its time is.
TIMES = {
    "cold": "converged_s",
    "joined": "joined_s",
    "withdrawal": "withdrawn_s",
    "reflector_lost": "reflector_lost_s",
}
#: With no reflector left: the time until nobody holds any route.
EMPTIED = "emptied_s"
COUNTS = ("sessions", "routes_per_node", "routes", "paths", "neighbours", "fdb_entries")
AMOUNTS = ("rss_bytes", "cpu_s", "programming_cpu_s", "messages", "received_bytes")
METRICS = (*AMOUNTS, *TIMES.values(), EMPTIED, *COUNTS)

_TABLE = re.compile(r"^(\d+) of (\d+) routes for (\d+) networks in table master4$", re.MULTILINE)
_SESSION = re.compile(r"^n(\d+) +BGP +\S+ +up +\S+ +Established", re.MULTILINE)
_RECEIVED = re.compile(r"^ +Import (?:updates|withdraws): +(\d+)", re.MULTILINE)
_VERSION = re.compile(r"BIRD (\S+)")


def _sizes(text: str) -> bool:
    return bool(text.split()) and all(word.isdecimal() and int(word) > 1 for word in text.split())


NAME = "convergence"
KINDS: Mapping[str, Kind] = {
    "routes": Kind(
        METRICS,
        options={
            "limit_s": whole(),
            "held_back": Option("numbers of routers, parted by spaces", _sizes),
            "extrapolate": Option("numbers of routers, parted by spaces", _sizes),
        },
    )
}
PROGRAMS: tuple[Program, ...] = ()
PORTS: tuple[int, ...] = ()


def measure(bench: Bench, call: Call, folder: Path, limit_s: float) -> Ended:
    """Let the routers act, one act after the other, each within the option ``limit_s`` (120 s)."""
    if not isinstance(bench, Acting):
        raise LabError("nobody here can act", Fact("bench_failed.no_acts"))
    began, started, each = time.time(), time.monotonic(), float(call.options.get("limit_s", 120))
    done: dict[str, Any] = {}
    for name in bench.acts:
        done[name] = bench.act(name, folder=folder, limit_s=each)
        if done[name]["ended"] != "complete":
            break
    return Ended(began, time.monotonic() - started, called={"acts": done})


def read(folder: Path) -> list[Reading]:
    """Read every act; what was stopped, or is not complete to the last route, has no value."""
    if not (folder / "cold.jsonl").exists():
        raise ParseError("no cold.jsonl: nobody acted")
    samples: list[Sample] = []
    begin: dict[str, Any] = {}
    for act, metric in TIMES.items():
        if not (folder / f"{act}.jsonl").exists():
            continue
        events = _events(folder / f"{act}.jsonl")
        begin = begin or events["begin"]
        if "complete" not in events:
            return [_stopped(act, events, begin)]
        at = float(events["complete"]["t"])
        alone = act == "reflector_lost" and events["begin"]["reflectors"] == 1
        samples.append(Sample(EMPTIED if alone else metric, at))
        if act == "cold" and begin["plane"] != "bgp":
            samples.append(Sample("programming_cpu_s", float(events["programs"]["cpu_s"])))
    counted = _flannel(folder, begin) if begin["plane"] != "bgp" else _bgp(folder)
    for what, expected, found in _inexact(counted, begin):
        about = {"what": what, "expected": expected, "found": found}
        return [Reading(status="failed", reason=Fact("counts_not_exact", about))]
    samples += [Sample(name, float(value)) for name, value in counted.items()]
    version = _version(folder) if begin["plane"] == "bgp" else None
    return [Reading(tuple(samples), test="routes", tool_version=version)]


def sessions(nodes: int, reflectors: int) -> int:
    """Return how many sessions there are, each pair once: a mesh where nobody reflects.

    >>> sessions(256, 0), sessions(256, 2)
    (32640, 509)
    """
    return (
        reflectors * (nodes - reflectors) + reflectors * (reflectors - 1) // 2
        if reflectors
        else nodes * (nodes - 1) // 2
    )


def _events(path: Path) -> dict[str, dict[str, Any]]:
    """Return the named events of an act, and under ``last`` the last thing said of its progress."""
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            what = json.loads(line)
        except ValueError:
            raise ParseError(f"a line that is cut: {line[:60]!r}", path=path.name) from None
        name = what.get("event") or ("last" if "wanted" in what else "node")
        found[name] = what
    if "begin" not in found:
        raise ParseError("no beginning", path=path.name)
    return found


def _stopped(act: str, events: dict[str, dict[str, Any]], begin: dict[str, Any]) -> Reading:
    end, last = events.get("stopped", {}), events.get("last", {})
    why = str(end.get("why", "cut"))
    about = {
        "act": act,
        "why": why,
        "seconds": end.get("t", last.get("t")),
        "limit_s": begin["limit_s"],
        "held": end.get("held", last.get("held")),
        "wanted": last.get("wanted"),
        "routers": begin["nodes"],
    }
    return Reading(
        status="timeout" if why == "time" else "failed",
        reason=Fact("act_stopped", about, end.get("words") or None),
    )


def _parts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield ``(number, what it said)`` of each router in a kept file."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for part in re.split(r"^== n", raw.decode(errors="replace"), flags=re.MULTILINE)[1:]:
        number, _, said = part.partition("\n")
        yield int(number), said


def _bgp(folder: Path) -> dict[str, float]:
    """Count what the daemons said once everybody held everything."""
    ends: set[tuple[int, int]] = set()
    messages = 0
    for number, said in _parts(folder / "cold.protocols.txt.gz"):
        ends |= {(number, int(peer)) for peer in _SESSION.findall(said)}
        # the static block's and the kernel's own channels count too, and have no session behind them
        for protocol in re.split(r"\n(?=\S)", said):
            if re.match(r"n\d+ +BGP", protocol):
                messages += sum(map(int, _RECEIVED.findall(protocol)))
    both = {(a, b) for a, b in ends if a < b and (b, a) in ends}
    networks: list[int] = []
    paths = 0
    for _, said in _parts(folder / "cold.count.txt"):
        if not (found := _TABLE.search(said)):
            raise ParseError("no count of table master4", path="cold.count.txt")
        networks.append(int(found[3]) - 2)  # less its own block and the link
        paths += int(found[2]) - 2
    counted: dict[str, float] = {
        "sessions": len(both),
        "routes_per_node": _one(networks),
        "routes": sum(networks),
    }
    return counted | {"paths": paths, "messages": messages} | _proc(folder / "cold.proc.txt")


def _flannel(folder: Path, begin: dict[str, Any]) -> dict[str, float]:
    """Count what the kernels were told."""
    routes = [_lines(said) for _, said in _parts(folder / "cold.routes.txt.gz")]
    counted: dict[str, float] = {"sessions": 0, "routes_per_node": _one(routes), "routes": sum(routes)}
    if begin["plane"] == "vxlan":
        counted["neighbours"] = sum(_lines(said) for _, said in _parts(folder / "cold.neighbours.txt.gz"))
        counted["fdb_entries"] = sum(_lines(said) for _, said in _parts(folder / "cold.fdb.txt.gz"))
    return counted


def _lines(said: str) -> int:
    return sum(bool(line.strip()) for line in said.splitlines())


def _one(values: list[int]) -> int:
    """Return the value that all share; the least where they differ, which the check will tell."""
    return min(values, default=0)


def _inexact(counted: dict[str, float], begin: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Yield ``(what, expected, found)`` of counts that are not what the number of routers makes them."""
    n, each = int(begin["nodes"]), int(begin["nodes"]) * (int(begin["nodes"]) - 1)
    expected = {
        "sessions": 0,
        "routes_per_node": n - 1,
        "routes": each,
        "neighbours": each,
        "fdb_entries": each,
    }
    if begin["plane"] == "bgp":
        expected["sessions"] = sessions(n, int(begin["reflectors"]))
    for what, number in expected.items():
        if what in counted and counted[what] != number:
            yield what, number, int(counted[what])


def _proc(path: Path) -> dict[str, float]:
    """Sum memory, CPU time and received bytes over the daemons."""
    total = {"rss_bytes": 0.0, "cpu_s": 0.0, "received_bytes": 0.0}
    for number, said in _parts(path):
        rss, ran = re.search(r"^VmRSS:\s+(\d+) kB", said, re.M), re.search(r"^schedstat: (\d+)", said, re.M)
        link = re.search(r"^\s*eth0:\s*(\d+)", said, re.M)
        if not (rss and ran and link):
            raise ParseError(f"n{number} lacks its memory, time or link", path=path.name)
        total["rss_bytes"] += int(rss[1]) * 1024
        total["cpu_s"] += int(ran[1]) / 1e9
        total["received_bytes"] += int(link[1])
    return total


def _version(folder: Path) -> str | None:
    found = (
        _VERSION.search((folder / "version.txt").read_text()) if (folder / "version.txt").exists() else None
    )
    return found[1] if found else None
