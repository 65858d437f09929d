"""The interval that is shown never says what its verdict does not."""

import math

import numpy as np
import pytest

from cnilab.stats.pairs import Family, Pair, analyse

LAM = math.log(1.05)


def studies(n, sd, effects, count, *, explored=False, seed=1):
    rng = np.random.default_rng(seed)
    m = len(effects)
    return [
        o
        for s in range(count)
        for o in analyse(
            [Pair(rng.normal(e, sd, n), Family(("f", i if explored else s), m, explored), LAM)
             for i, e in enumerate(effects)], 0.05
        )
    ]  # fmt: skip


@pytest.fixture(scope="module")
def near_the_margin():
    effects = (0, 0.02, -0.02, 0.035, -0.04, 0.05, -0.06, 0.09)
    return [o for n, sd in ((8, 0.02), (10, 0.03), (14, 0.05)) for o in studies(n, sd, effects, 60)]


def test_the_same_never_reaches_beyond_the_margin(near_the_margin):
    same = [o for o in near_the_margin if o.verdict in ("equivalent", "different_negligible")]
    assert len(same) > 100
    assert any(max(-o.sim_low, o.sim_high) > LAM for o in same), "the simultaneous interval does"
    assert all(-LAM <= o.shown_low <= o.estimate <= o.shown_high <= LAM for o in same)


def test_a_difference_never_reaches_over_none(near_the_margin):
    differ = [o for o in near_the_margin if o.verdict in ("different_material", "different_size_unclear")]
    assert any(o.sim_low < 0 < o.sim_high for o in differ), "Holm decides where Bonferroni's interval does not"
    assert all(o.shown_low >= 0 or o.shown_high <= 0 for o in differ)
    material = [o for o in differ if o.verdict == "different_material"]
    assert all(o.shown_low > LAM or o.shown_high < -LAM for o in material)


def test_what_cannot_be_told_holds_none(near_the_margin):
    open_ = [o for o in near_the_margin if o.verdict == "inconclusive"]
    assert len(open_) > 50
    assert all(o.shown_low <= 0 <= o.shown_high for o in open_)


def test_a_lead_among_many_holds_none():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(60):
        todo = [Pair(rng.normal(0.03 if i < 2 else 0.0, 0.03, 10), Family((i,), 1, True), LAM) for i in range(30)]
        found += [o for o in analyse(todo, 0.05) if "bh_not_rejected" in o.flags and o.verdict == "inconclusive"]
    assert len(found) > 20
    assert any(not o.sim_low <= 0 <= o.sim_high for o in found)
    assert all(o.shown_low <= 0 <= o.shown_high for o in found)


def test_same_within_is_the_margin_from_which_on_sameness_is_shown():
    rng = np.random.default_rng(5)
    for _ in range(40):
        d = rng.normal(0.01, 0.03, 10)
        for m in (1, 6):
            [o] = analyse([Pair(d, Family(("f",), m), LAM)], 0.05)
            for factor, called in ((1.0001, True), (0.9999, False)):
                [at] = analyse([Pair(d, Family(("f",), m), o.same_within * factor)], 0.05)
                assert (at.p_equivalence * m <= 0.05) == called
