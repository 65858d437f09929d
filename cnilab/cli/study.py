"""The commands that need no cluster at all: what there is, measure, read, compare, report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

from cnilab.bundled import here_or_bundled
from cnilab.cli.options import Json, Lang, Out, Quiet, RetryEnded, Verify, print_json
from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.layout import columns

if TYPE_CHECKING:
    from cnilab.runs.run import Run

app = typer.Typer()


# ---- looking ------------------------------------------------------------------------------------------------


@app.command(epilog="Example: cnilab doctor")
def doctor(as_json: Json = False) -> None:
    """What can run here, what is missing, and the command that installs it."""
    from cnilab.diagnosis import examine

    found = examine()
    print_json(found.to_dict()) if as_json else typer.echo(repr(found))
    if not found.can_run_lab:
        raise typer.Exit(1)


@app.command("modes", epilog="Example: cnilab modes")
def modes_(as_json: Json = False) -> None:
    """The catalogue: every mode, its headers, MTU, and who writes its routes."""
    from dataclasses import asdict

    from cnilab.modes import MODES

    if as_json:
        extra = [asdict(m) | {"header_bytes": m.header_bytes, "pod_mtu": m.pod_mtu()} for m in MODES.values()]
        print_json({"schema_version": 1, "rows": extra})
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
    typer.echo("\n".join(columns(rows)))


# ---- measuring ----------------------------------------------------------------------------------------------


def _default_out(study_path: Path) -> Path:
    return Path("runs") / f"{study_path.stem}-{datetime.now():%Y%m%d-%H%M%S}"


@app.command(epilog="Example: cnilab run data/studies/quick.yaml -o runs/mine   (continue it: add --resume)")
def run(
    study: Annotated[Path, typer.Argument(help="The study's YAML file.")],
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing in -o DIR.")] = False,
    retry: RetryEnded = None,
    testbed: Annotated[
        Optional[str], typer.Option(help="lab, kubernetes or replay, in place of the study's own.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run the matrix: measurements only, no report."""
    from cnilab import execute, testbeds
    from cnilab.study import load

    wanted = load(here_or_bundled(study))
    if testbed:
        testbeds.get(testbed)
        wanted = wanted.model_copy(update={"testbed": testbed})
    if retry and not resume:
        raise typer.BadParameter("--retry goes with --resume")
    place = run_place(study, out, resume)
    try:
        again = [status.value for status in retry or ()]
        finished = execute.run(wanted, place, resume=resume, retry=again, progress=not quiet)
    except execute.Interrupted as stop:
        elsewhere = f" --testbed {testbed}" if testbed else ""
        interrupted(f"cnilab run {study} -o {place}{elsewhere} --resume", stop)
    trials = finished.trials["status"].value_counts()
    typer.echo(f"{finished.path}: " + ", ".join(f"{n} {status}" for status, n in trials.items()))
    ended(finished, f"cnilab run {study} -o {place}" + (f" --testbed {testbed}" if testbed else ""))


