"""BGP sessions and routes as BIRD tells them, in the lab and in Calico's ``calico-node``. It only reads answers."""

from __future__ import annotations

import re

#: Columns of BIRD's ``show protocols``: name, protocol, table, state, since and what it adds in words.
_SESSION = re.compile(r"^(\S+)\s+BGP\s+\S+\s+(\S+)\s+(\S+)\s*(.*)$", re.MULTILINE)


def sessions(text: str) -> list[dict[str, str]]:
    """Return ``{peer, state, since, info}`` of each BGP protocol in the answer to ``show protocols``.

    ``peer`` is the protocol's name, which Calico makes of the peer's address.

    Examples
    --------
    >>> sessions("bgp1       BGP        ---        up     12:00:01.234  Established\\n")
    [{'peer': 'bgp1', 'state': 'up', 'since': '12:00:01.234', 'info': 'Established'}]
    """
    return [
        {"peer": peer, "state": state, "since": since, "info": info.strip()}
        for peer, state, since, info in _SESSION.findall(text)
    ]


#: A route of ``show route``: BIRD 2 has the type of destination after the prefix, BIRD 1.6 the next hop; both then name
#: the protocol that gave it in square brackets.
_ROUTE = re.compile(r"^(?:(\S+/\d+)\s|\s+)[^\[\n]*\[(\S+)", re.MULTILINE)


def routes(text: str) -> list[dict[str, str]]:
    """Return ``{prefix, protocol}`` of each route in the answer to ``show route``, alternatives included.

    Examples
    --------
    >>> routes("10.244.2.64/26       unicast [n2 12:00:01.234] * (100) [i]\\n\\tvia 192.0.2.12 on eth0\\n")
    [{'prefix': '10.244.2.64/26', 'protocol': 'n2'}]
    """
    rows, prefix = [], ""
    for new, protocol in _ROUTE.findall(text):
        prefix = new or prefix
        rows.append({"prefix": prefix, "protocol": protocol})
    return rows
