"""Calico as published, with the changes that this machine asks for: what its image holds, and its manifest.

*From its Go module*: the programs (``compiling.py`` compiles them), the manifest with its custom kinds, confd's
templates and the scripts that start the agent's parts; they are read when it is built and are not part of this project.
*From Debian*: BIRD 1.6 and runit's supervisor, downloaded and unpacked, never installed. Calico's own BIRD is a fork
that cannot be had as a module; Debian's lacks its one addition, routes into IP-in-IP tunnels, so a pool with IP-in-IP
cannot be carried on this cluster, whatever the kernel has.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster.shape import CALICO, CALICO_IMAGE, POD_CIDR
from cnilab.setup.programs import find

MODULE = "github.com/projectcalico/calico"
#: The one version that Go's module proxies have: branch release-v3.28, two months past v3.28.5.
VERSION = "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520"
VARIABLES = {
    f"{MODULE}/node/pkg/lifecycle/startup.VERSION": CALICO,
    f"{MODULE}/node/buildinfo.GitVersion": CALICO,
}
MANIFEST = "calico.yaml"
NAMESPACE, AGENT = "kube-system", "calico-node"
#: In the folder of what was built: the agent's image but for the compiled programs and the machine's own.
ROOT = "root"
#: Debian's packages, by the programs taken out of them. ``birdcl`` is at a fixed path in Calico's liveness check.
PACKAGES = {
    "bird": {"usr/sbin/bird": "bird", "usr/sbin/bird6": "bird6", "usr/sbin/birdc": "birdcl"},
    "runit": {f"usr/bin/{program}": program for program in ("runsv", "runsvdir", "sv")},
}
BIRD = "1.6."
#: Folder of the module -> folder of the image.
_COPIED = {
    "confd/etc/calico/confd/conf.d": "etc/calico/confd/conf.d",
    "confd/etc/calico/confd/templates": "etc/calico/confd/templates",
    "confd/etc/calico/confd/config": "etc/calico/confd/config",
    "node/filesystem/etc/calico": "etc/calico",
    "node/filesystem/etc/service": "etc/service",
    "node/filesystem/sbin": "sbin",
}
_START = "node/filesystem/etc/rc.local"
_TEMPLATE = "etc/calico/confd/templates/bird_ipam.cfg.template"
#: Debian's BIRD refuses a file with the fork's attribute; the published template writes it, empty, for every pool.
_TUNNEL = 'krt_tunnel = "{{$data.ipip}}";'
_TUNNELS = 3


def prepare(work: Path, with_c: bool) -> None:
    """Put the manifest and the image's files into ``work/made``.

    Parameters
    ----------
    work
        Holds ``go.mod`` and ``go.sum``.
    with_c
        Of no matter here.

    Raises
    ------
    ClusterError
        If the published files cannot be had or are not as expected.
    Unavailable
        If BIRD 1.6 or runit cannot be had, with the reason.
    """
    del with_c
    published = module_folder(work)
    root = work / "made" / ROOT
    for source, target in _COPIED.items():
        _copy(published / source, root / target)
    _copy_file(published / _START, root / "etc/rc.local", 0o755)
    template = root / _TEMPLATE
    template.write_text(without_empty_tunnels(template.read_text()))
    _unpack(work, root / "usr/bin")
    manifest = adapt((published / "manifests" / MANIFEST).read_text())
    (work / "made" / MANIFEST).write_text(yaml.safe_dump_all(manifest, sort_keys=False))


def module_folder(work: Path) -> Path:
    """Download the module and return its folder in Go's cache.

    Raises
    ------
    ClusterError
        If it cannot be had, in Go's words.
    """
    answer = subprocess.run(
        [str(find("go")), "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if answer.returncode:
        raise ClusterError(f"the sources of Calico {CALICO} cannot be had: {answer.stderr.strip()}")
    return Path(json.loads(answer.stdout)["Dir"])


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; what is run in it becomes executable, for a Go module's zip keeps no modes."""
    for path in source.rglob("*"):
        if path.is_file():
            run = path.name == "run" or path.parent.name == "sbin"
            _copy_file(path, target / path.relative_to(source), 0o755 if run else 0o644)


