"""The diagram of a packet's way says what was recorded, in order, and nothing where nothing was."""

import json
import re

import pytest

from cnilab.report import chapters, language
from cnilab.report.chapters import path
from cnilab.report.record import Record

from . import runs

ENGLISH = language.get("en")


def hop(namespace, device, length, carrier="none"):
    return {"namespace": namespace, "device": device, "length": length, "carrier": carrier}


VXLAN = {
    "mode": "flannel-vxlan",
    "length": 1000,
    "rows": [
        hop("p1", "eth0", 1000),
        hop("n1", "flannel.1", 1000),
        hop("n1", "eth0", 1050, "vxlan"),
        hop("switch", "v-n1", 1050, "vxlan"),
        hop("n2", "eth0", 1050, "vxlan"),
        hop("n2", "flannel.1", 1000),
        hop("p2", "eth0", 1000),
    ],
}


@pytest.fixture
def run(tmp_path):
    run = runs.make(tmp_path / "run", study={"blocks": 1})
    for file in (run.path / "proof").glob("*.json"):
        proof = json.loads(file.read_text())
        if proof["rows"][0]["mode"] == "flannel-vxlan":
            proof["evidence"]["trails"] = {"same_subnet": VXLAN}
            file.write_text(json.dumps(proof))
    return run


def test_headers_are_put_on_and_taken_off_where_they_were_seen():
    said, stops = path.stops(VXLAN, ENGLISH)
    assert [(s.where, s.device, s.length, s.change) for s in stops] == [
        ("p1", "eth0", "1000 B", ""),
        ("n1", "flannel.1", "1000 B", ""),
        ("n1", "eth0", "1050 B", "+50 B VXLAN"),
        ("n2", "eth0", "1050 B", ""),
        ("n2", "flannel.1", "1000 B", "−50 B VXLAN"),
        ("p2", "eth0", "1000 B", ""),
    ]
    assert said.index("50 B of VXLAN added; n1 eth0 1050 B") < said.index(
        "50 B of VXLAN removed; n2 flannel.1"
    )


def test_the_report_shows_what_the_run_recorded(run):
    html = chapters.show("path", Record(run), ENGLISH)._repr_html_()
    assert re.findall(r'<figure id="(trail-[^"]*)"', html) == ["trail-same-subnet"]
    assert html.count('class="hop wrapped"') == 2
    assert re.findall(r'class="change">([^<]*)<', html) == ["+50 B VXLAN", "−50 B VXLAN"]
    assert 'aria-label="flannel-vxlan: p1 eth0 1000 B; n1 flannel.1 1000 B; 50 B of VXLAN added;' in html


def test_a_run_without_trails_has_no_diagram(tmp_path):
    record = Record(runs.make(tmp_path / "old", study={"blocks": 1}))
    assert path.applies(record).code == "no_paths"
