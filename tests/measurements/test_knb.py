"""knb's own report, in the three forms it writes."""

from __future__ import annotations

import pytest
from invariants import read

from cnilab import loading, measurements

TEXT = """\
2031-04-05 06:07:08 [INFO] Starting benchmark
=========================================================
 Benchmark Results
=========================================================
 Name            : own
 Generator       : knb
 Version         : 1.5.0
=========================================================
  Discovered Kernel      : 6.1.0
  Discovered k8s version : v1.30.0
  Idle :
    bandwidth = 0 Mbit/s
    client cpu = total 1.00% (user 1.00%, nice 0.00%, system 0.00%, iowait 0.00%, steal 0.00%)
  Pod to pod :
    TCP :
      bandwidth = 7000 Mbit/s
      client ram =  MB
    UDP :
      bandwidth = 900 Mbit/s
  Pod to Service :
    TCP :
      bandwidth =  Mbit/s
=========================================================
"""
JSON = """\
{
  "metadata": {
    "generator": "knb",
    "version": "1.5.0"
  },
  "data": {
    "idle": {
      "bandwidth": 0,
      "client": {
        "cpu": {
          "total": 1.00,
        }
      }
    },
    "pod2pod": {
      "tcp": {
        "bandwidth": 7000,
      },
      "udp": {
        "bandwidth": 900,
      }
    },
    "pod2svc": {
      "tcp": {
        "bandwidth": ,
      },
    }
  }
}
"""
YAML = """\
metadata:
  generator: "knb"
  version: "1.5.0"
data:
  idle:
    bandwidth: 0
  pod2pod:
    tcp:
      bandwidth: 7000
      client:
        ram: 100
    udp:
      bandwidth: 900
  pod2svc:
    tcp:
      bandwidth:
"""


@pytest.mark.parametrize("text", [TEXT, JSON, YAML], ids=["text", "json", "yaml"])
def test_a_report_is_read_in_each_of_its_forms(text):
    assert measurements.detect(text.encode()) == "knb"
    idle, tcp, udp, failed = read("knb", text.encode())
    assert idle.status == "skipped"
    assert [(r.test, r.labels["path"], r.tool_version) for r in (tcp, udp, failed)] == [
        ("tcp_stream", "pod_to_pod", "1.5.0"),
        ("udp_stream", "pod_to_pod", "1.5.0"),
        ("tcp_stream", "pod_to_service", "1.5.0"),
    ]
    assert [[(s.metric, s.value) for s in r.samples] for r in (tcp, udp)] == [
        [("goodput_bps", 7e9)],
        [("goodput_bps", 9e8)],
    ]
    assert failed.reason == "knb recorded no bandwidth: the test failed"


def test_places_of_a_changed_knb_are_not_taken_for_others():
    text = "Benchmark Results\n Generator : knb\n Discovered k8s version : v1\n  Idle :\n    bandwidth = 0 Mbit/s\n"
    for place, amount in (("Node to node", 9000), ("Pod to host", 800), ("Pod to pod", 70)):
        text += f"  {place} :\n    TCP :\n      bandwidth = {amount} Mbit/s\n"
    _, node, host, pod = measurements.read("knb", text.encode())
    assert [r.samples[0].value for r in (node, host, pod)] == [9000e6, 800e6, 70e6]
    assert node.labels == {"path": "host_to_host"}
    assert (host.test, host.labels) == ("tcp_stream pod to host", {})
    assert pod.labels == {"path": "pod_to_pod"}


def test_two_reports_in_a_file_are_two(tmp_path):
    (tmp_path / "both.txt").write_text(TEXT + TEXT.replace("7000", "7100"))
    loaded = loading.load(tmp_path, progress=False)
    tcp = loaded.samples[(loaded.samples["test"] == "tcp_stream") & (loaded.samples["status"] == "ok")]
    assert list(tcp["value"]) == [7e9, 7.1e9]
