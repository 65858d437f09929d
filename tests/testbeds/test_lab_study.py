"""A small study for real, end to end: real devices, real iperf3 and netperf, files where a person looks for them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import cnilab
from cnilab.runs.run import Run
from cnilab.setup.programs import find

pytestmark = pytest.mark.lab

STUDY = """\
name: real
modes: [host, flannel-vxlan, flannel-host-gw]
placements: [same_subnet, cross_subnet]
tests:
  - {name: tcp_stream, tool: iperf3, duration_s: 1}
  - {name: tcp_stream_8, tool: iperf3, kind: tcp_stream, streams: 8, duration_s: 1}
  - {name: tcp_rr, tool: netperf, duration_s: 1}
  - {name: tcp_crr, tool: netperf, duration_s: 1}
primary: {test: tcp_stream, metric: goodput_bps}
aa: false
blocks: 1
seed: 1
"""


#: The same with one test, for the runs that are ended half-way.
SHORT = (
    "\n".join(line for line in STUDY.splitlines() if "streams: 8" not in line and "netperf" not in line)
    + "\n"
)


def run(*argv, cwd):
    return subprocess.run(
        [sys.executable, "-m", "cnilab.cli", "run", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study run as a person runs it: from a folder of theirs, with a relative -o."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "real.yaml").write_text(STUDY)
    done = run("real.yaml", "-o", "out/mine", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Run.open(folder / "out" / "mine")


def test_every_trial_has_a_number_or_a_reason(finished):
    samples = finished.samples
    bad = samples[samples["status"] != "ok"]
    assert set(zip(bad["mode"], bad["placement"])) <= {("flannel-host-gw", "cross_subnet")} | (
        set() if find("netperf") else {(m, p) for m in samples["mode"] for p in samples["placement"]}
    )
    assert (bad[bad["placement"] == "cross_subnet"]["reason_code"] == "not_crossing").any()


def test_each_kind_of_test_gives_its_metrics(finished):
    samples = finished.samples.query("status == 'ok'")
    seen = set(zip(samples["test"], samples["metric"], samples["stat"]))
    wanted = {("tcp_stream", "goodput_bps", "value"), ("tcp_stream_8", "goodput_bps", "value")}
    wanted |= {("tcp_stream", m, "value") for m in ("retransmitted_segments", "cpu_s_per_byte")}
    if find("netperf"):
        wanted |= {
            ("tcp_rr", "transaction_rate_per_s", "value"),
            ("tcp_crr", "connection_rate_per_s", "value"),
        }
        wanted |= {("tcp_rr", "rtt_s", s) for s in ("mean", "p50", "p90", "p99")}
    assert wanted <= seen, wanted - seen
    assert (samples.query("metric == 'goodput_bps'")["value"] > 1e8).all()


def test_raw_bytes_and_commands_are_kept(finished):
    meta = next(m for m in finished.metas if m["test"] == "tcp_stream_8" and m["status"] == "ok")
    folder = finished.path / "raw" / meta["trial_id"]
    told = json.loads((folder / "client.out").read_text())
    assert told["start"]["test_start"]["num_streams"] == 8
    assert {"client.out", "client.err", "server.out", "server.err", "meta.json"} == {
        p.name for p in folder.iterdir()
    }
    at = meta["client_argv"].index("-C")
    assert meta["client_argv"][at : at + 2] == ["-C", "cubic"]


def test_sigkill_in_the_middle_then_resume(tmp_path):
    (tmp_path / "real.yaml").write_text(SHORT)
    running = subprocess.Popen(
        [sys.executable, "-m", "cnilab.cli", "run", "real.yaml", "-o", "r", "--quiet"], cwd=tmp_path
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "r" / "raw").glob("*/meta.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    running.send_signal(signal.SIGKILL)
    running.wait(5)
    before = {p: p.read_bytes() for p in (tmp_path / "r" / "raw").glob("*/meta.json")}
    assert before
    done = run("real.yaml", "-o", "r", "--resume", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p: p.read_bytes() for p in before} == before, "what was done is not done again"
    assert len(list((tmp_path / "r" / "raw").glob("*/meta.json"))) == 6


def test_ctrl_c_says_how_to_go_on(tmp_path):
    (tmp_path / "real.yaml").write_text(SHORT)
    argv = [sys.executable, "-m", "cnilab.cli", "run", "real.yaml", "-o", "r", "--quiet"]
    # a shell in the background ignores SIGINT for its children; SIGTERM takes the same way out
    running = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "r" / "raw").glob("*/meta.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "of 6 trials; continue with: cnilab run real.yaml -o r --resume" in said
    assert "Traceback" not in said


AS_A_USER = """
from cnilab.testbeds.lab import Lab
for mode in ("flannel-vxlan", "calico-bgp-mesh"):
    with Lab(mode) as lab:
        assert not lab.agent.root
        print(mode, [row.status for row in lab.prove()])
        seen = lab.evidence(["same_subnet"])["conditions"]["placements"]["same_subnet"]["client"]
        assert seen["offloads"]["tso"] and seen["tcp_rmem"] and seen["rps_cpus"] in (None, ["0"]), seen
"""


def test_as_an_ordinary_user():
    """The lab in a user namespace: what the kernel allows there is built and proved like everything else."""
    system_python = (
        "/usr/bin/python3"  # a user can run it wherever this environment lies; the lab needs no more
    )
    if os.geteuid() == 0 and not (shutil.which("setpriv") and os.path.exists(system_python)):
        pytest.skip("no setpriv or no system python to become an ordinary user with")
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(Path(cnilab.__file__).parent, f"{name}/cnilab")
        subprocess.run(["chmod", "-R", "a+rwX", name], check=True)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        environment = {"PYTHONPATH": name, "HOME": name, "XDG_CACHE_HOME": name, "PATH": os.environ["PATH"]}
        argv = [*user, system_python if user else sys.executable, "-c", AS_A_USER]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=name, env=environment, timeout=60)
    if "allow user namespaces" in done.stderr:
        pytest.skip("this kernel allows ordinary users no namespaces")
    assert done.stdout.splitlines() == [
        f"{m} ['ok', 'ok', 'ok']" for m in ("flannel-vxlan", "calico-bgp-mesh")
    ], done.stderr
