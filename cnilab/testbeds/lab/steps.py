"""The words a lab is written in: steps, each of which can be done by the agent or printed as shell.

A data plane (:mod:`.flannel`, :mod:`.calico`, …) is a pure function from a topology to phases of steps, so that
what runs and what `cnilab lab script` prints can never differ. Nothing is executed here.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass, field

from cnilab.testbeds.lab import bpf

FABRIC = ""  #: the agent's own namespace, where the two subnets' bridges are


@dataclass(frozen=True)
class Batch:
    """Lines for one ``ip``, ``bridge`` or ``tc`` process in batch mode."""

    ns: str
    lines: tuple[str, ...]
    program: str = "ip"
    optional: bool = False

    def shell(self) -> str:
        where = f" -n {self.ns}" if self.ns else ""
        return f"{self.program}{where} -batch - <<'EOF'\n" + "\n".join(self.lines) + "\nEOF"


@dataclass(frozen=True)
class Sysctl:
    """Values for ``/proc/sys``; keys use slashes, because device names have dots in them."""

    ns: str
    values: dict[str, str]
    optional: bool = False

    def shell(self) -> str:
        tail = " || true" if self.optional else ""
        pairs = " ".join(shlex.quote(f"{k}={v}") for k, v in self.values.items())
        return f"{_enter(self.ns)}sysctl -qw {pairs}{tail}"


@dataclass(frozen=True)
class Restore:
    """Rules in iptables-save's own form, added to what is there."""

    ns: str
    text: str
    optional: bool = False

    def shell(self) -> str:
        return f"{_enter(self.ns)}iptables-restore --noflush <<'EOF'\n{self.text.strip()}\nEOF"


@dataclass(frozen=True)
class Run:
    """One command that ends by itself."""

    ns: str
    argv: tuple[str, ...]
    stdin: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    optional: bool = False
    private_run: str | None = None

    def shell(self) -> str:
        tail = f" <<'EOF'\n{self.stdin.strip()}\nEOF" if self.stdin else ""
        return _files(self.files) + _enter(self.ns, self.private_run) + shlex.join(self.argv) + tail


@dataclass(frozen=True)
class Daemon:
    """A program that stays; the agent keeps it in the foreground and its log in the lab's own ``/run``.

    ``private_run`` names a directory that this program alone sees, empty, as wireguard-go's sockets need.
    """

    ns: str
    name: str
    argv: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    optional: bool = False
    private_run: str | None = None
    ready: str | None = None  #: a file that appears, or a ``dev NAME``, when the program is ready

    def shell(self) -> str:
        wait = ""
        if self.ready:
            there = (
                f"ip -n {self.ns} link show {self.ready}"
                if self.ready.startswith("dev ")
                else f"test -e {self.ready}"
            )
            wait = f"\nfor i in $(seq 100); do {there} >/dev/null 2>&1 && break; sleep 0.05; done"
        return _files(self.files) + _enter(self.ns, self.private_run) + shlex.join(self.argv) + " &" + wait


@dataclass(frozen=True)
class Tun:
    """A TUN device held open by the agent, so that it has a carrier; nobody reads it."""

    ns: str
    name: str
    optional: bool = False

    def shell(self) -> str:
        ioctl = f"fcntl.ioctl(f, 0x400454CA, struct.pack('16sH22x', b'{self.name}', 0x1001))"
        hold = f"import fcntl, os, signal, struct; f = os.open('/dev/net/tun', os.O_RDWR); {ioctl}; signal.pause()"
        there = f"ip -n {self.ns} link show {self.name} >/dev/null 2>&1"
        return f'{_enter(self.ns)}python3 -c "{hold}" &\nfor i in $(seq 100); do {there} && break; sleep 0.05; done'


@dataclass(frozen=True)
class Bpf:
    """The IP-in-IP program on a TUN's egress and an Ethernet device's ingress, its three constants filled in."""

    ns: str
    object: str
    tun: str
    underlay: str
    node_ip: str
    optional: bool = False

    def shell(self) -> str:
        program = [
            sys.executable,
            "-I",
            "-S",
            bpf.__file__,
            self.object,
            self.ns,
            self.tun,
            self.underlay,
            self.node_ip,
        ]
        patch = shlex.join(program)
        return "\n".join(
            [
                f"{patch} >/run/ipip-{self.ns}.o",
                f"tc -n {self.ns} -batch - <<'EOF'",
                *bpf.tc_lines(f"/run/ipip-{self.ns}.o", self.tun, self.underlay),
                "EOF",
            ]
        )


Step = Batch | Sysctl | Restore | Run | Daemon | Tun | Bpf


@dataclass(frozen=True)
class Phase:
    """Steps that need what earlier phases made. Different namespaces go in parallel, one namespace in order."""

    title: str
    steps: tuple[Step, ...]


def to_ops(phases: list[Phase]) -> list[list[dict]]:
    """Render for the agent: plain data, the class name as ``do``."""
    return [[{"do": type(s).__name__, **asdict(s)} for s in phase.steps] for phase in phases]


def to_shell(phases: list[Phase], title: str) -> str:
    """Render as a shell script that builds the same lab by hand and drops the reader into it."""
    body = "\n\n".join(f"# {p.title}\n" + "\n".join(s.shell() for s in p.steps) for p in phases)
    return f"""#!/bin/sh
# {title}
# Builds the lab in private namespaces; when the shell at the end exits, the kernel removes all of it.
# Run as root, or as an ordinary user with: unshare --user --map-root-user sh THIS
set -eu
if [ "${{1:-}}" != inside ]; then
    exec unshare --mount --net --pid --fork --kill-child --mount-proc sh "$0" inside
fi
mount -n -t tmpfs tmpfs /run && mkdir -p /run/netns

{body}

echo "the lab is up: try  ip netns  and  nsenter --net=/run/netns/n1 ip route"
exec sh -i
"""


def _enter(ns: str, private_run: str | None = None) -> str:
    inside = f"nsenter --net=/run/netns/{ns} " if ns else ""
    if private_run:
        own = f"/run/cnilab/private/{ns}"
        bind = f"mkdir -p {own} {private_run} && mount -n --bind {own} {private_run}"
        inside += f"unshare --mount sh -c '{bind} && exec \"$@\"' sh "
    return inside


def _files(files: dict[str, str]) -> str:
    return "".join(
        f"mkdir -p {shlex.quote(p.rsplit('/', 1)[0])} && cat >{shlex.quote(p)} <<'EOF'\n{text.strip()}\nEOF\n"
        for p, text in files.items()
    )
