"""Planning numbers against statsmodels and the method's own table."""

import numpy as np
import pytest

from cnilab.errors import DataError, UnknownKey
from cnilab.stats import plan_size
from cnilab.stats.blocks_needed import _t_power, blocks_for_half_width, blocks_for_power, detectable, upper_sd
from cnilab.stats.multiplicity import n_min
from cnilab.stats.variance import best_counts, components

from .frames import campaign


@pytest.mark.parametrize(("sd", "blocks"), [(0.02, 7), (0.03, 12), (0.05, 29), (0.08, 69)])
def test_blocks_for_half_width(sd, blocks):
    """Table of the method: 7, 12, 29, 69 blocks for ±2 % (of the ratio, or of its log: a block less)."""
    assert abs(blocks_for_half_width(sd, np.log(1.02)) - blocks) <= 1


@pytest.mark.parametrize(("sd", "blocks"), [(0.03, 8), (0.05, 15), (0.08, 33)])
def test_blocks_for_power(sd, blocks):
    assert blocks_for_power(sd, 0.05, m=3) == pytest.approx(blocks, abs=1)


@pytest.mark.parametrize("n", [5, 12, 40])
@pytest.mark.parametrize("effect", [0.3, 1.0])
def test_power_equals_statsmodels(n, effect):
    power = pytest.importorskip("statsmodels.stats.power")
    expected = power.TTestPower().power(effect_size=effect, nobs=n, alpha=0.02, alternative="two-sided")
    assert _t_power(n, effect, 0.02) == pytest.approx(expected, abs=1e-9)


def test_detectable_is_the_inverse_of_power():
    for sd in (0.02, 0.05):
        n = blocks_for_power(sd, 0.04, m=4)
        assert detectable(sd, n, m=4) <= 0.04 * 1.02
        if n - 2 >= n_min(4):
            assert detectable(sd, n - 2, m=4) > 0.04 * 0.97
    assert detectable(0.03, 5) is None


def test_more_noise_needs_more_and_never_fewer_than_any():
    needs = [blocks_for_power(sd, 0.05) for sd in (0.001, 0.01, 0.03, 0.1)]
    assert needs == sorted(needs)
    assert needs[0] == n_min(1)
    assert blocks_for_half_width(5.0, 0.01) is None
    assert blocks_for_power(9.0, 0.01) is None


def test_a_pilot_is_not_believed_to_the_letter():
    assert upper_sd(0.05, 10) > 0.05
    assert upper_sd(0.05, 1000) == pytest.approx(0.05, rel=0.03)
    with pytest.raises(DataError, match="at least 2"):
        upper_sd(0.05, 1)


def test_plan_from_a_pilot_and_from_a_number():
    pilot = campaign({"host": 0, "calico-ipip": -0.1, "flannel-vxlan": -0.2}, 8, sd=0.03)
    plan = plan_size(pilot, "host", half_width=0.02, block_seconds=60)
    assert plan.m == 2
    assert plan.sd_used > plan.sd
    assert plan.blocks == max(plan.blocks_for_power, plan.blocks_for_half_width)
    assert plan.seconds == 60 * plan.blocks
    given = plan_size(0.03, m=2)
    assert given.sd == given.sd_used == 0.03
    for form in (repr(plan), plan._repr_html_(), plan.to_json()):
        assert "nan" not in form.lower().replace("significant", "")
    assert str(plan.blocks) in repr(plan)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_noise_that_is_none(bad):
    with pytest.raises(DataError, match="above 0"):
        plan_size(bad)


def test_pilot_errors_say_what_to_do():
    pilot = campaign({"host": 0, "b": 0.1}, 8)
    with pytest.raises(DataError, match="baseline's name"):
        plan_size(pilot)
    with pytest.raises(UnknownKey, match="hosst"):
        plan_size(pilot, "hosst")
    with pytest.raises(DataError, match="longer pilot"):
        plan_size(campaign({"host": 0, "b": 0.1}, 2), "host")


def test_runs_for_a_deployment():
    """300 s a deployment, 40 s a run, 1 % and 2 % noise: 1.4, so 2 runs."""
    parts = components(np.random.default_rng(0).normal(size=(4, 3)))
    exact = type(parts)(parts.s2, (0.01**2, 0.02**2), parts.counts)
    assert best_counts(exact, (40, 300)) == (2,)
    nothing_above = type(parts)(parts.s2, (0.01**2, -1e-5), parts.counts)
    assert best_counts(nothing_above, (40, 300), most=7) == (7,)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 2, 1)])
def test_every_level_is_repeated(shape):
    with pytest.raises(DataError, match="at least 2"):
        components(np.ones(shape))


def test_components_of_constant_and_of_missing_values():
    assert components(np.ones((3, 3))).flags == ("resolution_limited",)
    with pytest.raises(DataError, match="not finite"):
        components(np.array([[1, np.nan], [1, 2]]))


def test_last_bits_are_no_spread():
    """Half of the blocks agree but for the last bits of their logarithms: the standard deviation stands in."""
    from cnilab.stats.blocks_needed import robust_sd

    d = np.array([0.0] * 10 + [0.7, -0.4])
    bits = d + np.array([1e-17, -1e-16] * 6)
    assert robust_sd(bits)[0] == pytest.approx(robust_sd(d)[0]) == pytest.approx(d.std(ddof=1))
