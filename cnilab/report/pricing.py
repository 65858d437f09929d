"""What each mode costs, beside the baseline: a line a mode, a column a quantity, in the order of the evidence.

Values only: :mod:`cnilab.report.chapters.prices` shows them, ``summary.json`` keeps them. Modes stand by the rank
intervals of the declared metric; what was carried by a stand-in for the kernel's device has no rank and stands last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnilab import modes
from cnilab.errors import CnilabError
from cnilab.facts import Fact
from cnilab.report.language.about import Row, substitutes
from cnilab.runs.samples import PLACEMENTS
from cnilab.stats import rank
from cnilab.stats.split import payload_share

if TYPE_CHECKING:
    from cnilab.report.record import Record

#: (metric, stat) of the columns, in order.
COLUMNS = (
    ("goodput_bps", "value"),
    ("throughput_bps", "value"),
    ("rtt_s", "p50"),
    ("rtt_s", "p99"),
    ("transaction_rate_per_s", "value"),
    ("request_rate_per_s", "value"),
    ("cpu_s_per_byte", "value"),
    ("cpu_s_per_transaction", "value"),
    ("wire_bytes_per_byte", "value"),
)


@dataclass(frozen=True)
class Place:
    """A mode's rank interval among ``of`` modes."""

    low: int
    high: int
    of: int


@dataclass(frozen=True)
class Line:
    """One mode in one placement.

    Parameters
    ----------
    mode, kernel_path
        Which, and what carried its packets.
    place
        Its rank interval; None where it has none.
    rows
        ``(metric, stat)`` -> its comparison with the baseline.
    wire
        Bytes on the wire for a byte of payload in a full segment, by arithmetic; None where the mode does not reach.
    """

    mode: str
    kernel_path: str | None
    place: Place | None
    rows: Mapping[tuple[str, str], Row]
    wire: float | None


@dataclass(frozen=True)
class Prices:
    """One placement: the baseline's line, then the others' in the order of the evidence.

    ``columns`` are ``(metric, stat, test)``; ``ceilings`` are ``(mode, test)`` of streams bound by one full core.
    """

    placement: str
    columns: tuple[tuple[str, str, str], ...]
    baseline: str
    baseline_place: Place | None
    baseline_wire: float | None
    lines: tuple[Line, ...]
    ceilings: frozenset[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return places and bytes on the wire, which no other file of a run has."""
        names = {self.baseline: (self.baseline_place, self.baseline_wire)}
        names |= {line.mode: (line.place, line.wire) for line in self.lines}
        rows = [
            {
                "mode": mode,
                "rank_low": place.low if place else None,
                "rank_high": place.high if place else None,
                "ranked": place.of if place else None,
                "wire_bytes_per_byte": wire,
            }
            for mode, (place, wire) in names.items()
        ]
        return {"placement": self.placement, "rows": rows}


def prices(run: Record) -> list[Prices]:
    """Return a price list per placement in which something was compared, from near to far."""
    return [one for place in PLACEMENTS if (one := _at(run, place)).lines]


def _at(run: Record, placement: str) -> Prices:
    asked: dict[tuple[str, str], str] = {}
    for metric, stat, test in run.questions():
        if (metric, stat) in COLUMNS:
            asked.setdefault((metric, stat), test)
    found: dict[str, dict[tuple[str, str], Row]] = {}
    for (metric, stat), test in asked.items():
        for row in run.select(metric, stat, test):
            if row["placement"] == placement:
                found.setdefault(row["mode"], {})[metric, stat] = row
    columns = [(*key, asked[key]) for key in COLUMNS if any(key in rows for rows in found.values())]
    places = _places(run, placement)
    lines = [
        Line(
            mode,
            run.kernel_paths.get(mode),
            None if substitutes(run.kernel_paths.get(mode)) else places.get(mode),
            rows,
            _wire(run, mode, placement),
        )
        for mode, rows in found.items()
    ]
    base = run.study.baseline
    return Prices(
        placement, tuple(columns), base, places.get(base), _wire(run, base, placement),
        tuple(sorted(lines, key=_order)), _ceilings(run, placement),
    )  # fmt: skip


def _ceilings(run: Record, placement: str) -> frozenset[tuple[str, str]]:
    """Return ``(mode, test)`` of what the findings say is bound by one full core."""
    found = run.warnings
    here = found[(found["code"] == "core_full") & (found["placement"] == placement)]
    return frozenset(
        (mode, row.test)
        for row in here.itertuples()
        for mode in Fact.from_json(row.fact).args["modes"]
    )


def _order(line: Line) -> tuple[bool, bool, int, int]:
    place = line.place
    return bool(substitutes(line.kernel_path)), place is None, *((place.low, place.high) if place else (0, 0))


def _places(run: Record, placement: str) -> dict[str, Place]:
    """Return the rank intervals of the declared metric, stand-ins left out; empty where none can be had."""
    own = [m for m in run.study.modes if not substitutes(run.kernel_paths.get(m))]
    primary, samples = run.study.primary, run.samples
    chosen = samples[samples["mode"].isin(own) & (samples["test"] == primary.test)]
    try:
        ranking = rank(
            chosen, placement=placement, metric=primary.metric, test=primary.test, stat=primary.stat,
            planned_modes=own, margin=run.study.margin, alpha=run.study.alpha, seed=run.study.seed,
        )  # fmt: skip
    except CnilabError:  # nothing to rank here: fewer than two modes with values, or a metric without a better side
        return {}
    ranked = [r for r in ranking.rows if r["ranked"]]
    return {r["mode"]: Place(r["rank_low"], r["rank_high"], len(ranked)) for r in ranked}


def _wire(run: Record, mode: str, placement: str) -> float | None:
    """Return the bytes on the wire for a byte of payload; None on one node, where there is no wire, or out of reach."""
    about = modes.MODES.get(mode)
    if placement == "same_node" or about is None or not about.reaches(placement):
        return None
    seen = {p.get("evidence", {}).get("underlay_mtu") for p in run.proofs.values()} - {None}
    underlay = min(seen, default=modes.UNDERLAY_MTU)
    return 1 / payload_share(about.pod_mtu(underlay), modes.HEADER_BYTES[about.outer(placement)])
