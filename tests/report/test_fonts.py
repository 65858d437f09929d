"""A figure is written in glyphs that are there, or in English with a word on what to install."""

import re
import warnings

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from cnilab.modes import MODES
from cnilab.report import chapters, fonts, language, style
from cnilab.report.blocks import Chapter
from cnilab.report.figures import ratios
from cnilab.report.language import LANGUAGES
from cnilab.report.language.zh import Chinese
from cnilab.report.record import Record
from cnilab.setup import packages
from cnilab.verdicts import VERDICTS
from report.rows import row

CHINESE = language.get("zh")
needs_glyphs = pytest.mark.skipif(
    bool(fonts.lacking(CHINESE)), reason=f"no Chinese font here: apt-get install {CHINESE.FONT_PACKAGE}"
)


class Fontless(Chinese):
    """Chinese on a machine that has no font of it."""

    CODE = "zh-fontless"
    FONTS = ("A Family That Nobody Has",)


ROWS = [
    row(placement=place, verdict=verdict, mode=mode)
    for place in ("same_subnet", "cross_subnet")
    for mode, verdict in zip(MODES, VERDICTS)
]


def words_of(figure):
    texts = [t for ax in figure.axes for t in (*ax.texts, ax.title, ax.xaxis.label, *ax.get_xticklabels())]
    texts += [t for ax in figure.axes for t in (ax._left_title, *ax.get_yticklabels())]
    return [t.get_text() for t in texts] + [t.get_text() for x in figure.legends for t in x.get_texts()]


@needs_glyphs
def test_every_glyph_of_a_figure_is_drawn():
    """matplotlib warns of a glyph that it has in no font, and draws a box."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ratios.picture(ROWS, CHINESE).figure(style.PHONE)
        assert style.data_uri(figure, 40)
        assert any("子网" in said for said in words_of(figure))


def test_without_a_font_figures_are_english_and_the_page_says_what_to_install(made_run, monkeypatch):
    monkeypatch.setitem(LANGUAGES, "zh-fontless", Fontless())
    picture = ratios.picture(ROWS, LANGUAGES["zh-fontless"])
    said = words_of(picture.figure())
    assert "Across subnets" in said
    assert not re.search("[\u4e00-\u9fff]", "".join(said)), said
    assert "跨子网" in picture.alt, "what a reader's own fonts write stays in the language"
    notice = next(chapters.report(Record(made_run), LANGUAGES["zh-fontless"]))
    assert notice.role == "notice"
    assert "<code>apt-get install fonts-wqy-microhei</code>" in notice._repr_html_()
    assert "英文" in str(notice.text)


def test_a_language_whose_glyphs_are_here_says_nothing(made_run):
    assert isinstance(next(chapters.report(Record(made_run), language.get("en"))), Chapter)


def test_the_package_that_a_language_names_is_one_of_set_up():
    known = {name for row in packages() if row.set == "lab" for name in row.names}
    assert {spoken.FONT_PACKAGE for spoken in LANGUAGES.values()} - {""} <= known


@needs_glyphs
def test_a_font_that_was_installed_after_matplotlib_made_its_list_is_found(monkeypatch):
    manager = font_manager.fontManager
    files = {x.fname for x in manager.ttflist if x.name in CHINESE.FONTS}
    monkeypatch.setattr(manager, "ttflist", [x for x in manager.ttflist if x.fname not in files])
    for memory in (fonts._lacking, fonts._file, fonts._look_again):
        monkeypatch.setattr(fonts, memory.__name__, memory.__wrapped__)
    assert not fonts.lacking(CHINESE)


def test_words_of_the_figures_are_all_looked_up():
    """A character that stands in a figure and not among those looked up would come out as a box."""
    assert {"跨", "倍", "%"} < CHINESE.characters()
    assert not fonts.lacking(language.get("en")), "English needs nothing but matplotlib's own font"
    assert isinstance(style.drawn(lambda style, language: Figure(), style.LIGHT, CHINESE), Figure)
