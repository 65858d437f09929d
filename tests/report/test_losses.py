"""The report parts a loss only where both segment sizes were measured, and claims nothing by it."""

import numpy as np
import pytest

from cnilab.report import losses, narrative
from cnilab.report.record import Record
from cnilab.stats.split import payload_share

from . import runs


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return Record(runs.make(tmp_path_factory.mktemp("loss") / "both", study={"mss": "both"}))


def test_parts_multiply_and_headers_are_the_modes_own(record):
    found = {(x.mode, x.placement): x.parts for x in losses.losses(record)}
    assert {m for m, _ in found} == {"flannel-vxlan", "flannel-host-gw", "calico-ipip", "calico-bgp-mesh"}
    for parts in found.values():
        assert parts.ratio.estimate == pytest.approx(parts.headers * parts.rest.estimate)
    vxlan = found["flannel-vxlan", "same_subnet"]
    assert vxlan.headers == pytest.approx(1398 / 1448)
    assert found["flannel-host-gw", "same_subnet"].headers == 1
    # the made-up run draws both segment sizes from one truth, in the same blocks
    assert vxlan.segments.low < 1 < vxlan.segments.high
    assert vxlan.equal.estimate == pytest.approx(runs.TRUE["flannel-vxlan"], rel=0.03)


def test_a_mode_that_does_not_cross_has_no_line_there(record):
    assert not [
        x for x in losses.losses(record) if (x.mode, x.placement) == ("flannel-host-gw", "cross_subnet")
    ]


def test_direct_routing_has_the_small_mtu_but_no_header_near(tmp_path):
    study = {"mss": "both", "modes": ["host", "flannel-vxlan-directrouting"]}
    found = {x.placement: x.parts for x in losses.losses(Record(runs.make(tmp_path / "dr", study=study)))}
    assert found["same_subnet"].headers == pytest.approx(payload_share(1450, 0) / payload_share(1500, 0))
    assert found["cross_subnet"].headers == pytest.approx(payload_share(1450, 50) / payload_share(1500, 0))


def test_the_page_shows_it_and_says_that_it_is_no_verdict(record):
    html = narrative.loss(record).html
    assert 'id="loss"' in html
    assert 'id="fig-loss"' in html
    assert "Exploratory" in html
    assert "0.965" in html
    assert not {"significant", "faster", "slower"} & set(html.split())


def test_nothing_is_shown_where_it_was_not_measured(tmp_path):
    record = Record(runs.make(tmp_path / "shipped"))
    assert losses.losses(record) == []
    assert narrative.loss(record).html == ""


def test_few_blocks_give_no_bounds_but_a_table(tmp_path):
    found = losses.losses(Record(runs.make(tmp_path / "few", study={"mss": "both", "blocks": 3})))
    assert all(np.isinf(x.parts.rest.high) for x in found)
    assert "nan" not in losses.page(found, "host", 0.95)._repr_html_().lower().replace("flannel", "")
    assert losses.picture(found, "host").figure() is not None
