"""Factors and treatments: long form and shorthand are one study, and what is wrong is one sentence with its line."""

import pickle

import pytest

from cnilab import study
from cnilab.errors import StudyError
from cnilab.runs.run import Run
from cnilab.study import Treatment

SHORT = """\
name: small
modes: [host, flannel-vxlan]
tests:
  - {name: tcp_stream, tool: iperf3, duration_s: 1}
  - {name: tcp_rr, tool: netperf, duration_s: 1}
primary: {test: tcp_stream, metric: goodput_bps}
mss: both
blocks: 2
"""
LONG = SHORT.replace(
    "modes: [host, flannel-vxlan]", "factors: {mode: [host, flannel-vxlan], mss: [as_shipped, equal]}"
)
LONG = LONG.replace("mss: both\n", "baseline: {mode: host}\n")
NODES = SHORT.replace("modes: [host, flannel-vxlan]", "factors: {mode: [host, flannel-vxlan], nodes: [3, 5]}")


def test_the_long_form_and_the_shorthand_are_one_study():
    short, long = study.parse(SHORT), study.parse(LONG)
    assert long == short
    assert long.digest == short.digest
    assert long.plan().hash == short.plan().hash
    assert list(short.factors) == ["mode", "mss"]


def test_a_study_with_another_factor_is_written_and_read_again():
    made = study.parse(NODES + "baseline: {mode: host, nodes: 3}\n")
    assert study.parse(made.to_yaml()) == made
    assert made.control == Treatment({"mode": "host", "nodes": 3})
    assert made.treatments[-1] == Treatment({"nodes": 3, "mode": "host"}, twin=True)
    assert len(made.treatments) == 5
    assert made.varying == ("mode", "nodes", "mss")
    assert set(made.plan().frame()) >= {"treatment", "twin", "mode", "nodes", "mss"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NODES, r"s:\d+: baseline: nodes varies: say at which level the baseline is, \{mode: …, nodes: …\}"),
        (NODES + "baseline: {mode: host, nodes: 4}\n", r"s:9: baseline\.nodes: 4 is not among \[3, 5\]"),
        (NODES.replace("nodes: [3", "nodes: [2"), r"s:2: factors\.nodes: 2; it must be a whole number from 3 to 250"),
        (NODES.replace("nodes:", "node:"), r"s:2: factors\.node: unknown factor 'node'.*Did you mean 'nodes'"),
        (LONG.replace("equal]", "equal, huge]"), r"s:2: factors\.mss: .*"),
        (SHORT + "factors: {mode: [host]}\n", r"s:2: modes: is told twice: here and in factors\.mode"),
        (LONG.replace("flannel-vxlan", "flanel-vxlan"), r"s:2: factors\.mode: unknown mode 'flanel-vxlan'"),
        (SHORT.replace("duration_s: 1}\n  -", "options: {lenght: 1400}}\n  -"),
         r"s:4: tests\.0\.options\.lenght: iperf3 takes no option 'lenght' for tcp_stream; it takes: length, window"),
        (SHORT.replace("duration_s: 1}\n  -", "options: {length: big}}\n  -"), r"s:4: tests\.0\.options\.length: 'big'; it must be"),
        (SHORT.replace("tool: netperf,", "tool: netperf, streams: 8,"), r"s:5: tests\.1\.streams: 8: netperf cannot do this for tcp_rr"),
        (SHORT.replace("tool: netperf,", "tool: netperf, omit_s: 1,"), r"s:5: tests\.1\.omit_s: 1\.0: netperf cannot do this"),
        (SHORT.replace("goodput_bps", "goodput"), r"s:6: primary\.metric: unknown metric 'goodput'.*Did you mean 'goodput_bps'"),
        (SHORT.replace("tcp_stream, tool: iperf3", "tcp_stream_8, tool: iperf3"), r"s:4: tests\.0\.kind: .*has no kind 'tcp_stream_8'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_its_line(text, words):
    with pytest.raises(StudyError, match=words) as caught:
        study.parse(text, name="s")
    assert len(str(caught.value).splitlines()) == 1


def test_a_study_that_was_run_is_read_as_it_was():
    typo = SHORT.replace("duration_s: 1}\n  -", "options: {lenght: '1400'}}\n  -")
    assert study.parse(typo, recorded=True).tests[0].options == {"lenght": "1400"}


def test_numbers_are_options_as_they_are_printed():
    made = study.parse(SHORT.replace("duration_s: 1}\n  -", "options: {length: 1400}}\n  -"))
    assert made.tests[0].options == {"length": "1400"}


def test_a_treatment_is_a_value():
    one = Treatment({"mode": "host", "nodes": 3})
    assert one == Treatment({"nodes": 3, "mode": "host"})
    assert hash(one) == hash(Treatment({"nodes": 3, "mode": "host"}))
    assert pickle.loads(pickle.dumps(one)) == one
    assert Treatment.from_dict(one.to_dict()) == one
    with pytest.raises(TypeError):
        one.levels["mode"] = "other"


def test_a_run_of_schema_1_opens_with_its_study_its_plan_and_its_hash():
    run = Run.open("data/sample")
    assert run.study.digest == run.manifest["study_hash"]
    assert {t.trial_id: (t.treatment, t.test) for t in run.plan.trials} == {
        m["trial_id"]: (Treatment.from_dict(m["treatment"]), m["test"]) for m in run.metas
    }
    assert sorted(run.trials["twin"].unique()) == [False, True]
    assert set(run.trials["mode"]) == set(run.study.modes)
