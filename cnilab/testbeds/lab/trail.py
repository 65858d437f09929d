"""Watch one packet on every device it passes. Runs inside the lab's agent, hence standard library only.

Each device of each namespace gets a tap; the kernel stamps every sighting, and the stamps put them in order.
What the sightings mean for a reader is :mod:`.trace`'s business.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable

import wire

SO_TIMESTAMPNS = 35  # include/uapi/asm-generic/socket.h: nanoseconds, from the moment the tap saw the packet


def devices() -> list[str]:
    """Names of the devices of the calling thread's namespace, loopback left out."""
    with open("/proc/thread-self/net/dev") as file:
        names = [line.partition(":")[0].strip() for line in file.readlines()[2:]]
    return [name for name in names if name != "lo"]


def watch(device: str, stop: threading.Event, ready: threading.Event) -> list[dict]:
    """Record every IPv4 packet on ``device``: stamp, direction, length, what carries what."""
    seen: list[dict] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        tap.bind((device, 0))
        ready.set()
        while len(seen) < wire.LIMIT:
            if not select.select([tap], [], [], 0.01)[0]:
                if stop.is_set():
                    break
                continue
            data, extra, _, address = tap.recvmsg(65535, 64)
            packet = wire.dissect_ip(data)
            if packet is None:
                continue
            stamp = next(
                (struct.unpack("qq", d[:16]) for _, kind, d in extra if kind == SO_TIMESTAMPNS), (0, 0)
            )
            payload = packet.pop("payload", b"")
            seen.append(
                {**packet, "at": stamp, "out": address[2] == socket.PACKET_OUTGOING, "probe": payload[8:160]}
            )
    return [{**p, "probe": p["probe"].decode("latin-1")} for p in seen]


def follow(
    inside: Callable, namespaces: list[str], client: str, server: str, address: str, port: int, length: int
) -> dict:
    """Send one probe of ``length`` bytes while watching every device of ``namespaces``.

    Returns
    -------
    dict
        ``sightings``: one a packet and device, each with its namespace; ``probe``: how the probe itself fared.
    """
    stop, sightings = threading.Event(), []
    taps = [(ns, device) for ns in namespaces for device in inside(ns, devices)()]
    flags = [threading.Event() for _ in range(len(taps) + 1)]
    watchers = [
        (ns, device, inside(ns, lambda device=device, flag=flag: watch(device, stop, flag)))
        for (ns, device), flag in zip(taps, flags)
    ]
    server_end = inside(server, lambda: wire.echo("0.0.0.0", port, stop, flags[-1]))
    try:
        for flag in flags:
            flag.wait(2)
        # the first may have to wait for ARP or a handshake, and its trail would tell of that; the second is told
        for _ in range(3):
            if inside(client, lambda: wire.probe(address, port, 100))(5)["result"] == "ok":
                break
        answer = inside(client, lambda: wire.probe(address, port, length))(5)
    finally:
        stop.set()
    server_end()
    for ns, device, result in watchers:
        sightings += [{"ns": ns, "device": device, **packet} for packet in result()]
    return {"sightings": sightings, "probe": answer}
