"""A difference hidden in one deployment's settings is told as exactly that; what a mode is made of is not."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cnilab.facts import Fact
from cnilab.findings.offloads import settings_differ
from cnilab.modes import MODES
from cnilab.report.language import tell
from cnilab.runs.run import Run

DEVICE = {"offloads": {"tso": True, "gro": False}, "rps_cpus": ["0"]}
END = {"congestion_control": "cubic", "tcp_rmem": [4096, 131072, 6291456], "cpus_allowed": "0-1", **DEVICE}
CONDITIONS = {
    "placements": {p: {"client": END, "server": END} for p in ("same_subnet", "cross_subnet")},
    "nodes": {n: {"underlay": DEVICE, "tunnel": None} for n in ("n1", "n2")},
}


def deployment(mode, *changes):
    """A proof of ``mode`` whose conditions are the plain ones but for ``((path, …), value)``."""
    told = json.loads(json.dumps(CONDITIONS))
    for path, value in changes:
        at = told
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return {"mode": mode, "evidence": {"path": "pod_to_pod", "conditions": told}}


def told(*proofs):
    proofs = {str(i): proof for i, proof in enumerate(proofs)}
    return list(settings_differ(SimpleNamespace(proofs=proofs)))


PLAIN = deployment("host"), deployment("flannel-vxlan")
SAME, CROSS = (("placements", p) for p in ("same_subnet", "cross_subnet"))


def test_alike_is_silent():
    assert told(*PLAIN, deployment("calico-ipip")) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*SAME, "client", "offloads", "tso"), False, "tso of the pod's device was off at the client (same_subnet)"),
        ((*CROSS, "server", "offloads", "gro"), True, "gro of the pod's device was on at the server (cross_subnet)"),
        ((*SAME, "server", "rps_cpus"), ["3"], "rps_cpus of the pod's device was 3 at the server (same_subnet)"),
        ((*SAME, "client", "congestion_control"), "reno", "congestion_control was reno at the client"),
        ((*SAME, "client", "tcp_rmem"), [4096, 1, 2], "tcp_rmem was 4096 1 2 at the client"),
        ((*CROSS, "server", "cpus_allowed"), "1", "cpus_allowed was 1 at the server (cross_subnet)"),
        (("nodes", "n2", "underlay", "offloads", "tso"), False, "tso of the underlay device was off at n2, elsewhere on"),
    ],
)  # fmt: skip
def test_one_difference_is_one_row(path, value, said):
    (row,) = told(*PLAIN, deployment("calico-ipip", (path, value)))
    assert (row["severity"], row["mode"], row["value"]) == ("warning", "calico-ipip", 1)
    assert tell(Fact.from_json(row["fact"])).startswith(said)


def test_one_pod_in_two_placements_is_one_row():
    off = [((*p, "client", "offloads", "tso"), False) for p in (SAME, CROSS)]
    (row,) = told(*PLAIN, deployment("calico-ipip", *off), deployment("calico-ipip"))
    assert "at the client (same_subnet, cross_subnet), elsewhere on (in 1 of the mode's 2" in tell(
        Fact.from_json(row["fact"])
    )


def test_a_tunnel_and_a_node_that_is_always_so_are_no_difference():
    tunnel = (("nodes", "n1", "tunnel"), {"offloads": {"tso": False}, "rps_cpus": ["3"]})
    assert told(*PLAIN, deployment("calico-vxlan", tunnel)) == []
    n2 = (("nodes", "n2", "underlay", "offloads", "tso"), False)
    assert told(*[deployment(mode, n2) for mode in ("host", "flannel-vxlan", "calico-ipip")]) == []


def test_without_pods_the_ends_device_is_the_underlay_and_told_once():
    off = [((*SAME, end, "offloads", "tso"), False) for end in ("client", "server")]
    assert told(*PLAIN, deployment("host", *off)) == []


@pytest.mark.parametrize("evidence", [{}, None, {"conditions": None}])
def test_what_was_not_recorded_says_so(evidence):
    (row,) = told(*PLAIN, {"mode": "calico-vxlan", "evidence": evidence})
    assert row["severity"] == "info"
    assert "were not recorded in 1 of 3 deployments" in tell(Fact.from_json(row["fact"]))


def test_an_end_that_could_not_be_read_is_no_difference():
    assert told(*PLAIN, deployment("calico-ipip", ((*SAME, "client"), None))) == []


@pytest.mark.lab
def test_the_lab_reads_each_namespace_own_devices(lab_of):
    lab = lab_of("flannel-vxlan")
    seen = lab.evidence(["same_subnet"])["conditions"]
    ends, nodes = seen["placements"]["same_subnet"], seen["nodes"]
    assert set(ends["client"]["offloads"]) == {"tso", "gso", "gro", "tx_checksum", "rx_checksum"}
    assert set(nodes) == {"n1", "n2"}
    assert nodes["n1"]["tunnel"]["offloads"] is not None
    tcp = lab.sh("p1", "cat /proc/sys/net/ipv4/tcp_rmem")
    assert ends["client"]["tcp_rmem"] == [int(x) for x in tcp.split()]
    # the queues are the pod's own and not the machine's, which a /sys from outside would show
    lab.sh(
        "p2",
        "unshare --mount sh -c 'mount -t sysfs none /sys; echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus'",
    )
    try:
        again = lab.evidence(["same_subnet"])["conditions"]["placements"]["same_subnet"]
    finally:
        lab.sh(
            "p2",
            "unshare --mount sh -c 'mount -t sysfs none /sys; echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus'",
        )
    assert (again["server"]["rps_cpus"], again["client"]["rps_cpus"]) == (["1"], ["0"])


@pytest.mark.lab
def test_a_pod_with_an_offload_of_its_own_is_found_by_a_real_run(tmp_path, monkeypatch):
    from cnilab import findings
    from cnilab.cli import app
    from cnilab.testbeds.lab.testbed import LabTestbed

    deploy = LabTestbed.deploy

    def tampered(self, treatment):
        made = deploy(self, treatment)
        if treatment.mode == "flannel-host-gw":
            made.lab.sh("p2", "ethtool -K eth0 gro on")
        return made

    monkeypatch.setattr(LabTestbed, "deploy", tampered)
    study = tmp_path / "s.yaml"
    study.write_text(
        "name: odd\nmodes: [host, flannel-vxlan, flannel-host-gw, calico-wireguard]\nplacements: [same_subnet]\n"
        "tests: [{name: tcp_stream, tool: iperf3, duration_s: 1}]\naa: false\nblocks: 1\n"
        "primary: {test: tcp_stream, metric: goodput_bps}\n"
    )
    done = CliRunner().invoke(app, ["run", str(study), "-o", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    frame = findings.check(Run.open(tmp_path / "run"))
    rows = frame[frame["code"] == "settings_differ"]
    assert list(zip(rows["severity"], rows["mode"])) == [("warning", "flannel-host-gw")]
    assert tell(Fact.from_json(rows["fact"].iloc[0])).startswith(
        "gro of the pod's device was on at the server (same_subnet), elsewhere off (in 1 of the mode's 1 deployments)"
    )


def test_every_mode_can_be_compared():
    assert told(*(deployment(mode) for mode in MODES)) == []
