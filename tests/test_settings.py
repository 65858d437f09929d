"""A difference hidden in one deployment's settings is told as exactly that; what a mode is made of is not."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cnilab.archive import RunDir
from cnilab.quality.settings import settings_differ

PLAIN = {"devices": {"eth0": {"tcp-segmentation-offload": "on", "rps_cpus.rx-0": "0"}},
         "values": {"ipv4.tcp_congestion_control": "cubic", "cpus_allowed": "0-1"}}  # fmt: skip


def deployment(mode, *places, **changed):
    """A proof of ``mode`` whose settings are the plain ones but for ``where={(device, name): value}``."""
    settings = {}
    for place in places:
        found = json.loads(json.dumps(PLAIN))
        for (device, name), value in changed.get(place, {}).items():
            (found["devices"].setdefault(device, {}) if device else found["values"])[name] = value
        settings[place] = found
    return {"mode": mode, "evidence": {"settings": settings}}


def told(*proofs):
    proofs = {str(i): proof for i, proof in enumerate(proofs)}
    return list(settings_differ(SimpleNamespace(run=SimpleNamespace(proofs=lambda: proofs))))


ENDS = ("n1", "n2", "p1", "p2")


def test_alike_is_silent_and_so_is_what_was_not_recorded():
    alike = [
        deployment("host", "n1", "n2"),
        deployment("flannel-vxlan", *ENDS),
        deployment("calico-ipip", *ENDS),
    ]
    assert told(*alike) == []
    assert told(*alike, {"mode": "calico-vxlan", "evidence": {}}) == []
    assert told(*alike, {"mode": "calico-vxlan", "evidence": {"settings": {"p1": None}}}) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (("eth0", "tcp-segmentation-offload"), "off"),
        (("eth0", "rps_cpus.rx-0"), "3"),
        (("", "ipv4.tcp_congestion_control"), "reno"),
        (("", "cpus_allowed"), "1"),
    ],
)
@pytest.mark.parametrize("place", ENDS)
def test_one_difference_is_one_row(setting, value, place):
    odd = deployment("calico-ipip", *ENDS, **{place: {setting: value}})
    (row,) = told(deployment("host", "n1", "n2"), deployment("flannel-vxlan", *ENDS), odd)
    assert (row["severity"], row["mode"], row["value"]) == ("warning", "calico-ipip", 1)
    assert setting[1] in row["text"]
    assert f"in {place} was {value!r}" in row["text"]


def test_both_pods_of_a_mode_share_a_row_and_a_tunnel_is_its_modes_own():
    odd = {("", "ipv4.tcp_congestion_control"): "reno"}
    tunnel = {("flannel.1", "tcp-segmentation-offload"): "off"}
    rows = told(
        *[deployment("flannel-vxlan", *ENDS, n1=tunnel)] * 2,
        deployment("flannel-vxlan", *ENDS),
        *[deployment("calico-ipip", *ENDS, p1=odd, p2=odd)] * 2,
        deployment("calico-vxlan", *ENDS),
    )
    assert [(r["mode"], r["value"]) for r in rows] == [("calico-ipip", 2)]
    assert "in p1, p2 was 'reno'" in rows[0]["text"]


@pytest.mark.lab
def test_a_pod_with_an_offload_off_is_found_by_a_real_run(tmp_path, monkeypatch):
    from cnilab import quality
    from cnilab.cli import app
    from cnilab.testbeds.lab.testbed import LabTestbed

    deploy = LabTestbed.deploy

    def tampered(self, mode):
        made = deploy(self, mode)
        if mode == "flannel-host-gw":
            made.lab.sh("p2", "ethtool -K eth0 tso off")
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
    frame = quality.check(RunDir.open(tmp_path / "run"))
    rows = frame[frame["code"] == "settings_differ"]
    assert list(rows["mode"]) == ["flannel-host-gw"]
    assert rows["text"].iloc[0].startswith("tcp-segmentation-offload of eth0 in p2 was 'off', elsewhere 'on'")
