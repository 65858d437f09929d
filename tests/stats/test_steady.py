"""Warm-up and steps within a run: found where they are, silent where they are not."""

import numpy as np
import pandas as pd
import pytest

from cnilab.errors import DataError
from cnilab.stats import compare
from cnilab.stats.steady import step_in_run, trial_steps, unsteady_share, warm_up

from .frames import campaign, contract


def runs(rng, n, length, warm=0.0):
    base = 1e9 * np.exp(rng.normal(0, 0.02, (n, length)) + rng.normal(0, 0.05, (n, 1)))
    return base * (1 - warm * np.exp(-np.arange(length) / 2.0))


def test_a_warm_up_left_in_is_found_and_a_steady_run_is_not():
    rng = np.random.default_rng(1)
    assert warm_up(runs(rng, 10, 30, warm=0.2)).status == "omit_too_short"
    assert warm_up(runs(rng, 10, 30)).status == "ok"


@pytest.mark.parametrize("shape", [(5, 30), (10, 5)])
def test_too_little_is_unknown_and_not_ok(shape):
    assert warm_up(np.ones(shape)).status == "unknown"


def test_a_block_without_a_run_is_left_out():
    y = runs(np.random.default_rng(2), 10, 30)
    y[4] = np.nan
    assert warm_up(y).n == 9


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf, np.nan])
def test_profile_values_must_be_rates(bad):
    y = np.ones((8, 10))
    y[2, 3] = bad
    with pytest.raises(DataError, match="interval 3 of block 2"):
        warm_up(y)


def test_steps():
    flat, drop, dead = np.ones(12), np.r_[np.ones(8), np.full(4, 0.3)], np.r_[np.ones(8), np.zeros(4)]
    assert step_in_run(np.vstack([flat, drop, dead])) == pytest.approx([0, 1 / 0.3 - 1, np.inf])
    assert np.isnan(step_in_run(np.ones(5))).all()


def test_steps_by_trial_equal_steps_by_array():
    rng = np.random.default_rng(3)
    values = rng.uniform(1, 2, (4, 11))
    frame = pd.DataFrame({
        "trial_id": np.repeat(["a", "b", "c", "d"], 11), "metric": "goodput_bps", "value": values.ravel(),
        "t_start_s": np.tile(np.arange(11.0), 4), "omitted": False,
    })  # fmt: skip
    shuffled = frame.sample(frac=1, random_state=1)
    assert trial_steps(shuffled)["step"].tolist() == pytest.approx(step_in_run(values).tolist())
    short = trial_steps(frame[frame["t_start_s"] < 4])
    assert short["step"].isna().all()


def test_shares_are_of_what_could_be_judged():
    samples = contract(campaign({"host": 0, "b": 0}, 3))
    frames = []
    for i, trial in enumerate(samples["trial_id"]):
        length = 4 if i == 0 else 12
        value = np.r_[np.ones(8), np.full(4, 0.2 if i == 1 else 1.0)][:length]
        frames.append(pd.DataFrame({"run_id": "r1", "trial_id": trial, "metric": "goodput_bps",
                                    "value": value,
                                    "t_start_s": np.arange(float(length)), "omitted": False}))  # fmt: skip
    out = unsteady_share(samples, pd.concat(frames)).set_index("mode")
    assert out.loc["host", ["runs", "unknown", "unsteady", "share"]].tolist() == [3, 1, 0, 0.0]
    assert out.loc["b", "share"] == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="trial_id"):
        unsteady_share(samples.drop(columns="trial_id"), pd.concat(frames))


def sent(samples, seconds):
    """Return series of what was sent, half of it in the last third of every run of ``b``."""
    frames = []
    for trial in samples.drop_duplicates("trial_id").itertuples():
        value = np.r_[np.ones(8), np.full(4, 0.5 if trial.mode == "b" else 1.0)]
        at = np.arange(12.0) * seconds / 12
        frames.append(pd.DataFrame({"run_id": "r1", "trial_id": trial.trial_id, "metric": "sent_bps", "value": value,
                                    "t_start_s": at, "t_end_s": at + seconds / 12, "omitted": False}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("seconds", "flag", "verdict"), [(12, "unsteady", "not_comparable"), (1, "unsteady_short", "different_material")]
)
def test_what_was_sent_tells_how_steady_the_goodput_was(seconds, flag, verdict):
    """iperf3's and netperf's series are of the sender; a run of a second is doubted and not ruled out."""
    samples = contract(campaign({"host": 0, "b": -0.3}, 8))
    row = compare(samples, "host", intervals=sent(samples, seconds)).rows[0]
    assert flag in row["flags"]
    assert row["verdict"] == verdict


def test_a_series_of_its_own_is_believed_before_what_was_sent():
    samples = contract(campaign({"host": 0, "b": -0.3}, 8))
    series = sent(samples, 12)
    own = series.assign(metric="goodput_bps", value=1.0)
    row = compare(samples, "host", intervals=pd.concat([series, own])).rows[0]
    assert row["verdict"] == "different_material"
