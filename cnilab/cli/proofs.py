"""Proofs as a table in the terminal."""

from __future__ import annotations

from cnilab.layout import columns
from cnilab.report.language import en_proof, tell
from cnilab.testbeds.verified import Verification


def table(verified: Verification, *, verbose: bool = False) -> str:
    """One line per mode and placement; failed checks below it, all of them when ``verbose``."""
    head = ("mode", "placement", "kernel path", "on the wire", "MTU", "TTL", "proof")
    body = []
    for r in verified.rows:
        passed = sum(c.ok for c in r.checks)
        state = f"{r.status}, {passed}/{len(r.checks)} checks" if r.checks else r.status
        numbers = (str(r.mtu or "-"), str(r.ttl or "-"))
        body.append((r.mode, r.placement, r.kernel_path or "-", r.outer, *numbers, state))
    first, *rest = columns([head, *body])
    lines = [first]
    for row, cells in zip(verified.rows, rest):
        note = f"  ({tell(row.reason)})" if row.reason else ""
        lines.append(cells + note)
        for c in row.checks:
            if verbose or not c.ok:
                expected = "" if c.ok else f" (expected {en_proof.value(c.expected)})"
                mark = "ok " if c.ok else "NOT"
                lines.append(f"    {mark} {en_proof.expectation(c.code, c.args)}: {en_proof.value(c.found)}{expected}")
    return "\n".join(lines)
