"""Proofs of several modes and placements, as a table for people and an object for programs."""

from __future__ import annotations

from dataclasses import dataclass

from cnilab.layout import columns
from cnilab.testbeds.proof import judge as proof


@dataclass(frozen=True)
class Verification:
    """Rows of all modes x placements; ``ok`` if none failed (a mode this machine lacks is skipped, not failed)."""

    rows: tuple[dict, ...]

    @property
    def ok(self) -> bool:
        return all(row["status"] != "failed" for row in self.rows)

    def to_dict(self) -> dict:
        return {"schema_version": proof.SCHEMA_VERSION, "rows": list(self.rows)}

    def table(self, *, verbose: bool = False) -> str:
        """Text: a line a mode x placement; failed checks below it, all of them when ``verbose``."""
        head = ("mode", "placement", "kernel path", "on the wire", "MTU", "TTL", "proof")
        body = []
        for r in self.rows:
            passed = sum(c["ok"] for c in r["checks"])
            state = f"{r['status']}, {passed}/{len(r['checks'])} checks" if r["checks"] else r["status"]
            body.append(
                (
                    r["mode"],
                    r["placement"],
                    r["kernel_path"] or "-",
                    r["outer"],
                    str(r["mtu"] or "-"),
                    str(r["ttl"] or "-"),
                    state,
                )
            )
        first, *rest = columns([head, *body])
        lines = [first]
        for row, cells in zip(self.rows, rest):
            note = f"  ({row['reason']})" if row["reason"] else ""
            lines.append(cells + note)
            for c in row["checks"]:
                if verbose or not c["ok"]:
                    mark = "ok " if c["ok"] else "NOT"
                    lines.append(
                        f"    {mark} {c['name']}: {c['found']}"
                        + ("" if c["ok"] else f" (expected {c['expected']})")
                    )
        return "\n".join(lines)
