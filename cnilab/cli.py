"""The command line: parse, call, print. Whatever it can do, the library can.

Exit status: 0 only on success, 1 for an error that was told in a sentence, 2 for a wrong call, 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, Optional

import typer

from cnilab import __version__
from cnilab.errors import CnilabError, LabError, Unavailable

app = typer.Typer(
    help="What each Kubernetes CNI mode costs, and which differences between modes are real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lab_app = typer.Typer(
    help="The embedded cluster: look at a mode, prove it, go inside.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(lab_app, name="lab")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]
Out = Annotated[Optional[Path], typer.Option("-o", "--out", help="Run directory [default: runs/NAME-TIME].")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


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


# ---- looking ------------------------------------------------------------------------------------------------


@app.command(epilog="Example: cnilab doctor")
def doctor(as_json: Json = False) -> None:
    """What can run here, what is missing, and the command that installs it."""
    from cnilab.doctor import examine

    found = examine()
    _print_json(found.to_dict()) if as_json else typer.echo(repr(found))
    if not found.can_run_lab:
        raise typer.Exit(1)


@app.command("modes", epilog="Example: cnilab modes")
def modes_(as_json: Json = False) -> None:
    """The catalogue: every mode, its headers, MTU, and who writes its routes."""
    from dataclasses import asdict

    from cnilab.modes import MODES

    if as_json:
        extra = [asdict(m) | {"header_bytes": m.header_bytes, "pod_mtu": m.pod_mtu()} for m in MODES.values()]
        _print_json({"schema_version": 1, "rows": extra})
        return
    rows: list[tuple[str, ...]] = [
        ("mode", "encapsulation", "bytes", "pod MTU", "routes by", "crosses subnets", "encrypted")
    ]
    for m in MODES.values():
        carried = (
            m.encapsulation
            if m.scope == "always"
            else f"{m.encapsulation} across"
            if m.scope == "cross_subnet"
            else "-"
        )
        rows.append(
            (
                m.id,
                carried,
                str(m.header_bytes),
                str(m.pod_mtu()),
                m.route_writer,
                "yes" if m.crosses_subnets else "no",
                "yes" if m.encrypted else "no",
            )
        )
    typer.echo(_columns(rows))


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)


# ---- measuring ----------------------------------------------------------------------------------------------


def _default_out(study_path: Path) -> Path:
    return Path("runs") / f"{study_path.stem}-{datetime.now():%Y%m%d-%H%M%S}"


@app.command(epilog="Example: cnilab run data/studies/quick.yaml -o runs/mine   (continue it: add --resume)")
def run(
    study: Annotated[Path, typer.Argument(help="The study's YAML file.")],
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing in -o DIR.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run the matrix: measurements only, no report."""
    from cnilab import execute

    place = _place(study, out, resume)
    try:
        finished = execute.run(study, place, resume=resume, progress=not quiet)
    except execute.Interrupted as stop:
        _interrupted(f"cnilab run {study} -o {place} --resume", stop)
    samples = finished.samples()
    trials = samples.drop_duplicates("trial_id")["status"].value_counts()
    typer.echo(f"{finished.path}: " + ", ".join(f"{n} {status}" for status, n in trials.items()))


@app.command("study", epilog="Example: cnilab study data/studies/quick.yaml -o runs/mine")
def study_(
    study: Annotated[Path, typer.Argument(help="The study's YAML file.")],
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing in -o DIR.")] = False,
    quiet: Quiet = False,
) -> None:
    """Everything: the five notebooks through papermill, then the HTML. The last line is the report's path."""
    from cnilab.report import pipeline
    from cnilab.study import load

    plan = load(study).plan()  # a wrong study is told before a notebook server starts
    place = _place(study, out, resume)
    notice = _why_no_lab() if plan.study.testbed == "lab" else ""
    if notice:
        typer.echo(f"cnilab: {notice}", err=True)
        typer.echo(str(pipeline.render_sample(place, notice=notice)))
        return
    typer.echo(f"{plan!r}", err=True)
    try:
        report = pipeline.run_notebooks(str(study), str(place), resume=resume, progress=not quiet)
    except KeyboardInterrupt:
        typer.echo(
            f"\nstopped; what was measured is in {place}. Continue with: cnilab study {study} -o {place} --resume",
            err=True,
        )
        raise typer.Exit(130) from None
    typer.echo(str(report))


def _place(study: Path, out: Path | None, resume: bool) -> Path:
    if resume and out is None:
        raise typer.BadParameter("--resume needs -o DIR, the run to be continued")
    place = out or _default_out(study)
    if place.resolve().is_relative_to("/run"):
        raise typer.BadParameter(f"{place}: the lab hides /run; choose another folder")
    return place


def _why_no_lab() -> str:
    """Why the lab cannot run here, or nothing if it can."""
    from cnilab.testbeds.lab.client import AgentProcess

    try:
        AgentProcess().close()
    except (Unavailable, LabError) as error:
        return f"the lab cannot run here ({error}); this is the recorded sample, not this machine"
    return ""


def _interrupted(command: str, stop: Any) -> NoReturn:
    typer.echo(f"\nstopped after {stop.done} of {stop.total} trials; continue with: {command}", err=True)
    raise typer.Exit(130)


