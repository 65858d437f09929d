"""The matrix on a testbed of the tests' own: order, proof before numbers, failures as rows, resuming, stopping."""

import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from cnilab import execute, study
from cnilab.bench import End, Ended, Served
from cnilab.errors import LabError, RunDirError
from cnilab.execute import enough
from cnilab.facts import Fact
from cnilab.runs.run import Run
from cnilab.runs.samples import reason_of
from cnilab.runs.writer import RunWriter
from cnilab.study import Treatment
from cnilab.testbeds.proof.base import Row, check

STUDY = """\
name: small
modes: [host, flannel-vxlan, flannel-host-gw]
placements: [same_subnet, cross_subnet]
tests:
  - {name: tcp_stream, tool: iperf3, duration_s: 1}
primary: {test: tcp_stream, metric: goodput_bps}
blocks: 2
seed: 3
"""


NOT_IN_EFFECT = Fact("mode_not_in_effect", {"check": "vni", "expected": [1], "found": [9], "way": "there"})


def iperf3_output(rate):
    end = {"sum_sent": {"bits_per_second": rate, "bytes": rate / 8, "seconds": 1, "retransmits": 0}}
    end["sum_received"] = {"bits_per_second": rate, "bytes": rate / 8, "seconds": 1}
    one = {"start": 0, "end": 1, "seconds": 1, "bits_per_second": rate, "bytes": rate / 8, "omitted": False}
    intervals = [{"streams": [dict(one)], "sum": dict(one)}]
    start = {
        "version": "iperf 3.12",
        "connected": [{}],
        "test_start": {"protocol": "TCP", "num_streams": 1, "reverse": 0},
    }
    return json.dumps({"start": start, "intervals": intervals, "end": end}).encode()


class Deployment:
    kernel_path, substitute, notes = "native", None, ()

    def __init__(self, bed, treatment):
        self.bed, self.mode, self.timings = bed, treatment.mode, {}

    def wait(self):
        if self.mode == self.bed.unsettled:
            raise LabError("no routes from BGP after 15 s", Fact("no_routes_from_bgp", {"seconds": 15.0}))

    def prove(self, placements, path):
        rows = []
        for p in placements:
            crosses = not (self.mode == "flannel-host-gw" and p == "cross_subnet")
            broken = self.mode == self.bed.not_in_effect
            lost = None if crosses else Fact("not_crossing", quoted="lost")
            vni = check("vni", [1], [9 if broken else 1], way="there")
            reason = NOT_IN_EFFECT if broken else lost
            rows.append(
                Row(
                    self.mode,
                    p,
                    "native",
                    "failed" if broken else "ok",
                    reason,
                    crosses,
                    "plain",
                    1500,
                    62,
                    (vni,),
                )
            )
        return rows, {"placements": placements}

    def guard(self):
        self.guarded = True

    def lost(self):
        assert self.guarded
        return self.bed.broken.pop(self.mode, None)

    def bench(self, trial):
        return nullcontext(Bench(self.bed, self.mode))

    def close(self):
        self.bed.closed.append(self.mode)
        self.bed.standing -= 1


class Bench:
    """Two ends that need no machine; fulfils :class:`cnilab.measurements.base.Bench`."""

    def __init__(self, bed, mode):
        self.bed, self.mode = bed, mode

    def client(self):
        return End("c", "192.0.2.1")

    def servers(self):
        return [End("s", "192.0.2.2")]

    def nodes(self):
        return ["n1"]

    def serve(self, end, argv, *, port, out, err):
        return nullcontext(Served())

    def run(self, end, argv, *, out, err, limit_s):
        trial_id = out.parent.name
        self.bed.ran.append((trial_id, self.mode))
        if len(self.bed.ran) == self.bed.interrupt_at:
            raise KeyboardInterrupt
        if self.bed.defect:
            raise self.bed.defect
        out.write_bytes(self.bed.output(trial_id))
        err.write_bytes(self.bed.complaint)
        return Ended(1.0, 1.01, self.bed.code, self.bed.timed_out)

    def ask(self, node, argv, *, out):
        raise LabError("nobody is there to be asked")


