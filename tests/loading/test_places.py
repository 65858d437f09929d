"""Patterns and mappings as users write them: what they get wrong is told with the file and the words allowed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cnilab.errors import DataError
from cnilab.loading import load, places

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    for mode in ("host", "vxlan"):
        folder = tmp_path / "runs" / mode / "samenode"
        folder.mkdir(parents=True)
        shutil.copy(DATA / "iperf3" / "iperf3_3.12_tcp_stream.json", folder / "1.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_word_the_field_does_not_allow_is_told_with_its_file(runs):
    with pytest.raises(DataError) as told:
        load("runs", pattern="{mode}/{placement}/{block}.json", progress=False)
    assert "gives runs/host/samenode/1.json the placement 'samenode'; allowed: same_node," in str(told.value)


def test_a_pattern_that_fits_nothing_is_shown_beside_a_path(runs):
    loaded = load("runs", pattern="{mode}/*/{block}.txt", progress=False)
    assert [note["note"] for note in loaded.notes] == [
        "the pattern {mode}/*/{block}.txt fits no file; a file's path here is runs/host/samenode/1.json"
    ]
    assert "fits no file" in repr(loaded)
    assert not load("runs", pattern="{mode}/*/{block}.json", progress=False).notes


def test_a_whole_path_is_a_pattern_too(runs):
    loaded = load("runs", pattern=f"{runs}/runs/{{mode}}/*/{{block}}.json", progress=False)
    assert set(loaded.samples["mode"]) == {"host", "vxlan"}
    loaded = load("runs", mapping={f"{runs}/runs/host/*": {"mode": "mine"}}, progress=False)
    assert set(loaded.samples["mode"]) == {"mine"}


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("path", ["runs/host/samenode/1.json", r".\runs\host\samenode\1.json"])
def test_a_mapping_of_a_spreadsheet(runs, mark, path):
    Path("mapping.csv").write_text(
        f"file{mark}mode{mark}block\r\n{path}{mark}mine{mark}4\r\n", encoding="utf-8-sig"
    )
    loaded = load("runs", mapping="mapping.csv", progress=False)
    assert {(mode, block) for mode, block in zip(loaded.samples["mode"], loaded.samples["block"])} == {
        ("mine", 4)
    }


def test_a_name_with_brackets_is_named_as_it_stands(runs):
    Path("runs/host/samenode/1.json").rename("runs/host/samenode/tcp [1].json")
    for key in ("tcp [1].json", "runs/**/tcp [[]1].json"):
        loaded = load("runs", mapping={key: {"mode": "mine"}}, progress=False)
        assert set(loaded.samples["mode"]) == {"mine"}
        assert not loaded.notes


def test_two_stars_are_any_folders_and_none(runs):
    for key in ("runs/**/1.json", "runs/**/host/samenode/1.json"):
        assert not load("runs", mapping={key: {"mode": "mine"}}, progress=False).notes


def test_titles_of_a_mapping_as_a_spreadsheet_has_them(runs):
    Path("mapping.csv").write_text("File , Mode\nruns/host/*,mine\n")
    assert set(load("runs", mapping="mapping.csv", progress=False).samples["mode"]) == {"mine"}


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: " + "[" * 500, '"*": {mode: ' + "9" * 5000 + "}"])
def test_a_mapping_from_anywhere_is_bounded(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(DataError, match=r"m\.yaml is not readable"):
        places.read_mapping(tmp_path / "m.yaml")


def test_a_mapping_of_brackets_in_json_is_bounded(tmp_path):
    (tmp_path / "m.json").write_text("[" * 200_000)
    with pytest.raises(DataError, match="is not readable"):
        places.read_mapping(tmp_path / "m.json")
