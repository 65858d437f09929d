"""Many routers on one link: who speaks with whom, real daemons that come to hold every route, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cnilab import execute, study
from cnilab.measurements import convergence
from cnilab.report import growing
from cnilab.study.factors import Treatment
from cnilab.testbeds.base import Spec
from cnilab.testbeds.lab.routers import Shape, configuration, programs, session
from cnilab.testbeds.lab.routers_testbed import RoutersDeployment, RoutersTestbed, phases, shape_of

STUDY = """\
name: grown
testbed: routers
factors: {mode: [calico-bgp-mesh, calico-bgp-rr, flannel-vxlan, flannel-host-gw], routers: [5], reflectors: [2]}
baseline: calico-bgp-mesh
aa: false
placements: [same_subnet]
tests: [{name: growth, tool: convergence, kind: routes, duration_s: 1, options: {limit_s: 30}}]
primary: {test: growth, metric: converged_s}
blocks: 1
"""


@pytest.mark.parametrize(
    "shape", [Shape(9), Shape(9, "bgp", 1), Shape(9, "bgp", 4), Shape(4, "bgp", 4), Shape(300)]
)
def test_every_session_has_two_ends_of_which_one_begins(shape):
    ends = {(r.number, p.number): session(shape, r, p) for r in shape.routers for p in shape.peers(r)}
    assert len(ends) == 2 * shape.sessions(shape.nodes + 1)
    for (a, b), line in ends.items():
        assert ("passive" in line) != ("passive" in ends[b, a])
    among = [pair for pair in ends if max(pair) <= shape.nodes]
    assert len(among) == 2 * shape.sessions()


def test_a_reflector_has_clients_and_its_fellows_are_none():
    shape = Shape(6, "bgp", 2)
    first, second, client = shape.routers[0], shape.routers[1], shape.routers[2]
    assert "rr client" in session(shape, first, client)
    assert "rr client" not in session(shape, first, second)
    assert "rr client" not in session(shape, client, first)
    assert "export where net" in configuration(shape, first, "/x").replace("export all", "")
    assert "export filter own_blocks" in configuration(shape, client, "/x")


@pytest.mark.parametrize("plane", ["bgp", "vxlan"])
def test_a_thousand_routers_share_no_address(plane):
    routers = Shape(999, plane).routers
    for of in ("name", "ip", "mac", "block", "base"):
        assert len({getattr(r, of) for r in routers}) == 1000
    assert {r.ip.rsplit(".", 2)[0] for r in routers} == {"198.18"}


def test_what_flannel_takes_away_is_what_it_gave():
    peer = Shape(4, "vxlan").routers[1]
    given, taken = programs("vxlan", peer), programs("vxlan", peer, gone=True)
    assert {k: v.count("\n") for k, v in given.items()} == {k: v.count("\n") for k, v in taken.items()}
    assert "replace" not in "".join(taken.values())


def test_what_cannot_be_grown_is_told():
    bed = RoutersTestbed(Spec())
    assert bed.can(Treatment({"mode": "host", "routers": 4}))[1].code == "no_routing_to_watch"
    assert (
        bed.can(Treatment({"mode": "calico-bgp-rr", "routers": 2, "reflectors": 3}))[1].code
        == "more_reflectors_than_routers"
    )
    assert bed.can(Treatment({"mode": "calico-bgp-mesh", "mss": 3}))[1].code == "factor_not_built"
    assert shape_of(Treatment({"mode": "calico-bgp-mesh", "routers": 4, "reflectors": 2})).reflectors == 0
    assert len(phases(Shape(3))) == 4


def test_a_factor_that_does_not_apply_is_put_in_place_once():
    text = STUDY.replace("routers: [5]", "routers: [5, 9]").replace("reflectors: [2]", "reflectors: [1, 2]")
    read = study.parse(text)
    labels = [t.label for t in read.treatments]
    assert len(labels) == len(set(labels)) == 2 * (1 + 2 + 1 + 1)
    assert "calico-bgp-mesh, routers 9" in labels
    assert "calico-bgp-rr, reflectors 2, routers 5" in labels
    assert read.control.label == "calico-bgp-mesh, routers 5"


@pytest.mark.lab
def test_daemons_come_to_hold_every_route(tmp_path):
    run = execute.run(study.parse(STUDY), tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"ok"}, run.trials[["mode", "reason_code", "reason"]].to_string()
    rows = {growing.label_of(row): row for row in growing.rows(run)}
    assert {name: row["sessions"] for name, row in rows.items()} == {
        "mesh": 10, "reflectors:2": 7, "flannel-vxlan": 0, "flannel-host-gw": 0,
    }  # fmt: skip
    for name, row in rows.items():
        assert (row["routes_per_node"], row["routes"]) == (4, 20)
        assert all(row[key] > 0 for key in ("converged_s", "joined_s", "withdrawn_s"))
        assert (row["rss_bytes"] is None) == name.startswith("flannel")
        assert (row["reflector_lost_s"] is None) == (name != "reflectors:2")
    mesh = next(m for m in run.metas if m["treatment"]["levels"]["mode"] == "calico-bgp-mesh")
    kept = {p.name for p in (run.path / "raw" / mesh["trial_id"]).iterdir()}
    assert {
        "cold.jsonl",
        "cold.protocols.txt.gz",
        "cold.count.txt",
        "cold.proc.txt",
        "withdrawal.jsonl",
    } <= kept


@pytest.mark.lab
def test_a_limit_that_is_too_short_is_told_and_nothing_is_made_up(tmp_path):
    """No session is up before its timer of one second has run."""
    deployment = RoutersDeployment(Treatment({"mode": "calico-bgp-mesh", "routers": 6}))
    try:
        [row], _ = deployment.prove(["same_subnet"], "pod_to_pod")
        ended = deployment.bench(None).__enter__().act("cold", folder=tmp_path, limit_s=0.3)
    finally:
        deployment.close()
    assert row.status == "ok"
    assert {c.code: c.found for c in row.checks} == {"routers_on_the_link": 7, "neighbours_permanent": 42}
    assert ended["ended"] == "time"
    [reading] = convergence.read(tmp_path)
    assert (reading.status, reading.samples, reading.fact.code) == ("timeout", (), "act_stopped")
    assert (reading.fact.args["held"], reading.fact.args["wanted"]) == (0, 30)


@pytest.mark.lab
def test_sigkill_leaves_no_router_behind(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY.replace("routers: [5]", "routers: [8]"))
    argv = [
        sys.executable,
        "-m",
        "cnilab.cli",
        "run",
        str(tmp_path / "s.yaml"),
        "-o",
        str(tmp_path / "r"),
        "--quiet",
    ]
    process = subprocess.Popen(argv, start_new_session=True)
    folder = str(tmp_path / "r")
    deadline, agents = time.monotonic() + 20, []
    while time.monotonic() < deadline and not list((tmp_path / "r" / "raw").glob("*/cold.jsonl")):
        time.sleep(0.02)
    agents = [pid for pid in os.listdir("/proc") if pid.isdigit() and _descends(int(pid), process.pid)]
    assert agents, f"nobody ran for {folder}"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline and any(_runs(int(pid)) for pid in agents):
        time.sleep(0.02)
    assert [pid for pid in agents if _runs(int(pid))] == []


def _parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def _descends(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = _parent(pid)
    return False


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
