"""A table laid onto two axes: what is compared, within what, and what is left over told."""

import pandas as pd
import pytest

import cnilab
from cnilab.errors import DataError
from cnilab.stats.projection import View, project


@pytest.fixture
def frame():
    rows = [
        {
            "block": b,
            "mode": m,
            "nodes": n,
            "test": "t",
            "mss": s,
            "twin": False,
            "value": 1.0 + b + n,
            "trial_id": f"{b}{m}{n}{s}",
        }
        for b in range(3)
        for m in ("host", "vxlan")
        for n in (3, 10)
        for s in ("as_shipped", "equal")
    ]
    return pd.DataFrame(rows)


def test_every_factor_has_a_place_by_default(frame):
    seen = project(frame)
    assert set(seen.treatments) == {"host, nodes 3", "host, nodes 10", "vxlan, nodes 3", "vxlan, nodes 10"}
    assert seen.treatments["vxlan, nodes 10"] == {"mode": "vxlan", "nodes": 10}
    assert seen.tests == {"t": {"mss": "as_shipped"}, "t[mss=equal]": {"mss": "equal"}}
    assert seen.residue == {}


def test_what_is_in_neither_is_told(frame):
    seen = project(frame, View(("mode",), ("test", "placement", "path", "mss")))
    assert seen.residue == {"t": ("nodes",), "t[mss=equal]": ("nodes",)}
    one = frame[frame["nodes"] == 3]
    assert project(one, View(("mode",), ("test", "placement", "path", "mss"))).residue == {}


def test_a_comparison_carries_it_and_its_levels(frame):
    rows = cnilab.compare(frame, "host").rows
    assert all("factor_varies" in r["flags"] for r in rows)
    whole = cnilab.compare(
        frame, {"mode": "host", "nodes": 3}, by=("mode", "nodes"), within=("test", "placement", "path", "mss")
    )
    assert not any("factor_varies" in r["flags"] for r in whole.rows)
    row = whole.row("vxlan, nodes 10", test="t[mss=equal]")
    assert (row["baseline"], row["levels"]) == (
        "host, nodes 3",
        {"mode": "vxlan", "nodes": 10, "mss": "equal"},
    )


def test_the_twin_is_a_treatment_apart_and_keeps_its_name(frame):
    again = frame[(frame["mode"] == "host") & (frame["nodes"] == 3)].assign(twin=True)
    again["trial_id"] += "twin"
    one = pd.concat([frame[frame["nodes"] == 3], again], ignore_index=True)
    rows = cnilab.compare(one, "host", within=("test", "placement", "path", "mss")).rows
    control = [r for r in rows if r["family"] == "aa"]
    assert {(r["mode"], r["baseline"], r["twin"]) for r in control} == {("host", "host", True)}
    assert not any(r["twin"] for r in rows if r["family"] != "aa")


def test_a_table_of_schema_1_has_levels_in_place_of_suffixes():
    old = pd.DataFrame({
        "block": [0, 0, 0, 0], "mode": ["host", "host#aa", "host", "host"], "value": [1.0, 1.1, 1.2, 1.3],
        "test": ["t", "t", "t@equal_mss", "rr"], "trial_id": list("abcd"),
    })  # fmt: skip
    seen = project(old)
    assert seen.twins == {"host (twin)": "host"}
    assert seen.frame["test"].tolist() == ["t", "t", "t[mss=equal]", "rr"]


def test_a_column_that_is_not_there_is_one_sentence(frame):
    with pytest.raises(
        DataError, match="no column 'replicas' to compare by or within; there are block, mode"
    ):
        project(frame, View(("mode", "replicas")))
