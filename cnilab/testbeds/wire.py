"""What packets themselves say: probes with DF set, a TCP exchange, the TTL they arrive with, and their headers.

Runs inside the lab's agent, hence standard library only. It reads and reports; whether that is what a mode
should look like is decided in :mod:`~cnilab.testbeds.proof`. Probes are UDP, not ICMP echo, because Docker's published
ports carry them too; header layouts after RFC 791, 768, 7348 (VXLAN), 2003 (IP in IP).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

VXLAN_PORTS, FLANNEL_UDP_PORT, WIREGUARD_PORT = (8472, 4789), 8285, 51820
IP_HEADER, UDP_HEADER, ETH_HEADER = 20, 8, 14
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR, IP_RECVTTL, IP_TTL, IP_PKTINFO = 10, 2, 11, 12, 2, 8
MAGIC = b"cnilab probe "
LIMIT = 400  # packets kept of one capture; an exchange makes a few dozen
STREAM_BYTES = 1 << 16  # of the TCP exchange, in each direction: more than one segment of any MTU


def owners(process: str, port: int) -> set[str]:
    """Return the inodes of the sockets that serve ``port``, by TCP or UDP, in the network namespace of a process.

    Whose they are, :func:`sockets_of` tells.
    """
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open(f"/proc/{process}/net/{name}") as file:
                next(file)
                for line in file:
                    field = line.split()
                    if int(field[1].rsplit(":", 1)[1], 16) == port and (
                        field[3] == ("07" if name.startswith("udp") else "0A")
                    ):
                        found.add(field[9])
        except OSError:
            continue
    return found


def sockets_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process and those it started hold."""
    found, todo = set(), [pid]
    while todo:
        one = todo.pop()
        try:
            for number in os.listdir(f"/proc/{one}/fd"):
                link = os.readlink(f"/proc/{one}/fd/{number}")
                if link.startswith("socket:["):
                    found.add(link[8:-1])
        except OSError:
            continue
        try:
            with open(f"/proc/{one}/task/{one}/children") as file:
                todo += map(int, file.read().split())
        except OSError:
            continue
    return found


def ipv4(data: bytes) -> dict | None:
    """Read an IPv4 header; None if it is none. Lengths in bytes."""
    if len(data) < IP_HEADER or data[0] >> 4 != 4:
        return None
    total, ident, fragment, ttl, protocol = struct.unpack_from("!2xHHHBB", data)
    return {
        "src": socket.inet_ntoa(data[12:16]),
        "dst": socket.inet_ntoa(data[16:20]),
        "length": total,
        "ttl": ttl,
        "df": bool(fragment & 0x4000),
        "id": ident,
        "protocol": protocol,
        "header": (data[0] & 15) * 4,
    }


def dissect(frame: bytes) -> dict | None:
    """Read one Ethernet frame of the underlay: ``outer``, what carries it, and the inner packet's header.

    Returns
    -------
    dict or None
        ``{"carrier": "none|vxlan|ipip|udp|wireguard", "outer": …, "inner": … or None, "vni": … , "port": …}``;
        None for what is not IPv4.
    """
    return dissect_ip(frame[ETH_HEADER:]) if frame[12:14] == b"\x08\x00" else None


def dissect_ip(packet: bytes) -> dict | None:
    """Read what :func:`dissect` does from a packet without its Ethernet header."""
    outer = ipv4(packet)
    if outer is None:
        return None
    found = _carried(outer, packet)
    found["tcp"] = tcp(found["inner"] or outer, found["payload"])
    return found


def _carried(outer: dict, packet: bytes) -> dict:
    rest = packet[outer["header"] :]
    found: dict = {"carrier": "none", "outer": outer, "inner": None, "port": None, "vni": None}
    if outer["protocol"] == 4:
        found.update(carrier="ipip", inner=ipv4(rest))
        found["payload"] = rest[found["inner"]["header"] :] if found["inner"] else b""
        return found
    found["payload"] = rest
    if outer["protocol"] != 17 or len(rest) < UDP_HEADER:
        return found
    source, destination = struct.unpack_from("!HH", rest)
    body = rest[UDP_HEADER:]
    found["port"] = destination
    if destination in VXLAN_PORTS and len(body) >= 8 and body[0] & 0x08:
        inner = ipv4(body[8 + ETH_HEADER :]) if body[20:22] == b"\x08\x00" else None
        found.update(carrier="vxlan", vni=int.from_bytes(body[4:7], "big"), inner=inner)
        found["payload"] = body[8 + ETH_HEADER + (inner["header"] if inner else 0) :]
    elif destination == FLANNEL_UDP_PORT and source == FLANNEL_UDP_PORT:
        found.update(carrier="udp", inner=ipv4(body))
        found["payload"] = body[found["inner"]["header"] :] if found["inner"] else b""
    elif WIREGUARD_PORT in (source, destination) and body[:1] in (b"\1", b"\2", b"\3", b"\4"):
        found.update(carrier="wireguard", message=body[0], payload=b"")
    return found


