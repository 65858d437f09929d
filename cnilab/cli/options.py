"""What several commands take and print alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cnilab.cli.proofs import table
from cnilab.errors import UnknownKey

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]
Out = Annotated[Optional[Path], typer.Option("-o", "--out", help="Run directory [default: runs/NAME-TIME].")]


class Ended(StrEnum):
    """How a trial ended that may be measured anew."""

    FAILED = "failed"
    SKIPPED = "skipped"


RetryEnded = Annotated[
    Optional[list[Ended]],
    typer.Option("--retry", help="With --resume: measure what ended so anew, too; its old bytes stay."),
]


def _one_of(what: str, known: tuple[str, ...]) -> Callable[[str], str]:
    """Return a check of an option's value that tells what is allowed."""

    def checked(value: str) -> str:
        if value not in known:
            raise UnknownKey(what, value, known)
        return value

    return checked


#: As in :data:`cnilab.runs.samples.PATHS`, which takes pandas to be imported (a test keeps them equal).
PATHS = ("pod_to_pod", "pod_to_service", "host_to_host")
OnPath = Annotated[
    str,
    typer.Option(
        "--path", help="pod_to_pod, pod_to_service or host_to_host.", callback=_one_of("path", PATHS)
    ),
]
Underlay = Annotated[
    str,
    typer.Option(
        help="plain, or routed: the router takes part in BGP.",
        callback=_one_of("underlay", ("plain", "routed")),
    ),
]
#: As in :data:`cnilab.report.language.LANGUAGES` (a test keeps them equal).
LANGUAGES = ("en", "zh")
Lang = Annotated[
    str,
    typer.Option(
        metavar=f"[{'|'.join(LANGUAGES)}]",
        help="The language of the report's words.",
        callback=_one_of("language", LANGUAGES),
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Hash every raw file anew, also those that the system says nobody changed."
    ),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Every check, not only those that fail.")]


def print_json(value: Any) -> None:
    """Print one object, numbers unrounded, anything unknown as text."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_verdict(verdict: Any, *, as_json: bool, verbose: bool) -> None:
    """Print what a proof found, and end with 1 where it does not hold."""
    print_json(verdict.to_dict()) if as_json else typer.echo(table(verdict, verbose=verbose))
    if not verdict.ok:
        raise typer.Exit(1)
