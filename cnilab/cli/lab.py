"""`cnilab lab`: look at a mode, prove it, go inside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from cnilab.cli.options import Json, Lang, OnPath, Underlay, Verbose, print_json, print_verdict

app = typer.Typer(
    help="The embedded cluster: look at a mode, prove it, go inside.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ModeArgument = Annotated[str, typer.Argument(metavar="MODE", help="A mode of `cnilab modes`.")]


@app.command(epilog="Example: cnilab lab verify --mode flannel-vxlan --mode calico-ipip")
def verify(
    mode: Annotated[Optional[list[str]], typer.Option(help="Only these modes [default: all].")] = None,
    underlay: Underlay = "plain",
    path: OnPath = "pod_to_pod",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Build each mode and prove it on the wire in every placement."""
    from cnilab.testbeds.lab.verify import verify_modes

    verdict = verify_modes(mode, underlay=underlay, path=path, progress=not as_json)
    print_verdict(verdict, as_json=as_json, verbose=verbose)


@app.command(epilog="Example: cnilab lab script calico-bgp-mesh > lab.sh && sudo sh lab.sh")
def script(mode: ModeArgument, nodes: Annotated[int, typer.Option(help="3 to 250.")] = 3) -> None:
    """Print a shell script that builds the same lab by hand."""
    from cnilab.testbeds.lab import Lab

    typer.echo(Lab(mode, nodes=nodes).script())


@app.command(epilog="Example: cnilab lab shell flannel-vxlan p1      (then: ip route; ping 10.244.2.2)")
def shell(
    mode: ModeArgument,
    where: Annotated[
        str, typer.Argument(metavar="[NODE|POD]", help="n1, n2, n3, p1, p1b, p2, p3, router.")
    ] = "n1",
    command: Annotated[
        Optional[str], typer.Option("-c", help="Run this instead of an interactive shell.")
    ] = None,
) -> None:
    """A shell inside: the mode is built, you are in it, and all is gone when you leave."""
    import subprocess

    from cnilab.setup.programs import search_path
    from cnilab.testbeds.lab import Lab

    with Lab(mode) as lab:
        argv = lab.shell_argv(where)
        if command is not None:
            argv = [*argv[:-1], "-c", command]
        else:
            typer.echo(
                f"{lab!r}\n\nyou are in {where}; `nsenter --net=/run/netns/n2 sh` goes elsewhere, `exit` ends the lab",
                err=True,
            )
        environment = {**os.environ, "PATH": search_path(), "PS1": f"{where}# "}
        code = subprocess.run(argv, env=environment).returncode
    raise typer.Exit(code)


@app.command(epilog="Example: cnilab lab trace flannel-vxlan --from p1 --to p3 --figure way.svg")
def trace(
    mode: ModeArgument,
    source: Annotated[
        str, typer.Option("--from", help="p1, p1b, p2 or p3; a node where the mode has no pods.")
    ] = "p1",
    target: Annotated[str, typer.Option("--to", help="The same.")] = "p2",
    length: Annotated[
        int, typer.Option(min=72, max=65535, help="Bytes of the packet, IP header included.")
    ] = 1000,
    figure: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Draw it too: .svg, .pdf or .png.", dir_okay=False)
    ] = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Follow one packet: every device it passes, in order, and how long it is there."""
    from cnilab.testbeds.lab import Lab
    from cnilab.testbeds.lab.trace import trace as follow

    if figure is not None:
        from cnilab.report import language
        from cnilab.report.figures import path

        if figure.suffix not in path.FORMATS:
            raise typer.BadParameter(f"{figure}; its name must end in {', '.join(path.FORMATS)}")
    with Lab(mode) as lab:
        found = follow(lab, source, target, length)
    if figure is not None:
        path.save(found.to_dict(), figure, language.get(lang))
    print_json(found.to_dict()) if as_json else typer.echo(repr(found))
