"""Studies are checked key by key with the line of the mistake; plans are complete, seeded and stable."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab import modes, study
from cnilab.errors import StudyError
from cnilab.study import Treatment
from cnilab.study.plan import Trial

STUDIES = sorted((Path(__file__).parents[2] / "data" / "studies").glob("*.yaml"))
GOOD = """\
name: small
modes: [host, flannel-vxlan, calico-ipip]
placements: [same_subnet, cross_subnet]
tests:
  - {name: tcp_stream, tool: iperf3, duration_s: 1}
  - {name: tcp_rr, tool: netperf, duration_s: 1}
primary: {test: tcp_stream, metric: goodput_bps}
blocks: 4
seed: 5
"""

#: what is wrong -> (text replaced, its replacement, line, words the message must hold)
WRONG = {
    "key": ("blocks: 4", "block: 4", 8, ["unknown key 'block'", "Did you mean 'blocks'", "seed"]),
    "mode": (
        "flannel-vxlan",
        "flanel-vxlan",
        2,
        ["unknown mode 'flanel-vxlan'", "Did you mean 'flannel-vxlan'", "calico-bgp-rr"],
    ),
    "placement": (
        "same_subnet",
        "same_rack",
        3,
        ["'same_rack'", "'same_node', 'same_subnet' or 'cross_subnet'"],
    ),
    "number": ("blocks: 4", "blocks: many", 8, ["blocks: 'many'", "valid integer"]),
    "negative": ("blocks: 4", "blocks: -4", 8, ["blocks: -4", "greater than or equal to 1"]),
    "tool": ("tool: netperf", "tool: netpref", 6, ["unknown tool 'netpref'", "Did you mean 'netperf'"]),
    "kind": ("name: tcp_rr", "name: udp_flood", 6, ["netperf has no kind 'udp_flood'", "tcp_rr, tcp_crr"]),
    "key in a test": ("duration_s: 1}\n  -", "seconds: 1}\n  -", 5, ["unknown key 'seconds'", "duration_s"]),
    "baseline": (
        "blocks: 4",
        "baseline: docker-bridge",
        1,
        ["baseline 'docker-bridge' is not among the modes"],
    ),
    "primary test": ("test: tcp_stream", "test: udp", 1, ["primary test 'udp'", "tcp_stream, tcp_rr"]),
    "twice": ("[host, ", "[host, host, ", 2, ["mode 'host' is listed twice"]),
    "missing": ("name: small\n", "", 1, ["name: is missing"]),
    "margin": ("seed: 5", "margin: 5", 9, ["margin: 5", "less than 1"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_study_is_one_clear_error(what):
    old, new, line, words = WRONG[what]
    assert old in GOOD
    with pytest.raises(StudyError) as caught:
        study.parse(GOOD.replace(old, new, 1), name="s.yaml")
    message = str(caught.value)
    assert message.startswith(f"s.yaml:{line}: "), message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("rtt_s", "rtt_s has no single value; add stat: one of mean"),
        ("goodput_bps, stat: p50", "goodput_bps has one value, no stat"),
        ("goodput_bps, stat: p12", "unknown stat 'p12'"),
        ("throughput", "unknown metric 'throughput'"),
    ],
)
def test_a_primary_that_no_trial_can_give_is_refused_with_its_line(metric, words):
    with pytest.raises(StudyError, match=r"^s\.yaml:7: primary\.") as caught:
        study.parse(GOOD.replace("metric: goodput_bps", f"metric: {metric}"), name="s.yaml")
    assert words in str(caught.value)


def test_too_few_blocks_are_told_in_the_plans_line():
    from cnilab.stats import n_min

    few, enough = (study.parse(GOOD.replace("blocks: 4", f"blocks: {n}")).plan() for n in (7, 8))
    assert few.study.fewest_blocks == n_min(4) == 8
    assert "7 blocks are fewer than the 8" in repr(few)
    assert "fewer" not in repr(enough)


def test_what_the_catalogue_rules_out_is_no_comparison():
    """Of four modes two have no way across plain subnets: six comparisons, where eight can be written down."""
    quick = study.load(STUDIES[0].parent / "quick.yaml")
    assert quick.comparisons == 6
    assert quick.model_copy(update={"underlay": "routed"}).comparisons == 7


def test_a_first_look_before_anything_could_be_significant_is_told_at_load():
    from cnilab.stats import n_min

    all_modes = GOOD.replace("modes: [host, calico-ipip, flannel-vxlan]", "modes: all")
    with pytest.raises(StudyError, match=r"stop\.first_look: 6: with \d+ comparisons"):
        study.parse(all_modes + "stop: {half_width: 0.05, first_look: 6}\n")
    put_off = study.parse(all_modes + "stop: {half_width: 0.05}\n")
    assert put_off.fewest_blocks == n_min(put_off.comparisons, 0.7 * put_off.alpha)

def test_not_yaml_names_the_line():
    with pytest.raises(StudyError, match=r"s\.yaml:3: not YAML"):
        study.parse("name: x\nmodes: [host,\nblocks: {", name="s.yaml")


def test_a_missing_file_names_its_neighbours():
    with pytest.raises(StudyError, match=r"no study at .*quik\.yaml; in .* there are: .*full\.yaml"):
        study.load(STUDIES[0].parent / "quik.yaml")


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_the_studies_that_are_shipped_are_right(path):
    loaded = study.load(path)
    assert loaded.name == path.stem
    assert study.parse(loaded.to_yaml()) == loaded, "what is written into a run directory is the same study"


def test_the_default_study_can_reach_significance():
    """With fewer blocks than this no data at all could survive Holm over the study's own family."""
    from cnilab.stats import n_min

    quick = study.load(STUDIES[0].parent / "quick.yaml")
    m = (len(quick.modes) - 1) * len(quick.placements)
    assert quick.blocks >= n_min(m, quick.alpha) >= 8
    assert quick.plan().measuring_s() < 5 * 60


