"""`cnilab cluster`: a real Kubernetes, yours or one raised on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cnilab.cli import local_cluster
from cnilab.cli.options import Json, OnPath, Out, Quiet, RetryEnded, Verbose, print_json, print_verdict
from cnilab.cli.proofs import table

app = typer.Typer(
    help="A real Kubernetes: read its mode, prove it, measure it; or raise one on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.registered_commands += local_cluster.app.registered_commands

Kubeconfig = Annotated[
    Optional[str], typer.Option(help="A kubeconfig file [default: KUBECONFIG, ~/.kube/config].")
]
Context = Annotated[Optional[str], typer.Option(help="A context of it [default: the current one].")]
Image = Annotated[
    Optional[str], typer.Option(help="The pods' image: iperf3, netperf, ip, ping, tcpdump, sh.")
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Routed = Annotated[
    bool,
    typer.Option("--routed-underlay", help="The routers between the nodes' subnets know the pods' routes."),
]


def _api(kubeconfig: str | None, context: str | None) -> Any:
    from cnilab.testbeds.kubernetes.api import Api

    return Api.load(kubeconfig, context)


def _say(text: str) -> None:
    typer.echo(f"cnilab: {text}", err=True)


@app.command(
    epilog="Example: cnilab cluster verify   or, after a switch by hand: cnilab cluster verify --mode flannel-host-gw"
)
def verify(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    image: Image = None,
    mode: Annotated[
        Optional[str], typer.Option(help="The mode that should be on [default: the one detected].")
    ] = None,
    path: OnPath = "pod_to_pod",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Prove on the wire that the mode that is on carries the packets. Makes its own pods and removes them."""
    from cnilab.study.cluster_settings import settle
    from cnilab.testbeds.kubernetes.verify import verify as prove

    settings = settle(kubeconfig=kubeconfig, context=context, image=image)
    verdict = prove(
        _api(settings.kubeconfig or None, settings.context or None), settings, path=path, expected=mode
    )
    print_verdict(verdict, as_json=as_json, verbose=verbose)


@app.command(
    epilog="Example: cnilab cluster switch flannel-host-gw       (put it back: cnilab cluster restore)"
)
def switch(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="A mode of `cnilab modes`.")],
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    image: Image = None,
    yes: Yes = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Roll all nodes together, not as the DaemonSet's strategy says.")
    ] = False,
    routed_underlay: Routed = False,
    prove: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Prove the new mode on the wire.")
    ] = True,
) -> None:
    """Change the cluster's CNI mode: says what it will do, asks, saves what is there, proves the new mode.

    If anything fails, what was there is put back.
    """
    from cnilab.study.cluster_settings import settle
    from cnilab.testbeds.kubernetes import switching
    from cnilab.testbeds.kubernetes.detect import detect as look
    from cnilab.testbeds.kubernetes.verify import verify as prove_it

    settings = settle(kubeconfig=kubeconfig, context=context, image=image)
    api = _api(settings.kubeconfig or None, settings.context or None)
    found = look(api)
    if found.plugin in switching.k3s.CONFIG:
        typer.echo(f"{found.plugin} has no API for this; on its nodes:", err=True)
        typer.echo("\n".join(switching.k3s.instructions(found.plugin, mode)))
        return
    steps = switching.plan(api, found, mode, routed_underlay=routed_underlay)
    typer.echo(f"{api.context} ({api.server}): {found.mode or found.plugin} -> {mode}", err=True)
    for number, step in enumerate(steps, 1):
        typer.echo(f"  {number}. {step}", err=True)
    if not yes:
        typer.confirm("Do this? Pods lose each other while it happens.", abort=True, err=True)
    done = switching.switch(api, found, mode, progress=_say, at_once=at_once, routed_underlay=routed_underlay)
    if prove:
        verdict = prove_it(api, settings, expected=mode)
        typer.echo(table(verdict))
        if not verdict.ok:
            switching.restore(api, progress=_say)
            typer.echo(f"cnilab: {mode} is not in effect; {done.saved_mode} was put back", err=True)
            raise typer.Exit(1)
    typer.echo(f"{mode} after {done.seconds:.0f} s; put {done.saved_mode} back with: cnilab cluster restore")


