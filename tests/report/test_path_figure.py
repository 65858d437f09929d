"""One packet's way as a picture of its own: a bar a device, headers on top where there are some."""

import pytest
from matplotlib.patches import Rectangle
from typer.testing import CliRunner

from cnilab.cli import app
from cnilab.errors import WriteError
from cnilab.report import language
from cnilab.report.figures import path as way
from cnilab.report.style import LIGHT

ENGLISH = language.get("en")


def hop(place, device, length=1000, carrier="none"):
    return {"namespace": place, "device": device, "length": length, "carrier": carrier, "ttl": 64}


TRAIL = {
    "mode": "flannel-vxlan",
    "kernel_path": "native",
    "client": "p1",
    "server": "p2",
    "length": 1000,
    "result": "arrived",
    "rows": [
        hop("p1", "eth0"),
        hop("n1", "flannel.1"),
        hop("n1", "eth0", 1050, "vxlan"),
        hop("switch", "v-n1", 1050, "vxlan"),
        hop("n2", "eth0", 1050, "vxlan"),
        hop("n2", "flannel.1"),
        hop("p2", "eth0"),
    ],
}


def test_headers_go_on_and_come_off_once():
    assert way.wrapped(TRAIL["rows"], 1000) == [(2, "vxlan", 3, 50)]
    assert way.wrapped(TRAIL["rows"][:2], 1000) == []


def test_every_device_but_the_switch_has_its_bar_its_name_and_its_length():
    (ax,) = way.draw(TRAIL, LIGHT, language=ENGLISH).axes
    said = [t.get_text() for t in ax.texts]
    assert (said.count("1000 B"), said.count("1050 B")) == (4, 2)
    assert (said.count("flannel.1"), said.count("v-n1")) == (2, 0)
    assert "+50 B VXLAN" in said
    caps = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_hatch()]
    assert [round(p.get_x() + 0.36) for p in caps] == [2, 3]


def test_a_packet_that_was_lost_says_so():
    lost = {**TRAIL, "result": "unreachable (network is unreachable)", "rows": TRAIL["rows"][:1]}
    (ax,) = way.draw(lost, LIGHT, language=ENGLISH).axes
    assert "unreachable" in ax.get_title(loc="left")


@pytest.mark.parametrize("suffix", way.FORMATS)
def test_the_same_trace_gives_the_same_bytes(tmp_path, suffix):
    one, other = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    way.save(TRAIL, one, ENGLISH)
    way.save(TRAIL, other, ENGLISH)
    assert one.read_bytes() == other.read_bytes()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(WriteError, match=r"cannot write .*nowhere/way.svg: No such file"):
        way.save(TRAIL, tmp_path / "nowhere" / "way.svg", ENGLISH)


def test_another_format_is_refused_before_a_lab_is_built():
    done = CliRunner().invoke(app, ["lab", "trace", "flannel-vxlan", "--figure", "way.bmp"])
    assert done.exit_code == 2
    assert ".svg, .pdf, .png" in done.output
