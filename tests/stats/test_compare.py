"""``compare`` from the outside: what a program and a person get, whatever goes in."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from cnilab.errors import DataError, UnknownKey
from cnilab.facts import Fact
from cnilab.stats import FLAGS, VERDICTS, Declared, compare, hodges_lehmann
from cnilab.stats.signed_rank import signed_rank

from .frames import campaign, contract, failed, strip

CONTRACT = """
    metric, test, placement, path, mode, baseline, n_blocks, n_used, ratio, ci_low, ci_high, sim_ci_low,
    sim_ci_high, p, p_holm, p_equivalence, margin, wins, verdict, flags, warnings
""".replace(",", " ").split()
PRIMARY = {"test": "tcp_stream", "metric": "goodput_bps"}
EFFECTS = {"host": 0.0, "host#aa": 0.0, "same": 0.0, "far": -0.3, "near": -0.06}


@pytest.fixture(scope="module")
def study():
    """A study with two placements, a primary test, a latency test and an A/A control."""
    both = ("same_subnet", "cross_subnet")
    stream = contract(campaign(EFFECTS, 12, sd=0.01, placements=both))
    rr = [
        contract(campaign({m: -e for m, e in EFFECTS.items()}, 12, seed=s, placements=both), test="tcp_rr",
                 metric="rtt_s", stat=stat, unit="s", tool="netperf")
        for s, stat in ((5, "p50"), (6, "p99"))
    ]  # fmt: skip
    rr[1]["trial_id"] = rr[0]["trial_id"]
    return pd.concat([stream, *rr], ignore_index=True)


def test_rows_have_the_contracts_keys_first(study):
    rows = compare(study, "host", declared=Declared(PRIMARY)).rows
    assert list(rows[0])[: len(CONTRACT)] == CONTRACT
    assert all(list(row) == list(rows[0]) for row in rows)


def test_json_is_clean_and_unrounded(study):
    result = compare(study, "host", declared=Declared(PRIMARY))
    back = json.loads(result.to_json())
    assert back["schema_version"] == 1
    assert len(back["rows"]) == len(result) == 24
    for row, own in zip(back["rows"], result.rows):
        assert row["ratio"] == own["ratio"]
        assert row["verdict"] in VERDICTS
        assert set(row["flags"]) <= set(FLAGS)
        assert all(Fact.from_dict(w).to_dict() == w for w in row["warnings"])
    assert "NaN" not in result.to_json()


def test_verdicts_are_what_was_put_in(study):
    result = compare(study, "host", declared=Declared(PRIMARY))
    for placement in ("same_subnet", "cross_subnet"):
        said = {
            m: result.row(m, placement=placement, stat="value")["verdict"] for m in ("same", "far", "near")
        }
        assert said["same"] == "equivalent"
        assert said["far"] == "different_material"
        assert said["near"].startswith("different")
    far = result.row("far", placement="same_subnet", test="tcp_rr", stat="p50")
    assert far["ratio"] == pytest.approx(np.exp(0.3), rel=0.03)
    assert far["wins"] == 0  # lower is better


def test_families(study):
    rows = compare(study, "host", declared=Declared(PRIMARY)).rows
    kinds = {(r["family"], r["test"], r["stat"], r["family_size"]) for r in rows}
    assert kinds == {
        ("primary", "tcp_stream", "value", 6), ("exploratory", "tcp_rr", "p50", 6),
        ("exploratory", "tcp_rr", "p99", 6), ("aa", "tcp_stream", "value", 2), ("aa", "tcp_rr", "p50", 4),
        ("aa", "tcp_rr", "p99", 4),
    }  # fmt: skip
    assert all((r["q_bh"] is None) == (r["family"] != "exploratory") for r in rows)
    assert [r["family"] for r in rows] == sorted(
        (r["family"] for r in rows), key=["primary", "exploratory", "aa"].index
    )


def test_raw_p_is_the_plain_signed_rank(study):
    row = compare(study, "host", declared=Declared(PRIMARY)).row(
        "near", placement="same_subnet", stat="value"
    )
    part = study[(study["placement"] == "same_subnet") & (study["test"] == "tcp_stream")]
    wide = part[~part["twin"]].pivot(index="block", columns="mode", values="value")
    assert row["p"] == signed_rank(np.log(wide["near"] / wide["host"]).to_numpy(dtype=float)).two_sided[0]


def test_both_intervals_are_the_exact_ones(study):
    row = compare(study, "host", declared=Declared(PRIMARY)).row(
        "near", placement="same_subnet", stat="value"
    )
    part = study[(study["placement"] == "same_subnet") & (study["test"] == "tcp_stream")]
    wide = part[~part["twin"]].pivot(index="block", columns="mode", values="value")
    d = np.log(wide["near"] / wide["host"]).to_numpy(dtype=float)
    for names, alpha in ((("ci_low", "ci_high"), 0.05), (("sim_ci_low", "sim_ci_high"), 0.05 / 6)):
        own = hodges_lehmann(d, alpha)
        assert [row[k] for k in names] == pytest.approx(np.exp([own.low, own.high]), rel=1e-12)
    assert row["sim_ci_low"] < row["ci_low"]


def test_a_restriction_is_a_view(study):
    everything = compare(study, "host", declared=Declared(PRIMARY))
    part = everything.only(metric=None, placement="cross_subnet", test="tcp_stream")
    assert list(part.rows) == [
        r for r in everything.rows if r["placement"] == "cross_subnet" and r["test"] == "tcp_stream"
    ]
    with pytest.raises(UnknownKey, match="same_subnet"):
        everything.only(placement="same_subnett")


def test_primary_may_be_one_placement(study):
    rows = compare(study, "host", declared=Declared(PRIMARY | {"placement": "cross_subnet"})).rows
    sizes = {(r["placement"], r["family"]): r["family_size"] for r in rows if r["test"] == "tcp_stream"}
    assert sizes[("cross_subnet", "primary")] == 3
    assert sizes[("same_subnet", "exploratory")] == 6


def test_nothing_declared_is_exploratory_and_says_so(study):
    result = compare(study, "host")
    assert {r["family"] for r in result.rows} == {"exploratory", "aa"}
    assert "no primary family was declared" in repr(result)


def test_a_single_table_has_nothing_to_choose_from():
    assert {r["family"] for r in compare(campaign({"a": 0, "b": 0.1}), "a").rows} == {"primary"}


def test_failures_leave_the_family_as_planned(study):
    stream = study[study["test"] == "tcp_stream"].reset_index(drop=True)
    broken = failed(stream, stream["mode"] == "far", Fact("pod_not_ready", quoted="pod never ready"))
    rows = compare(broken, "host", declared=Declared(PRIMARY)).rows
    before = compare(stream, "host", declared=Declared(PRIMARY))
    for row in rows:
        if row["mode"] == "far":
            assert row["verdict"] == "not_comparable"
            assert "all_failed" in row["flags"]
            assert row["p"] is None
            assert Fact.from_dict(row["reason"]) == Fact(
                "mode_absent", {"mode": "far", "why": Fact("pod_not_ready", quoted="pod never ready")}
            )
        elif row["family"] == "primary":
            assert row["family_size"] == 6
            assert row["p_holm"] >= before.row(row["mode"], placement=row["placement"])["p_holm"] - 1e-15


def test_not_crossing_subnets_is_a_result(study):
    stream = study[study["test"] == "tcp_stream"].reset_index(drop=True)
    where = (stream["mode"] == "near") & (stream["placement"] == "cross_subnet")
    for status in ("failed", "skipped"):
        why = Fact("not_crossing", quoted="needs one L2")
        result = compare(failed(stream, where, why, status), "host", declared=Declared(PRIMARY))
        row = result.row("near", placement="cross_subnet")
        assert row["verdict"] == "not_comparable"
        assert "does_not_cross_subnets" in row["flags"]
        assert result.row("near", placement="same_subnet")["verdict"].startswith("different")


def test_a_mode_planned_and_never_seen_counts(study):
    planned = [*study["mode"].unique(), "ghost"]
    rows = compare(study, "host", declared=Declared(PRIMARY, planned)).rows
    ghost = [r for r in rows if r["mode"] == "ghost"]
    assert {r["verdict"] for r in ghost} == {"insufficient_n"}
    assert all("no_rows" in r["flags"] for r in ghost)
    assert next(r for r in rows if r["family"] == "primary")["family_size"] == 8
    wider = compare(study, "host", declared=Declared(PRIMARY, placements=["same_node"])).rows
    assert next(r for r in wider if r["family"] == "primary")["family_size"] == 9


def test_every_trial_of_the_primary_failed(study):
    stream = study[study["test"] == "tcp_stream"].reset_index(drop=True)
    dead = failed(stream, np.ones(len(stream), dtype=bool), "iperf3 not found")
    result = compare(dead, "host", declared=Declared(PRIMARY))
    assert {r["verdict"] for r in result.rows} == {"not_comparable"}
    assert len(result) == 8
    assert repr(result)
    assert result._repr_html_()


def test_failures_in_the_slow_tail_are_not_flattered():
    """S16: survivors look better than the mode is; the worst-rank reading must stand in its way."""
    frame = contract(campaign({"host": 0.0, "b": 0.0}, 20, sd=0.02, seed=3))
    wide = frame.pivot(index="block", columns="mode", values="value")
    slow = (wide["b"] / wide["host"]).nsmallest(5).index
    result = compare(failed(frame, (frame["mode"] == "b") & frame["block"].isin(slow)), "host")
    row = result.rows[0]
    assert row["n_used"] == 15
    assert row["n_failed"] == 5
    assert row["verdict"] == "not_comparable"
    assert "depends_on_failures" in row["flags"]
    assert result.header["reliability"][0]["only_mode_failed"] == 5
    assert result.header["reliability"][0]["p"] == pytest.approx(2 * 0.5**5)


def test_failures_of_an_unknown_metric_are_not_judged():
    frame = campaign({"host": 0.0, "b": 0.0}, 12).assign(status="ok", reason=None)
    frame.loc[frame.index[[1, 3]], ["value", "status", "reason"]] = [np.nan, "failed", "reset"]
    assert "failures_not_assessed" in compare(frame, "host").rows[0]["flags"]


def test_one_missing_block_costs_only_its_own_pair():
    frame = campaign({"host": 0, "b": 0.1, "c": 0.1}, 10)
    gone = frame.drop(frame[(frame["mode"] == "b") & (frame["block"] == 4)].index)
    result = compare(gone, "host")
    assert [(r["mode"], r["n_used"], r["n_blocks"]) for r in result.rows] == [("b", 9, 10), ("c", 10, 10)]
    assert "blocks_missing" in result.row("b")["flags"]
    assert result.row("c")["p"] == compare(frame, "host").row("c")["p"]


def test_identical_values_are_not_equivalence():
    frame = campaign({"host": 0.0, "b": 0.0}, 10, sd=0.0)
    row = compare(frame, "host").rows[0]
    assert row["verdict"] == "not_comparable"
    assert "identical_values" in row["flags"]
    assert row["ratio"] == 1.0
    assert row["p_equivalence"] is None


def test_values_that_do_not_vary_are_marked():
    row = compare(campaign({"host": 0.0, "b": 0.1}, 10, sd=0.0), "host").rows[0]
    assert "resolution_limited" in row["flags"]
    assert row["p"] == 2 / 2**10
    assert row["ci_low"] == pytest.approx(row["ci_high"])


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_too_few_blocks_say_how_many_are_needed(n):
    result = compare(campaign({"host": 0.0, "b": 0.3, "c": 0.3}, n), "host")
    for row in result.rows:
        assert row["verdict"] == "insufficient_n"
        assert row["sim_ci_low"] is None
        assert "ci_unbounded" in row["flags"]
        assert Fact.from_dict(row["reason"]) == Fact("few_blocks", {"blocks": n, "needed": 7})
        assert 0 < row["p"] <= 1
    assert "(unbounded)" in repr(result)


def test_outliers_stay_and_are_named():
    frame = campaign({"host": 0.0, "b": -0.012, "c": 0.0, "d": 0.0}, 9, sd=0.004, seed=2)
    clean = compare(frame, "host").row("b")
    frame.loc[(frame["mode"] == "b") & (frame["block"] == 7), "value"] *= 1.5
    row = compare(frame, "host").row("b")
    assert row["n_used"] == clean["n_used"] == 9
    assert row["outlier_blocks"] == ("7",)
    assert any(w["code"] == "outlier" for w in row["warnings"])
    assert ("depends_on_block" in row["flags"]) == (row["verdict"] != clean["verdict"])


def test_the_control_speaks_for_its_table(study):
    calm = compare(study, "host", declared=Declared(PRIMARY))
    assert calm.header["aa"]["tables"] == 6
    crooked = study.copy()
    shift = (
        crooked["twin"]
        & (crooked["placement"] == "cross_subnet")
        & (crooked["test"] == "tcp_stream")
    )
    crooked.loc[shift, "value"] *= 1.2
    result = compare(crooked, "host", declared=Declared(PRIMARY))
    for row in result.rows:
        here = row["placement"] == "cross_subnet" and row["test"] == "tcp_stream"
        if here:
            assert "aa_differs" in row["flags"]
    assert (
        result.row("far", placement="cross_subnet", stat="value")["p"]
        == calm.row("far", placement="cross_subnet", stat="value")["p"]
    )


def test_a_margin_narrower_than_the_control_is_marked():
    frame = campaign({"host": 0, "host#aa": 0, "b": 0}, 8, sd=0.05)
    assert "margin_below_noise" in compare(frame, "host", margin=0.001).row("b")["flags"]


def test_substitutes_are_flagged():
    frame = contract(campaign({"host": 0, "b": 0.1, "c": 0.1}, 8))
    frame.loc[frame["mode"] == "b", "kernel_path"] = "ebpf"
    result = compare(frame, "host")
    assert "substitute" in result.row("b")["flags"]
    assert result.row("b")["kernel_path"] == "ebpf"
    assert "substitute" not in result.row("c")["flags"]
    bare = compare(campaign({"host": 0, "b": 0.1}), "host", kernel_paths={"b": "userspace"}).rows[0]
    assert (bare["kernel_path"], "substitute" in bare["flags"]) == ("userspace", True)


def test_differences_on_the_linear_scale():
    rng = np.random.default_rng(1)
    frame = campaign({"host": 0, "b": 0}, 12, metric="retransmitted_segments")
    frame["value"] = rng.poisson(3, len(frame)) + 40.0 * (frame["mode"] == "b")
    row = compare(frame, "host").rows[0]
    assert row["ratio"] is None
    assert row["difference"] == pytest.approx(40, abs=3)
    assert row["verdict"] == "different_size_unclear"  # nobody declared how many retransmissions matter
    assert {"difference_scale", "no_margin"} <= set(row["flags"])
    assert row["p_equivalence"] is None
    assert row["wins"] == 0


def test_loss_has_a_margin_of_its_own():
    frame = campaign({"host": 0, "b": 0}, 12, metric="loss_ratio")
    frame["value"] = np.random.default_rng(1).uniform(0, 1e-4, len(frame))
    row = compare(frame, "host").rows[0]
    assert row["verdict"] == "equivalent"
    assert row["margin"] == 0.001


def test_a_zero_bars_its_table_or_stops_the_primary(study):
    zero = study.copy()
    zero.loc[(zero["test"] == "tcp_rr") & (zero["stat"] == "p50") & (zero["block"] == 3), "value"] = 0.0
    result = compare(zero, "host", declared=Declared(PRIMARY))
    barred = [r for r in result.rows if r["test"] == "tcp_rr" and r["stat"] == "p50"]
    assert {r["verdict"] for r in barred} == {"not_comparable"}
    assert all("nonpositive_value" in r["flags"] for r in barred)
    numbers = ("ratio", "p", "p_holm", "q_bh", "p_equivalence", "centre" )
    assert all(r[key] is None for r in barred if r["mode"] != "host" for key in numbers)
    with pytest.raises(DataError, match="above 0"):
        compare(zero, "host")
    zero = study.copy()
    zero.loc[0, "value"] = 0.0
    with pytest.raises(DataError, match="above 0"):
        compare(zero, "host", declared=Declared(PRIMARY))


def test_a_zero_of_one_mode_bars_it_alone_and_moves_no_other_row(study):
    cell = (study["test"] == "tcp_rr") & (study["stat"] == "p50") & (study["placement"] == "same_subnet")
    zero, gone = study.copy(), study.copy()
    zero.loc[cell & (study["mode"] == "far") & (study["block"] == 3), "value"] = 0.0
    gone = study[~(cell & (study["mode"] == "far"))].reset_index(drop=True)
    where = {"placement": "same_subnet", "test": "tcp_rr", "stat": "p50"}
    result = compare(zero, "host", declared=Declared(PRIMARY))
    assert result.row("far", **where)["verdict"] == "not_comparable"
    for mode in ("same", "near"):
        row, without = (compare(f, "host", declared=Declared(PRIMARY)).row(mode, **where) for f in (zero, gone))
        assert row["verdict"] != "not_comparable"
        assert row["p_holm"] == without["p_holm"]
        assert row["family_size"] == 6


def test_none_in_either_is_no_copied_file():
    frame = campaign({"host": 0, "b": 0}, 10, metric="loss_ratio")
    frame["value"] = 0.0
    row = compare(frame, "host").rows[0]
    assert (row["verdict"], row["flags"][0]) == ("equivalent", "none_in_either")
    row = compare(frame.assign(metric="retransmitted_segments"), "host").rows[0]
    assert (row["verdict"], row["reason"]["code"]) == ("not_comparable", "none_in_either")


def test_nobody_wins_where_nobody_has_said_what_is_better():
    frame = campaign({"host": 0, "b": 0.3}, 10, metric="turns")
    row = compare(frame, "host").rows[0]
    assert (row["wins"], row["higher"], row["direction"]) == (None, 10, None)
    row = compare(frame, "host", declared=Declared(better={"turns": "lower"})).rows[0]
    assert (row["wins"], row["higher"], row["direction"]) == (0, 10, "lower")
    with pytest.raises(DataError, match="higher is"):
        compare(frame.assign(metric="goodput_bps"), "host", declared=Declared(better={"goodput_bps": "lower"}))


def test_names_are_text_whatever_a_reader_made_of_them():
    frame = campaign({"host": 0, "b": -0.2}, 12)
    mixed = frame.assign(block=[str(b) if m == "b" else b for b, m in zip(frame["block"], frame["mode"])])
    row = compare(mixed, "host").rows[0]
    assert (row["n_blocks"], row["n_used"]) == (12, 12)
    assert row["p"] == compare(frame, "host").rows[0]["p"]
    labelled = frame.assign(block=[f"run{b}" for b in frame["block"]], mode=frame["mode"].map({"host": 1, "b": 2.0}))
    assert compare(labelled, "1").rows[0]["mode"] == "2"


def test_what_the_modes_rule_out_counts_in_no_family(study):
    out = [("near", "cross_subnet", "pod_to_pod"), ("far", "cross_subnet", "pod_to_pod")]
    crossing = (study["placement"] == "cross_subnet") & study["mode"].isin(["near", "far"])
    frame = failed(study, crossing, Fact("not_crossing"))
    result = compare(frame, "host", declared=Declared(PRIMARY, impossible=out))
    assert {r["family_size"] for r in result.rows if r["family"] != "aa"} == {4}
    assert compare(study, "host", declared=Declared(PRIMARY, impossible=out)).rows[0]["family_size"] == 6


def test_a_margin_is_a_share_and_no_percentage():
    for margin in (1, 5, 0, float("nan")):
        with pytest.raises(DataError, match=r"5 % is 0\.05"):
            compare(campaign({"a": 0, "b": 0}), "a", margin=margin)


def test_what_is_no_table_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="NoneType in place of a table"):
        compare(None, "a")


def test_one_outlying_block_decides_no_number_of_blocks():
    rng = np.random.default_rng(4)
    frame = campaign({"host": 0, "b": -0.05}, 10, sd=0.05, seed=int(rng.integers(99)))
    broken = frame.copy()
    broken.loc[(frame["block"] == 4) & (frame["mode"] == "b"), "value"] *= 0.3
    quiet, loud = (compare(f, "host").rows[0] for f in (frame, broken))
    assert loud["sd"] > 5 * quiet["sd"]
    assert loud["noise"] < 2 * quiet["noise"]
    told = [r for r in (quiet, loud) if r["verdict"] == "inconclusive"]
    assert told
    assert all(r["blocks_to_differ"] and r["blocks_to_be_same"] for r in told)


def test_percentiles_need_requests(study):
    p99 = compare(study, "host", declared=Declared(PRIMARY)).row(
        "far", placement="same_subnet", test="tcp_rr", stat="p99"
    )
    assert "tail_count_unknown" in p99["flags"]
    rr = study[(study["test"] == "tcp_rr") & (study["stat"] == "p99")]
    for rate, flagged in ((5_000.0, True), (20_000.0, False)):
        rates = rr.assign(
            metric="transaction_rate_per_s", stat="value", value=rate, unit="1/s", duration_s=1.0
        )
        result = compare(pd.concat([study, rates], ignore_index=True), "host", declared=Declared(PRIMARY))
        row = result.row("far", placement="same_subnet", metric="rtt_s", stat="p99")
        assert ("tail_unreliable" in row["flags"]) == flagged
        assert "tail_count_unknown" not in row["flags"]


def test_stopping_on_precision_is_paid_for(study):
    fixed, sequential = (
        compare(study, "host", declared=Declared(PRIMARY, sequential=s)) for s in (False, True)
    )
    assert sequential.header["alpha_used"] == pytest.approx(0.035)
    for a, b in zip(fixed.rows, sequential.rows):
        assert b["ci_high"] - b["ci_low"] >= a["ci_high"] - a["ci_low"]
    assert "stopped on precision" in repr(sequential)


def test_a_margin_after_the_fact_is_stamped(study):
    rows = compare(study, "host", declared=Declared(PRIMARY, margin=False)).rows
    assert all("post_hoc_margin" in r["flags"] for r in rows)


def test_exploration_must_survive_all_that_was_looked_at():
    """One table of forty with p at the edge of its own level is no finding."""
    rng = np.random.default_rng(8)
    frames = [
        campaign({"host": 0.0, "b": 0.0}, 10, seed=int(s), metric="goodput_bps", test=f"t{i}")
        for i, s in enumerate(rng.integers(0, 1e6, 40))
    ]
    rows = compare(pd.concat(frames, ignore_index=True), "host").rows
    alone = [r for r in rows if r["p_holm"] <= 0.05]
    assert alone
    assert not [r for r in rows if r["verdict"].startswith("different") and r["q_bh"] > 0.05]
    assert all("bh_not_rejected" in r["flags"] for r in alone if r["q_bh"] > 0.05)


def test_unsteady_runs_bar_the_mean():
    frame = contract(campaign({"host": 0, "b": -0.3}, 10))
    rows = []
    for i, trial in enumerate(frame.itertuples()):
        drop = trial.mode == "b" and i % 3 == 0
        values = np.full(12, 1e9)
        values[8:] *= 0.3 if drop else 1.0
        rows.append(pd.DataFrame({"run_id": "r1", "trial_id": trial.trial_id, "t_start_s": np.arange(12.0),
                                  "t_end_s": np.arange(1, 13.0), "metric": "goodput_bps", "value": values,
                                  "unit": "bit/s", "omitted": False}))  # fmt: skip
    intervals = pd.concat(rows, ignore_index=True)
    row = compare(frame, "host", intervals=intervals).rows[0]
    assert row["verdict"] == "not_comparable"
    assert "unsteady" in row["flags"]
    assert compare(frame, "host").rows[0]["verdict"] == "different_material"


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"baseline": "hots"}, UnknownKey, "Did you mean 'host'"),
        ({"margin": 0}, DataError, "above 0"),
        ({"margin": -0.1}, DataError, "above 0"),
        ({"alpha": 0}, DataError, "between 0 and 1"),
        ({"alpha": 1.5}, DataError, "between 0 and 1"),
        ({"declared": Declared({"test": "nope", "metric": "goodput_bps"})}, UnknownKey, "tcp_stream"),
        ({"declared": Declared({"test": "tcp_stream", "metric": "goodput"})}, UnknownKey, "goodput_bps"),
        ({"declared": Declared({"test": "tcp_stream"})}, DataError, "names no metric"),
        ({"declared": Declared(PRIMARY | {"stat": "p50"})}, UnknownKey, "value"),
        ({"declared": Declared(PRIMARY | {"where": "x"})}, UnknownKey, "placement"),
        ({"declared": Declared(PRIMARY | {"placement": "same_node"})}, UnknownKey, "cross_subnet"),
    ],
)
def test_wrong_questions(study, kwargs, error, match):
    with pytest.raises(error, match=re.escape(match)):
        compare(study, **({"baseline": "host"} | kwargs))


def test_one_mode_alone():
    with pytest.raises(DataError, match="second mode"):
        compare(campaign({"host": 0}, 8), "host")


def test_the_text_and_the_page_say_the_same(study):
    result = compare(study, "host", declared=Declared(PRIMARY))
    text, page = repr(result), result._repr_html_()
    for word in ("primary, Holm over 6", "exploratory", "A/A control", "different_material", "equivalent"):
        assert word in text
        assert word in page
    assert page.count("<caption>") == 6 * 2
    assert "scope='col'" in page


def test_names_are_escaped():
    frame = campaign({"<b>host</b>": 0, "x&y": 0.1}, 8)
    page = compare(frame, "<b>host</b>")._repr_html_()
    assert "<b>" not in page
    assert "x&amp;y" in page


def test_the_frame_survives_parquet(study, tmp_path):
    frame = compare(study, "host", declared=Declared(PRIMARY)).frame
    frame.to_parquet(tmp_path / "comparisons.parquet")
    back = pd.read_parquet(tmp_path / "comparisons.parquet")
    assert back["verdict"].tolist() == frame["verdict"].tolist()
    assert [list(f) for f in back["flags"]] == frame["flags"].tolist()


def test_a_row_wants_to_be_named_in_full(study):
    result = compare(study, "host", declared=Declared(PRIMARY))
    with pytest.raises(DataError, match="2 rows"):
        result.row("far", test="tcp_stream")


def test_another_baseline_leaves_the_control_where_it_belongs(study):
    result = compare(study, "near", declared=Declared(PRIMARY))
    assert {r["baseline"] for r in result.rows if r["family"] == "aa"} == {"host"}
    assert {r["mode"] for r in result.rows if r["family"] == "primary"} == {"host", "same", "far"}


def test_a_plain_csv_is_enough(tmp_path):
    campaign({"a": 0, "b": 0.1}, 8)[["block", "mode", "value"]].to_csv(tmp_path / "x.csv", index=False)
    row = compare(pd.read_csv(tmp_path / "x.csv"), "a").rows[0]
    assert (row["test"], row["path"], row["placement"], row["metric"]) == (None, None, None, "value")
    assert row["verdict"] == "different_material"
    assert strip([row], "flags")[0]["direction"] is None
