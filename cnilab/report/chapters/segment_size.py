"""What a mode's own segment size makes of its goodput, and the rest, where the streams were measured both ways.

Shown only where they were measured as shipped and at equal MSS. The factors are :mod:`cnilab.stats.split`'s;
nothing here is a verdict, and no sentence says more than an interval does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnilab import digits, modes
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.figures import segment_size as figure
from cnilab.report.figures.segment_size import Factors
from cnilab.report.language import Language
from cnilab.report.language.text import Said, text
from cnilab.report.record import Record
from cnilab.stats import cells
from cnilab.stats.projection import label_of_test
from cnilab.stats.ratio import Interval
from cnilab.stats.split import payload_share, split

METRIC = "goodput_bps"


def applies(run: Record) -> Fact | None:
    """Where both segment sizes were measured."""
    return None if factors(run) else Fact("no_equal_mss")


def content(run: Record, language: Language) -> list[Block]:
    """Return the factors as sentences, a table and a figure."""
    found, base = factors(run), run.study.baseline
    shown = parts(found, language, baseline=base, level=1 - run.study.alpha)
    items: list[tuple[Said, tuple[Said, ...]]] = [
        (language.placement(place), tuple(sentence(x, language) for x in found if x.placement == place))
        for place in dict.fromkeys(x.placement for x in found)
    ]
    data = parts(found, language, baseline=base, level=1 - run.study.alpha, id="fig-loss-data")
    return [
        Heading(language.word("segment.title"), "loss"),
        Paragraph(language.say("segment.intro")),
        Facts(tuple(items), "said"),
        shown,
        figure.picture(found, language, baseline=base, data=data),
        Paragraph(language.say("segment.note"), "note"),
    ]


def factors(run: Record) -> list[Factors]:
    """Return every mode's ratio to the baseline in factors; empty where equal MSS was not measured.

    On one node nothing is encapsulated and the baseline's packets pass the loopback device, so that there is no
    header to speak of: only placements between nodes are parted.
    """
    study, out = run.study, []
    test = next((t.name for t in study.tests if study.mss == "both" and _measured(run, t.name)), None)
    if test is None:
        return []
    for place in (p for p in study.placements if p != "same_node"):
        shipped = run.table(METRIC, "value", test, place)
        equal = run.table(METRIC, "value", _equal(test), place)
        if shipped is None or equal is None or study.baseline not in shipped.modes:
            continue
        for mode in modes.order(m for m in shipped.modes if m != study.baseline and m in study.modes):
            ends = [_values(shipped, shipped, m) for m in (mode, study.baseline)]
            fair = [_values(equal, shipped, m) for m in (mode, study.baseline)]
            headers = _share(run, mode, place) / _share(run, study.baseline, place)
            parted = split(*ends, *fair, headers=headers, alpha=study.alpha)
            if parted is not None:
                out.append(Factors(mode, run.kernel_paths.get(mode), place, test, parted))
    return out


def _equal(test: str) -> str:
    """The label of a test at equal segment size."""
    return label_of_test(test, {"mss": "equal"})


def _measured(run: Record, test: str) -> bool:
    return any(run.table(METRIC, "value", _equal(test), p) for p in run.study.placements)


def _values(table: cells.Table, order: cells.Table, mode: str) -> np.ndarray:
    """Return a mode's cells in the blocks of ``order``; NaN where the table has none."""
    if mode not in table.modes:
        return np.full(len(order.blocks), np.nan)
    at = dict(zip(table.blocks, table.values[table.row(mode)], strict=True))
    return np.array([at.get(b, np.nan) for b in order.blocks])


def _share(run: Record, mode: str, place: str) -> float:
    """Return the payload share of a full segment; WireGuard pads none, its padding ends at the MTU."""
    about = modes.get(mode)
    seen = {p.get("evidence", {}).get("underlay_mtu") for p in run.proofs.values()} - {None}
    underlay = min(seen, default=modes.UNDERLAY_MTU)
    return payload_share(about.pod_mtu(underlay), modes.HEADER_BYTES[about.outer(place)])


def parts(
    found: Sequence[Factors], language: Language, *, baseline: str, level: float, id: str = "loss-table"
) -> Table:
    """Return the factors as a table: a line per mode, parted by placement."""
    base = language.mode(baseline)
    return table(
        id,
        language.word("segment.caption", test=found[0].test, base=base, level=f"{level:.0%}"),
        [
            language.word("column.mode"),
            language.word("column.ratio_to", base=base),
            language.word("segment.own"),
            language.word("segment.rest_equal"),
            language.word("segment.header_bytes"),
            language.word("column.blocks"),
        ],
        [
            (
                str(language.mode(x.mode, x.kernel_path)),
                *(_shown(part) for part in (x.parts.ratio, x.parts.segments, x.parts.rest)),
                f"{x.parts.headers:.3f}",
                str(x.parts.ratio.n),
            )
            for x in found
        ],
        groups=[language.placement(x.placement) for x in found],
        right=range(1, 6),
    )


def _shown(interval: Interval) -> str:
    low, high = (v if np.isfinite(v) and v > 0 else None for v in (interval.low, interval.high))
    return digits.ratio(interval.estimate, low, high)


def sentence(found: Factors, language: Language) -> Said:
    """Say what the intervals of one mode's two factors say, and no more."""
    said = language.SEMICOLON.join(
        f"{language.word(f'segment.{name}')}{language.COLON}{language.factor(part)}"
        for name, part in (("own", found.parts.segments), ("rest", found.parts.rest))
    )
    return text(language.mode(found.mode, found.kernel_path), f"{language.COLON}{said}{language.STOP}")
