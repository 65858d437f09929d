"""What a proof is made of: one check, one judged row per placement, and the evidence's small questions.

Values only; which checks a mode must pass is decided in :mod:`.state` and :mod:`.packets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnilab.facts import Fact
from cnilab.runs import schema1

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Check:
    """One expectation and what was found.

    Parameters
    ----------
    code
        Which expectation; :mod:`cnilab.report.language` has the words.
    args
        What it is about: ``node``, ``device``, ``address``, ``way`` (``there`` or ``back``) …
    expected, found
        Values in base units, names or None, as JSON keeps them.
    """

    code: str
    args: Mapping[str, Any]
    expected: Any
    found: Any
    ok: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the check as proofs and ``verify --json`` have it: ``name, args, expected, found, ok``."""
        found = {"expected": self.expected, "found": self.found, "ok": self.ok}
        return {"name": self.code, "args": dict(self.args), **found}


def check(code: str, expected: Any, found: Any, ok: bool | None = None, **args: Any) -> Check:
    """Return a check that holds where ``found`` equals ``expected``, or as ``ok`` says."""
    return Check(code, args, expected, found, expected == found if ok is None else ok)


@dataclass(frozen=True)
class Row:
    """The proof of one placement.

    Parameters
    ----------
    status
        ``ok`` if every check holds (also when the mode is rightly unreachable here), else ``failed``;
        ``skipped`` where the testbed has no such placement.
    reason
        ``mode_not_in_effect`` with the first check that does not hold, ``not_crossing`` where no packet can arrive,
        why there is no such placement, or None.
    reachable
        Whether packets arrived.
    outer
        What carried them on the underlay, as seen, e.g. ``"vxlan 8472"``; ``"plain"``; ``"-"`` if none passed.
    mtu
        Largest DF packet that arrived, in bytes, IP header included; None if none did.
    ttl
        TTL at the receiver of a packet sent with 64.
    """

    mode: str
    placement: str
    kernel_path: str | None
    status: str
    reason: Fact | None
    reachable: bool
    outer: str
    mtu: int | None
    ttl: int | None
    checks: tuple[Check, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON; the reason as :meth:`cnilab.facts.Fact.to_dict` has it."""
        reason = self.reason.to_dict() if self.reason else None
        plain = {k: getattr(self, k) for k in ("mode", "placement", "kernel_path", "status")}
        more = {k: getattr(self, k) for k in ("reachable", "outer", "mtu", "ttl")}
        return {**plain, "reason": reason, **more, "checks": [c.to_dict() for c in self.checks]}


    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Read what :meth:`to_dict` wrote, or a row of schema 1, whose reasons and checks were sentences."""
        checks = tuple(
            Check(c["name"], c["args"], c["expected"], c["found"], c["ok"])
            if "args" in c
            else Check("recorded", {"text": c["name"]}, c["expected"], c["found"], c["ok"])
            for c in data["checks"]
        )
        kept = ("mode", "placement", "kernel_path", "status", "reachable", "outer", "mtu", "ttl")
        return cls(**{k: data[k] for k in kept}, reason=schema1.read(data["reason"]), checks=checks)


def absent(mode: str, placement: str, kernel_path: str | None, reason: Fact) -> Row:
    """A placement the testbed does not have."""
    return Row(mode, placement, kernel_path, "skipped", reason, False, "-", None, None)


def outcome(probe: dict) -> str:
    """Return a probe's result with the kernel's word for it: ``ok``, ``too_long``, ``unreachable`` …"""
    return str(probe["result"])


def ends(seen: dict) -> tuple[str, ...]:
    """Return the nodes of client and server, once where they are one."""
    return tuple(dict.fromkeys((seen["client_node"], seen["server_node"])))
