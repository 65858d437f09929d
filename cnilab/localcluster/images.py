"""Packs the machine's own programs into container images: no registry, no container builder, no root needed.

An image here is one layer: programs, the shared libraries that ``ldd`` names for them, a few files and busybox for
the rest of a small system. All images go into one archive in Docker's format (image specification v1.2), which
``ctr images import`` reads. The same programs give the same bytes, so an archive is made once and then found again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cnilab.errors import Unavailable
from cnilab.localcluster import calico
from cnilab.localcluster.compiling import MODULES, binary
from cnilab.localcluster.shape import (
    BENCH_IMAGE,
    CALICO_IMAGE,
    FLANNEL_IMAGE,
    PAUSE_IMAGE,
    cache_root,
    make_folder,
)
from cnilab.measurements import programs
from cnilab.setup.programs import find, package_for

#: What a benchmark pod must have, and what it has where this machine has it.
BENCH_NEEDED = ("iperf3", "ip", "ss", "ping", "tcpdump", "ethtool", "taskset")
BENCH_WANTED = ("bridge", "tc", *(p.name for p in programs().values() if p.alone), "fping", "openssl")
_TABLES = tuple(f"{table}{part}" for table in ("iptables", "ip6tables") for part in ("", "-save", "-restore"))
_VARIANTS = tuple(
    f"{table}-{variant}{part}"
    for table in ("iptables", "ip6tables")
    for variant in ("legacy", "nft")
    for part in ("", "-save", "-restore")
)
#: What the agent of each plugin calls.
AGENT_NEEDED = {
    "flannel": (*_TABLES, "nft", "ip", "bridge"),
    # Felix looks at both variants of iptables before it takes the one that kube-proxy uses.
    "calico": (*_TABLES, *_VARIANTS, "ipset", "nft", "ip", "bridge"),
}
AGENT_WANTED = {"flannel": (), "calico": ("conntrack",)}
#: Who a benchmark pod runs as; the restricted Pod Security Standard asks for a user other than root.
BENCH_USER = "10001:10001"
_ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nbench:x:10001:10001::/tmp:/bin/sh\n",
    "/etc/group": "root:x:0:\nbench:x:10001:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}
_FOLDERS = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "run", "var", "proc", "sys", "dev")
#: As on every current distribution, so that a library is found by either of its names.
_MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image.

    Parameters
    ----------
    name
        With its tag.
    programs
        Names, looked up on this machine; each stands in the image where it stands here.
    files
        Path in the image to a file or folder of this machine.
    entry
        Entry point.
    user
        ``UID:GID``; empty: root.
    environment
        Variables beside PATH.
    shell
        Whether busybox is in it, with all its applets.
    """

    name: str
    programs: Sequence[str] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    entry: Sequence[str] = ()
    user: str = ""
    shell: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def contents(self) -> dict[str, Path]:
        """Return every file: path in the image to its source here, libraries included.

        Raises
        ------
        Unavailable
            If a program is missing, with the command that installs it.
        """
        found = {path: source for path, source in self.files.items() if source.is_file()}
        for path, source in self.files.items():
            if source.is_dir():
                found |= {f"{path}/{f.relative_to(source)}": f for f in source.rglob("*") if f.is_file()}
        for program in self.programs:
            source = _program(program)
            # What the virtual environment brings stands in an ordinary folder there.
            path = str(source) if source.parent.name in ("bin", "sbin") and _is_system(source) else ""
            found[path or f"/usr/bin/{program}"] = source
        if self.shell:
            found["/usr/bin/busybox"] = _program("busybox")
            # Not busybox's own shell: it may prefer its applets to the real ping and ip beside them.
            found["/usr/bin/sh"] = _program("sh")
        for source in list(found.values()):
            for library in libraries(source.resolve()):
                found.setdefault(library, Path(library))
        placed: dict[str, Path] = {}
        for path, source in sorted(found.items()):
            placed.setdefault(_place(path), source.resolve())
        return placed


def images(cni: str) -> tuple[Image, ...]:
    """Return the images a cluster with that plugin runs.

    Raises
    ------
    Unavailable
        If a program is not built.
    """
    return (
        Image(
            PAUSE_IMAGE, files={"/pause": binary("pause")}, entry=("/pause",), user="65535:65535", shell=False
        ),
        _agent(cni),
        Image(
            BENCH_IMAGE, tuple(dict.fromkeys((*BENCH_NEEDED, *filter(find, BENCH_WANTED)))), user=BENCH_USER
        ),
    )


def _agent(cni: str) -> Image:
    programs = (*AGENT_NEEDED[cni], *filter(find, AGENT_WANTED[cni]))
    # iptables loads its matches and targets at run time.
    tables = {
        **{str(folder): folder for folder in Path("/usr/lib").glob("*/xtables")},
        **{str(file): file for file in (Path("/etc/ethertypes"), Path("/etc/protocols"))},
    }
    if cni == "flannel":
        files = {
            "/opt/bin/flanneld": binary("flanneld"),
            "/opt/bin/install-conf": binary("install-conf"),
            "/flannel": binary("cni-flannel"),
        }
        return Image(FLANNEL_IMAGE, programs, files | tables, entry=("/opt/bin/flanneld",))
    files = {
        "/usr/bin/calico-node": binary("calico-node"),
        # The plugin itself lies on each node already: it is not copied a second time.
        "/opt/cni/bin/install": binary("calico-install"),
        "": MODULES["calico-files"].result / calico.ROOT,
    }
    # As in the published image: by it confd's `sv hup bird` finds the service.
    services = {"SVDIR": "/etc/service/enabled"}
    return Image(
        CALICO_IMAGE, programs, files | tables, entry=("/usr/sbin/start_runit",), environment=services
    )


