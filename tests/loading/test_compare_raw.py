"""`cnilab compare` on raw output: a folder or an archive, with a pattern or a mapping, and no step between."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cnilab.cli import app
from cnilab.errors import DataError
from cnilab.loading import comparing, load
from cnilab.runs import samples as tables

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
STREAM = json.loads((DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes())


def document(bps: float) -> str:
    made = json.loads(json.dumps(STREAM))
    made["intervals"] = []
    made["end"]["sum_received"]["bits_per_second"] = bps
    return json.dumps(made)


@pytest.fixture
def archive(tmp_path) -> Path:
    """Ten runs of two modes, the second at half the goodput of the first, in a tar of a tree."""
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as out:
        for run in range(1, 11):
            for mode, share in (("host", 1.0), ("vxlan", 0.5)):
                file = tmp_path / "mine" / mode / f"run{run}.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(document(1e10 * share * (1 + run / 100)))
        out.add(tmp_path / "mine", "mine")
    return tmp_path / "mine.tar.gz"


def cnilab(*argv: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in argv])
    told = done.stderr + (f"{done.exception}" if isinstance(done.exception, DataError) else "")
    return done.exit_code, done.stdout, told


@pytest.mark.parametrize("kind", ["archive", "folder", "two folders"])
def test_raw_output_is_compared_at_once(archive, kind):
    tree = archive.with_name("mine")
    what = {"archive": [archive], "folder": [tree], "two folders": [tree / "host", tree / "vxlan"]}[kind]
    status, out, told = cnilab(
        "compare", *what, "--pattern", "{mode}/run{block}.json", "--metric", "goodput_bps", "--json"
    )
    assert status == 0, told
    (row,) = json.loads(out)["rows"]
    assert (row["mode"], row["baseline"], row["n_used"]) == ("vxlan", "host", 10)
    assert row["ratio"] == pytest.approx(0.5)
    assert row["verdict"] == "different_material"
    assert "20 read, 0 failed" in told


@pytest.mark.parametrize("ending", ["csv", "yaml", "json"])
def test_a_mapping_file_gives_the_same(archive, ending):
    lines = {f"host/run{n}.json": {"mode": "host", "block": n} for n in range(1, 11)}
    lines |= {f"vxlan/run{n}.json": {"mode": "vxlan", "block": n} for n in range(1, 11)}
    file = archive.with_name(f"files.{ending}")
    rows = "".join(f"{glob},{of['mode']},{of['block']}\n" for glob, of in lines.items())
    file.write_text(f"file,mode,block\n{rows}" if ending == "csv" else json.dumps(lines))  # JSON is YAML
    by_file = load(archive, mapping=file, progress=False).samples
    by_path = load(archive, pattern="{mode}/run{block}.json", progress=False).samples
    assert by_file.drop(columns="run_id").equals(by_path.drop(columns="run_id"))
    status, out, told = cnilab("compare", archive, "--mapping", file, "--json")
    assert status == 0, told
    assert {row["mode"] for row in json.loads(out)["rows"]} == {"vxlan"}
    assert cnilab("load", archive, "--mapping", file)[0] == 0


def test_the_mapping_shown_in_the_documentation_is_read(tmp_path):
    from cnilab.loading import places

    shown = re.search(r"    file,mode.*?\n\n", places.__doc__, re.DOTALL)[0]
    (tmp_path / "files.csv").write_text(re.sub(r"(?m)^    ", "", shown))
    assert places.Places(None, tmp_path / "files.csv").of("a/monday/vxlan7.json") == {
        "mode": "flannel-vxlan",
        "block": "1",
        "test": "tcp_stream",
    }


def test_output_that_names_no_mode_is_refused_with_what_to_type(archive):
    with pytest.raises(DataError, match=r"--pattern '\{mode\}/\{block\}/\*'.*--mapping FILE.*placement"):
        comparing.compare_source(archive)


def test_nothing_to_compare_is_told_with_its_reason(archive, tmp_path):
    with pytest.raises(DataError, match="fits neither pattern nor mapping"):
        comparing.compare_source(archive, pattern="elsewhere/{mode}.json")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"no known tool's output.*columns block, mode, value"):
        comparing.compare_source(tmp_path / "odd.csv")
    (tmp_path / "not.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no parquet file"):
        comparing.compare_source(tmp_path / "not.parquet")


def test_blocks_by_the_order_of_files_are_told(archive):
    told: list[str] = []
    comparing.compare_source(archive, pattern="{mode}/run*.json", tell=told.append)
    assert "the k-th file of each mode" in told[-1]
    told.clear()
    comparing.compare_source(archive, pattern="{mode}/run{block}.json", tell=told.append)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("ending", "text", "words"),
    [
        ("csv", "path,mode\na,host\n", "no column 'file'; it has path, mode"),
        ("csv", "", "no column 'file'; it has none"),
        ("csv", "file,mode\na,host,1\n", "unknown field 'more cells than columns'"),
        ("csv", "file,made\na,host\n", "unknown field 'made'; fields: mode, block"),
        ("csv", "file,mode,placement\na,host,far\n", "placement 'far'; allowed: same_node, same_subnet"),
        ("csv", "file,mode\n", "is empty; a mapping is"),
        ("yaml", "a: host\n", "'a' has 'host'; a mapping is"),
        ("yaml", "a: {mode: }\n", "mode has no value"),
        ("yaml", "- a\n", "holds no mapping"),
        ("yaml", "a: {mode\n", "not readable"),
        ("json", "{", "not readable"),
    ],
)
def test_wrong_mappings_are_told_with_what_is_allowed(tmp_path, ending, text, words):
    file = tmp_path / f"files.{ending}"
    file.write_text(text)
    with pytest.raises(DataError, match=re.escape(words)):
        load(DATA / "qperf", mapping=file)


def test_a_mapping_that_is_not_there_and_a_line_that_fits_no_file_are_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load(DATA / "qperf", mapping=tmp_path / "none.csv")
    lines = {"*.txt": {"mode": "host"}, "qperf/typo.txt": {"mode": "vxlan"}}
    found = load(DATA / "qperf", mapping=lines, progress=False)
    assert "mapping fits no file: qperf/typo.txt" in repr(found)
    assert "fits no file: *.txt" not in repr(found)


README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
#: Single-stream TCP between pods, bit/s, of the archive the README names: three runs of three variants.
PUBLISHED = {
    "baremetal": ("31924635315.110092", "33873030707.49017", "28298981923.453121"),
    "flannel": ("19587401486.345478", "20601319199.044209", "19796781710.408119"),
    "calico": ("19277830771.569412", "19607755277.469833", "20326539876.34848"),
}


def published(root: Path) -> None:
    """A tree of that archive's shape. Only what the README shows has its published value, the rest is made up."""
    for mode, rates in PUBLISHED.items():
        for run, rate in enumerate(rates, 1):
            lines = ["IDLE_CLIENT_SYSTEM=0.01"]
            for test in ("DTM", "DTS", "DUM", "DUS", "STM", "STS", "SUM", "SUS"):
                if mode == "baremetal" and test[0] == "S":
                    continue  # bare metal has no Service
                lines.append(f"{test}_BW={rate if test == 'DTS' else 1e10 + run * 1e8}")
                lines += (
                    [f"{test}_RTS={run}"]
                    if test[1] == "T"
                    else [f"{test}_JITTER=0.0{run}", f"{test}_LOST={run}"]
                )
            file = root / "benchmark-k8s-cni-2024-01" / "results" / mode / str(run) / "all.results"
            file.parent.mkdir(parents=True)
            file.write_text("\n".join(lines) + "\n")


