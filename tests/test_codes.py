"""Every code that can be stated has its words, no words are left over, and no code reads a sentence back."""

import ast
import inspect
from pathlib import Path
from string import Formatter

import pytest

from cnilab.facts import Fact
from cnilab.measurements.remarks import REMARKS
from cnilab.modes import MODES
from cnilab.report.language import LANGUAGES, en_stats, tell
from cnilab.verdicts import FLAGS, VERDICTS

PACKAGE = Path(__file__).parents[1] / "cnilab"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "report/language" not in p.as_posix())
#: Rooms that read what other programs printed, and the one module that reads schema 1.
READERS = (
    "measurements",
    "loading",
    "localcluster",
    "setup",
    "runs/schema1.py",
    "testbeds/kubernetes/detecting",
)
PARTING = {
    "startswith", "endswith", "partition", "rpartition", "removeprefix", "removesuffix", "split", "rsplit", "lstrip",
    "rstrip", "match", "search", "fullmatch", "findall",
}  # fmt: skip
#: Names under which a house's own sentence would travel.
SENTENCES = {"reason", "reasons", "note", "notes", "substitute", "remedy", "why", "warning", "sentence"}


#: Rooms that decide, and names that in them hold nothing but the house's own words.
DECIDING = ("stats", "findings", "execute", "diagnosis")
PLAIN = {"text", "error", "message"}


def calls(tree, name):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
            if called == name:
                yield node


def stated(name="Fact"):
    """Yield ``(code, names of its arguments or None where they are made elsewhere, whether words are quoted)``."""
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        if name == "Fact" and "cnilab.facts import" not in source:
            continue  # a detector's facts are what it read where
        for call in calls(ast.parse(source), name):
            if not (
                call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
            ):
                continue
            if name == "check":
                keywords = {k.arg for k in call.keywords} - {"ok"}
                yield call.args[0].value, keywords if None not in keywords else None, False
                continue
            given = (
                call.args[1]
                if len(call.args) > 1
                else next((k.value for k in call.keywords if k.arg == "args"), None)
            )
            literal = isinstance(given, ast.Dict) and all(isinstance(k, ast.Constant) for k in given.keys)
            names = set() if given is None else {k.value for k in given.keys} if literal else None
            quoted = len(call.args) > 2 or any(k.arg == "quoted" for k in call.keywords)
            yield call.args[0].value, names, quoted


STATED = sorted(
    {(code, None if names is None else tuple(sorted(names)), quoted) for code, names, quoted in stated()},
    key=str,
)


def takes(words):
    """Return the names that words need, those they may have, and whether they take any."""
    if isinstance(words, str):
        names = {name for _, name, _, _ in Formatter().parse(words) if name}
        return names, names, False
    parameters = inspect.signature(words).parameters.values()
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "quoted"]
    needed = {p.name for p in named if p.default is p.empty}
    return needed, {p.name for p in named}, any(p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("code", "names", "quoted"), STATED, ids=str)
def test_every_code_is_known_with_its_arguments(code, names, quoted, language):
    catalogue = LANGUAGES[language].FACTS
    assert code in catalogue, "words for it belong into report/language"
    if names is None:
        return
    needed, allowed, any_name = takes(catalogue[code])
    assert needed <= set(names), "the words need what the fact does not say"
    assert any_name or set(names) <= allowed, "the fact says what its words leave out"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_are_left_over(language):
    known = {code for code, _, _ in STATED}
    assert set(LANGUAGES[language].FACTS) == known


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_check_of_a_proof_has_its_words(language):
    codes = {code for code, _, _ in stated("check")} | {"recorded"}
    assert codes == set(LANGUAGES[language].CHECKS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_flags_and_verdicts_have_their_words(language):
    spoken = LANGUAGES[language]
    assert set(spoken.FLAGS) == set(FLAGS)
    assert set(spoken.TALLY) >= set(VERDICTS)
    assert all(spoken.knows(f"verdict.{verdict}") for verdict in VERDICTS)
    assert list(en_stats.VERDICTS) == list(VERDICTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_with_the_same_holes(language):
    """A word that only English has would be missed on a page that nobody renders in the other language."""
    spoken, english = LANGUAGES[language], LANGUAGES["en"]
    assert set(spoken.WORDS) == set(english.WORDS), "add its words to the language's *_words.py"
    holes = [{key: takes(words)[0] for key, words in one.WORDS.items()} for one in (english, spoken)]
    assert holes[0] == holes[1]
    for name in ("COUNTED", "QUANTITIES", "LISTED", "TALLY", "SUBSTITUTES"):
        assert set(getattr(spoken, name)) == set(getattr(english, name)), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mode_is_described(language):
    spoken = LANGUAGES[language]
    for mode, about in MODES.items():
        assert len(spoken.about(mode)) > 10
        assert len(spoken.departures(mode)) == len(about.departures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_remark_of_a_reader_is_told_with_what_it_means(language):
    for remark in REMARKS:
        said = tell(Fact("remark", {"trials": 3, "remark": f"{remark}: own words"}), language)
        assert remark in said
        assert "own words" in said
        assert len(said) > len(f"{remark}own words") + 12, "its code alone is no meaning"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fact_within_a_fact_is_told_too(language):
    why = Fact("refused", {"what": "tun"}, "No such file or directory")
    assert "No such file or directory" in tell(
        Fact("no_substitute", {"device": "ipip", "why": why}), language
    )


def read_back(source, sentences=frozenset(SENTENCES)):
    """Yield the calls in ``source`` that part or recognise one of the house's own sentences."""
    for node in ast.walk(ast.parse(source)):
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PARTING
        ):
            continue
        asked = (
            node.args
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            else [node.func.value]
        )
        for part in (p for a in asked for p in ast.walk(a)):
            name = getattr(part, "id", None) or getattr(part, "attr", None) or getattr(part, "value", None)
            if isinstance(name, str) and name in sentences:
                yield f"line {node.lineno}: {ast.unparse(node)}"
                break


@pytest.mark.parametrize(
    "line",
    [
        'text = str(row.get("reason") or "").removeprefix("x: ")',
        'crossing = frame["reason"].fillna("").str.startswith("does not cross subnets")',
        'head, _, remedy = why.partition("; try: ")',
        're.match("mode not in effect", reason)',
    ],
)
def test_a_sentence_read_back_is_found(line):
    assert list(read_back(line))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_code_reads_a_sentence_back(path):
    if path.relative_to(PACKAGE).as_posix().startswith(READERS):
        return
    own = path.relative_to(PACKAGE).parts[0].startswith(DECIDING)
    assert list(read_back(path.read_text(encoding="utf-8"), SENTENCES | PLAIN if own else SENTENCES)) == []
