"""The report parts a loss only where both segment sizes were measured, and claims nothing by it."""

import numpy as np
import pytest

from cnilab.report import chapters, language
from cnilab.report.chapters import segment_size
from cnilab.report.figures import segment_size as figure
from cnilab.report.figures.segment_size import Factors
from cnilab.report.record import Record
from cnilab.stats.ratio import Interval
from cnilab.stats.split import Split, payload_share

from . import runs

ENGLISH = language.get("en")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return Record(runs.make(tmp_path_factory.mktemp("loss") / "both", study={"mss": "both"}))


def test_parts_multiply_and_headers_are_the_modes_own(record):
    found = {(x.mode, x.placement): x.parts for x in segment_size.factors(record)}
    assert {m for m, _ in found} == {"flannel-vxlan", "flannel-host-gw", "calico-ipip", "calico-bgp-mesh"}
    for parts in found.values():
        assert parts.ratio.estimate == pytest.approx(parts.segments.estimate * parts.rest.estimate, rel=0.03)
    vxlan = found["flannel-vxlan", "same_subnet"]
    assert vxlan.headers == pytest.approx(1398 / 1448)
    assert found["flannel-host-gw", "same_subnet"].headers == 1
    # the made-up run draws both segment sizes from one truth, in the same blocks
    assert vxlan.segments.low < 1 < vxlan.segments.high
    assert vxlan.rest.estimate == pytest.approx(runs.TRUE["flannel-vxlan"], rel=0.03)


def test_a_mode_that_does_not_cross_has_no_line_there(record):
    assert not [
        x
        for x in segment_size.factors(record)
        if (x.mode, x.placement) == ("flannel-host-gw", "cross_subnet")
    ]


def test_direct_routing_has_the_small_mtu_but_no_header_near(tmp_path):
    study = {"mss": "both", "modes": ["host", "flannel-vxlan-directrouting"]}
    found = {
        x.placement: x.parts for x in segment_size.factors(Record(runs.make(tmp_path / "dr", study=study)))
    }
    assert found["same_subnet"].headers == pytest.approx(payload_share(1450, 0) / payload_share(1500, 0))
    assert found["cross_subnet"].headers == pytest.approx(payload_share(1450, 50) / payload_share(1500, 0))


def test_the_page_shows_it_and_says_that_it_is_no_verdict(record):
    html = chapters.show("segment_size", record, ENGLISH)._repr_html_()
    assert 'id="loss"' in html
    assert 'id="fig-loss"' in html
    assert "Exploratory" in html
    assert "0.965" in html
    assert not {"significant", "faster", "slower"} & set(html.split())
    assert "own segment size: may be none" in html
    assert "the rest: 3" in html


def test_nothing_is_shown_where_it_was_not_measured(tmp_path):
    record = Record(runs.make(tmp_path / "shipped"))
    assert segment_size.factors(record) == []
    assert segment_size.applies(record).code == "no_equal_mss"
    assert not any("segment size" in repr(chapter) for chapter in chapters.report(record, ENGLISH))


def test_few_blocks_give_no_bounds_but_a_table(tmp_path):
    found = segment_size.factors(Record(runs.make(tmp_path / "few", study={"mss": "both", "blocks": 3})))
    assert all(np.isinf(x.parts.rest.high) for x in found)
    assert str(segment_size.sentence(found[0], ENGLISH)).endswith("too few blocks to say.")
    data = segment_size.parts(found, ENGLISH, baseline="host", level=0.95)
    assert "nan" not in data._repr_html_().lower().replace("flannel", "")
    assert figure.picture(found, ENGLISH, baseline="host", data=data).figure().axes


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.65, 0.76, "30\u202f% less (24 to 35\u202f%)"),
        (0.6, 1.0, "may be none"),
        (1.0, 1.1, "may be none"),
        (0.0, np.inf, "too few blocks to say"),
    ],
)
def test_a_sentence_says_no_more_than_its_interval(low, high, said):
    estimate = 1.05 if low == 1.0 else 0.7
    part = Interval(estimate, low, high, 0.95, 9)
    told = Factors("x", "native", "same_subnet", "t", Split(part, part, part, 1.0))
    assert str(segment_size.sentence(told, ENGLISH)).startswith(f"x: own segment size: {said}")
