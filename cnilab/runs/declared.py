"""What a study declared before its first trial, against what it says now.

A margin, a baseline or a primary test chosen after the numbers were seen is not the one that was declared. Every value
is kept in the manifest, so that whoever reads a run can be told which key was changed, and a run is never continued
under other terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnilab.study import Study

#: Keys that change neither what is measured nor how it is judged: they may differ when a run is continued.
FREE = ("name", "cluster")
#: How a cluster is reached is nobody's business who reads the run.
_PRIVATE = ("kubeconfig", "context")


@dataclass(frozen=True)
class Edit:
    """One key whose value is not the one that was declared."""

    key: str
    declared: Any
    now: Any

    @property
    def matters(self) -> bool:
        """Whether results under the two values are results of two studies."""
        return self.key.partition(".")[0] not in FREE

    def __str__(self) -> str:
        return f"{self.key}: declared {_short(self.declared)}, now {_short(self.now)}"


def values(study: Study) -> dict[str, Any]:
    """Return every value of a study, as the manifest keeps it."""
    kept = study.to_dict()
    if kept.get("cluster"):
        kept["cluster"] = {k: v for k, v in kept["cluster"].items() if k not in _PRIVATE}
    return kept


def edits(manifest: Mapping[str, Any], study: Study) -> tuple[Edit, ...]:
    """Return what differs between the values that a manifest keeps and a study; a key new since then is no edit.

    A run of before the values were kept has only their digest: then the one key is ``study``.
    """
    if isinstance(kept := manifest.get("declared"), Mapping):
        return tuple(_differences("", kept, values(study)))
    if manifest.get("study_hash") == study.digest:
        return ()
    return (Edit("study", str(manifest.get("study_hash"))[:12], study.digest[:12]),)


def _differences(above: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Edit]:
    found: list[Edit] = []
    for key in old.keys() & new.keys():
        a, b = old[key], new[key]
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(f"{above}{key}.", a, b)
        elif a != b:
            found.append(Edit(f"{above}{key}", a, b))
    return sorted(found, key=lambda edit: edit.key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


__all__ = ["FREE", "Edit", "edits", "values"]
