"""A block's deployments standing together, and trials measured again by causes that stand apart from the value."""

import json
import shutil
from itertools import groupby

import pytest
from test_execute import STUDY, Bed

from cnilab import execute, study
from cnilab.errors import StudyError
from cnilab.execute import matrix
from cnilab.execute.quiet import Judge, state_of
from cnilab.study.parts import Quiet
from cnilab.study.plan import planned_id

ROUNDS = STUDY + "rounds: 2\n"


def record(wake_up=(11e-6, 11e-6), foreign=0.0, by=(), steal=0.0, wall=1.0):
    before, after = ({"wake_up_s": value, "spin_s": {}} for value in wake_up)
    return {
        "before": before, "after": after, "wall_s": wall, "foreign_cpu_s": foreign, "steal_s": steal,
        "disturbers": [{"name": name, "cpu_s": 0.1} for name in by],
    }  # fmt: skip


class Watch:
    """A watch that tells what a test wrote down, trial by trial; quiet afterwards."""

    script = ()

    def __init__(self, *cpus):
        self.records = iter(self.script)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def before(self):
        return "before"

    def references(self):
        return []

    def since(self, before):
        return next(self.records, record())


@pytest.fixture
def go(tmp_path, monkeypatch):
    def run(script=(), text=ROUNDS, **options):
        monkeypatch.setattr(matrix, "Watch", type("Scripted", (Watch,), {"script": list(script)}))
        monkeypatch.setattr(Judge, "busy", lambda self: None)
        bed = Bed(here=True)
        return execute.run(study.parse(text), tmp_path / "run", progress=False, testbed=bed, **options), bed

    return run


def test_a_round_measures_each_cell_at_every_deployment_before_the_next(go):
    run, bed = go()
    assert bed.most == 4, "all of a block stand at once"
    assert bed.standing == 0
    trials = run.plan.trials
    assert [t for t, _ in bed.ran] == [
        t.trial_id for t in trials if (t.mode, t.placement) != ("flannel-host-gw", "cross_subnet")
    ]
    cells = [list(each) for _, each in groupby(trials, lambda t: t.cell)]
    assert [len(each) for each in cells] == [4] * 8, "2 blocks x 2 rounds x 2 placements, 4 labels each"
    assert all(len({t.treatment for t in each}) == 4 for each in cells)
    assert len({tuple(t.slot for t in each) for each in cells}) > 1, "the order within a cell is drawn"
    assert set(run.samples["round"]) == {1, 2}
    assert len({t.trial_id for t in trials}) == len(trials)


def test_the_order_of_a_block_does_not_move_when_the_study_grows():
    grown = study.parse(ROUNDS.replace("blocks: 2", "blocks: 5")).plan()
    short = study.parse(ROUNDS).plan()
    assert grown.trials[: len(short.trials)] == short.trials


def test_on_a_cluster_rounds_stay_within_a_deployment():
    plan = study.parse(ROUNDS + "testbed: kubernetes\n").plan()
    groups = [name for name, _ in groupby(plan.trials, lambda t: t.deployment_id)]
    assert len(groups) == len(set(groups)) == 2 * 4


def test_a_study_without_rounds_keeps_its_order_and_its_digest():
    made = study.parse(STUDY)
    assert made.plan().hash == "7f78adec6286de99be49e4e9a45b752ff0a727003e0526ab0dc15290b02ae9d3"
    assert not {"rounds", "quiet"} & set(made.to_dict())


def test_a_disturbed_trial_is_measured_again_and_both_stay(go):
    loud = record(foreign=0.9, by=["chromium"])
    run, bed = go([record(), loud, loud], text=ROUNDS + "quiet: {repeat: 3}\n")
    ids = [trial for trial, _ in bed.ran]
    second = ids[1]
    assert ids[1:4] == [second, f"{second}-again1", f"{second}-again2"]
    assert all((run.path / "raw" / trial / "client.out").stat().st_size for trial in ids[1:4])
    told = run.samples.drop_duplicates("trial_id").set_index("trial_id")["disturbed"]
    assert told[ids[:5]].isna().tolist() == [True, False, False, True, True]
    assert run.manifest["quiet"]["repeated"] == 2
    assert run.comparisons.header["rows"]["set_aside"] > 0
    assert not run.missing(run.plan.trials)