@app.command(epilog="Example: cnilab cluster restore")
def restore(kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Put back the mode that was there before cnilab's first switch."""
    from cnilab.testbeds.kubernetes import switching

    saved = switching.restore(_api(kubeconfig, context), progress=_say)
    typer.echo(
        f"{saved.mode} is back, as it was at {saved.at}" if saved else "nothing was saved: no switch to undo"
    )


@app.command(epilog="Example: cnilab cluster cleanup")
def cleanup(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    run_id: Annotated[
        Optional[str], typer.Option("--run", help="Only this run's [default: every run's].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove everything a run has left in the cluster, found by its label."""
    from cnilab.testbeds.kubernetes.cleanup import clean_up

    found = clean_up(_api(kubeconfig, context), run_id)
    print_json(found.to_dict()) if as_json else typer.echo(repr(found))
    if not found.ok:
        raise typer.Exit(1)


@app.command(epilog="Example: cnilab cluster run data/studies/cluster.yaml --switch -o runs/mine")
def run(
    study: Annotated[Path, typer.Argument(help="The study's YAML file; the lab's will do.")],
    out: Out = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    image: Image = None,
    may_switch: Annotated[
        bool,
        typer.Option("--switch", help="The cluster's mode may be changed between blocks, and is put back."),
    ] = False,
    routed_underlay: Routed = False,
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing in -o DIR.")] = False,
    retry: RetryEnded = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Also the notebooks and report.html.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Run a study on the cluster your kubeconfig names; with --report the last line is the report's path."""
    import tempfile

    from cnilab import execute
    from cnilab import study as studies
    from cnilab.cli.study import ended, interrupted, run_place
    from cnilab.report import pipeline
    from cnilab.runs.run import Run
    from cnilab.study.cluster_settings import settle
    from cnilab.testbeds.kubernetes.detect import detect as look

    wanted = studies.load(study)
    where = run_place(study, out, resume)
    settings = settle(
        wanted.cluster,
        kubeconfig=str(Path(kubeconfig).resolve()) if kubeconfig else None,
        context=context,
        image=image,
        may_switch=may_switch or None,
        routed_underlay=routed_underlay or None,
    )
    flags = [
        f"--{k} {v}" for k, v in {"kubeconfig": kubeconfig, "context": context, "image": image}.items() if v
    ]
    flags += (
        ["--switch"] * may_switch + ["--routed-underlay"] * routed_underlay + ["--no-report"] * (not report)
    )
    command = " ".join(["cnilab cluster run", str(study), f"-o {where}", *flags])
    again = f"{command} --resume"
    if retry and not resume:
        raise typer.BadParameter("--retry goes with --resume")
    found = look(_api(settings.kubeconfig or None, settings.context or None))  # a wrong cluster is told now
    typer.echo(f"{found!r}".splitlines()[0], err=True)
    with tempfile.TemporaryDirectory() as folder:
        # The same study on another testbed: the notebooks read it from a file, so it gets one.
        real = Path(folder) / study.name
        here = wanted.model_copy(update={"testbed": "kubernetes", "cluster": settings})
        real.write_text(here.to_yaml())
        typer.echo(f"{wanted.plan()!r}", err=True)
        if not report:
            try:
                finished = execute.run(
                    real, where, resume=resume, retry=[how.value for how in retry or ()], progress=not quiet
                )
            except execute.Interrupted as stop:
                interrupted(again, stop)
            typer.echo(repr(finished))
            ended(finished, command)
            return
        try:
            typer.echo(str(pipeline.run_notebooks(str(real), str(where), resume=resume, progress=not quiet)))
            ended(Run.open(where), command)
        except KeyboardInterrupt:
            typer.echo(f"\nstopped; what was measured is in {where}. Continue with: {again}", err=True)
            raise typer.Exit(130) from None


@app.command(epilog="Example: cnilab cluster detect")
def detect(kubeconfig: Kubeconfig = None, context: Context = None, as_json: Json = False) -> None:
    """Which CNI mode is on, by which object and on which node. Reads only; tells which right is missing."""
    from cnilab.testbeds.kubernetes.detect import detect as look

    found = look(_api(kubeconfig, context))
    print_json(found.to_dict()) if as_json else typer.echo(repr(found))
    if found.plugin is None or (found.mode is None and found.missing_rights):
        raise typer.Exit(1)


@app.command(epilog="Example: cnilab cluster rbac run --user alice | kubectl apply -f -")
def rbac(
    what: Annotated[str, typer.Argument(metavar="[detect|verify|run|switch|all]")] = "run",
    user: Annotated[Optional[list[str]], typer.Option(help="Bind the role to this user.")] = None,
    service_account: Annotated[
        Optional[list[str]], typer.Option(help="Bind it to this service account, NAMESPACE:NAME.")
    ] = None,
) -> None:
    """Print the smallest rights a command needs, for an administrator to read and apply."""
    from cnilab.testbeds.kubernetes import rbac as rights

    subjects = [*map(rights.user, user or ()), *map(rights.service_account, service_account or ())]
    typer.echo(rights.to_yaml(rights.objects(what, subjects)), nl=False)
