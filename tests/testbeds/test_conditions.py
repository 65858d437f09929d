"""Settings that drift, taken apart: texts as ethtool and the kernel print them, and what is missing stays missing."""

import subprocess

from cnilab.testbeds import conditions

ETHTOOL = """\
Features for eth0:
rx-checksumming: on
tx-checksumming: on
\ttx-checksum-ipv4: off [fixed]
\ttx-checksum-ip-generic: on
tcp-segmentation-offload: off
\ttx-tcp-segmentation: off
\ttx-tcp-mangleid-segmentation: off
generic-segmentation-offload: off [requested on]
generic-receive-offload: on
large-receive-offload: off [fixed]
"""
SOCKETS = "cubic\n\x1e4096\t131072\t6291456\n\x1e4096\t16384\t4194304\n\x1e212992\n\x1e212992\n\x1eCpus_allowed_list:\t0-1,3\n\x1e"


def test_what_ethtool_prints():
    assert conditions.offloads(ETHTOOL) == {
        "tso": False,
        "gso": False,
        "gro": True,
        "tx_checksum": True,
        "rx_checksum": True,
    }
    assert conditions.offloads("") is None
    assert conditions.offloads("rx-checksumming: on\n") == {"rx_checksum": True}


def test_a_whole_reading():
    found = conditions.parse(f"{SOCKETS}{ETHTOOL}\x1e0\nf\n\x1e\x1e\x1e", ["eth0", "tunl0"])
    assert found == {
        "congestion_control": "cubic",
        "tcp_rmem": [4096, 131072, 6291456],
        "tcp_wmem": [4096, 16384, 4194304],
        "rmem_max": 212992,
        "wmem_max": 212992,
        "cpus_allowed": "0-1,3",
        "devices": {
            "eth0": {"offloads": conditions.offloads(ETHTOOL), "rps_cpus": ["0", "f"]},
            "tunl0": {"offloads": None, "rps_cpus": None},
        },
    }


def test_what_is_missing_is_none_and_never_zero():
    found = conditions.parse("\x1e" * 8, ["eth0"])
    assert {v for k, v in found.items() if k != "devices"} == {None}
    assert found["devices"] == {"eth0": {"offloads": None, "rps_cpus": None}}
    assert conditions.parse("sh: no such file", ["eth0"]) is None
    assert conditions.parse(None, ["eth0"]) is None


def test_the_script_runs_in_a_plain_shell_and_is_silent_about_what_it_cannot_read():
    devices = ["lo", "no such 'device'; exit 7"]
    done = subprocess.run(["sh", "-c", conditions.script(devices)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = conditions.parse(done.stdout, devices)
    assert isinstance(found["congestion_control"], str)
    assert len(found["tcp_rmem"]) == 3
    assert found["devices"]["lo"]["rps_cpus"] is not None
    assert found["devices"][devices[1]] == {"offloads": None, "rps_cpus": None}


def test_a_proof_keeps_ends_and_nodes_apart():
    device = {"offloads": {"tso": True}, "rps_cpus": ["0"]}
    pod = {"congestion_control": "cubic", "devices": {"eth0": device}}
    node = {
        "congestion_control": "bbr",
        "devices": {"ens3": device, "flannel.1": {**device, "rps_cpus": None}},
    }
    told = conditions.gathered(
        {"same_subnet": ("a", "b")},
        {"n1": ("ens3", "flannel.1"), "n2": ("ens3", None)},
        {"a": pod, "n1": node},
    )
    assert told["placements"] == {
        "same_subnet": {"client": {"congestion_control": "cubic", **device}, "server": None}
    }
    assert told["nodes"]["n1"] == {"underlay": device, "tunnel": {**device, "rps_cpus": None}}
    assert told["nodes"]["n2"] == {"underlay": None, "tunnel": None}
