"""Facts travel through JSON and processes unchanged, and are told apart by what they state."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.facts import Fact

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PLAIN = st.dictionaries(st.text(min_size=1), SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
REASONS = st.builds(Fact, st.text(min_size=1), PLAIN, st.none() | st.text())
ARGS = st.dictionaries(st.text(min_size=1), SCALARS | st.lists(SCALARS, max_size=3) | REASONS, max_size=4)


@given(st.text(min_size=1), ARGS, st.none() | st.text())
def test_a_fact_survives_json_and_pickle(code, args, quoted):
    fact = Fact(code, args, quoted)
    for again in (Fact.from_json(fact.to_json()), pickle.loads(pickle.dumps(fact))):
        assert again == fact
        assert hash(again) == hash(fact)


def test_arguments_cannot_be_changed():
    fact = Fact("not_crossing", {"by": "192.0.2.1"})
    with pytest.raises(TypeError):
        fact.args["by"] = "nobody"


def test_only_what_json_keeps_is_an_argument():
    with pytest.raises(TypeError, match="not <object"):
        Fact("x", {"a": object()})


def test_families_part_at_dots():
    assert Fact("bench_failed.agent_lost").within("bench_failed")
    assert Fact("bench_failed").within("bench_failed")
    assert not Fact("bench_failed_not").within("bench_failed")


def test_what_a_terminal_would_act_on_is_made_visible():
    """Escape sequences, and marks that turn the direction of text, as a hostile tool's output may hold them."""
    fact = Fact("tool_failed", quoted="\x1b[31mred\x07\u202eabc\nnext\tcolumn")
    assert fact.quoted == "\\x1b[31mred\\x07\\u202eabc\nnext\tcolumn"
    assert Fact.from_json(fact.to_json()) == fact
