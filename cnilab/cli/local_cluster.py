"""`cnilab cluster up, down, status, shell`: a cluster on this machine. Part of `cnilab cluster`."""

from __future__ import annotations

import os
from typing import Annotated, Optional

import typer

from cnilab.cli.options import Json, print_json

app = typer.Typer()

Name = Annotated[str, typer.Option(help="Of the cluster; another name is another cluster beside it.")]


@app.command(epilog="Example: cnilab cluster up --nodes 3 --lifetime 7200      (as root)")
def up(
    nodes: Annotated[int, typer.Option(help="1 to 9; every third one is in the second subnet.")] = 3,
    cni: Annotated[str, typer.Option(help="flannel or calico.")] = "flannel",
    name: Name = "default",
    lifetime: Annotated[int, typer.Option(help="Seconds after which a forgotten cluster ends itself.")] = 8
    * 3600,
    proxy: Annotated[str, typer.Option(help="kube-proxy's mode: iptables or nftables.")] = "iptables",
) -> None:
    """Raise a real Kubernetes on this machine (root; the first time its programs are compiled).

    It lives in namespaces of its own: no Docker, no registry, and `cnilab cluster down` leaves nothing.
    """
    from cnilab.localcluster.lifecycle import Cluster
    from cnilab.localcluster.shape import Settings

    made = Cluster(Settings(name=name, nodes=nodes, cni=cni, lifetime_s=lifetime, proxy=proxy)).up()
    typer.echo(f"export KUBECONFIG={made.settings.kubeconfig}")
    typer.echo("next: cnilab cluster detect", err=True)


@app.command(epilog="Example: cnilab cluster down      (as root)")
def down(name: Name = "default") -> None:
    """End a cluster raised by `up`; no process, mount, link, cgroup or file of it stays."""
    from cnilab.localcluster.lifecycle import Cluster

    Cluster.find(name).down()
    typer.echo(f"cluster {name} is gone", err=True)


@app.command(epilog="Example: cnilab cluster status --json")
def status(
    name: Annotated[Optional[str], typer.Option(help="Only this cluster [default: all].")] = None,
    as_json: Json = False,
) -> None:
    """Show the clusters of this machine: nodes, back end, memory, age. Exit status 1 if one is not well."""
    from cnilab.errors import Unavailable
    from cnilab.localcluster.lifecycle import Cluster, clusters
    from cnilab.localcluster.status import SCHEMA_VERSION
    from cnilab.localcluster.status import status as look

    chosen = [Cluster.find(name)] if name else list(clusters())
    if not chosen and not as_json:
        raise Unavailable("no cluster on this machine; raise one with: sudo cnilab cluster up")
    found = [look(cluster) for cluster in chosen]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "rows": [one.to_dict() for one in found]})
    else:
        typer.echo("\n\n".join(map(str, found)))
    if not all(one.ok for one in found):
        raise typer.Exit(1)


@app.command(epilog="Example: cnilab cluster shell n1 -c 'ip route'      (as root)")
def shell(
    node: Annotated[str, typer.Argument(metavar="NODE", help="n1, n2, …, control-plane or router.")],
    command: Annotated[
        Optional[str], typer.Option("-c", help="Run this instead of an interactive shell.")
    ] = None,
    name: Name = "default",
) -> None:
    """Go inside a node: its network, mounts and processes."""
    import subprocess

    from cnilab.localcluster.lifecycle import Cluster
    from cnilab.setup.programs import search_path

    argv = [*Cluster.find(name).enter(node), "sh", *(("-c", command) if command is not None else ())]
    environment = {**os.environ, "PATH": search_path(), "PS1": f"{node}# "}
    raise typer.Exit(subprocess.run(argv, env=environment).returncode)
