"""Stopping looks at widths and at nothing else."""

from dataclasses import fields

import numpy as np
import pytest

from cnilab.errors import DataError
from cnilab.stats import Declared, Precision, compare, hodges_lehmann, precision_of, precision_reached

from .frames import campaign, contract, failed

PRIMARY = {"test": "tcp_stream", "metric": "goodput_bps"}
DECLARED = Declared(PRIMARY)


def test_it_holds_nothing_to_peek_at():
    assert not {f.name for f in fields(Precision)} & {"p", "p_value", "estimate", "sign", "ratio", "verdict"}


def test_the_same_noise_stops_alike_whatever_the_effect():
    d = np.random.default_rng(1).normal(0, 0.02, 14)
    here, there = (precision_reached({"a": d + shift}, half_width=0.02) for shift in (0.0, 0.3))
    assert here.stop == there.stop
    assert here.half_widths["a"] == pytest.approx(there.half_widths["a"])


@pytest.mark.parametrize(
    ("n", "sd", "stop", "reason"),
    [
        (9, 0.001, False, "too_few_blocks"),
        (10, 0.001, True, "precision_reached"),
        (10, 0.2, False, "too_wide"),
        (30, 0.2, True, "n_max"),
    ],
)
def test_reasons(n, sd, stop, reason):
    d = np.random.default_rng(2).normal(0, sd, n)
    found = precision_reached({"a": d, "b": d[::-1]}, half_width=0.02, n_max=30)
    assert (found.stop, found.reason, found.n) == (stop, reason, n)


def test_all_comparisons_must_be_precise():
    rng = np.random.default_rng(3)
    found = precision_reached({"a": rng.normal(0, 0.001, 12), "b": rng.normal(0, 0.2, 12)}, half_width=0.02)
    assert not found.stop


def test_no_width_is_reached_and_flagged():
    found = precision_reached({"a": np.full(10, 0.1)}, half_width=0.01)
    assert found.stop
    assert found.flags == ("resolution_limited:a",)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"half_width": 0}, "above 0"),
        ({"half_width": -1}, "above 0"),
        ({"half_width": 0.02, "n_first": 5}, "before anything can be significant"),
        ({"half_width": 0.02, "m": 1000}, "before anything can be significant"),
        ({"half_width": 0.02, "n_max": 9}, "below the first look"),
        ({"half_width": 0.02, "alpha": 0}, "between 0 and 1"),
    ],
)
def test_bad_rules(kwargs, match):
    with pytest.raises(DataError, match=match):
        precision_reached({"a": np.zeros(12)}, **kwargs)


def test_bad_data():
    with pytest.raises(DataError, match="complete block"):
        precision_reached({"a": np.zeros(12), "b": np.zeros(11)}, half_width=0.02)
    with pytest.raises(DataError, match="left out"):
        precision_reached({"a": np.r_[np.zeros(11), np.nan]}, half_width=0.02)
    with pytest.raises(DataError, match="no comparison"):
        precision_reached({}, half_width=0.02)


def test_it_looks_at_wider_intervals_than_it_promises():
    d = np.random.default_rng(7).normal(0, 0.03, 17)
    own = hodges_lehmann(d, 0.035)
    width = precision_reached({"a": d}, half_width=0.02).half_widths["a"]
    assert width == pytest.approx((own.high - own.low) / 2)
    plain = hodges_lehmann(d, 0.05)
    assert width > (plain.high - plain.low) / 2


def test_from_a_samples_table():
    both = ("same_subnet", "cross_subnet")
    frame = contract(campaign({"host": 0, "host#aa": 0, "b": -0.1, "c": 0}, 12, sd=0.005, placements=both))
    found = precision_of(frame, "host", declared=DECLARED, half_width=0.02)
    assert found.stop
    assert found.n == 12
    assert set(found.half_widths) == {f"{m} {p} pod_to_pod" for m in "bc" for p in both}
    open_block = frame.drop(frame[(frame["block"] == 11) & (frame["mode"] == "c")].index).reset_index(
        drop=True
    )
    assert precision_of(open_block, "host", declared=DECLARED, half_width=0.02).n == 11
    dead = failed(
        frame, (frame["mode"] == "b") & (frame["placement"] == "cross_subnet"), "does not cross subnets"
    )
    assert precision_of(dead, "host", declared=DECLARED, half_width=0.02).n == 12
    first = frame[frame["block"] == 0].reset_index(drop=True)
    assert not precision_of(first, "host", declared=DECLARED, half_width=0.02).stop


def test_the_widths_looked_at_are_those_that_are_shown():
    frame = contract(campaign({"host": 0, "b": -0.1, "c": 0.05, "d": 0}, 14, sd=0.03))
    found = precision_of(frame, "host", declared=DECLARED, half_width=0.02, n_first=10)
    shown = compare(frame, "host", declared=Declared(PRIMARY, sequential=True))
    for row in shown.primary:
        width = np.log(row.sim_ci.high / row.sim_ci.low) / 2
        assert found.half_widths[f"{row.mode} same_subnet pod_to_pod"] == pytest.approx(width)


def test_many_comparisons_put_the_first_look_off_and_raise_nothing():
    modes = {"host": 0.0, **{f"m{i}": 0.0 for i in range(19)}}
    frame = contract(campaign(modes, 10, sd=0.001))
    found = precision_of(frame, "host", declared=DECLARED, half_width=0.02, n_first=10)
    assert (found.stop, found.reason) == (False, "too_few_blocks")
