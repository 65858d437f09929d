"""The control groups that hold the cluster's pods, in version 1 and version 2, made before and removed after.

The kubelet wants its root group to exist. Every cluster has one group below each hierarchy's root, with one a node in
it; processes of the nodes themselves stay in the group of whoever started the cluster.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
#: What the kubelet and runc ask of version 2, where the kernel has it.
CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


def version(root: Path = ROOT) -> int:
    """Return 2, 1, or 0 where none is mounted at ``root``."""
    if (root / "cgroup.controllers").exists():
        return 2
    return 1 if any(_hierarchies(root)) else 0


def create(name: str, nodes: Iterable[str], root: Path = ROOT) -> list[str]:
    """Make the cluster's groups.

    Parameters
    ----------
    name
        Of the cluster's group.
    nodes
        One group each in it.

    Returns
    -------
    list of str
        Version 2: the controllers that had to be switched on for the root's children; :func:`remove` takes them back.
    """
    made = [name, *(f"{name}/{node}" for node in nodes)]
    if version(root) == 2:
        added = _enable(root)
        for group in made:
            (root / group).mkdir(exist_ok=True)
            _enable(root / group)
        return added
    for hierarchy in _hierarchies(root):
        for group in made:
            path = hierarchy / group
            path.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                # A new group of version 1 has no CPU and takes no process before it is given some.
                if (path / file).exists() and not (path / file).read_text().strip():
                    (path / file).write_text((path.parent / file).read_text())
    return []


def remove(name: str, added: Iterable[str] = (), root: Path = ROOT, timeout_s: float = 10.0) -> list[Path]:
    """Remove the cluster's groups; its processes must have been killed.

    Returns
    -------
    list of Path
        What could not be removed within ``timeout_s``; empty if all is gone.
    """
    # Wherever the name is: beside version 1, runc also makes groups in a version 2 hierarchy that holds no controller.
    tops = [p for p in (root / name, *root.glob(f"*/{name}")) if p.is_dir() and not p.parent.is_symlink()]
    end = time.monotonic() + timeout_s
    while True:
        for top in tops:
            for folder in sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True):
                with contextlib.suppress(OSError):  # busy until the kernel has buried the last process
                    folder.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()
        left = [top for top in tops if top.exists()]
        if not left or time.monotonic() > end:
            break
        time.sleep(0.05)
    if not left:
        for controller in added:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                (root / "cgroup.subtree_control").write_text(f"-{controller}")
    return left


def _hierarchies(root: Path) -> Iterator[Path]:
    """Yield the mounted hierarchies of version 1; a link is a second name of one, ``unified`` is version 2."""
    if root.is_dir():
        for path in sorted(root.iterdir()):
            version_1 = (path / "cgroup.procs").exists() and not (path / "cgroup.controllers").exists()
            if version_1 and not path.is_symlink():
                yield path


def _enable(group: Path) -> list[str]:
    available = (group / "cgroup.controllers").read_text().split()
    control = group / "cgroup.subtree_control"
    on = control.read_text().split()
    added = [c for c in CONTROLLERS if c in available and c not in on]
    for controller in added:
        control.write_text(f"+{controller}")
    return added
