"""A ratio's parts multiply to the ratio; what was planted in a part is found there and nowhere else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.errors import DataError
from cnilab.modes import MODES
from cnilab.stats.split import payload_share, split


def blocks(n=12, seed=1, sd=0.05):
    """What all deployments of a block share."""
    return np.random.default_rng(seed).normal(22, sd, n)


def test_planted_parts_come_back():
    block = blocks()
    found = split(block + math.log(0.6), block, 0.9, mode_equal=block + math.log(0.8), base_equal=block)
    assert found.ratio.estimate == pytest.approx(0.6)
    assert found.rest.estimate == pytest.approx(0.6 / 0.9)
    assert found.equal.estimate == pytest.approx(0.8)
    assert found.segments.estimate == pytest.approx(0.6 / 0.8)


def test_a_loss_of_headers_alone_leaves_no_rest():
    headers = payload_share(1450, 50) / payload_share(1500, 0)
    noise = np.random.default_rng(3).normal(0, 0.01, 12)
    found = split(blocks() + math.log(headers) + noise, blocks(), headers)
    assert found.rest.low < 1 < found.rest.high
    assert found.ratio.high < 1
    assert found.equal is None
    assert found.segments is None


def test_the_intervals_hold_as_often_as_they_say():
    rng, hits, times = np.random.default_rng(7), 0, 400
    for _ in range(times):
        block = rng.normal(22, 0.3, 10)
        found = split(block + math.log(0.7) + rng.standard_t(3, 10) * 0.05, block, 0.95)
        hits += found.rest.low <= 0.7 / 0.95 <= found.rest.high
    # exact level at ten blocks is 0.951; four standard errors below it
    assert hits / times > 0.951 - 4 * math.sqrt(0.951 * 0.049 / times)


numbers = st.lists(st.floats(18, 26), min_size=1, max_size=14)


@given(numbers, st.floats(0.3, 1.2), st.integers(0, 2**31))
def test_ratio_is_headers_times_rest_and_blocks_cancel(values, headers, seed):
    rng = np.random.default_rng(seed)
    mode, base = np.array(values), np.array(values) + rng.normal(0, 0.1, len(values))
    one = split(mode, base, headers)
    assert one.ratio.estimate == pytest.approx(one.headers * one.rest.estimate)
    shift = rng.normal(0, 2, len(values))
    moved = split(mode + shift, base + shift, headers)
    assert moved.rest.estimate == pytest.approx(one.rest.estimate)
    same = split(mode, base, headers, mode_equal=mode, base_equal=base)
    assert same.segments.estimate == pytest.approx(1)


def test_missing_blocks_are_left_out_not_filled():
    block = blocks(8)
    mode = block + math.log(0.5)
    mode[2] = math.nan
    equal = block.copy()
    equal[5] = math.nan
    found = split(mode, block, 1.0, mode_equal=equal, base_equal=block)
    assert (found.ratio.n, found.equal.n, found.segments.n) == (7, 7, 6)
    assert split(np.full(3, math.nan), blocks(3), 1.0) is None


def test_arithmetic_of_headers():
    assert payload_share(1500, 0) == 1448 / 1500
    assert payload_share(1450, 50) == 1398 / 1500
    # no mode's headers can make a packet longer than the underlay lets through, nor a share above the plain one
    for mode in MODES.values():
        assert mode.pod_mtu() + mode.header_bytes <= 1500
        assert payload_share(mode.pod_mtu(), mode.header_bytes) <= payload_share(1500, 0)


@pytest.mark.parametrize("headers", [0.0, -1.0, math.nan])
def test_wrong_input_is_told(headers):
    with pytest.raises(DataError, match="must be above 0"):
        split(blocks(), blocks(), headers)
    with pytest.raises(DataError, match="one value a block"):
        split(blocks(4), blocks(5), 1.0)
    with pytest.raises(DataError, match="exceed 52"):
        payload_share(52, 0)
