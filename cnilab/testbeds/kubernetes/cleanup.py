"""Remove everything a run has left in a cluster, found by its label, whatever became of the run.

It deletes namespaces labelled as a run's and nothing else: all a run makes is inside them. The CNI mode is
:mod:`.switching`'s to put back; its saved state is told of here, so that it is not forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.pods import GONE_S, NAMESPACES, RUN, remove_namespaces
from cnilab.testbeds.kubernetes.switching import state


@dataclass(frozen=True)
class Cleaned:
    """What was removed, what resists, and whether a mode waits to be put back.

    Parameters
    ----------
    removed
        Namespaces that are gone.
    left
        Why some are not, or nothing.
    saved_mode
        The mode that ``cnilab cluster restore`` would put back, or None.
    """

    removed: tuple[str, ...]
    left: str
    saved_mode: str | None
    waiting: bool

    @property
    def ok(self) -> bool:
        return not self.left

    def to_dict(self) -> dict:
        return {"schema_version": 1, **self.__dict__, "removed": list(self.removed)}

    def __repr__(self) -> str:
        lines = [f"removed {', '.join(self.removed)}" if self.removed else "nothing of cnilab's was there"]
        if self.left:
            lines.append(self.left)
        if self.waiting:
            lines.append(f"the mode before was {self.saved_mode}; put it back with: cnilab cluster restore")
        return "\n".join(lines)


def runs(api: Api) -> dict[str, list[str]]:
    """Every run that has left something: its id and its namespaces."""
    found: dict[str, list[str]] = {}
    for item in api.items(NAMESPACES, labels=RUN):
        found.setdefault(item["metadata"]["labels"][RUN], []).append(item["metadata"]["name"])
    return found


def clean_up(api: Api, run: str | None = None, timeout_s: float = GONE_S) -> Cleaned:
    """Remove what one run (default: every run) has left.

    Returns
    -------
    Cleaned
        Also when there was nothing; a namespace stuck in Terminating is told with the server's reason.
    """
    names = [n for r, found in runs(api).items() if run in (None, r) for n in found]
    left = remove_namespaces(api, names, timeout_s)
    saved = state.read(api)
    gone = tuple(n for n in names if f"namespace {n} " not in left)
    return Cleaned(gone, left, saved.mode if saved else None, saved is not None)
