"""Simulated studies S1 to S18: do the promises hold where the truth is known?

Each function returns rows ``(id, what, setting, value, low, high, n)``: a measured rate with the band it must
stay in. Bands are the target and 3.3 Monte-Carlo standard errors; ``R`` sets how many studies are simulated.
Noise levels are guesses (block 5 %, deployment 2 %, run 1 %), to be replaced by the components of a pilot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats as st

from cnilab.stats.assumptions import change_point, drift, lag_one
from cnilab.stats.blocks_needed import blocks_for_power
from cnilab.stats.cells import Table
from cnilab.stats.equivalence import tost_p
from cnilab.stats.letters import rank_intervals
from cnilab.stats.omnibus import permutation_p
from cnilab.stats.pairs import Family, Pair, analyse
from cnilab.stats.ratio import hl_intervals
from cnilab.stats.signed_rank import signed_rank
from cnilab.stats.steady import step_in_run, warm_up
from cnilab.stats.stopping import FIRST_LOOK, SEQUENTIAL, precision_reached
from cnilab.stats.verdict import is_difference


@dataclass(frozen=True)
class Result:
    """One simulated rate and the band it must lie in."""

    id: str
    what: str
    setting: str
    value: float
    low: float
    high: float
    studies: int

    @property
    def held(self) -> bool:
        return self.low <= self.value <= self.high


def band(target: float, n: int) -> float:
    """3.3 Monte-Carlo standard errors of a rate."""
    return 3.3 * math.sqrt(target * (1 - target) / n)


def at_most(key, what, setting, hits, target=0.05):
    n = len(hits)
    return Result(key, what, setting, float(np.mean(hits)), 0.0, target + band(target, n), n)


def at_least(key, what, setting, hits, target):
    n = len(hits)
    return Result(key, what, setting, float(np.mean(hits)), target - band(target, n), 1.0, n)


def hierarchy(rng, studies, modes=2, blocks=10, runs=3, effect=0.0, seconds=0):
    """Log values of shape (studies, modes, blocks, runs[, seconds]): block 5 %, deployment 2 %, run 1 %."""
    shape = (studies, modes, blocks, runs)
    y = (
        rng.normal(0, 0.05, (studies, 1, blocks, 1))
        + rng.normal(0, 0.02, (*shape[:3], 1))
        + rng.normal(0, 0.01, shape)
    )
    y[:, 1:] += effect
    if not seconds:
        return y
    noise = rng.normal(0, 0.03 * math.sqrt(1 - 0.6**2), (*shape, seconds))
    noise[..., 0] /= math.sqrt(1 - 0.6**2)
    for t in range(1, seconds):
        noise[..., t] += 0.6 * noise[..., t - 1]
    return y[..., None] + noise


def s1_s2_level(rng, R):
    """The cell is the sample: block differences keep 5 %, pooled seconds and pooled runs do not."""
    cell = hierarchy(rng, R).mean(axis=3)
    yield at_most("S1", "type I, signed rank on block differences", "10 blocks, 3 runs",
                  signed_rank(cell[:, 1] - cell[:, 0]).two_sided <= 0.05)  # fmt: skip
    y = hierarchy(rng, min(R, 1000), seconds=30)
    pooled = y.reshape(len(y), 2, -1)
    wrong = st.ttest_ind(pooled[:, 0], pooled[:, 1], axis=1).pvalue <= 0.05
    yield Result("S2", "type I, t on pooled seconds (wrong on purpose)", "10 blocks, 3 runs, 30 s",
                 float(wrong.mean()), 0.30, 1.0, len(wrong))  # fmt: skip
    runs = (y.mean(axis=4)[:, 1] - y.mean(axis=4)[:, 0]).reshape(len(y), -1)
    wrong = signed_rank(runs).two_sided <= 0.05
    yield Result("S2", "type I, signed rank on pooled runs (wrong on purpose)", "10 blocks, 3 runs",
                 float(wrong.mean()), 0.12, 1.0, len(wrong))  # fmt: skip


DISTRIBUTIONS: dict[str, Callable] = {
    "normal": lambda rng, s: rng.normal(0, 0.03, s),
    "t3": lambda rng, s: 0.02 * rng.standard_t(3, s),
    "contaminated": lambda rng, s: rng.normal(0, 0.02, s) - (rng.random(s) < 0.08) * 0.2,
    "skewed": lambda rng, s: 0.03 * rng.gamma(2, 1, s),
    "bimodal": lambda rng, s: rng.normal(0, 0.02, s) - (rng.random(s) < 0.3) * 0.1,
    "skewed against normal": lambda rng, s: 0.03 * rng.gamma(2, 1, s),
}


def s3_coverage(rng, R):
    """Coverage of the 95 % interval: both modes alike in noise, and one skewed against a normal one."""
    for name, draw in DISTRIBUTIONS.items():
        other, centre = draw, 0.0
        if name == "skewed against normal":
            # No symmetry to lean on: the target is the pseudo-median of what is estimated.
            other = DISTRIBUTIONS["normal"]
            d = draw(rng, 4_000_000) - other(rng, 4_000_000)
            centre = float(np.median((d[::2] + d[1::2]) / 2))
        for n in (6, 8, 10, 15, 20, 30):
            d = draw(rng, (R, n)) - other(rng, (R, n))
            _, [(low, high)] = hl_intervals(d, [0.05])
            hits = (low <= centre) & (centre <= high)
            yield Result(
                "S3", "coverage of the 95 % interval", f"{name}, n={n}", float(hits.mean()), 0.93, 0.99, R
            )


def _family(rng, R, n, sd, effects, pairs="baseline"):
    """Analyse R studies of len(effects) modes; return (R, m) outcomes and the m true log ratios."""
    k = len(effects)
    cells = rng.normal(0, sd / math.sqrt(2), (R, k, n)) + np.asarray(effects)[None, :, None]
    which = (
        [(j, 0) for j in range(1, k)]
        if pairs == "baseline"
        else [(i, j) for i in range(k) for j in range(i + 1, k)]
    )
    todo = [
        Pair(cells[r, i] - cells[r, j], Family((r,), len(which)), math.log(1.05))
        for r in range(R)
        for i, j in which
    ]
    outcomes = analyse_by_study(todo, 0.05, len(which))
    truth = np.array([effects[i] - effects[j] for i, j in which])
    return outcomes, truth, which


def analyse_by_study(pairs, alpha, m):
    """As ``analyse``, in chunks of studies: families are looked up pair by pair there."""
    out = []
    for start in range(0, len(pairs), 40 * m):
        out += analyse(pairs[start : start + 40 * m], alpha)
    return [out[i : i + m] for i in range(0, len(out), m)]


NULLS = {"no differences": (0, 0, 0, 0), "one differs": (0, 0, 0, -0.05), "two pairs": (0, 0, -0.05, -0.05)}


def s4_s5_s10_families(rng, R):
    """Holm's family-wise error, simultaneous intervals and rank intervals, all pairs of four modes."""
    for n in (8, 10, 15):
        for name, effects in NULLS.items():
            studies, truth, which = _family(rng, R, n, 0.03, effects, "all")
            null = truth == 0
            wrong = [any(is_difference(o.verdict) for o, z in zip(s, null) if z) for s in studies]
            yield at_most("S4", "family-wise error of Holm", f"4 modes, n={n}, {name}", wrong)
            cover = [all(o.sim_low <= t <= o.sim_high for o, t in zip(s, truth)) for s in studies]
            yield at_least("S5", "simultaneous coverage", f"4 modes, n={n}, {name}", cover, 0.95)
            good = []
            for s in studies:
                better = np.zeros((4, 4), dtype=bool)
                for o, (i, j) in zip(s, which):
                    if is_difference(o.verdict):
                        better[(i, j) if o.estimate > 0 else (j, i)] = True
                ranks = rank_intervals(better)
                # A mode tied with others may have any of their ranks: its set of true ranks must be met.
                good.append(all(
                    low <= 1 + sum(e > effects[i] for e in effects)
                    and high >= sum(e >= effects[i] for e in effects)
                    for i, (low, high) in enumerate(ranks)
                ))  # fmt: skip
            yield at_least("S10", "rank intervals cover all ranks", f"4 modes, n={n}, {name}", good, 0.95)


