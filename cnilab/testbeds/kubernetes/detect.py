"""Which CNI mode a cluster is in, read from its API objects alone.

Needs read rights and tells which one is missing; guesses nothing. Objects say what was asked for and what agents
announce; that packets go that way is :mod:`.verify`'s to prove.
"""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, replace

from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.detecting import DETECTORS
from cnilab.testbeds.kubernetes.detecting.reading import Fact, NodeMode, PoolMode, Reader

SCHEMA_VERSION = 1
_NO_PLUGIN, _NO_MODE = "no CNI that cnilab knows", "no mode of the catalogue"


@dataclass(frozen=True)
class Detection:
    """What was found.

    Parameters
    ----------
    plugin
        ``flannel``, ``k3s``, ``rke2``, ``calico``, ``cilium``, ``canal``; None if none of them is there.
    mode
        A catalogue id; ``mixed`` where nodes or pools differ; None where it has no such mode, or nothing tells.
    version, routes_by
        The plugin's version by its image's tag, and who writes the routes.
    per_node, per_pool
        Each node's and each pool's own mode.
    facts
        Which object and field said what.
    warnings
        What should be known: a restart that is pending, pools or nodes that differ, overrides.
    missing_rights
        The server's words on what this user may not read. Where the mode depends on it, ``mode`` is None.
    """

    plugin: str | None
    mode: str | None
    version: str | None
    routes_by: str | None
    per_node: tuple[NodeMode, ...]
    per_pool: tuple[PoolMode, ...]
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    missing_rights: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether one mode of the catalogue was found."""
        return self.mode is not None and self.mode != "mixed"

    def to_dict(self) -> dict:
        return {"schema_version": SCHEMA_VERSION, **asdict(self), "rows": [asdict(n) for n in self.per_node]}

    def __repr__(self) -> str:
        nothing = ("not readable", "not decided") if self.missing_rights else (_NO_PLUGIN, _NO_MODE)
        head = f"{self.plugin or nothing[0]}: {self.mode or nothing[1]}"
        lines = [head + (f" ({self.version})" if self.version else "")]
        if self.routes_by:
            lines.append(f"  routes by {self.routes_by}")
        lines += [
            f"  pool {p.pool} {p.cidr}: {p.mode or 'no mode'}{', disabled' if p.disabled else ''}"
            f" (ipipMode {p.ipip_mode}, vxlanMode {p.vxlan_mode}{', ' + p.managed_by if p.managed_by else ''})"
            for p in self.per_pool
        ]
        by_mode: dict[str, list[str]] = {}
        for node in self.per_node:
            by_mode.setdefault(node.mode or "unknown", []).append(node.node)
        for mode, nodes in by_mode.items():
            more = f" and {len(nodes) - 8} more" if len(nodes) > 8 else ""
            lines.append(f"  {mode} on {', '.join(nodes[:8])}{more}")
        shown = [f for f in self.facts if not f.where.startswith("Node ")]
        lines += [f"  {f.where}: {f.field} = {f.value}" for f in shown]
        lines += [f"  ! {w}" for w in self.warnings]
        if self.missing_rights:
            lines += [f"  not allowed: {m}" for m in self.missing_rights]
            lines.append("  the rights this takes are printed by: cnilab cluster rbac detect")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def detect(api: Api) -> Detection:
    """Read a cluster's CNI mode.

    Never lists all pods: nodes page by page, single objects by name, an agent's pods by label.
    """
    reader = Reader(api)
    for look in DETECTORS.values():
        found = look(reader)
        if found is not None:
            if reader.undecided:  # "absent" and "not readable" look alike from here on
                found.mode = None
                found.per_node = [replace(n, mode=None) for n in found.per_node]
                found.per_pool = [replace(p, mode=None) for p in found.per_pool]
            return Detection(
                found.plugin,
                found.mode,
                found.version,
                found.routes_by,
                tuple(found.per_node),
                tuple(found.per_pool),
                tuple(found.facts),
                tuple(found.warnings),
                tuple(reader.missing),
            )
    return Detection(None, None, None, None, (), (), (), (), tuple(reader.missing))
