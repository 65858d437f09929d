"""Raises a Kubernetes cluster on this machine, looks at it, and takes it down so that nothing of it is left.

The cluster lives in one process tree with namespaces of its own: ``down`` kills the first process, the kernel ends the
rest. Outside of them stay a folder, the kubeconfig in it, and the cgroups; they are removed by name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import yaml

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster import calico, cgroups, flannel, images, pki
from cnilab.localcluster import compiling as build
from cnilab.localcluster import preflight as checks
from cnilab.localcluster.apiserver import LOOPBACK, not_ready
from cnilab.localcluster.processes import SHOWN, excerpt
from cnilab.localcluster.progress import Progress
from cnilab.localcluster.shape import (
    API_PORT,
    API_SERVICE,
    CONTROL_PLANE,
    Settings,
    caller,
    make_folder,
    state_root,
)
from cnilab.localcluster.tree import Tree
from cnilab.testbeds.kubernetes.api import Api, ApiError

API_READY_S = 120.0
NODES_READY_S = 240.0
DOWN_S = 15.0
#: What each plugin writes on a node once it carries pods there; Calico's is its VXLAN's, which the cluster begins with.
ANNOUNCED = {
    "flannel": "flannel.alpha.coreos.com/backend-type",
    "calico": "projectcalico.org/IPv4VXLANTunnelAddr",
}
DAEMONSETS = {
    "flannel": "kube-flannel/daemonsets/kube-flannel-ds",
    "calico": "kube-system/daemonsets/calico-node",
}


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster, as the API server sees it."""

    name: str
    address: str
    ready: bool
    why_not: str = ""


