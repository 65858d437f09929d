"""Whether a lab is still what was proved: the kernel tells of every link, address and route that changes.

Runs inside the lab's agent, hence standard library only. A socket in each namespace listens to the kernel's own notices
(rtnetlink(7)), which cost nothing while nothing changes; asked, it says what has changed since the last time, though it
be put back meanwhile. What packets look like is no matter of this: that is the proof's, before the first trial and
after the last.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Mapping

from inner import NETNS, end_of, inside

NEWLINK, DELLINK, GETLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 17, 18, 20, 21, 24, 25
DONE = 3
GROUPS = 0x1 | 0x10 | 0x40  # links, IPv4 addresses, IPv4 routes
REQUEST_DUMP = 0x301
UP, LOWER_UP = 0x1, 0x10000
IFLA_IFNAME, IFLA_MTU = 3, 4
WORDS = {
    NEWADDR: "address added",
    DELADDR: "address removed",
    NEWROUTE: "route set",
    DELROUTE: "route removed",
}


class Guard:
    """Listens in some namespaces from the moment it is made."""

    def __init__(self, namespaces: list[str]) -> None:
        self.sockets: dict[str, socket.socket] = {}
        self.links: dict[str, dict[int, tuple[str, int, int]]] = {}
        self.places = {ns: _place(ns) for ns in namespaces}
        for ns in namespaces:
            self.sockets[ns], self.links[ns] = inside(ns, _listen)

    def changes(self, daemons: Mapping[str, subprocess.Popen]) -> list[str]:
        """Say what has changed since the last time: ``n1: eth0 down``, ``bird-n2 ended: …``."""
        found = []
        for name, process in daemons.items():
            if process.poll() is not None:
                found.append(f"{name} ended: {end_of(f'/run/cnilab/{name}.log')}".rstrip(": "))
        for ns, tap in self.sockets.items():
            if _place(ns) != self.places[ns]:
                found.append(f"{ns}: the namespace is gone")
            found += [f"{ns or 'the fabric'}: {what}" for what in self._heard(ns, tap)]
        return list(dict.fromkeys(found))

    def _heard(self, ns: str, tap: socket.socket) -> list[str]:
        heard: list[str] = []
        while True:
            try:
                data = tap.recv(1 << 17, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return heard
            except OSError:  # more notices than the kernel keeps
                return [*heard, "more changes than could be counted"]
            for kind, body in messages(data):
                what = self._link(ns, kind, body) if kind in (NEWLINK, DELLINK) else WORDS.get(kind)
                heard += [what] if what else []

    def _link(self, ns: str, kind: int, body: bytes) -> str | None:
        index, (name, flags, mtu) = link(body)
        known = self.links[ns].get(index)
        if kind == DELLINK:
            return f"{name} removed" if known else None
        if known is None:
            return f"{name} added"
        for bit, lost in ((UP, "down"), (LOWER_UP, "without a carrier")):
            if known[1] & bit and not flags & bit:
                return f"{name} {lost}"
        return f"{name}: MTU {known[2]} → {mtu}" if mtu != known[2] else None

    def close(self) -> None:
        """Listen no more."""
        for tap in self.sockets.values():
            tap.close()


def messages(data: bytes) -> list[tuple[int, bytes]]:
    """Part what a netlink socket gave into messages: type and body."""
    out, at = [], 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 16:
            break
        out.append((kind, data[at + 16 : at + length]))
        at += (length + 3) & ~3
    return out


def link(body: bytes) -> tuple[int, tuple[str, int, int]]:
    """Read an ``ifinfomsg`` and its attributes: index, and name, flags and MTU."""
    index, flags = struct.unpack_from("=4xiI", body)
    name, mtu, at = str(index), 0, 16
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            break
        value = body[at + 4 : at + length]
        if kind == IFLA_IFNAME:
            name = value.rstrip(b"\0").decode(errors="replace")
        elif kind == IFLA_MTU:
            (mtu,) = struct.unpack("=I", value)
        at += (length + 3) & ~3
    return index, (name, flags, mtu)


def _listen() -> tuple[socket.socket, dict[int, tuple[str, int, int]]]:
    """Open the calling thread's namespace's notices, and list its links as they are now."""
    tap = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    tap.bind((0, GROUPS))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as asking:
        asking.settimeout(5)
        asking.bind((0, 0))
        asking.send(struct.pack("=IHHII16x", 32, GETLINK, REQUEST_DUMP, 1, 0))
        links: dict[int, tuple[str, int, int]] = {}
        while True:
            for kind, body in messages(asking.recv(1 << 17)):
                if kind == DONE:
                    return tap, links
                if kind == NEWLINK:
                    index, about = link(body)
                    links[index] = about


def _place(ns: str) -> tuple[int, int] | None:
    if not ns:
        return (0, 0)
    try:
        about = os.stat(f"{NETNS}/{ns}")
    except OSError:
        return None
    return about.st_dev, about.st_ino
