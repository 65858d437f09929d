"""What every detector shares: objects read once, what was not there, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cnilab.testbeds.kubernetes.api import Api, Forbidden, NotFound

NODES = "/api/v1/nodes"


@dataclass(frozen=True)
class Fact:
    """One field that was read: where it stands, which field, its value."""

    where: str
    field: str
    value: object


@dataclass(frozen=True)
class NodeMode:
    """One node: the mode it is in (a catalogue id, ``mixed`` where pools differ, or None), and what it says itself."""

    node: str
    mode: str | None
    says: dict


@dataclass(frozen=True)
class PoolMode:
    """One Calico pool: its mode (a catalogue id, or None), its fields, and who writes its routes."""

    pool: str
    cidr: str
    mode: str | None
    ipip_mode: str
    vxlan_mode: str
    disabled: bool
    managed_by: str
    routes_by: str


@dataclass
class Finding:
    """What a detector found; :func:`..detect.detect` makes a Detection of it."""

    plugin: str
    mode: str | None
    version: str | None = None
    routes_by: str | None = None
    per_node: list[NodeMode] = field(default_factory=list)
    per_pool: list[PoolMode] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Reader:
    """Reads objects, None where there is none; a refusal is kept in ``missing`` and reads as None too.

    ``undecided`` is set once something was refused that the mode depends on: what was not read is then no "absent",
    and no mode may be told.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self.missing: list[str] = []
        self.undecided = False
        self._nodes: list[dict] | None = None

    def get(self, path: str, *, decides: bool = True) -> dict | None:
        try:
            return self.api.get(path)
        except NotFound:
            return None
        except Forbidden as error:
            self._refused(error, decides)
            return None

    def items(self, path: str, labels: str = "", *, decides: bool = True) -> list[dict]:
        try:
            return list(self.api.items(path, labels=labels))
        except NotFound:
            return []
        except Forbidden as error:
            self._refused(error, decides)
            return []

    def nodes(self) -> list[dict]:
        """Every node, read once."""
        if self._nodes is None:
            self._nodes = self.items(NODES)
        return self._nodes

    def _refused(self, error: Forbidden, decides: bool) -> None:
        self.undecided |= decides
        if error.message not in self.missing:
            self.missing.append(error.message)


def notes_of(item: dict) -> dict:
    """An object's annotations."""
    return item["metadata"].get("annotations") or {}


def name(item: dict) -> str:
    return item["metadata"]["name"]


def image_version(daemonset: dict | None, container: str) -> str | None:
    """The tag of a container's image; None if it has none."""
    if daemonset is None:
        return None
    for one in daemonset["spec"]["template"]["spec"]["containers"]:
        if one["name"] == container:
            tag = one.get("image", "").partition("@")[0].rpartition(":")[2]
            return tag if tag and "/" not in tag else None
    return None


def one_of(modes: Iterable[str | None]) -> str | None:
    """The one mode all share; ``mixed`` if they differ; None if there is none."""
    found = set(modes)
    if not found:
        return None
    return found.pop() if len(found) == 1 else "mixed"


def some(names: Iterable[str], limit: int = 5) -> str:
    """A few names and how many more."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
