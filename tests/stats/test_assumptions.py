"""Drift, carry-over, steps and positions: found where they are, and never "there is none"."""

import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau

from cnilab.errors import DataError
from cnilab.stats import run_checks
from cnilab.stats.assumptions import change_point, drift, lag_one, position
from cnilab.stats.cells import collect

from .frames import campaign

SERIES = (drift, lag_one, change_point)


@pytest.mark.parametrize("check", SERIES)
@pytest.mark.parametrize("x", [np.arange(7.0), np.ones(20), np.full(20, np.nan), np.array([])])
def test_too_little_or_constant_is_unknown(check, x):
    found = check(x)
    assert found.status == "unknown"
    assert found.p is None


@pytest.mark.parametrize("check", SERIES)
def test_infinite_values_raise(check):
    with pytest.raises(DataError, match="infinite"):
        check(np.r_[np.arange(9.0), np.inf])


def test_drift_is_kendalls():
    x = np.random.default_rng(1).normal(0, 1, 15) + np.arange(15) * 0.4
    found = drift(x)
    assert found.p == pytest.approx(kendalltau(np.arange(15), x).pvalue)
    assert found.status == "flagged"
    assert found.low < found.estimate < found.high


def test_a_gap_keeps_its_place_in_time():
    x = np.arange(12.0) ** 2
    x[5] = np.nan
    assert drift(x).n == 11
    assert drift(x).estimate == pytest.approx(drift(x, np.arange(12.0)).estimate)


def test_the_words_are_not_detected():
    found = drift(np.random.default_rng(4).normal(0, 0.02, 12))
    assert found.status == "not_detected"
    assert found.low < 0 < found.high, "the size that could be missed is known"


def test_dependence_is_found():
    rng = np.random.default_rng(2)
    x = np.zeros(60)
    for i in range(1, 60):
        x[i] = 0.8 * x[i - 1] + rng.normal()
    assert lag_one(x).status == "flagged"
    assert lag_one(rng.normal(size=60)).status == "not_detected"


def test_dependence_is_measured_from_its_mean_under_independence():
    x = np.random.default_rng(11).normal(size=8)
    z = x - x.mean()

    def away(v):
        return abs((v[1:] * v[:-1]).sum() / (v**2).sum() + 1 / 7)

    every = np.array([away(np.array(p)) for p in itertools.permutations(z)])
    assert every.mean() == pytest.approx(np.abs(every).mean())
    assert lag_one(x, permutations=9999).p == pytest.approx((every >= away(z) - 1e-12).mean(), abs=0.015)


def test_a_step_is_found_where_it_is():
    x = np.r_[np.zeros(12), np.ones(8)] + np.random.default_rng(3).normal(0, 0.1, 20)
    found = change_point(x)
    assert found.status == "flagged"
    assert found.estimate == 11


def test_the_first_place_in_a_block():
    rng = np.random.default_rng(5)
    slots = np.array([rng.permutation(4) for _ in range(12)]).T
    cells = rng.normal(0, 0.01, (4, 12)) + rng.normal(0, 0.1, 12) + np.arange(4)[:, None]
    assert position(cells, slots).status == "not_detected"
    found = position(cells - 0.05 * (slots == 0), slots)
    assert found.status == "flagged"
    assert found.estimate == pytest.approx(-0.05 * 3 / 4, abs=0.01)
    assert position(cells[:, :7], slots[:, :7]).status == "unknown"


def test_a_study_is_checked_table_by_table():
    frame = campaign({"host": 0, "host#aa": 0, "b": 0.1}, 12, placements=("same_subnet", "cross_subnet"))
    frame["value"] *= np.exp(0.1 * frame["block"])
    rng = np.random.default_rng(0)
    frame["slot"] = frame.groupby(["placement", "block"])["block"].transform(
        lambda g: rng.permutation(len(g))
    )
    out = run_checks(collect(frame), frame, "host")
    assert set(out["check"]) == {"drift", "change_point", "position", "lag_one"}
    assert set(out.loc[out["check"] == "drift", "status"]) == {"flagged"}
    assert set(out.loc[out["check"] == "lag_one", "mode"]) == {"b"}
    assert (out["p"].dropna() > 0).all()
    assert run_checks(collect(frame), frame, "host").equals(out)
