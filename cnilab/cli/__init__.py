"""The command line: parse, call, print. Whatever it can do, the library can.

Exit status: 0 only on success, 1 for an error that was told in a sentence, 2 for a wrong call, 130 after Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

# Until everything is imported there is nothing to put away: Ctrl-C ends the program at once and without a word.
_BEFORE = (
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    else None
)

import typer  # noqa: E402

from cnilab import __version__  # noqa: E402
from cnilab.cli import cluster, lab, scale, study  # noqa: E402
from cnilab.errors import CnilabError  # noqa: E402

if _BEFORE is not None:
    signal.signal(signal.SIGINT, _BEFORE)

app = typer.Typer(
    help="What each Kubernetes CNI mode costs, and which differences between modes are real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.registered_commands += study.app.registered_commands + scale.app.registered_commands
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
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
