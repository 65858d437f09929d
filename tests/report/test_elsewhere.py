"""Published figures in the report: beside the ratio that they are of, with conditions, and without a judgement."""

import numpy as np

from cnilab import published
from cnilab.report import chapters, language
from cnilab.report.figures import ratios
from cnilab.report.record import Record
from cnilab.report.style import LIGHT
from report import runs

ENGLISH = language.get("en")
PRIMARY = ("goodput_bps", "value", "tcp_stream")


def ticks(figure, panel):
    """Return the horizontal positions of the ticks in one panel."""
    lines = [line for line in figure.axes[panel].lines if line.get_marker() == "|"]
    return sorted(x for line in lines for x in np.asarray(line.get_xdata(), float))


def test_a_tick_a_figure_beside_its_own_mode_and_placement(made_run):
    record = Record(made_run)
    others = published.beside("goodput_bps", "value", against="host", streams=1, modes=made_run.study.modes)
    picture = ratios.picture(record.select(*PRIMARY), ENGLISH, record.block_ratios(*PRIMARY), others)
    figure = picture.figure(LIGHT)
    assert ticks(figure, 0) == sorted(f.ratio for f in others)
    assert ticks(figure, 1) == []  # nobody has published across subnets
    assert "others published" in picture.caption
    assert f"published: {others[0].source}" in repr(picture.data)
    low, high = figure.axes[0].get_xlim()
    assert all(low < f.ratio < high for f in others)


def test_without_published_figures_a_picture_is_as_it_was(made_run):
    record = Record(made_run)
    picture = ratios.picture(record.select(*PRIMARY), ENGLISH, record.block_ratios(*PRIMARY))
    assert ticks(picture.figure(LIGHT), 0) == []
    assert "published" not in picture.caption


def test_the_table_has_conditions_and_this_study_s_ratio_and_no_verdict(made_run):
    chapter = chapters.show("elsewhere", Record(made_run), ENGLISH)
    table = chapter.blocks[-1]
    shown = [f for f in published.figures() if f.mode in made_run.study.modes]
    assert len(table.rows) == len(shown)
    assert {row[4] for row in table.rows} == {f.conditions for f in shown}
    first = table.rows[0]
    assert first[:4] == ("flannel-vxlan", "20\u202fGbit/s", "0.64 of host", first[3])
    row = next(r for r in made_run.comparisons.rows if (r.mode, r.placement, r.metric) == ("flannel-vxlan", "same_subnet", "goodput_bps"))
    assert first[3].startswith(f"{row.ratio:.2f}")
    assert all(isinstance(cell, str) for line in table.rows for cell in line), "a mark would be a judgement"
    gateway = next(line for line in table.rows if line[2].endswith("of flannel-host-gw"))
    assert gateway[3] == "–", "this study compares with host"


def test_nothing_published_is_left_out(tmp_path):
    few = runs.make(tmp_path / "run", study={"modes": ["host", "calico-bgp-rr"], "blocks": 2})
    assert chapters.CHAPTERS["elsewhere"].applies(Record(few)).code == "nothing_published"