def left_out() -> list[str]:
    """Return the programs that the benchmark image lacks because this machine does."""
    return [program for program in BENCH_WANTED if not find(program)]


def missing(cni: str) -> list[str]:
    """Return the programs without which the images of a cluster with that plugin cannot be made."""
    return [p for p in dict.fromkeys((*AGENT_NEEDED[cni], *BENCH_NEEDED, "busybox")) if not find(p)]


def archive(cni: str) -> Path:
    """Make the archive of all images for a plugin, or find the one made from the same programs.

    Raises
    ------
    Unavailable
        If a program is missing or not built.
    """
    chosen = images(cni)
    contents = {image.name: image.contents() for image in chosen}
    facts = [
        (name, path, str(source), (stat := source.stat()).st_size, stat.st_mtime_ns)
        for name, files in contents.items()
        for path, source in files.items()
    ]
    code = Path(__file__).read_bytes()
    digest = hashlib.sha256(json.dumps(facts).encode() + code).hexdigest()[:12]
    path = cache_root() / f"images-{cni}-{digest}.tar"
    if not path.exists():
        make_folder(path.parent)
        for old in path.parent.glob(f"images-{cni}-*.tar"):
            old.unlink()
        partial = path.with_suffix(f".{os.getpid()}")
        pack(partial, [(image, contents[image.name]) for image in chosen])
        partial.replace(path)
    return path


def pack(path: Path, chosen: Iterable[tuple[Image, Mapping[str, Path]]]) -> None:
    """Write an archive.

    Parameters
    ----------
    path
        Of the archive.
    chosen
        Each image with what :meth:`Image.contents` says.
    """
    manifest = []
    with tarfile.open(path, "w") as out:
        for image, contents in chosen:
            layer = _layer(contents, image.shell)
            digest = hashlib.sha256(layer).hexdigest()
            variables = [_PATH, *(f"{k}={v}" for k, v in image.environment.items())]
            config = json.dumps(
                {
                    "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                    "os": "linux",
                    "config": {"Env": variables, "User": image.user, "Entrypoint": list(image.entry) or None},
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                }
            ).encode()
            named = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(out, named, config)
            _add(out, f"{digest}/layer.tar", layer)
            manifest.append({"Config": named, "RepoTags": [image.name], "Layers": [f"{digest}/layer.tar"]})
        _add(out, "manifest.json", json.dumps(manifest).encode())


@cache
def libraries(program: Path) -> tuple[str, ...]:
    """Return the shared libraries of a program by their paths; none for a static one or a script."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=30)
    if done.returncode:
        return ()
    return tuple(word for line in done.stdout.splitlines() for word in line.split() if word.startswith("/"))


def _program(name: str) -> Path:
    path = find(name)
    if path is None:
        package = package_for(name)
        raise Unavailable(
            f"no {name} to put into an image; " + (f"try: {package.remedy}" if package else "install it")
        )
    return path


def _is_system(path: Path) -> bool:
    return path.parts[1] in ("usr", "bin", "sbin", "opt") and path.parts[2] != "local"


def _place(path: str) -> str:
    head, _, rest = path.lstrip("/").partition("/")
    return f"{_MERGED[head]}/{rest}" if head in _MERGED and rest else path.lstrip("/")


def _layer(contents: Mapping[str, Path], shell: bool) -> bytes:
    made = io.BytesIO()
    seen: set[str] = set()
    with tarfile.open(fileobj=made, mode="w") as tar:

        def folder(path: str, mode: int = 0o755) -> None:
            if path and path != "." and path not in seen:
                folder(os.path.dirname(path))
                seen.add(path)
                _entry(tar, path, tarfile.DIRTYPE, mode)

        def link(path: str, target: str) -> None:
            if path not in seen:
                seen.add(path)
                _entry(tar, path, tarfile.SYMTYPE, 0o777, linkname=target)

        for path in _FOLDERS:
            folder(path)
        folder("tmp", 0o1777)
        for name, target in _MERGED.items():
            link(name, target)
        for path, text in _ACCOUNTS.items():
            _add(tar, path.lstrip("/"), text.encode())
        for path, source in contents.items():
            folder(os.path.dirname(path))
            seen.add(path)
            with source.open("rb") as file:
                _entry(tar, path, tarfile.REGTYPE, source.stat().st_mode & 0o777, file=file)
        if shell:
            here = {os.path.basename(path) for path in contents}
            for applet in _applets(contents["usr/bin/busybox"]):
                if applet not in here:
                    link(f"usr/bin/{applet}", "busybox")
    return made.getvalue()


def _applets(busybox: Path) -> list[str]:
    return subprocess.run(
        [str(busybox), "--list"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    _entry(tar, name, tarfile.REGTYPE, 0o644, file=io.BytesIO(data))


def _entry(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes,
    mode: int,
    *,
    file: io.BufferedReader | io.BytesIO | None = None,
    linkname: str = "",
) -> None:
    """Add an entry that carries neither times nor owners of this machine."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, linkname
    if file is not None:
        info.size = file.seek(0, os.SEEK_END)
        file.seek(0)
    tar.addfile(info, file)