RECORDED_REVERSE = Path(__file__).parent / "data" / "tools" / "iperf3" / "iperf3_3.12_tcp_reverse.json"


class Bed:
    """A testbed that needs no machine; attributes say what goes wrong."""

    name, defect, unsettled, not_in_effect, interrupt_at, code, timed_out, complaint = (
        "fake",
        None,
        None,
        None,
        None,
        0,
        False,
        b"",
    )
    absent, unable, builds_ahead, here, left = (), (), True, False, ""

    def __init__(self, **faults):
        self.ran, self.closed, self.deployed, self.standing, self.ended = [], [], [], 0, 0
        self.broken = {}
        vars(self).update(faults)

    def output(self, trial):
        return iperf3_output(1e9 + len(self.ran))

    def can(self, treatment):
        mode = treatment.mode
        return (
            (None, Fact("refused", {"what": "vxlan"}, "Unknown device type"))
            if mode in self.unable
            else ("native", None)
        )

    def congestion_control(self, wanted):
        return wanted, None

    def lacks(self, program):
        return Fact("program_missing", {"program": program}) if program in self.absent else None

    def cpus(self):
        return 1, 0

    def close(self):
        self.ended += 1
        return self.left

    def deploy(self, treatment):
        self.deployed.append(treatment.mode)
        self.standing += 1
        self.most = max(getattr(self, "most", 0), self.standing)
        return Deployment(self, treatment)

    def provenance(self):
        return {"testbed": "fake"}


@pytest.fixture
def go(tmp_path):
    def run(bed, text=STUDY, **options):
        return execute.run(study.parse(text), tmp_path / "run", progress=False, testbed=bed, **options)

    return run


def statuses(run):
    samples = run.samples.drop_duplicates("trial_id").to_dict("records")
    return {(r["mode"], r["placement"]): (r["status"], reason_of(r)) for r in samples}


def test_everything_in_the_planned_order(go):
    bed = Bed()
    run = go(bed)
    planned = [
        t.trial_id for t in run.plan.trials if (t.mode, t.placement) != ("flannel-host-gw", "cross_subnet")
    ]
    assert [trial for trial, _ in bed.ran] == planned
    assert len(bed.deployed) == len(bed.closed) == 2 * 4
    assert run.manifest["state"] == "complete"
    assert set(run.proofs) == {t.deployment_id for t in run.plan.trials}


def test_not_crossing_is_a_result_not_a_zero(go):
    samples = go(Bed()).samples
    rows = samples[(samples["mode"] == "flannel-host-gw") & (samples["placement"] == "cross_subnet")]
    assert set(rows["status"]) == {"failed"}
    assert set(rows["reason_code"]) == {"not_crossing"}
    assert set(rows["reason"]) == {"lost"}
    assert rows["value"].isna().all()


def test_a_mode_not_in_effect_never_becomes_a_number(go):
    bed = Bed(not_in_effect="flannel-vxlan")
    run = go(bed)
    assert statuses(run)["flannel-vxlan", "same_subnet"] == ("failed", NOT_IN_EFFECT)
    assert "flannel-vxlan" not in {mode for _, mode in bed.ran}
    assert run.samples.query("mode == 'flannel-vxlan'")["value"].isna().all()


def test_a_mode_the_machine_lacks_is_skipped_with_the_reason(go):
    status, reason = statuses(go(Bed(unable=("flannel-vxlan",))))["flannel-vxlan", "same_subnet"]
    assert status == "skipped"
    assert reason == Fact("refused", {"what": "vxlan"}, "Unknown device type")


def test_a_missing_tool_is_skipped_with_the_remedy(go):
    found = statuses(go(Bed(absent=("iperf3",))))
    assert found["host", "same_subnet"] == ("skipped", Fact("program_missing", {"program": "iperf3"}))


def test_a_deployment_that_does_not_settle_fails_and_the_rest_goes_on(go):
    found = statuses(go(Bed(unsettled="flannel-vxlan")))
    assert found["flannel-vxlan", "same_subnet"] == (
        "failed",
        Fact("no_routes_from_bgp", {"seconds": 15.0}),
    )
    assert found["host", "same_subnet"][0] == "ok"


