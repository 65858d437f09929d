"""What can drift unseen at one end or node: congestion control, socket buffers, CPUs, offloads, packet steering.

One shell script reads it all, in a namespace of the lab as in a pod of a cluster, and one function takes its
text apart. Whether two readings ought to be alike is :mod:`cnilab.findings`'s business; nothing is set here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_MARK = "\x1e"
_SOCKETS = {
    "congestion_control": "ipv4/tcp_congestion_control",
    "tcp_rmem": "ipv4/tcp_rmem",
    "tcp_wmem": "ipv4/tcp_wmem",
    "rmem_max": "core/rmem_max",
    "wmem_max": "core/wmem_max",
}
#: Our short name -> what `ethtool -k` calls it.
OFFLOADS = {
    "tso": "tcp-segmentation-offload",
    "gso": "generic-segmentation-offload",
    "gro": "generic-receive-offload",
    "tx_checksum": "tx-checksumming",
    "rx_checksum": "rx-checksumming",
}
_FEATURE = re.compile(r"^\s*([a-z0-9-]+): (on|off)\b", re.MULTILINE)


def script(devices: Sequence[str]) -> str:
    """Return the shell script whose output :func:`parse` reads; a reading that fails is silent there.

    Parameters
    ----------
    devices
        Names of devices of the namespace it will run in.
    """
    parts = [f"cat /proc/sys/net/{path} 2>/dev/null" for path in _SOCKETS.values()]
    parts.append("grep Cpus_allowed_list: /proc/self/status")
    for device in devices:
        quoted = shlex.quote(device)
        parts.append(f"ethtool -k {quoted} 2>/dev/null")
        parts.append(f"cat /sys/class/net/{quoted}/queues/rx-*/rps_cpus 2>/dev/null")
    # the last status is nobody's: what could not be read is an empty part
    return "; ".join(f"{part}; printf '\\036'" for part in parts) + "; true"


def own_sysfs(script: str) -> list[str]:
    """Return the command that runs ``script`` with a ``/sys`` of the network namespace it is called in.

    A sysfs shows the devices of the namespace it was mounted in, and the lab's namespaces are entered, not
    booted: without this the machine's own ``eth0`` would be read in every one of them. Where none may be mounted
    (an ordinary user in a container), an empty directory hides it: not read is better than read elsewhere.
    """
    own = "mount -t sysfs none /sys 2>/dev/null || mount -t tmpfs none /sys || exit"
    return ["unshare", "--mount", "sh", "-c", f"{own}; {script}"]


def parse(text: str | None, devices: Sequence[str]) -> dict | None:
    """Take apart what :func:`script` printed.

    Parameters
    ----------
    text
        The output; None if it could not be run at all.
    devices
        The names the script was made with.

    Returns
    -------
    dict or None
        ``congestion_control`` (str), ``tcp_rmem`` and ``tcp_wmem`` (least, default, most; B), ``rmem_max`` and
        ``wmem_max`` (B), ``cpus_allowed`` (the kernel's list, ``"0-1"``: what a program started there may use
        before it is bound), and ``devices``: name -> ``offloads`` (:data:`OFFLOADS` -> bool) and ``rps_cpus``
        (a hexadecimal mask a queue). What could not be read is None; None altogether if this is no such output.
    """
    parts = (text or "").split(_MARK)
    keys = (*_SOCKETS, "cpus_allowed")
    if len(parts) != len(keys) + 2 * len(devices) + 1:
        return None
    found: dict = {key: _setting(part) for key, part in zip(_SOCKETS, parts)}
    found["cpus_allowed"] = parts[len(_SOCKETS)].partition(":")[2].strip() or None
    rest = parts[len(keys) :]
    found["devices"] = {
        device: {"offloads": offloads(rest[2 * i]), "rps_cpus": rest[2 * i + 1].split() or None}
        for i, device in enumerate(devices)
    }
    return found


def _setting(text: str) -> str | int | list[int] | None:
    words = text.split()
    if not words:
        return None
    if not all(w.isdecimal() for w in words):
        return " ".join(words)
    numbers = [int(w) for w in words]
    return numbers if len(numbers) > 1 else numbers[0]


def offloads(text: str) -> dict[str, bool] | None:
    """Read `ethtool -k`; an offload it does not name is left out, and no answer at all is None."""
    told = dict(_FEATURE.findall(text))
    return {short: told[name] == "on" for short, name in OFFLOADS.items() if name in told} or None


def gathered(
    ends: dict[str, tuple[str, str]],
    nodes: dict[str, tuple[str, str | None]],
    readings: dict[str, dict | None],
) -> dict:
    """Arrange the readings of a deployment as its proof keeps them.

    Parameters
    ----------
    ends
        placement -> (client, server), as ``readings`` calls them.
    nodes
        node -> (its underlay device, its tunnel device or None).
    readings
        What :func:`parse` returned, by the end or node it was read in; an end's device is its first.

    Returns
    -------
    dict
        ``placements``: placement -> ``client`` and ``server``, each the end's settings with its device's
        ``offloads`` and ``rps_cpus``; ``nodes``: node -> ``underlay`` and ``tunnel``, a device's each. What
        was not read, and a tunnel that the mode does not have, is None.
    """

    def end(name: str) -> dict | None:
        reading = readings.get(name)
        if reading is None:
            return None
        return {k: v for k, v in reading.items() if k != "devices"} | next(iter(reading["devices"].values()))

    def of(node: str, name: str | None) -> dict | None:
        reading = readings.get(node)
        return reading["devices"].get(name) if reading and name else None

    return {
        "placements": {p: {"client": end(c), "server": end(s)} for p, (c, s) in ends.items()},
        "nodes": {n: {"underlay": of(n, up), "tunnel": of(n, tun)} for n, (up, tun) in nodes.items()},
    }