def test_the_readme_shows_what_it_really_prints(tmp_path, monkeypatch):
    command = next(line for line in README.splitlines() if "cnilab compare benchmark" in line)
    shown = README[README.index(command) :].split("```text\n")[1].split("```")[0]
    published(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)[1:]
    at = next(n for n, word in enumerate(words) if "{baremetal" in word)
    before, _, rest = words[at].partition("{")
    names, _, after = rest.partition("}")
    # What a shell does with braces and a question mark.
    words[at : at + 1] = sorted(str(p) for n in names.split(",") for p in Path().glob(before + n + after))
    status, out, told = cnilab(*words)
    assert status == 0, told
    assert (told + out).strip() == shown.strip()


def test_ten_runs_of_one_mode_and_then_ten_of_another_are_told_by_the_tools_own_times(tmp_path):
    for number, mode in enumerate(("host", "a")):
        for run in range(10):
            made = json.loads(document(1e10 * (1 - (10 * number + run) / 100)))
            made["start"]["timestamp"]["timesecs"] += 60 * (10 * number + run)
            file = tmp_path / mode / f"{run}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(made))
    found = comparing.compare_source(str(tmp_path), pattern="{mode}/{block}.json")
    (row,) = (r for r in found.rows if r["metric"] == "goodput_bps")
    assert (row["verdict"], row["reason"]["code"]) == ("not_comparable", "measured_apart")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("x.csv.gz", {}),
        ("x.CSV", {}),
        ("x.csv.bz2", {}),
        ("x.csv", {"sep": ";", "decimal": ","}),
        ("x.tsv", {"sep": "\t"}),
        ("x.csv", {"encoding": "utf-16"}),
        ("x.csv", {"encoding": "utf-8-sig"}),
    ],
)
def test_a_table_is_read_however_it_was_saved(tmp_path, name, how):
    frame = pd.DataFrame(
        {"block": [f"{b}" for b in range(8)] * 2, "mode": ["host"] * 8 + ["NA"] * 8,
         "value": [1.5 + b / 10 for b in range(8)] + [3.25 + b / 10 for b in range(8)]}
    )  # fmt: skip
    frame.to_csv(tmp_path / name, index=False, **how)
    (row,) = comparing.compare_source(str(tmp_path / name)).rows
    assert (row["mode"], row["n_used"], row["verdict"]) == ("NA", 8, "different_material")
    assert row["p"] == 2 / 2**8


