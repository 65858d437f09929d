"""What is drawn is what was found: looked up in the axes, not in pixels."""

import numpy as np
import pytest

from cnilab.report import language, style
from cnilab.report.chapters import limits
from cnilab.report.figures import ratios
from cnilab.report.record import Record
from report import runs

ENGLISH = language.get("en")


@pytest.fixture(scope="module")
def record(made_run):
    return Record(made_run)


@pytest.fixture(scope="module")
def picture(record):
    return ratios_of(record, "goodput_bps", "value", "tcp_stream")


def ratios_of(record, *question):
    return ratios.picture(record.select(*question), ENGLISH, record.block_ratios(*question))


def marks(ax):
    """The estimates: (x, y, marker, hollow)."""
    return [
        (
            float(line.get_xdata()[0]),
            float(line.get_ydata()[0]),
            line.get_marker(),
            line.get_markerfacecolor() != line.get_color(),
        )
        for line in ax.lines
        if line.get_marker() not in ("None", ".", "") and len(line.get_xdata()) == 1
    ]


def test_marks_stand_at_the_estimates_and_lines_span_the_intervals(record, picture):
    ax = picture.figure().axes[0]
    rows = [r for r in record.select("goodput_bps", "value", "tcp_stream") if r["placement"] == "same_subnet"]
    assert [m[0] for m in marks(ax)] == [r["ratio"] for r in rows]
    assert [m[2] for m in marks(ax)] == [style.MARKERS[r["verdict"]] for r in rows]
    spans = [tuple(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2.2]
    assert spans == [(r["shown_low"], r["shown_high"]) for r in rows]


def test_a_substitute_is_hollow_and_named(picture):
    ax = picture.figure().axes[0]
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["flannel-vxlan", "flannel-host-gw", "calico-ipip (eBPF)", "calico-bgp-mesh"]
    assert [m[3] for m in marks(ax)] == [False, False, True, False]
    assert "hollow: substitute" in [t.get_text() for t in picture.figure().legends[0].get_texts()]


def test_a_mode_that_does_not_cross_is_a_word_and_not_a_mark(picture):
    ax = picture.figure().axes[1]
    assert len(marks(ax)) == 2
    assert [t.get_text() for t in ax.texts] == ["does not cross subnets"] * 2


def test_every_block_and_the_margin_are_drawn(record, picture):
    ax = picture.figure().axes[0]
    clouds = [line for line in ax.lines if line.get_marker() == "."]
    assert [len(c.get_xdata()) for c in clouds] == [10] * 4
    band = ax.patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((1 / 1.05, 1.05))


def test_stability_shows_the_baseline_and_its_twin_about_one(record):
    picture = limits.steady(record, ENGLISH)
    ax = picture.figure().axes[0]
    labelled = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert set(labelled) == {"host", "host, again (A/A)"}
    assert np.median(labelled["host"].get_ydata()) == pytest.approx(1, abs=0.01)
    assert len(picture.data.rows) == 20


def test_descriptions_are_computed_and_at_most_two_sentences(record, tmp_path):
    made = [ratios_of(record, *q) for q in record.questions()] + [
        limits.steady(record, ENGLISH),
    ]
    for picture in made:
        assert 1 <= picture.alt.rstrip(".").count(". ") + 1 <= 2, picture.alt
        assert "host" in picture.alt
        assert len(picture.data.rows)
    same = Record(runs.make(tmp_path / "all-same", truth=dict.fromkeys(runs.TRUE, 1.0), study={"blocks": 9}))
    assert ratios_of(same, "goodput_bps", "value", "tcp_stream").alt != made[0].alt


def test_a_picture_is_the_same_twice(picture):
    uri = style.data_uri(picture.figure(style.PHONE), 160)
    assert uri == style.data_uri(picture.figure(style.PHONE), 160)
    assert uri != style.data_uri(picture.figure(style.PHONE_DARK), 160)


@pytest.mark.parametrize(
    "limits", [(0.9, 1.1), (0.6, 1.06), (0.02, 1.1), (0.9, 4.5), (0.0005, 60), (0.98, 1.01)]
)
def test_ticks_hold_the_baseline_and_are_few(limits):
    ticks = style.round_ratios(*limits, room=5)
    assert 1 in ticks
    assert 1 <= len(ticks) <= 5
    assert all(limits[0] <= t <= limits[1] for t in ticks)


def test_band_and_caption_have_the_margin_that_the_comparisons_were_judged_by(made_run):
    """Compared with another margin than the study's, the words said 10 % and the picture 5 %."""
    judged = made_run.compare(margin=0.1, metric="goodput_bps", test="tcp_stream")
    picture = ratios.picture([r for r in judged.rows if r["family"] != "aa"], ENGLISH)
    band = picture.figure().axes[0].patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((1 / 1.1, 1.1))
    assert "the margin of 10\u202f%" in picture.caption
