"""The command line: parse, call, print. Whatever it can do, the library can.

Exit status: 0 only on success, 1 for an error that was told in a sentence, 2 for a wrong call, 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnilab import __version__
from cnilab.cli import cluster, lab, study
from cnilab.errors import CnilabError

app = typer.Typer(
    help="What each Kubernetes CNI mode costs, and which differences between modes are real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.registered_commands += study.app.registered_commands
app.add_typer(lab.app, name="lab")
app.add_typer(cluster.app, name="cluster")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cnilab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What each Kubernetes CNI mode costs, and which differences between modes are real."""


def main() -> None:
    """Entry point: an expected error is one sentence on standard error, not a traceback."""
    try:
        app()
    except CnilabError as error:
        typer.echo(f"cnilab: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
