"""One node of the cluster, seen from inside: its own mounts, then containerd, the kubelet and kube-proxy.

Runs in the network, mount and host name namespaces that ``router.py`` gave it and stays as long as its three programs
do. They use their usual paths: ``/etc``, ``/opt`` and ``/var`` are overlays here, so that what they write, and what a
pod writes through a ``hostPath``, lands in the cluster's folder and not on the machine.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from cnilab.errors import CnilabError
from cnilab.localcluster.compiling import binary
from cnilab.localcluster.processes import Programs, excerpt
from cnilab.localcluster.shape import CNI_FOLDERS, PAUSE_IMAGE, POD_CIDR, Settings
from cnilab.setup.programs import find

#: The cluster's folder, as every node sees it wherever it lies outside.
STATE = Path("/run/cnilab")
OVERLAID = ("etc", "opt", "var")
#: Folders that hold a file system of their own or are watched for mounts: they cannot lie on an overlay.
PLAIN = ("var/lib/containerd", "var/lib/kubelet")
CLUSTER_DNS = "10.96.0.10"
CONTAINERD_S = 30.0
IMPORT_S = 300.0


def main(folder: Path, name: str) -> None:
    """Be a node.

    Parameters
    ----------
    folder
        The cluster's state, as seen outside.
    name
        Of the node.
    """
    settings = Settings.load(folder)
    socket.sethostname(name)
    own = mounts(folder, name, settings)
    programs = Programs(STATE / "log")
    start_containerd(programs, own, name)
    import_images(Path((STATE / "images").read_text()), programs.log(f"{name}-images"))
    start_kubelet(programs, own, name, settings)
    while True:
        programs.check()
        time.sleep(2)


def mounts(folder: Path, name: str, settings: Settings) -> Path:
    """Part this node's files from the machine's; return the node's own folder.

    Parameters
    ----------
    folder
        The cluster's state.
    name
        Of the node.
    settings
        The cluster's.
    """
    # sysfs shows the devices of the network namespace it was mounted in; the cgroup mounts are carried over.
    kept = Path("/run/cgroup")
    kept.mkdir(exist_ok=True)
    _mount("--rbind", "/sys/fs/cgroup", kept)
    _mount("-t", "sysfs", "sysfs", "/sys")
    _mount("--rbind", kept, "/sys/fs/cgroup")
    # The kubelet takes the first mount of a hierarchy that it finds, so there must be one only.
    subprocess.run(["umount", "--lazy", str(kept)], check=True, timeout=60)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    STATE.mkdir()
    _mount("--bind", folder, STATE)
    own = STATE / "node" / name
    own.mkdir(parents=True)
    for top in OVERLAID:
        upper, work = own / top, own / f".{top}"
        upper.mkdir()
        work.mkdir()
        _mount(
            "-t", "overlay", "-o", f"lowerdir=/{top},upperdir={upper},workdir={work}", "overlay", f"/{top}"
        )
    for plain in PLAIN:
        source, target = own / plain.replace("/", "-"), Path("/") / plain
        source.mkdir()
        target.mkdir(parents=True, exist_ok=True)
        _mount("--bind", source, target)
    identify(name, settings.addresses[name], settings.cni)
    _mount("--make-rshared", "/")  # the kubelet wants mounts in pods to be seen here
    for key in ("ip_forward", "conf/all/forwarding"):
        Path("/proc/sys/net/ipv4", key).write_text("1")
    for key in ("all", "default"):
        Path("/proc/sys/net/ipv4/conf", key, "rp_filter").write_text("0")
    for key in ("iptables", "ip6tables"):
        Path(f"/proc/sys/net/bridge/bridge-nf-call-{key}").write_text("1")
    return own


def identify(name: str, address: str, cni: str) -> None:
    """Give the node names, resolver, identity and CNI plugins of its own."""
    files = {
        "/etc/hostname": f"{name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{address} {name}\n",
        "/etc/resolv.conf": f"nameserver {CLUSTER_DNS}\n",
        "/etc/machine-id": Path("/proc/sys/kernel/random/uuid").read_text().replace("-", ""),
    }
    for path, text in files.items():
        Path(path).unlink(missing_ok=True)  # it may be a link to where this must not write
        Path(path).write_text(text)
    plugins = Path("/opt/cni/bin")
    for emptied in (Path("/etc/cni/net.d"), Path("/var/lib/cni")):
        shutil.rmtree(emptied, ignore_errors=True)
        emptied.mkdir(parents=True)
    plugins.mkdir(parents=True, exist_ok=True)
    for plugin in next(f for f in CNI_FOLDERS if (f / "bridge").exists()).iterdir():
        if not (plugins / plugin.name).exists():
            (plugins / plugin.name).symlink_to(plugin)
    if cni == "calico":
        for part in ("calico", "calico-ipam"):  # one program, which looks at its name
            (plugins / part).unlink(missing_ok=True)
            (plugins / part).symlink_to(binary("calico"))


def start_containerd(programs: Programs, own: Path, name: str) -> None:
    """Start containerd and wait until it answers."""
    # Strings, lists and truth values are written alike in TOML and JSON.
    lines = ["version = 2", f"disabled_plugins = {json.dumps(_DISABLED)}"]
    for section, values in _CONTAINERD.items():
        lines.append(f'[plugins."io.containerd.grpc.v1.cri"{section}]')
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    config = own / "containerd.toml"
    config.write_text("\n".join(lines) + "\n")
    log = f"{name}-containerd"
    programs.start(log, [str(find("containerd")), "--config", str(config)])
    programs.wait("containerd", _containerd_silent, CONTAINERD_S, log)


def import_images(archive: Path, log: Path) -> None:
    """Put the images into containerd, where no registry is asked for them.

    Raises
    ------
    CnilabError
        If ctr fails; its words are in the log.
    """
    with log.open("ab") as out:
        done = subprocess.run(
            [str(find("ctr")), "-n", "k8s.io", "images", "import", str(archive)],
            stdout=out,
            stderr=out,
            timeout=IMPORT_S,
        )
    if done.returncode:
        raise CnilabError(f"the images cannot be imported; {excerpt(log)}")


def start_kubelet(programs: Programs, own: Path, name: str, settings: Settings) -> None:
    """Start the kubelet and kube-proxy with their configuration files."""
    pki = STATE / "pki"
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/{name}.crt",
        "tlsPrivateKeyFile": f"{pki}/{name}.key",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.cgroup}/{name}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "clusterDomain": "cluster.local",
        "clusterDNS": [CLUSTER_DNS],
        "volumePluginDir": f"{own}/volume-plugins",
        # An image that was removed could not be had again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "nodeStatusUpdateFrequency": "5s",
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": settings.proxy,
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": name,
        "clientConnection": {"kubeconfig": f"{pki}/proxy.kubeconfig"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The table of connections has limits for the whole machine, which a network namespace cannot write.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    files = {}
    for program, content in (("kubelet", kubelet), ("kube-proxy", proxy)):
        files[program] = own / f"{program}.yaml"
        files[program].write_text(yaml.safe_dump(content, sort_keys=False))
    programs.start(
        f"{name}-kubelet",
        [
            *(str(binary("kubelet")), f"--config={files['kubelet']}", f"--hostname-override={name}"),
            *(f"--node-ip={settings.addresses[name]}", f"--kubeconfig={pki}/{name}.kubeconfig"),
        ],
    )
    programs.start(f"{name}-kube-proxy", [str(binary("kube-proxy")), f"--config={files['kube-proxy']}"])


_DISABLED = [
    *(f"io.containerd.snapshotter.v1.{kind}" for kind in ("aufs", "btrfs", "devmapper", "zfs")),
    "io.containerd.internal.v1.opt",
]
_CONTAINERD: dict[str, dict[str, object]] = {
    "": {
        "sandbox_image": PAUSE_IMAGE,
        # Without CAP_SYS_RESOURCE, runc dies when it is asked to lower a process's score.
        "restrict_oom_score_adj": True,
        # So that ping runs as any user, as it does under containerd 2 and on a desktop.
        "enable_unprivileged_icmp": True,
        "enable_unprivileged_ports": True,
    },
    ".cni": {"bin_dir": "/opt/cni/bin", "conf_dir": "/etc/cni/net.d"},
    ".containerd": {"snapshotter": "overlayfs"},
    ".containerd.runtimes.runc": {"runtime_type": "io.containerd.runc.v2"},
    ".containerd.runtimes.runc.options": {"SystemdCgroup": False},
}


def _containerd_silent() -> str:
    done = subprocess.run([str(find("ctr")), "version"], capture_output=True, text=True, timeout=30)
    return done.stderr.strip() if done.returncode else ""


def _mount(*argv: object) -> None:
    done = subprocess.run(["mount", *map(str, argv)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise CnilabError(f"mount {' '.join(map(str, argv))}: {done.stderr.strip()}")


def run(argv: Sequence[str]) -> int:
    """Be the node that the arguments name; its end is one sentence in its log."""
    try:
        main(Path(argv[0]), argv[1])
    except (CnilabError, OSError, subprocess.SubprocessError) as error:
        print(f"node {argv[1]}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
