"""Proofs of several modes and placements, as values; the command line has the table for people."""

from __future__ import annotations

from dataclasses import dataclass

from cnilab.testbeds.proof.base import SCHEMA_VERSION, Row


@dataclass(frozen=True)
class Verification:
    """Rows of all modes x placements; ``ok`` if none failed (a mode this machine lacks is skipped, not failed)."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.status != "failed" for row in self.rows)

    def to_dict(self) -> dict:
        return {"schema_version": SCHEMA_VERSION, "rows": [row.to_dict() for row in self.rows]}
