"""What sentences, figures and tables all ask of a comparison: how it is to be shown, and what carried its packets.

Codes in, codes out; no word is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log
from typing import Any

from cnilab.facts import Fact
from cnilab.verdicts import FLAGS, VERDICTS, Verdict, absence_in

#: A comparison by its keys (:class:`cnilab.stats.comparison.Comparison`, or a dict of the same).
Row = Mapping[str, Any]

#: Flags that change how a verdict is to be read, beyond what its sentence says already.
DOUBTS = tuple(flag.code for flag in FLAGS.values() if flag.kind == "doubt")
#: kernel_path of everything but the real implementation.
SUBSTITUTES = ("ebpf", "userspace")


def why_absent(row: Row) -> str | None:
    """Return the flag that says why there is nothing to compare, None where there is something."""
    return absence_in(row["flags"]) if row["verdict"] in ("not_comparable", "insufficient_n") else None


def shown_as(row: Row) -> Verdict:
    """Return the verdict whose sign a comparison carries; one that could not be made is shown as absent."""
    return VERDICTS["not_comparable" if why_absent(row) else row["verdict"]]


def substitutes(kernel_path: str | None) -> list[str]:
    """Return what carried packets in place of the real implementation.

    >>> substitutes("ebpf+native"), substitutes("native"), substitutes(None)
    (['ebpf'], [], [])
    """
    return [path for path in str(kernel_path or "").split("+") if path in SUBSTITUTES]


def by_verdict(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Group rows by verdict, what is known first."""
    rows = list(rows)
    groups = [(verdict, [r for r in rows if r["verdict"] == verdict]) for verdict in VERDICTS]
    return [(verdict, group) for verdict, group in groups if group]


def unbounded(row: Row) -> bool:
    """Whether so few blocks set no bound to the difference."""
    stem = "difference_sim_ci" if row["scale"] == "linear" else "sim_ci"
    return row[f"{stem}_low"] is None and row[f"{stem}_high"] is None


def reason_of(row: Row) -> Fact | None:
    """Return why there is no comparison; of a fact about the row's own mode what it says, as a sentence names it."""
    fact = Fact.from_dict(row["reason"]) if row.get("reason") else None
    inner = fact.args.get("why") if fact else None
    return inner if fact and isinstance(inner, Fact) and fact.args.get("mode") == row["mode"] else fact


def interval(row: Row) -> tuple[float | None, float | None]:
    """Return the interval that goes with the verdict (:mod:`cnilab.stats.shown`), on the row's own scale."""
    return row["shown_low"], row["shown_high"]


def size(row: Row) -> float:
    """Return how far from none an estimate is, whichever way, to put comparisons of one metric in order."""
    if row["scale"] == "linear":
        return abs(row["difference"] or 0.0)
    return abs(log(row["ratio"])) if row["ratio"] else 0.0
