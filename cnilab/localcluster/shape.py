"""The shape of the cluster on this machine: versions, nodes, addresses, folders. Facts only; nothing is done here.

Three nodes in two subnets with a router between them, because several CNI modes behave differently inside a subnet
and across. All addresses are documentation ranges (RFC 5737) and exist only inside the cluster's own namespaces.
"""

from __future__ import annotations

import json
import os
import pwd
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from cnilab.errors import ClusterError

KUBERNETES = "v1.37.2"
FLANNEL = "v0.28.10"
#: As `git describe` would put it: the commit that Go's module proxies have, two months past the release.
CALICO = "v3.28.5-ga0db560f0520"

#: Gateway of each subnet: the router, which is the cluster's pid 1.
SUBNETS = {"192.0.2": "192.0.2.1", "198.51.100": "198.51.100.1"}
CONTROL_PLANE = "192.0.2.10"
API_PORT = 6443
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
#: First address of SERVICE_CIDR: the Service named ``kubernetes``.
API_SERVICE = "10.96.0.1"
#: Where distributions put the CNI project's own plugins.
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/usr/libexec/cni"), Path("/opt/cni/bin"))
CNIS = ("flannel", "calico")
MAX_NODES = 9
DEFAULT_LIFETIME_S = 8 * 3600

PAUSE_IMAGE = "localhost/pause:1"
FLANNEL_IMAGE = f"localhost/flannel:{FLANNEL}"
BENCH_IMAGE = "localhost/cnilab-bench:1"
CALICO_IMAGE = f"localhost/calico:{CALICO}"


def node_addresses(count: int) -> dict[str, str]:
    """Name the nodes and give them addresses; every third one is behind the router.

    >>> node_addresses(3)
    {'n1': '192.0.2.11', 'n2': '192.0.2.12', 'n3': '198.51.100.13'}
    """
    near, far = SUBNETS
    return {f"n{i}": f"{far if i % 3 == 0 else near}.{10 + i}" for i in range(1, count + 1)}


def gateway(address: str) -> str:
    """Return the router's address in the subnet (/24) of ``address``."""
    return SUBNETS[address.rpartition(".")[0]]


def state_root() -> Path:
    """Return the folder that holds one folder a cluster (XDG state)."""
    return Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local/state") / "cnilab" / "cluster"


def cache_root() -> Path:
    """Return the folder of what was built (XDG cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "cnilab" / "cluster"


def caller() -> tuple[int, int] | None:
    """Return the user and group id of whoever called sudo; None without sudo."""
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "0") != "0":
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "0"))
    return None


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it; under sudo they belong to the caller, in whose home they may lie."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if user := caller():
        for made in missing:
            os.chown(made, *user)


def _home() -> Path:
    """Return the caller's home: what a user built, root finds; what root raised, the user sees."""
    user = caller()
    return Path(pwd.getpwuid(user[0]).pw_dir) if user else Path.home()


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster: what was asked for.

    Parameters
    ----------
    name
        Parts two clusters on one machine: folder, cgroup and host names carry it.
    nodes
        1 to 9.
    cni
        ``flannel`` or ``calico``.
    lifetime_s
        Seconds after which a forgotten cluster ends itself.
    proxy
        kube-proxy's mode, ``iptables`` or ``nftables``.
    """

    name: str = "default"
    nodes: int = 3
    cni: str = "flannel"
    lifetime_s: int = DEFAULT_LIFETIME_S
    proxy: str = "iptables"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", self.name):
            raise ClusterError(f"cluster name {self.name!r}: allowed are 1-20 of a-z, 0-9 and inner hyphens")
        if not 1 <= self.nodes <= MAX_NODES:
            raise ClusterError(f"{self.nodes} nodes: allowed are 1 to {MAX_NODES}")
        if self.cni not in CNIS:
            raise ClusterError(f"CNI {self.cni!r}: allowed are {', '.join(CNIS)}")
        if self.lifetime_s < 60:
            raise ClusterError(f"a lifetime of {self.lifetime_s} s: allowed are 60 s and more")
        if self.proxy not in ("iptables", "nftables"):
            raise ClusterError(f"proxy mode {self.proxy!r}: allowed are iptables, nftables")

    @property
    def addresses(self) -> dict[str, str]:
        """Node name to its address."""
        return node_addresses(self.nodes)

    @property
    def folder(self) -> Path:
        """Everything the cluster writes, removed by ``down``."""
        return state_root() / self.name

    @property
    def cgroup(self) -> str:
        """Name of the cgroup that holds every pod of this cluster, below each hierarchy's root."""
        return f"cnilab-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def save(self) -> None:
        """Write ``settings.json``, for the processes inside and for later commands."""
        (self.folder / "settings.json").write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads((folder / "settings.json").read_text()))
