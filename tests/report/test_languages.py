"""The same run told in every language: the same numbers, the same verdicts, and no more than the verdict."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.cli import options
from cnilab.report import language, pipeline
from cnilab.report.language import LANGUAGES
from cnilab.report.language.text import Name, text
from cnilab.report.language.zh_grammar import typeset
from cnilab.report.record import QUESTIONS
from cnilab.runs import schema1
from cnilab.testbeds.proof import packets
from cnilab.verdicts import VERDICTS
from report.rows import CASES, row

ENGLISH, CHINESE = language.get("en"), language.get("zh")
OTHERS = [code for code in LANGUAGES if code != "en"]

#: Verdict -> what a Chinese sentence about it must say, and must not.
REQUIRED = {
    "different_material": "超出 5",
    "different_size_unclear": "尚不明确",
    "different_negligible": "实际上相同",
    "equivalent": "相同",
    "inconclusive": "尚无法区分",
    "insufficient_n": "区组太少",
    "not_comparable": "无法比较",
}
DIRECTION = r"[低高少多]于|(?<!至)[低高少多] \d"
FORBIDDEN = {
    "different_material": r"相同|无法判断|区组太少|尚不明确",
    "different_size_unclear": r"相同|无法判断|，超出|区组太少",
    "different_negligible": r"，超出|无法判断|区组太少",
    "equivalent": rf"超出|无法判断|区组太少|{DIRECTION}|没有差异",
    "inconclusive": r"相同|超出|没有差异|显著|[低高少多]于",
    "insufficient_n": rf"相同|超出|{DIRECTION}|没有差异",
    "not_comparable": rf"相同|超出|{DIRECTION}|没有差异",
}


def numbers(said):
    """Return every number of a sentence, sorted: each language has its own order."""
    return sorted(re.findall(r"\d+(?:\.\d+)?", str(said)))


ends = st.tuples(*[st.floats(0.02, 40)] * 3).map(sorted)


@pytest.mark.parametrize("code", OTHERS)
@given(
    verdict=st.sampled_from(sorted(VERDICTS)),
    ends=ends,
    question=st.sampled_from(sorted(QUESTIONS)),
    needed=st.none() | st.integers(1, 5000),
    open_=st.sampled_from(("", "low", "high", "both")),
    kernel_path=st.sampled_from(("native", "ebpf", "userspace+native")),
    linear=st.booleans(),
)
def test_every_language_has_the_same_numbers(
    code, verdict, ends, question, needed, open_, kernel_path, linear
):
    low, middle, high = ends
    low, high = (None if open_ in (name, "both") else end for name, end in (("low", low), ("high", high)))
    one = row(
        verdict=verdict,
        metric=question[0],
        stat=question[1],
        ratio=middle,
        sim_ci_low=low,
        sim_ci_high=high,
        blocks_needed=needed,
        kernel_path=kernel_path,
        **(
            {
                "scale": "linear",
                "difference": middle - 1,
                "difference_sim_ci_low": low,
                "difference_sim_ci_high": high,
            }
            if linear
            else {}
        ),
    )
    english, other = ENGLISH.sentence(one), LANGUAGES[code].sentence(one)
    assert numbers(english) == numbers(other), (str(english), str(other))
    names = [[piece for piece in said if not isinstance(piece, str)] for said in (english, other)]
    assert [n.mode for n in names[0]] == [n.mode for n in names[1]]
    assert "None" not in str(other)
    assert "nan" not in str(other)


@pytest.mark.parametrize("code", OTHERS)
def test_summaries_and_lists_have_the_same_numbers_too(code):
    rows = [row(mode=f"m-{'abcdefg'[i]}", verdict=v) for i, v in enumerate(VERDICTS)]
    many = [row(mode=f"m-{'abcdefg'[i]}", verdict="different_material", ratio=0.5 + i / 20) for i in range(6)]
    spoken = LANGUAGES[code]
    header = {
        "n_blocks": 10,
        "aa": {"tables": 3, "judged": 3, "different": 1, "expected_by_chance": 0.15},
        "family": {"primary": {}},
        "baseline": "host",
    }
    control = [row(family="aa", twin=True)]
    for some in (rows, many, list(CASES.values())):
        assert numbers(ENGLISH.lead(some, header)) == numbers(spoken.lead(some, header))
        assert numbers(ENGLISH.control(some + control, header)) == numbers(
            spoken.control(some + control, header)
        )
        for brief in (False, True):
            pairs = zip(ENGLISH.bullets(some, brief), spoken.bullets(some, brief), strict=True)
            for (sign, english), (other_sign, other) in pairs:
                assert sign == other_sign
                assert numbers(english) == numbers(other)
        assert numbers(ENGLISH.title(some)) == numbers(spoken.title(some))


@given(
    verdict=st.sampled_from(sorted(VERDICTS)),
    ends=ends,
    question=st.sampled_from(sorted(QUESTIONS)),
    needed=st.none() | st.integers(1, 5000),
    open_=st.booleans(),
)
def test_a_chinese_sentence_never_says_more_than_its_verdict(verdict, ends, question, needed, open_):
    low, middle, high = ends
    if open_:
        low = high = None
    said = str(
        CHINESE.sentence(
            row(
                verdict=verdict,
                metric=question[0],
                stat=question[1],
                ratio=middle,
                sim_ci_low=low,
                sim_ci_high=high,
                blocks_needed=needed,
            )
        )
    )
    assert REQUIRED[verdict] in said
    assert not re.search(FORBIDDEN[verdict], said), said
    assert not re.search("最好|最差|更好|更快|更慢|优于|劣于", said)


GOLDEN = Path(__file__).parent / "sentences_zh.txt"


def test_sentences_are_these():
    """Kept word for word, in the order of a native reader."""
    made = "".join(f"{name}\n    {CHINESE.sentence(case)}\n" for name, case in CASES.items())
    assert made == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "parts", [("比", Name("host", "host"), "低38 %至46 %，"), ("比", Name("host", "主机"), "低", "8 个")]
)
def test_a_space_stands_between_chinese_and_latin_and_none_beside_a_full_width_mark(parts):
    said = str(typeset(text(*parts)))
    assert said in ("比 host 低 38 % 至 46 %，", "比主机低 8 个")


def test_templates_leave_spaces_around_holes_to_the_grammar():
    for key, words in CHINESE.WORDS.items():
        assert not re.search(
            r"[\u4e00-\u9fff](?=[A-Za-z])|[A-Za-z](?=[\u4e00-\u9fff])", re.sub(r"\{\w+\}", "", words)
        ), key
        assert not re.search(
            r" [，。；：（）、]|[，。；：（）、] |[\u4e00-\u9fff] \{|\} [\u4e00-\u9fff]", words
        ), key
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]", words), key


def test_the_summary_is_the_same_in_every_language(made_run, tmp_path):
    """``lang`` changes words only: what programs read is the same, byte for byte."""
    node = nbformat.read(pipeline.NOTEBOOKS / "04_compare.ipynb", as_version=4)
    cells = [cell for cell in node.cells if cell.cell_type == "code"]
    left = {}
    for code in LANGUAGES:
        place = shutil.copytree(made_run.path, tmp_path / code / "made-up")
        scope = {}
        for cell in cells:
            exec(cell.source, scope)
            if "parameters" in cell.metadata.get("tags", ()):
                scope.update(run_dir=str(place), keep=True, language=code)
        assert "chapters" in scope, "the notebook ran to its end"
        left[code] = (place / "summary.json").read_bytes()
    assert len(set(left.values())) == 1


def test_the_command_line_knows_the_languages_without_loading_them():
    assert tuple(LANGUAGES) == options.LANGUAGES


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_was_seen_on_the_wire_is_told(code):
    """Every value that a proof's row can hold, as the catalogue's modes and every placement give it."""
    spoken = LANGUAGES[code]
    seen = {"packets": [[]]}
    for placement, outer in (
        ("same_node", packets.outer(seen, "same_node")),
        ("same_subnet", packets.outer({"packets": []}, "same_subnet")),
    ):
        assert spoken.knows(f"outer.{outer.replace(' ', '_')}"), placement
    assert spoken.on_the_wire("vxlan 8472") == "vxlan 8472"
    assert spoken.on_the_wire("plain, vxlan 4789").endswith("vxlan 4789")
    assert spoken.on_the_wire("-") == "-"


def test_a_recorded_run_says_its_substitutes_in_the_language_of_the_page():
    """Of schema 1 the sentence itself is recorded, in English."""
    how = schema1.read("the kernel has no ipip device (Unknown device type); eBPF encapsulates instead")
    assert CHINESE.tell(how) == "内核没有 ipip 设备（Unknown device type）；改由 eBPF 封装"
