"""Published figures are data with conditions; they stand beside the study's ratios and decide nothing."""

import re

import pytest

from cnilab import published
from cnilab.errors import DataError
from cnilab.modes import MODES
from cnilab.stats.metrics import METRICS

HEAD = "source,year,mode,against,placement,metric,stat,streams,value,against_value,ratio,unit,conditions\n"


def test_every_figure_says_what_where_by_whom_and_under_which_conditions():
    assert len(published.figures()) >= 30
    for f in published.figures():
        assert f.mode in MODES
        assert f.metric in METRICS
        assert f.against in (None, *MODES)
        assert len(f.conditions) > 10
        assert f.source
        assert f.year is None or 2012 < f.year < 2027
        assert f.ratio is None or 0 < f.ratio < 10
        assert not re.search(r"https?:|\.(org|io|com|net)\b", f.source + f.conditions)
        if f.value is not None and f.against_value is not None:
            assert f.ratio == f.value / f.against_value


def test_a_ratio_is_published_only_against_the_same_mode_and_number_of_streams():
    one = published.beside("goodput_bps", "value", against="host", streams=1, modes=["flannel-vxlan"])
    assert {f.mode for f in one} == {"flannel-vxlan"}
    assert (min(f.ratio for f in one), max(f.ratio for f in one)) == (pytest.approx(0.139, abs=0.001), 0.995)
    eight = published.beside("goodput_bps", "value", against="host", streams=8, modes=["flannel-vxlan"])
    assert [round(f.ratio, 2) for f in eight] == [0.98]
    assert published.beside("goodput_bps", "value", against="calico-ipip") == []
    assert all(f.against == "flannel-host-gw" for f in published.beside("request_rate_per_s", "value", against="flannel-host-gw"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,2024,flannel-vxln,host,same_subnet,goodput_bps,value,1,1,2,,bit/s,c", r"modes.csv:2: mode \['flannel-vxln'\]"),
        ("a,2024,flannel-vxlan,host,same_subnet,goodput_bps,value,1,,,,bit/s,c", "modes.csv:2: neither value nor ratio"),
        ("a,2024,flannel-vxlan,host,same_subnet,goodput_bps,value,1,1,2,,bit/s,", "names a mode, conditions and source"),
    ],
)
def test_a_line_that_says_too_little_is_told(tmp_path, monkeypatch, line, words):
    file = tmp_path / "modes.csv"
    file.write_text(HEAD + line + "\n", encoding="utf-8")
    monkeypatch.setattr(published, "bundled", lambda name: file)
    published.figures.cache_clear()
    try:
        with pytest.raises(DataError, match=words):
            published.figures()
    finally:
        published.figures.cache_clear()
