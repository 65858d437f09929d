"""One address, several servers: kube-proxy's rules for N endpoints, where they stand, and who answers."""

import re

import pytest

from cnilab import execute, study
from cnilab.errors import StudyError
from cnilab.testbeds.lab import rules
from cnilab.testbeds.lab.topology import Topology

TEXT = """\
name: many
path: pod_to_service
factors: {{mode: [host, {mode}], replicas: [1, 4], spread: [{spread}]}}
baseline: {{mode: host, replicas: 1}}
placements: [same_subnet]
tests:
  - {{name: fresh, tool: pacer, kind: http_rate, streams: 8, duration_s: 0.5, options: {{connection: new, offered_per_s: 200}}}}
primary: {{test: fresh, metric: latency_s, stat: p50}}
blocks: 1
aa: false
"""


def test_each_endpoint_is_taken_as_often_as_every_other():
    """The probabilities as kube-proxy writes them: 1/4, 1/3 of the rest, 1/2 of that, and always."""
    pods = [f"10.244.2.{n}" for n in range(2, 6)]
    text = rules.service([("10.96.0.78", pods)], [("tcp", 8080), ("tcp", 5201)], balanced=[8080])
    http = [
        line for line in text.splitlines() if line.startswith("-A KUBE-SVC-LAB0000 ") and "MASQ" not in line
    ]
    assert [re.findall(r"--probability (\S+)", line) for line in http] == [
        ["0.2500000000"],
        ["0.3333333333"],
        ["0.5000000000"],
        [],
    ]
    left, taken = 1.0, []
    for line in http:
        chance = float((re.findall(r"--probability (\S+)", line) or ["1"])[0])
        taken.append(left * chance)
        left *= 1 - chance
    assert taken == pytest.approx([0.25] * 4, abs=1e-9)
    assert [f"--to-destination {pod}:8080" in text for pod in pods] == [True] * 4
    # A program with a control and a data connection needs one and the same server.
    assert [f"--to-destination {pod}:5201" in text for pod in pods] == [True, False, False, False]


@pytest.mark.parametrize("placement", ["same_node", "same_subnet", "cross_subnet"])
def test_replicas_stand_on_one_node_or_on_the_nodes_in_turn_and_never_in_the_clients_pod(placement):
    topology = Topology(pods=4)
    for spread in (False, True):
        found = topology.replicas(placement, 4, spread=spread)
        assert found[0] == topology.server_pod(placement)
        assert len(set(found)) == 4
        assert topology.node_list[0].pods[0] not in found
        assert len({pod.node for pod in found}) == (3 if spread else 1)
    with pytest.raises(ValueError, match="9 replicas: the lab has 4 pods"):
        topology.replicas(placement, 9)


def test_replicas_without_a_service_are_refused():
    text = TEXT.format(mode="flannel-vxlan", spread="one_node").replace("path: pod_to_service\n", "")
    with pytest.raises(StudyError, match=r"s:2: factors\.replicas: they stand behind a Service"):
        study.parse(text, name="s")


@pytest.mark.lab
@pytest.mark.parametrize(
    ("mode", "spread"), [("flannel-vxlan", "every_node"), ("calico-bgp-mesh", "one_node")]
)
def test_every_replica_answers_and_all_requests_are_counted(tmp_path, mode, spread):
    """Host pods stand behind the ClusterIP too, but several of them on one node would need one port."""
    run = execute.run(study.parse(TEXT.format(mode=mode, spread=spread)), tmp_path / "r", progress=False)
    by = run.trials.set_index(["mode", "replicas"])
    assert by["status"].to_dict() == {
        ("host", 1): "ok",
        ("host", 4): "skipped",
        (mode, 1): "ok",
        (mode, 4): "ok",
    }
    assert by.loc[("host", 4), "reason_code"] == "replicas_need_pods"
    [trial] = [
        m["trial_id"]
        for m in run.metas
        if m["treatment"]["levels"] | {"spread": ""} == {"mode": mode, "replicas": 4, "spread": ""}
    ]
    counts = [
        int(re.search(r"requests\s+\d+ \d+ (\d+)", file.read_text())[1])
        for file in (tmp_path / "r/raw" / trial).glob("server*-after.txt")
    ]
    assert len(counts) == 4
    assert min(counts) > 2, "a hundred connections, and none came to one of four"
    assert sum(counts) == 100 + 2 * 4
