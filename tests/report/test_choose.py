"""What is advised rests on the study's verdicts: its ranks, its own comparisons, and nothing for what it did not measure."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import cnilab
from cnilab.admission import Constraints, admissible
from cnilab.advice import SITE, Known, _of_study
from cnilab.modes import MODES
from cnilab.report import chapters, language
from cnilab.report.record import Record
from cnilab.stats import rank
from cnilab.verdicts import VERDICTS
from report import runs

ENGLISH = language.get("en")
WIREGUARD = {"truth": {"calico-wireguard": 0.022}, "study": {"modes": ["host", "flannel-host-gw", "calico-vxlan", "calico-wireguard"]}}  # fmt: skip


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """A run whose only encrypted mode was carried in userspace."""
    return runs.make(tmp_path_factory.mktemp("wg") / "run", userspace=("calico-wireguard",), **WIREGUARD)


def places(advice):
    return {row.mode: row.place for row in advice.rows}


def test_the_order_is_that_of_the_rank_intervals(made_run):
    advice = cnilab.advise(made_run)
    ranked = {
        r["mode"]: (r["rank_low"], r["rank_high"])
        for r in rank(made_run.samples, placement="same_subnet", **made_run.study.primary.model_dump()).rows
    }
    assert {mode: place for mode, place in places(advice).items() if place} == ranked
    admitted = [row.place for row in advice.admitted if row.place]
    assert admitted == sorted(admitted)
    assert (
        places(advice)["flannel-host-gw"] == places(advice)["calico-bgp-mesh"] == (1, 3)
    )  # the same, and host too
    assert advice.leaders == ("flannel-host-gw", "calico-bgp-mesh")
    assert not advice.leads
    assert "no admissible mode was shown to be better than flannel-host-gw and calico-bgp-mesh" in repr(
        advice
    )


def test_where_the_routers_know_no_pods_the_far_placement_decides(made_run):
    advice = cnilab.advise(made_run, subnets=2)
    assert advice.evidence.placement == "cross_subnet"
    assert [row.mode for row in advice.admitted if row.place] == ["calico-ipip", "flannel-vxlan"]
    assert advice.leads
    assert "calico-ipip (eBPF) comes first" in repr(advice)
    assert "calico-ipip (eBPF): the place is that of a stand-in" in repr(advice)
    assert advice.free.comparison["mode"] == "flannel-vxlan", "a stand-in's better number is no price of a real device"
    (policy,) = cnilab.advise(made_run, subnets=2, policy=True).prices[1:]
    assert policy.comparison["kernel_path"] == "ebpf", "nothing else meets it, and its flag says so"
    mesh = next(row for row in advice.rows if row.mode == "calico-bgp-mesh")
    assert mesh.refused_by == ("needs_routed_underlay",)
    assert mesh.unplaced.code == "not_crossing"


def test_what_was_not_measured_has_no_place(made_run):
    advice = cnilab.advise(made_run, policy=True, no_bgp=True)
    assert {(row.mode, row.place, row.unplaced.code) for row in advice.admitted} == {
        ("calico-vxlan", None, "mode_not_measured"),
        ("calico-vxlan-crosssubnet", None, "mode_not_measured"),
        ("calico-wireguard", None, "mode_not_measured"),
    }
    assert advice.leaders == ()
    assert "recommends none" in repr(advice)
    assert [price.comparison for price in advice.prices] == [
        next(r for r in made_run.comparisons.rows if (r.mode, r.placement, r.metric, r.test) == asked)
        for asked in [
            ("calico-bgp-mesh", "same_subnet", "goodput_bps", "tcp_stream"),
            ("flannel-host-gw", "same_subnet", "goodput_bps", "tcp_stream"),
        ]
    ]
    assert advice.together.comparison is None


def test_a_placement_that_was_not_measured_gives_no_places(made_run):
    advice = cnilab.advise(made_run, nodes=1)
    assert {row.unplaced.code for row in advice.rows} == {"placement_not_measured"}
    assert advice.free.comparison is None


def test_the_price_of_encryption_is_the_comparison_and_names_its_substitute(encrypted):
    advice = cnilab.advise(encrypted, encryption=True)
    (price,) = advice.to_dict()["prices"]
    (row,) = [
        r for r in encrypted.comparisons.rows
        if r.mode == "calico-wireguard" and r.placement == "same_subnet" and r.metric == "goodput_bps"
    ]  # fmt: skip
    assert (price["constraint"], price["metric"], price["mode"]) == (
        "encryption",
        "goodput_bps",
        "calico-wireguard",
    )
    assert [price[k] for k in ("ratio", "ci_low", "ci_high")] == [row["ratio"], row["ci_low"], row["ci_high"]]
    assert price["ratio"] == pytest.approx(0.022, rel=0.05)
    assert "substitute" in price["flags"]
    wireguard = next(r for r in advice.rows if r.mode == "calico-wireguard")
    assert wireguard.place is None
    assert wireguard.unplaced.code == "not_ranked_userspace"
    said = repr(advice)
    assert "97.8" in said
    assert "in userspace in place of the kernel's own device" in said
    assert "recommends none" in said


def test_a_requirement_that_the_first_meets_anyway_adds_nothing(encrypted):
    said = repr(cnilab.advise(encrypted, no_ipip=True, encryption=True))
    heads = ("no IP in IP:", "encryption between nodes:")
    free, wanted = (next(line for line in said.splitlines() if line.startswith(head)) for head in heads)
    assert free.endswith("this one adds nothing here.")
    assert not wanted.endswith("this one adds nothing here.")


def test_swapped_labels_change_the_advice(tmp_path):
    swapped = runs.make(tmp_path / "run", truth={"flannel-vxlan": 0.85, "calico-ipip": 0.62})
    assert [row.mode for row in cnilab.advise(swapped, subnets=2).admitted][:2] == [
        "flannel-vxlan",
        "calico-ipip",
    ]


def test_too_few_blocks_order_nothing(tmp_path):
    few = runs.make(tmp_path / "run", study={"blocks": 3})
    advice = cnilab.advise(few)
    assert {row.place for row in advice.admitted if row.place} == {(1, 5)}
    assert not advice.leads
    assert "does not single one out" in repr(advice)
    assert advice.free.to_dict()["verdict"] == "insufficient_n"


def test_other_levels_of_other_factors_are_left_out(tmp_path):
    study = {k: v for k, v in runs.STUDY.items() if k != "modes"}
    factors = {"mode": ["host", "flannel-vxlan", "flannel-host-gw"], "nodes": [3, 10]}
    baseline = {"mode": "host", "nodes": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "STUDY", study)
        both = runs.make(tmp_path / "run", study={"factors": factors, "baseline": baseline, "blocks": 7})
    advice = cnilab.advise(both)
    assert places(advice)["flannel-vxlan"] == (3, 3)
    found = {row.mode: row.comparison for row in advice.rows if row.comparison}
    assert {mode: dict(row["levels"]) for mode, row in found.items()} == {
        "flannel-vxlan": {"mode": "flannel-vxlan", "nodes": 3},
        "flannel-host-gw": {"mode": "flannel-host-gw", "nodes": 3},
    }


@pytest.fixture(scope="module")
def looked_up(made_run):
    return {place: Known(made_run, place) for place in ("same_node", "same_subnet", "cross_subnet")}


@given(
    some.builds(
        Constraints,
        nodes=some.none() | some.just(1) | some.integers(5, 300),
        subnets=some.none() | some.just(1),
        **{name: some.booleans() for name in ("routed_underlay", "policy", "encryption", "no_bgp", "no_vxlan", "no_ipip")},
    ) | some.builds(Constraints, subnets=some.just(2), policy=some.booleans(), no_ipip=some.booleans())
)  # fmt: skip
@settings(max_examples=40)
def test_no_advice_says_more_than_the_study(looked_up, made_run, network):
    known = looked_up[network.placement]
    advice = _of_study(known, network)
    kept = {id(row) for row in made_run.comparisons.rows}
    for price in [*advice.prices, advice.free, advice.together]:
        row = price.comparison
        if row is None:
            continue
        assert id(row) in kept, "a number that is no comparison's"
        names = (
            SITE
            if price.constraint == ""
            else network.given
            if price.constraint == "together"
            else (*SITE, price.constraint)
        )
        assert row.mode in admissible(network.only(*names))
        assert row.placement == network.placement
        assert row.verdict in VERDICTS
    assert {price.constraint for price in advice.prices} <= set(network.given)
    for row in advice.rows:
        assert (row.place is None) == (row.unplaced is not None)
        assert row.admissible == (not row.refused_by)
    beaten = {m for m in advice.leaders for other in advice.admitted if other.mode in known.beaten.get(m, ())}
    assert not beaten, "a leader that another admissible mode was shown to be better than"
    json.dumps(advice.to_dict(), allow_nan=False)


def test_the_chapter_shows_every_mode_and_rule(made_run):
    chapter = chapters.show("choose", Record(made_run), ENGLISH)
    said = repr(chapter)
    assert all(mode in said for mode in MODES)
    needs = next(b for b in chapter.blocks if getattr(b, "id", "") == "choose-needs")
    assert [group for group, _ in needs.parts] == ["In the same subnet", "Across subnets"]
    near = {row[0]: row for row in needs.parts[0][1]}
    assert near["encryption between nodes"][1] == "2 of 15"
    assert near["encryption between nodes"][2] == "–"
    assert near["nothing but a pod network"][2] == "flannel-host-gw and calico-bgp-mesh"
    assert "RFC 7348" in said


def test_nothing_is_chosen_where_nothing_was_compared(tmp_path):
    empty = runs.make(tmp_path / "run", skipped=("iperf3",))
    assert chapters.CHAPTERS["choose"].applies(Record(empty)).code == "nothing_compared"
    advice = cnilab.advise(empty)
    assert {row.unplaced.code for row in advice.rows} == {"nothing_compared"}
    assert "recommends none" in repr(advice)
