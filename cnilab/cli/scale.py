"""`cnilab scale`: how routing grows with the number of nodes: a mesh, reflectors, and what flannel programs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnilab.cli.options import Json, Out, Quiet, print_json

if TYPE_CHECKING:
    from cnilab.report.growing import Law
    from cnilab.runs.run import Run

app = typer.Typer()

_TOPOLOGIES = "mesh, reflectors[:K], flannel-vxlan or flannel-host-gw"
#: Fewest sizes of which the two largest are held back, to be predicted from the others.
_HOLD_BACK_FROM = 5


@app.command(
    epilog="Example: cnilab scale --nodes 8 --nodes 32 --nodes 128 --topology mesh --topology reflectors:2"
)
def scale(
    nodes: Annotated[
        list[int],
        typer.Option(
            help="Routers in all, reflectors among them; repeat it for more sizes.", min=2, max=1000
        ),
    ] = [8, 16, 32],  # noqa: B006
    topology: Annotated[list[str], typer.Option(help=f"{_TOPOLOGIES}; repeat it for more.")] = ["mesh"],  # noqa: B006
    blocks: Annotated[
        int, typer.Option(help="How often everything is measured; intervals need 6.", min=1)
    ] = 1,
    limit_s: Annotated[int, typer.Option(help="Longest that one act may take.", min=1)] = 120,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How routing grows: sessions, routes, memory, CPU and time, with real BIRD daemons and flannel's programming."""
    from cnilab import execute
    from cnilab.cli.study import interrupted, run_place
    from cnilab.report import growing
    from cnilab.study import parse

    study = parse(_study(sorted(set(nodes)), topology, blocks, limit_s), name="cnilab scale")
    place = run_place(Path("scale"), out or Path("runs") / f"scale-{datetime.now():%Y%m%d-%H%M%S}", False)
    try:
        run = execute.run(study, place, progress=not quiet)
    except execute.Interrupted as stop:
        interrupted(f"cnilab run {place / 'study.yaml'} -o {place} --resume", stop)
    found = growing.laws(run)
    if as_json:
        print_json(
            {"schema_version": growing.SCHEMA_VERSION, "rows": growing.rows(run), "fits": growing.fits(found)}
        )
    else:
        typer.echo(f"{run.path}\n\n{_said(run, found)}")
    if growing.stopped(run):
        raise typer.Exit(1)


def _study(nodes: list[int], topologies: list[str], blocks: int, limit_s: int) -> str:
    """Return the study that measures what was asked for, as its file would have it."""
    modes, reflectors = [], []
    for name in topologies:
        kind, _, number = name.partition(":")
        mode = {"mesh": "calico-bgp-mesh", "reflectors": "calico-bgp-rr"}.get(kind, kind)
        if mode not in ("calico-bgp-mesh", "calico-bgp-rr", "flannel-vxlan", "flannel-host-gw") or (
            number and (kind != "reflectors" or not number.isdecimal() or int(number) < 1)
        ):
            raise typer.BadParameter(f"{name!r}; it must be one of {_TOPOLOGIES}", param_hint="--topology")
        modes.append(mode)
        reflectors += [int(number or 1)] if kind == "reflectors" else []
    held = " ".join(map(str, nodes[-2:])) if len(nodes) >= _HOLD_BACK_FROM else ""
    options = {"limit_s": limit_s, "extrapolate": "'5000'"} | ({"held_back": f"'{held}'"} if held else {})
    modes, first = list(dict.fromkeys(modes)), modes[0]
    levels = f"\n  reflectors: {list(dict.fromkeys(reflectors))}" if reflectors else ""
    base = f", reflectors: {reflectors[0]}" if first == "calico-bgp-rr" else ""
    return f"""\
name: scale
testbed: routers
factors:
  mode: [{", ".join(modes)}]
  routers: {nodes}{levels}
baseline: {{mode: {first}{base}}}
aa: false
placements: [same_subnet]
tests:
  - {{name: growth, tool: convergence, kind: routes, duration_s: 3,
     options: {{{", ".join(f"{k}: {v}" for k, v in options.items())}}}}}
primary: {{test: growth, metric: converged_s}}
blocks: {blocks}
"""


def _said(run: Run, found: list[Law]) -> str:
    """Return the rows, the laws and what is said of them, for a terminal."""
    from cnilab.report import language
    from cnilab.report.chapters import growth
    from cnilab.report.record import Record

    return "\n\n".join(map(repr, growth.tables(Record(run), found, language.get("en"))))
