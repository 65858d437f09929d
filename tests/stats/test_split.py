"""A ratio's two parts multiply to the ratio; what was planted in a part is found there and nowhere else."""

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
    block, own = blocks(), blocks(seed=2)
    found = split(block + own + math.log(0.6), block + own, block + math.log(0.8), block, headers=0.9)
    assert found.ratio.estimate == pytest.approx(0.6)
    assert found.segments.estimate == pytest.approx(0.6 / 0.8)
    assert found.rest.estimate == pytest.approx(0.8)
    assert found.headers == 0.9


def test_a_loss_of_segment_size_alone_leaves_no_rest():
    rng = np.random.default_rng(3)
    small, noise = math.log(1398 / 1448), rng.normal(0, 0.005, (4, 12))
    found = split(
        blocks() + noise[0] + small, blocks() + noise[1], blocks() + noise[2], blocks() + noise[3], headers=1
    )
    assert found.rest.low < 1 < found.rest.high
    assert found.segments.high < 1
    assert found.segments.low < 1398 / 1448 < found.segments.high


def test_the_intervals_hold_as_often_as_they_say():
    rng, hits, times = np.random.default_rng(7), {"segments": 0, "rest": 0}, 400
    truth = {"segments": 0.96, "rest": 0.7}
    for _ in range(times):
        block, noise = rng.normal(22, 0.3, 10), rng.standard_t(3, (4, 10)) * 0.03
        levels = (math.log(0.96 * 0.7), 0.0, math.log(0.7), 0.0)
        found = split(*(block + level + own for level, own in zip(levels, noise)), headers=1)
        for name, value in truth.items():
            part = getattr(found, name)
            hits[name] += part.low <= value <= part.high
    # exact level at ten blocks is 0.951; four standard errors below it
    assert min(hits.values()) / times > 0.951 - 4 * math.sqrt(0.951 * 0.049 / times)


numbers = st.lists(st.floats(18, 26), min_size=1, max_size=14)


@given(numbers, st.integers(0, 2**31))
def test_what_blocks_and_segment_sizes_share_cancels(values, seed):
    rng = np.random.default_rng(seed)
    n = len(values)
    four = [np.array(values) + rng.normal(0, 0.1, n) for _ in range(4)]
    one = split(*four, headers=1)
    shift, own = rng.normal(0, 2, n), rng.normal(0, 2, n)
    moved = split(four[0] + shift, four[1] + shift, four[2] + own, four[3] + own, headers=1)
    for part in ("ratio", "segments", "rest"):
        assert getattr(moved, part).estimate == pytest.approx(getattr(one, part).estimate)
    same = split(four[0], four[1], four[0], four[1], headers=1)
    assert same.segments.estimate == pytest.approx(1)
    assert same.rest.estimate == pytest.approx(same.ratio.estimate)


@given(st.floats(18, 26), st.floats(-1, 1), st.floats(-1, 1))
def test_in_one_block_the_parts_multiply_to_the_ratio(level, segments, rest):
    found = split([level + segments + rest], [level], [level + rest], [level], headers=1)
    assert found.ratio.estimate == pytest.approx(found.segments.estimate * found.rest.estimate)


def test_only_blocks_with_all_four_are_used_and_none_is_filled():
    block = blocks(8)
    mode, equal = block + math.log(0.5), block.copy()
    mode[2], equal[5] = math.nan, math.nan
    found = split(mode, block, equal, block, headers=1)
    assert {part.n for part in (found.ratio, found.segments, found.rest)} == {6}
    assert split(np.full(3, math.nan), blocks(3), blocks(3), blocks(3), headers=1) is None


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
        split(*[blocks()] * 4, headers=headers)
    with pytest.raises(DataError, match="one value a block"):
        split(blocks(4), blocks(5), blocks(4), blocks(4), headers=1.0)
    with pytest.raises(DataError, match="exceed 52"):
        payload_share(52, 0)
