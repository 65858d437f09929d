"""The conditions under which a value was measured, by one name for one thing in every reader.

A rate of one stream and a rate of eight are two things; so are transactions of one byte and of sixteen kilobytes.
What is *asked for* is a condition; what came of it (a negotiated segment size, the seconds that passed) is not. A
condition that the output does not tell is absent, never a default. How conditions make tests is
:mod:`cnilab.loading.distinct`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnilab.measurements.reading.numbers import number

#: Name -> its meaning. The order is the one in which they are printed.
CONDITIONS: dict[str, str] = {
    "protocol": "transport protocol: tcp, udp, sctp",
    "family": "address family of the test's connections: ipv4, ipv6",
    "service": "whether the path leads through a Service: yes, no",
    "direction": "forward (the client sends), reverse, both",
    "streams": "connections at the same time",
    "message_bytes": "bytes handed to one send call",
    "request_bytes": "bytes of one request",
    "response_bytes": "bytes of one answer",
    "datagram_bytes": "payload of one datagram, where it was asked for",
    "burst": "transactions that may be under way beside the one that is waited for",
    "offered_bps": "asked-for rate in bit/s; 0 is as fast as it goes",
    "offered_per_s": "asked-for requests a second, of all connections together",
    "window_bytes": "asked-for socket buffer",
    "congestion_control": "TCP congestion control of the sender",
    "duration_s": "asked-for seconds",
}
#: Conditions whose value is a word.
WORDS = frozenset(("protocol", "family", "service", "direction", "congestion_control"))

#: The samples table's ``duration_s`` is the measured time.
COLUMNS = {name: "asked_duration_s" if name == "duration_s" else name for name in CONDITIONS}

Value = str | float


def of(**told: object) -> dict[str, Value]:
    """Return the conditions that ``told`` holds: known names, values that can be, numbers as numbers.

    >>> of(streams="8", direction="forward", window_bytes=None)
    {'direction': 'forward', 'streams': 8.0}
    """
    found: dict[str, Value] = {}
    for name in CONDITIONS:
        value = told.pop(name, None)
        if name in WORDS:
            if isinstance(value, str) and value:
                found[name] = value[:40]
        elif (amount := number(value)) is not None and amount >= 0:
            found[name] = amount
    if told:
        raise KeyError(f"no conditions: {', '.join(told)}")
    return found


def family(*addresses: object) -> str | None:
    """Return the family of the first of ``addresses`` that is one.

    >>> family(None, "fd00::1"), family("10.0.0.1"), family("node")
    ('ipv6', 'ipv4', None)
    """
    for address in addresses:
        if isinstance(address, str) and ":" in address:
            return "ipv4" if address.startswith("::ffff:") else "ipv6"
        if isinstance(address, str) and address.count(".") == 3 and address.replace(".", "").isdecimal():
            return "ipv4"
    return None


def in_words(name: str, value: Value) -> str:
    """Return one condition as a name has it.

    >>> in_words("streams", 8.0), in_words("direction", "reverse")
    ('streams=8', 'direction=reverse')
    """
    return f"{name}={value}" if isinstance(value, str) else f"{name}={value:.12g}"


def suffix(told: Mapping[str, Value], names: list[str]) -> str:
    """Return those of ``told`` that ``names`` lists, to stand behind a test's name.

    >>> suffix({"streams": 8.0, "direction": "forward"}, ["streams", "message_bytes"])
    ' streams=8'
    """
    return "".join(f" {in_words(name, told[name])}" for name in names if name in told)