def s6_s7_equivalence(rng, R):
    """Claims of sameness: false ones at the margin in a family, true ones at a ratio of one."""
    edge = math.log(1.05)
    for n, sd in ((8, 0.02), (10, 0.03), (20, 0.05)):
        studies, _, _ = _family(rng, R, n, sd, (0, edge, -edge, edge))
        false = [any(o.verdict in ("equivalent", "different_negligible") for o in s) for s in studies]
        yield at_most("S6", "any false sameness at the margin", f"k=4, n={n}, sd {sd:.0%}", false)
        material = [any(o.verdict == "different_material" for o in s) for s in studies]
        yield at_most("S6", "any false materiality at the margin", f"k=4, n={n}, sd {sd:.0%}", material)
    p = tost_p(rng.normal(0, 0.03, (R, 10)), edge)
    yield at_least("S7", "power of equivalence at ratio 1", "n=10, sd 3 %", p <= 0.05, 0.97)


def s8_planner(rng, R):
    """The planned number of blocks has the power it was planned for."""
    for sd in (0.03, 0.05, 0.08):
        n = blocks_for_power(sd, 0.05, m=3)
        hits = signed_rank(rng.normal(math.log(1.05), sd, (R, n))).two_sided <= 0.05 / 3
        yield at_least("S8", "power of the plan", f"sd {sd:.0%}, m=3 -> n={n}", hits, 0.78)