def test_blocks_that_a_reader_takes_for_numbers_are_the_names_they_are(tmp_path):
    """Of a column longer than its chunks pandas makes numbers here and text there; every block is still one block."""
    rows = ["block,mode,run,value", *(f"{b},{m},{r},{1 + b / 9 + r / 1e6 + (m == 'a')}"
            for m in ("host", "a") for b in range(13) for r in range(5100))]  # fmt: skip
    rows += ["10b,host,0,1.0", "10b,a,0,2.0"]
    (tmp_path / "long.csv").write_text("\n".join(rows))
    (row,) = comparing.compare_source(str(tmp_path / "long.csv")).rows
    assert (row["n_blocks"], row["n_used"]) == (14, 14)


def test_any_stat_of_a_bare_table_is_compared_and_nothing_to_compare_is_said(tmp_path):
    frame = pd.DataFrame({"block": list(range(8)) * 2, "mode": ["host"] * 8 + ["a"] * 8,
                          "value": range(1, 17), "stat": "median"})  # fmt: skip
    frame.to_csv(tmp_path / "x.csv", index=False)
    assert len(comparing.compare_source(str(tmp_path / "x.csv")).rows) == 1
    whole = load(str(DATA / "iperf3" / "iperf3_3.12_tcp_stream.json"), progress=False).samples
    spread = whole[whole["metric"] == "goodput_bps"].assign(stat="stddev")
    both = pd.concat([spread.assign(mode=m, trial_id=m) for m in ("host", "a")], ignore_index=True)
    tables.write(both, tmp_path / "s.csv")
    with pytest.raises(DataError, match="stddev"):
        comparing.compare_source(str(tmp_path / "s.csv"))


def test_what_a_table_has_nobody_to_declare_for_is_declared_on_the_command_line(tmp_path):
    frame = pd.DataFrame(
        [{"block": b, "mode": m, "metric": k, "value": 1 + b / 10 + (m == "a")}
         for b in range(10) for m in ("host", "a") for k in ("turns", "goodput_bps")]
    )  # fmt: skip
    frame.to_csv(tmp_path / "x.csv", index=False)
    asked = ["compare", str(tmp_path / "x.csv"), "--json", "--primary", "turns", "--alpha", "0.01", "--lower-is-better"]
    done = CliRunner().invoke(app, asked)
    found = json.loads(done.stdout)
    first = found["rows"][0]
    assert (first["metric"], first["family"], first["direction"], first["wins"]) == ("turns", "primary", "lower", 0)
    assert found["header"]["alpha"] == 0.01
    with pytest.raises(DataError, match="METRIC"):
        comparing.compare_source(str(tmp_path / "x.csv"), primary="a/b/c/d")
    frame[frame["metric"] == "goodput_bps"].to_csv(tmp_path / "known.csv", index=False)
    with pytest.raises(DataError, match="is known which side"):
        comparing.compare_source(str(tmp_path / "known.csv"), better="lower")
