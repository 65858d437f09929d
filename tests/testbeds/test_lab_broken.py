"""What breaks a standing lab is found at once, and a lab that was disturbed is no word about the kernel."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cnilab import execute, study
from cnilab.bench import End
from cnilab.errors import LabError, Unavailable
from cnilab.execute.enough import measured
from cnilab.testbeds.base import Spec
from cnilab.testbeds.lab import Lab, client, kernel
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.testbed import LabTestbed

pytestmark = pytest.mark.lab

#: What is done to a standing lab -> what is said of it.
BREAKS = {
    "ip link set eth0 down; ip link set eth0 up": "eth0 down",
    "ip link set eth0 mtu 1400; ip link set eth0 mtu 1500": "MTU 1500 → 1400",
    "ip route replace 198.51.100.0/24 via 192.0.2.12": "route set",
    "ip address add 203.0.113.9/32 dev lo": "address added",
    "ip link delete flannel.1": "flannel.1 removed",
}


@pytest.fixture(scope="module")
def lab():
    with Lab("flannel-vxlan") as standing:
        standing.guard()
        yield standing


def test_a_lab_in_which_nothing_is_done_has_no_changes(lab):
    lab.prove(["same_subnet"])
    assert lab.changes() == []


@pytest.mark.parametrize("command", BREAKS)
def test_every_change_is_told_though_it_be_put_back(lab, command):
    lab.guard()
    lab.sh("n1", command)
    assert any(BREAKS[command] in what and what.startswith("n1: ") for what in lab.changes())
    assert lab.changes() == [], "told once"


def test_a_namespace_that_is_gone_is_told(lab):
    lab.guard()
    lab.agent.call("read", ns="", argv=["umount", f"/run/netns/{lab.server('cross_subnet').where}"])
    assert f"{lab.server('cross_subnet').where}: the namespace is gone" in lab.changes()


def test_a_daemon_that_died_is_told_with_its_name():
    with Lab("calico-bgp-mesh") as lab:
        lab.guard()
        lab.agent.call("read", ns="", argv=["sh", "-c", "kill -9 $(pgrep -x bird | head -1)"])
        deadline = time.monotonic() + 5
        while not (found := lab.changes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert any("bird" in what and "ended" in what for what in found)


def test_a_port_that_somebody_else_serves_is_no_server_of_ours(lab, tmp_path):
    code = "import socket,time; s=socket.create_server(('', 5999)); time.sleep(60)"
    end = End("n2", "192.0.2.12")
    files = (tmp_path / "out", tmp_path / "err")
    lab.serve("theirs", end, [sys.executable, "-I", "-c", code], *files, 5999)
    with pytest.raises(LabError, match="served by another process"):
        lab.serve("ours", end, ["sleep", "60"], *files, 5999)
    lab.stop("theirs")


def test_a_program_cannot_fill_the_disk(lab, tmp_path):
    ended = lab.run(End("n2", ""), ["sh", "-c", "exec yes"], tmp_path / "out", tmp_path / "err", 20)
    assert ended["code"] == -signal.SIGXFSZ
    assert (tmp_path / "out").stat().st_size == 64 << 20
    (tmp_path / "out").unlink()


def alive(pid):
    """Whether a process is there and not only waiting to be counted by its parent."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_late_answer_is_dropped_and_a_silent_agent_ended():
    agent = AgentProcess()
    pid = agent.first_process
    agent._buffer = b'{"id": 0, "ok": true, "stdout": "late"}\n'
    assert agent.call("read", ns="", argv=["echo", "mine"])["stdout"] == "mine\n"
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(LabError, match="not answered") as silent:
        agent.call("alive", answer_within_s=0.2)
    assert silent.value.fact.code == "bench_failed.lab_silent"
    assert not agent.alive
    with pytest.raises(LabError, match="gone"):
        agent.call("alive")
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


