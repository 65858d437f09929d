"""BGP sessions as BIRD tells them, in the lab and in Calico's ``calico-node``. Asks nobody; it reads the answer."""

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
