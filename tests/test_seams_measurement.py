"""A measurement that nobody has heard of, without a client or a server, is one module and one registration."""

import time
from typing import ClassVar

import pytest

from cnilab import execute, measurements, study
from cnilab.errors import ParseError, StudyError
from cnilab.measurements.base import Ended, Kind, Measurement, Reading, Sample, whole

STUDY = """\
name: watched
modes: [host, flannel-vxlan]
placements: [same_subnet]
tests:
  - {name: routes, tool: routes, kind: count, duration_s: 0.1, options: {times: 2}}
primary: {test: routes, metric: routes_segments}
blocks: 2
seed: 3
"""


class Routes:
    """Counts the routes of every node: it watches, and moves nothing."""

    NAME = "routes"
    KINDS: ClassVar = {"count": Kind(("routes_segments",), options={"times": whole()})}
    PROGRAMS = ()
    PORTS = ()

    def measure(self, bench, call, folder, limit_s):
        began, started = time.time(), time.monotonic()
        for node in bench.nodes():
            for _ in range(int(call.options["times"])):
                bench.ask(node, ["ip", "-o", "route"], out=folder / f"{node}.txt")
        return Ended(began, time.monotonic() - started, called={"asked": list(bench.nodes())})

    def read(self, folder):
        lines = [line for file in folder.glob("*.txt") for line in file.read_text().splitlines()]
        if not lines:
            raise ParseError("no routes")
        return [Reading((Sample("routes_segments", float(len(lines))),), test="count")]


@pytest.fixture
def routes(monkeypatch):
    assert isinstance(Routes(), Measurement)
    monkeypatch.setitem(measurements.TOOLS, "routes", Routes())


def test_without_it_the_study_is_refused_and_with_it_its_options_are_checked(monkeypatch):
    with pytest.raises(StudyError, match=r"s:5: tests\.0\.tool: unknown tool 'routes'.*Known: iperf3"):
        study.parse(STUDY, name="s")
    monkeypatch.setitem(measurements.TOOLS, "routes", Routes())
    assert study.parse(STUDY).tests[0].options == {"times": "2"}
    with pytest.raises(StudyError, match=r"s:5: tests\.0\.options\.tims: .*it takes: times"):
        study.parse(STUDY.replace("times: 2", "tims: 2"), name="s")
    with pytest.raises(StudyError, match=r"s:5: tests\.0\.options\.times: '0'; it must be a whole number"):
        study.parse(STUDY.replace("times: 2", "times: 0"), name="s")
    with pytest.raises(StudyError, match=r"s:6: primary\.metric: unknown metric 'goodput_bps'"):
        study.parse(STUDY.replace("metric: routes_segments", "metric: goodput_bps"), name="s")


def test_a_text_is_still_told_by_the_tools_that_read(routes):
    assert measurements.detect(b"tcp_lat:\n    latency  =  15.6 us\n") == "qperf"
    assert measurements.detect(b"nothing of the kind") is None


@pytest.mark.lab
def test_it_runs_and_is_compared(routes, tmp_path):
    run = execute.run(study.parse(STUDY), tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"ok"}
    values = run.samples[run.samples["metric"] == "routes_segments"].groupby("mode")["value"].agg(set)
    assert (len(values["host"]), len(values["flannel-vxlan"])) == (1, 1)
    assert min(values["flannel-vxlan"]) > max(values["host"]) > 0, (
        "each node has a route to every other's pods"
    )
    kept = tmp_path / "r" / "raw" / run.metas[0]["trial_id"]
    assert {f.stem for f in kept.glob("*.txt")} == set(run.metas[0]["asked"])
    assert {r["metric"] for r in run.comparisons.rows} == {"routes_segments"}
    assert {r["mode"] for r in run.comparisons.rows if not r["twin"]} == {"flannel-vxlan"}


@pytest.mark.lab
@pytest.mark.parametrize(
    ("mode", "path"), [("docker-bridge", "pod_to_pod"), ("flannel-vxlan", "pod_to_service")]
)
def test_every_measurements_ports_are_published_and_forwarded(tmp_path, mode, path):
    """docker-bridge reaches another node through published ports alone, a ClusterIP through its forwarded ones."""
    text = f"""\
name: ports
modes: [host, {mode}]
path: {path}
placements: [same_subnet]
tests:
  - {{name: http, tool: wrk, kind: http_load, duration_s: 1}}
  - {{name: paced, tool: pacer, kind: http_rate, duration_s: 0.3, options: {{offered_per_s: 100}}}}
  - {{name: sock_tcp, tool: sockperf, kind: tcp_rr, duration_s: 1}}
  - {{name: sock_udp, tool: sockperf, kind: udp_rr, duration_s: 1}}
  - {{name: qperf, tool: qperf, kind: tcp_stream, duration_s: 1}}
primary: {{test: http, metric: request_rate_per_s}}
blocks: 1
aa: false
"""
    run = execute.run(study.parse(text), tmp_path / "r", progress=False)
    there = run.trials[run.trials["mode"] == mode]
    assert len(there) == 5
    assert set(there["status"]) == {"ok"}, there[["test", "reason"]].to_string()
    counted = run.samples[(run.samples["metric"] == "served_ratio") & (run.samples["mode"] == mode)]
    assert counted["value"].tolist() == [1.0], "nginx counted every request that pacer sent, and no other"


@pytest.mark.lab
def test_ping_has_no_server_and_is_measured(tmp_path):
    text = STUDY.replace("tool: routes, kind: count", "tool: ping, kind: icmp_rr").replace(
        ", options: {times: 2}", ""
    )
    text = text.replace("metric: routes_segments", "metric: rtt_s, stat: mean")
    run = execute.run(study.parse(text), tmp_path / "r", progress=False)
    assert set(run.trials["status"]) == {"ok"}
    assert "server_argv" not in run.metas[0]
