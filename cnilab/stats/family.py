"""Which comparisons are protected together.

What was declared is :mod:`cnilab.stats.declared`; adjusting p-values is :mod:`cnilab.stats.multiplicity`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cnilab.errors import DataError, UnknownKey
from cnilab.stats.cells import Cells


def compared_modes(cells: Cells, baseline: str) -> list[str]:
    """Return the modes to compare with the baseline: all but itself and the controls."""
    if baseline not in cells.modes:
        raise UnknownKey("baseline", baseline, cells.modes)
    own = controls(cells)
    compared = [m for m in cells.modes if m != baseline and m not in own]
    if not compared and not own:
        raise DataError(
            f"only {baseline!r} was measured; a comparison needs a second mode in the same blocks"
        )
    return compared


def controls(cells: Cells) -> list[str]:
    """Return the blind twins of modes that were measured."""
    return [m for m in cells.modes if cells.twins.get(m) in cells.modes]


def possible(
    cells: Cells, baseline: str, compared: Sequence[str], placements: Sequence[str] | None,
    impossible: Collection[tuple[str, str, str]],
) -> dict[str | None, dict[tuple, int]]:
    """For each test and each (placement, path) in which it was planned, return how many comparisons it can have.

    What cannot have a value is told by what the modes are and not by what became of the trials, so the number is known
    before the first one. A comparison that has values all the same counts.
    """
    measured = {
        (t.test, t.placement, t.path, m) for t in cells.tables for m in t.modes if t.runs[t.row(m)].any()
    }
    ruled_out = set(impossible)
    return {
        test: {
            where: sum(
                all(
                    (m, dict(where)["placement"], dict(where)["path"]) not in ruled_out
                    or (test, dict(where)["placement"], dict(where)["path"], m) in measured
                    for m in (mode, baseline)
                )
                for mode in compared
            )
            for where in planned
        }
        for test, planned in scenarios_planned(cells, placements).items()
    }


def scenarios_planned(cells: Cells, placements: Sequence[str] | None) -> dict[str | None, set[tuple]]:
    """For each test, return the (placement, path) in which it was planned."""
    out: dict[str | None, set[tuple]] = {}
    for t in cells.tables:
        out.setdefault(t.test, set()).add((("placement", t.placement), ("path", t.path)))
    for planned in out.values():
        paths = {where[1] for where in planned}
        planned |= {(("placement", p), path) for p in placements or () for path in paths}
    return out