def tcp(ip: dict, segment: bytes) -> dict | None:
    """Read the ports of a TCP segment (RFC 9293 section 3.1); None if it is none."""
    if ip["protocol"] != 6 or len(segment) < 4:
        return None
    return {"ports": list(struct.unpack_from("!HH", segment))}


def capture(device: str, stop: threading.Event, ready: threading.Event) -> list[dict]:
    """Record the IPv4 packets that pass ``device`` until ``stop``; at most LIMIT of them."""
    packets: list[dict] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
        tap.bind((device, 0))
        tap.setblocking(False)
        ready.set()
        while len(packets) < LIMIT:
            if not select.select([tap], [], [], 0.005)[0]:
                if stop.is_set():
                    break
                continue
            frame, address = tap.recvfrom(65535)
            packet = dissect(frame)
            if packet:
                packet["probe"] = MAGIC in packet.pop("payload", b"")
                packet["sent"] = address[2] == socket.PACKET_OUTGOING
                packets.append(packet)
    return packets


def echo(address: str, port: int, stop: threading.Event, ready: threading.Event) -> list[dict]:
    """Answer probes on a UDP port until ``stop``; report each one's length and TTL as they arrived."""
    seen = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind((address, port))
        ready.set()
        while not stop.is_set():
            if not select.select([sock], [], [], 0.005)[0]:
                continue
            data, extra, _, sender = sock.recvmsg(65535, 128)
            told = {kind: value for level, kind, value in extra if level == 0}
            ttl = struct.unpack("i", told[IP_TTL][:4])[0] if IP_TTL in told else None
            # in_pktinfo's last member is the destination in the packet's own header, ip(7)
            to = socket.inet_ntoa(told[IP_PKTINFO][8:12]) if IP_PKTINFO in told else None
            length = len(data) + UDP_HEADER + IP_HEADER
            seen.append({"length": length, "ttl": ttl, "from": sender[0], "to": to})
            sock.sendto(data[:64], sender)
    return seen


def probe(address: str, port: int, length: int, source: str | None = None, timeout_s: float = 1.0) -> dict:
    """Send one UDP packet of ``length`` bytes (IP header included) with DF set and wait for its echo.

    Returns
    -------
    dict
        ``result`` is ``ok``, ``too_long`` (with ``mtu``), ``unreachable`` (with ``error`` and ``by``) or ``lost``.
    """
    payload = MAGIC + f"{length}:{time.monotonic_ns()} ".encode()
    payload += b"." * (length - IP_HEADER - UDP_HEADER - len(payload))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_TTL, 64)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            began = time.monotonic()
            sock.send(payload)
        except OSError as error:
            return {"length": length, **explain(error, queued(sock))}
        end = began + timeout_s
        while (left := end - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            if not poll.poll(left * 1000):
                break
            try:
                if sock.recv(256)[:40] == payload[:40]:
                    return {"length": length, "result": "ok", "rtt_s": time.monotonic() - began}
            except OSError as error:
                if error.errno == errno.ECONNREFUSED:
                    return {"length": length, "result": "refused", "error": "port unreachable"}
                return {"length": length, **explain(error, queued(sock))}
    return {"length": length, "result": "lost", "error": f"no echo within {timeout_s} s"}


def accept(address: str, port: int, stop: threading.Event, ready: threading.Event) -> list[dict]:
    """Serve the TCP exchange until ``stop``: take :data:`STREAM_BYTES`, give as many back; say whom it was with."""
    ended = []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(4)
        ready.set()
        while not stop.is_set():
            if not select.select([sock], [], [], 0.005)[0]:
                continue
            connection, peer = sock.accept()
            with connection:
                connection.settimeout(1.0)
                received = 0
                try:
                    received = taken(connection)
                    connection.sendall(filler())
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)  # the other end has closed, so all of it has arrived
                except OSError:
                    pass  # the client tells what went wrong
                row = {"from": peer[0], "to": connection.getsockname()[0], "received": received}
                ended.append(row | tcp_info(connection))
    return ended