@pytest.mark.parametrize("script", ["sleep 9", "kill -9 $$"])
def test_an_agent_that_never_spoke_is_no_word_about_the_machine(monkeypatch, script):
    monkeypatch.setattr(client, "unshare_argv", lambda: ["sh", "-c", script])
    with pytest.raises(LabError) as disturbed:
        AgentProcess(start_timeout_s=0.3)
    assert disturbed.value.fact.within("bench_failed")
    monkeypatch.setattr(client, "unshare_argv", lambda: ["sh", "-c", "echo Operation not permitted >&2; exit 1"])
    with pytest.raises(Unavailable, match="Operation not permitted"):
        AgentProcess()


def test_time_in_which_we_were_stopped_is_no_silence(monkeypatch):
    """The clock goes on while a process is stopped; only looks of ordinary length count."""
    real, jumps = time.monotonic, iter([0.0, 30.0])
    monkeypatch.setattr(client.time, "monotonic", lambda: real() + next(jumps, 30.0))
    with AgentProcess.__new__(AgentProcess) as agent:
        agent._process = subprocess.Popen(
            ["sh", "-c", "sleep 0.3; echo x"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        agent._buffer = b""
        assert agent._line(5.0)[0] == b"x"


def test_a_probe_that_was_disturbed_says_nothing_of_the_kernel(monkeypatch):
    real, killed = AgentProcess.call, []

    def call(self, op, *args, **arguments):
        if len(killed) < limit:
            killed.append(self.first_process)
            os.kill(killed[-1], signal.SIGKILL)
        return real(self, op, *args, **arguments)

    monkeypatch.setattr(AgentProcess, "call", call)
    kernel.probe.cache_clear()
    limit = 2
    assert kernel.probe().why_not("veth", "bridge") is None
    assert len(killed) == 2
    killed.clear()
    kernel.probe.cache_clear()
    limit = 99
    with pytest.raises(LabError) as disturbed:
        kernel.probe()
    assert disturbed.value.fact.within("bench_failed")
    assert len(killed) == kernel.TRIES
    limit = 0
    assert kernel.kernel_path("flannel-vxlan") == ("native", None), "the failure was not kept"


STUDY = """\
name: broken
modes: [flannel-vxlan, host]
placements: [same_subnet]
tests:
  - {name: a, tool: netperf, kind: tcp_rr, duration_s: 0.2}
  - {name: b, tool: netperf, kind: tcp_rr, duration_s: 0.2}
primary: {test: a, metric: transaction_rate_per_s}
blocks: 1
aa: false
"""


class Broken(LabTestbed):
    """The lab, in which somebody does something to the first VXLAN deployment, or kills it, during a trial."""

    act = None

    def deploy(self, treatment):
        deployment = super().deploy(treatment)
        if treatment.mode == "flannel-vxlan" and self.act:
            act, self.act = self.act, None
            bench = deployment.bench

            def spoilt(trial):
                act(deployment.lab)
                deployment.bench = bench
                return bench(trial)

            deployment.bench = spoilt
        return deployment


ACTS = {
    "changed": lambda lab: lab.sh("n1", "ip link set flannel.1 mtu 1400"),
    "killed": lambda lab: os.kill(lab.agent.first_process, signal.SIGKILL),
}


@pytest.mark.parametrize("how", ACTS)
def test_a_broken_lab_costs_no_trial(tmp_path, how):
    asked = study.parse(STUDY)
    bed = Broken(Spec.of(asked))
    bed.act = ACTS[how]
    run = execute.run(asked, tmp_path / "run", progress=False, testbed=bed)
    assert run.trials["status"].tolist() == ["ok"] * 4
    renewed = [d["renewed_after"]["code"] for d in run.deployments if "renewed_after" in d]
    aside = list((run.path / "raw").glob(".b001-*/meta.json"))
    assert len(aside) == 1, "what the failed attempt left is kept"
    assert '"bench_failed.lab_' in aside[0].read_text()
    assert len(renewed) <= 1
    assert measured(run).enough
