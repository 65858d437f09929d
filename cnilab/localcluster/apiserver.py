"""A real API server without nodes: etcd and kube-apiserver as two processes of an ordinary user, on loopback.

For whatever needs the real server's answers and no pods: RBAC, custom resources, faults, how cnilab does with a
thousand nodes. Objects are stored, checked and watched as anywhere; nothing is scheduled and nothing runs.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from cnilab.localcluster import components, pki
from cnilab.localcluster.compiling import binary
from cnilab.localcluster.processes import Programs

LOOPBACK = "127.0.0.1"
#: Seconds until the API server has to answer. It takes about five; a busy machine is given its time.
READY_S = 90.0


class ControlPlane:
    """A control plane on free ports of 127.0.0.1; use it with ``with``.

    Parameters
    ----------
    folder
        Where data, certificates and logs go; it stays for reading when the processes are gone.
    controllers
        Also run the controller manager. Without it nothing is created or removed on its own: no service accounts
        (so pods need none), no garbage collection, and a deleted namespace stays ``Terminating``.

    Attributes
    ----------
    url : str
        ``https://127.0.0.1:PORT``, once started.

    Examples
    --------
    >>> with ControlPlane(tmp_path) as plane:               # doctest: +SKIP
    ...     api = Api.load(str(plane.admin))
    """

    def __init__(self, folder: Path, controllers: bool = False) -> None:
        self.folder, self.controllers = Path(folder), controllers
        self.url = ""
        self.programs = Programs(self.folder / "log")

    @property
    def admin(self) -> Path:
        """The kubeconfig of a user who may do everything."""
        return self.folder / "admin.kubeconfig"

    @property
    def logs(self) -> Path:
        return self.programs.logs

    def start(self) -> ControlPlane:
        """Start the processes and return when the API server is ready.

        Raises
        ------
        Unavailable
            If the programs are not built, with the command that builds them.
        ClusterError
            If a process ends or is not ready in time, with its log and the log's end.
        """
        binary("kube-apiserver")
        client, peer, port = free_ports(3)
        self.url = f"https://{LOOPBACK}:{port}"
        self._authority = pki.make(self.folder / "pki", servers=(LOOPBACK, "localhost"), api=self.url)
        self._authority.kubeconfig("admin", self.url, self.admin)
        etcd_url = f"http://{LOOPBACK}:{client}"
        server = components.apiserver(self._authority.folder, etcd_url, LOOPBACK, port)
        # There is no address that anything could reach this server by, so it shall not publish one.
        server.append("--endpoint-reconciler-type=none")
        if not self.controllers:
            server.append("--disable-admission-plugins=ServiceAccount")
        try:
            self.programs.start(
                "etcd", components.etcd(self.folder / "etcd", etcd_url, f"http://{LOOPBACK}:{peer}")
            )
            self.programs.start("kube-apiserver", server)
            self.programs.wait(
                "API server ready", lambda: not_ready(self.url, self._authority), READY_S, "kube-apiserver"
            )
            if self.controllers:
                self.programs.start(
                    "kube-controller-manager", components.controller_manager(self._authority.folder)
                )
                account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
                self.programs.wait(
                    "controllers at work",
                    lambda: refusal(account, self._authority),
                    READY_S,
                    "kube-controller-manager",
                )
        except BaseException:
            self.close()
            raise
        return self

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig for another user, who may do what RBAC gives to the name and the groups.

        A service account's rights are had as ``system:serviceaccount:NAMESPACE:NAME`` with the groups
        ``system:serviceaccounts`` and ``system:serviceaccounts:NAMESPACE``.
        """
        digest = hashlib.sha256(repr((user, tuple(groups))).encode()).hexdigest()[:8]
        name = f"{re.sub(r'[^a-z0-9-]', '-', user.lower())}-{digest}"
        path = self.folder / f"{name}.kubeconfig"
        if not path.exists():
            self._authority.issue(name, user, groups)
            self._authority.kubeconfig(name, self.url, path)
        return path

    def close(self) -> None:
        """End the processes."""
        self.programs.close()

    def __enter__(self) -> ControlPlane:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nothing listens on now."""
    taken = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in taken]
    finally:
        for one in taken:
            one.close()


def not_ready(url: str, authority: pki.Authority) -> str:
    """Ask a server whether it is ready: empty if so, else what it lacks."""
    return refusal(f"{url}/readyz", authority)


def refusal(url: str, authority: pki.Authority) -> str:
    """Get a page as administrator: empty if it is there, else the reason, in one line."""
    context = ssl.create_default_context(cafile=str(authority.folder / "ca.crt"))
    context.load_cert_chain(authority.folder / "admin.crt", authority.folder / "admin.key")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        opener.open(url, timeout=5).close()
        return ""
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(4000).decode(errors="replace").splitlines()
        failing = [line for line in text if line.startswith("[-]")]
        return f"HTTP {error.code}: {'; '.join(failing)}".rstrip(": ")
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", error))
