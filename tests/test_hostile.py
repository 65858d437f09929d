"""A small part of ``benchmarks/faults.py``: damaged and hostile run directories, a second writer, ends at any moment.

Every case ends in a result or in one sentence, within seconds, with nothing outside touched and no value believed
that does not follow from the raw bytes.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnilab import execute, study
from cnilab.bundled import bundled
from cnilab.cli import app
from cnilab.errors import CnilabError, RunDirError
from cnilab.runs import lock, samples
from cnilab.runs.run import Run

REPLAYED = """\
name: replayed
testbed: replay
modes: [host, flannel-vxlan]
placements: [same_subnet]
tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]
primary: {test: tcp_stream, metric: goodput_bps}
aa: false
blocks: 2
"""
DAMAGE = {
    "nothing left": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "another type": lambda data: b"[1, 2, 3]",
    "no text": lambda data: b"\xff\xfe\x00" * 40,
    "schema 0": lambda data: data.replace(b'"schema_version": 2', b'"schema_version": 0'),
    "schema 99": lambda data: data.replace(b'"schema_version": 2', b'"schema_version": 99'),
    "schema x": lambda data: data.replace(b'"schema_version": 2', b'"schema_version": "x"'),
    "brackets": lambda data: b"[" * 100_000,
    "digits": lambda data: b'{"schema_version": ' + b"9" * 5000 + b"}",
    "not a number": lambda data: b'{"schema_version": NaN}',
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    place = tmp_path_factory.mktemp("hostile") / "run"
    execute.run(study.parse(REPLAYED), place, progress=False)
    return place


@pytest.fixture
def run_dir(recorded, tmp_path):
    return Path(shutil.copytree(recorded, tmp_path / "run"))


def values(place):
    table = Run.open(place).samples
    return table[["trial_id", "metric", "stat", "value", "status"]].to_csv()


def outcome(place):
    """The values, or the one sentence in their place."""
    try:
        return values(place)
    except CnilabError as error:
        return str(error)


def trial(place):
    return place / "raw" / "b001-s01-t01"


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["samples.parquet", "intervals.parquet", "remarks.parquet", "derived.json"])
def test_a_damaged_derived_file_is_made_anew(run_dir, name, how):
    before = values(run_dir)
    (run_dir / name).write_bytes(DAMAGE[how]((run_dir / name).read_bytes()))
    assert values(run_dir) == before
    assert len(Run.open(run_dir).intervals)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["manifest.json", "study.yaml", "raw/b001-s01-t01/meta.json"])
def test_a_damaged_file_that_cannot_be_made_anew_is_named_in_a_sentence(run_dir, name, how):
    data = (run_dir / name).read_bytes()
    if (damaged := DAMAGE[how](data)) == data:
        pytest.skip("this file has no such line")
    (run_dir / name).write_bytes(damaged)
    with pytest.raises(CnilabError, match=name.rpartition("/")[2]):
        values(run_dir)
    if name != "study.yaml":
        execute.run(study.parse(REPLAYED), run_dir, resume=True, progress=False)
        assert len(Run.open(run_dir).done()) == 4


def test_values_that_do_not_follow_from_the_raw_bytes_are_not_believed(run_dir):
    before = values(run_dir)
    table = samples.read(run_dir)
    samples.write(table.assign(value=table["value"] * 2), run_dir / "samples.parquet")
    assert values(run_dir) == before


@pytest.mark.parametrize("how", ["edited", "cut", "swapped", "gone"])
def test_raw_bytes_that_were_changed_give_no_value(run_dir, how):
    raw, other = trial(run_dir) / "client.out", run_dir / "raw" / "b001-s02-t01" / "client.out"
    data = raw.read_bytes()
    if how == "gone":
        raw.unlink()
    else:
        raw.write_bytes(
            {"edited": data.replace(b"1", b"7", 1), "cut": data[:-20], "swapped": other.read_bytes()}[how]
        )
    run = Run.open(run_dir)
    assert list(run.altered) == ["b001-s01-t01"]
    own = run.samples[run.samples["trial_id"] == "b001-s01-t01"]
    assert own["status"].tolist() == ["failed"]


@pytest.mark.parametrize("kind", ["pipe", "device", "link out", "folder"])
@pytest.mark.parametrize("name", ["client.out", "meta.json", "../../samples.parquet", "../../manifest.json"])
def test_what_is_no_file_is_not_waited_for_and_not_followed(run_dir, tmp_path, name, kind):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = trial(run_dir) / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else secret)
    began = time.monotonic()
    result = outcome(run_dir)
    assert "secret" not in result
    assert path.name in result or result.startswith(",trial_id")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["/etc", "..", "../../..", "b001-s02-t01", "a\x1b[31m"])
def test_a_trial_that_says_it_is_elsewhere_is_refused(run_dir, name):
    meta = json.loads((trial(run_dir) / "meta.json").read_text())
    (trial(run_dir) / "meta.json").write_text(json.dumps({**meta, "trial_id": name}))
    with pytest.raises(RunDirError) as caught:
        values(run_dir)
    assert str(caught.value).isprintable()


def test_a_second_writer_is_told_who_is_first_and_touches_nothing(run_dir):
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, pathlib; from cnilab.runs import lock\n"
            "with lock.held(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()",
            str(run_dir),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")}
        with pytest.raises(RunDirError, match=rf"process {holder.pid} on .* since 20"):
            execute.run(study.parse(REPLAYED), run_dir, resume=True, progress=False)
        assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")} == before
        assert len(Run.open(run_dir).samples), "readers work meanwhile"
    finally:
        holder.kill()
        holder.communicate()
    execute.run(study.parse(REPLAYED), run_dir, resume=True, progress=False)
    assert not (run_dir / lock.NAME).exists()


@pytest.mark.parametrize("left", [(), ("study.yaml",), ("study.yaml", "plan.csv"), ("raw",), ("notebooks",)])
def test_a_run_that_ended_before_its_manifest_is_begun_again(tmp_path, left):
    place = tmp_path / "run"
    place.mkdir()
    (place / ".manifest.json.00112233445566ff.part").write_text("{")
    for name in left:
        (place / name).write_text("half") if "." in name else (place / name).mkdir()
    execute.run(study.parse(REPLAYED), place, resume=True, progress=False)
    assert len(Run.open(place).done()) == 4
    assert not list(place.glob(".*"))


def test_what_a_killed_writer_left_half_written_goes_when_the_run_is_continued(run_dir):
    left = [run_dir / ".samples.parquet.0011.part", run_dir / "proof" / ".b001-s01.json.0022.part"]
    for path in left:
        path.write_text("half")
    execute.run(study.parse(REPLAYED), run_dir, resume=True, progress=False)
    assert not any(path.exists() for path in left)


def test_a_run_is_not_continued_under_other_terms(run_dir):
    for key, other in (("margin", "margin: 0.1"), ("alpha", "alpha: 0.01"), ("seed", "seed: 9")):
        with pytest.raises(RunDirError, match=f"put back {key}: declared"):
            execute.run(study.parse(REPLAYED + other + "\n"), run_dir, resume=True, progress=False)


def test_what_changes_no_result_is_told_and_the_run_goes_on(run_dir, capsys):
    renamed = study.parse(REPLAYED.replace("name: replayed", "name: other"))
    execute.run(renamed, run_dir, resume=True, progress=False)
    assert "name: declared 'replayed', now 'other'" in capsys.readouterr().err


def test_a_study_edited_after_the_run_is_told_by_compare(run_dir):
    text = (run_dir / "study.yaml").read_text()
    (run_dir / "study.yaml").write_text(text.replace("margin: 0.05", "margin: 0.2"))
    done = CliRunner().invoke(app, ["compare", str(run_dir)])
    assert done.exit_code == 0, done.output
    assert "changed after the run began: margin: declared 0.05, now 0.2" in done.output


@pytest.mark.parametrize("margin", ["5", "0", "-0.1", "nan", "1"])
def test_a_margin_that_is_no_share_is_refused(recorded, margin):
    done = CliRunner().invoke(app, ["compare", str(recorded), "--margin", margin])
    assert "0.05 for 5 %" in str(done.exception)


def test_a_value_that_cannot_be_is_no_value():
    table = samples.read(bundled("data/sample"))
    row = table.index[(table["status"] == "ok") & (table["metric"] == "goodput_bps")][0]
    for value in (-1.0, float("inf"), float("nan")):
        with pytest.raises(CnilabError, match="goodput_bps"):
            samples.validate(table.assign(value=table["value"].where(table.index != row, value)))
    loss = table.assign(metric=table["metric"].where(table.index != row, "loss_ratio"))
    with pytest.raises(CnilabError, match="cannot be"):
        samples.validate(loss)
