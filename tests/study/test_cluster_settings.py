"""Settings of a run on a cluster: the study's, the environment's, the command line's, the last one winning."""

import pytest

from cnilab import study
from cnilab.errors import StudyError
from cnilab.study.cluster_settings import PREFIX, ClusterSettings, settle

TEXT = """
name: s
testbed: kubernetes
modes: [host, flannel-vxlan]
tests: [{name: tcp_stream, tool: iperf3}]
primary: {test: tcp_stream, metric: goodput_bps}
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ClusterSettings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_the_last_word_wins(monkeypatch):
    told = study.parse(TEXT + "cluster: {image: a, context: one, may_switch: true}\n").cluster
    assert settle(told).image == "a"
    monkeypatch.setenv(PREFIX + "IMAGE", "b")
    monkeypatch.setenv(PREFIX + "SUBNETS", "10.0.0.0/16,10.1.0.0/16")
    found = settle(told, context="two", image=None)
    assert (found.image, found.context, found.may_switch) == ("b", "two", True)
    assert found.subnets == ("10.0.0.0/16", "10.1.0.0/16")
    assert settle(told, image="c").image == "c"


def test_switching_is_off_until_asked_for():
    assert settle().may_switch is False


def test_wrong_settings_are_one_sentence(monkeypatch):
    with pytest.raises(StudyError, match=r"cluster.lifetime_s = 3: .*greater than or equal to 60"):
        settle(lifetime_s=3)
    monkeypatch.setenv(PREFIX + "IMGE", "x")
    with pytest.raises(
        StudyError, match=r"CNILAB_KUBE_IMGE: no such setting; known: kubeconfig, context, image"
    ):
        settle()
    with pytest.raises(StudyError, match=r"cluster.*'imge'.*Did you mean 'image'"):
        study.parse(TEXT + "cluster: {imge: x}\n")


def test_settings_reach_a_notebook_in_the_study_and_the_environment_does_not_change_them_there(monkeypatch):
    monkeypatch.setenv("CNILAB_KUBE_IMAGE", "theirs")
    monkeypatch.setenv("CNILAB_KUBE_SUBNETS", "10.0.0.0/8")
    settled = settle(image="x", may_switch=True, context=None)
    told = study.parse(TEXT).model_copy(update={"cluster": settled}).to_yaml()
    found = settle(study.parse(told).cluster)
    assert (found.image, found.may_switch, found.subnets, found.context) == ("x", True, ("10.0.0.0/8",), "")


def test_a_study_is_the_same_study_whatever_cluster_it_runs_on():
    plain = study.parse(TEXT)
    there = study.parse(TEXT + "cluster: {image: x, kubeconfig: /home/me/config}\n")
    assert plain.cluster is None
    assert plain.digest == there.digest
    assert there.digest != study.parse(TEXT + "cluster: {image: x}\nmargin: 0.07\n").digest


def test_a_run_keeps_what_was_measured_not_how_the_cluster_was_reached():
    kept = study.parse(TEXT + "cluster: {image: x, kubeconfig: /home/me/config}\n").to_yaml(access=False)
    assert "/home/me" not in kept
    assert study.parse(kept).cluster.image == "x"
