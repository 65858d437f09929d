"""What was fixed before the first trial, and which table of the data it means.

A family is formed from what was *planned*: its size never depends on which trials worked or on which rows somebody
looks at. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from cnilab.errors import DataError, UnknownKey

#: Which stat a declared metric means if the study does not say.
STAT_ORDER = ("value", "p50", "mean")
#: What a primary family can be narrowed by.
NARROWING = ("placement", "path")


@dataclass(frozen=True)
class Declared:
    """What a study said before the first trial.

    Parameters
    ----------
    primary
        ``{"test": …, "metric": …}`` and optionally ``placement``, ``path``, ``stat``: the one family that is protected
        as a whole. None: nothing was declared.
    modes, placements
        What was planned. A mode or placement without a single row still counts in the families.
    margin
        False if the margin was chosen afterwards, which stamps every row ``post_hoc_margin``.
    sequential
        True if the number of blocks was decided by looking at the precision reached: then 0.7 alpha is used
        throughout, which keeps the promised coverage.
    design
        How the order within blocks was drawn: ``randomised`` or ``williams``. None: nobody has recorded it, and when
        things were measured is looked at instead.
    impossible
        ``(mode, placement, path)`` that cannot have a value by what the modes are, known before the first trial: such a
        comparison counts in no family.
    better
        Metric -> ``higher`` or ``lower``, for metrics of which the table of metrics does not know it.
    """

    primary: Mapping[str, Any] | None = None
    modes: Sequence[str] | None = None
    placements: Sequence[str] | None = None
    margin: bool = True
    sequential: bool = False
    design: str | None = None
    impossible: Collection[tuple[str, str, str]] = ()
    better: Mapping[str, str] = field(default_factory=dict)


class _Named(Protocol):
    """What a table of cells is called."""

    @property
    def test(self) -> str | None: ...
    @property
    def metric(self) -> str: ...
    @property
    def stat(self) -> str: ...


@dataclass(frozen=True)
class Primary:
    """A declared family as the data have it: ``(test, metric, stat)`` in full, and what it is narrowed to."""

    test: str | None
    metric: str
    stat: str
    within: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str | None, str, str]:
        return self.test, self.metric, self.stat

    def names(self, table: _Named) -> bool:
        """Whether a table holds the declared test, metric and stat, wherever it was measured."""
        return (table.test, table.metric, table.stat) == self.name

    def covers(self, table: _Named) -> bool:
        """Whether a table is of the family."""
        return self.names(table) and self.allows({key: getattr(table, key) for key in NARROWING})

    def allows(self, where: Mapping[str, Any]) -> bool:
        """Whether the family reaches a placement and path."""
        return all(where[key] == value for key, value in self.within.items())


def primary_of(frame: pd.DataFrame, asked: Mapping[str, Any]) -> Primary:
    """Return the declared family of a frame as :func:`cnilab.stats.frame.tidy` gives it.

    A stat that is not declared is the first of ``value``, ``p50``, ``mean`` that the metric has.

    Raises
    ------
    UnknownKey
        If the test, the metric or the stat is not in the table although its test has values.
    DataError
        If no metric is named.
    """
    allowed = ("test", "metric", *NARROWING, "stat")
    if odd := [k for k in asked if k not in allowed]:
        raise UnknownKey("key of primary", odd[0], allowed)
    if not asked.get("metric"):
        raise DataError(f"primary {dict(asked)!r} names no metric; it needs at least test and metric")
    tests = sorted(str(t) for t in frame["test"].dropna().unique() if t)
    test = asked.get("test")
    if test is None and len(tests) == 1:
        test = tests[0]
    if (test is None and tests) or (test is not None and test not in tests):
        raise UnknownKey("primary test", test, tests)
    here = frame if test is None else frame[frame["test"] == test]
    ok = here[here["status"] == "ok"]
    there = ok[ok["metric"] == asked["metric"]]
    if there.empty and len(ok):
        raise UnknownKey("primary metric", asked["metric"], sorted(map(str, ok["metric"].dropna().unique())))
    stats = set(there["stat"].dropna())
    stat = asked.get("stat") or next((s for s in STAT_ORDER if s in stats), STAT_ORDER[0])
    if stats and stat not in stats:
        raise UnknownKey("primary stat", stat, sorted(map(str, stats)))
    within = {k: asked[k] for k in NARROWING if asked.get(k) is not None}
    for key, value in within.items():
        if value not in (known := sorted(map(str, here[key].dropna().unique()))):
            raise UnknownKey(f"primary {key}", value, known)
    return Primary(test, str(asked["metric"]), str(stat), within)


__all__ = ["STAT_ORDER", "Declared", "Primary", "primary_of"]
