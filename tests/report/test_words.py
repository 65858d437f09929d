"""No sentence says more than its verdict; what is written for each verdict is kept word for word."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.facts import Fact
from cnilab.report import language, style
from cnilab.report.language.about import DOUBTS, why_absent
from cnilab.report.language.text import Name
from cnilab.report.record import QUESTIONS
from cnilab.verdicts import FLAGS, VERDICTS
from report.rows import CASES, absent, row

ENGLISH = language.get("en")
GOLDEN = Path(__file__).parent / "sentences.txt"

#: Verdict -> what a sentence about it must not say.
DIFFERENCE = r"≠|beyond the margin|\b(less|more|longer|shorter|higher|lower)\b(?! to)"
SAMENESS = r"the same"
FORBIDDEN = {
    "different_material": rf"{SAMENESS}|cannot|too few",
    "different_size_unclear": rf"{SAMENESS}|cannot|beyond the margin|too few",
    "different_negligible": r"beyond the margin|cannot|too few",
    "equivalent": r"beyond the margin|cannot|too "
    r"few|\b(less|more|longer|shorter|higher|lower)\b|identical|no difference",
    "inconclusive": rf"{SAMENESS}|beyond the margin|no difference|significant",
    "insufficient_n": rf"{SAMENESS}|beyond the margin|\b(less|more|longer|shorter)\b|no difference",
    "not_comparable": rf"{SAMENESS}|beyond the margin|\b(less|more|longer|shorter)\b|no difference",
}
REQUIRED = {
    "different_material": "beyond the margin",
    "different_size_unclear": "not clear yet",
    "different_negligible": "practically the same",
    "equivalent": "the same",
    "inconclusive": "cannot be told apart",
    "insufficient_n": "too few blocks",
    "not_comparable": "not comparable",
}


def said_of(comparison):
    return str(ENGLISH.sentence(comparison))


def test_every_verdict_has_words_and_an_order():
    assert set(VERDICTS) == set(style.MARKERS) == set(FORBIDDEN) == set(REQUIRED)
    assert all(ENGLISH.knows(f"verdict.{verdict}") for verdict in VERDICTS)


def test_verdicts_differ_in_shape_and_not_in_colour_alone():
    assert len(set(style.MARKERS.values())) == len(VERDICTS)


def test_every_absence_has_short_words():
    assert all(ENGLISH.knows(f"absent.{flag.code}") for flag in FLAGS.values() if flag.kind == "absence")


def test_everything_that_is_asked_has_words_of_its_own():
    assert not [q for q in QUESTIONS if ENGLISH.quantity(*q).question.startswith("What of")]


@given(
    verdict=st.sampled_from(sorted(VERDICTS)),
    ends=st.tuples(*[st.floats(0.02, 40)] * 3).map(sorted),
    metric=st.sampled_from(sorted(QUESTIONS)),
    needed=st.none() | st.integers(1, 5000),
    open_=st.booleans(),
)
def test_a_sentence_never_says_more_than_its_verdict(verdict, ends, metric, needed, open_):
    low, middle, high = ends
    if open_:
        low = high = None
    said = said_of(
        row(
            verdict=verdict,
            metric=metric[0],
            stat=metric[1],
            ratio=middle,
            sim_ci_low=low,
            sim_ci_high=high,
            blocks_needed=needed,
        )
    )
    assert not re.search(FORBIDDEN[verdict], said), said
    assert REQUIRED[verdict] in said
    assert "nan" not in said
    assert "None" not in said
    assert (
        re.search(r"(?i)\b(best|worst|faster|slower|winner|significant)\b", said) is None
        or verdict == "insufficient_n"
    )


def test_sentences_are_these():
    made = "".join(f"{name}\n    {said_of(case)}\n" for name, case in CASES.items())
    assert made == GOLDEN.read_text(encoding="utf-8")


def test_a_substitute_is_named_twice_over():
    said = said_of(CASES["different_material_substitute"])
    assert "(eBPF)" in said
    assert "carried by eBPF in place of" in said


def test_not_crossing_is_a_result_and_no_number():
    said = said_of(CASES["not_crossing"])
    assert "does not cross subnets (no route to host" in said
    assert "error" not in said
    assert "0" not in said.replace("10.0.1.1", "")


def test_modes_of_which_the_same_is_said_share_a_sentence():
    rows = [
        row(mode="calico-bgp-mesh"),
        row(mode="flannel-host-gw"),
        CASES["not_crossing"],
        {
            **CASES["not_crossing"],
            "mode": "x",
            "reason": absent("x", Fact("not_crossing", {"by": "10.0.1.1"}, "no route to host")),
        },
    ]
    said = [str(text) for _, text in ENGLISH.bullets(rows)]
    assert len(said) == 2
    assert said[0].startswith("calico-bgp-mesh and flannel-host-gw deliver the same goodput")
    assert "do not cross subnets" in said[1]
    assert len(ENGLISH.bullets(rows, brief=True)) == 1


def test_many_modes_share_a_sentence_that_keeps_their_numbers():
    rows = [
        row(
            mode=f"m{i}",
            verdict="different_material",
            ratio=0.5 + i / 20,
            sim_ci_low=0.45 + i / 20,
            sim_ci_high=0.55 + i / 20,
        )
        for i in range(5)
    ]
    rows[2] = {**rows[2], "kernel_path": "ebpf"}
    ((sign, text),) = ENGLISH.bullets(rows)
    said = str(text)
    assert sign == "≠"
    assert "by more than the margin" in said
    assert all(f"m{i}" in said for i in range(5))
    assert "m2 (eBPF): its packets were carried by eBPF in place of" in said
    assert "m0 50\u202f% less (45 to 55\u202f%)" in said


def test_a_doubt_about_the_whole_table_is_told_once():
    rows = [
        row(mode="a", flags=["aa_differs"]),
        row(mode="b", verdict="different_material", flags=["aa_differs"]),
        {**CASES["not_crossing"], "flags": ["does_not_cross_subnets", "aa_differs"]},
    ]
    said = ENGLISH.bullets(rows)
    assert said[-1][0] == "!"
    assert sum("A/A" in str(text) for _, text in said) == 1


def different(mode, ratio=0.62, **changes):
    return row(
        mode=mode,
        verdict="different_material",
        ratio=ratio,
        sim_ci_low=ratio * 0.9,
        sim_ci_high=ratio * 1.1,
        **changes,
    )


HEADER = {"n_blocks": 10, "alpha_used": 0.05}


def test_the_first_paragraph_says_who_delivers_how_much_less_and_what_cannot_be_told():
    rows = [
        different("a"),
        different("a", 0.46, placement="cross_subnet"),
        row(mode="b"),
        {**CASES["inconclusive"], "mode": "c"},
        different("d", kernel_path="ebpf"),
    ]
    said = str(ENGLISH.lead(rows, HEADER)).replace("\u202f", " ").replace("\u00a0", " ")
    assert said == (
        "a delivers 54 % less goodput than the host network across subnets (49 to 59 %) and 38 % less in the same "
        "subnet (32 to 44 %). "
        "The same goodput as the host network, within 5 %: b in the same subnet. "
        "Not told yet: c in the same subnet (16 % less to 7 % more, about 41 blocks in all would call a "
        "difference as large as estimated, about 95 blocks would show sameness within 5 %). "
        "d (eBPF): carried by a stand-in for the kernel's own device, so that the speed is not that device's; kept "
        "apart below. "
        "Goodput (tcp_stream) was compared in 10 randomised blocks; the interval in brackets holds for all "
        "8 comparisons at once, at 95 %."
    )


def test_of_many_modes_the_largest_differences_have_sentences_and_none_is_left_out():
    rows = [different(f"m{i}", 0.4 + i / 10) for i in range(5)]
    said = str(ENGLISH.lead(rows, HEADER))
    assert said.startswith("m0 delivers 60\u202f% less")
    assert said.index("m0 ") < said.index("m1 ") < said.index("m4 ")
    assert str(ENGLISH.title(rows)) == "m0, m1 and 3 more deliver less goodput than the host network"


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([different("a"), row(mode="b")], "a delivers less goodput than the host network"),
        ([different("a", 1.4)], "a delivers more goodput than the host network"),
        (
            [different("a", kernel_path="ebpf"), row(mode="b")],
            "b delivers the same goodput as the host network",
        ),
        ([different("a", flags=["aa_differs"])], "What each CNI mode costs"),
        (
            [different("a"), row(mode="a", placement="cross_subnet")],
            "a delivers less goodput than the host network, in the same subnet",
        ),
        (
            [{**CASES["inconclusive"], "mode": "a"}],
            "Which mode costs goodput cannot be told from this run yet",
        ),
        ([CASES["failed"]], "What each CNI mode costs"),
        (
            [different("a", metric="rtt_s", stat="p50")],
            "a has a median round trip shorter than the host network's",
        ),
    ],
)
def test_the_title_is_the_finding_and_no_more(rows, title):
    assert str(ENGLISH.title(rows)) == title


@given(
    verdict=st.sampled_from(sorted(VERDICTS)),
    ends=st.tuples(*[st.floats(0.02, 40)] * 3).map(sorted),
    flags=st.lists(st.sampled_from(sorted(FLAGS)), max_size=2, unique=True),
)
def test_title_and_first_paragraph_never_say_more_than_the_verdict(verdict, ends, flags):
    low, middle, high = ends
    one = row(verdict=verdict, ratio=middle, sim_ci_low=low, sim_ci_high=high, flags=flags, mode="x")
    title = str(ENGLISH.title([one]))
    said = str(ENGLISH.answer([one], HEADER)[0][1])
    known = "delivers" in title
    doubts = set(DOUBTS) - {"unsteady_short"}  # every study of short trials has it
    assert known == (verdict in ("different_material", "equivalent") and not set(flags) & doubts)
    if verdict not in (
        "different_material",
        "different_size_unclear",
        "different_negligible",
        "inconclusive",
    ):
        assert not re.search(r"\b(less|more)\b", said), said
    if verdict != "equivalent":
        assert not re.search("[Tt]he same (?!subnet)", said.replace("practically the same", "")), said
    if verdict in ("inconclusive", "insufficient_n") and not why_absent(one):
        assert re.search("Not told yet|Too few", said), said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"verdict": "different_size_unclear", "ratio": 0.7, "sim_ci_low": 0.54, "sim_ci_high": 1.004},
            "by about 30\u202f% (up to 46\u202f%)",
        ),
        (
            {"verdict": "inconclusive", "ratio": 0.96, "sim_ci_low": 0.932, "sim_ci_high": 0.988,
             "flags": ["bh_not_rejected"]},
            "1.2 to 6.8\u202f% less goodput in this table, which does not hold among all that was explored",
        ),
        ({"ratio": 1.01, "sim_ci_low": 0.98, "sim_ci_high": 1.06}, "(101.0\u202f% of it)"),
        ({"verdict": "inconclusive", "ratio": 0.54, "sim_ci_low": 0.44, "sim_ci_high": 1.03, "blocks_to_differ": 4721},
         "more than 10 times the blocks of this run would be needed to tell"),
        ({"verdict": "different_material", "n_used": 8, "n_failed": 2}, "; it failed in 2 of 10 blocks."),
        (
            {"verdict": "different_material", "metric": "loss_ratio", "scale": "linear", "difference": 0.0207, "ratio": None,
             "difference_sim_ci_low": 0.011, "difference_sim_ci_high": 0.031, "margin": 0.001},
            "loses 2.1 percentage points more packets than the host network (1.1 percentage points to 3.1 percentage "
            "points), beyond the margin of\u00a00.1 percentage points",
        ),
        (
            {"verdict": "inconclusive", "metric": "retransmitted_segments", "scale": "linear", "difference": -1.0,
             "ratio": None, "difference_sim_ci_low": -30.0, "difference_sim_ci_high": 28.0, "margin": None},
            "anything from 30 fewer to 28 more retransmitted segments fits the data",
        ),
    ],
)  # fmt: skip
def test_the_numbers_in_a_sentence_agree_with_its_verdict(changes, said):
    assert said in said_of(row(**changes))


def test_ratios_of_several_states_are_told_and_no_mean_over_them():
    states = [
        {"state": 0, "n": 8, "estimate": 0.682, "ci_low": 0.672, "ci_high": 0.693},
        {"state": 1, "n": 9, "estimate": 0.763, "ci_low": 0.751, "ci_high": 0.774},
    ]
    for verdict in ("different_material", "different_size_unclear", "different_negligible"):
        one = row(ratio=0.72, verdict=verdict, flags=["states_differ"], states=states)
        said = str(ENGLISH.sentence(one))
        assert "28" not in said, "the mean over both states is no finding"
        assert re.search(r"31.8\s?% less, 30.7 to 32.8\s?%, in state 1 of the machine and", said)
        assert re.search(r"23.7\s?% less, 22.6 to 24.9\s?%, in state 2 of the machine", said)


def test_blocks_whose_order_nobody_recorded_are_not_called_randomised():
    said = str(ENGLISH.answer([row()], {**HEADER, "design": "not_recorded"}))
    assert "in 10 blocks" in said
    assert "in 10 randomised blocks" in str(ENGLISH.answer([row()], {**HEADER, "design": "randomised"}))


def test_a_missing_control_is_said():
    assert "not known" in str(ENGLISH.control([], {"aa": {"tables": 0}}))


def test_names_of_modes_are_pieces_and_words_like_them_are_not():
    """The baseline is called host, which is a word of other sentences too; nothing is searched for in a sentence."""
    assert "no route to host" in said_of(CASES["not_crossing"])
    assert names_in(CASES["not_crossing"]) == ["flannel-vxlan"]
    assert names_in(CASES["different_material_substitute"]) == ["calico-ipip (eBPF)", "the host network"]


def names_in(comparison):
    return [str(piece) for piece in ENGLISH.sentence(comparison) if isinstance(piece, Name)]


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((1.84, 0.66, 102), "80\u202f% longer (34\u202f% shorter to 100 times as long)"),
        ((0.661, 0.245, 0.956), "34\u202f% shorter (4 to 76\u202f%)"),
        ((1.8, 1.4, 2.1), "80\u202f% longer (40 to 110\u202f%)"),
        ((3.42, 3.1, 3.8), "3.42 times as long (3.10 to 3.80)"),
    ],
)
def test_ratios_in_words_carry_the_digits_of_their_interval(interval, said):
    change, ends = ENGLISH.change(*interval, ENGLISH.quantity("rtt_s", "p99"))
    assert f"{change} ({ends})" == said
