"""``plan_size``: from a pilot, or from a guessed noise, to the number of blocks; in text and in HTML.

What is planned for is stated: a half-width, a power, or both; the larger number is the plan.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.layout import columns, html_table
from cnilab.stats.blocks_needed import blocks_for_half_width, blocks_for_power, detectable, upper_sd
from cnilab.stats.cells import collect
from cnilab.stats.family import compared_modes
from cnilab.stats.multiplicity import n_min

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PlanSize:
    """How many blocks, and why. ``blocks`` is None where more than 5000 would be needed.

    ``grid`` holds ``(blocks, half_width, detectable)`` for a few sizes, as relative differences.
    """

    blocks: int | None
    sd: float
    sd_used: float
    sd_source: str
    m: int
    alpha: float
    power: float
    effect: float
    half_width: float | None
    blocks_for_power: int | None
    blocks_for_half_width: int | None
    n_min: int
    grid: tuple[tuple[int, float | None, float | None], ...]
    seconds: float | None = None

    def to_json(self) -> str:
        """Return all of it as JSON with ``schema_version``, unrounded."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, allow_nan=False)

    def sentences(self) -> list[str]:
        """Return the plan in words."""
        blocks = "more than 5000" if self.blocks is None else str(self.blocks)
        out = [
            f"{blocks} blocks: noise of a within-block ratio {100 * self.sd:.2g} % ({self.sd_source}), "
            f"planned for {100 * self.sd_used:.2g} %",
            f"to find a difference of {100 * self.effect:.3g} % with power {self.power:g} among {self.m} "
            f"comparisons at {self.alpha:g}: {_or_many(self.blocks_for_power)}",
        ]
        if self.half_width is not None:
            out.append(
                f"for intervals of ±{100 * self.half_width:.3g} %: {_or_many(self.blocks_for_half_width)}"
            )
        out.append(f"fewer than {self.n_min} could never be significant in this family")
        if self.seconds is not None:
            out.append(f"about {self.seconds / 60:.0f} min of measuring")
        return out

    def _table(self) -> list[tuple[str, str, str]]:
        return [
            (str(n), "∞" if w is None else f"±{100 * w:.2g} %", "–" if d is None else f"{100 * d:.2g} %")
            for n, w, d in self.grid
        ]

    def __repr__(self) -> str:
        rows = [("blocks", "half-width", "detectable"), *self._table()]
        return "\n".join([*self.sentences(), *columns(rows, "  ")])

    def _repr_html_(self) -> str:
        table = html_table(
            [("blocks", "half-width", "detectable difference"), *self._table()],
            "What a number of blocks can show",
        )
        words = "".join(f"<p>{escape(line)}</p>" for line in self.sentences())
        return f"<div>{words}{table}</div>"


def _or_many(n: int | None) -> str:
    return "more than 5000 blocks" if n is None else f"{n} blocks"


def plan_size(
    pilot: pd.DataFrame | float,
    baseline: str | None = None,
    *,
    metric: str | None = None,
    test: str | None = None,
    placement: str | None = None,
    stat: str | None = None,
    effect: float = 0.05,
    power: float = 0.8,
    half_width: float | None = None,
    m: int | None = None,
    alpha: float = 0.05,
    block_seconds: float | None = None,
    grid: Sequence[int] = (6, 8, 10, 12, 15, 20, 30, 50),
) -> PlanSize:
    """Return how many blocks a study needs.

    Parameters
    ----------
    pilot
        A samples table (or bare frame) of a pilot, at least 3 blocks; or the standard deviation of the
        within-block log ratio itself, e.g. ``0.03`` for 3 %.
    baseline
        Baseline mode; needed with a table.
    metric, test, placement, stat
        Which table of the pilot. Of the comparisons left, the noisiest is planned for.
    effect, power
        A true relative difference Δ that must be found, and how surely.
    half_width
        Also plan for intervals of ±x (relative). None: power alone.
    m
        Comparisons in the family; from the pilot by default, else 1.
    block_seconds
        What one block costs; adds the time to the plan.

    Raises
    ------
    DataError
        If a number is out of range or the pilot has fewer than 3 complete blocks.
    UnknownKey
        If the baseline or a restriction is not in the pilot.

    Examples
    --------
    >>> plan_size(0.05, m=3).blocks
    15
    """
    if isinstance(pilot, pd.DataFrame):
        sd, n, source, found = _from_pilot(pilot, baseline, metric, test, placement, stat)
        m, used = found if m is None else m, upper_sd(sd, n)
    else:
        sd = used = float(pilot)
        source, m = "given", 1 if m is None else m
        if not (math.isfinite(sd) and sd > 0):
            raise DataError(f"sd {pilot!r}; the noise of a within-block log ratio must be above 0, e.g. 0.03")
    least = n_min(m, alpha)  # refuses a family of none, before anything is divided by it
    for_power = blocks_for_power(used, effect, m=m, alpha=alpha, power=power)
    for_width = None if half_width is None else blocks_for_half_width(used, math.log1p(half_width), alpha)
    wanted = [for_power] if half_width is None else [for_power, for_width]
    blocks = None if None in wanted else max(n for n in wanted if n is not None)
    sizes = sorted({*grid, *([blocks] if blocks else [])})
    return PlanSize(
        blocks, sd, used, source, m, alpha, power, effect, half_width, for_power, for_width, least,
        tuple((n, _width(used, n, alpha), detectable(used, n, m=m, alpha=alpha, power=power)) for n in sizes),
        None if block_seconds is None or blocks is None else blocks * block_seconds,
    )  # fmt: skip


def _width(sd: float, n: int, alpha: float) -> float | None:
    from scipy.stats import t

    if n < n_min(1, alpha):
        return None
    return math.expm1(float(t.ppf(1 - alpha / 2, n - 1)) / math.sqrt(n) * math.sqrt(math.pi / 3) * sd)


def _from_pilot(
    pilot: pd.DataFrame,
    baseline: str | None,
    metric: str | None,
    test: str | None,
    placement: str | None,
    stat: str | None,
) -> tuple[float, int, str, int]:
    if baseline is None:
        raise DataError("plan_size of a table needs the baseline's name, e.g. plan_size(pilot, 'host')")
    asked = {"test": test, "metric": metric, "stat": stat, "placement": placement}
    primary = {k: v for k, v in asked.items() if v is not None} if metric is not None else None
    cells = collect(pilot, primary=primary)
    modes = compared_modes(cells, baseline)
    tables = [
        t for t in cells.tables
        if t.scale == "log" and (cells.primary is None or cells.primary.covers(t))
    ]  # fmt: skip
    if len({(t.test, t.metric, t.stat) for t in tables}) != 1:
        kinds = sorted({f"{t.test} {t.metric} {t.stat}" for t in tables})
        raise DataError(
            f"the pilot holds {len(kinds)} ratio tables: {', '.join(kinds)}; name test, metric and stat"
        )
    best: tuple[float, int, str] | None = None
    for t in tables:
        for mode in modes:
            d, _ = t.differences(mode, baseline)
            if len(d) >= 3 and (sd := float(np.std(d, ddof=1))) > 0 and (best is None or sd > best[0]):
                best = (sd, len(d), " ".join(x for x in (mode, t.placement) if x))
    if best is None:
        raise DataError("no comparison of the pilot has 3 complete blocks that vary; run a longer pilot")
    return best[0], best[1], f"pilot of {best[1]} blocks, {best[2]}", len(modes) * len(tables)
