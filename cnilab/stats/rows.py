"""The report row: everything one comparison says, unrounded, with nothing missing disguised as a number.

The keys are a contract (programs read them); what a value may be is written once, here. Rendering is in
:mod:`cnilab.stats.comparisons`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnilab.facts import Fact
from cnilab.stats.blocks_needed import blocks_for_power, blocks_for_sameness, upper_sd
from cnilab.stats.cells import Cells, Table
from cnilab.stats.comparison import Comparison, Interval
from cnilab.stats.declared import Declared, Primary
from cnilab.stats.metrics import TAIL, describe
from cnilab.stats.pairs import Outcome
from cnilab.stats.ratio import hl_intervals, median_ranks
from cnilab.stats.sensitivity import Reliability
from cnilab.stats.signed_rank import DECIMALS
from cnilab.stats.subjects import Subject, commonest
from cnilab.stats.verdict import is_difference
from cnilab.verdicts import FLAGS, VERDICTS

#: (table, mode) -> the mode's own location with its interval.
Middle = Mapping[tuple[int, str], tuple[float, float, float]]

#: Requests behind a percentile, as a multiple of 1/(1 - q), below which it is not reliable.
REQUESTS_PER_TAIL = 100


def number(value: float | None) -> float | None:
    """Return ``value`` as a float JSON can hold, None for what is missing or unbounded."""
    return None if value is None or not math.isfinite(value) else float(value)


def centres(tables: Sequence[Table], alpha: float) -> dict[tuple[int, str], tuple[float, float, float]]:
    """Return each mode's centre with its interval, in the metric's unit, keyed by table and mode.

    Hodges–Lehmann of the cells with the order-statistic interval of the median. A description of one mode,
    never a comparison: between modes the blocks have to cancel.
    """
    vectors: dict[int, list[tuple[tuple[int, str], np.ndarray, bool]]] = {}
    for t, table in enumerate(tables):
        for i, mode in enumerate(table.modes):
            cell = table.values[i][~np.isnan(table.values[i])]
            if len(cell) and mode not in table.nonpositive:
                vectors.setdefault(len(cell), []).append(((id(tables[t]), mode), cell, table.scale == "log"))
    out: dict[tuple[int, str], tuple[float, float, float]] = {}
    for n, group in vectors.items():
        stack = np.sort(np.stack([cell for _, cell, _ in group]), axis=1)
        estimate, _ = hl_intervals(stack, [])
        ranks = median_ranks(n, alpha)
        for (key, _, log), centre, cell in zip(group, estimate, stack):
            low, high = (cell[ranks[0] - 1], cell[ranks[1] - 1]) if ranks else (-math.inf, math.inf)
            a, b, c = (math.exp(v) if log and math.isfinite(v) else float(v) for v in (centre, low, high))
            out[key] = (a, b, c)
    return out


def report_rows(
    subjects: Sequence[Subject],
    outcomes: Sequence[Outcome],
    middle: Middle,
    margin: float,
    alpha: float,
    margin_declared: bool,
) -> list[Comparison]:
    """Return the comparisons: primary family first, then exploratory, then controls."""
    order = {"primary": 0, "exploratory": 1, "aa": 2}
    rows = [_row(s, o, middle, margin, alpha, margin_declared) for s, o in zip(subjects, outcomes)]
    return sorted(rows, key=lambda row: order[row["family"]])


def _row(
    s: Subject, o: Outcome, middle: Middle, margin: float, alpha: float, margin_declared: bool
) -> Comparison:
    table, about = s.table, describe(s.table.metric)
    log = about.scale == "log"
    flags = [*s.flags, *o.flags, *_qualities(s, margin_declared)]
    if o.n == 0:
        flags = [f for f in flags if f != "ci_unbounded"]
    convert = _exp if log else number
    # Ends equally far apart but for the last bits: always the upper one, or a change of unit would show.
    far = o.sim_high if abs(o.sim_high) >= abs(o.sim_low) - 1e-12 else o.sim_low
    to_differ, to_be_same = _blocks(s, o, alpha)
    wins = {"higher": o.positive, "lower": o.negative}.get(table.direction or "")
    centre, base = (middle.get((id(table), mode)) for mode in (s.mode, s.baseline))
    ordered = tuple(dict.fromkeys(f for f in FLAGS if f in flags))
    shown = Interval(convert(o.low), convert(o.high)), Interval(convert(o.sim_low), convert(o.sim_high))
    (ci, sim_ci), (plain, plain_sim) = (shown, (Interval(), Interval()))[:: 1 if log else -1]
    failed = (table.failed > 0) & (table.runs == 0)
    return Comparison(
        metric=table.metric, test=table.test, placement=table.placement, path=table.path,
        mode=table.twins.get(s.mode, s.mode), twin=s.mode in table.twins,
        levels={**table.treatments.get(s.mode, {}), **table.levels}, baseline=s.baseline,
        n_blocks=len(table.blocks), n_used=o.n,
        ratio=_exp(o.estimate) if log else None, ci=ci, sim_ci=sim_ci,
        p=o.p, p_holm=o.p_holm, p_equivalence=o.p_equivalence, margin=margin if log else about.margin,
        wins=wins if o.n else None, higher=o.positive if o.n else None,
        verdict=o.verdict, flags=ordered, warnings=_warnings(s, o),
        stat=table.stat, family=s.pair.family.name[0], family_size=s.pair.family.m, q_bh=o.q_bh,
        p_equivalence_holm=o.p_equivalence_holm, ci_level=o.level, sim_ci_level=o.sim_level,
        rank_biserial=number(o.rank_biserial), ties=o.n - o.positive - o.negative if o.n else None,
        largest_not_excluded=convert(far) if o.verdict == "inconclusive" else None,
        blocks_to_differ=to_differ, blocks_to_be_same=to_be_same,
        same_within=number(math.expm1(min(o.same_within, 700)) if log else o.same_within)
        if o.same_within is not None and math.isfinite(o.same_within) else None,
        n_min=o.n_min, sd=o.sd, noise=o.noise, shown=Interval(convert(o.shown_low), convert(o.shown_high)),
        difference=None if log else number(o.estimate), difference_ci=plain, difference_sim_ci=plain_sim,
        centre=number(centre[0]) if centre else None, centre_ci=_ends(centre),
        baseline_centre=number(base[0]) if base else None, baseline_centre_ci=_ends(base),
        unit=table.unit, direction=table.direction, scale=about.scale,
        kernel_path="+".join(s.kernel_paths[0]) or None,
        baseline_kernel_path="+".join(s.kernel_paths[1]) or None,
        n_failed=int(failed[table.row(s.mode)].sum()),
        n_failed_baseline=int(failed[table.row(s.baseline)].sum()),
        failed_reason=_failed(table, s.mode, failed), failed_reason_baseline=_failed(table, s.baseline, failed),
        n_runs=int(table.runs[table.row(s.mode)].sum()), outlier_blocks=s.outliers,
        reason=reason.to_dict() if (reason := s.reason or _why(o)) else None,
        states=_by_state(s, alpha),
    )  # fmt: skip


def _by_state(s: Subject, alpha: float) -> tuple[dict[str, Any], ...]:
    """Return what each state of the machine says by itself, where there were several: estimate and interval alone."""
    told = []
    for state, d in zip(s.table.states, s.by_state):
        d = d[~np.isnan(d)]
        if len(d):
            estimate, [(low, high)] = hl_intervals(d[None, :], [alpha])
            convert = _exp if s.table.scale == "log" else number
            ends = {"estimate": estimate[0], "ci_low": low[0], "ci_high": high[0]}
            told.append({"state": state, "n": len(d), **{k: convert(float(v)) for k, v in ends.items()}})
    return tuple(told)


def _blocks(s: Subject, o: Outcome, alpha: float) -> tuple[int | None, int | None]:
    """Return how many blocks would call the difference estimated, and how many would show that there is none."""
    if o.verdict not in ("inconclusive", "different_size_unclear") or not o.noise or o.estimate is None:
        return None, None
    m, noise = s.pair.family.m, upper_sd(o.noise, o.n)
    effect = math.expm1(min(abs(o.estimate), 700))
    asked = o.verdict == "inconclusive" and effect > 10.0**-DECIMALS  # less is the last bits of logarithms
    differ = blocks_for_power(noise, effect, m=m, alpha=alpha) if asked else None
    return differ, blocks_for_sameness(noise, s.pair.lam, m=m, alpha=alpha) if s.pair.lam else None


def _failed(table: Table, mode: str, failed: np.ndarray) -> dict[str, Any] | None:
    """Return why blocks of a mode have no value, in the words given most often."""
    why = table.reasons.get(mode)
    return commonest(why).to_dict() if why and failed[table.row(mode)].any() else None


def _ends(centre: tuple[float, float, float] | None) -> Interval:
    return Interval(number(centre[1]), number(centre[2])) if centre else Interval()


def _reliability(r: Reliability) -> dict[str, Any]:
    return {**vars(r), "reason": r.reason.to_dict() if r.reason else None}


def _exp(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return number(math.exp(value)) if value < 700 else None


def _why(o: Outcome) -> Fact | None:
    if o.verdict == "insufficient_n":
        return Fact("few_blocks", {"blocks": o.n, "needed": o.n_min})
    if "none_in_either" in o.flags:
        return Fact("none_in_either", {"blocks": o.n})
    return Fact("identical_values") if "identical_values" in o.flags else None


def _qualities(s: Subject, margin_declared: bool) -> list[str]:
    flags = [] if margin_declared else ["post_hoc_margin"]
    if describe(s.table.metric).scale == "linear":
        flags.append("difference_scale")
    if s.pair.lam is None:
        flags.append("no_margin")
    if s.table.stat == "max":
        flags.append("tail_unreliable")
    elif s.table.stat in TAIL and s.table.metric.endswith("_s"):
        if s.table.requests is None:
            flags.append("tail_count_unknown")
        elif s.table.requests < REQUESTS_PER_TAIL / (1 - TAIL[s.table.stat]) - 1e-6:
            flags.append("tail_unreliable")
    return flags


def _warnings(s: Subject, o: Outcome) -> tuple[dict[str, Any], ...]:
    """Return what the reader should do, as facts: more blocks, another look, a margin."""
    out = []
    if o.verdict == "insufficient_n" and s.absent is None:
        out.append(Fact("need_blocks", {"needed": o.n_min, "family": s.pair.family.m, "blocks": o.n}))
    if "ci_unbounded" in o.flags:
        out.append(Fact("interval_unbounded", {"needed": o.n_min, "blocks": o.n}))
    if missing := len(s.table.blocks) - o.n:
        out.append(Fact("blocks_missing", {"missing": missing, "blocks": len(s.table.blocks)}))
    if s.outliers:
        hangs = "independent"
        if "depends_on_block" in s.flags:
            hangs = "depends"
        elif "outlier_unchecked" in s.flags:
            hangs = "unchecked"
        out.append(Fact("outlier", {"blocks": s.outliers, "verdict": hangs}))
    if "aa_differs" in s.flags:
        out.append(Fact("aa_differs"))
    if "margin_below_noise" in s.flags:
        out.append(Fact("margin_below_noise"))
    if s.table.residue:
        out.append(Fact("factor_varies", {"factors": s.table.residue}))
    return tuple(fact.to_dict() for fact in out)


def headline(
    cells: Cells,
    rows: Sequence[Mapping[str, Any]],
    *,
    baseline: str,
    primary: Primary | None,
    margin: float,
    alpha: float,
    level: float,
    declared: Declared,
    compared: Sequence[str],
    unreliable: Sequence[Reliability],
    provenance: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what holds for all rows: design, families, control, where the input's rows went, versions."""
    import scipy

    controls = [row for row in rows if row["family"] == "aa"]
    judged = [row for row in controls if row["verdict"] not in ("insufficient_n", "not_comparable")]
    off = sum(is_difference(row["verdict"]) for row in judged)
    first = [row for row in rows if row["family"] == "primary"]
    blocks = sorted({len(t.blocks) for t in cells.tables})
    return {
        "baseline": baseline, "modes": list(compared),
        "design": declared.design or "not_recorded",
        "n_blocks": blocks[0] if len(blocks) == 1 else blocks,
        "margin": margin, "margin_declared": declared.margin,
        "alpha": alpha, "alpha_used": level, "sequential": declared.sequential,
        "family": {
            "primary": None if primary is None else {"test": primary.test, "metric": primary.metric,
                                                     "stat": primary.stat, **primary.within},
            "size": first[0]["family_size"] if first else None,
            "protected_by": "Holm" if first else None,
            "exploratory_rows": sum(row["family"] == "exploratory" for row in rows),
        },
        "aa": {"tables": len(controls), "judged": len(judged), "different": off,
               "expected_by_chance": level * len(judged)},
        "rows": {"total": cells.n_rows, **cells.counts}, "not_compared": list(cells.not_compared),
        "reliability": [_reliability(r) for r in unreliable],
        "verdicts": {v: sum(row["verdict"] == v for row in rows) for v in VERDICTS},
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        **(dict(provenance) if provenance else {}),
    }  # fmt: skip
