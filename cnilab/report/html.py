"""From an executed notebook to one HTML file that opens offline: own template, own style sheet, no script.

Code, prompts and error output of cells stay in the notebook. Tables lose the style sheet they carry for
JupyterLab and take the page's. Nothing is fetched: there is no external reference in the file.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from cnilab.runs.files import replacing

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)
#: Cells with these tags are left out; both spellings that are in use.
REMOVED = ("parameters", "injected-parameters", "remove_cell", "remove-cell")


def page(notebook: nbformat.NotebookNode, title: str) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    notebook
        With outputs.
    title
        What the window is called.
    """
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = set(REMOVED)
    exporter = HTMLExporter(
        config=config,
        template_name="cnilab",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    notebook = nbformat.from_dict(notebook)
    notebook.metadata["title"] = title
    body, _ = exporter.from_notebook_node(notebook)
    head, mark, rest = body.partition("<main")
    rest = _STYLE.sub("", rest)
    links = "".join(f'<li><a href="#{anchor}">{text}</a></li>' for anchor, text in _HEADING.findall(rest))
    contents = (
        f'<nav class="contents" aria-label="Contents"><h2>On this page</h2><ol>{links}</ol></nav>'
        if links
        else ""
    )
    # After the answer, before the first heading: who reads only the answer meets no list.
    rest = rest.replace('<h2 id="', f'{contents}<h2 id="', 1) if links else rest
    return head + mark + rest


def export(notebook: nbformat.NotebookNode, html: str | Path) -> Path:
    """Write the page of an executed notebook, replacing the file in one step, and return its path."""
    target = Path(html)
    target.parent.mkdir(parents=True, exist_ok=True)
    title = (
        f"What each CNI mode costs: "
        f"{notebook.metadata.get('cnilab', {}).get('title') or target.resolve().parent.name}"
    )
    with replacing(target) as part:
        part.write_text(page(notebook, escape(title, quote=False)), encoding="utf-8")
    return target
