"""Two runs in one file: pasted one after the other, printed at the same time by two speakers, or one of them cut.

Whatever of them is read is what one of them gives alone; what is missing has a failure that names it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cnilab import measurements
from cnilab.errors import ParseError
from cnilab.measurements import readers
from cnilab.measurements.base import Reading

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
#: A whole document in one file, or compressed: nothing can stand behind it.
ALONE = (".gz", ".knbdata", ".html")


def files(tool: str) -> list[Path]:
    return sorted(p for p in DATA.joinpath(tool).iterdir() if p.is_file() and p.suffix not in ALONE)


#: Each file with the next two of its tool, and the last ones with the first.
PAIRS = [
    (tool, first, second)
    for tool in readers()
    for at, first in enumerate(files(tool))
    for second in [files(tool)[(at + step) % len(files(tool))] for step in (1, 2)]
    if first != second
]
IDS = [f"{tool}-{first.stem}-{second.stem}" for tool, first, second in PAIRS]


def said(tool: str, raw: bytes) -> tuple[Counter, list[str]]:
    """Return what was measured, and the reasons of what failed."""
    try:
        found = measurements.read(tool, raw)
    except ParseError as problem:
        return Counter(), [problem.what]
    return (
        Counter(_figures(reading) for reading in found if reading.status == "ok"),
        [reading.reason or "" for reading in found if reading.status != "ok"],
    )


def _figures(reading: Reading) -> tuple:
    return reading.test, tuple(sorted(reading.samples))


def hold(tool: str, together: bytes, *apart: bytes) -> None:
    """Assert that a file says no more than its parts alone, and nothing less without a failure."""
    alone = [said(tool, raw) for raw in apart]
    union = sum((values for values, _ in alone), Counter())
    values, failures = said(tool, together)
    invented = values - union
    assert not invented, f"nobody measured {invented}"
    if lost := union - values:
        known = sum(len(reasons) for _, reasons in alone)
        assert (
            len(failures) > known or not values or any("line" in why or "cookie" in why for why in failures)
        ), f"lost without a word: {lost}; {failures}"


def whole(path: Path) -> bytes:
    raw = path.read_bytes()
    return raw if raw.endswith(b"\n") else raw + b"\n"


@pytest.mark.parametrize(("tool", "first", "second"), PAIRS, ids=IDS)
def test_one_run_pasted_behind_another(tool, first, second):
    a, b = whole(first), whole(second)
    hold(tool, a + b, a, b)


@pytest.mark.parametrize(("tool", "first", "second"), PAIRS, ids=IDS)
def test_two_speakers_at_the_same_time(tool, first, second):
    a, b = whole(first), whole(second)
    lines = [a.splitlines(keepends=True), b.splitlines(keepends=True)]
    mixed = b""
    for at in range(max(map(len, lines))):
        for name, own in zip((b"a", b"b"), lines):
            mixed += b"".join(b"[pod/client-" + name + b"/bench] " + line for line in own[at : at + 1])
    hold(tool, mixed, a, b)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("tool", "first", "second"), PAIRS, ids=IDS)
def test_a_run_behind_one_that_was_cut(tool, first, second, share):
    a, b = whole(first), whole(second)
    cut = a[: int(len(a) * share)].rpartition(b"\n")[0] + b"\n"
    if "fping_5.1_interim" in str(first):
        return  # below the hour of an interval that was cut, a summary is that interval's; nothing tells it apart
    hold(tool, cut + b, cut, b)
