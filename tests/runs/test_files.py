"""A stranger's run directory is only data: nothing outside it is written or read, and nothing in it is waited for."""

import json
import os
from pathlib import Path

import pytest

from cnilab.errors import RunDirError
from cnilab.runs import files, samples


def test_a_link_under_a_predictable_name_is_not_written_through(tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    for name in (".samples.parquet.part", "samples.parquet"):
        (run / name).symlink_to(outside)
    samples.write(samples.empty(), run / "samples.parquet")
    assert outside.read_text() == "mine"
    assert not (run / "samples.parquet").is_symlink()
    assert len(samples.read(run / "samples.parquet")) == 0


def test_a_folder_that_is_a_link_is_not_written_into(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / "proof").symlink_to(outside)
    with pytest.raises(RunDirError, match="is a link"):
        files.write(run / "proof" / "b001-s01.json", b"{}", within=run)
    with pytest.raises(RunDirError, match="is a link"):
        files.fresh_folder(run / "proof" / "t", within=run)
    assert list(outside.iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half() -> None:
        with files.replacing(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_fresh_folder_holds_nothing_of_an_earlier_attempt(tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("mine")
    old = tmp_path / "raw" / "b001-s01-t01"
    old.mkdir(parents=True)
    (old / "server.out").write_text("first attempt")
    (old / "client.out").symlink_to(outside)
    made = files.fresh_folder(old, within=tmp_path)
    assert list(made.iterdir()) == []
    assert outside.read_text() == "mine"


def test_a_link_out_of_the_folder_is_not_read_and_one_inside_is(tmp_path):
    outside = tmp_path / "secret"
    outside.write_text("secret")
    run = tmp_path / "run"
    (run / "raw").mkdir(parents=True)
    (run / "raw" / "client.out").symlink_to(outside)
    with pytest.raises(RunDirError, match="link out of"):
        files.read(run / "raw" / "client.out", within=run)
    with pytest.raises(RunDirError, match="link out of"):
        files.read(run / ".." / "secret", within=run)
    (run / "kept").write_text("inside")
    (run / "raw" / "client.err").symlink_to(run / "kept")
    assert files.read(run / "raw" / "client.err", within=run) == b"inside"


def test_pipes_devices_folders_and_too_much_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "long").write_bytes(b"x" * 11)
    for name, what in (("pipe", "a pipe"), ("folder", "a folder"), ("long", "more than")):
        with pytest.raises(RunDirError, match=what):
            files.read(tmp_path / name, limit=10)
    with pytest.raises(RunDirError, match="a device"):
        files.read(Path("/dev/zero"))


def test_what_is_settled_is_listed_with_its_digest(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "client.out").write_bytes(b"abc")
    (tmp_path / "run" / "client.err").touch()
    files.settle(tmp_path / "run", tmp_path, "meta.json", lambda kept: json.dumps(kept).encode())
    kept = json.loads((tmp_path / "run" / "meta.json").read_text())
    assert {name: about["bytes"] for name, about in kept.items()} == {"client.err": 0, "client.out": 3}
    assert kept["client.out"]["sha256"] == files.digest(tmp_path / "run" / "client.out", tmp_path)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["client.err", "client.out", "meta.json"]


def test_nothing_counts_before_it_is_on_the_disk(tmp_path, monkeypatch):
    """The new file has its name only when its bytes, its neighbours' and the folder above are there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "client.out").write_bytes(b"abc")
    real, asked = os.fsync, []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (
            asked.append((os.readlink(f"/proc/self/fd/{fd}"), (tmp_path / "run" / "meta.json").exists()))
            or real(fd)
        ),
    )
    files.settle(tmp_path / "run", tmp_path, "meta.json", lambda kept: b"{}")
    before = {Path(path).name for path, counts in asked if not counts}
    assert before >= {"client.out", tmp_path.name}
    assert any(name.startswith(".meta.json.") for name in before)
    assert [Path(path).name for path, counts in asked if counts] == ["run"]


def test_a_line_is_added_on_a_line_of_its_own(tmp_path):
    (tmp_path / "log").write_bytes(b"one\nhalf a li")
    files.append(tmp_path / "log", b"two\n", tmp_path, sync=True)
    assert (tmp_path / "log").read_bytes() == b"one\nhalf a li\ntwo\n"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "log")
    for name in ("pipe", "link"):
        with pytest.raises(RunDirError, match=name):
            files.append(tmp_path / name, b"two\n", tmp_path)


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    (tmp_path / ".manifest.json.0011223344556677.part").write_text("{")
    (tmp_path / "manifest.json").write_text("{}")
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["manifest.json"]
