"""A factor that nobody has heard of is one registration: it is varied, put in place, measured, compared and told."""

import json

import pytest

import cnilab
from cnilab import execute, study
from cnilab.errors import StudyError
from cnilab.study.factors import FACTORS, Factor
from cnilab.testbeds.lab import testbed as lab

STUDY = """\
name: toy
factors: {{mode: [host, flannel-vxlan]{factor}}}
baseline: {{mode: host{baseline}}}
placements: [same_subnet]
tests:
  - {{name: echo, tool: ping, kind: icmp_rr, duration_s: 0.05}}
primary: {{test: echo, metric: rtt_s, stat: mean}}
congestion_control: null
blocks: 2
seed: 3
"""


def in_twos(level):
    if not isinstance(level, int) or level % 2:
        raise ValueError(f"{level!r}; it must be even")


def text_of(factor="", baseline=""):
    return STUDY.format(factor=factor, baseline=baseline)


@pytest.fixture
def payload(monkeypatch):
    """One row: how large each echo is; it changes what a measurement is asked for."""
    factor = Factor("payload", "trial", in_twos, sets="options.length")
    monkeypatch.setitem(FACTORS, "payload", factor)


@pytest.fixture
def queue(monkeypatch):
    """One row, and a branch where the lab builds it: the length of the first node's queue."""
    monkeypatch.setitem(FACTORS, "queue", Factor("queue", "deployment", in_twos))
    act = lambda built, level: built.sh("n1", f"ip link set eth0 txqueuelen {level}")  # noqa: E731
    monkeypatch.setitem(lab.BRANCHES, "queue", lab.Branch(act=act))


def test_it_is_checked_when_the_study_is_read(payload):
    with pytest.raises(StudyError, match=r"s:2: factors\.payload: 7; it must be even"):
        study.parse(text_of(", payload: [7, 56]"), name="s")
    with pytest.raises(StudyError, match=r"s:2: factors\.pay: unknown factor 'pay'.*Did you mean 'payload'"):
        study.parse(text_of(", pay: [56]"), name="s")


def test_a_testbed_that_has_no_branch_for_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setitem(FACTORS, "queue", Factor("queue", "deployment", in_twos))
    wanted = study.parse(text_of(", queue: [10, 20]", ", queue: 10"))
    run = execute.run(wanted, tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"skipped"}
    assert set(run.trials["reason_code"]) == {"factor_not_built"}


@pytest.mark.lab
def test_one_that_varies_by_trial_is_measured_in_one_deployment_and_compared_within(payload, tmp_path):
    run = execute.run(study.parse(text_of(", payload: [56, 1200]")), tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"ok"}
    assert run.samples.groupby("deployment_id")["payload"].agg(set).map(sorted).tolist() == [[56, 1200]] * 6
    sent = {m["levels"]["payload"]: m["client_argv"][m["client_argv"].index("-s") + 1] for m in run.metas}
    assert sent == {56: "56", 1200: "1200"}
    rows = [r for r in run.comparisons.rows if (r["metric"], r["stat"]) == ("rtt_s", "mean")]
    told = {(r["test"], r["mode"], r["twin"], json.dumps(r["levels"], sort_keys=True)) for r in rows}
    assert told == {
        (label, mode, twin, json.dumps({"mode": mode, "payload": size}))
        for label, size in (("echo", 56), ("echo[payload=1200]", 1200))
        for mode, twin in (("flannel-vxlan", False), ("host", True))
    }
    assert not any("factor_varies" in r["flags"] for r in rows)
    # Whoever compares the same samples and forgets it is told.
    plain = cnilab.compare(run.samples, "host")
    assert all("factor_varies" in r["flags"] for r in plain.rows)
    fact = {"code": "factor_varies", "args": {"factors": ["payload"]}}
    assert all(fact in r["warnings"] for r in plain.rows)


@pytest.mark.lab
def test_one_that_varies_by_deployment_is_put_in_place_and_compared_by(queue, tmp_path):
    wanted = study.parse(text_of(", queue: [10, 20]", ", queue: 10"))
    assert [t.label for t in wanted.treatments] == [
        "host, queue 10",
        "host, queue 20",
        "flannel-vxlan, queue 10",
        "flannel-vxlan, queue 20",
        "host, queue 10 (twin)",
    ]
    run = execute.run(wanted, tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"ok"}
    assert {(r.mode, r.queue, r.twin) for r in run.trials.itertuples()} == {
        (t.mode, t.levels["queue"], t.twin) for t in wanted.treatments
    }
    primary = [r for r in run.comparisons.rows if r["family"] == "primary"]
    assert {r["mode"] for r in primary} == {t.label for t in wanted.treatments[1:4]}
    assert {r["baseline"] for r in primary} == {"host, queue 10"}
    by = cnilab.compare(run.samples, {"mode": "host", "queue": 10}, by=("mode", "queue"))
    assert {r["baseline"] for r in by.rows} == {"host, queue 10"}
