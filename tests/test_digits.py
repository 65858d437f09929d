"""No digit that the interval does not carry, no number that rounding moves to where it is not."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnilab import digits


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [(0.58, 0.66, 2), (0.7, 1.0, 2), (1500, 1900, -1), (0.995, 1.005, 3), (1, 1, None), (None, 1, None)],
)
def test_decimals_follow_the_interval(low, high, places):
    assert digits.decimals(low, high) == places


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e5))
def test_rounding_moves_a_number_by_little_of_its_interval(middle, half):
    places = digits.decimals(middle - half, middle + half)
    if places is not None:
        assert abs(round(middle, places) - middle) <= 0.15 * half


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((1.84, 0.66, 102), "1.8 (0.66 – × 100)"),  # was "0 (0 – 100)"
        ((0.661, 0.245, 0.956), "0.66 (0.24 – 0.96)"),  # was "0.7 (0.2 – 1.0)": as if it might be the same
        ((0.54, 0.44, 1.03), "0.54 (0.44 – 1.03)"),
        ((0.6213, 0.5801, 0.6598), "0.62 (0.58 – 0.66)"),
        ((0.9971, 0.9952, 0.9987), "0.9971 (0.9952 – 0.9987)"),
        ((4721.3, 3998.0, 5555.0), "× 4700 (× 4000 – × 5600)"),
    ],
)
def test_a_ratio_is_told_with_the_digits_of_its_logarithm(interval, text):
    assert digits.ratio(*interval) == text


ENDS = st.floats(1e-3, 1e4)


@given(st.tuples(ENDS, ENDS, ENDS).map(sorted))
@example([0.245, 0.661, 0.956])
@example([0.66, 1.84, 102.0])
@example([0.9, 0.97, 0.9999])
def test_rounding_never_lets_an_interval_touch_one_and_never_moves_an_end_by_a_tenth(ends):
    low, middle, high = ends
    for value in (low, middle, high):
        if (places := digits.ratio_decimals(value, low, high)) is None:
            continue
        shown = round(value, places)
        assert value == middle or (shown < 1, shown > 1) == (value < 1, value > 1)
        assert abs(math.log(shown / value)) < 0.1


@given(st.tuples(st.floats(-100, 100), st.floats(-100, 100)).map(sorted))
@example([0.004, 6.2])
def test_a_difference_that_excludes_zero_still_does_when_shown(ends):
    low, high = ends
    if low >= 1e-9 and high - low > 1e-6:
        text = digits.difference((low + high) / 2, low, high)
        left, right = text[text.index("(") + 1 : -1].split(" – ")
        assert float(left) > 0
        assert float(right) > 0


def test_nothing_is_shown_as_zero_that_is_missing():
    assert digits.ratio(None, None, None) == digits.difference(None, None, None) == "–"
    assert digits.centre(None, None, None) == digits.p_value(None) == digits.rounded(None, 2) == "–"
    assert digits.rounded(-0.0004, 2) == "0.00"
    assert digits.ratio(1.5, None, None) == "1.5 (unbounded)"
