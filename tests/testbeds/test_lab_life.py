"""Labs come and go: nothing is left behind, whatever way they end, and twenty of each mode in any order all work."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnilab import modes
from cnilab.errors import LabError, UnknownKey
from cnilab.setup.programs import search_path
from cnilab.testbeds.lab import Lab, kernel
from cnilab.testbeds.lab.client import AGENT

pytestmark = pytest.mark.lab

HOLDER = """
import sys, time
from cnilab.testbeds.lab import Lab
lab = Lab(sys.argv[1])
print("go", flush=True)
lab.start()
print("built", flush=True)
lab.wait()
print("up", flush=True)
time.sleep(60)
"""


#: Agents of labs begun below this process, with their start times, and the process namespaces they are in. Other tests
#: and other people build labs at the same time, from this checkout too; theirs are not ours. The kernel gives the number
#: of a namespace that has ended to a new one, so a namespace is ours only while one of these agents lives in it.
STARTED: set = set()
SEEN: dict = {}


def ours():
    """Names of the processes of the labs begun below this process, orphans, daemons and tools included."""
    everyone = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    for pid in everyone:
        if str(AGENT) in read(f"/proc/{pid}/cmdline") and str(os.getpid()) in ancestors(pid):
            STARTED.add((pid, birth(pid)))
            SEEN.setdefault(namespace(pid), set()).add((pid, birth(pid)))
    for other in (namespace("self"), None):
        SEEN.pop(other, None)
    for ended in [n for n, agents in SEEN.items() if not any(birth(p) == born for p, born in agents)]:
        del SEEN[ended]
    alive = [pid for pid in everyone if (pid, birth(pid)) in STARTED or namespace(pid) in SEEN]
    return sorted(read(f"/proc/{pid}/comm").strip() for pid in alive)


def ancestors(pid):
    while pid not in ("", "0"):
        yield pid
        pid = stat(pid, 1)


def birth(pid):
    return stat(pid, 19)


def stat(pid, field):
    """A field of /proc/PID/stat, counted from the state, which follows the name in brackets."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[field] if fields else ""


def namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def read(path):
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def state_of_machine():
    """What a lab could leave: processes, mounts, links, routes, named namespaces, files in /run."""
    say = lambda *argv: subprocess.run(argv, capture_output=True, text=True, check=True).stdout  # noqa: E731
    return {
        "processes": ours(),
        "mounts": read("/proc/self/mountinfo").count("\n"),
        "links": [line.split()[0] for line in say("ip", "-br", "link").splitlines()],
        "routes": say("ip", "route", "show", "table", "all"),
        "netns": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "run": sorted(os.listdir("/run")),
        "bpf": sorted(os.listdir("/sys/fs/bpf")) if os.path.isdir("/sys/fs/bpf") else [],
    }


def settled(before, limit_s=5.0):
    """The machine's state once it equals ``before``, or after the limit; the kernel takes a moment to reap."""
    deadline = time.monotonic() + limit_s
    while (now := state_of_machine()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


@pytest.fixture
def machine():
    """The machine's state before the test; the test fails if it is another afterwards."""
    before = state_of_machine()
    yield before
    assert settled(before) == before


def available():
    return [m for m in modes.MODES if kernel.kernel_path(m)[0]]


@pytest.mark.parametrize("moment", ["go", "built", "up"])
@pytest.mark.parametrize("mode", ["calico-ipip", "flannel-wireguard", "flannel-udp"])
def test_sigkill_leaves_nothing(machine, mode, moment):
    if kernel.kernel_path(mode)[0] is None:
        pytest.skip(kernel.kernel_path(mode)[1])
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, mode], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    while (line := holder.stdout.readline().strip()) != moment:
        assert line, "the holder ended early"
    if moment == "go":
        time.sleep(random.Random(mode).uniform(0.0, 0.15))  # somewhere in the middle of building
    deadline = time.monotonic() + 30
    while not ours():
        assert time.monotonic() < deadline, "something must be there to be left behind"
    holder.send_signal(signal.SIGKILL)
    holder.wait(5)
    holder.stdout.close()


def test_the_first_process_killed_ends_the_lab(machine, lab_of):
    lab = lab_of("calico-bgp-mesh")
    os.kill(lab.agent.first_process, signal.SIGKILL)
    with pytest.raises(LabError):
        lab.sh("n1", "true")
    lab.close()


def test_twenty_deployments_of_every_mode_in_random_order(machine):
    """Building only, without the wait for BGP that the other tests do; the order is seeded."""
    order = available() * 20
    assert len(order) >= 20
    random.Random(20261124).shuffle(order)
    for mode in order:
        lab = Lab(mode).start()
        assert lab.notes == ()
        lab.close()


@pytest.mark.parametrize("mode", modes.MODES)
def test_every_mode_is_proved_in_every_placement(mode, lab_of):
    rows = lab_of(mode).prove()
    assert [r.status for r in rows] == ["ok"] * 3, [(r.placement, r.reason) for r in rows]
    assert [r.placement for r in rows if not r.reachable] == (
        [] if modes.get(mode).crosses_subnets else ["cross_subnet"]
    )


@pytest.mark.parametrize("mode", ["calico-bgp-mesh", "calico-bgp-rr"])
def test_plain_bgp_crosses_when_the_router_speaks_it(mode, lab_of):
    row = lab_of(mode, underlay="routed").prove(["cross_subnet"])[0]
    assert (row.status, row.reachable, row.outer, row.ttl) == ("ok", True, "plain", 61)


@pytest.mark.parametrize("mode", ["flannel-vxlan", "calico-vxlan"])
def test_a_service_is_reached(mode, lab_of):
    rows = lab_of(mode, services=True).prove(path="pod_to_service")
    assert all(r.status == "ok" and r.reachable for r in rows), [(r.placement, r.reason) for r in rows]


@pytest.mark.parametrize(
    "mode",
    [
        "docker-bridge",
        "flannel-udp",
        "flannel-vxlan-directrouting",
        "flannel-wireguard",
        "calico-ipip-crosssubnet",
    ],
)
def test_the_script_builds_the_same_lab(tmp_path, lab_of, mode):
    """What `lab script` prints leaves the same routes and neighbours as the lab it was printed from."""
    lab = lab_of(mode)
    ask = (
        "for i in $(seq 100); do [ $(ip -n n3 route | grep -c bird) = $(ip -n n1 route | grep -c bird) ] && break; sleep 0.1; done; "
        "sleep 1.5; for n in n1 n2 n3; do ip -n $n -d route show table main; ip -n $n neigh show nud permanent; done"
    )
    wanted = sorted(line.strip() for line in lab.sh("n1", ask).splitlines())
    script = lab.script().replace("exec sh -i", f"echo '{'-' * 9}'; {ask}")
    path = tmp_path / "lab.sh"
    path.write_text(script)
    environment = {**os.environ, "PATH": search_path()}
    done = subprocess.run(["sh", str(path)], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert sorted(line.strip() for line in done.stdout.partition("-" * 9 + "\n")[2].splitlines()) == wanted
    assert len(wanted) > 8


def test_no_such_mode_names_the_known_ones():
    with pytest.raises(UnknownKey, match=r"flanel-vxlan.*Did you mean 'flannel-vxlan'"):
        Lab("flanel-vxlan")


def test_no_such_pod_names_those_there_are(lab_of):
    with pytest.raises(LabError, match=r"no 'p9' in this lab; it has router, n1, n2, n3, p1, p1b, p2, p3"):
        lab_of("flannel-host-gw").sh("p9", "true")
