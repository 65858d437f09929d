"""``cnilab.load``: detection, archives, places, limits, and what it says of all that."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

import cnilab
from cnilab.errors import DataError, UnknownKey
from cnilab.loading import load, sources
from cnilab.loading.places import compile_pattern
from cnilab.runs import samples

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
STREAM = (DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes()
RR = (DATA / "netperf" / "netperf_2.7.0_tcp_rr.txt").read_bytes()


def tree(root: Path, modes=("host", "vxlan"), blocks=(1, 2, 10)) -> Path:
    for mode in modes:
        for block in blocks:
            folder = root / "results" / mode / str(block)
            folder.mkdir(parents=True)
            (folder / "stream.json").write_bytes(STREAM)
            (folder / "rr.json").write_bytes(RR)
    return root


def test_a_folder_by_a_pattern(tmp_path):
    loaded = load(tree(tmp_path), pattern="results/{mode}/{block}/{test}.json", progress=False)
    table = loaded.samples
    assert set(table["mode"]) == {"host", "vxlan"}
    assert sorted(set(table["block"])) == [1, 2, 10]
    assert set(table["test"]) == {"stream", "rr"}
    assert set(table["tool"]) == {"iperf3", "netperf"}
    assert (loaded.files["status"] == "ok").all()
    assert len(table.query("metric == 'goodput_bps'")) == 6
    assert samples.validate(table) is table


def test_it_can_be_compared_at_once(tmp_path):
    root = tree(tmp_path, blocks=range(8))
    loaded = load(root, pattern="results/{mode}/{block}/{test}.json", progress=False)
    table = samples.write(loaded.samples, tmp_path / "samples.parquet")
    assert samples.read(table).equals(loaded.samples)


def test_without_a_pattern_the_file_order_makes_the_blocks(tmp_path):
    for n in (1, 2, 10):
        (tmp_path / f"run{n}.json").write_bytes(STREAM)
    table = load(tmp_path, progress=False).samples.query("metric == 'goodput_bps'")
    assert list(table["block"]) == [0, 1, 2]
    assert [Path(p).name for p in table["raw_path"]] == ["run1.json", "run2.json", "run10.json"]
    assert set(table["mode"]) == {"unknown"}


def test_named_blocks_are_numbered_in_natural_order(tmp_path):
    for name in ("run2", "run10", "run1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "calico.json").write_bytes(STREAM)
    table = load(tmp_path, pattern="{block}/{mode}.json", progress=False).samples
    blocks = {Path(p).parent.name: b for p, b in zip(table["raw_path"], table["block"])}
    assert blocks == {"run1": 0, "run2": 1, "run10": 2}


def test_what_fits_no_pattern_is_left_out_and_counted(tmp_path):
    (tmp_path / "stray.json").write_bytes(STREAM)
    loaded = load(tree(tmp_path), pattern="results/{mode}/{block}/{test}.json", progress=False)
    stray = loaded.files[loaded.files["path"].str.endswith("stray.json")].iloc[0]
    assert (stray["status"], stray["samples"]) == ("skipped", 0)
    assert "fits neither" in stray["reason"]


@pytest.mark.parametrize("form", ["dict", "csv", "yaml", "json"])
def test_a_mapping(tmp_path, form):
    (tmp_path / "a.json").write_bytes(STREAM)
    (tmp_path / "b.json").write_bytes(STREAM)
    mapping: object = {"a.json": {"mode": "host", "block": "3"}, "b.json": {"mode": "vxlan", "block": "3"}}
    if form != "dict":
        file = tmp_path.parent / f"{tmp_path.name}.{form}"
        text = json.dumps(mapping)  # JSON is YAML
        file.write_text("file,mode,block\na.json,host,3\nb.json,vxlan,3\n" if form == "csv" else text)
        mapping = file
    table = load(tmp_path, mapping=mapping, progress=False).samples
    assert dict(zip(table["mode"], table["block"])) == {"host": 3, "vxlan": 3}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("{made}/x", "no field"), ("{mode}/{mode}", "twice"), ("a/b", "names no field"), ("{mode", "no field")],
)
def test_wrong_patterns_are_told(pattern, words):
    with pytest.raises(DataError, match=words):
        compile_pattern(pattern)


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return out.getvalue()


MEMBERS = {"r/host/1/t.json": STREAM, "r/vxlan/1/t.json": STREAM, "r/notes.md": b"# notes\n"}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip", "no_ending", "nested.zip"])
def test_archives_of_any_kind_by_content(tmp_path, name):
    make = {
        "a.tar": lambda: tar_of(MEMBERS),
        "a.tar.gz": lambda: tar_of(MEMBERS, "w:gz"),
        "a.zip": lambda: zip_of(MEMBERS),
        "no_ending": lambda: gzip.compress(tar_of(MEMBERS)),
        "nested.zip": lambda: zip_of({"inner.tar": tar_of(MEMBERS)}),
    }
    (tmp_path / name).write_bytes(make[name]())
    loaded = load(tmp_path / name, pattern="r/{mode}/{block}/t.json", progress=False)
    assert set(loaded.samples["mode"]) == {"host", "vxlan"}
    assert list(loaded.files["status"]).count("ok") == 2


def test_a_server_view_beside_its_client_is_not_counted_twice(tmp_path):
    (tmp_path / "dts-client.stdout").write_bytes(STREAM)
    (tmp_path / "dts-server.stdout").write_bytes(
        (DATA / "iperf3" / "iperf3_3.12_server_two_tests.txt").read_bytes()
    )
    (tmp_path / "all.results").write_bytes((DATA / "knb" / "knb_2024_written.results").read_bytes())
    loaded = load(tmp_path, progress=False)
    assert loaded.samples["trial_id"].nunique() == 1
    assert set(loaded.samples["path"]) == {"pod_to_pod"}
    assert sum("beside" in r for r in loaded.files["reason"].dropna()) == 2


def test_failures_are_rows_with_a_reason_and_no_value(tmp_path):
    (tmp_path / "refused.json").write_bytes((DATA / "iperf3" / "iperf3_3.12_error_refused.json").read_bytes())
    (tmp_path / "cut.json").write_bytes(STREAM[: len(STREAM) // 2])
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "blob.bin").write_bytes(bytes(range(256)) * 100)
    loaded = load(tmp_path, progress=False)
    by_name = {
        Path(p).name: (s, r) for p, s, r in loaded.files[["path", "status", "reason"]].itertuples(index=False)
    }
    assert by_name["refused.json"] == ("failed", "unable to connect to server: Connection refused")
    assert by_name["cut.json"][0] == "failed"
    assert "cut short" in by_name["cut.json"][1]
    assert by_name["empty.json"] == ("skipped", "empty file")
    assert by_name["blob.bin"][0] == "skipped"
    assert len(loaded.samples) == 2
    assert loaded.samples["value"].isna().all()
    assert loaded.samples["metric"].isna().all()


def test_as_tool_overrides_and_an_unknown_tool_is_told(tmp_path):
    (tmp_path / "a").write_bytes(STREAM)
    assert load(tmp_path / "a", as_tool="qperf", progress=False).files.loc[0, "status"] == "failed"
    with pytest.raises(UnknownKey, match="Known"):
        load(tmp_path / "a", as_tool="iperf4")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/nowhere/*.json"])
def test_nothing_there_is_an_error(path):
    with pytest.raises(DataError, match="no file"):
        load(path)


def test_too_large_a_file_is_not_read(tmp_path):
    with open(tmp_path / "huge.json", "wb") as stream:
        stream.truncate(2 * 2**30)
    loaded = load(tmp_path, progress=False)
    assert "more than the 128 MiB" in loaded.files.loc[0, "reason"]


def test_bombs_end_with_a_sentence(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(80 * 2**20)))
    (tmp_path / "bomb.zip").write_bytes(zip_of({"zeros": bytes(80 * 2**20)}))
    (tmp_path / "russian.zip").write_bytes(zip_of({"a": zip_of({"b": zip_of({"c": zip_of({"d": STREAM})})})}))
    loaded = load(tmp_path, progress=False, max_bytes=16 * 2**20)
    assert (loaded.files["status"] == "failed").all()
    reasons = " ".join(loaded.files["reason"])
    assert "limit" in reasons
    assert "max_bytes" in reasons
    assert "nested" in reasons


def test_a_lying_zip_directory_is_not_believed(tmp_path):
    raw = bytearray(zip_of({"zeros": bytes(8 * 2**20)}))
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (100).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(bytes(raw))
    loaded = load(tmp_path, progress=False, max_bytes=2**20)
    assert list(loaded.samples["status"]) == ["failed"]


def test_damaged_archives_and_odd_files_cost_only_themselves(tmp_path):
    (tmp_path / "good.json").write_bytes(STREAM)
    (tmp_path / "cut.tar.gz").write_bytes(tar_of(MEMBERS, "w:gz")[:300])
    (tmp_path / "cut.zip").write_bytes(zip_of(MEMBERS)[:200])
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    loaded = load(tmp_path, progress=False)
    assert len(loaded.files) == 5
    assert (loaded.files["status"] == "failed").sum() == 4
    assert "no regular file" in " ".join(loaded.files["reason"].dropna())


def test_many_lines_end_in_time(tmp_path):
    row = b"20200316143919,192.0.2.1,34002,192.0.2.2,5001,3,%d.0-%d.0,2752512,22020096\n"
    (tmp_path / "long.csv").write_bytes(b"".join(row % (n % 86400, n % 86400 + 1) for n in range(100_000)))
    assert load(tmp_path, progress=False).files.loc[0, "tool"] == "iperf2"


def test_workers_agree_with_one_process(tmp_path):
    root = tree(tmp_path, modes=[f"m{n}" for n in range(20)], blocks=(1, 2))
    one = load(root, pattern="{mode}/{block}/{test}.json", workers=1, progress=False)
    two = load(root, pattern="{mode}/{block}/{test}.json", workers=2, progress=False)
    assert two.samples.equals(one.samples)
    assert two.files.equals(one.files)


def test_a_worker_that_dies_costs_one_file(tmp_path, monkeypatch):
    for n in range(40):
        (tmp_path / f"{n}.json").write_bytes(STREAM if n != 17 else b"die")
    whole = sources.pieces

    def deadly(path, shown, max_bytes):
        if path.endswith("17.json"):
            os._exit(9)
        return whole(path, shown, max_bytes)

    monkeypatch.setattr(sources, "pieces", deadly)
    loaded = load(tmp_path, workers=2, progress=False)
    assert len(loaded.files) == 40
    assert list(loaded.files.query("status == 'failed'")["path"]) == [str(tmp_path / "17.json")]


def test_a_reader_with_a_defect_costs_one_file(tmp_path, monkeypatch):
    from cnilab.measurements import iperf3

    monkeypatch.setattr(iperf3, "parse_totals", lambda raw: 1 / 0)
    (tmp_path / "a.json").write_bytes(STREAM)
    assert "defect in the reader" in load(tmp_path, progress=False).files.loc[0, "reason"]


def test_json_is_one_object_with_null_for_missing(tmp_path):
    (tmp_path / "a.json").write_bytes(STREAM)
    (tmp_path / "b.json").write_bytes(b'{"start": {}, "error": "no <b>route</b>"}')
    loaded = load(tmp_path, progress=False)
    document = json.loads(loaded.to_json())
    assert document["schema_version"] == samples.SCHEMA_VERSION
    assert set(document["rows"][0]) == set(samples.COLUMNS)
    assert document["rows"][-1]["value"] is None
    assert set(document["files"][0]) == {
        "path",
        "tool",
        "tool_version",
        "samples",
        "status",
        "reason",
        "line",
    }


def test_text_and_html_tell_the_failures_and_trust_no_content(tmp_path):
    (tmp_path / "b.json").write_bytes(b'{"start": {}, "error": "no <b>route</b>"}')
    loaded = load(tmp_path, progress=False)
    assert "b.json:1: no <b>route</b>" in repr(loaded)
    assert "&lt;b&gt;route" in loaded._repr_html_()
    assert "<b>" not in loaded._repr_html_()


def test_intervals_only_where_asked_for(tmp_path):
    (tmp_path / "a.json").write_bytes(STREAM)
    assert len(load(tmp_path, progress=False).intervals) == 0
    assert set(load(tmp_path, intervals=True, progress=False).intervals["metric"]) == {"sent_bps"}


def test_a_run_directory_is_read_and_told_by_its_name():
    sample = Path(__file__).parents[2] / "data" / "sample"
    loaded = load(str(sample), progress=False)
    (told,) = [n["note"] for n in loaded.notes if "a run directory" in n["note"]]
    assert f"cnilab.Run.open({str(sample)!r}).samples" in told
    assert told in str(loaded)


def test_the_door_leads_here():
    assert cnilab.load is not None
    assert callable(cnilab.load)


def test_a_tests_two_ends_in_one_file_are_one_test(tmp_path):
    """Logs of client and server put together; a second run of the same pair has another cookie."""
    client = json.loads(STREAM)
    server = json.loads(STREAM)
    server["start"]["accepted_connection"] = server["start"].pop("connecting_to")
    again = json.loads(STREAM)
    again["start"]["cookie"] = "z" * 36
    (tmp_path / "log.json").write_text("\n".join(json.dumps(d, indent=1) for d in (client, server, again)))
    loaded = load(tmp_path, progress=False)
    assert loaded.samples["trial_id"].nunique() == 2
    assert list(loaded.files["status"]) == ["ok"]


def test_knbs_whole_summary_and_its_parts_are_counted_once(tmp_path):
    whole = (DATA / "knb" / "knb_2024_written.results").read_bytes()
    part = b"".join(line for line in whole.splitlines(keepends=True) if line.startswith(b"DTS"))
    assert part
    for name, raw in (("all.results", whole), ("dts.results", part)):
        (tmp_path / name).write_bytes(raw)
    loaded = load(tmp_path, progress=False)
    assert (
        dict(zip(loaded.files["path"].map(os.path.basename), loaded.files["status"]))["dts.results"]
        == "skipped"
    )
    alone = load(tmp_path / "dts.results", progress=False)
    assert (alone.files["status"] == "ok").all()


@pytest.mark.parametrize("run_type", ["HTTP", "GRPC Ping", "TCP", "UDP"])
def test_fortio_names_what_it_loaded(tmp_path, run_type):
    document = json.loads((DATA / "fortio" / "fortio_1.63.9_http.json").read_bytes())
    document["RunType"] = run_type
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert set(load(tmp_path, progress=False).samples["test"]) == {run_type.split()[0].lower() + "_load"}