def s9_stopping(rng, R):
    """Coverage after stopping on precision, the final interval at 0.7 alpha."""
    for sd, m in ((0.02, 1), (0.03, 1), (0.05, 1), (0.03, 3)):
        hits, most = [], 60
        for _ in range(R):
            d = rng.normal(0, sd, (m, most))
            n = FIRST_LOOK
            while not precision_reached(dict(enumerate(d[:, :n])), half_width=0.02, n_max=most).stop:  # type: ignore[arg-type]
                n += 1
            _, [(low, high)] = hl_intervals(d[:, :n], [0.05 * SEQUENTIAL / m])
            hits.append(bool(((low <= 0) & (high >= 0)).all()))
        yield at_least(
            "S9", "coverage after stopping on precision", f"sd {sd:.0%}, {m} comparison(s)", hits, 0.95
        )


def s11_omnibus(rng, R):
    """Level of the permutation F, and power not below Friedman's."""
    for k, n in ((3, 10), (4, 8)):
        null, power, friedman = [], [], []
        for _ in range(R):
            z = rng.normal(0, 0.02, (n, k))
            null.append(permutation_p(z, rng, 299)[1] <= 0.05)
            z[:, 0] -= 0.03
            power.append(permutation_p(z, rng, 299)[1] <= 0.05)
            friedman.append(st.friedmanchisquare(*z.T).pvalue <= 0.05)
        yield at_most("S11", "type I of the permutation F", f"k={k}, n={n}", null)
        gain = np.mean(power) - np.mean(friedman)
        yield Result("S11", "power less Friedman's, one mode -3 %", f"k={k}, n={n}", float(gain), 0.0, 1.0, R)


