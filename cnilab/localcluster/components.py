"""The command line of each Kubernetes component, as plain lists. Nothing is started here.

The flags are those of the components' reference pages for the version in ``settings.py``; only what a test cluster
needs differs from the defaults, each with its reason.
"""

from __future__ import annotations

from pathlib import Path

from cnilab.localcluster.compiling import binary
from cnilab.localcluster.shape import POD_CIDR, SERVICE_CIDR

#: A start-up creates hundreds of objects at once; the defaults (20 and 50 a second) would spread that over a minute.
_FAST = ("--kube-api-qps=300", "--kube-api-burst=600")


def etcd(data: Path, client: str, peer: str) -> list[str]:
    """Return etcd's command line.

    Parameters
    ----------
    data
        Its folder.
    client, peer
        ``http://127.0.0.1:PORT`` each.
    """
    return [
        str(binary("etcd")),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data does not outlive the machine's next restart anyway
        "--log-level=warn",
    ]


def apiserver(pki: Path, etcd_url: str, bind: str, port: int) -> list[str]:
    """Return the API server's command line.

    Parameters
    ----------
    pki
        Folder that ``pki.make`` filled.
    etcd_url
        Where etcd answers.
    bind, port
        Where to listen.
    """
    return [
        str(binary("kube-apiserver")),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={bind}",
        f"--secure-port={port}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.key",
        f"--service-account-signing-key-file={pki}/sa.key",
    ]


def controller_manager(pki: Path) -> list[str]:
    """Return the controller manager's command line; it serves no port."""
    return [
        str(binary("kube-controller-manager")),
        f"--kubeconfig={pki}/controller-manager.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_CIDR}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
        "--use-service-account-credentials=true",
        # By default below /usr/libexec, which it makes and nobody removes.
        f"--flex-volume-plugin-dir={pki.parent}/volume-plugins",
        *_FAST,
    ]


def scheduler(pki: Path) -> list[str]:
    """Return the scheduler's command line; it serves no port."""
    return [
        str(binary("kube-scheduler")),
        f"--kubeconfig={pki}/scheduler.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        *_FAST,
    ]
