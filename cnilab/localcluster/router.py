"""The cluster's pid 1: the router between its subnets; it starts the control plane and the nodes.

Runs in process, mount, network, host name and IPC namespaces of its own (``cluster.py`` makes them). When it ends, the
kernel ends every process of the cluster, and with the last one all its mounts, links and namespaces are gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from cnilab.localcluster import cgroups, components
from cnilab.localcluster.processes import Programs
from cnilab.localcluster.shape import (
    API_PORT,
    CONTROL_PLANE,
    SUBNETS,
    Settings,
    gateway,
)

#: Settings of the whole kernel that the kubelet writes. It gets plain files to write to, and nothing changes outside.
SHIELDED = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
#: They end by themselves when the API server does not answer within 10 to 20 s, as on a busy machine, and are meant to
#: be started again by whoever started them.
RESTARTED = ("kube-controller-manager", "kube-scheduler")
RESTARTS = 20
RESTART_S = 1.0
_LOCAL = "cnilab.localcluster"


class _Over(BaseException):
    """The lifetime is over."""


def main(folder: Path, listener: int) -> None:
    """Raise the cluster whose ``settings.json`` is in ``folder`` and stay until its lifetime is over.

    Parameters
    ----------
    folder
        The cluster's state.
    listener
        File descriptor of the socket that the API server is to be reached by from outside.
    """
    settings = Settings.load(folder)

    def over(number: int, frame: object) -> None:
        raise _Over

    signal.signal(signal.SIGALRM, over)
    signal.signal(signal.SIGTERM, over)
    signal.alarm(settings.lifetime_s)
    try:
        socket.sethostname(f"cnilab-{settings.name}")
        shield(folder / "sysctl")
        network(settings)
        programs = Programs(settings.logs)
        start_control_plane(programs, settings, listener)
        for node in settings.addresses:
            start_node(programs, settings, node)
        (folder / "pids").write_text(
            "".join(f"{name} {process.pid}\n" for name, process in programs.running.items())
        )
        watch(programs, folder)
    except _Over:
        dissolve(settings)


def shield(folder: Path) -> None:
    """Put plain files over the settings that have no namespace."""
    folder.mkdir()
    for name in SHIELDED:
        setting = Path("/proc/sys") / name
        if setting.exists():
            copy = folder / name.replace("/", ".")
            copy.write_text(setting.read_text())
            subprocess.run(["mount", "--bind", str(copy), str(setting)], check=True)


def network(settings: Settings) -> None:
    """Make a network namespace for each machine and join it to its subnet's bridge; the router is this one.

    The router's addresses are on cables into the bridges, as in the lab, and not on the bridges themselves. A bridge
    device offers no segmentation of encapsulated packets (net/bridge/br_device.c sets no ``hw_enc_features`` for it),
    so what is routed out through one is cut into single packets first; a VXLAN across subnets had a third of its
    goodput that way.
    """
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    machines = {"control-plane": CONTROL_PLANE, **settings.addresses}
    bridges = {router: f"br{i}" for i, router in enumerate(SUBNETS.values())}
    lines = ["link set lo up"]
    for i, (router, bridge) in enumerate(bridges.items()):
        lines += [
            f"link add {bridge} type bridge",
            f"link set {bridge} up",
            f"link add eth{i} type veth peer name router{i}",
            f"link set router{i} master {bridge} up",
            f"addr add {router}/24 dev eth{i}",
            f"link set eth{i} up",
        ]
    for name, address in machines.items():
        lines += [
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 netns {name}",
            f"link set {name} master {bridges[gateway(address)]} up",
        ]
    _ip((), lines)
    for name, address in machines.items():
        _ip(
            ("-n", name),
            [
                "link set lo up",
                f"addr add {address}/24 dev eth0",
                "link set eth0 up",
                f"route add default via {gateway(address)}",
            ],
        )
    _sysctl({"net/ipv4/ip_forward": 1, "net/ipv4/conf/all/rp_filter": 0})


def start_control_plane(programs: Programs, settings: Settings, listener: int) -> None:
    """Start etcd, the API server, its two clients and the way in from outside, in their network namespace."""
    inside = ("nsenter", "--net=/run/netns/control-plane", "--")
    etcd = "http://127.0.0.1:2379"
    server = components.apiserver(settings.pki, etcd, "0.0.0.0", API_PORT)
    for argv in (
        components.etcd(settings.folder / "etcd", etcd, "http://127.0.0.1:2380"),
        [*server, f"--advertise-address={CONTROL_PLANE}"],
        components.controller_manager(settings.pki),
        components.scheduler(settings.pki),
    ):
        programs.start(Path(argv[0]).name, (*inside, *argv))
    relay = (sys.executable, "-m", f"{_LOCAL}.relay", str(listener), CONTROL_PLANE, str(API_PORT))
    programs.start("relay", (*inside, *relay), inherit=(listener,))


def start_node(programs: Programs, settings: Settings, node: str) -> None:
    """Start a node: in its network namespace, with mounts and a host name of its own."""
    programs.start(
        node,
        (
            *("nsenter", f"--net=/run/netns/{node}", "--"),
            *("unshare", "--mount", "--uts", "--propagation", "private", "--"),
            *(sys.executable, "-m", f"{_LOCAL}.node", str(settings.folder), node),
        ),
    )


def watch(programs: Programs, folder: Path) -> None:
    """Bury what ends here, as pid 1 must, and write down which of the cluster's own it was, or start it again."""
    names = {process.pid: name for name, process in programs.running.items()}
    restarts = dict.fromkeys(RESTARTED, 0)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:  # nothing left to wait for
            time.sleep(1)
            continue
        name = names.pop(pid, None)
        if name is None:
            continue
        if restarts.get(name, RESTARTS) < RESTARTS:
            restarts[name] += 1
            time.sleep(RESTART_S)
            names[programs.restart(name, os.waitstatus_to_exitcode(status)).pid] = name
        else:
            with (folder / "ended").open("a") as file:
                file.write(f"{name} {os.waitstatus_to_exitcode(status)}\n")


def dissolve(settings: Settings) -> None:
    """End the cluster from inside and leave nothing of it, for nobody else may come to do so."""
    os.kill(-1, signal.SIGKILL)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    added = settings.folder / "controllers"
    cgroups.remove(settings.cgroup, added.read_text().split() if added.exists() else ())
    shutil.rmtree(settings.folder, ignore_errors=True)


def _ip(options: Iterable[str], lines: Iterable[str]) -> None:
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _sysctl(values: dict[str, int]) -> None:
    for name, value in values.items():
        Path("/proc/sys", name).write_text(str(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
