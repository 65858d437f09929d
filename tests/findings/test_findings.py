"""Each doubt is found where it was planted, and not where it was not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report import runs

from cnilab import findings
from cnilab.facts import Fact
from cnilab.report.language import tell
from cnilab.runs import derived, samples
from cnilab.runs.run import Run
from cnilab.runs.writer import RunWriter


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return runs.make(tmp_path_factory.mktemp("quality") / "made-up")


@pytest.fixture
def run(clean, tmp_path):
    return Run.open(shutil.copytree(clean.path, tmp_path / "made-up"))


def found(run, code):
    frame = findings.check(run.path)  # opened again: a test may have changed what the run has read
    return told(frame[frame["code"] == code].to_dict("records"))


def told(rows):
    """Return findings with what they state in words, too."""
    for row in rows:
        row["text"] = tell(Fact.from_json(row["fact"]))
        if isinstance(row["remedy"], str):
            row["remedy"] = tell(Fact.from_json(row["remedy"]))
    return rows


def rewrite(run, change):
    frame = change(run.samples)
    samples.write(samples.validate(frame), run.path / "samples.parquet")
    derived.keep(run.path, ["samples.parquet"], Run(run.path).origin)


def test_a_clean_run_has_nothing_serious(clean):
    frame = findings.check(clean)
    assert list(frame.columns) == list(findings.COLUMNS)
    assert set(frame["severity"]) <= {"warning", "info"}
    assert set(frame.loc[frame["severity"] == "warning", "code"]) == {"substitute_used"}
    assert not frame["fact"].isna().any()


def test_not_crossing_is_told_and_is_no_error(clean):
    rows = found(clean, "trials_without_result")
    assert {r["mode"] for r in rows} == {"flannel-host-gw", "calico-bgp-mesh"}
    assert {r["severity"] for r in rows} == {"info"}
    assert all("a property of the mode" in r["text"] and r["value"] == 20 for r in rows)


def test_failures_are_counted_with_their_reason(run):
    def fail(frame):
        hit = frame["trial_id"].isin(
            frame.loc[(frame["mode"] == "host") & (frame["test"] == "tcp_rr"), "trial_id"].unique()[:3]
        )
        rest, bad = frame[~hit], frame[hit].drop_duplicates("trial_id").copy()
        bad[["metric", "stat", "value", "unit"]] = None
        return pd.concat(
            [
                rest,
                bad.assign(
                    status="timeout",
                    **samples.reason_columns(Fact("timeout", {"tool": "netperf", "limit_s": 16.0})),
                    value=np.nan,
                ),
            ]
        ).astype(samples.DTYPES)

    rewrite(run, fail)
    rows = [r for r in found(run, "trials_without_result") if r["severity"] == "serious"]
    assert sum(r["value"] for r in rows) == 3
    assert all("still running" in r["text"] and r["test"] == "tcp_rr" for r in rows)


def test_a_missing_trial_is_serious_and_says_what_to_type(run):
    for trial in run.plan.trials[-2:]:
        shutil.rmtree(run.path / "raw" / trial.trial_id)
    (row,) = found(run, "trials_missing")
    assert (row["severity"], row["value"]) == ("serious", 2)
    assert "--resume" in row["remedy"]
    RunWriter(run.path).update_manifest(stopped={"before_block": 10, "reason": "precision_reached"})
    assert found(run, "trials_missing")[0]["severity"] == "info"


def test_another_order_is_found(run):
    a, b = (run.path / "raw" / t.trial_id / "meta.json" for t in run.plan.trials[:2])
    one, two = json.loads(a.read_text()), json.loads(b.read_text())
    a.write_text(json.dumps(one | {"started_at": two["started_at"]}))
    b.write_text(json.dumps(two | {"started_at": one["started_at"]}))
    assert found(run, "order_not_as_planned")[0]["value"] == 2
    a.write_text(json.dumps(one | {"treatment": {"levels": {"mode": "calico-vxlan"}, "twin": False}}))
    assert "planned was" in found(run, "order_not_as_planned")[0]["text"]


def test_a_failed_proof_is_serious(run):
    path = next((run.path / "proof").glob("*.json"))
    proof = json.loads(path.read_text())
    proof["rows"][0] |= {
        "status": "failed",
        "reason": "mode not in effect: carried by: expected vxlan, found none",
    }
    path.write_text(json.dumps(proof))
    (row,) = found(run, "proof_failed")
    assert row["severity"] == "serious"
    path.unlink()
    assert "no proof" in found(run, "proof_failed")[0]["text"]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [("tool_version", "3.17", "tool versions vary"), ("kernel_path", "ebpf", "different implementations")],
)
def test_a_hidden_difference_is_found(run, column, value, text):
    rewrite(
        run,
        lambda f: f.assign(
            **{
                column: f[column].mask(
                    (f["block"] == 3) & (f["mode"] == "flannel-vxlan") & (f["test"] == "tcp_stream"), value
                )
            }
        ).astype(samples.DTYPES),
    )
    assert any(text in r["text"] and r["severity"] == "serious" for r in found(run, "hidden_difference"))


def test_congestion_control_that_varies_is_found(run):
    for name, trial in (("bbr", run.plan.trials[0]), ("cubic", run.plan.trials[1])):
        path = run.path / "raw" / trial.trial_id / "meta.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"congestion_control": name}))
    assert any("bbr, cubic" in r["text"] for r in found(run, "hidden_difference"))


def test_mtu_as_shipped_is_told(clean):
    (row,) = found(clean, "hidden_difference")
    assert "1450 B: flannel-vxlan" in row["text"]


def test_a_full_core_is_told(run):
    assert {r["placement"] for r in found(run, "core_full")} == {"same_subnet", "cross_subnet"}
    rewrite(
        run, lambda f: f.assign(value=f["value"].mask(f["metric"].eq("cpu_client_ratio").fillna(False), 0.5))
    )
    assert found(run, "core_full") == []


def test_a_thin_tail_is_told(run):
    assert found(run, "tail_unreliable") == []  # 20 000 requests
    rewrite(
        run,
        lambda f: f.assign(
            value=f["value"].mask(f["metric"].eq("transaction_rate_per_s").fillna(False), 900.0)
        ),
    )
    (row,) = found(run, "tail_unreliable")
    assert (row["value"], row["threshold"]) == (900, pytest.approx(10_000))


def test_a_mute_receiver_is_told(run):
    rewrite(
        run,
        lambda f: f[
            ~(
                f["metric"].eq("goodput_bps").fillna(False)
                & (f["mode"] == "flannel-vxlan")
                & (f["block"] == 2)
            )
        ],
    )
    assert {r["mode"] for r in found(run, "receiver_missing")} == {"flannel-vxlan"}


def test_a_bench_that_drifts_is_told(run):
    rewrite(
        run,
        lambda f: f.assign(
            value=f["value"].mask(
                f["metric"].eq("goodput_bps").fillna(False),
                1e10 * 0.8 ** f["block"].astype(float) * (1 + 0.001 * f["slot"]),
            )
        ),
    )
    rows = found(run, "bench_moved")
    assert any(r["severity"] == "warning" and "drift" in r["text"] for r in rows)


def test_a_baseline_that_differs_from_itself_is_serious(run):
    rewrite(
        run,
        lambda f: f.assign(
            value=f["value"].mask(
                f["metric"].eq("goodput_bps").fillna(False) & f["twin"], f["value"] * 0.7
            )
        ),
    )
    rows = found(run, "control_differs")
    assert rows
    assert rows[0]["severity"] == "serious"


def test_a_margin_below_the_noise_is_one_finding_a_test_and_placement(run):
    rng = np.random.default_rng(4)
    rewrite(run, lambda f: f.assign(value=f["value"] * np.exp(rng.normal(0, 0.4, len(f)))))
    rows = [r for r in found(run, "control_differs") if "A/A interval" in r["text"]]
    assert rows
    where = [(r["mode"], r["placement"], r["test"]) for r in rows]
    assert len(where) == len(set(where))
    named = sum(len(r["text"].partition("out of reach for ")[2].split(", ")) for r in rows)
    noisy = [
        r
        for r in Run(run.path).comparisons.rows
        if r["family"] == "aa" and "margin_below_noise" in r["flags"]
    ]
    assert named == len(noisy) > len(rows)


def test_a_level_that_changes_within_runs_is_told(run):
    series = run.intervals
    own = run.samples.query("mode == 'flannel-vxlan'")["trial_id"]
    late = series["trial_id"].isin(own) & (series["t_start_s"] > 0.6)
    samples.write(
        series.assign(value=series["value"].mask(late, series["value"] * 0.5)), run.path / "intervals.parquet"
    )
    derived.keep(run.path, ["intervals.parquet"], Run(run.path).origin)
    assert {r["mode"] for r in found(run, "unsteady")} == {"flannel-vxlan"}


def test_notes_of_the_testbed_are_kept(run):
    log = run.manifest["deployments"]
    for entry in list(log.values())[:3]:
        entry["notes"] = [Fact("setting_not_made", {"where": "p1"}, "cubic could not be set").to_dict()]
    RunWriter(run.path).update_manifest(deployments=log)
    assert found(run, "setting_not_made")[0]["text"] == "in p1: cubic could not be set (3 deployments)"


def test_what_the_readers_remarked_is_told_in_words(run):
    assert found(run, "remarked") == []
    ids = run.samples.query("mode == 'host' and test == 'tcp_rr'")["trial_id"].unique()[:3]
    remarks = pd.DataFrame({"trial_id": ids, "remark": "confidence_not_met: throughput 7.5%"}, dtype="string")
    samples.write(remarks, run.path / "remarks.parquet")
    derived.keep(run.path, ["remarks.parquet"], Run(run.path).origin)
    rows = found(run, "remarked")
    assert sum(row["value"] for row in rows) == 3
    assert {(row["severity"], row["mode"], row["test"]) for row in rows} == {("info", "host", "tcp_rr")}
    assert all("netperf did not reach the confidence it was asked for" in row["text"] for row in rows)


def test_settings_that_were_not_recorded_are_told(run):
    """A difference itself is tests/test_settings.py's."""
    (row,) = found(run, "settings_differ")
    n = len(run.proofs)
    assert (row["severity"], row["value"]) == ("info", n)
    assert f"not recorded in {n} of {n} deployments" in row["text"]


