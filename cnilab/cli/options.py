"""What several commands take and print alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]
Out = Annotated[Optional[Path], typer.Option("-o", "--out", help="Run directory [default: runs/NAME-TIME].")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


def print_json(value: Any) -> None:
    """Print one object, numbers unrounded, anything unknown as text."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def columns(rows: list[tuple[str, ...]]) -> str:
    """Text with every column as wide as its widest cell; the first row is the head."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
