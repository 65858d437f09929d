"""Stopping when the intervals are narrow enough: precision is looked at, p and the sign never.

Stopping a study because something became significant makes a coin flip significant sooner or later (28 % of
them within 60 blocks). Stopping on the width of the intervals does not, but costs a little coverage, which
the final analysis pays back by using 0.7 alpha throughout (0.035 for 0.05).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.stats.cells import collect
from cnilab.stats.declared import Declared
from cnilab.stats.equivalence import log_margin
from cnilab.stats.family import compared_modes, possible
from cnilab.stats.multiplicity import n_min
from cnilab.stats.projection import View
from cnilab.stats.ratio import check_alpha, hl_intervals
from cnilab.study.parts import SEQUENTIAL

#: Complete blocks before the first look.
FIRST_LOOK = 10


@dataclass(frozen=True)
class Precision:
    """Whether to stop, why, and how wide each comparison is.

    ``reason`` is ``precision_reached``, ``n_max``, or, while ``stop`` is False, ``too_few_blocks`` or
    ``too_wide``. ``half_widths`` are of the log ratio (infinite where so few blocks bound nothing).
    """

    stop: bool
    reason: str
    n: int
    target: float
    half_widths: dict[str, float]
    flags: tuple[str, ...] = ()


def precision_reached(
    differences_of: Mapping[str, np.ndarray],
    *,
    half_width: float,
    n_first: int = FIRST_LOOK,
    n_max: int | None = None,
    alpha: float = 0.05,
    m: int | None = None,
) -> Precision:
    """Decide after a complete block whether every primary comparison is precise enough.

    Parameters
    ----------
    differences_of
        Comparison -> within-block log ratios, one a complete block, shape (n,). All of one length.
    half_width
        x > 0: stop when every half-width is at most log(1 + x).
    n_first, n_max
        Complete blocks before the first look, and after which to stop in any case.
    alpha
        Level the study will be analysed at; the intervals looked at use 0.7 of it.
    m
        Comparisons in the family that will be tested (default: those given); ``n_first`` must suffice for it, and
        the intervals looked at are simultaneous over it: the ones that are shown.

    Returns
    -------
    Precision
        It holds no p-value, no estimate and no sign, so that nobody can stop on them.

    Raises
    ------
    DataError
        If ``half_width`` is not above 0, ``n_first`` is below the family's minimum, ``n_max`` below
        ``n_first``, or the lengths differ.

    References
    ----------
    Y. S. Chow and H. Robbins (1965), Annals of Mathematical Statistics 36(2): the guarantee is asymptotic,
    hence the 0.7.
    """
    target, level = log_margin(half_width), check_alpha(alpha) * SEQUENTIAL
    m = max(1, len(differences_of) if m is None else m)
    least = n_min(m, level)
    if n_first < least:
        raise DataError(
            f"first look after {n_first} blocks; {least} are needed before anything can be significant"
        )
    if n_max is not None and n_max < n_first:
        raise DataError(f"n_max {n_max} is below the first look at {n_first} blocks; raise it")
    counts = {name: len(d) for name, d in differences_of.items()}
    if not counts:
        raise DataError("no comparison to look at; a precision rule needs a baseline and another mode")
    if len(set(counts.values())) > 1:
        raise DataError(
            f"complete blocks differ between comparisons: {counts}; look only after a complete block"
        )
    n = next(iter(counts.values()))
    widths: dict[str, float] = {}
    flags = []
    for name, d in differences_of.items():
        if n == 0:
            widths[name] = float("inf")
            continue
        _, [(low, high)] = hl_intervals(d, [level / m])
        widths[name] = float((high[0] - low[0]) / 2)
        if widths[name] == 0:
            flags.append(f"resolution_limited:{name}")
    if n >= n_first and all(width <= target for width in widths.values()):
        return Precision(True, "precision_reached", n, target, widths, tuple(flags))
    if n_max is not None and n >= n_max:
        return Precision(True, "n_max", n, target, widths, tuple(flags))
    return Precision(False, "too_few_blocks" if n < n_first else "too_wide", n, target, widths, tuple(flags))


def precision_of(
    samples: pd.DataFrame,
    baseline: str,
    *,
    declared: Declared,
    half_width: float,
    n_first: int = FIRST_LOOK,
    n_max: int | None = None,
    alpha: float = 0.05,
    view: View | None = None,
) -> Precision:
    """Apply :func:`precision_reached` to the primary comparisons of a samples table as it stands.

    Only blocks in which every mode of every placement has its cell count; a mode that has no value at all in
    a placement (it failed, or cannot work there) is left out of the rule, not waited for; the family counts it unless
    ``declared`` rules it out. A first look that was planned before anything could be significant is put off until
    then.

    Raises
    ------
    DataError, UnknownKey
        As :func:`precision_reached` and :func:`cnilab.stats.compare.compare`.
    """
    cells = collect(samples, modes=declared.modes, primary=declared.primary, view=view)
    first = cells.primary
    tables = [t for t in cells.tables if first is not None and first.covers(t)]
    counted = possible(
        cells, baseline, compared_modes(cells, baseline), declared.placements, declared.impossible
    )
    m = sum(
        n for where, n in counted.get(first.test, {}).items() if first.allows(dict(where))
    ) if first is not None else 0  # fmt: skip
    complete: set[str] | None = None
    live = []
    for table in tables:
        here = [m for m in table.modes if m not in table.twins and table.runs[table.row(m)].any()]
        if baseline not in here or len(here) < 2:
            continue
        rows = [table.row(m) for m in here]
        full = ~np.isnan(table.values[rows]).any(axis=0)
        names = {name for name, ok in zip(table.blocks, full) if ok}
        complete = names if complete is None else complete & names
        live.append((table, here))
    found: dict[str, np.ndarray] = {}
    for table, here in live:
        keep = {i for i, name in enumerate(table.blocks) if name in (complete or ())}
        for mode in here:
            if mode != baseline:
                label = " ".join(part for part in (mode, table.placement, table.path) if part)
                d, used = table.differences(mode, baseline)
                found[label] = d[[int(i) in keep for i in used]]
    if not found:
        return Precision(False, "too_few_blocks", 0, log_margin(half_width), {})
    if len({len(d) for d in found.values()}) > 1:  # blocks of which a pair shares no state of the machine
        shortest = min(len(d) for d in found.values())
        found = {label: d[:shortest] for label, d in found.items()}
    m = max(m, len(found))
    least = n_min(m, check_alpha(alpha) * SEQUENTIAL)
    return precision_reached(
        found, half_width=half_width, n_first=max(n_first, least), n_max=n_max, alpha=alpha, m=m
    )
