"""How a web server under load is measured: nginx at every server's end, one load generator, CPU time around it.

The generators are :mod:`cnilab.measurements.wrk` (closed loop) and :mod:`cnilab.measurements.pacer` (open loop). With
``over: loopback`` server and generator stand in the client's own end: what comes of it is the ceiling of the generator,
which no network can be measured above.

CPU time is the whole machine's, of ``/proc/stat`` before and after the generator ran: generator, nginx, and what
the kernel did for both. It is what a request costs the machine, and whatever else ran meanwhile is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cnilab.bench import Argv, Bench, End, Ended, kept
from cnilab.errors import ParseError
from cnilab.measurements.base import Call, Reading, Sample
from cnilab.measurements.web import nginx

LOOPBACK = "127.0.0.1"
#: Files in a trial's folder.
BEFORE, AFTER = "cpu-before.txt", "cpu-after.txt"
#: What a node is asked: which machine it is, and what its CPUs did since it started.
_CPU = ("cat", "/proc/sys/kernel/random/boot_id", "/proc/stat")
#: Nodes of one trial that are asked at most.
_MOST_NODES = 16
#: Ticks of /proc/stat in a second, on every architecture that Linux calls USER_HZ 100.
_TICKS = 100
_IDLE, _STEAL, _GUEST = (3, 4), 7, 8


@dataclass(frozen=True)
class Served:
    """Where a trial's servers stand, and the address its generator asks at."""

    ends: Sequence[End]
    address: str
    called: dict[str, object]


@contextmanager
def serving(bench: Bench, call: Call, folder: Path) -> Iterator[Served]:
    """Serve at every server's end, or at the client's own, while the context lasts."""
    servers = bench.servers()
    address = servers[0].address
    if call.options.get("over") == "loopback":
        servers, address = [bench.client()], LOOPBACK
    argv = nginx.server_argv(call)
    called: dict[str, object] = {"server_argv": kept(argv)}
    with ExitStack() as standing:
        served = [
            standing.enter_context(
                bench.serve(
                    end, argv, port=nginx.PORT, out=folder / f"{name}.out", err=folder / f"{name}.err"
                )
            )
            for end, name in zip(servers, names(len(servers)))
        ]
        yield Served(servers, address, called)
    called["server_code"] = served[0].code


def names(count: int) -> list[str]:
    """Return what the files of ``count`` servers are called.

    >>> names(2)
    ['server', 'server-2']
    """
    return ["server", *(f"server-{number}" for number in range(2, count + 1))]


def loaded(bench: Bench, argv: Argv, folder: Path, limit_s: float) -> Ended:
    """Run the generator, its output in ``client.out``, and read the CPUs' clocks right before and after."""
    _clocks(bench, folder / BEFORE)
    ended = bench.run(
        bench.client(), argv, out=folder / "client.out", err=folder / "client.err", limit_s=limit_s
    )
    _clocks(bench, folder / AFTER)
    return replace(ended, called={"client_argv": kept(argv), **ended.called})


def _clocks(bench: Bench, out: Path) -> None:
    """Ask every machine once; the nodes of a lab are one."""
    seen: set[str] = set()
    for node in bench.nodes()[:_MOST_NODES]:
        machine = bench.ask(node, _CPU, out=out).split("\n", 1)[0]
        if machine in seen:
            break
        seen.add(machine)


def measure(
    bench: Bench, call: Call, folder: Path, limit_s: float, client_argv: Callable[[Call, str], Argv]
) -> Ended:
    """Serve and run a generator once against the address that the servers share."""
    with serving(bench, call, folder) as served:
        ended = loaded(bench, client_argv(call, served.address), folder, limit_s)
    return replace(ended, called=served.called | dict(ended.called))


def with_cpu(reading: Reading, folder: Path) -> Reading:
    """Return a reading with the CPU time of its requests, where the clocks were read and requests were answered."""
    rate = next((s.value for s in reading.samples if s.metric == "request_rate_per_s"), 0.0)
    requests = rate * (reading.duration_s or 0.0)
    if reading.status != "ok" or not requests or not (folder / AFTER).is_file():
        return reading
    busy_s, ratio = spent((folder / BEFORE).read_text(), (folder / AFTER).read_text())
    found = (Sample("cpu_s_per_request", busy_s / requests), Sample("cpu_busy_ratio", ratio))
    return replace(reading, samples=(*reading.samples, *found))


def spent(before: str, after: str) -> tuple[float, float]:
    """Return the CPU seconds between two readings of all machines' clocks, and their share of what there was.

    Raises
    ------
    ParseError
        If a machine's clock is not in both, or did not move.
    """
    first, then = _ticks(before), _ticks(after)
    if not then or first.keys() != then.keys():
        raise ParseError("the CPUs' clocks were not read of the same machines before and after")
    busy = sum(then[machine][0] - first[machine][0] for machine in then)
    whole = sum(then[machine][1] - first[machine][1] for machine in then)
    if whole <= 0 or busy < 0:
        raise ParseError("the CPUs' clocks did not move")
    return busy / _TICKS, busy / whole


def _ticks(text: str) -> dict[str, tuple[int, int]]:
    """Return for each machine how many ticks its CPUs were busy, and how many there were."""
    found: dict[str, tuple[int, int]] = {}
    machine = ""
    for line in text.splitlines():
        if line.startswith("cpu "):
            ticks = [int(word) for word in line.split()[1:] if word.isdecimal()]
            if len(ticks) <= _STEAL:
                raise ParseError(f"a CPU clock with {len(ticks)} columns: {line[:60]!r}")
            there = sum(ticks[:_GUEST])  # guests' time is in their hosts' already
            found[machine] = (there - sum(ticks[i] for i in (*_IDLE, _STEAL)), there - ticks[_STEAL])
        elif len(line) == 36 and line.count("-") == 4:
            machine = line
    return found