def test_without_quiet_the_watch_only_records(go):
    run, bed = go([record(foreign=0.9, by=["chromium"])] * 5)
    assert all(trial == planned_id(trial) for trial, _ in bed.ran)
    assert run.samples["disturbed"].isna().all()
    assert (run.watched["foreign_cpus"] > 0.5).sum() == 5
    assert run.watched["disturbers"].dropna().unique().tolist() == ["chromium"]


def test_a_bench_that_never_gets_quiet_ends_and_says_so(go):
    run, bed = go([record(foreign=0.9)] * 1000, text=ROUNDS + "quiet: {repeat: 2, added: 10}\n")
    assert max(trial.rpartition("-again")[2] for trial, _ in bed.ran if "-again" in trial) == "2"
    cells = [t for t in run.cells.tables if t.metric == "goodput_bps"]
    assert all((t.disturbed[t.row("host")] > 0).all() for t in cells)
    assert all("disturbed" in r["flags"] for r in run.comparisons.primary if r["mode"] == "flannel-vxlan")


def test_repeats_cost_no_more_than_was_declared(go):
    run, bed = go([record(foreign=0.9)] * 1000, text=ROUNDS + "quiet: {repeat: 20, added: 0.25}\n")
    planned = len(run.plan.trials)
    assert planned // 4 - 1 <= sum(t != planned_id(t) for t, _ in bed.ran) <= planned // 4


def test_labels_in_another_state_than_the_cell_ended_in_are_measured_again(go):
    far = record(wake_up=(16e-6, 16e-6))
    run, bed = go([record(), far, far, far], text=ROUNDS + "quiet: {repeat: 3}\n")
    ids = [trial for trial, _ in bed.ran]
    first = ids[0]
    again = ids.index(f"{first}-again1")
    assert [planned_id(t) for t in ids[:again]] == ids[:again], (
        "after the cell's last label, before the next cell"
    )
    assert run.samples.loc[run.samples["trial_id"].isin([first, f"{first}-again1"]), "disturbed"].isna().all()


def test_a_resumed_run_measures_no_trial_twice(go, tmp_path):
    run, _ = go([record(foreign=0.9)], text=ROUNDS + "quiet: {repeat: 3}\n")
    lost = run.plan.trials[-1].trial_id
    shutil.rmtree(run.path / "raw" / lost)
    later, bed = go(text=ROUNDS + "quiet: {repeat: 3}\n", resume=True)
    assert [trial for trial, _ in bed.ran] == [lost]
    assert not later.missing(later.plan.trials)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (record(foreign=0.2), "foreign_cpu"),
        (record(foreign=0.2, wall=2.0), None),
        (record(steal=0.3), "steal"),
        (record(wake_up=(11e-6, 16e-6)), "state_changed"),
        (record(wake_up=(11e-6, 11.5e-6)), None),
        (record(wake_up=(None, 16e-6)), None),
        (None, None),
    ],
)
def test_causes(what, code):
    cause = Judge(Quiet(), 100).cause(what)
    assert (cause and cause.code) == (code and f"disturbed.{code}")
    assert Judge(None, 100).cause(what) is None


def test_a_reference_that_always_jumps_changes_no_state():
    judge = Judge(Quiet(), 100)
    jumping = [record(wake_up=(30e-6, 40e-6)), record(wake_up=(40e-6, 30e-6))] * 20
    causes = [judge.cause(each) for each in jumping]
    assert causes[-1] is None, "what two references of one trial always show is this machine's noise"


def test_a_state_is_the_mean_of_what_is_known():
    assert state_of(record(wake_up=(None, None))) is None
    assert state_of(record(wake_up=(None, 16e-6))) == pytest.approx(state_of(record(wake_up=(16e-6, 16e-6))))


def test_the_wait_is_bounded_and_names_who_is_waited_for(monkeypatch):
    from cnilab.facts import Fact

    shown = []
    busy = Fact("disturbed.foreign_cpu", {"cpus": 0.9, "by": ["chromium"]})
    monkeypatch.setattr(Judge, "busy", lambda self: busy)
    judge = Judge(Quiet(wait_s=0.05), 100)
    assert judge.wait(shown.append, first=True) == busy
    assert "chromium uses 0.9 CPU" in shown[0]
    assert judge.left_s == pytest.approx(60)
    monkeypatch.setattr(Judge, "busy", lambda self: None)
    assert judge.wait(shown.append) is None


def test_what_the_study_says_is_checked():
    with pytest.raises(StudyError, match="unknown key 'repeats'"):
        study.parse(STUDY + "quiet: {repeats: 3}\n")
    assert json.dumps(study.parse(STUDY + "quiet: {}\n").to_dict()["quiet"])