def test_a_margin_edited_after_the_run_is_serious(run):
    """``study_changed``: nothing that was chosen after the numbers counts as declared."""
    text = (run.path / "study.yaml").read_text()
    (run.path / "study.yaml").write_text(text.replace("margin: 0.05", "margin: 0.2"))
    (row,) = found(run, "study_changed")
    assert row["severity"] == "serious"
    assert "margin: declared 0.05, now 0.2" in row["text"]


def test_raw_bytes_that_were_edited_are_told_and_have_no_value(run):
    """``raw_changed``: what a meta has the digest of is not there, or is not that."""
    trial = run.metas[0]["trial_id"]
    meta = run.path / "raw" / trial / "meta.json"
    kept = {"client.out": {"bytes": 3, "sha256": "0" * 64}}
    meta.write_text(json.dumps({**run.metas[0], "files": kept}))
    (meta.parent / "client.out").write_text("abc")
    (row,) = found(run, "raw_changed")
    assert (row["severity"], row["trial_id"]) == ("serious", trial)
    assert "client.out is not what was recorded" in row["text"]
    now = Run.open(run.path).samples
    assert set(now[now["trial_id"] == trial]["status"]) == {"failed"}


def watched(run, *, wake_up=lambda i: 11e-6, loud=()):
    """Give every trial the record of a watch; those in ``loud`` were disturbed."""
    for i, meta in enumerate(Run(run.path).metas):
        end = {"wake_up_s": wake_up(i), "spin_s": {}}
        record = {"wall_s": 1.0, "foreign_cpu_s": 0.8 * (i in loud), "steal_s": 0.0, "before": end, "after": end}
        record["disturbers"] = [{"name": "chromium", "cpu_s": 0.8}] * (i in loud)
        cause = Fact("disturbed.foreign_cpu", {"cpus": 0.8, "by": ["chromium"]}).to_dict() if i in loud else None
        (run.path / "raw" / meta["trial_id"] / "meta.json").write_text(
            json.dumps(meta | {"watch": record, "disturbed": cause})
        )


