"""A comparison as a value: its keys, its intervals, and the file that holds all of a study's."""

import json
from dataclasses import FrozenInstanceError, fields

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnilab.stats import Comparison, Comparisons, Interval, compare
from cnilab.stats.comparison import KEYS
from stats.frames import campaign

number = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
jsonish = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
whole = st.integers(0, 2**40)
STRATEGIES = {
    "str": text,
    "str | None": st.none() | text,
    "bool": st.booleans(),
    "int": whole,
    "int | None": st.none() | whole,
    "float | None": st.none() | number,
    "Interval": st.builds(Interval, st.none() | number, st.none() | number),
    "tuple[str, ...]": st.lists(text, max_size=3).map(tuple),
    "Mapping[str, Any]": st.dictionaries(text, jsonish, max_size=3),
    "Mapping[str, Any] | None": st.none() | st.dictionaries(text, jsonish, max_size=3),
    "tuple[Mapping[str, Any], ...]": st.lists(st.dictionaries(text, jsonish, max_size=3), max_size=2).map(
        tuple
    ),
}
comparisons = st.builds(
    Comparisons,
    st.lists(
        st.builds(Comparison, **{f.name: STRATEGIES[str(f.type)] for f in fields(Comparison)}), max_size=4
    ).map(tuple),
    st.dictionaries(text, jsonish, max_size=4),
)


@given(comparisons)
@settings(max_examples=150, deadline=None)
def test_what_is_saved_is_loaded(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("kept") / "comparisons.parquet"
    made.save(path)
    back = Comparisons.load(path)
    assert back == made
    for one, other in zip(back.rows, made.rows):
        assert [type(v) for v in vars(one).values()] == [type(v) for v in vars(other).values()]
    assert back.to_json() == made.to_json()


def test_a_file_of_another_schema_is_not_read(tmp_path):
    made = compare(campaign({"host": 0.0, "b": 0.1}, 8), "host")
    path = made.save(tmp_path / "c.parquet")
    assert Comparisons.load(path) == made
    with path.open("rb") as file:
        assert Comparisons.load(file) == made
    pq.write_table(pq.read_table(path).replace_schema_metadata({"schema_version": "1"}), path)
    assert Comparisons.load(path) is None


def test_it_is_a_mapping_of_the_contract_and_does_not_change():
    row = compare(campaign({"host": 0.0, "b": 0.1}, 8), "host").row("b")
    assert list(row) == list(KEYS) == list(row.to_dict())
    assert (row["ci_low"], row["ci_high"]) == row.ci
    assert (row["sim_ci_low"], row["centre_high"]) == (row.sim_ci.low, row.centre_ci.high)
    assert row == row.to_dict()
    assert Comparison.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    assert {**row, "mode": "c"}["mode"] == "c"
    with pytest.raises(FrozenInstanceError):
        row.verdict = "equivalent"
    with pytest.raises(KeyError):
        row["speed"]


def test_the_contract_keeps_what_the_recorded_run_has():
    """One number of blocks became two, one for each answer."""
    assert set(pq.read_schema("data/sample/comparisons.parquet").names) - {"blocks_needed"} <= set(KEYS)
