"""What one more rule of a network policy costs a new connection, and an exchange on a standing one.

Of a study that varies ``policy_rules``. The slopes are :mod:`cnilab.stats.slope`'s, and no sentence says more than an
interval does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from cnilab import digits, modes
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.figures import policy as figure
from cnilab.report.language import Language
from cnilab.report.language.text import Said, text
from cnilab.report.record import Record
from cnilab.stats.projection import label_of_test
from cnilab.stats.ratio import Interval
from cnilab.stats.slope import Sloped, sloped
from cnilab.study.factors import FACTORS

RULES, MATCH = "policy_rules", "policy_match"
METRIC, STAT = "latency_s", "p50"
_NS = 1e9


@dataclass(frozen=True)
class Line:
    """Cost by the number of rules under one mode: medians over blocks in seconds, and what one more rule costs."""

    mode: str
    kernel_path: str | None
    placement: str
    what: str  # "connect" or "exchange"
    match: str
    levels: tuple[int, ...]
    costs: tuple[float, ...]
    found: Sloped


def applies(run: Record) -> Fact | None:
    """Where the number of rules varies and a cost was measured at three levels of it."""
    return None if lines(run) else Fact("no_policy_rules")


def content(run: Record, language: Language) -> list[Block]:
    """Return each slope as a sentence, a table and a figure."""
    found, level = lines(run), 1 - run.study.alpha
    items: list[tuple[Said, tuple[Said, ...]]] = []
    for what, match in dict.fromkeys((x.what, x.match) for x in found):
        said = [
            text(
                language.mode(x.mode, x.kernel_path),
                f"{language.COLON}{sentence(x.found.slope, language)}{language.STOP}",
            )
            for x in found
            if (x.what, x.match) == (what, match)
        ]
        items.append((_named(what, match, language), tuple(said)))
    data = parts(found, language, level=level, id="fig-policy-data")
    return [
        Heading(language.word("policy.title"), "policy"),
        Facts(tuple(items), "said"),
        Paragraph(language.say("policy.intro")),
        parts(found, language, level=level),
        figure.picture(found, language, data=data),
    ]


def lines(run: Record) -> list[Line]:
    """Return a line for each mode, placement, test and place of the rule that allows."""
    levels = sorted(int(level) for level in run.study.factors.get(RULES, ()))
    if len(levels) < 3:
        return []
    out = []
    matches = FACTORS[MATCH].order(run.study.factors.get(MATCH, ("last",)))
    tests = [t for t in run.study.tests if t.kind == "http_load" and t.options.get("over") != "loopback"]
    for place, test, match in product(run.placements, tests, matches):
        beside = {MATCH: match} if match != matches[0] else {}
        tables = []
        for level in levels:
            named = ({RULES: level} if level != levels[0] else {}) | beside
            ordered = {name: named[name] for name in run.study.factors if name in named}
            tables.append(run.table(METRIC, STAT, label_of_test(test.name, ordered), place))
        there = [t for t in tables if t is not None]
        for mode in modes.order({m for t in there for m in t.modes if m not in run.cells.twins}):
            by_block = [{} if t is None or mode not in t.modes else _costs(t, mode) for t in tables]
            blocks = sorted({b for at in by_block for b in at})
            costs = np.array([[at.get(b, np.nan) for at in by_block] for b in blocks])
            found = sloped(levels, costs, run.study.alpha) if len(blocks) else None
            if found is not None:
                what = "connect" if test.options.get("connection") == "new" else "exchange"
                middle = tuple(float(np.nanmedian(c)) if np.isfinite(c).any() else np.nan for c in costs.T)
                out.append(Line(mode, run.kernel_paths.get(mode), place, what, match, tuple(levels), middle, found))
    return out


def _costs(found, mode: str) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return each block's cost in seconds; a block without one is absent."""
    values = dict(zip(found.blocks, found.values[found.row(mode)], strict=True))
    return {str(b): float(np.exp(v)) for b, v in values.items() if np.isfinite(v)}


def sentence(found: Interval, language: Language) -> str:
    """Say what the interval of one slope says, and no more."""
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return language.word("policy.unbounded", slope=nanoseconds(found.estimate))
    if found.low <= 0 <= found.high:
        return language.word("policy.none", low=nanoseconds(found.low), high=nanoseconds(found.high))
    low, high = sorted((abs(found.low), abs(found.high)))
    key = "policy.adds" if found.low > 0 else "policy.takes"
    ends = {"low": nanoseconds(low), "high": nanoseconds(high)}
    return language.word(key, slope=nanoseconds(abs(found.estimate)), **ends)


def nanoseconds(seconds: float) -> str:
    """Return a number of nanoseconds with three digits.

    >>> nanoseconds(2.3712e-6), nanoseconds(-1.4e-9)
    ('2,370', '-1.4')
    """
    return f"{float(f'{seconds * _NS:.3g}'):,g}"


def _named(what: str, match: str, language: Language) -> str:
    return str(text(language.word(f"policy.{what}", match=language.word(f"policy.{match}"))).capitalised)


def parts(found: Sequence[Line], language: Language, *, level: float, id: str = "policy-table") -> Table:
    """Return the slopes as a table, parted by what was measured."""
    levels = found[0].levels
    head = [
        language.word("column.mode"),
        language.word("policy.slope"),
        language.word("policy.bend"),
        *(language.word("policy.at", rules=n) for n in levels),
        language.word("column.blocks"),
    ]
    scale = digits.scale_of([c for x in found for c in x.costs], "s")
    rows = [
        (
            str(language.mode(x.mode, x.kernel_path)),
            _shown(x.found.slope),
            _shown(x.found.bend),
            *(f"{scale(c):.3g} {scale.label}" if np.isfinite(c) else "–" for c in x.costs),
            str(x.found.slope.n),
        )
        for x in found
    ]
    return table(
        id,
        language.word("policy.caption", level=f"{level:.0%}", middle=f"{np.median(levels):g}"),
        head,
        rows,
        groups=[f"{_named(x.what, x.match, language)}{language.COMMA}{language.placement(x.placement)}" for x in found],
        right=range(1, len(head)),
    )


def _shown(found: Interval | None) -> str:
    if found is None:
        return "–"
    bounded = np.isfinite(found.low) and np.isfinite(found.high)
    ends = f" ({nanoseconds(found.low)} – {nanoseconds(found.high)})" if bounded else ""
    return nanoseconds(found.estimate) + ends