def _copy_file(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def without_empty_tunnels(template: str) -> str:
    """Let confd's template name a tunnel only where the pool has one.

    Raises
    ------
    ClusterError
        If the template does not do so in the places known, so that a new release is looked at and not half changed.
    """
    if (found := template.count(_TUNNEL)) != _TUNNELS:
        raise ClusterError(
            f"Calico {CALICO}: {_TEMPLATE} names a pool's tunnel {found} times, expected {_TUNNELS}"
        )
    return template.replace(_TUNNEL, "{{if $data.ipip}}" + _TUNNEL + "{{end}}")


def _unpack(work: Path, programs: Path) -> None:
    """Download Debian's packages, unpack them beside everything, and take the programs out."""
    folder = work / "debian"
    folder.mkdir()
    for package, taken in PACKAGES.items():
        _run(["apt-get", "-q", "download", package], folder)
        (archive,) = folder.glob(f"{package}_*.deb")
        _run(["dpkg-deb", "-x", str(archive), package], folder)
        for path, name in taken.items():
            _copy_file(folder / package / path, programs / name, 0o755)
    version = _run([str(programs / "bird"), "--version"], folder).strip()
    if BIRD not in version:
        raise Unavailable(f"apt's package bird is {version!r}; Calico's configuration is for BIRD {BIRD}x")
    if lacking := [
        line.split()[0]
        for line in _run(["ldd", str(programs / "birdcl")], folder).splitlines()
        if "not found" in line
    ]:
        raise Unavailable(
            f"Debian's birdc needs {', '.join(lacking)}; try: sudo apt-get install libreadline8"
        )


def _run(argv: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            f"Calico needs BIRD {BIRD}x and runit of Debian's packages: {argv[0]}: {error}"
        ) from error
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise Unavailable(
            f"Calico needs BIRD {BIRD}x and runit of Debian's packages: {' '.join(argv)}: {why[0]}"
        )
    return done.stdout + done.stderr


def adapt(manifest: str) -> list[dict]:
    """Change the published manifest to what a cluster of this machine has; keep the rest.

    Images made here, never pulled. VXLAN, not IP-in-IP. No eBPF data plane, so none of the machine's folders for it,
    and no upgrade from another address manager. No kube-controllers: nodes and policies are not removed here. Its
    readiness is asked for every second: on one machine a roll-out would spend its time waiting.

    Parameters
    ----------
    manifest
        YAML documents.

    Returns
    -------
    list of dict
        One an object, in the published order.

    Raises
    ------
    ClusterError
        If ``calico-node`` has no container or variable that is to be changed.
    """
    objects = [
        o for o in yaml.safe_load_all(manifest) if o and o["metadata"]["name"] != "calico-kube-controllers"
    ]
    (pod,) = (o["spec"]["template"]["spec"] for o in objects if o["kind"] == "DaemonSet")
    pod["initContainers"] = [c for c in pod["initContainers"] if c["name"] == "install-cni"]
    pod["volumes"] = [v for v in pod["volumes"] if v["name"] not in _DROPPED]
    containers = {c["name"]: c for c in (*pod["initContainers"], *pod["containers"])}
    if set(containers) != {"install-cni", AGENT}:
        raise ClusterError(f"Calico {CALICO}: {MANIFEST} has the containers {', '.join(containers)}")
    for container in containers.values():
        container["image"], container["imagePullPolicy"] = CALICO_IMAGE, "Never"
        container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] not in _DROPPED]
    agent = containers[AGENT]
    agent["readinessProbe"].update(periodSeconds=1)
    named = {variable["name"]: variable for variable in agent["env"]}
    if lacking := [name for name in _PUBLISHED if name not in named]:
        raise ClusterError(f"Calico {CALICO}: {MANIFEST} does not set {', '.join(lacking)}")
    for name, value in {**_PUBLISHED, **_ADDED}.items():
        if name in named:
            named[name]["value"] = value
        else:
            agent["env"].append({"name": name, "value": value})
    return objects


#: Volumes: for eBPF, for kernel modules (the kubelet would make the folder on the machine) and for another IPAM.
_DROPPED = ("lib-modules", "bpffs", "sys-fs", "nodeproc", "host-local-net-dir")
_PUBLISHED = {"CALICO_IPV4POOL_IPIP": "Never", "CALICO_IPV4POOL_VXLAN": "Always"}
_ADDED = {
    "CALICO_IPV4POOL_CIDR": POD_CIDR,
    # Compiled without C there is no libbpf; Felix is not to look for leftovers of its eBPF data plane.
    "FELIX_DebugSkipCTLBCleanup": "true",
    "FELIX_XDPENABLED": "false",
}
