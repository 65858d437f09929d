"""How text is laid out: rows as columns for a terminal and as a table for a notebook, names in a person's order.

Every result's ``repr`` and HTML use these. Nothing is rounded, chosen or worded here; the report's own tables, with
captions and scopes of their own, are :mod:`cnilab.report.blocks`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

Rows = Sequence[Sequence[str]]


def columns(rows: Rows, indent: str = "") -> list[str]:
    """Return one line per row, every column as wide as its widest cell; a row's last cells may be left out.

    >>> columns([("mode", "MTU"), ("flannel-vxlan", "1450")])
    ['mode           MTU', 'flannel-vxlan  1450']
    """
    widths = [0] * max((len(row) for row in rows), default=0)
    for row in rows:
        for i, cell in enumerate(row):
            widths[i] = max(widths[i], len(cell))
    return [(indent + "  ".join(cell.ljust(w) for cell, w in zip(row, widths))).rstrip() for row in rows]


def html_table(rows: Rows, caption: str = "") -> str:
    """Return a table whose first row heads the columns and whose first column heads the rows.

    >>> html_table([("mode", "MTU"), ("a", "1450")])
    "<table><thead><tr><th scope='col'>mode</th><th scope='col'>MTU</th></tr></thead>\
<tbody><tr><th scope='row'>a</th><td>1450</td></tr></tbody></table>"
    """
    head, *body = rows
    top = "".join(f"<th scope='col'>{escape(cell)}</th>" if cell else "<td></td>" for cell in head)
    lines = "".join(
        f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in body
    )
    about = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{about}<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``run2`` before ``run10``."""
    return [
        (0, int(part[:18]), part) if part[0] in "0123456789" else (1, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", text)
    ]
