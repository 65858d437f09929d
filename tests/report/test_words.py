"""No sentence says more than its verdict; what is written for each verdict is kept word for word."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.facts import Fact
from cnilab.report import language, style
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
    "different_material": rf"{SAMENESS}|cannot tell|too few",
    "different_size_unclear": rf"{SAMENESS}|cannot tell|beyond the margin|too few",
    "different_negligible": r"beyond the margin|cannot tell|too few",
    "equivalent": r"beyond the margin|cannot tell|too "
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
    "inconclusive": "cannot tell yet",
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
    assert said[0].startswith("calico-bgp-mesh and flannel-host-gw: the same goodput")
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


def test_the_first_paragraph_counts_each_mode_once_a_place():
    rows = [row(mode="a", verdict="different_material"), row(mode="b"), row(mode="c", verdict="inconclusive")]
    said = ENGLISH.lead(rows, {"n_blocks": 10})
    assert str(said) == (
        "3 modes were compared with host by goodput, in 10 randomised blocks. In the same subnet, 1 "
        "differs by more than "
        "5\u202f%, 1 is the same within 5\u202f% and of 1 it cannot be told yet."
    )


def test_what_cannot_be_told_says_how_many_blocks_would_tell():
    assert "about 41 blocks would tell" in str(ENGLISH.undecided([CASES["inconclusive"]])[0])
    assert ENGLISH.undecided([CASES["equivalent"], CASES["not_crossing"]]) == []


def test_a_missing_control_is_said():
    assert "not known" in str(ENGLISH.control([], {"aa": {"tables": 0}}))


def test_names_of_modes_are_pieces_and_words_like_them_are_not():
    """The baseline is called host, which is a word of other sentences too; nothing is searched for in a sentence."""
    assert "no route to host" in said_of(CASES["not_crossing"])
    assert names_in(CASES["not_crossing"]) == ["flannel-vxlan"]
    assert names_in(CASES["different_material_substitute"]) == ["calico-ipip (eBPF)", "host"]


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