@app.command(epilog="Example: cnilab plan data/studies/quick.yaml   or, with the noise of one run: --runs runs/mine")
def plan(
    study: Annotated[Path, typer.Argument(help="The study's YAML file.")],
    runs: Annotated[
        Optional[Path],
        typer.Option(help="A run, or a folder of runs, to take this machine's noise from [default: runs]."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What a study will take, and what it will be able to tell. Without a recorded run that fits, a pilot is run."""
    from cnilab.forecast import forecast
    from cnilab.study import load

    told = forecast(load(here_or_bundled(study)), runs, progress=not quiet)
    typer.echo(told.to_json() if as_json else repr(told))


@app.command("study", epilog="Example: cnilab study data/studies/quick.yaml -o runs/mine")
def study_(
    study: Annotated[Path, typer.Argument(help="The study's YAML file.")],
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing in -o DIR.")] = False,
    lang: Lang = "en",
    quiet: Quiet = False,
) -> None:
    """Everything: the five notebooks through papermill, then the HTML. The last line is the report's path."""
    from cnilab.report import pipeline
    from cnilab.report.language import get
    from cnilab.runs.run import Run
    from cnilab.study import load

    source = here_or_bundled(study)
    plan = load(source).plan()  # a wrong study is told before a notebook server starts
    place = run_place(study, out, resume)
    if plan.study.testbed in ("lab", "routers") and (why := _why_no_lab()):
        typer.echo(f"cnilab: {get('en').word('notice.no_lab', why=get('en').tell(why))}", err=True)
        notice = get(lang).word("notice.no_lab", why=get(lang).tell(why))
        typer.echo(str(pipeline.render_sample(place, notice=notice, language=lang)))
        return
    typer.echo(f"{plan!r}", err=True)
    asked = "" if lang == "en" else f" --lang {lang}"
    try:
        report = pipeline.run_notebooks(str(source), str(place), resume=resume, language=lang, progress=not quiet)
    except KeyboardInterrupt:
        typer.echo(
            f"\nstopped; what was measured is in {place}. "
            f"Continue with: cnilab study {study} -o {place} --resume{asked}",
            err=True,
        )
        raise typer.Exit(130) from None
    typer.echo(str(report))
    ended(Run.open(place), f"cnilab run {study} -o {place}")


def run_place(study: Path, out: Path | None, resume: bool) -> Path:
    if resume and out is None:
        raise typer.BadParameter("--resume needs -o DIR, the run to be continued")
    place = out or _default_out(study)
    if place.resolve().is_relative_to("/run"):
        raise typer.BadParameter(f"{place}: the lab hides /run; choose another folder")
    return place


def _why_no_lab() -> Fact | None:
    """Why the lab cannot run here, None if it can."""
    from cnilab.testbeds.lab.client import AgentProcess

    try:
        AgentProcess().close()
    except (Unavailable, LabError) as error:
        return error.fact
    return None


def ended(run: Run, command: str) -> None:
    """End with 1 if a run came to less than its plan needs, and say so."""
    from cnilab.execute.enough import measured

    found = measured(run)
    if found.enough:
        return
    if found.by_bench:
        typer.echo(f"cnilab: the bench failed at {found.by_bench} of these trials, not a mode", err=True)
    if found.baseline < found.needed:
        typer.echo(
            f"cnilab: the baseline has values in {found.baseline} blocks; no verdict can be had with fewer than "
            f"{found.needed}",
            err=True,
        )
    typer.echo(f"cnilab: measure what failed again with: {command} --resume --retry failed", err=True)
    raise typer.Exit(1)


def interrupted(command: str, stop: Any) -> NoReturn:
    typer.echo(f"\nstopped after {stop.done} of {stop.total} trials; continue with: {command}", err=True)
    raise typer.Exit(130)


# ---- reading ------------------------------------------------------------------------------------------------


_Pattern = Annotated[
    Optional[str],
    typer.Option(help="Where mode, block and test stand in a path: 'results/{mode}/{block}/{test}.json'."),
]
_Mapping = Annotated[
    Optional[Path],
    typer.Option(
        help="A CSV (columns file, mode, block, test, placement; file is a glob) or YAML (glob: {mode: …, block: …})."
    ),
]


@app.command(
    epilog="Example: cnilab load results/ -o samples.parquet --pattern 'results/{mode}/{block}/{test}.json'"
    "   or: --mapping files.csv"
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
    pattern: _Pattern = None,
    mapping: _Mapping = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Any raw output, ours or a peer's, into the samples table."""
    from cnilab.loading import load as load_
    from cnilab.runs import samples

    loaded = load_(paths, as_tool=as_tool, pattern=pattern, mapping=mapping, progress=not quiet)
    if out:
        samples.write(loaded.samples, out)
    typer.echo(loaded.to_json() if as_json else repr(loaded))
    if not len(loaded.samples) or not (loaded.samples["status"] == "ok").any():
        raise typer.Exit(1)


@app.command(
    epilog="Example: cnilab compare runs/mine --metric goodput_bps   or: cnilab compare my.csv --baseline host"
    "   or: cnilab compare archive.tar.gz --pattern '{mode}/{block}/*.json' --baseline host"
)
def compare(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="A run directory, a samples table, a CSV with block, mode, value, or raw output."
        ),
    ],
    baseline: Annotated[Optional[str], typer.Option(help="The mode all others are compared with.")] = None,
    margin: Annotated[
        Optional[float], typer.Option(help="A smaller difference than this is 'the same'.")
    ] = None,
    metric: Annotated[Optional[str], typer.Option()] = None,
    test: Annotated[Optional[str], typer.Option()] = None,
    placement: Annotated[Optional[str], typer.Option()] = None,
    path: Annotated[Optional[str], typer.Option(help="pod_to_pod, pod_to_service or host_to_host.")] = None,
    primary: Annotated[
        Optional[str],
        typer.Option(help="The one family that is protected: TEST/METRIC, as tcp_stream/goodput_bps."),
    ] = None,
    alpha: Annotated[Optional[float], typer.Option(help="Family-wise error rate [default: 0.05].")] = None,
    lower_is_better: Annotated[
        Optional[bool],
        typer.Option("--lower-is-better/--higher-is-better", help="For a metric that cnilab does not know."),
    ] = None,
    pattern: _Pattern = None,
    mapping: _Mapping = None,
    verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Each mode against the baseline: ratio, exact interval, exact test, verdict."""
    from cnilab.loading.comparing import compare_source

    found = compare_source(
        sources,
        baseline=baseline,
        margin=margin,
        alpha=alpha,
        primary=primary,
        better=None if lower_is_better is None else "lower" if lower_is_better else "higher",
        pattern=pattern,
        mapping=mapping,
        tell=lambda remark: typer.echo(remark, err=True),
        verify=verify,
        metric=metric,
        test=test,
        placement=placement,
        path=path,
    )
    typer.echo(found.to_json(indent=1) if as_json else repr(found))


@app.command(
    epilog="Example: cnilab advise runs/mine --subnets 2 --encryption   or, the rules alone: cnilab advise --no-bgp"
)
def advise(
    run_dir: Annotated[
        Optional[Path], typer.Argument(help="A run directory; without one, the rules alone.")
    ] = None,
    nodes: Annotated[
        Optional[int], typer.Option(min=1, help="How many nodes [default: more than one].")
    ] = None,
    subnets: Annotated[
        Optional[int],
        typer.Option(min=1, help="In how many subnets they stand, routers between [default: 1]."),
    ] = None,
    routed_underlay: Annotated[
        bool, typer.Option("--routed-underlay", help="The routers between learn the pods' routes by BGP.")
    ] = False,
    policy: Annotated[bool, typer.Option("--policy", help="NetworkPolicy is required.")] = False,
    encryption: Annotated[
        bool, typer.Option("--encryption", help="Encryption between nodes is required.")
    ] = False,
    no_bgp: Annotated[bool, typer.Option("--no-bgp", help="No BGP, not even between nodes.")] = False,
    no_vxlan: Annotated[bool, typer.Option("--no-vxlan", help="The network lets no VXLAN through.")] = False,
    no_ipip: Annotated[
        bool, typer.Option("--no-ipip", help="The network lets no IP in IP (protocol 4) through.")
    ] = False,
    lang: Annotated[str, typer.Option(help="The language of its words: en or zh.")] = "en",
    as_json: Json = False,
) -> None:
    """Which modes your network admits, in the order of a study's evidence, and what each requirement costs."""
    from cnilab.advice import Constraints
    from cnilab.advice import advise as advise_

    constraints = Constraints(nodes, subnets, routed_underlay, policy, encryption, no_bgp, no_vxlan, no_ipip)
    found = advise_(run_dir, constraints)
    typer.echo(found.to_json() if as_json else found.text(lang))


@app.command(epilog="Example: cnilab report runs/mine --lang zh -o /tmp/report.html")
def report(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[
        Optional[Path], typer.Option("-o", "--out", help="The HTML file [default: DIR/report.html].")
    ] = None,
    lang: Lang = "en",
    verify: Verify = False,
) -> None:
    """Make the report of a run again, from its raw files."""
    from cnilab.report import pipeline
    from cnilab.runs.run import Run

    if verify:  # the stages, each a process of its own, then find it in the index
        Run.open(run_dir, verify=True).raw.keep()
    typer.echo(str(pipeline.render(run_dir, out, language=lang)))
