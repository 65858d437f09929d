"""`cnilab compare` on raw output: a folder or an archive, with a pattern or a mapping, and no step between."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnilab.cli import app
from cnilab.errors import DataError
from cnilab.loading import comparing, load

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