def test_disturbed_trials_are_told_with_who_did_it(run):
    watched(run)
    assert found(run, "disturbed") == []
    watched(run, loud={0, 5})
    (row,) = found(run, "disturbed")
    assert row["severity"] == "warning"
    assert "2 of 240 trials were disturbed by other processes (most by chromium)" in row["text"]
    watched(run, loud=set(range(100)))
    assert found(run, "disturbed")[0]["severity"] == "serious"


def test_states_of_the_machine_are_told(run):
    watched(run)
    assert found(run, "several_states") == []
    rng = np.random.default_rng(1)
    watched(run, wake_up=lambda i: (11e-6 if i % 4 else 16e-6) * float(np.exp(rng.normal(0, 0.02))))
    (row,) = found(run, "several_states")
    assert "the machine was in 2 states" in row["text"]
    assert "11.0 µs in 75% of the trials, 16.0 µs in 25%" in row["text"]


def test_findings_survive_the_disk(run):
    frame = findings.check(run)
    back = pd.read_parquet(findings.save(run, frame))
    assert back["code"].tolist() == frame["code"].tolist()


def test_every_check_has_its_own_test():
    text = Path(__file__).read_text()
    assert all(check.__name__ in text for check in findings.CHECKS)


def test_a_bench_that_was_never_quiet_is_said_before_the_answer(run):
    from cnilab.report import language
    from cnilab.report.chapters import answer
    from cnilab.report.record import Record

    first = answer.content(Record(Run(run.path)), language.get("en"))[2]
    watched(run, loud=set(range(200)))
    loud = answer.content(Record(Run(run.path)), language.get("en"))
    assert "200 of 240 trials were disturbed by other processes (most by chromium)" in str(loud[2].text)
    assert (first.role, loud[2].role, loud[3].role) == ("lead", "notice", "lead")
