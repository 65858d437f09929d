"""The bench of a trial on a cluster, without a cluster: what is called where, and what a lost pod makes of a trial."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cnilab.errors import ClusterError
from cnilab.measurements import measurement
from cnilab.measurements.base import Call
from cnilab.testbeds.kubernetes import bench as benches
from cnilab.testbeds.kubernetes import executing
from cnilab.testbeds.kubernetes.executing import Finished


@dataclass
class Pod:
    name: str
    namespace: str = "ns"
    ip: str = "10.0.0.1"


class Stream:
    """A program that ends at once, or never."""

    started_at = 5.0

    def __init__(self, ends):
        self.ends = ends

    def finish(self, timeout_s):
        return Finished(0, b"", b"", 5.0, 0.5) if self.ends else None

    def close(self):
        pass


@pytest.fixture
def calls(monkeypatch):
    made = []

    def start(api, namespace, pod, argv, *, stdout=None, stderr=None, container=""):
        made.append((pod, list(argv)))
        for file in filter(None, (stdout, stderr)):
            Path(file).write_bytes(b"said")
        return Stream("-c" in argv)

    def run(api, namespace, pod, argv, **_):
        made.append((pod, list(argv)))
        return Finished(0 if argv[0] != "false" else 1, b"answer\n", b"why", 0.0, 0.0)

    monkeypatch.setattr(executing, "start", start)
    monkeypatch.setattr(executing, "run", run)
    return made


def bench_of(lost=lambda pod: "", watchers=None):
    return benches.KubernetesBench(None, Pod("client"), Pod("server"), "10.96.0.7", watchers or {}, lost)


def test_ping_needs_no_server(calls, tmp_path):
    with bench_of() as bench:
        ended = measurement("ping").measure(bench, Call("icmp_rr", duration_s=0.1), tmp_path, 5)
    assert [pod for pod, _ in calls] == ["client"]
    assert calls[0][1][-1] == "10.96.0.7"
    assert (ended.code, ended.timed_out, ended.started_at, ended.wall_s) == (0, False, 5.0, 0.5)
    assert "server_argv" not in ended.called
    assert (tmp_path / "client.out").read_bytes() == b"said"


def test_a_client_that_does_not_end_makes_the_pods_be_placed_again(calls, tmp_path):
    with bench_of() as bench:
        ended = bench.run(bench.client(), ["sleep"], out=tmp_path / "o", err=tmp_path / "e", limit_s=3)
    assert (ended.timed_out, ended.code, ended.wall_s) == (True, None, 3)
    assert bench.trouble


def test_a_trial_whose_pod_was_taken_away_is_lost_even_if_its_client_ended_well(calls, tmp_path):
    with (
        pytest.raises(ClusterError, match="evicted; it was in the middle of a trial"),
        bench_of(lost=lambda pod: "evicted" if pod.name == "server" else "") as bench,
    ):
        measurement("ping").measure(bench, Call("icmp_rr", duration_s=0.1), tmp_path, 5)
    assert bench.trouble == "evicted"


def test_a_node_is_asked_on_its_own_network_and_the_answer_is_kept(calls, tmp_path):
    bench = bench_of(watchers={"n1": Pod("host-n1")})
    assert list(bench.nodes()) == ["n1"]
    for _ in range(2):
        assert bench.ask("n1", ["ip", "route"], out=tmp_path / "n1.txt") == "answer\n"
    assert (tmp_path / "n1.txt").read_text() == "answer\nanswer\n"
    assert calls[0] == ("host-n1", ["ip", "route"])
    with pytest.raises(ClusterError, match="no pod of ours is on the network of node n9"):
        bench.ask("n9", ["ip"], out=tmp_path / "x")
    with pytest.raises(ClusterError, match="false on node n1 ended with status 1"):
        bench.ask("n1", ["false"], out=tmp_path / "x")


def test_a_python_file_of_ours_goes_along_as_its_text(calls, tmp_path):
    script = tmp_path / "serve.py"
    script.write_text("print(1)")
    with bench_of() as bench:
        bench.run(bench.client(), [script, "8080"], out=tmp_path / "o", err=tmp_path / "e", limit_s=3)
    assert calls[0] == ("client", ["python3", "-I", "-c", "print(1)", "8080"])