def test_a_lab_that_could_not_be_built_is_not_the_modes_failure(go):
    class Unbuilt(Bed):
        def deploy(self, treatment):
            if treatment.mode == "flannel-vxlan" and self.deployed.count(treatment.mode) in (1, 3, 8, 9):
                self.deployed.append(treatment.mode)
                raise LabError("no", Fact("bench_failed.not_built", quoted="RTNETLINK answers: Busy"))
            return super().deploy(treatment)

    run = go(Unbuilt(), text=STUDY.replace("blocks: 2", "blocks: 8"))
    samples = run.samples.query("mode == 'flannel-vxlan' and placement == 'same_subnet'")
    assert (samples["reason_code"] == "bench_failed.not_built").sum() == 2
    row = run.comparisons.row("flannel-vxlan", placement="same_subnet", family="primary")
    assert (row["n_blocks"], row["n_used"], row["n_failed"]) == (8, 6, 0)
    assert not {"depends_on_failures", "failures_not_assessed", "all_failed"} & set(row["flags"])
    assert "flannel-vxlan" not in {r["mode"] for r in run.comparisons.header["reliability"]}


def test_a_tool_that_fails_or_hangs_says_so(go, tmp_path):
    found = statuses(go(Bed(code=1, complaint=b"iperf3: error - unable to connect")))
    complaint = "iperf3: error - unable to connect"
    assert found["host", "same_subnet"] == (
        "failed",
        Fact("tool_failed", {"tool": "iperf3", "status": 1}, complaint),
    )
    hung = execute.run(
        study.parse(STUDY), tmp_path / "hung", progress=False, testbed=Bed(timed_out=True, code=-9)
    )
    assert statuses(hung)["host", "same_subnet"] == (
        "timeout",
        Fact("timeout", {"tool": "iperf3", "limit_s": 16.0}),
    )


def test_unreadable_output_is_a_failure_and_the_bytes_are_kept(go):
    class Garbage(Bed):
        def output(self, trial):
            return b"\x00garbage"

    run = go(Garbage())
    status, reason = statuses(run)["host", "same_subnet"]
    assert status == "failed"
    trial = next(t for t in run.plan.trials if t.treatment == Treatment({"mode": "host"}))
    assert reason.code == "output_not_understood"
    assert (run.path / "raw" / trial.trial_id / "client.out").read_bytes() == b"\x00garbage"


def test_ctrl_c_keeps_what_was_done_and_resume_runs_only_what_is_missing(go):
    bed = Bed(interrupt_at=4)
    with pytest.raises(execute.Interrupted) as stopped:
        go(bed)
    assert stopped.value.done == len(stopped.value.run.done()) < stopped.value.total
    assert stopped.value.run.manifest["state"] == "interrupted"
    assert sorted(bed.closed) == sorted(bed.deployed), "nothing is left standing, the prepared one neither"
    again = Bed()
    run = go(again, resume=True)
    first, second = {t for t, _ in bed.ran[:-1]}, {t for t, _ in again.ran}
    assert not first & second
    assert run.done() == {t.trial_id for t in run.plan.trials}
    idle = Bed()
    go(idle, resume=True)
    assert idle.deployed == []


def test_a_full_directory_and_another_study_are_refused(go):
    go(Bed())
    with pytest.raises(
        RunDirError,
        match=r"is not empty \(deployments.jsonl\); choose another -o DIR, or continue it with --resume",
    ):
        go(Bed())
    with pytest.raises(RunDirError, match=r"put back seed: declared 3, now 4"):
        go(Bed(), text=STUDY.replace("seed: 3", "seed: 4"), resume=True)


def test_a_full_disk_is_one_sentence(go, monkeypatch):
    written = []

    def fsync(fd):
        written.append(fd)
        if len(written) > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(
        RunDirError, match=r"disk full while writing .*; free some space, then run again with --resume"
    ):
        go(Bed())


