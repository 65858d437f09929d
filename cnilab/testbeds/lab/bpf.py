"""Fill a node's three constants into the compiled IP-in-IP program (``ipip.bpf.c``).

The program is compiled once for all nodes; interface indices and the node's address are 32-bit immediates in
its instructions, each a marker that occurs nowhere else. Standard library only: the lab's agent imports it.
"""

from __future__ import annotations

import socket
import struct
import sys

TUN_INDEX, UNDERLAY_INDEX, NODE_ADDRESS = 0x0C41AB00, 0x0C41AB11, 0x0C41AB22


def fill(built: str, tun: int, underlay: int, node_ip: str) -> bytes:
    """Return the compiled program in the file ``built`` with its markers replaced.

    Raises
    ------
    ValueError
        If a marker is missing: the object was made from another source.
    """
    with open(built, "rb") as file:
        program = file.read()
    address = struct.unpack("=I", socket.inet_aton(node_ip))[0]
    for marker, value in ((TUN_INDEX, tun), (UNDERLAY_INDEX, underlay), (NODE_ADDRESS, address)):
        old, new = struct.pack("=I", marker), struct.pack("=I", value)
        if old not in program:
            raise ValueError(
                f"the eBPF object has no marker {marker:#x}: it was not made from this cnilab's ipip.bpf.c; "
                f"remove it, and the next lab compiles it anew: rm {built}"
            )
        program = program.replace(old, new)
    return program


def tc_lines(path: str, tun: str, underlay: str) -> list[str]:
    """The four ``tc`` lines that put the program at ``path`` in place."""
    return [
        f"qdisc add dev {tun} clsact",
        f"qdisc add dev {underlay} clsact",
        f"filter add dev {tun} egress bpf direct-action obj {path} sec tc/encap",
        f"filter add dev {underlay} ingress bpf direct-action obj {path} sec tc/decap",
    ]


if __name__ == "__main__":  # what `cnilab lab script` prints: bpf OBJECT NS TUN UNDERLAY NODE_IP
    import json
    import subprocess

    path, ns, tun, underlay, node_ip = sys.argv[1:]
    links = json.loads(subprocess.run(["ip", "-n", ns, "-j", "link"], capture_output=True, check=True).stdout)
    index = {link["ifname"]: link["ifindex"] for link in links}
    sys.stdout.buffer.write(fill(path, index[tun], index[underlay], node_ip))
