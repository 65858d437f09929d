"""flannel as published, with the two changes that this machine asks for: its sources and its manifest.

*Sources*: the program's own ``main.go`` less the imports of back ends that cannot be compiled here: Tencent Cloud's
(its library cannot be had from every module proxy; it only serves their cloud) and, where there is no C compiler,
``udp``. *Manifest*: the images made here, never pulled; the configuration version of the CNI plugin made here; and
the device that the udp back end opens, which the published manifest leaves to whoever wants that back end.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from cnilab.errors import ClusterError
from cnilab.localcluster.shape import FLANNEL, FLANNEL_IMAGE
from cnilab.setup.programs import find

MODULE = "github.com/flannel-io/flannel"
MANIFEST = "kube-flannel.yml"
#: The newest that containernetworking/plugins v0.9.1 speaks; later releases have flannel's plugin no more.
CNI_VERSION = "0.3.1"
_TUN = "/dev/net/tun"


def prepare(work: Path, with_c: bool) -> None:
    """Put ``main.go`` into the work folder of a build and the manifest into ``made`` in it.

    Parameters
    ----------
    work
        Holds ``go.mod`` and ``go.sum``.
    with_c
        Whether the udp back end, which is C, can be compiled.

    Raises
    ------
    ClusterError
        If the published sources cannot be had or are not as expected.
    """
    answer = subprocess.run(
        [str(find("go")), "mod", "download", "-json", f"{MODULE}@{FLANNEL}"],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if answer.returncode:
        raise ClusterError(f"the sources of flannel {FLANNEL} cannot be had: {answer.stderr.strip()}")
    published = Path(json.loads(answer.stdout)["Dir"])
    dropped = ("tencentvpc",) if with_c else ("tencentvpc", "udp")
    (work / "main.go").write_text(without_backends((published / "main.go").read_text(), dropped))
    manifest = adapt((published / "Documentation" / MANIFEST).read_text())
    (work / "made").mkdir()
    (work / "made" / MANIFEST).write_text(yaml.safe_dump_all(manifest, sort_keys=False))


def without_backends(source: str, dropped: tuple[str, ...]) -> str:
    """Leave out the imports that register the named back ends.

    Raises
    ------
    ClusterError
        If one of them is not imported, so that a new release is looked at and not half changed.
    """
    for name in dropped:
        line = f'\t_ "{MODULE}/pkg/backend/{name}"\n'
        if line not in source:
            raise ClusterError(
                f"flannel {FLANNEL}: main.go does not import the back end {name!r} as expected"
            )
        source = source.replace(line, "")
    return source


def adapt(manifest: str) -> list[dict]:
    """Change the published manifest's images, pull policy and CNI version, add the TUN device; keep the rest.

    The readiness probe asks every second, not every ten: on one machine a roll-out would spend its time waiting.

    Parameters
    ----------
    manifest
        YAML documents.

    Returns
    -------
    list of dict
        One an object, in the published order.
    """
    objects = [o for o in yaml.safe_load_all(manifest) if o]
    for obj in objects:
        if obj["kind"] == "DaemonSet":
            pod = obj["spec"]["template"]["spec"]
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                container["image"] = FLANNEL_IMAGE
                container["imagePullPolicy"] = "Never"
            if probe := pod["containers"][0].get("readinessProbe"):
                probe.update(initialDelaySeconds=1, periodSeconds=1)
            pod["containers"][0].setdefault("volumeMounts", []).append({"name": "tun", "mountPath": _TUN})
            pod.setdefault("volumes", []).append({"name": "tun", "hostPath": {"path": _TUN}})
        elif obj["kind"] == "ConfigMap":
            chain = json.loads(obj["data"]["cni-conf.json"])
            chain["cniVersion"] = CNI_VERSION
            obj["data"]["cni-conf.json"] = json.dumps(chain, indent=2)
    return objects
