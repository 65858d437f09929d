"""Reasons as schema 1 has them, English sentences, turned into facts once, when such a file is opened.

The only place that reads those sentences; what is written today holds codes. A sentence that is not one of the few
whose meaning something depends on is kept whole, as recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnilab.facts import Fact

_NOT_CROSSING = "does not cross subnets"
_NOT_IN_EFFECT = "mode not in effect"


def fact_of(text: str) -> Fact:
    """Return the fact that a sentence of schema 1 states.

    >>> fact_of("does not cross subnets: no route to host by 192.0.2.1")
    Fact(code='not_crossing', args=mappingproxy({'by': '192.0.2.1'}), quoted='no route to host')
    >>> fact_of("iperf3 ended with status 1: it said nothing").code
    'recorded'
    """
    head, _, rest = text.partition(": ")
    if head == _NOT_CROSSING:
        answer, by, address = rest.rpartition(" by ")
        return Fact("not_crossing", {"by": address} if by else {}, (answer if by else rest) or None)
    if head == _NOT_IN_EFFECT:
        return Fact("not_in_effect_recorded", quoted=rest or None)
    return Fact("recorded", quoted=text)


def read(value: str | Mapping[str, Any] | None) -> Fact | None:
    """Return a fact from JSON as either schema writes it; None, and schema 1's empty text, is none."""
    if not value:
        return None
    return fact_of(value) if isinstance(value, str) else Fact.from_dict(value)
