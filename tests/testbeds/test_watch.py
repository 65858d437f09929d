"""The watch sees foreign CPU time, leaves the run's own out, and takes references without the network."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cnilab.testbeds import watch
from cnilab.testbeds.watch import Usage, Watch, _Process, foreign

BURN = "import time\nwhile time.process_time() < {}: pass\ntime.sleep(60)"


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until_burnt(pid, seconds):
    for _ in range(3000):
        if cpu_s(pid) >= seconds:
            return
        time.sleep(0.02)
    pytest.fail(f"{pid} got no CPU time in a minute")


def test_what_others_use_is_seen_and_what_is_ours_is_not():
    with Watch(None, None) as looking:
        before = looking.before()
        code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {BURN.format(0.5)!r}], stdout=2).pid)"
        other = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout)
        try:
            until_burnt(other, 0.4)
            seen = looking.since(before)
        finally:
            os.kill(other, signal.SIGKILL)
        assert seen["foreign_cpu_s"] >= 0.35
        assert any(d["cpu_s"] >= 0.35 for d in seen["disturbers"])
        before = looking.before()
        child = subprocess.Popen([sys.executable, "-c", BURN.format(0.5)])
        try:
            until_burnt(child.pid, 0.4)
            own = looking.since(before)
        finally:
            child.kill()
            child.wait()
        burnt = [
            d
            for d in own["disturbers"]
            if d["name"].startswith("python") and d["cpu_s"] == pytest.approx(0.4, abs=0.02)
        ]
        assert not burnt, "a run's own child is not foreign"


def usage(**processes):
    """Make clocks: name -> (pid, parent, own, children's); all of it is the machine's busy time."""
    table = {
        (pid, "1"): _Process(parent, name, own, ended)
        for name, (pid, parent, own, ended) in processes.items()
    }
    return table


def test_time_is_charged_to_whom_it_belongs():
    me = os.getpid()
    before = Usage(
        0.0, 10.0, 0.0, None, usage(me=(me, 1, 1.0, 0.0), lab=(70, me, 1.0, 0.0), worker=(50, 2, 1.0, 0.0))
    )
    # 3 s passed: the lab's child burnt 1 s and ended; a kernel thread 0.5 s; a browser 0.7 s; 0.3 s ended unseen
    after = Usage(
        3.0, 12.5, 0.0, None,
        usage(me=(me, 1, 1.0, 0.0), lab=(70, me, 1.0, 1.0), worker=(50, 2, 1.5, 0.0), browser=(80, 1, 0.7, 0.0)),
    )  # fmt: skip
    seconds, by = foreign(before, after)
    assert seconds == pytest.approx(1.0)
    assert by == [{"name": "browser", "cpu_s": 0.7}]


def test_a_child_that_ended_is_not_charged_twice():
    me = os.getpid()
    before = Usage(0.0, 10.0, 0.0, None, usage(me=(me, 1, 0.0, 0.0), child=(70, me, 2.0, 0.0)))
    after = Usage(1.0, 11.5, 0.0, None, usage(me=(me, 1, 0.0, 2.5)))
    assert foreign(before, after)[0] == pytest.approx(1.0)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU has nobody to wake")
def test_references_between_two_cpus():
    first, second = sorted(os.sched_getaffinity(0))[:2]
    allowed = os.sched_getaffinity(0)
    with Watch(first, second) as looking:
        record = looking.since(looking.before())
        partner = looking._partner
    assert partner.returncode == 0, "it ends with its pipe"
    for end in ("before", "after"):
        assert 1e-7 < record[end]["wake_up_s"] < 0.1
        assert set(record[end]["spin_s"]) == {str(first), str(second)}
    assert os.sched_getaffinity(0) == allowed


def test_a_partner_that_died_gives_no_reference_and_no_zero():
    cpus = sorted(os.sched_getaffinity(0))
    with Watch(cpus[0], cpus[-1]) as looking:
        if looking._partner is None:
            pytest.skip("one CPU has nobody to wake")
        looking._partner.kill()
        looking._partner.wait()
        assert looking.reference().wake_up_s is None


def test_one_cpu_has_no_round_trip():
    with Watch(0, 0) as looking:
        assert looking._partner is None
    assert watch.Reference(None, {}) == Watch(None, None).reference()
