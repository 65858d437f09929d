"""What a cluster was before cnilab changed it, kept in the cluster itself until it is put back.

Written before the first change and removed after the last one is undone, so that neither a killed process nor
another machine at the keyboard loses the way back. One ConfigMap in a namespace of cnilab's own; it holds the
objects as the server gave them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.api import Api, Conflict, NotFound
from cnilab.testbeds.kubernetes.pods import NAMESPACES, remove_namespaces

NAMESPACE, NAME = "cnilab-state", "saved"
PATH = f"{NAMESPACES}/{NAMESPACE}/configmaps"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Saved:
    """The way back.

    Parameters
    ----------
    plugin, mode
        What was detected.
    at
        When, ISO 8601, UTC; what started later may have read a changed configuration.
    objects
        API path -> the object as it was; None for one that was not there.
    """

    plugin: str
    mode: str | None
    at: str
    objects: dict[str, dict | None] = field(default_factory=dict, repr=False)

    def to_json(self) -> str:
        return json.dumps(
            {"schema_version": SCHEMA_VERSION, **self.__dict__}
        )  # the order of `objects` is the way back's


def read(api: Api) -> Saved | None:
    """Return what is saved in the cluster, None if nothing is.

    Raises
    ------
    ClusterError
        If what is there was written by another version of cnilab.
    """
    try:
        found = api.get(f"{PATH}/{NAME}")
    except NotFound:
        return None
    told = json.loads(found["data"]["state.json"])
    version = told.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise ClusterError(
            f"the state saved in {NAMESPACE}/{NAME} has schema {version}, this cnilab reads {SCHEMA_VERSION}"
        )
    return Saved(**told)


def save(api: Api, plugin: str, mode: str | None, objects: dict[str, dict | None]) -> Saved:
    """Keep the objects, unless an earlier state is kept already: the first one is the one to go back to."""
    kept = read(api)
    if kept is not None:
        return kept
    labels = {"app.kubernetes.io/managed-by": "cnilab", "cnilab.io/state": "saved"}
    _ensure(api, NAMESPACES, {"kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    kept_parts = {path: item and _kept(item) for path, item in objects.items()}
    saved = Saved(plugin, mode, datetime.now(UTC).isoformat(timespec="seconds"), kept_parts)
    body = {
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": labels},
        "data": {"state.json": saved.to_json()},
    }
    _ensure(api, PATH, body)
    kept = read(api)
    if kept is None:
        raise ClusterError(f"what was saved in {NAMESPACE}/{NAME} cannot be read back; nothing was changed")
    return kept


def _kept(item: dict) -> dict:
    """An object without what only the server writes."""
    metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
    return {**{k: v for k, v in item.items() if k != "status"}, "metadata": metadata}


def _ensure(api: Api, path: str, body: dict) -> None:
    try:
        api.create(path, {"apiVersion": "v1", **body})
    except Conflict as error:
        if error.reason != "AlreadyExists":
            raise


def forget(api: Api, timeout_s: float = 60) -> str:
    """Remove what is saved; return what is left of it and why, or nothing."""
    api.delete(f"{PATH}/{NAME}")
    return remove_namespaces(api, [NAMESPACE], timeout_s)
