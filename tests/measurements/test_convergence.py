"""What routers left behind is read whole, and what is not complete to the last session and route has no value."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from cnilab.errors import LabError, ParseError
from cnilab.measurements import convergence
from cnilab.measurements.base import Call, Measurement
from cnilab.report.language import tell

RECORDED = Path(__file__).parents[1] / "data" / "convergence"


@pytest.fixture
def folder(tmp_path, request):
    return shutil.copytree(RECORDED / f"bird-2.0.12-{request.param}", tmp_path / "trial")


def of(reading):
    return {s.metric: s.value for s in reading.samples}


def test_it_is_a_measurement():
    assert isinstance(convergence, Measurement)


@pytest.mark.parametrize(
    ("name", "sessions", "routes", "others"),
    [
        ("mesh-6", 15, 30, {"paths": 30, "messages": 30}),
        ("reflectors-2-6", 9, 30, {"paths": 56}),
        ("reflectors-1-4", 3, 12, {"paths": 12}),
        ("vxlan-4", 0, 12, {"neighbours": 12, "fdb_entries": 12}),
    ],
)
def test_a_recorded_trial_is_read_whole(name, sessions, routes, others):
    [reading] = convergence.read(RECORDED / f"bird-2.0.12-{name}")
    found = of(reading)
    assert reading.status == "ok"
    assert (found["sessions"], found["routes"]) == (sessions, routes)
    assert others.items() <= found.items()
    assert found["converged_s"] > 0
    if name == "vxlan-4":
        assert not {"rss_bytes", "cpu_s", "messages"} & set(found), "no daemon is no zero"
        assert found["programming_cpu_s"] > 0
        assert reading.tool_version is None
    else:
        n = int(name[-1])
        assert n * 3e6 < found["rss_bytes"] < n * 20e6
        assert 0 < found["cpu_s"] < 1
        assert reading.tool_version == "2.0.12"
    assert ("reflector_lost_s" in found) == (name == "reflectors-2-6")
    assert ("emptied_s" in found) == (name == "reflectors-1-4"), "with no other reflector every route goes"


def rewrite(path, change):
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))


@pytest.mark.parametrize("folder", ["mesh-6"], indirect=True)
def test_a_session_of_which_one_end_is_down_is_not_counted(folder):
    rewrite(folder / "cold.protocols.txt.gz", lambda text: text.replace("Established", "Active     ", 1))
    [reading] = convergence.read(folder)
    assert (reading.status, reading.samples) == ("failed", ())
    assert reading.fact.code == "counts_not_exact"
    assert tell(reading.fact) == "sessions: 14 counted, 15 expected"


@pytest.mark.parametrize("folder", ["mesh-6"], indirect=True)
def test_a_route_that_one_node_lacks_is_told(folder):
    path = folder / "cold.count.txt"
    path.write_text(
        path.read_text().replace(
            "7 of 7 routes for 7 networks in table master4",
            "6 of 6 routes for 6 networks in table master4",
            1,
        )
    )
    [reading] = convergence.read(folder)
    assert dict(reading.fact.args) == {"what": "routes_per_node", "expected": 5, "found": 4}


@pytest.mark.parametrize("folder", ["vxlan-4"], indirect=True)
def test_a_forwarding_entry_that_is_gone_is_told(folder):
    rewrite(folder / "cold.fdb.txt.gz", lambda text: text.rsplit("\n", 2)[0] + "\n")
    [reading] = convergence.read(folder)
    assert dict(reading.fact.args) == {"what": "fdb_entries", "expected": 12, "found": 11}


@pytest.mark.parametrize("folder", ["reflectors-2-6"], indirect=True)
@pytest.mark.parametrize(
    ("why", "status", "said"),
    [
        ("time", "timeout", "the start from cold with 6 routers was stopped after 120 s by the limit of 120 s (option limit_s), 21 of 30 routes held"),
        ("memory", "failed", "the start from cold with 6 routers was stopped after 120 s by the machine's memory, of which less than 5 % was left, 21 of 30 routes held"),
        ("daemon", "failed", "the start from cold with 6 routers was stopped after 120 s by a daemon's end, 21 of 30 routes held: n3: no memory"),
    ],
)  # fmt: skip
def test_what_stopped_an_act_is_told_with_how_far_it_came(folder, why, status, said):
    lines = [json.loads(line) for line in (folder / "cold.jsonl").read_text().splitlines()]
    kept = [line for line in lines if line.get("event") == "begin"]
    kept += [{"t": 119.6, "held": 20, "wanted": 30, "done": 2}]
    words = "n3: no memory" if why == "daemon" else ""
    kept += [{"event": "stopped", "t": 120.1, "why": why, "words": words, "held": 21}]
    (folder / "cold.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    [reading] = convergence.read(folder)
    assert (reading.status, reading.samples) == (status, ())
    assert tell(reading.fact) == said


@pytest.mark.parametrize("folder", ["mesh-6"], indirect=True)
def test_a_file_that_is_cut_or_gone_is_no_measurement(folder):
    whole = (folder / "joined.jsonl").read_text()
    (folder / "joined.jsonl").write_text(whole[:-20])
    with pytest.raises(ParseError, match=r"joined\.jsonl: a line that is cut"):
        convergence.read(folder)
    (folder / "joined.jsonl").write_text("".join(whole.splitlines(keepends=True)[:2]))
    [reading] = convergence.read(folder)
    assert reading.fact.args["why"] == "cut"
    (folder / "joined.jsonl").write_text("")
    with pytest.raises(ParseError, match="no beginning"):
        convergence.read(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ParseError, match="nobody acted"):
        convergence.read(folder)


@pytest.mark.parametrize("nodes", [2, 3, 9, 40])
@pytest.mark.parametrize("reflectors", [0, 1, 2])
def test_sessions_are_those_that_are_configured(nodes, reflectors):
    from cnilab.testbeds.lab.routers import Shape

    assert convergence.sessions(nodes, reflectors) == Shape(nodes, "bgp", reflectors).sessions()


def test_where_nobody_can_act_nothing_is_measured(tmp_path):
    with pytest.raises(LabError, match="nobody here can act"):
        convergence.measure(object(), Call("routes"), tmp_path, 1.0)


def test_sizes_are_checked_as_they_are_written():
    option = convergence.KINDS["routes"].options["held_back"]
    assert option.accepts("64 96")
    assert not option.accepts("64,96")
    assert not option.accepts("")