# ---- reading ------------------------------------------------------------------------------------------------


@app.command(
    epilog="Example: cnilab load results/ -o samples.parquet --pattern 'results/{mode}/{block}/{test}.json'"
)
def load(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, tar or zip archives of raw output.")
    ],
    out: Annotated[
        Optional[Path], typer.Option("-o", "--out", help="Write the samples table (.parquet or .csv).")
    ] = None,
    as_tool: Annotated[
        Optional[str], typer.Option("--as", help="Read everything as this tool's output.")
    ] = None,
    pattern: Annotated[
        Optional[str], typer.Option(help="Where mode, block and test stand in the path.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Any raw output, ours or a peer's, into the samples table."""
    from cnilab import samples
    from cnilab.load import load as load_

    loaded = load_(paths, as_tool=as_tool, pattern=pattern, progress=not quiet)
    if out:
        samples.write(loaded.samples, out)
    typer.echo(loaded.to_json() if as_json else repr(loaded))
    if not len(loaded.samples) or not (loaded.samples["status"] == "ok").any():
        raise typer.Exit(1)


@app.command(
    epilog="Example: cnilab compare runs/mine --metric goodput_bps   or: cnilab compare my.csv --baseline host"
)
def compare(
    source: Annotated[
        Path, typer.Argument(help="A run directory, a samples table, or a CSV with block, mode, value.")
    ],
    baseline: Annotated[Optional[str], typer.Option(help="The mode all others are compared with.")] = None,
    margin: Annotated[
        Optional[float], typer.Option(help="A smaller difference than this is 'the same'.")
    ] = None,
    metric: Annotated[Optional[str], typer.Option()] = None,
    test: Annotated[Optional[str], typer.Option()] = None,
    placement: Annotated[Optional[str], typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Each mode against the baseline: ratio, exact interval, exact test, verdict."""
    from cnilab.comparing import compare_source

    found = compare_source(
        source, baseline=baseline, margin=margin, metric=metric, test=test, placement=placement
    )
    typer.echo(found.to_json(indent=1) if as_json else repr(found))


@app.command(epilog="Example: cnilab report runs/mine -o /tmp/report.html")
def report(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[
        Optional[Path], typer.Option("-o", "--out", help="The HTML file [default: DIR/report.html].")
    ] = None,
) -> None:
    """Make the report of a run again, from its raw files."""
    from cnilab.report import pipeline

    typer.echo(str(pipeline.render(run_dir, out)))


# ---- the lab ------------------------------------------------------------------------------------------------

ModeArgument = Annotated[str, typer.Argument(metavar="MODE", help="A mode of `cnilab modes`.")]


@lab_app.command(epilog="Example: cnilab lab verify --mode flannel-vxlan --mode calico-ipip")
def verify(
    mode: Annotated[Optional[list[str]], typer.Option(help="Only these modes [default: all].")] = None,
    underlay: Annotated[str, typer.Option(help="plain, or routed: the router takes part in BGP.")] = "plain",
    path: Annotated[str, typer.Option(help="pod_to_pod, pod_to_service or host_to_host.")] = "pod_to_pod",
    as_json: Json = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Every check, not only those that fail.")
    ] = False,
) -> None:
    """Build each mode and prove it on the wire in every placement."""
    from cnilab.testbeds.lab.verify import verify_modes

    verdict = verify_modes(mode, underlay=underlay, path=path, progress=not as_json)
    _print_json(verdict.to_dict()) if as_json else typer.echo(verdict.table(verbose=verbose))
    if not verdict.ok:
        raise typer.Exit(1)


@lab_app.command(epilog="Example: cnilab lab script calico-bgp-mesh > lab.sh && sudo sh lab.sh")
def script(mode: ModeArgument, nodes: Annotated[int, typer.Option(help="3 to 250.")] = 3) -> None:
    """Print a shell script that builds the same lab by hand."""
    from cnilab.testbeds.lab import Lab

    typer.echo(Lab(mode, nodes=nodes).script())


@lab_app.command(epilog="Example: cnilab lab shell flannel-vxlan p1      (then: ip route; ping 10.244.2.2)")
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


@lab_app.command(epilog="Example: cnilab lab trace flannel-vxlan --from p1 --to p3")
def trace(
    mode: ModeArgument,
    source: Annotated[
        str, typer.Option("--from", help="p1, p1b, p2 or p3; a node where the mode has no pods.")
    ] = "p1",
    target: Annotated[str, typer.Option("--to", help="The same.")] = "p2",
    length: Annotated[
        int, typer.Option(min=72, max=65535, help="Bytes of the packet, IP header included.")
    ] = 1000,
    as_json: Json = False,
) -> None:
    """Follow one packet: every device it passes, in order, and how long it is there."""
    from cnilab.testbeds.lab import Lab
    from cnilab.testbeds.lab.trace import trace as follow

    with Lab(mode) as lab:
        found = follow(lab, source, target, length)
    _print_json(found.to_dict()) if as_json else typer.echo(repr(found))


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


if __name__ == "__main__":
    main()
