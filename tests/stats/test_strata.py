"""States come from references alone, comparisons are formed within them, and disturbed trials are set aside by cause."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.stats import compare
from cnilab.stats.signed_rank import signed_rank
from cnilab.stats.strata import machine_states, set_aside, states_differ_p, within

NEAR, FAR = 11e-6, 16e-6


def references(rng, *states, noise=0.03):
    """Return (trials, 2) references: one pair per entry of states, in seconds."""
    return np.array(states)[:, None] * np.exp(rng.normal(0, noise, (len(states), 2)))


@pytest.mark.parametrize("seed", range(5))
def test_two_states_are_found_and_one_is_not_split(seed):
    rng = np.random.default_rng(seed)
    pairs = references(rng, *[NEAR] * 40, *[FAR] * 60)
    [border] = machine_states(pairs).borders
    assert 12e-6 < border < 15e-6
    assert (machine_states(pairs).of_trials(pairs) == [0] * 40 + [1] * 60).all()
    assert machine_states(references(rng, *[NEAR] * 100)).borders == ()


def test_a_drift_is_one_broad_state():
    rng = np.random.default_rng(1)
    drifting = references(rng, *np.linspace(11e-6, 16e-6, 150), noise=0.05)
    assert machine_states(drifting).borders == ()


def test_trials_without_a_reference_are_in_no_state():
    rng = np.random.default_rng(2)
    pairs = references(rng, *[NEAR] * 20, *[FAR] * 20)
    pairs[0] = np.nan
    pairs[1, 1] = np.nan
    of = machine_states(pairs).of_trials(pairs)
    assert of[0] == -1
    assert of[1] == 0, "one of two ends is enough"


@given(st.integers(1, 3), st.integers(2, 12), st.integers(0, 2**32))
def test_no_difference_is_formed_across_states(states, blocks, seed):
    """A constant added to all cells of a state changes no difference."""
    rng = np.random.default_rng(seed)
    runs = rng.integers(0, 4, (states, 2, blocks))
    means = np.where(runs > 0, rng.normal(size=runs.shape), np.nan)
    combined, by_state = within(means, runs, 0, 1)
    again, _ = within(means + np.arange(states)[:, None, None] * 100, runs, 0, 1)
    np.testing.assert_allclose(again, combined, atol=1e-9)
    both = (runs > 0).all(axis=1)
    some = both.any(axis=0)
    assert (np.isnan(combined) == ~some).all()
    np.testing.assert_allclose(by_state[both], (means[:, 0] - means[:, 1])[both])


@given(st.integers(6, 20), st.floats(-3, 3), st.integers(0, 2**32))
def test_what_states_differ_by_widens_no_interval(blocks, apart, seed):
    """The same trials, the mode faster in one state by a constant: the differences scatter no more than before."""
    rng = np.random.default_rng(seed)
    state = np.arange(blocks) % 2
    runs = np.stack([state == 0, state == 1])[:, None, :].repeat(2, axis=1).astype(int)
    means = np.where(runs > 0, rng.normal(size=runs.shape), np.nan)
    plain, _ = within(means, runs, 0, 1)
    moved, _ = within(means + apart * np.array([[0, 0], [1, 0]])[:, :, None], runs, 0, 1)
    assert moved.std() == pytest.approx(plain.std())
    assert np.mean(moved - plain) == pytest.approx(apart * state.mean(), abs=1e-9)


def campaign(rng, ratio=(0.68, 0.76), blocks=20, level=(32e9, 21.7e9), noise=0.02):
    """Trials of a host and a mode in blocks that lie in one of two states; the labels' states may differ in a block."""
    rows = []
    for block in range(blocks):
        for mode in ("host", "m"):
            for round_ in (1, 2):
                state = int(rng.random() < 0.5)
                value = level[state] * (ratio[state] if mode == "m" else 1) * np.exp(rng.normal(0, noise))
                rows.append((f"t{len(rows)}", block, mode, round_, state, value))
    frame = pd.DataFrame(rows, columns=["trial_id", "block", "mode", "round", "machine_state", "value"])
    return frame.assign(disturbed=None)