def s12_checks(rng, R):
    """False alarms of the advisory checks, at level 0.05 so that a rate can be seen."""
    for n in (10, 20):
        x = rng.normal(0, 1, (R, n))
        for name, check in (("drift", drift), ("lag one", lag_one), ("change point", change_point)):
            # A seed a row: one set of permutations for all of them would give them all its own error.
            kw = [{} if check is drift else {"permutations": 299, "seed": i} for i in range(R)]
            hits = [check(row, alpha=0.05, **more).status == "flagged" for row, more in zip(x, kw)]
            yield at_most("S12", f"false alarms, {name}", f"n={n}, level 0.05", hits)
        hits = []
        for row in x:
            slots = rng.random((n, 4)).argsort(axis=1)
            cells = row[:, None] + rng.normal(0, 1, (n, 4))
            by_slot = np.take_along_axis(cells - cells.mean(axis=0), slots, axis=1)
            hits.append(permutation_p(by_slot, rng, 299)[1] <= 0.05)
        yield at_most("S12", "false alarms, position", f"n={n}, level 0.05", hits)
        control = signed_rank(rng.normal(0, 0.03, (R, n))).two_sided <= 0.05
        yield at_most("S12", "false alarms, A/A", f"n={n}", control)


def s13_warm_up(rng, R):
    """The warm-up profile and the step in a run."""

    def profile(amount):
        noise = hierarchy(rng, 1, modes=1, blocks=10, runs=1, seconds=30)[0, 0, :, 0]
        return np.exp(noise + np.log1p(-amount * np.exp(-np.arange(30) / 2.0)))

    false = [warm_up(profile(0.0)).status == "omit_too_short" for _ in range(R)]
    yield at_most("S13", "false alarms of the warm-up profile", "n=10, 30 s", false)
    found = [warm_up(profile(0.10)).status == "omit_too_short" for _ in range(R)]
    yield at_least("S13", "power of the warm-up profile", "10 % left", found, 0.95)
    y = np.exp(hierarchy(rng, R, modes=1, blocks=1, runs=1, seconds=30)[:, 0, 0, 0])
    yield at_most("S13", "false alarms of the step in a run", "AR(1) 0.6, 30 s", step_in_run(y) > 0.10, 0.002)
    y[:, 21:] *= 0.3
    yield at_least("S13", "power of the step in a run", "-70 % at 70 %", step_in_run(y) > 0.10, 0.999)


def s14_order(rng, R):
    """All of A and then all of B, under drift, against randomised blocks."""
    n = 10
    slots = np.arange(2 * n) * -0.005
    noise = rng.normal(0, 0.01, (R, 2 * n))
    series = slots + noise
    wrong = signed_rank(series[:, n:] - series[:, :n]).two_sided <= 0.05
    yield Result("S14", "type I, AAAA…BBBB under drift (wrong on purpose)", "-0.5 % a slot, n=10",
                 float(wrong.mean()), 0.9, 1.0, R)  # fmt: skip
    flip = rng.random((R, n)) < 0.5
    d = series[:, 1::2] - series[:, ::2]
    yield at_most("S14", "type I, randomised blocks under drift", "-0.5 % a slot, n=10",
                  signed_rank(np.where(flip, d, -d)).two_sided <= 0.05)  # fmt: skip


def s15_quantised(rng, R):
    """Values read off to 1 %: the test may lose power and must not gain errors."""
    cells = np.round(np.exp(rng.normal(0, 0.02, (R, 2, 10))), 2)
    d = np.log(cells[:, 1]) - np.log(cells[:, 0])
    yield at_most("S15", "type I, values rounded to 1 %", "n=10, sd 3 %", signed_rank(d).two_sided <= 0.05)


