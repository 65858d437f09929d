"""A mode that is lost while it is measured: the proof looks again after the last trial, and its numbers are none."""

import json

import pytest

from cnilab import execute, study
from cnilab.testbeds.base import Spec
from cnilab.testbeds.lab.testbed import LabTestbed

pytestmark = pytest.mark.lab

STUDY = """\
name: lost
modes: [host, flannel-vxlan]
placements: [same_subnet, cross_subnet]
tests:
  - {name: tcp_rr, tool: netperf, duration_s: 0.2}
primary: {test: tcp_rr, metric: transaction_rate_per_s}
blocks: 2
aa: false
"""


class Disturbed(LabTestbed):
    """The lab, in which somebody sets a plain route in the place of a tunnel's after the first proof of block 1."""

    spoilt = False

    def deploy(self, treatment):
        deployment = super().deploy(treatment)
        if treatment.mode == "flannel-vxlan" and not self.spoilt:
            self.spoilt = True
            prove = deployment.prove

            def proved(placements, path):
                answer = prove(placements, path)
                deployment.lab.sh("n1", "ip route replace 10.244.2.0/24 via 192.0.2.12 dev eth0")
                return answer

            deployment.prove = proved
        return deployment


def test_trials_of_a_lost_mode_are_failed_and_measured_again_and_the_others_keep_their_values(tmp_path):
    asked = study.parse(STUDY)
    run = execute.run(asked, tmp_path / "run", progress=False, testbed=Disturbed(Spec.of(asked)))
    assert (run.trials["status"] == "ok").all()
    (lost,) = (run.path / "raw").glob(".*/meta.json")
    meta = json.loads(lost.read_text())
    assert (meta["deployment_id"], meta["placement"]) == (
        next(t.deployment_id for t in run.plan.trials if t.mode == "flannel-vxlan" and t.block == 1),
        "same_subnet",
    )
    assert (meta["status"], meta["reason"]["code"]) == ("failed", "bench_failed.mode_lost")
    assert (lost.parent / "client.out").stat().st_size > 0, "the bytes stay"