def test_an_edited_study_no_longer_gives_the_recorded_plan(go, tmp_path):
    run = go(Bed())
    path = tmp_path / "run" / "study.yaml"
    path.write_text(path.read_text().replace("seed: 3", "seed: 9"))
    with pytest.raises(RunDirError, match="no longer gives the recorded plan"):
        _ = run.plan


def test_samples_can_be_rebuilt_from_raw(go):
    run = go(Bed())
    assert len(run.intervals) == len(run.samples.query("metric == 'goodput_bps'"))
    before = run.samples
    (run.path / "samples.parquet").unlink()
    assert Run.open(run.path).samples.equals(before)


def test_what_the_readers_remarked_is_kept_and_read_again_where_it_was_not(go):
    backwards = RECORDED_REVERSE.read_bytes()
    run = go(Bed(output=lambda trial: backwards))
    kept = run.remarks
    assert set(kept["remark"]) == {"reverse"}
    assert sorted(kept["trial_id"]) == sorted(run.samples.query("status == 'ok'")["trial_id"].unique())
    (run.path / "remarks.parquet").unlink()
    assert run.remarks.equals(kept)


def test_raw_output_that_is_gone_is_a_failure_with_its_reason(go):
    run = go(Bed())
    trial = run.samples.query("status == 'ok'")["trial_id"].iloc[0]
    (run.path / "raw" / trial / "client.out").unlink()
    samples = RunWriter(run.path).rebuild().samples
    (row,) = samples[samples["trial_id"] == trial].to_dict("records")
    assert row["status"] == "failed"
    assert reason_of(row) == Fact("raw_output_unreadable", quoted="No such file or directory")


def test_a_directory_that_is_no_run_says_what_it_lacks(tmp_path):
    with pytest.raises(RunDirError, match=r"is not a run directory: it has no study\.yaml"):
        Run.open(tmp_path)


def test_the_study_stops_on_precision_and_never_before_the_first_look(go):
    text = STUDY.replace("blocks: 2", "blocks: 20") + "stop: {half_width: 0.5, first_look: 10}\n"
    run = go(Bed(), text=text)
    done = {t.block for t in run.plan.trials if t.trial_id in run.done()}
    assert done == set(range(1, 11))
    assert run.manifest["stopped"]["reason"] == "precision_reached"
    assert "p" not in run.manifest["stopped"]


def test_the_stopping_rule_uses_the_studys_own_alpha(go):
    """At 0.001 nothing could be significant before block 14: the look planned after 10 is put off, and no error."""
    text = (
        STUDY.replace("blocks: 2", "blocks: 20") + "alpha: 0.001\nstop: {half_width: 0.5}\n"
    )
    run = go(Bed(), text=text)
    assert max(t.block for t in run.plan.trials if t.trial_id in run.done()) == 14
    assert run.manifest["stopped"]["reason"] == "precision_reached"


@pytest.mark.parametrize(("ahead", "most"), [(True, 2), (False, 1)])
def test_only_a_testbed_that_can_holds_two_deployments_at_once(tmp_path, ahead, most):
    bed = Bed(builds_ahead=ahead)
    execute.run(study.parse(STUDY), tmp_path / "r", progress=False, testbed=bed)
    assert (bed.most, bed.standing, bed.ended) == (most, 0, 1)


def test_what_a_testbed_leaves_behind_is_told_and_recorded(tmp_path, capsys):
    bed = Bed(left="namespace cnilab-1 is still Terminating")
    run = execute.run(study.parse(STUDY), tmp_path / "r", progress=False, testbed=bed)
    assert "still Terminating" in run.manifest["left_behind"]
    assert "still Terminating" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [IndexError("list index out of range"), OSError(5, "Input/output error"), LabError("gone")]
)
def test_whatever_a_trial_dies_of_is_one_failed_row(go, error):
    run = go(Bed(defect=error))
    bad = run.trials[run.trials["status"] == "failed"]
    assert len(bad) == len(run.plan.trials), "every trial has its row and the matrix went on to its end"
    assert run.manifest["state"] == "complete"
    codes = set(bad["reason_code"]) - {"not_crossing"}
    assert codes == {"bench_failed.testbed" if isinstance(error, LabError) else "bench_failed.defect"}
    told = bad[bad["reason_code"] == "bench_failed.defect"]
    assert set(told["reason_args"]) <= {json.dumps({"error": type(error).__name__})}


