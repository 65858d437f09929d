"""``raw.index`` spares reading what was read before, and never hides a changed byte; lost metas come back from it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cnilab import execute, study
from cnilab.errors import RunDirError
from cnilab.runs import files, raw
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter

STUDY = """\
name: indexed
testbed: replay
modes: [host, flannel-vxlan]
placements: [same_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]
primary: {test: tcp_stream, metric: goodput_bps}
aa: false
blocks: 2
"""
TRIAL = "b001-s01-t01"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    place = tmp_path_factory.mktemp("raw") / "run"
    execute.run(study.parse(STUDY), place, progress=False)
    assert not Run.open(place).raw._fresh, "the writer has put each trial into the index"
    return place


@pytest.fixture
def place(recorded, tmp_path):
    """A copy with an index of its own, as if it had been written here."""
    copy = Path(shutil.copytree(recorded, tmp_path / "run"))
    Run.open(copy).raw.keep()
    return copy


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files under raw that are read and hashed from now on."""
    names, real = [], files.digest
    monkeypatch.setattr(files, "digest", lambda path, within: names.append(path.name) or real(path, within))
    return names


def resume(place):
    return execute.run(study.parse(STUDY), place, resume=True, progress=False)


def test_what_was_hashed_is_not_read_again(place, hashed):
    run = Run.open(place)
    assert (len(run.done()), run.altered, len(run.samples) > 0) == (4, {}, True)
    assert set(hashed) == {"study.yaml"}
    assert [m["trial_id"] for m in run.metas] == sorted(run.done())
    again = Run.open(place, verify=True)
    assert again.origin == run.origin
    assert hashed.count("client.out") == 4
    assert list(again.metas) == list(run.metas)


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_changed_byte_is_told_though_size_and_time_are_as_before(place, how):
    path = place / "raw" / TRIAL / "client.out"
    about, data = path.stat(), path.read_bytes()
    other = data.replace(b"1", b"7", 1)
    if how == "in place":
        with open(path, "r+b") as file:
            file.write(other)
    else:
        (place / "new").write_bytes(other)
        os.replace(place / "new", path)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_size == len(data)
    run = Run.open(place)
    assert list(run.altered) == [TRIAL]
    run.raw.keep()
    assert list(Run.open(place).altered) == [TRIAL], "what is not as recorded is never indexed"


def test_a_file_that_came_later_changes_what_tables_are_made_of(place):
    before = Run.open(place).origin
    (place / "raw" / TRIAL / "more").write_text("x")
    assert Run.open(place).origin != before


@pytest.mark.parametrize("damage", ["gone", "cut", "garbled", "another file", "link"])
def test_an_index_that_is_none_costs_time_and_nothing_else(place, tmp_path, damage):
    before, path = Run.open(place), place / raw.NAME
    metas, data = before.metas, path.read_bytes()
    path.unlink()
    if damage == "link":
        (tmp_path / "outside").write_bytes(data)
        path.symlink_to(tmp_path / "outside")
    elif damage != "gone":
        path.write_bytes(
            {"cut": data[:-30], "garbled": data.replace(b" ", b"\n"), "another file": b"x" * 99}[damage]
        )
    run = Run.open(place)
    assert (run.origin, run.metas) == (before.origin, metas)


def test_a_copy_is_read_once_and_then_known(place, tmp_path, hashed):
    copy = Path(shutil.copytree(place, tmp_path / "copy"))
    run = Run.open(copy)
    assert run.origin == Run.open(place).origin
    assert hashed.count("client.out") == 4
    run.raw.keep()
    hashed.clear()
    assert len(Run.open(copy).done()) == 4
    assert hashed == []


def test_an_index_that_says_another_meta_is_only_as_good_as_its_state(place):
    """A line is believed for files in the very state that it names: one from elsewhere names another."""
    path = place / raw.NAME
    path.write_bytes(path.read_bytes().replace(b'"status":"ok"', b'"status":"failed"'))
    moved = place.parent / "moved"
    shutil.copytree(place, moved)
    assert {m["status"] for m in Run.open(moved).metas} == {"ok"}


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_a_lost_meta_is_made_anew_where_the_raw_bytes_are_as_recorded(place, damage, capsys):
    meta = place / "raw" / TRIAL / "meta.json"
    before, table = json.loads(meta.read_text()), Run.open(place).samples
    raw_bytes = (meta.parent / "client.out").stat()
    if damage == "gone":
        meta.unlink()
    else:
        meta.write_bytes(b"" if damage == "empty" else meta.read_bytes()[:50])
    run = resume(place)
    assert json.loads(meta.read_text()) == before
    assert (meta.parent / "client.out").stat().st_ino == raw_bytes.st_ino, "nothing was measured again"
    assert run.samples.equals(table)
    assert "1 damaged meta.json made anew" in capsys.readouterr().err


def test_a_lost_meta_of_changed_bytes_is_measured_again(place):
    meta = place / "raw" / TRIAL / "meta.json"
    meta.write_bytes(b"")
    (meta.parent / "client.out").write_bytes(b"{}")
    resume(place)
    assert (meta.parent / "client.out").stat().st_size > 2


def test_a_lost_manifest_comes_back_with_its_deployments(place):
    before = Run.open(place).deployments
    (place / "manifest.json").write_text("")
    assert resume(place).deployments == before
    (place / "manifest.json").write_text("")
    (place / "deployments.jsonl").unlink()
    (place / "raw" / TRIAL / "meta.json").unlink()
    found = {d["mode"]: (d["kernel_path"], d.get("recovered")) for d in resume(place).deployments}
    assert found == {"host": ("native", True), "flannel-vxlan": ("native", True)}


def test_the_manifest_does_not_grow_with_the_deployments(place):
    assert json.loads((place / "manifest.json").read_text())["deployments"] == {}
    assert len(Run.open(place).deployments) == 4
    writer = RunWriter(place)
    writer.record("b001-s01", {"mode": "host", "status": "failed"})
    with open(place / "deployments.jsonl", "a") as file:
        file.write('{"deployment_id": "b001-s02", "mo')
    writer.record("b002-s01", {"mode": "host", "status": "skipped"})
    known = Run.open(place).manifest["deployments"]
    assert (known["b001-s01"]["status"], known["b002-s01"]["status"]) == ("failed", "skipped")
    assert len(known) == 4
    with open(place / "deployments.jsonl", "a") as file:
        file.write("[1]\n")
    with pytest.raises(RunDirError, match=r"deployments.jsonl is damaged: b'\[1\]"):
        Run.open(place)


def test_tables_made_in_parts_are_those_made_at_once(place):
    run = Run.open(place)
    whole, parts = next(run.parse()), list(run.parse(at_once=1))
    assert len(parts) == 4
    for at_once, kept in zip(whole, (run.samples, run.intervals, run.remarks), strict=True):
        assert at_once.equals(kept)
    assert sum(len(p.samples) for p in parts) == len(whole.samples)
