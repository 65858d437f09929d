"""What must hold for any data: hypothesis looks for a case in which it does not."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cnilab.errors import CnilabError
from cnilab.stats import FLAGS, VERDICTS, compare, plan_size, rank
from cnilab.study.orders import block_order

from .frames import strip

MODES = ("a", "b", "c", "a#aa")
relaxed = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


FATES = ("ok", "failed", "skipped", "timeout", "gone")


@some.composite
def frames(draw, whole=False):
    """Studies of 1 to 12 blocks with values on a coarse or fine grid, gaps and failures.

    The shape is hypothesis'; the cells come from a seed, which keeps a hundred studies within seconds.
    """
    modes = ["a", *draw(some.lists(some.sampled_from(MODES[1:]), min_size=1, max_size=3, unique=True))]
    n = draw(some.integers(6 if whole else 1, 12))
    digits = draw(some.sampled_from([0, 1, 8]))
    metric = draw(some.sampled_from(["goodput_bps", "rtt_s", "loss_ratio", "value"]))
    bad = 0.0 if whole else draw(some.sampled_from([0.0, 0.05, 0.3, 0.9]))
    rng = np.random.default_rng(draw(some.integers(0, 10_000)))
    rows = []
    for block in range(n):
        for mode in modes:
            fate = "ok" if rng.random() >= bad else str(rng.choice(FATES[1:]))
            if fate == "gone":
                continue
            value = max(0.5, round(rng.lognormal(1, 0.7 if digits else 0.3), digits))
            rows.append({
                "block": block, "mode": mode, "metric": metric if fate == "ok" else None, "test": "t",
                "value": value if fate == "ok" else math.nan, "status": fate,
                "reason": None if fate == "ok" else str(rng.choice(["reset", "does not cross subnets"])),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["block", "mode", "metric", "test", "value", "status", "reason"])


def attempt(function, *args, **kwargs):
    """Return the result, or None where there is nothing to compare and the error says so in words."""
    try:
        return function(*args, **kwargs)
    except CnilabError as error:
        if not str(error):
            raise
    return None


def numbers(thing):
    """Every number anywhere in a JSON-like value."""
    if isinstance(thing, dict):
        for value in thing.values():
            yield from numbers(value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            yield from numbers(value)
    elif isinstance(thing, float):
        yield thing


@relaxed
@given(frames(), some.sampled_from([0.01, 0.05, 0.5]), some.sampled_from([0.01, 0.05, 0.2]))
def test_no_nan_no_lost_row_one_verdict(frame, margin, alpha):
    result = attempt(compare, frame, "a", margin=margin, alpha=alpha)
    if result is None:
        return
    assert json.loads(result.to_json())["schema_version"] == 1
    assert all(math.isfinite(x) for x in numbers([result.rows, result.header]))
    counts = dict(result.header["rows"])
    assert counts.pop("total") == len(frame) == sum(counts.values())
    for row in result.rows:
        assert row["verdict"] in VERDICTS
        assert set(row["flags"]) <= set(FLAGS)
        for key in ("p", "p_holm", "p_equivalence", "p_equivalence_holm", "q_bh"):
            assert row[key] is None or 0 < row[key] <= 1
        assert (row["p"] is None) == (row["n_used"] == 0)
        assert row["n_used"] <= row["n_blocks"]
        if row["p_holm"] is not None:
            assert row["p_holm"] >= row["p"]
        if row["verdict"].startswith("different"):
            assert row["p_holm"] <= alpha
            assert row["n_used"] >= row["n_min"]
        if row["verdict"] in ("equivalent", "different_negligible"):
            assert row["p_equivalence_holm"] <= alpha
        if row["ci_low"] is not None and row["ci_high"] is not None:
            assert row["ci_low"] <= row["ratio"] <= row["ci_high"]
        if row["sim_ci_low"] is not None and row["ci_low"] is not None:
            assert row["sim_ci_low"] <= row["ci_low"]
    assert repr(result)
    assert result._repr_html_().count("<table>") == len(result.groups())


NOT_NUMBERS = (
    "centre",
    "centre_low",
    "centre_high",
    "baseline_centre",
    "baseline_centre_low",
    "baseline_centre_high",
)


def close(a, b):
    return a == b or (
        isinstance(a, float) and isinstance(b, float) and a == pytest.approx(b, rel=1e-9, abs=1e-12)
    )


def same(rows, others, drop=()):
    for row, other in zip(strip(rows, *drop), strip(others, *drop), strict=True):
        assert {k: (v, other[k]) for k, v in row.items() if not close(v, other[k])} == {}


@relaxed
@given(frames(), some.integers(0, 1000))
def test_the_order_of_rows_and_of_columns_does_not_matter(frame, seed):
    if (result := attempt(compare, frame, "a")) is None:
        return
    rows = result.rows
    assert compare(frame.sample(frac=1, random_state=seed), "a").rows == rows
    assert compare(frame[frame.columns[::-1]], "a").rows == rows


@relaxed
@given(frames(whole=True), some.integers(0, 11), some.floats(0.1, 10))
def test_a_blocks_own_speed_cancels(frame, block, factor):
    frame = frame.assign(metric="goodput_bps")
    rows = compare(frame, "a").rows
    scaled = frame.assign(value=frame["value"].where(frame["block"] != block, frame["value"] * factor))
    # Outliers are judged after the block's effect is taken out, so they do not move either.
    same(rows, compare(scaled, "a").rows, NOT_NUMBERS)


@relaxed
@given(frames(whole=True))
def test_the_unit_does_not_matter(frame):
    frame = frame.assign(metric="goodput_bps")
    rows = compare(frame, "a").rows
    giga = compare(frame.assign(value=frame["value"] * 1e9), "a").rows
    same(rows, giga, NOT_NUMBERS)


@relaxed
@given(frames(whole=True))
def test_swapping_two_modes_turns_the_ratio_over(frame):
    frame = frame.assign(metric="goodput_bps")
    other = next(m for m in frame["mode"].unique() if m != "a")
    pair = frame[frame["mode"].isin(["a", other])].assign(mode=lambda f: f["mode"].replace("a#aa", "z"))
    other = "z" if other == "a#aa" else other
    [forth], [back] = compare(pair, "a").rows, compare(pair, other).rows
    assert forth["ratio"] == pytest.approx(1 / back["ratio"], rel=1e-9)
    assert forth["ci_low"] == pytest.approx(1 / back["ci_high"], rel=1e-9)
    assert forth["sim_ci_high"] == pytest.approx(1 / back["sim_ci_low"], rel=1e-9)
    for key in ("p", "p_equivalence", "verdict"):
        assert close(forth[key], back[key])


@relaxed
@given(frames(whole=True))
def test_another_mode_leaves_raw_p_alone(frame):
    frame = frame.assign(metric="goodput_bps")
    more = frame[frame["mode"] == "a"].assign(mode="zz", value=lambda f: f["value"] * 1.1)
    before = {r["mode"]: r["p"] for r in compare(frame, "a").rows}
    after = {r["mode"]: r["p"] for r in compare(pd.concat([frame, more]), "a").rows}
    assert {m: after[m] for m in before} == before


@relaxed
@given(frames(whole=True))
def test_blocks_have_no_names(frame):
    frame = frame.assign(metric="goodput_bps")
    renamed = frame.assign(block=frame["block"].map(lambda b: f"day {b * 7 % 13:02d}"))
    same(compare(frame, "a").rows, compare(renamed, "a").rows, ("outlier_blocks", "warnings"))


@relaxed
@given(frames())
def test_a_ranking_is_clean_or_says_why_not(frame):
    named = frame.assign(metric=frame["metric"].where(frame["metric"].isna(), "goodput_bps"))
    result = attempt(rank, named)
    if result is None:
        return
    assert all(math.isfinite(x) for x in numbers(json.loads(result.to_json())))
    for row in result.rows:
        assert (row["rank_low"] is not None) == row["ranked"]
        if row["ranked"]:
            assert 1 <= row["rank_low"] <= row["rank_high"] <= len(result.rows)


@settings(relaxed, max_examples=15)
@given(some.floats(1e-4, 0.5), some.floats(0.005, 0.5), some.integers(1, 30))
def test_a_plan_is_never_below_what_could_be_significant(sd, effect, m):
    plan = plan_size(sd, effect=effect, m=m, half_width=0.02)
    assert plan.blocks is None or plan.blocks >= plan.n_min
    assert "nan" not in repr(plan)


@given(some.integers(0, 2**32), some.integers(0, 500))
def test_an_order_is_a_permutation_of_its_own(seed, block):
    assert sorted(block_order(MODES, seed, block)) == sorted(MODES)
