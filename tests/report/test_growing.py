"""What a run says of how routing grows is what its raw files say, and no law is carried where it was refuted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnilab import study
from cnilab.cli import app, scale
from cnilab.report import chapters, growing, language, pipeline
from cnilab.report import style as styles
from cnilab.report.chapters import growth
from cnilab.report.figures import growth as figure
from cnilab.report.record import Record
from cnilab.runs.run import Run

from . import runs

SAMPLE = Path(pipeline.SAMPLE).parent / "experiments" / "growth"
#: DESIGN's contract of `cnilab scale --json`.
ROW = {
    "nodes", "topology", "reflectors", "sessions", "routes_per_node", "routes", "rss_bytes", "cpu_s", "messages", "bytes",
    "converged_s", "joined_s", "withdrawn_s", "reflector_lost_s",
}  # fmt: skip
FIT = {"quantity", "topology", "exponent", "ci_low", "ci_high", "nodes", "predicted", "pi_low", "pi_high"}


@pytest.fixture(scope="module")
def run():
    return Run.open(SAMPLE)


@pytest.fixture(scope="module")
def laws(run):
    return growing.laws(run)


def test_a_row_a_size_and_topology_with_exact_counts(run):
    rows = growing.rows(run)
    assert [growing.label_of(r) for r in rows] == ["mesh"] * 4 + ["reflectors:2"] * 4 + ["flannel-vxlan"] * 4
    for row in rows:
        n, k = row["nodes"], row["reflectors"]
        assert set(row) >= ROW
        assert (row["routes_per_node"], row["routes"]) == (n - 1, n * (n - 1))
        flannel = row["topology"] == "flannel-vxlan"
        assert row["sessions"] == (0 if flannel else k * (n - k) + k * (k - 1) // 2 if k else n * (n - 1) // 2)
        assert all((row[key] is None) == flannel for key in ("rss_bytes", "cpu_s", "messages", "bytes"))
        assert (row["reflector_lost_s"] is None) == (k == 0)


def test_a_fit_a_law_and_predicted_size(laws):
    fits = growing.fits(laws)
    assert all(set(fit) >= FIT for fit in fits)
    assert {fit["nodes"] for fit in fits} == {24, 5000}
    assert all(fit["law_holds"] is None for fit in fits), "three blocks and one decade hold no law"
    assert json.loads(json.dumps(fits)) == fits
    memory = next(f for f in fits if (f["quantity"], f["topology"], f["nodes"]) == ("rss_bytes", "mesh", 24))
    assert memory["predicted"] == pytest.approx(memory["measured"], rel=0.1)


def test_the_notes_claims_are_answered_with_the_largest_mesh(run):
    told = [language.tell(fact) for fact in growing.claims(growing.rows(run))]
    assert told[0].startswith("not tested in this run: with 24 routers (276 sessions)")
    assert "a mesh of 100 has 4,950 sessions and 99 routes a node, one of 200 has 19,900 and 199" in told[1]
    assert "(3 of 4, 23 of 24), which is linear; all nodes together hold n(n − 1), 12 and 552" in told[2]
    big = [{**row, "nodes": 256, "sessions": 32640} for row in growing.rows(run) if row["topology"] == "mesh"]
    assert language.tell(growing.claims(big)[0]).startswith("not as a limit: with 256 routers (32,640 sessions)")
    assert growing.claims([row for row in growing.rows(run) if row["reflectors"]]) == []


@pytest.mark.parametrize("code", language.LANGUAGES)
def test_the_chapter_says_it_in_every_language(run, code):
    html = chapters.show("growth", Record(run), language.get(code))._repr_html_()
    assert 'id="growth"' in html
    assert 'id="fig-growth"' in html
    assert html.count("552") >= 3
    assert "gc_thresh3" in html


def test_a_run_that_grew_nothing_says_so(tmp_path):
    shown = chapters.show("growth", Record(runs.make(tmp_path / "other")), language.get("en"))
    assert "routing was not grown in this run" in repr(shown)


def test_a_refuted_law_is_not_carried_beyond_what_was_measured(laws):
    english = language.get("en")
    law = next(law for law in laws if (law.quantity, law.topology) == ("rss_bytes", "mesh"))
    held = replace(law, growth=replace(law.growth, law_holds=True))
    broken = replace(law, growth=replace(law.growth, law_holds=False))
    assert "the law holds: 24 routers lie where it predicted them" in str(growth.sentence(held, english))
    said = str(growth.sentence(broken, english))
    assert "no one law holds, so it is not carried beyond what was measured" in said
    assert "5,000" not in said
    drawn = figure.draw([broken], styles.LIGHT, language=english)
    assert max(max(line.get_xdata()) for line in drawn.axes[0].lines) <= 24
    drawn = figure.draw([held], styles.PHONE, language=english)
    assert max(max(line.get_xdata()) for line in drawn.axes[0].lines) >= 24


@pytest.mark.parametrize(
    ("topologies", "modes", "reflectors"),
    [
        (["mesh"], ("calico-bgp-mesh",), None),
        (["reflectors:4", "mesh", "reflectors"], ("calico-bgp-rr", "calico-bgp-mesh"), (4, 1)),
        (["flannel-vxlan", "flannel-host-gw"], ("flannel-vxlan", "flannel-host-gw"), None),
    ],
)
def test_the_command_is_a_study(topologies, modes, reflectors):
    read = study.parse(scale._study([4, 8, 16, 32, 64], topologies, 2, 60))
    assert read.modes == modes
    assert read.factors.get("reflectors") == reflectors
    assert growing.sizes_of(read, "held_back") == (32, 64)
    assert study.parse(scale._study([256], topologies[:1], 1, 60)).plan().trials, "one size alone is a study too"


def test_the_studies_that_come_along_are_whole():
    for name, largest in (("scale", 64), ("scale-full", 256)):
        read = study.load(pipeline.locate(f"data/studies/{name}.yaml"))
        sizes = read.factors["routers"]
        assert max(sizes) == largest
        assert max(sizes) / min(sizes) >= 10**1.5
        assert set(growing.sizes_of(read, "held_back")) == set(sorted(sizes)[-2:])
        assert read.factors["reflectors"] == (1, 2, 4)
        assert read.blocks >= 6


@pytest.mark.parametrize("topology", ["ring", "mesh:2", "reflectors:0", "reflectors:x"])
def test_a_topology_that_there_is_not_is_told(topology):
    done = CliRunner().invoke(app, ["scale", "--topology", topology])
    assert done.exit_code == 2
    assert "mesh, reflectors[:K], flannel-vxlan or flannel-host-gw" in " ".join(done.output.split())


@pytest.mark.lab
def test_the_command_prints_what_a_program_reads(tmp_path):
    argv = ["scale", "--nodes", "3", "--topology", "mesh", "-o", str(tmp_path / "r"), "--json", "--quiet"]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["schema_version"], told["fits"]) == (1, [])
    [row] = told["rows"]
    assert (row["nodes"], row["topology"], row["sessions"], row["routes"]) == (3, "mesh", 3, 6)
    assert row["reflector_lost_s"] is None
