"""What this machine lacks to raise a cluster: everything at once, before anything is started. Changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from cnilab.errors import Unavailable
from cnilab.localcluster import cgroups, images
from cnilab.localcluster import compiling as build
from cnilab.localcluster.shape import CNI_FOLDERS, Settings, cache_root
from cnilab.setup.programs import find, package_for

DISK_BYTES = 8 << 30
#: Of it, while nothing has to be compiled.
DISK_BUILT_BYTES = 2 << 30
PROGRAMS = (
    *("containerd", "ctr", "runc", "openssl", "iptables", "ip"),
    *("unshare", "nsenter", "setpriv", "mount"),
)
PLUGINS = ("bridge", "host-local", "loopback", "portmap")


def require(settings: Settings) -> None:
    """Check all that :func:`problems` checks.

    Raises
    ------
    Unavailable
        With every problem, one a line.
    """
    found = list(problems(settings))
    if found:
        raise Unavailable("this machine cannot raise a cluster yet:" + "".join(f"\n  - {p}" for p in found))


def problems(settings: Settings) -> Iterator[str]:
    """Yield what is missing, each with its remedy."""
    if os.geteuid():
        yield f"a cluster needs root (namespaces, mounts, cgroups); type: sudo {sys.argv[0]} cluster up"
    if not cgroups.version():
        yield f"no cgroups are mounted at {cgroups.ROOT}, neither version 1 nor 2"
    yield from _missing_programs(settings.cni)
    if not any(all((f / p).exists() for p in PLUGINS) for f in CNI_FOLDERS):
        yield (
            f"no CNI plugins ({', '.join(PLUGINS)}) in {', '.join(map(str, CNI_FOLDERS))}; "
            "try: sudo apt-get install containernetworking-plugins"
        )
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        yield "the kernel's br_netfilter is not loaded, which Services need; type: sudo modprobe br_netfilter"
    to_build = build.missing(settings.cni)
    if to_build:
        try:
            build.require_go()
        except Unavailable as error:
            yield str(error)
    yield from _disk(settings.folder, DISK_BYTES if to_build else DISK_BUILT_BYTES)
    if to_build:
        yield from _disk(cache_root(), DISK_BYTES)
    if _on_overlay(settings.folder):
        yield (
            f"{settings.folder} is on an overlay file system, where containers' own cannot lie; "
            "set XDG_STATE_HOME to a folder on a disk"
        )


def _missing_programs(cni: str) -> Iterator[str]:
    lacking = [p for p in PROGRAMS if not find(p)]
    lacking += [p for p in images.missing(cni) if p not in lacking]
    packages = [package_for(p) for p in lacking]
    if lacking:
        names = dict.fromkeys(p.names[0] for p in packages if p)
        remedy = f"; try: sudo apt-get install {' '.join(names)}" if names else ""
        yield f"missing programs: {', '.join(lacking)}{remedy}"


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _disk(path: Path, needed: int) -> Iterator[str]:
    there = _existing(path)
    free = shutil.disk_usage(there).free
    if free < needed:
        yield f"{there} has {free / (1 << 30):.1f} GiB free; a cluster needs {needed / (1 << 30):.0f}"


def _on_overlay(path: Path) -> bool:
    """Look up the file system of a path's mount."""
    device = os.stat(_existing(path)).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _mounts():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0] == "overlay"
    return False


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()
