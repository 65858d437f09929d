"""WireGuard devices for both plugins: the kernel's where there is one, else wireguard-go, named as such.

Keys are derived from the nodes' names: they protect nothing, and a script printed twice is the same script.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from functools import cache

from cnilab.errors import Unavailable
from cnilab.testbeds.lab.steps import Batch, Daemon, Run, Step

SOCKETS = "/run/wireguard"  # wireguard-go's; one private copy a node, or equal device names collide


def private_key(node: str) -> str:
    """Return a node's key: a clamped Curve25519 scalar in base64 (RFC 7748, section 5)."""
    raw = bytearray(hashlib.sha256(f"cnilab wireguard {node}".encode()).digest())
    raw[0] &= 248
    raw[31] = (raw[31] & 127) | 64
    return base64.b64encode(raw).decode()


@cache
def public_key(node: str) -> str:
    """Return the public half, worked out by ``wg pubkey``.

    Raises
    ------
    Unavailable
        If there is no ``wg``.
    """
    try:
        done = subprocess.run(
            ["wg", "pubkey"], input=private_key(node), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"wg pubkey: {error}", "apt-get install wireguard-tools") from error
    return done.stdout.strip()


def start(ns: str, device: str, kernel_path: str, mtu: int, txqueuelen: int) -> list[Step]:
    """Make the device, not yet up."""
    if kernel_path == "native":
        return [Batch(ns, (f"link add {device} mtu {mtu} txqueuelen {txqueuelen} type wireguard",))]
    ready = f"/run/cnilab/private/{ns}/{device}.sock"
    daemon = Daemon(ns, f"wireguard-{ns}", ("wireguard-go", "-f", device), private_run=SOCKETS, ready=ready)
    return [daemon, Batch(ns, (f"link set {device} mtu {mtu}",))]


def setconf(
    ns: str,
    device: str,
    kernel_path: str,
    port: int,
    peers: list[tuple[str, str, list[str]]],
    fwmark: str | None = None,
) -> Run:
    """Keys, port and peers through ``wg setconf``; a peer is (node name, node address, allowed networks)."""
    mark = f"FwMark = {fwmark}\n" if fwmark else ""
    text = f"[Interface]\nPrivateKey = {private_key(ns)}\nListenPort = {port}\n{mark}"
    for name, ip, networks in peers:
        text += f"[Peer]\nPublicKey = {public_key(name)}\nEndpoint = {ip}:{port}\nAllowedIPs = {', '.join(networks)}\n"
    private = None if kernel_path == "native" else SOCKETS
    return Run(ns, ("wg", "setconf", device, "/proc/self/fd/0"), stdin=text, private_run=private)
