"""Objects changed only if nobody else has, put back to what they were, and roll-outs waited for."""

from __future__ import annotations

from collections.abc import Callable

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.api import Api, Conflict, NotFound, NotYet

ROLLED_S = 300.0
Progress = Callable[[str], None]


def patch_locked(api: Api, path: str, seen: dict, change: dict, still: Callable[[dict], bool]) -> dict:
    """Merge ``change`` into the object only if nobody has touched it since ``seen``.

    When somebody has, it is read again and tried once more, at most five times, as long as ``still`` says that
    what matters to us is as it was.

    Raises
    ------
    ClusterError
        If it is not.
    """
    for _ in range(5):
        locked = {
            **change,
            "metadata": {
                **change.get("metadata", {}),
                "resourceVersion": seen["metadata"]["resourceVersion"],
            },
        }
        try:
            return api.patch(path, locked)
        except Conflict:
            seen = api.get(path)
            if _holds(seen, change):
                return seen  # our own patch, whose answer was lost
            if not still(seen):
                raise ClusterError(
                    f"{path} was changed by somebody else in the meantime; nothing more was done"
                ) from None
    raise ClusterError(f"{path} is being changed by somebody else all the time; nothing was done")


def _holds(now: object, change: object) -> bool:
    """Whether a merge patch would change nothing any more."""
    if not isinstance(change, dict):
        return now == change
    return isinstance(now, dict) and all(
        key not in now if value is None else _holds(now.get(key), value) for key, value in change.items()
    )


def wait_rolled(
    api: Api, path: str, timeout_s: float = ROLLED_S, hopeless: Callable[[], str] = lambda: ""
) -> dict:
    """Wait until a DaemonSet's controller has seen its last change and every pod is the new one and ready.

    Raises
    ------
    ClusterError
        After ``timeout_s``, or as soon as ``hopeless`` says why it will never be.
    """

    def look() -> dict | NotYet:
        item = api.get(path)
        if why := hopeless():
            raise ClusterError(why)
        status, wanted = item.get("status") or {}, (item.get("status") or {}).get("desiredNumberScheduled", 0)
        counts = {k: status.get(k, 0) for k in ("updatedNumberScheduled", "numberReady", "numberAvailable")}
        seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        if seen and all(v == wanted for v in counts.values()):
            return item
        return NotYet(", ".join(f"{k} {v} of {wanted}" for k, v in counts.items()))

    return api.wait(f"{path.rsplit('/', 1)[-1]} has rolled", look, timeout_s)


def difference(now: object, was: object) -> object:
    """Return the merge patch (RFC 7396) that turns ``now`` into ``was``; None where nothing differs.

    Lists are replaced whole, as a merge patch does.

    Examples
    --------
    >>> difference({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "d": 4}})
    {'a': None, 'b': {'d': 4}}
    """
    if not isinstance(now, dict) or not isinstance(was, dict):
        return was if now != was else None
    change: dict = {key: None for key in now if key not in was}
    for key, value in was.items():
        if key not in now:
            change[key] = value
        elif isinstance(value, dict) and isinstance(now[key], dict):
            if inner := difference(now[key], value):
                change[key] = inner
        elif now[key] != value:
            change[key] = value
    return change or None


def merge_back(api: Api, path: str, was: dict | None) -> bool:
    """Put one object's ``spec`` and ``data`` back; delete it where it was not there; return whether anything changed.

    A saved object without ``spec`` and ``data`` holds only the metadata keys that were ours to set.
    """
    if was is None:
        return api.delete(path) is not None
    try:
        now = api.get(path)
    except NotFound:
        raise ClusterError(f"{path} is gone; it cannot be put back into its old state") from None
    change = {
        part: inner
        for part in ("spec", "data")
        if part in was and (inner := difference(now.get(part, {}), was[part]))
    }
    if "spec" not in was and "data" not in was:
        there = now["metadata"]
        kept = {
            k: differing
            for k, v in was["metadata"].items()
            if (differing := {i: j for i, j in v.items() if (there.get(k) or {}).get(i) != j})
        }
        change = {"metadata": kept} if kept else {}
    if not change:
        return False
    patch_locked(api, path, now, change, lambda _: True)
    return True