def test_whatever_a_deployment_dies_of_costs_its_own_trials_alone(go):
    class Broken(Bed):
        def deploy(self, treatment):
            if treatment.mode == "flannel-vxlan":
                raise ZeroDivisionError("division by zero")
            return super().deploy(treatment)

    run = go(Broken())
    codes = {mode: set(rows["reason_code"].dropna()) for mode, rows in run.trials.groupby("mode")}
    assert codes["flannel-vxlan"] == {"bench_failed.defect"}
    assert codes["host"] == set()


def test_a_deployment_that_cannot_be_taken_down_leaves_a_trace(go, monkeypatch):
    def refuse(self):
        raise LabError("a namespace is busy")

    monkeypatch.setattr(Deployment, "close", refuse)
    run = go(Bed())
    assert run.manifest["state"] == "complete"
    assert {d["close_failed"]["quoted"] for d in run.deployments} == {"a namespace is busy"}


def test_a_full_disk_is_no_defect_of_the_testbed(tmp_path, monkeypatch):
    class Full(Bed):
        def output(self, trial):
            raise RunDirError("disk full")

    with pytest.raises(RunDirError, match="disk full"):
        execute.run(study.parse(STUDY), tmp_path / "r", progress=False, testbed=Full())


def hidden(run):
    """What attempts left that were measured anew."""
    return [json.loads(path.read_text()) for path in (run.path / "raw").glob(".*/meta.json")]


CHANGED = Fact("bench_failed.lab_changed", {"changes": ["n1: eth0 down"]})


def test_a_lost_deployment_is_built_anew_and_its_trial_measured_again(go):
    bed = Bed(broken={"flannel-vxlan": CHANGED})
    run = go(bed)
    assert {status for status, _ in statuses(go(Bed(), resume=True)).values()} == {"ok", "failed"}
    failed = run.trials[run.trials["status"] == "failed"]
    assert set(failed["mode"]) == {"flannel-host-gw"}, "that has no way across"
    assert [meta["reason"]["code"] for meta in hidden(run)] == [CHANGED.code]
    assert [d["renewed_after"]["code"] for d in run.deployments if "renewed_after" in d] in (
        [CHANGED.code],
        [],
    )
    assert enough.measured(run).enough


class Doomed(dict):
    def pop(self, mode, default):
        return CHANGED if mode == "flannel-vxlan" else default


def test_a_mode_whose_deployments_are_lost_again_and_again_ends_and_is_no_success(go):
    bed = Bed()
    bed.broken = Doomed()
    run = go(bed)
    lost = run.trials[run.trials["mode"] == "flannel-vxlan"]
    assert set(lost["reason_code"]) == {CHANGED.code}
    assert len(bed.deployed) < 2 * 4 + 2 * 2 * 3 + 1
    found = enough.measured(run)
    assert (found.by_bench, found.enough) == (len(lost), False)


def test_what_failed_or_was_skipped_is_measured_anew_when_asked_for(go):
    first = go(Bed(code=1, complaint=b"no route", unable=("flannel-vxlan",)))
    assert set(first.trials["status"]) == {"failed", "skipped"}
    assert enough.measured(first).enough is False
    before = go(Bed(), resume=True)
    assert set(before.trials["status"]) == {"failed", "skipped"}, "nothing is missing"
    again = go(Bed(), resume=True, retry=["failed"])
    assert {s for s, _ in statuses(again).values()} == {"ok", "skipped", "failed"}
    assert len(again.trials[again.trials["status"] == "skipped"]) == len(
        first.trials[first.trials["status"] == "skipped"]
    )
    assert all("no route" in meta["reason"]["quoted"] for meta in hidden(again) if meta.get("code"))
    last = go(Bed(), resume=True, retry=["skipped"])
    assert "skipped" not in set(last.trials["status"])
    assert len(last.trials) == len(first.trials), "a trial is there once"
    assert enough.measured(last).enough
