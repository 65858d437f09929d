"""The page as a reader, a screen reader and an offline machine meet it."""

import json
import re
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup

from cnilab.modes import MODES
from cnilab.report import chapters, language, pricing, style
from cnilab.report.figures import time_order
from cnilab.report.record import Record, save_summary
from cnilab.runs.writer import RunWriter
from report import runs
from report.pages import page_of

#: A dot in place of every picture: what is in them is looked up in test_figures, and drawing takes its time.
DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8A"


@pytest.fixture(scope="module", autouse=True)
def _no_drawing():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "data_uri", lambda figure, dpi: DOT)
        yield


@pytest.fixture(scope="module")
def text(made_run, _no_drawing):
    return page_of(made_run, notice="Recorded numbers.")


def cells_of(page, id):
    """Return a table's rows as text, by the first cell."""
    rows = [[c.get_text(" ", strip=True) for c in r.find_all(["th", "td"])] for r in page.find(id=id).find_all("tr")]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def page(text):
    return BeautifulSoup(text, "html.parser")


def test_it_has_a_language_a_title_and_one_h1(page):
    assert page.html["lang"] == "en"
    assert page.title.string == "What each CNI mode costs: made-up"
    assert len(page.find_all("h1")) == 1
    assert page.find("main")["id"] == page.find("a", class_="skip")["href"][1:]
    assert page.find("meta", attrs={"name": "viewport"})


def test_headings_skip_no_level(page):
    levels = [int(h.name[1]) for h in page.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_answer_comes_before_everything_else(page):
    main = page.main
    assert main.find("p")["class"] == ["notice"]
    order = [
        e
        for e in main.find_all(["p", "table", "figure", "nav", "h2"])
        if e.get("class") == ["lead"] or e.name != "p"
    ]
    assert order[0]["class"] == ["lead"]
    assert main.find("table").find_previous("p", class_="lead")


def test_nothing_is_fetched_and_nothing_runs(text, page):
    assert not page.find_all(["script", "link", "iframe", "object", "embed"])
    for tag in page.find_all(True):
        for key in ("src", "srcset", "href", "action", "poster"):
            value = tag.get(key)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (
                tag.name,
                key,
                value[:60],
            )
        assert not [a for a in tag.attrs if a.startswith("on")]
    style = "".join(s.string or "" for s in page.find_all("style"))
    assert len(page.find_all("style")) == 1
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in re.sub(r"base64,[^\"]+", "", text)


def test_every_picture_has_a_description_and_its_data(page):
    figures = page.find_all("figure")
    assert len(figures) >= 5
    for figure in figures:
        alt = figure.img["alt"]
        assert len(alt) > 40
        assert "No description" not in alt
        assert alt.rstrip(".").count(". ") <= 1
        assert figure.figcaption.get_text(strip=True)
        assert len(figure.details.find("table").find_all("tr")) > 2


def test_every_table_has_a_caption_and_scopes(page):
    for table in page.find_all("table"):
        assert table.caption.get_text(strip=True)
        assert table["aria-labelledby"] == table.caption["id"]
        assert all(th["scope"] in ("col", "row", "colgroup", "rowgroup") for th in table.find_all("th")), (
            table.caption
        )
        assert all(th.get_text(strip=True) for th in table.thead.find_all("th")), table.caption


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [t["id"] for t in page.find_all(id=True)]
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})
    assert all(a["href"][1:] in ids for a in page.find_all("a"))
    assert len(page.nav.find_all("a")) == len(page.main.find_all("h2")) - 1


def test_no_code_and_no_removed_cell(text):
    assert "chapters.report(" not in text
    assert "This notebook becomes" not in text


def test_verdicts_are_words_with_a_sign(page):
    cells = page.find(id="answer-table").find_all(class_="verdict")
    assert len(cells) == 8
    assert all(len(c.get_text(" ", strip=True).split()) >= 2 for c in cells)


def test_missing_numbers_are_dashes_and_never_zero(page):
    rows = [
        r.get_text(" ", strip=True)
        for r in page.find(id="answer-table").find_all("tr")
        if "does not cross" in r.get_text()
    ]
    assert rows == [
        "flannel-host-gw – – – – – × does not cross subnets",
        "calico-bgp-mesh – – – – – × does not cross subnets",
    ]


def test_numbers_in_prose_are_those_of_the_run(tmp_path):
    """Another run gives another answer: nothing in it is typed."""
    slow = Record(
        runs.make(tmp_path / "slow", truth={"flannel-vxlan": 0.31, "calico-ipip": 1.0}, ipip="native")
    )
    said = chapters.show("answer", slow, language.get("en"))._repr_html_()
    assert re.search(r"flannel-vxlan</span> delivers (68|69|70)(\.\d)?\u202f% less", said)
    assert "eBPF" not in said


def test_a_run_in_which_nothing_could_be_measured_still_has_a_page(tmp_path):
    run = runs.make(tmp_path / "nothing", skipped=("iperf3", "netperf"), study={"blocks": 2})
    page = BeautifulSoup(page_of(run), "html.parser")
    assert "No comparison could be made" in page.find(class_="lead").get_text()
    assert "netperf is not installed" in page.get_text()


