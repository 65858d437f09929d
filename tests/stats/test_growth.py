"""A planted exponent is recovered, held-back sizes are predicted, and a law that bends or misses is not called one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnilab.errors import DataError
from cnilab.stats.growth import Prediction, grow

SIZES = np.array([4.0, 8, 16, 32, 64, 128, 192, 256])
HELD = [192, 256]


def made(law, blocks=8, seed=1, block=0.03, cell=0.02, sizes=SIZES):
    """Values of a known law, with what a block shares and what each cell has of its own."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, block, (blocks, 1)) + rng.normal(0, cell, (blocks, len(sizes)))
    return law(sizes) * np.exp(noise)


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 2.5])
def test_a_planted_exponent_is_recovered(exponent):
    found = grow(SIZES, made(lambda n: 3e-4 * n**exponent), held_back=HELD, beyond=[5000])
    assert found.exponent.low < exponent < found.exponent.high
    assert found.exponent.high - found.exponent.low < 0.05
    assert found.law_holds is True
    assert [p.size for p in found.predictions] == [192, 256, 5000]
    far = found.predictions[-1]
    assert far.low < 3e-4 * 5000**exponent < far.high
    assert far.measured is None


@pytest.mark.parametrize(
    ("q", "alone", "c", "k"), [(1, 5e6, 2e4, 2.0), (0, 1.0, 1e-4, 2.0), (1, 3e-3, 2e-5, 2.5)]
)
def test_what_everybody_costs_alone_is_parted_from_what_grows(q, alone, c, k):
    def law(n):
        return alone * n**q + c * n**k

    found = grow(SIZES, made(law), held_back=HELD, beyond=[5000], q=q)
    assert found.exponent.low < k < found.exponent.high
    assert found.alone == pytest.approx(alone, rel=0.15)
    assert all(p.inside for p in found.predictions[:2])
    assert found.predictions[2].low < law(5000.0) < found.predictions[2].high
    straight = grow(SIZES, made(law), held_back=HELD)
    assert straight.law_holds is False, "without the part that does not grow it is no power law"


def test_a_law_that_changes_where_it_was_held_back_is_refuted():
    values = made(lambda n: n**2)
    values[:, -1] *= 3
    found = grow(SIZES, values, held_back=HELD)
    assert [p.inside for p in found.predictions] == [True, False]
    assert found.law_holds is False


def test_a_bend_is_refuted_though_nothing_is_held_back():
    found = grow(SIZES, made(lambda n: n ** (1 + 0.1 * np.log(n))))
    assert found.bend.low > 0.1
    assert found.law_holds is False


def test_too_few_sizes_decades_or_blocks_say_nothing():
    few = grow(SIZES[:5], made(lambda n: n**2)[:, :5], held_back=[64])
    assert few.law_holds is None
    narrow = np.array([100.0, 110, 120, 130, 140, 150, 160, 170])
    assert grow(narrow, made(lambda n: n**2, sizes=narrow), held_back=[160, 170]).law_holds is None
    one = grow(SIZES, made(lambda n: n**2, blocks=1), held_back=HELD)
    assert (one.n, one.law_holds, one.predictions[0].low) == (1, None, None)
    assert one.exponent.high == np.inf


def test_what_does_not_grow_has_no_exponent():
    found = grow(SIZES, made(lambda n: 7 * n), q=1)
    assert found.exponent is None
    assert found.share < 0.1


def test_a_block_that_lacks_a_fitted_size_is_left_out_and_one_that_lacks_a_held_back_one_is_not():
    values = made(lambda n: n**2)
    values[0, 2] = np.nan
    values[1, -1] = np.nan
    assert grow(SIZES, values, held_back=HELD).n == 7


@pytest.mark.parametrize(
    ("sizes", "values", "said"),
    [
        ([4, 8, 8], np.ones((2, 3)), "sizes different"),
        ([4, 8], np.ones((2, 3)), "a column a size"),
        ([4, 8, 16], np.array([[1.0, 0, 2]]), "not above 0"),
        ([4, 8], np.ones((2, 2)), "2 sizes in 2 whole blocks"),
        ([4, 8, 16], np.array([[1.0, np.nan, 2]]), "3 sizes in 0 whole blocks"),
    ],
)
def test_what_cannot_be_fitted_is_refused(sizes, values, said):
    with pytest.raises(DataError, match=said):
        grow(sizes, values)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-6, 1e6), st.sampled_from([None, 0, 1]))
def test_a_unit_and_the_order_of_blocks_and_sizes_change_no_exponent(seed, unit, q):
    values = made(lambda n: 2.0 * n ** (q or 0) + 0.05 * n**2, seed=seed, blocks=6)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(6), rng.permutation(len(SIZES))
    one = grow(SIZES, values, held_back=HELD, q=q)
    other = grow(SIZES[columns], unit * values[rows][:, columns], held_back=HELD, q=q)
    if one.exponent is None:
        assert other.exponent is None
    else:
        assert other.exponent.estimate == pytest.approx(one.exponent.estimate, abs=1e-6)
    assert other.predictions[1].predicted == pytest.approx(unit * one.predictions[1].predicted, rel=1e-6)
    assert other.law_holds is one.law_holds


def test_intervals_hold_as_often_as_they_say():
    times, hits, inside = 150, 0, 0
    for seed in range(times):
        found = grow(SIZES, made(lambda n: n**2, blocks=6, seed=seed), held_back=HELD)
        hits += found.exponent.low <= 2 <= found.exponent.high
        inside += all(p.inside for p in found.predictions)
    assert hits / times > 0.95 - 3.3 * np.sqrt(0.95 * 0.05 / times)
    assert inside / times > 0.9


def test_a_prediction_as_wide_as_anything_is_not_useful():
    assert Prediction(9, 1.0, 0.5, 2.0).useful
    assert not Prediction(9, 1.0, 0.001, 2.0).useful
    assert Prediction(9, 1.0, None, None).inside is None
