"""The page in a real browser, in every language: quiet, noisy and failing runs, by day and by night, wide, narrow, printed.

Needs Chromium and what drives it (``make browser``). The network is off. Pictures are kept where CNILAB_PICTURES says.
"""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cnilab import findings
from cnilab.report import style
from cnilab.report.language import LANGUAGES
from cnilab.runs.writer import RunWriter
from report import runs
from report.pages import page_of
from report.test_page import DOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="no browser's driver here: make browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here: make browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: make browser")

#: Name -> a run as it might be recorded.
RUNS = {
    "quiet": {"study": {"blocks": 9}},
    "noisy": {"study": {"blocks": 6}, "truth": dict.fromkeys(runs.TRUE, 1.0)},
    "failed": {"study": {"blocks": 5}, "skipped": ("netperf",), "ipip": "userspace"},
}
#: Run, language, and the colours and the width under which axe looks; every language and every scheme is there twice.
PAGES = (
    ("quiet", "en", "light", 1280),
    ("quiet", "zh", "dark", 390),
    ("noisy", "zh", "light", 1280),
    ("failed", "en", "dark", 390),
)
WIDTHS = (320, 390)
#: CSS pixels of A4 between margins of a centimetre.
PAPER = 718

HEADINGS = "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
TABLES = """[...document.querySelectorAll('table')].filter(t => !t.caption?.textContent.trim()
  || [...t.querySelectorAll('th')].some(h => !['col', 'row', 'rowgroup', 'colgroup'].includes(h.scope))).map(t => t.outerHTML.slice(0, 80))"""
ALTS = "[...document.images].filter(i => i.alt.trim().length < 20).map(i => i.alt)"
#: What sticks out of the window and is in nothing that scrolls.
STICKING = """[...document.querySelectorAll('main *')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && r.right > innerWidth + 1 && !e.closest('.scroll, pre, .skip');
}).map(e => e.outerHTML.slice(0, 80))"""
PRINTED = """[...document.querySelectorAll('table, img, pre')].filter(e => e.checkVisibility()
  && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.id || e.closest('[id]').id)"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    made = {}
    for name, options in RUNS.items():
        run = runs.make(tmp_path_factory.mktemp("browser") / name, rng=np.random.default_rng(4), **options)
        RunWriter(run.path).keep(run.comparisons)  # once for all languages
        findings.save(run, findings.check(run))
        made[name] = run
    return made


@pytest.fixture(scope="module", params=PAGES, ids=lambda page: "-".join(page[:2]))
def opened(request, browser, recorded, tmp_path_factory):
    """A page with the network off, what it said on the console and asked for, its language, and axe's conditions."""
    name, code, *under = request.param
    file = tmp_path_factory.mktemp("page") / f"{name}-{code}.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "data_uri", lambda figure, dpi: DOT)
        file.write_text(page_of(recorded[name], language=code), encoding="utf-8")
    said, asked = [], []
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    yield page, said, [url for url in asked if not url.startswith("data:")], code, under
    context.close()


def kept(page, name):
    if folder := os.environ.get("CNILAB_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{Path(page.url).stem}-{name}.png", full_page=True)


def violations(page):
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found]


def test_it_opens_offline_without_a_word_and_asks_for_nothing(opened):
    page, said, asked, code, _ = opened
    assert said == []
    assert len(asked) == 1, "the page itself and nothing else"
    assert page.locator("html").get_attribute("lang") == code
    assert page.evaluate("document.documentElement.outerHTML.length") < 3_000_000


def test_axe_has_nothing_to_say(opened):
    """WCAG's rules and axe's best practices, in the page's light or dark colours."""
    page, *_, (scheme, width) = opened
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    kept(page, f"{scheme}-{width}")
    page.evaluate("document.querySelectorAll('figure details').forEach(d => d.open = true)")
    assert violations(page) == [], (scheme, width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")


def test_every_language_and_both_schemes_are_looked_at():
    assert {code for _, code, *_ in PAGES} == set(LANGUAGES)
    assert {name for name, *_ in PAGES} == set(RUNS)
    assert {scheme for *_, scheme, _ in PAGES} == {"light", "dark"}


def test_headings_tables_and_pictures_say_what_they_are(opened):
    page, *_ = opened
    levels = page.evaluate(HEADINGS)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert page.evaluate(TABLES) == []
    assert page.evaluate(ALTS) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_of_a_phone(opened, width):
    page, *_ = opened
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate(STICKING) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_whole(opened):
    page, *_ = opened
    page.set_viewport_size({"width": PAPER, "height": 1000})
    page.emulate_media(media="print", color_scheme="light")
    assert page.evaluate(PRINTED) == [], "cut off on paper"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 35, 48)"
    kept(page, "print")
    page.emulate_media(media="screen")