def test_all_means_the_whole_catalogue():
    assert study.load(STUDIES[0].parent / "full.yaml").modes == tuple(modes.MODES)


def test_every_block_holds_every_label_and_every_cell_once():
    plan = study.parse(GOOD).plan()
    each = {Treatment({"mode": m}) for m in ("host", "flannel-vxlan", "calico-ipip")}
    each.add(Treatment({"mode": "host"}, twin=True))
    for block in range(1, 5):
        trials = [t for t in plan.trials if t.block == block]
        assert {t.treatment for t in trials} == each
        assert len(trials) == len(each) * 4
        assert len({(t.treatment, t.placement, t.test) for t in trials}) == len(trials)
    assert len({t.trial_id for t in plan.trials}) == len(plan.trials)


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 30))
def test_a_block_does_not_depend_on_how_many_there_are(seed, few, more):
    base = study.parse(GOOD)
    one, two = (base.model_copy(update={"seed": seed, "blocks": n}).plan() for n in sorted((few, few + more)))
    assert list(two.trials[: len(one.trials)]) == list(one.trials)


def test_the_hash_covers_the_order():
    plan = study.parse(GOOD).plan()
    other = study.parse(GOOD.replace("seed: 5", "seed: 6")).plan()
    assert plan.hash != other.hash
    assert plan.hash == study.parse(GOOD).plan().hash


def test_williams_squares_on_request():
    plan = study.parse(GOOD + "design: williams\n").plan()
    slots = {(t.slot, t.treatment) for t in plan.trials}
    assert len(slots) == 16, "over one square every treatment is in every slot"
    with pytest.raises(StudyError, match="multiples of 4"):
        study.parse(GOOD.replace("blocks: 4", "blocks: 5") + "design: williams\n").plan()


def test_a_plan_shows_itself():
    plan = study.parse(GOOD).plan()
    assert repr(plan).startswith("Plan small: 4 blocks x 4 deployments x 4 trials = 64 trials")
    assert "<caption>Plan small" in plan._repr_html_()
    fields = [f.name for f in dataclasses.fields(Trial) if f.name not in ("levels", "round", "repeat")]
    assert list(plan.frame().columns) == [*fields, "twin", "mode"]
    assert "round" in study.parse(GOOD + "rounds: 2\n").plan().frame()


def test_both_segment_sizes_are_measured_in_the_same_deployment():
    made = study.parse(GOOD + "mss: both\n")
    told = [(tested.test.name, dict(tested.levels)) for tested in made.tested]
    both = [("tcp_stream", {"mss": "as_shipped"}), ("tcp_rr", {}), ("tcp_stream", {"mss": "equal"})]
    assert told == both
    # the smallest MTU of these three modes is VXLAN's 1450
    assert [made.asked(levels).get("mss_bytes") for _, levels in both] == [None, None, 1450 - 40]
    for trials in made.plan().deployments:
        cells = [(t.placement, t.test, dict(t.levels)) for t in trials]
        assert sorted(cells, key=str) == sorted(((p, *t) for p in made.placements for t in both), key=str)
    assert made.plan().measuring_s() == 3 * 2 * 4 * len(made.treatments)
    assert study.parse(GOOD + "factors: {mss: [as_shipped, equal]}\n") == made


def test_the_variant_is_never_the_primary_and_needs_a_stream():
    with pytest.raises(StudyError, match="not among the tests"):
        study.parse(GOOD.replace("{test: tcp_stream,", "{test: 'tcp_stream@equal_mss',") + "mss: both\n")
    without = GOOD.replace("  - {name: tcp_stream, tool: iperf3, duration_s: 1}\n", "")
    with pytest.raises(StudyError, match="no test can be told a segment size"):
        study.parse(
            without.replace("{test: tcp_stream, metric: goodput_bps}", "{test: tcp_rr, metric: transaction_rate_per_s}")
            + "mss: both\n"
        )


def test_a_study_that_says_nothing_of_mss_is_the_study_it_was():
    made = study.parse(GOOD)
    assert [tested.test for tested in made.tested] == list(made.tests)
    assert not any(tested.levels for tested in made.tested)