def stream(address: str, port: int, timeout_s: float = 1.0) -> dict:
    """Open a TCP connection, send :data:`STREAM_BYTES` and take as many back.

    Returns
    -------
    dict
        ``result`` is ``ok``, or ``failed`` with ``error`` and ``step`` (``connect``, ``send``, ``receive``);
        ``received`` in bytes; ``mss`` (what one segment may carry, options taken out), ``advertised_mss`` and
        ``timestamps``.
    """
    step, received = "connect", 0
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect((address, port))
            step = "send"
            sock.sendall(filler())
            sock.shutdown(socket.SHUT_WR)
            step = "receive"
            received = taken(sock)
            info = tcp_info(sock)
        except OSError as error:
            return {"result": "failed", "step": step, "error": str(error.strerror or error).lower()}
    return {"result": "ok" if received == STREAM_BYTES else "cut", "received": received, **info}


def filler() -> bytes:
    """What the TCP exchange carries: the mark first in every 64 bytes, so that any segment can be told by it."""
    line = MAGIC + b"." * (64 - len(MAGIC))
    return line * (STREAM_BYTES // len(line))


def taken(sock: socket.socket) -> int:
    """Receive to the end, or as many bytes as there should be; return their number."""
    received = 0
    while received < STREAM_BYTES and (data := sock.recv(1 << 16)):
        received += len(data)
    return received


def tcp_info(sock: socket.socket) -> dict:
    """Read what Linux knows of a connection: ``struct tcp_info`` of ``include/uapi/linux/tcp.h``."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    options = raw[5]
    numbers = struct.unpack_from("=24I", raw, 8)  # from tcpi_rto on
    return {"mss": numbers[2], "advertised_mss": numbers[19], "timestamps": bool(options & 1)}


def queued(sock: socket.socket) -> dict:
    """Read the socket's error queue, ip(7): who complained, and the next hop's MTU where told."""
    try:
        _, extra, _, _ = sock.recvmsg(256, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return {}
    for level, kind, data in extra:
        if (level, kind) == (0, IP_RECVERR) and len(data) >= 16:
            number, origin, icmp, code, _, info, _ = struct.unpack_from("=IBBBBII", data)
            by = socket.inet_ntoa(data[20:24]) if origin == 2 and len(data) >= 24 else None
            return {
                "errno": number,
                "icmp": (icmp, code) if origin == 2 else None,
                "mtu": info or None,
                "by": by,
            }
    return {}


def explain(error: OSError, queue: dict) -> dict:
    """Name what a send or receive error means for the path."""
    number = error.errno or queue.get("errno")
    if number == errno.EMSGSIZE:
        return {"result": "too_long", "mtu": queue.get("mtu"), "by": queue.get("by")}
    text = error.strerror or str(error)
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return {"result": "unreachable", "error": text.lower(), "by": queue.get("by")}
    return {"result": "failed", "error": text.lower(), "by": queue.get("by")}


def exchange(
    inside: Callable,
    client: str,
    server: str,
    address: str,
    port: int,
    lengths: list[int],
    taps: list[list[str]],
    timeout_s: float = 1.0,
    tries: int = 3,
) -> dict:
    """Send one probe a length from ``client`` to ``server``, then a TCP exchange, while capturing; gather it all.

    Parameters
    ----------
    inside
        ``inside(ns, work)`` starts ``work()`` in a namespace and returns a function that waits for its value.
    lengths
        IP packet lengths in bytes. The first is tried up to ``tries`` times: it may meet an empty ARP table
        or a tunnel that has yet to shake hands.
    taps
        ``[namespace, device]`` pairs to capture on.

    Returns
    -------
    dict
        ``probes``, ``received``, ``stream`` (None where no probe arrived), ``accepted`` and ``packets`` (one list
        per tap).
    """
    stop = threading.Event()
    flags = [threading.Event() for _ in range(len(taps) + 2)]
    captures = [
        inside(ns, lambda device=device, flag=flag: capture(device, stop, flag))
        for (ns, device), flag in zip(taps, flags)
    ]
    server_end = inside(server, lambda: echo("0.0.0.0", port, stop, flags[-1]))
    stream_end = inside(server, lambda: accept("0.0.0.0", port, stop, flags[-2]))
    opened = None
    try:
        for flag in flags:
            flag.wait(2)

        def send() -> list[dict]:
            answers = []
            for position, length in enumerate(lengths):
                for _ in range(tries if position == 0 else 1):
                    answer = probe(address, port, length, timeout_s=timeout_s)
                    if answer["result"] in ("ok", "too_long", "unreachable"):
                        break
                answers.append(answer)
                if position == 0 and answer["result"] != "ok":
                    break  # nothing gets through: the longer ones can only tell the same
            return answers

        probes = inside(client, send)(len(lengths) * timeout_s * tries + 5)
        if probes[0]["result"] == "ok":
            opened = inside(client, lambda: stream(address, port, timeout_s))(3 * timeout_s + 5)
    finally:
        stop.set()
    return {
        "probes": probes,
        "received": server_end(),
        "stream": opened,
        "accepted": stream_end(),
        "packets": [wait() for wait in captures],
    }
