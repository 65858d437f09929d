"""The JSON of iputils' ``ping -j``: an object a reply, and one with the statistics if anything was received.

Each is said again in the words that ping uses without ``-j``, so that one reader does for both. This module knows no
number's meaning.
"""

from __future__ import annotations

import json
import re

#: What no other program's lines begin with.
SNIFF = (
    r'^\{ ?"bytes": \d+, "host": .*"seq": \d+, .*"time": "[\d.]+" ?\}$'
    r'|^\{ ?(?:"host": .*, )?"transmitted": \d+, "received": \d+, "duplicates": '
)
#: With more than one packet on its way, ping ends the object by a comma that JSON does not know.
_COMMA = re.compile(r", *\}")


def spelled(line: str) -> list[str]:
    """Return the lines that ping prints for this object without ``-j``; ``[line]`` where it is none.

    >>> spelled('{"bytes": 64, "host": "10.0.0.2", "seq": 1, "ttl": 64, "time": "0.100"}')
    ['64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.100 ms']
    """
    if not line.startswith("{"):
        return [line]
    try:
        said = json.loads(_COMMA.sub("}", line))
        if "seq" in said:
            about = f"icmp_seq={said['seq']} ttl={said['ttl']} time={said['time']} ms"
            return [f"{said['bytes']} bytes from {_host(said)}: {about}"]
        if "transmitted" in said:
            sent, got = int(said["transmitted"]), int(said["received"])
            lost = 100 * (sent - got) / sent
            rtt = "/".join(said["rtt"][stat] for stat in ("min", "avg", "max", "mdev"))
            return [
                f"{sent} packets transmitted, {got} received, {lost:.6f}% packet loss, time {said['time']}ms",
                f"rtt min/avg/max/mdev = {rtt} ms",
            ]
        error = said["error"]
        return [f"ping: {error if isinstance(error, str) else ': '.join(error)}"]
    except (ValueError, KeyError, TypeError, ZeroDivisionError, RecursionError):
        return [line]  # cut short, or another program's


def _host(said: dict) -> str:
    host = said["host"]
    return host["ip"] if isinstance(host, dict) else host
