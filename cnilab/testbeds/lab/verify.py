"""Build modes one after the other and prove each in every placement: what `cnilab lab verify` shows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tqdm import tqdm

from cnilab import modes, proof
from cnilab.errors import LabError, Unavailable
from cnilab.testbeds.lab.lab import Lab
from cnilab.testbeds.lab.topology import CLUSTER_IPS


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
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(head, widths)).rstrip()]
        for row, cells in zip(self.rows, body):
            note = f"  ({row['reason']})" if row["reason"] else ""
            lines.append("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip() + note)
            for c in row["checks"]:
                if verbose or not c["ok"]:
                    mark = "ok " if c["ok"] else "NOT"
                    lines.append(
                        f"    {mark} {c['name']}: {c['found']}"
                        + ("" if c["ok"] else f" (expected {c['expected']})")
                    )
        return "\n".join(lines)


def verify_modes(
    wanted: Iterable[str] | None = None,
    *,
    underlay: str = "plain",
    path: str = "pod_to_pod",
    progress: bool = True,
) -> Verification:
    """Build each mode afresh and judge every placement.

    Raises
    ------
    UnknownKey
        If one of ``wanted`` is no mode.
    """
    names = [modes.get(m).id for m in wanted] if wanted else list(modes.MODES)
    rows: list[dict] = []
    for name in tqdm(names, disable=not progress, file=sys.stderr, unit="mode", leave=False):
        try:
            with Lab(name, underlay=underlay, services=path == "pod_to_service") as lab:
                rows += [row.to_dict() for row in lab.prove(list(CLUSTER_IPS), path)]
        except Unavailable as error:
            rows += [_row(name, p, "skipped", str(error)) for p in CLUSTER_IPS]
        except LabError as error:
            rows += [_row(name, p, "failed", str(error)) for p in CLUSTER_IPS]
    return Verification(tuple(rows))


def _row(mode: str, placement: str, status: str, reason: str) -> dict:
    return {
        "mode": mode,
        "placement": placement,
        "kernel_path": None,
        "status": status,
        "reason": reason,
        "reachable": False,
        "outer": "-",
        "mtu": None,
        "ttl": None,
        "checks": [],
    }
