"""A language and a chapter are each added by one registration, through the public seams alone."""

import pytest
from bs4 import BeautifulSoup

from cnilab.errors import UnknownKey
from cnilab.facts import Fact
from cnilab.report import chapters, language, pipeline, style
from cnilab.report.blocks import Findings, Heading, Paragraph, table
from cnilab.report.figures import ratios
from cnilab.report.language.en import English
from cnilab.report.language.text import Name, text
from cnilab.report.record import Record
from cnilab.runs.run import Run
from report.pages import page_of


@pytest.fixture(scope="module", autouse=True)
def _no_drawing():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "data_uri", lambda figure, dpi: "data:image/png;base64,")
        yield


@pytest.fixture(scope="module")
def recorded():
    return Run.open(pipeline.SAMPLE)


class Shouted(English):
    """A toy language: the words of the dictionary in capitals, another order in a verdict's sentence."""

    CODE = "en-shout"
    FONTS = ("DejaVu Serif",)

    def fill(self, template, **holes):
        return text(*(p if isinstance(p, Name) else str(p).upper() for p in super().fill(template, **holes)))

    def finding(self, row, several=False):
        return text(self.mode(row["baseline"]), " WAS SURPASSED BY, OR SURPASSED")


class Neighbours:
    """A toy chapter: who was measured beside whom."""

    def applies(self, run):
        return (
            None
            if list(run.study.placements) == ["same_subnet", "cross_subnet"]
            else Fact("nothing_compared")
        )

    def content(self, run, language):
        modes = [language.mode(m) for m in run.study.modes]
        return [
            Heading("Who was measured?", "who"),
            Findings(
                "here", (("i", text("beside ", modes[0], " stood ", language.listing(modes[1:]), ".")),)
            ),
            table("who-table", "Modes", ["mode", "length"], [(str(m), str(len(str(m)))) for m in modes]),
            Paragraph("That is <all>."),
        ]


def test_a_language_is_one_registration(recorded, monkeypatch):
    monkeypatch.setitem(language.LANGUAGES, "en-shout", Shouted())
    page = BeautifulSoup(page_of(recorded, language="en-shout"), "html.parser")
    assert page.html["lang"] == "en-shout"
    assert page.title.get_text().startswith("WHAT EACH CNI MODE COSTS: ")
    assert page.nav.h2.get_text() == "ON THIS PAGE"
    assert page.find(id="limits").get_text() == "LIMITS AND WARNINGS"
    said = page.find(id="q-goodput-bps-value-tcp-stream").find_next(class_="findings").li
    assert [m.get_text() for m in said.find_all(class_="mode")] == ["flannel-vxlan", "host"]
    assert "WAS SURPASSED BY" in said.get_text()
    assert page.find(id="answer-table").th.get_text() == "MODE"
    assert page.find(id="warnings").find("td", string="THE WHOLE RUN")


def test_a_chapter_is_one_registration(recorded, monkeypatch):
    before = BeautifulSoup(page_of(recorded), "html.parser")
    monkeypatch.setitem(chapters.CHAPTERS, "neighbours", Neighbours())
    page = BeautifulSoup(page_of(recorded), "html.parser")
    assert page.find(id="who").get_text() == "Who was measured?"
    assert page.nav.find_all("a")[-1]["href"] == "#who"
    assert len(page.nav.find_all("a")) == len(before.nav.find_all("a")) + 1
    assert [m.get_text() for m in page.find_all(class_="findings")[-1].find_all(class_="mode")][:2] == [
        "host",
        "flannel-vxlan",
    ]
    assert page.find(id="who-table").find("th", scope="row").get_text() == "host"
    assert page.find_all("p")[-1].get_text() == "That is <all>."
    assert all(x.get_text() in page.get_text() for x in before.find_all("h2"))


def test_a_chapter_that_has_nothing_to_say_is_left_out(made_run, monkeypatch):
    class Silent(Neighbours):
        def applies(self, run):
            return Fact("no_paths")

    monkeypatch.setitem(chapters.CHAPTERS, "neighbours", Silent())
    assert 'id="who"' not in page_of(made_run)
    why = chapters.show("neighbours", Record(made_run), language.get("en"))
    assert repr(why) == "no packet's path was recorded in this run."


def test_an_unknown_language_names_the_known_ones(made_run):
    with pytest.raises(UnknownKey, match=r"unknown language 'eng'\. Did you mean 'en'\? Known: en"):
        pipeline.render(made_run.path, language="eng")


def test_a_figure_is_written_in_the_fonts_of_its_language(made_run):
    record = Record(made_run)
    for spoken, family in ((Shouted(), "DejaVu Serif"), (language.get("en"), "sans-serif")):
        ax = ratios.picture(record.primary, spoken).figure().axes[1]
        assert {text.get_fontfamily()[0] for text in ax.texts} == {family}