def s16_survivors(rng, R):
    """Failures in the slow tail flatter a mode; the worst-rank reading must stand in the way."""
    from cnilab.stats.sensitivity import worst_rank_differences

    n = 20
    flattered, stopped, bias = [], [], []
    lam = math.log(1.05)
    for _ in range(R):
        cells = rng.normal(0, 0.05 / math.sqrt(2), (2, n))
        cells[1] += math.log(0.95)
        slow = cells[1] - cells[0] < np.quantile(cells[1] - cells[0], 0.2)
        values = cells.copy()
        values[1, slow] = np.nan
        none = np.zeros((2, n), dtype=int)
        fails = none.copy()
        fails[1, slow] = 1
        blocks, runs = tuple(map(str, range(n))), (~np.isnan(values)).astype(int)
        where = ("goodput_bps", "value", None, None, None, "bit/s", ("a", "b"), blocks)
        table = Table(*where, values, runs, fails, none, none)
        d = values[1] - values[0]
        family = Family(("x",), 1)
        [survivors] = analyse([Pair(d[~np.isnan(d)], family, lam)], 0.05)
        [worst] = analyse([Pair(worst_rank_differences(table, 1, 0), family, lam)], 0.05, infinite=True)
        bias.append(survivors.estimate)
        if survivors.verdict in ("equivalent", "different_negligible"):
            flattered.append(True)
            stopped.append(worst.verdict != survivors.verdict)
    yield Result("S16", "ratio among survivors, true 0.95 (biased by design)", "20 % slowest fail, n=20",
                 float(np.exp(np.mean(bias))), 0.955, 0.985, R)  # fmt: skip
    share = float(np.mean(stopped)) if stopped else 1.0
    yield Result("S16", "flattering verdicts overturned by worst ranks", f"{len(stopped)} of {R} studies",
                 share, 0.99, 1.0, max(1, len(stopped)))  # fmt: skip


def _host(rng, shape):
    """Log values of a host that is quiet."""
    return rng.normal(0, 0.015, shape)


def _two_states(rng, shape):
    """As resolution.md 11: 0.4 of the blocks in a state in which everything is 0.35 lower, host and mode apart."""
    return rng.normal(0, 0.015, shape) - 0.35 * (rng.random(shape) < 0.4)


def _neighbour(rng, shape):
    """Bursts of a busy neighbour: a quarter of the trials lose up to half."""
    return rng.normal(0, 0.015, shape) - (rng.random(shape) < 0.25) * rng.uniform(0.1, 0.7, shape)


def _outlier_block(rng, shape):
    """One block of which one cell, whichever, lost two thirds."""
    y = rng.normal(0, 0.015, shape)
    studies = np.arange(shape[0])
    y[studies, rng.integers(shape[1], size=shape[0]), rng.integers(shape[2], size=shape[0])] -= 1.1
    return y


def _drift(rng, shape):
    """Two per cent a block, the order within it drawn."""
    slots = rng.random(shape).argsort(axis=1)
    at = np.arange(shape[2]) * shape[1] + slots
    return rng.normal(0, 0.015, shape) - 0.02 * at / shape[1]


#: Regime -> log values of (studies, modes, blocks) without a difference.
REGIMES: dict[str, Callable] = {
    "quiet": _host, "two states": _two_states, "noisy neighbour": _neighbour, "outlier block": _outlier_block,
    "drift": _drift,
}  # fmt: skip


def s17_regimes(rng, R):
    """A noisy machine: errors, coverage, and what one outlying block does to the numbers of blocks foretold."""
    k, n, lam = 5, 10, math.log(1.05)
    widths = {}
    for name, draw in REGIMES.items():
        y = draw(rng, (R, k, n))
        d = y[:, 1:] - y[:, :1]
        pairs = [Pair(d[r, i], Family((r,), k - 1), lam) for r in range(R) for i in range(k - 1)]
        studies = analyse_by_study(pairs, 0.05, k - 1)
        wrong = [any(is_difference(o.verdict) for o in s) for s in studies]
        yield at_most("S17", "family-wise false difference", f"{name}, 5 modes, n=10", wrong)
        cover = [all(o.sim_low <= 0 <= o.sim_high for o in s) for s in studies]
        yield at_least("S17", "simultaneous coverage", f"{name}, 5 modes, n=10", cover, 0.95)
        contradicts = [
            any(
                (o.verdict == "equivalent" and not -lam - 1e-12 <= o.shown_low <= o.shown_high <= lam + 1e-12)
                or (is_difference(o.verdict) and o.shown_low < 0 < o.shown_high)
                or (o.verdict == "inconclusive" and not o.shown_low <= 0 <= o.shown_high)
                for o in s
            )
            for s in studies
        ]
        yield Result("S17", "an interval shown contradicts its verdict", name, float(np.mean(contradicts)), 0, 0, R)
        widths[name] = float(np.quantile([o.noise for s in studies for o in s], 0.8))
        widths[f"{name}, plain"] = float(np.quantile([o.sd for s in studies for o in s], 0.8))
    robust, plain = (widths[f"outlier block{end}"] / widths[f"quiet{end}"] for end in ("", ", plain"))
    yield Result("S17", "noise with one outlying cell in a study, robust, as a multiple", "n=10", robust, 0.8, 1.3, R)
    yield Result("S17", "the same, plain standard deviation (wrong on purpose)", "n=10", plain, 1.3, 1e3, R)


