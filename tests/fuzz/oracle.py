"""What must hold of a reader's answer to any bytes, beyond not crashing: no silent wrong number, no hang.

A mutated file has no known right answer, so two kinds of truth stand in for it. Of one answer: every number is
finite and possible, ordered where it must be, named once, in a base unit. Of two answers: what says the same
(CRLF, a byte order mark, UTF-16) reads the same, so do totals without their series, and a decimal comma is never
read as another number.
"""

from __future__ import annotations

import contextlib
import re
import signal
import zlib
from collections.abc import Iterator
from itertools import pairwise

from invariants import read

from cnilab.measurements import get
from cnilab.measurements.base import Reading
from cnilab.measurements.reading import plausible as checks
from cnilab.runs.samples import STATS

#: CPU seconds one input may take. CPU time, so that a paused or crowded machine is no hang.
SECONDS = 5.0

_POINT = re.compile(rb"(\d)\.(?=\d)")
#: Readers whose format uses the comma itself: a decimal comma is a broken file there, not another locale.
_COMMAS = frozenset({"iperf2", "netperf", "perf_tests", "sockperf", "hey", "ab", "k8s_netperf"})
_RATIOS = re.compile(r"(?:^|_)(?:loss_ratio|duplicate_ratio)$")


def check(name: str, raw: bytes) -> None:
    """Read ``raw`` as ``name``'s output; raise AssertionError or what the reader raised."""
    found = read(name, raw)
    for reading in found or ():
        _sound(reading)
    if found is None or not any(reading.samples for reading in found):
        return
    # One of four inputs is read a second time: enough to find a difference, cheap enough for millions.
    turn = zlib.crc32(raw) & 15
    if turn < 3 and b"\r" not in raw and raw[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb"):
        other = _same(raw, turn)
        assert values(read(name, other)) == values(found), (
            f"{('CRLF', 'BOM', 'UTF-16')[turn]} reads differently"
        )
    elif turn == 3 and name not in _COMMAS and b"," not in raw and all(r.status == "ok" for r in found):
        # (a comma may well make a number that failed its test unreadable, and so the rest of it readable)
        new = values(read(name, _POINT.sub(rb"\1,", raw))) - values(found)
        assert not any(m.endswith(("_bps", "_per_s", "_s")) for m, _, _ in new), (
            f"decimal commas read as {new}"
        )
    elif turn == 4 and hasattr(get(name), "parse_totals") and all(r.status == "ok" for r in found):
        # (where the whole is broken, its totals may well be sound)
        assert values(read(name, raw, totals=True)) == values(found), (
            "without its series it reads differently"
        )


def _same(raw: bytes, turn: int) -> bytes:
    if turn == 0:
        return raw.replace(b"\n", b"\r\n")
    if turn == 1:
        return b"\xef\xbb\xbf" + raw
    return raw.decode("utf-8", "replace").encode("utf-16")


def values(found: list[Reading] | None) -> set[tuple[str, str, float]]:
    """Return what was measured, without where it stood."""
    return {(s.metric, s.stat, s.value) for reading in found or () for s in reading.samples}


def _sound(reading: Reading) -> None:
    names = [(s.metric, s.stat) for s in reading.samples]
    assert len(names) == len(set(names)), f"told twice: {sorted(names)}"
    known = dict.fromkeys(names)
    for sample in reading.samples:
        known[sample.metric, sample.stat] = sample.value
        assert type(sample.value) in (float, int), sample
        assert sample.stat in STATS, sample
        assert sample.value >= 0, sample
        assert not (_RATIOS.search(sample.metric) and sample.value > 1), sample
    for metric in {metric for metric, _ in names}:
        ladder = [known[metric, stat] for stat in checks.ORDER if known.get((metric, stat)) is not None]
        assert all(a <= b * 1.002 for a, b in pairwise(ladder)), f"{metric} is not ordered: {ladder}"
    duration = reading.duration_s
    assert duration is None or 0 <= duration <= 1e9, f"duration {duration}"


@contextlib.contextmanager
def no_hang() -> Iterator[None]:
    """End what takes more than :data:`SECONDS` of CPU with a TimeoutError."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def ring(*_: object) -> None:
    """Answer the alarm of :func:`no_hang`."""
    raise TimeoutError(f"more than {SECONDS} CPU seconds for one input")
