"""`cnilab cluster`: a real Kubernetes, yours or one raised on this machine."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="A real Kubernetes: read its mode, prove it, measure it; or raise one on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
