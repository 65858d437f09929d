"""Certificates and kubeconfigs of a cluster that lives for hours: one authority, issued by the openssl program.

Elliptic keys throughout (P-256): sixteen certificates take under a second. Nothing is renewed and nothing revoked;
the folder is the authority, and it goes with the cluster.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from cnilab.errors import ClusterError, Unavailable
from cnilab.setup.programs import find, package_for

#: Days a certificate is good for.
DAYS = 365
#: Identity of each component: user name and groups (Kubernetes documentation, "PKI certificates and requirements").
COMPONENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("admin", ("system:masters",)),
    "kubelet-client": ("kube-apiserver-kubelet-client", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "proxy": ("system:kube-proxy", ()),
}
#: The names a pod calls the API server by.
SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder: ``ca.crt``, ``ca.key``, and what it has issued.

    Parameters
    ----------
    folder
        Holds ``NAME.crt``, ``NAME.key`` and ``NAME.kubeconfig`` for each name.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make the folder, the authority's own certificate and the key that signs service account tokens."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        made = cls(folder)
        _openssl(
            *("req", "-x509", *_new_key(folder / "ca.key"), "-out", folder / "ca.crt", "-days", DAYS),
            *("-subj", "/CN=cnilab-ca", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "sa.key")
        return made

    def issue(self, name: str, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> None:
        """Issue ``NAME.crt`` and ``NAME.key``, good for a client and, where ``hosts`` are given, for a server.

        Parameters
        ----------
        name
            Of the files.
        user, groups
            Who this is to the API server: the subject's common name and organisations.
        hosts
            Names and addresses the server answers to.

        Raises
        ------
        ClusterError
            If openssl fails; the message carries its own words.
        """
        subject = "".join(f"/O={_escape(g)}" for g in groups) + f"/CN={_escape(user)}"
        usage = "serverAuth,clientAuth" if hosts else "clientAuth"
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            f"extendedKeyUsage={usage}",
        ]
        if hosts:
            extensions.append("subjectAltName=" + ",".join(map(_alternative, hosts)))
        key, request, crt = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        _openssl("req", "-new", *_new_key(key), "-subj", subject, "-out", request)
        _openssl(
            *(
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                self.folder / "ca.crt",
                "-CAkey",
                self.folder / "ca.key",
            ),
            # A random serial: a serial file would be shared by certificates that are issued at the same time.
            *("-set_serial", f"0x{secrets.token_hex(16)}", "-days", DAYS, "-out", crt),
            *("-extfile", "/dev/stdin"),
            stdin="\n".join(extensions) + "\n",
        )
        request.unlink()

    def kubeconfig(self, name: str, server: str, path: Path | None = None) -> Path:
        """Write a kubeconfig that holds ``NAME``'s certificate and key whole, so that it can be moved.

        Parameters
        ----------
        server
            The API server's address, ``https://…``.
        path
            Where to write it; default ``NAME.kubeconfig`` in the folder.
        """
        path = path or self.folder / f"{name}.kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "cnilab",
                    "cluster": {"server": server, "certificate-authority-data": self._data("ca.crt")},
                }
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": self._data(f"{name}.crt"),
                        "client-key-data": self._data(f"{name}.key"),
                    },
                }
            ],
            "contexts": [{"name": "cnilab", "context": {"cluster": "cnilab", "user": name}}],
            "current-context": "cnilab",
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def _data(self, file: str) -> str:
        return base64.b64encode((self.folder / file).read_bytes()).decode()


def make(
    folder: Path, *, servers: Sequence[str] = ("127.0.0.1",), nodes: Mapping[str, str] | None = None, api: str
) -> Authority:
    """Make an authority and every certificate and kubeconfig of a cluster.

    Parameters
    ----------
    folder
        Where to; see :class:`Authority` for the files. The API server's own is ``apiserver``, a node's its name.
    servers
        Names and addresses of the API server, beside the names that pods use.
    nodes
        Node name to address.
    api
        What the components' kubeconfigs call, ``https://…``.

    Returns
    -------
    Authority
        To issue more with.

    Raises
    ------
    Unavailable
        If there is no openssl.
    ClusterError
        If openssl fails.
    """
    authority = Authority.create(folder)

    def component(name: str) -> None:
        authority.issue(name, *COMPONENTS[name])
        authority.kubeconfig(name, api)

    def node(name: str, address: str) -> None:
        authority.issue(name, f"system:node:{name}", ("system:nodes",), (name, address))
        authority.kubeconfig(name, api)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(authority.issue, "apiserver", "kube-apiserver", (), (*servers, *SERVICE_NAMES))]
        jobs += [pool.submit(component, name) for name in COMPONENTS]
        jobs += [pool.submit(node, *item) for item in (nodes or {}).items()]
        for job in jobs:
            job.result()
    return authority


def _new_key(path: Path) -> tuple[object, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _escape(text: str) -> str:
    """Quote what -subj gives a meaning to."""
    return "".join(f"\\{c}" if c in "/\\+=" else c for c in text)


def _alternative(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _openssl(*argv: object, stdin: str = "") -> None:
    program = find("openssl")
    if program is None:
        package = package_for("openssl")
        raise Unavailable(
            f"no openssl, which issues the certificates; try: {package.remedy if package else 'install openssl'}"
        )
    done = subprocess.run(
        [str(program), *map(str, argv)], input=stdin, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        said = "; ".join(done.stderr.strip().splitlines()[-3:]) or f"status {done.returncode}"
        raise ClusterError(f"openssl {' '.join(map(str, argv))} failed: {said}")
