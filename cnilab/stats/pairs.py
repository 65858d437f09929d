"""All comparisons of a study at once: differences, intervals, p-values, families, verdicts.

The work is done in batches of equal numbers of blocks, so that a thousand comparisons cost a handful of numpy
calls. What is compared with what, and which rows form a family, is decided by the caller; this module does
not know what a metric, a placement or a failure is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cnilab.stats.blocks_needed import robust_sd
from cnilab.stats.effect import rank_biserial
from cnilab.stats.equivalence import tost_p
from cnilab.stats.multiplicity import benjamini_hochberg, holm, n_min
from cnilab.stats.ratio import achieved_level, hl_intervals
from cnilab.stats.shown import interval_shown
from cnilab.stats.signed_rank import DECIMALS, signed_rank
from cnilab.stats.verdict import decide, is_difference


@dataclass(frozen=True)
class Family:
    """Comparisons protected together.

    ``m`` is the number planned. ``explored`` families also face Benjamini–Hochberg over all explored
    comparisons of the study: a difference must hold there too.
    """

    name: tuple
    m: int
    explored: bool = False


@dataclass(frozen=True)
class Pair:
    """One comparison: within-block differences ``d`` of shape (n,), n >= 0, and its margin or None.

    ``nothing`` says that all differences are zero because both sides counted nothing in every block.
    """

    d: np.ndarray
    family: Family
    lam: float | None
    barred: bool = False
    nothing: bool = False


@dataclass(frozen=True)
class Outcome:
    """What the data say of one :class:`Pair`, on the scale compared. None where there is nothing to say.

    ``shown`` is the interval that goes with the verdict (:mod:`cnilab.stats.shown`), ``same_within`` the smallest
    margin within which sameness could be claimed of this comparison, ``noise`` what a block's difference varies by.
    """

    n: int
    n_min: int
    verdict: str
    estimate: float | None = None
    low: float = -np.inf
    high: float = np.inf
    sim_low: float = -np.inf
    sim_high: float = np.inf
    shown_low: float = -np.inf
    shown_high: float = np.inf
    same_within: float | None = None
    level: float | None = None
    sim_level: float | None = None
    p: float | None = None
    p_holm: float | None = None
    q_bh: float | None = None
    p_equivalence: float | None = None
    p_equivalence_holm: float | None = None
    rank_biserial: float | None = None
    positive: int = 0
    negative: int = 0
    sd: float | None = None
    noise: float | None = None
    flags: tuple[str, ...] = field(default=())


def analyse(pairs: Sequence[Pair], alpha: float, *, infinite: bool = False) -> list[Outcome]:
    """Estimate, test and judge every pair within its family.

    Parameters
    ----------
    pairs
        In any order; families are put together by their name.
    alpha
        Family-wise level, and the rate of Benjamini–Hochberg for explored families.
    infinite
        Whether differences may be infinite (failed blocks as worst ranks).

    Returns
    -------
    list of Outcome
        One a pair, in the same order.
    """
    size = len(pairs)
    keys = (
        "estimate", "low", "high", "sim_low", "sim_high", "one_low", "one_high", "all_low", "all_high", "p",
        "rank_biserial", "p_equivalence", "sd", "noise",
    )  # fmt: skip
    got = {key: np.full(size, np.nan) for key in keys}
    signs = {key: np.zeros(size, dtype=int) for key in ("positive", "negative", "still")}
    counts = np.array([len(pair.d) for pair in pairs], dtype=int)
    alphas = np.array([alpha / pair.family.m for pair in pairs])
    one_sided = np.minimum(2 * alphas, 0.999)
    explored = [i for i, pair in enumerate(pairs) if pair.family.explored]
    among_all = alpha / max(1, len(explored))
    lams = np.array([np.nan if pair.lam is None else pair.lam for pair in pairs])
    for n in np.unique(counts[counts > 0]):
        at = np.flatnonzero(counts == n)
        d = np.stack([pairs[int(i)].d for i in at])
        levels = [alpha, alphas[at], one_sided[at], np.minimum(alphas[at], among_all)]
        got["estimate"][at], ends = hl_intervals(d, levels, infinite=infinite)
        for name, (low, high) in zip(("", "sim_", "one_", "all_"), ends):
            got[f"{name}low"][at], got[f"{name}high"][at] = low, high
        test = signed_rank(d, infinite=infinite)
        got["p"][at] = test.two_sided
        got["rank_biserial"][at] = rank_biserial(test.w_plus, test.w_minus, int(n))
        signs["positive"][at], signs["negative"][at] = (d > 0).sum(axis=1), (d < 0).sum(axis=1)
        if n > 1 and not infinite:
            signs["still"][at] = (np.abs(d - d[:, :1]) <= 10.0**-DECIMALS).all(axis=1)
        # An infinite difference is outside any margin, as is one far beyond it; the ranks do not care which.
        near = np.clip(d, -1e9, 1e9) if infinite else d
        has = np.isfinite(lams[at])
        if has.any():
            got["p_equivalence"][at[has]] = tost_p(near[has], lams[at[has]])
        if n > 1 and not infinite:
            got["sd"][at] = d.std(axis=1, ddof=1)
            got["noise"][at] = robust_sd(d)

    p = [None if np.isnan(v) else float(v) for v in got["p"]]
    same = (counts > 0) & (signs["positive"] + signs["negative"] == 0)
    copied = same & ~np.array([pair.nothing for pair in pairs], dtype=bool)
    p_eq = [None if np.isnan(v) or s else float(v) for v, s in zip(got["p_equivalence"], copied)]
    p_holm: list[float | None] = [None] * size
    p_eq_holm: list[float | None] = [None] * size
    families: dict[tuple, list[int]] = {}
    for i, pair in enumerate(pairs):
        families.setdefault(pair.family.name, []).append(i)
    for members in families.values():
        family = pairs[members[0]].family
        for raw, into in ((p, p_holm), (p_eq, p_eq_holm)):
            for i, value in zip(members, holm([raw[i] for i in members], family.m)):
                into[i] = value
    q: list[float | None] = [None] * size
    for i, value in zip(explored, benjamini_hochberg([p[i] for i in explored])):
        q[i] = value
    return [
        _outcome(pair, i, got, signs, alpha, p[i], p_holm[i], q[i], p_eq[i], p_eq_holm[i], bool(same[i]))
        for i, pair in enumerate(pairs)
    ]


def _outcome(
    pair: Pair,
    i: int,
    got: dict,
    signs: dict,
    alpha: float,
    p: float | None,
    p_holm: float | None,
    q: float | None,
    p_eq: float | None,
    p_eq_holm: float | None,
    same: bool,
) -> Outcome:
    n, need = len(pair.d), n_min(pair.family.m, alpha)
    low, high = float(got["sim_low"][i]), float(got["sim_high"][i])
    verdict = decide(
        n=n, n_min=need, p=p_holm, p_equivalence=p_eq_holm, low=low, high=high, lam=pair.lam, alpha=alpha,
        barred=pair.barred or (same and (pair.lam is None or not pair.nothing)),
    )  # fmt: skip
    flags = ["none_in_either" if pair.nothing else "identical_values"] if same else []
    if q is not None and q > alpha and is_difference(verdict):
        # Significant among its own table's modes, but not among all that was looked at: no claim.
        flags.append("bh_not_rejected")
        verdict = "equivalent" if verdict == "different_negligible" else "inconclusive"
    if n == 0:
        return Outcome(0, need, verdict)
    ends = {name: (float(got[f"{name}_low"][i]), float(got[f"{name}_high"][i])) for name in ("sim", "one", "all")}
    shown = interval_shown(
        verdict, ends["sim"], one_sided=ends["one"], among_all=ends["all"], lam=pair.lam,
        explored="bh_not_rejected" in flags, positive=got["estimate"][i] > 0,
    )  # fmt: skip
    if signs["still"][i] and not same:
        flags.append("resolution_limited")
    if not (math.isfinite(low) and math.isfinite(high)):
        flags.append("ci_unbounded")
    return Outcome(
        n=n, n_min=need, verdict=verdict, estimate=float(got["estimate"][i]), low=float(got["low"][i]),
        high=float(got["high"][i]), sim_low=low, sim_high=high, shown_low=shown[0], shown_high=shown[1],
        same_within=None if same and not pair.nothing else max(map(abs, ends["one"])), level=achieved_level(n, alpha),
        sim_level=achieved_level(n, alpha / pair.family.m), p=p, p_holm=p_holm, q_bh=q, p_equivalence=p_eq,
        p_equivalence_holm=p_eq_holm,
        rank_biserial=None if same else float(got["rank_biserial"][i]),
        positive=int(signs["positive"][i]), negative=int(signs["negative"][i]),
        sd=None if math.isnan(got["sd"][i]) else float(got["sd"][i]),
        noise=None if math.isnan(got["noise"][i]) else float(got["noise"][i]), flags=tuple(flags),
    )  # fmt: skip