def s18_strata(rng, R):
    """Two states whose ratios differ: differences formed within states, and across them as before."""
    from cnilab.stats.strata import within

    n, rounds, ratios = 8, 3, np.array([math.log(0.68), math.log(0.76)])
    inside, across = [], []
    for _ in range(R):
        state = rng.random((2, n, rounds)) < 0.35  # of each trial of host and mode
        y = rng.normal(0, 0.02, (2, n, rounds)) - 0.4 * state
        y[0] += ratios[state[0].astype(int)]
        with np.errstate(invalid="ignore", divide="ignore"):
            runs = np.stack([(state == s).sum(axis=2) for s in (False, True)])
            means = np.stack([np.where(state == s, y, 0).sum(axis=2) for s in (False, True)]) / np.where(runs, runs, np.nan)
        d = within(means, runs, 0, 1)[0]
        d = d[~np.isnan(d)]
        for d_, into in ((d, inside), (y[0].mean(axis=1) - y[1].mean(axis=1), across)):
            _, [(low, high)] = hl_intervals(d_, [0.05])
            into.append((low[0], high[0]))
    spans = [np.array(each) for each in (inside, across)]
    width = [float(np.median((s[:, 1] - s[:, 0])[np.isfinite(s).all(axis=1)])) / 2 for s in spans]
    lies = (spans[0][:, 0] <= ratios[1]) & (spans[0][:, 1] >= ratios[0])
    yield at_least("S18", "the interval within states meets the two ratios", "n=8, 3 rounds", lies, 0.99)
    yield Result("S18", "its half-width, as a share of that across states (today's design)", "n=8, 3 rounds",
                 width[0] / width[1], 0.0, 0.5, R)  # fmt: skip


SIMULATIONS: dict[str, Callable] = {
    "S1 S2": s1_s2_level, "S3": s3_coverage, "S4 S5 S10": s4_s5_s10_families, "S6 S7": s6_s7_equivalence,
    "S8": s8_planner, "S9": s9_stopping, "S11": s11_omnibus, "S12": s12_checks, "S13": s13_warm_up,
    "S14": s14_order, "S15": s15_quantised, "S16": s16_survivors,
    "S17": s17_regimes, "S18": s18_strata,
}  # fmt: skip
#: Studies a simulation in the fast set, chosen so that the whole stays well below a minute.
FAST = {
    "S1 S2": 2000, "S3": 2000, "S4 S5 S10": 2000, "S6 S7": 2000, "S8": 2000, "S9": 800, "S11": 2000,
    "S12": 2000, "S13": 2000, "S14": 2000, "S15": 2000, "S16": 2000,
    "S17": 200, "S18": 200,
}  # fmt: skip


def run(name: str, studies: int, seed: int = 20261124) -> list[Result]:
    """Run one simulation with its own stream."""
    stream = list(SIMULATIONS).index(name)
    return list(SIMULATIONS[name](np.random.default_rng([seed, stream]), studies))
