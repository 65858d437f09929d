"""The page of a run, made by the cells of 05_report themselves, without a kernel."""

import nbformat

from cnilab.report import language as languages
from cnilab.report import page, pipeline


def page_of(run, language="en", notice=""):
    """Return the page's HTML."""
    node = nbformat.read(pipeline.NOTEBOOKS / "05_report.ipynb", as_version=4)
    given = {"run_dir": str(run.path), "language": language, "notice": notice}
    scope, outputs = {}, []
    scope["display"] = lambda *blocks: outputs.extend(blocks)
    for cell in node.cells:
        if cell.cell_type == "code":
            outputs.clear()
            exec(cell.source, scope)
            if "parameters" in cell.metadata.get("tags", ()):
                scope.update(given)
            cell.outputs = [
                nbformat.v4.new_output("display_data", {"text/html": block._repr_html_()})
                for block in outputs
            ]
    spoken = languages.get(language)
    return page.page(node, spoken, spoken.word("title.page", name="made-up"))