class Cluster:
    """One cluster by its settings; use it with ``with``, or call :meth:`up` and :meth:`down`.

    Parameters
    ----------
    settings
        Its shape. A cluster that is up is found by :meth:`find`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.tree = Tree(self.settings.folder)

    @classmethod
    def find(cls, name: str = "default") -> Cluster:
        """Return the cluster of that name, which has been raised before.

        Raises
        ------
        Unavailable
            If there is none, with those there are.
        """
        folder = state_root() / name
        if not (folder / "settings.json").exists():
            there = sorted(p.parent.name for p in state_root().glob("*/settings.json"))
            known = f"; there are {', '.join(there)}" if there else ""
            raise Unavailable(f"no cluster {name!r}{known}; raise one with: sudo cnilab cluster up")
        return cls(Settings.load(folder))

    # ---- up -------------------------------------------------------------------------------------------

    def up(self, progress: Progress | None = None) -> Cluster:
        """Raise the cluster and return when every node is Ready.

        Raises
        ------
        Unavailable
            If this machine cannot, with everything it lacks.
        ClusterError
            If it is up already, or does not come up; the message names the log and shows its end.
        """
        progress, settings = progress or Progress(), self.settings
        if self.alive:
            raise ClusterError(
                f"cluster {settings.name!r} is up already; see: cnilab cluster status --name {settings.name}; "
                f"end it with: cnilab cluster down --name {settings.name}"
            )
        checks.require(settings)
        self.down()  # what is left of one that ended by itself
        build.build(progress, only=build.needed(settings.cni))
        archive = images.archive(settings.cni)
        if left_out := images.left_out():
            progress.step(
                f"the benchmark image has no {', '.join(left_out)}: this machine does not have them"
            )
        try:
            self._start(archive)
            progress.step("started; the control plane comes up")
            self._wait("API server", lambda: not_ready(self._server, self._authority), API_READY_S, progress)
            progress.step(f"API server ready; installing {settings.cni}, nodes come up")
            self._apply(manifest(settings.cni))
            self._wait("nodes Ready", self._nodes_lack, NODES_READY_S, progress)
            # Ready means that a CNI configuration lies there; a plugin writes it before it runs.
            self._wait(f"{settings.cni} on every node", self._plugin_lacks, NODES_READY_S, progress)
        except BaseException as error:
            with contextlib.suppress(ClusterError):
                self.down(keep_logs=isinstance(error, Exception))
            raise
        progress.step(f"{settings.nodes} of {settings.nodes} nodes Ready")
        return self

    def _start(self, archive: Path) -> None:
        """Make everything that is outside of the namespaces, and the namespaces with their pid 1."""
        settings = self.settings
        make_folder(settings.folder, 0o711)  # whoever may read the kubeconfig must get to it
        settings.save()
        (settings.folder / "images").write_text(str(archive))
        settings.logs.mkdir()
        servers = (LOOPBACK, "localhost", CONTROL_PLANE, API_SERVICE)
        api = f"https://{CONTROL_PLANE}:{API_PORT}"
        authority = pki.make(settings.pki, servers=servers, nodes=settings.addresses, api=api)
        added = cgroups.create(settings.cgroup, settings.addresses)
        (settings.folder / "controllers").write_text(" ".join(added))
        with socket.create_server((LOOPBACK, 0)) as listener:
            vars(self).pop("api", None)  # it would call the port of the time before
            self._server = f"https://{LOOPBACK}:{listener.getsockname()[1]}"
            authority.kubeconfig("admin", self._server, settings.kubeconfig)
            if user := caller():
                os.chown(settings.kubeconfig, *user)
            handed = listener.fileno()
            self.tree.start(
                "cnilab.localcluster.router",
                (str(settings.folder), str(handed)),
                settings.logs / "router.log",
                inherit=(handed,),
            )

    @cached_property
    def _authority(self) -> pki.Authority:
        return pki.Authority(self.settings.pki)

    @cached_property
    def _server(self) -> str:
        return yaml.safe_load(self.settings.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]

    @cached_property
    def api(self) -> Api:
        """The API server, as administrator."""
        return Api.load(str(self.settings.kubeconfig))

    def _apply(self, manifest: Path) -> None:
        for obj in yaml.safe_load_all(manifest.read_text()):
            self.api.create(_collection(obj), obj)

    def _nodes_lack(self) -> str:
        try:
            there = {m.name: m for m in self.machines()}
        except ApiError as error:
            return str(error)
        waiting = [
            f"{name} {there[name].why_not if name in there else 'has not joined'}"
            for name in self.settings.addresses
            if name not in there or not there[name].ready
        ]
        return "; ".join(waiting)

    def _plugin_lacks(self) -> str:
        plugin = self.settings.cni
        waiting = []
        try:
            nodes = list(self.api.items("/api/v1/nodes"))
            agents = self.api.get(f"/apis/apps/v1/namespaces/{DAEMONSETS[plugin]}").get("status") or {}
        except ApiError as error:
            return str(error)
        for node in nodes:
            if ANNOUNCED[plugin] not in (node["metadata"].get("annotations") or {}):
                waiting.append(f"{node['metadata']['name']}: {plugin} has not announced itself")
            elif taints := (node.get("spec") or {}).get("taints"):
                waiting.append(f"{node['metadata']['name']} is tainted {taints[0]['key']}")
        if (ready := agents.get("numberReady", 0)) < self.settings.nodes:
            waiting.append(f"{plugin} is ready on {ready} of {self.settings.nodes} nodes")
        return "; ".join(waiting)

    def _wait(self, what: str, why_not: Callable[[], str], timeout_s: float, progress: Progress) -> None:
        end = time.monotonic() + timeout_s
        while reason := why_not():
            self.check()
            if time.monotonic() > end:
                log = self._log_of(reason)
                raise ClusterError(f"{what}: not within {timeout_s:g} s ({reason}); {excerpt(log)}")
            progress.note(f"waiting for {what}: {reason}")
            time.sleep(0.2)

    def _log_of(self, reason: str) -> Path:
        """Guess the log that tells most: the one of the node that the reason names first."""
        node = reason.split(" ", 1)[0]
        if node in self.settings.addresses:
            kubelet = self.settings.logs / f"{node}-kubelet.log"
            return kubelet if kubelet.exists() else self.settings.logs / f"{node}.log"
        return self.settings.logs / "kube-apiserver.log"

    # ---- what is there --------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the cluster's process tree is there."""
        return self.tree.outer is not None

    def check(self) -> None:
        """Raise if the cluster or one of its machines has ended.

        Raises
        ------
        ClusterError
            With the log of what ended, and its end.
        """
        folder, logs = self.settings.folder, self.settings.logs
        ended = folder / "ended"
        if ended.exists() and (lines := ended.read_text().split("\n")[:-1]):
            name, code = lines[0].split()
            # A node's log holds the end of the log of what ended in it.
            text = f"{name} ended with status {code}; {excerpt(logs / f'{name}.log', 2 * SHOWN)}"
            raise ClusterError(text.replace("/run/cnilab/", f"{folder}/"))
        if not self.alive:
            raise ClusterError(f"the cluster has ended; {excerpt(logs / 'router.log')}")

    def machines(self) -> list[Machine]:
        """Return the nodes that have joined, in the order of their names."""
        found = []
        for node in self.api.items("/api/v1/nodes"):
            status = node["status"]
            ready: dict = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
            address = next(
                (a["address"] for a in status.get("addresses", ()) if a["type"] == "InternalIP"), ""
            )
            why_not = "" if ready.get("status") == "True" else ready.get("message") or "has not reported yet"
            found.append(Machine(node["metadata"]["name"], address, not why_not, why_not))
        return sorted(found, key=lambda m: m.name)

    def enter(self, machine: str) -> list[str]:
        """Return the command that runs what is appended to it inside a node, ``control-plane`` or ``router``.

        Raises
        ------
        ClusterError
            If there is no such machine, or the cluster is not up.
        """
        known = (*self.settings.addresses, "control-plane", "router")
        if machine not in known:
            raise ClusterError(f"no machine {machine!r}; there are {', '.join(known)}")
        first = self.tree.first
        if first is None:
            raise ClusterError(
                f"cluster {self.settings.name!r} is not up; raise it with: sudo cnilab cluster up"
            )
        command = ["nsenter", "-t", str(first), "--mount", "--pid", "--net", "--uts", "--ipc", "--"]
        if machine == "control-plane":
            return [*command, "nsenter", "--net=/run/netns/control-plane", "--"]
        if machine == "router":
            return command
        pids = dict(line.split() for line in (self.settings.folder / "pids").read_text().splitlines())
        return [*command, "nsenter", "-t", pids[machine], "--mount", "--net", "--uts", "--"]

    # ---- down -----------------------------------------------------------------------------------------

    def down(self, keep_logs: bool = False) -> None:
        """End the cluster and remove what it left; does nothing where there is none.

        Parameters
        ----------
        keep_logs
            Leave the folder with the logs, for a cluster that did not come up.

        Raises
        ------
        ClusterError
            If something cannot be removed, with its name.
        """
        self.tree.kill(DOWN_S)
        folder = self.settings.folder
        controllers = folder / "controllers"
        added = controllers.read_text().split() if controllers.exists() else []
        left = [str(path) for path in cgroups.remove(self.settings.cgroup, added, timeout_s=DOWN_S)]
        if keep_logs:
            (folder / "pid").unlink(missing_ok=True)
        elif folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            left += [str(folder)] if folder.exists() else []
            with contextlib.suppress(OSError):
                folder.parent.rmdir()
        if left:
            raise ClusterError(f"not removed: {', '.join(left)}; see who uses them with: fuser -v {left[0]}")

    def __enter__(self) -> Cluster:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def manifest(cni: str) -> Path:
    """Return the path of a plugin's manifest, as it was made when the plugin was built."""
    if cni == "flannel":
        return build.MODULES["flannel"].result / flannel.MANIFEST
    return build.MODULES["calico-files"].result / calico.MANIFEST


def _collection(obj: dict) -> str:
    """Return the path to create an object at, for the kinds that a cluster is raised with."""
    plural = obj["kind"].lower() + "s"
    group = obj["apiVersion"]
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    namespace = obj["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def clusters() -> Iterator[Cluster]:
    """Yield the clusters of this machine, up or ended."""
    for path in sorted(state_root().glob("*/settings.json")):
        yield Cluster(Settings.load(path.parent))