def test_a_run_without_netperf_keeps_the_rest(tmp_path):
    run = runs.make(tmp_path / "half", skipped=("netperf",), study={"blocks": 9})
    text = page_of(run)
    assert "How much goodput does each mode deliver?" in text
    assert "How many transactions a second?" not in text
    assert "netperf is not installed" in text


def test_text_from_files_cannot_become_markup(tmp_path):
    run = runs.make(tmp_path / "odd", study={"blocks": 2})
    RunWriter(run.path).update_manifest(provenance={"cpu": "<b onload=x>A & B</b>"})
    page = BeautifulSoup(page_of(run, notice="<i>x</i>"), "html.parser")
    assert page.find(string="<b onload=x>A & B</b>")
    assert page.find(class_="notice").get_text() == "<i>x</i>"


def test_how_a_mode_was_proved_says_what_it_is_and_where_the_lab_departs(page):
    modes = page.find("dl", class_="modes")
    assert [dt.get_text() for dt in modes.find_all("dt")][:2] == ["host", "flannel-vxlan"]
    assert MODES["flannel-vxlan"].sentence in modes.get_text()
    assert language.get("en").departures("calico-ipip")[0] in modes.get_text()


def test_a_figure_that_fails_is_not_taken_for_one_without_values(made_run, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no such colour")

    monkeypatch.setattr(time_order, "axes_for", broken)
    with pytest.raises(ValueError, match="no such colour"):
        chapters.show("limits", Record(made_run), language.get("en"))._repr_html_()


def test_the_blind_copy_has_its_own_line_among_the_trials_and_stands_beside_the_baseline(page):
    """Counted together with the baseline it hides how many trials either has."""
    rows = [[c.get_text() for c in r.find_all(["th", "td"])] for r in page.find(id="trials").find_all("tr")]
    assert rows[1][0] == "host"
    assert rows[2] == ["host, again (A/A)", *rows[1][1:]]
    heads = [th.get_text() for th in page.find(id="fig-stability-data").find_all("th", scope="col")]
    assert heads[1:3] == ["host", "host, again (A/A)"]


def test_the_price_list_has_every_mode_with_its_place_and_what_is_missing_says_why(page, made_run):
    near, far = cells_of(page, "prices-same-subnet"), cells_of(page, "prices-cross-subnet")
    modes = list(near)[1:]
    stand_in = "In the same subnet, carried by a stand-in: not comparable in speed"
    assert modes == ["host", "flannel-host-gw", "calico-bgp-mesh", "flannel-vxlan", stand_in, "calico-ipip (eBPF)"]
    rows = {r["mode"]: r for r in Record(made_run).primary if r["placement"] == "same_subnet"}
    assert near["flannel-vxlan"][0] == "4 of 4"
    assert near["flannel-vxlan"][1].startswith(f"≠ different {rows['flannel-vxlan']['ratio']:.2f}")
    assert near["calico-ipip (eBPF)"][0] == "–"
    assert near["host"][-1] == "1.036"
    assert near["flannel-vxlan"][-1] == "1.073"
    assert far["flannel-host-gw"][1:] == ["does not cross subnets"] * 5 + ["–"]
    assert "Not measured in this study: CPU time a transaction." in page.get_text()


def test_on_a_phone_each_cell_of_a_wide_table_says_what_it_is(page):
    table = page.find(id="prices-same-subnet").table
    heads = [th.get_text() for th in table.thead.find_all("th")]
    assert table["class"] == ["cards"]
    for row in table.find_all("tr"):
        if cells := row.find_all("td"):
            assert [c["data-label"] for c in cells] == heads[1:]
            assert {c["role"] for c in cells} == {"cell"}


def test_swapped_labels_change_title_sentences_and_prices(tmp_path, made_run):
    english = language.get("en")
    swapped = Record(runs.make(tmp_path / "swapped", truth={"flannel-vxlan": 0.99, "flannel-host-gw": 0.62}))
    assert str(english.title(Record(made_run).rows)) == "flannel-vxlan delivers less goodput than the host network"
    assert str(english.title(swapped.rows)) == "flannel-host-gw delivers less goodput than the host network"
    order = [line.mode for line in pricing.prices(swapped)[0].lines]
    assert order[-2:] == ["flannel-host-gw", "calico-ipip"]


def test_places_and_bytes_on_the_wire_are_kept_for_programs(run_copy):
    kept = json.loads(save_summary(run_copy).read_text())["prices"]
    assert [one["placement"] for one in kept] == ["same_subnet", "cross_subnet"]
    vxlan = next(r for r in kept[0]["rows"] if r["mode"] == "flannel-vxlan")
    assert (vxlan["rank_low"], vxlan["rank_high"], vxlan["ranked"]) == (4, 4, 4)
    assert vxlan["wire_bytes_per_byte"] == pytest.approx(1500 / 1398)
