"""What schema 1 has in words and suffixes, turned into facts and levels once, when such a file is opened.

The only place that reads its sentences; what is written today holds codes. A sentence that is not one of the few
whose meaning something depends on is kept whole, as recorded. Nor does anything else read the suffixes of a table's
``mode`` and ``test``, by which it told the blind twin and a test at equal segment size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnilab.facts import Fact

if TYPE_CHECKING:
    import pandas as pd  # a lab is proved by a Python that has none

_NOT_CROSSING = "does not cross subnets"
_NOT_IN_EFFECT = "mode not in effect"
_STOOD_IN = re.compile(
    r"the kernel has no (\S+) device(?: \((.*)\))?; (eBPF encapsulates|wireguard-go encrypts) instead"
)
_BY = {"eBPF encapsulates": "carried_by_ebpf", "wireguard-go encrypts": "carried_by_wireguard_go"}
_TWIN = "#aa"
_EQUAL_MSS = "@equal_mss"


def fact_of(text: str) -> Fact:
    """Return the fact that a sentence of schema 1 states.

    >>> fact_of("does not cross subnets: no route to host by 192.0.2.1")
    Fact(code='not_crossing', args=mappingproxy({'by': '192.0.2.1'}), quoted='no route to host')
    >>> fact_of("the kernel has no ipip device; eBPF encapsulates instead")
    Fact(code='carried_by_ebpf', args=mappingproxy({'device': 'ipip'}), quoted=None)
    >>> fact_of("iperf3 ended with status 1: it said nothing").code
    'recorded'
    """
    head, _, rest = text.partition(": ")
    if head == _NOT_CROSSING:
        answer, by, address = rest.rpartition(" by ")
        return Fact("not_crossing", {"by": address} if by else {}, (answer if by else rest) or None)
    if head == _NOT_IN_EFFECT:
        return Fact("not_in_effect_recorded", quoted=rest or None)
    if stood_in := _STOOD_IN.fullmatch(text):
        device, why, how = stood_in.groups()
        return Fact(_BY[how], {"device": device}, why)
    return Fact("recorded", quoted=text)


def read(value: str | Mapping[str, Any] | None) -> Fact | None:
    """Return a fact from JSON as either schema writes it; None, and schema 1's empty text, is none."""
    if not value:
        return None
    return fact_of(value) if isinstance(value, str) else Fact.from_dict(value)


def with_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with ``twin`` and, where a test was measured at both, ``mss``, in place of suffixes.

    >>> import pandas as pd
    >>> told = with_levels(pd.DataFrame({"mode": ["host", "host#aa"], "test": ["t", "t@equal_mss"]}))
    >>> told.to_dict("list")
    {'mode': ['host', 'host'], 'test': ['t', 't'], 'twin': [False, True], 'mss': ['as_shipped', 'equal']}
    """
    if "twin" in frame:
        return frame
    names = frame["mode"].dropna().astype(str).unique() if "mode" in frame else ()
    twins = {name: name.removesuffix(_TWIN) for name in names if name.endswith(_TWIN)}
    if not twins:
        frame = frame.assign(twin=False)
    else:
        twin = frame["mode"].isin(twins)
        frame = frame.assign(mode=frame["mode"].where(~twin, frame["mode"].map(twins)), twin=twin.astype(bool))
    names = frame["test"].dropna().astype(str).unique() if "test" in frame else ()
    equal = {name: name.removesuffix(_EQUAL_MSS) for name in names if name.endswith(_EQUAL_MSS)}
    if not equal:
        return frame
    import pandas as pd

    at = frame["test"].isin(equal)
    both = frame["test"].isin(set(equal.values()))
    mss = pd.Series(pd.NA, index=frame.index, dtype="string").mask(both, "as_shipped").mask(at, "equal")
    return frame.assign(test=frame["test"].where(~at, frame["test"].map(equal)), mss=mss)