def test_ratios_are_told_by_state_where_they_differ():
    row = compare(campaign(np.random.default_rng(3)), "host").row("m")
    assert "states_differ" in row.flags
    near, far = row.states
    assert near["ci_low"] <= 0.68 <= near["ci_high"]
    assert far["ci_low"] <= 0.76 <= far["ci_high"]
    blind = campaign(np.random.default_rng(3)).drop(columns="machine_state")
    wide, narrow = (
        compare(frame, "host").row("m").ci for frame in (blind, campaign(np.random.default_rng(3)))
    )
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_equal_ratios_are_one_number():
    row = compare(campaign(np.random.default_rng(4), ratio=(0.7, 0.7)), "host").row("m")
    assert "states_differ" not in row.flags
    assert row.ci.low <= 0.7 <= row.ci.high
    assert row.n_used <= row.n_blocks


def test_one_state_changes_nothing():
    frame = campaign(np.random.default_rng(5)).assign(machine_state=0)
    told = compare(frame, "host").row("m")
    assert told == compare(frame.drop(columns="machine_state"), "host").row("m")
    assert told.states == ()


def test_no_false_difference_from_states():
    """Under the null, in two states, the exact test keeps its level."""
    rng = np.random.default_rng(7)
    studies, blocks = 4000, 10
    state = rng.random((studies, 2, blocks, 2)) < 0.5  # two trials a cell, each in one of two states
    value = rng.normal(0, 0.05, state.shape) + 0.35 * state
    runs = np.stack([(~state).sum(axis=3), state.sum(axis=3)], axis=1)  # (studies, states, labels, blocks)
    with np.errstate(invalid="ignore"):
        means = np.stack([np.where(s, value, 0).sum(axis=3) for s in (~state, state)], axis=1) / np.where(
            runs, runs, np.nan
        )
    d = [within(m, r, 0, 1)[0] for m, r in zip(means, runs)]
    whole = np.stack([x for x in d if not np.isnan(x).any()])
    assert len(whole) > studies / 4
    assert (signed_rank(whole).two_sided <= 0.05).mean() <= 0.06


def test_the_exact_test_of_states():
    by_state = np.array([[0.1, 0.2, 0.3, 0.4, np.nan], [np.nan, 1.1, 1.2, 1.3, 1.4]])
    assert states_differ_p(by_state) == pytest.approx(2 / 70)
    assert states_differ_p(by_state[:, :3]) is None


def disturbed_frame():
    rows = [
        # trial, block, mode, round, disturbed, status
        ("a", 1, "m", 1, "foreign_cpu", "ok"),
        ("a-again1", 1, "m", 1, None, "ok"),
        ("b", 1, "host", 1, "foreign_cpu", "ok"),  # never had undisturbed
        ("c", 2, "m", 1, "state_changed", "ok"),
        ("c-again1", 2, "m", 1, None, "failed"),  # the repeat has no value
        ("d", 2, "host", 1, None, "ok"),
        ("e", 1, "m", 2, "steal", "ok"),  # another round
    ]
    frame = pd.DataFrame(rows, columns=["trial_id", "block", "mode", "round", "disturbed", "status"])
    return frame.assign(run_id="r", test="t", placement="p", path="q", value=1.0)


def test_a_disturbed_trial_goes_only_where_there_is_another():
    frame = disturbed_frame()
    assert frame["trial_id"][set_aside(frame)].to_list() == ["a"]
    assert not set_aside(frame.drop(columns="disturbed")).any()


def test_what_is_set_aside_never_depends_on_a_value():
    rng = np.random.default_rng(6)
    frame = disturbed_frame()
    expected = set_aside(frame)
    for _ in range(20):
        assert (set_aside(frame.assign(value=rng.exponential(size=len(frame)))) == expected).all()
