"""What others published of the same modes: bands beside this study's ratios, each figure with its conditions.

One CSV in ``data/published``, a line a figure: value, what it was measured against, conditions, source, year. Published
figures of one mode differ by a factor of seven between machines, so they are never a criterion: nothing passes or
fails by them, and no code decides by them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from cnilab.bundled import bundled
from cnilab.errors import DataError
from cnilab.modes import MODES

#: Where the figures are, named as in the checkout.
FILE = "data/published/modes.csv"


@dataclass(frozen=True)
class Figure:
    """One published figure.

    Parameters
    ----------
    source, year
        Who published it, and when; None where that is not stated.
    mode, against
        What was measured, and what beside it; None where nothing was.
    placement
        Where the two ends stood.
    metric, stat, unit
        What was measured, in base units.
    streams
        How many streams in parallel; None where that is no matter.
    value, against_value
        What was found; None where only their ratio was published.
    ratio
        Of the two; None where there is nothing to compare with.
    conditions
        Under which it holds.
    """

    source: str
    year: int | None
    mode: str
    against: str | None
    placement: str
    metric: str
    stat: str
    unit: str
    streams: int | None
    value: float | None
    against_value: float | None
    ratio: float | None
    conditions: str


@cache
def figures() -> tuple[Figure, ...]:
    """Return every published figure, in the file's order.

    Raises
    ------
    DataError
        If a line names an unknown mode, or has neither a value nor a ratio, or no conditions or source.
    """
    with bundled(FILE).open(encoding="utf-8", newline="") as file:
        return tuple(_figure(number, row) for number, row in enumerate(csv.DictReader(file), 2))


def _figure(line: int, row: dict[str, str]) -> Figure:
    value, against_value, ratio = (_number(row[k]) for k in ("value", "against_value", "ratio"))
    wrong = [row[k] for k in ("mode", "against") if row[k] and row[k] not in MODES]
    if wrong or not row["mode"] or not (row["conditions"] and row["source"]):
        raise DataError(
            f"{FILE}:{line}: mode {wrong or row['mode']!r}; every figure names a mode, conditions and source"
        )
    if value is None and ratio is None:
        raise DataError(f"{FILE}:{line}: neither value nor ratio; a figure has one of them")
    if ratio is None and value is not None and against_value is not None:
        ratio = value / against_value
    return Figure(
        row["source"], int(row["year"]) if row["year"] else None, row["mode"], row["against"] or None, row["placement"],
        row["metric"], row["stat"], row["unit"], int(row["streams"]) if row["streams"] else None, value, against_value,
        ratio, row["conditions"],
    )  # fmt: skip


def _number(text: str) -> float | None:
    return float(text) if text else None


def beside(
    metric: str, stat: str, *, against: str, streams: int | None = None, modes: Iterable[str] | None = None
) -> list[Figure]:
    """Return the published ratios of one metric and stat to one mode.

    Parameters
    ----------
    metric, stat
        What was measured.
    against
        What it was measured against: only then is a ratio the same thing.
    streams
        How many streams in parallel, None for any number.
    modes
        Only these.
    """
    wanted = None if modes is None else set(modes)
    return [
        f for f in figures()
        if (f.metric, f.stat, f.against) == (metric, stat, against) and f.ratio is not None
        and (streams is None or f.streams in (None, streams)) and (wanted is None or f.mode in wanted)
    ]  # fmt: skip


__all__ = ["FILE", "Figure", "beside", "figures"]
