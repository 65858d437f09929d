"""From an executed notebook to one HTML file that opens offline: own template, own style sheet, no script.

Code, prompts and error output of cells stay in the notebook. Nothing is fetched: there is no external reference in
the file. What a block looks like is ``templates/blocks.html.j2``; here is only what stands around the blocks.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, SoupStrainer
from nbconvert import HTMLExporter
from traitlets.config import Config

from cnilab.report.blocks import TEMPLATES, Heading, environment
from cnilab.report.language import Language
from cnilab.runs.files import replacing

#: Cells with these tags are left out; both spellings that are in use.
REMOVED = ("parameters", "injected-parameters", "remove_cell", "remove-cell")


def page(notebook: nbformat.NotebookNode, language: Language, title: str) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    notebook
        With outputs.
    language
        Of the page's frame; the outputs have theirs already.
    title
        What the window is called.
    """
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = set(REMOVED)
    exporter = HTMLExporter(
        config=config,
        template_name="cnilab",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    made = nbformat.from_dict(notebook)
    made.metadata["page"] = {"title": title, "lang": language.CODE, "skip": language.word("skip")}
    _list_contents(made, language)
    body, _ = exporter.from_notebook_node(made)
    return str(body)


def _list_contents(notebook: nbformat.NotebookNode, language: Language) -> None:
    """Put the list of contents after the answer, before the first output that has a heading of the second level."""
    headings, place = [], None
    strainer = SoupStrainer("h2")
    for cell in notebook.cells:
        for index, output in enumerate(cell.get("outputs", ())):
            html = output.get("data", {}).get("text/html", "")
            found = BeautifulSoup(html, "html.parser", parse_only=strainer).find_all("h2", id=True)
            headings += [Heading(h.get_text(), str(h["id"])) for h in found]
            if found and place is None:
                place = cell, index
    if place is not None:
        cell, index = place
        list_of = environment().get_template("blocks.html.j2").module.contents  # type: ignore[attr-defined]
        html = str(list_of(language.word("contents"), headings))
        cell.outputs.insert(index, nbformat.v4.new_output("display_data", {"text/html": html}))


def export(notebook: nbformat.NotebookNode, html: str | Path, language: Language) -> Path:
    """Write the page of an executed notebook, replacing the file in one step, and return its path."""
    target = Path(html)
    target.parent.mkdir(parents=True, exist_ok=True)
    name = notebook.metadata.get("cnilab", {}).get("title") or target.resolve().parent.name
    with replacing(target) as part:
        part.write_text(page(notebook, language, language.word("title.page", name=name)), encoding="utf-8")
    return target
