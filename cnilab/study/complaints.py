"""What is wrong with a study, in one line each: file:line: key: what, the value, what is allowed.

Turns pydantic's errors into these lines and finds the lines in the YAML tree. Judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from cnilab.errors import UnknownKey

#: Where a key of the schema stands in a file: the first of these that the file has.
_WRITTEN = {
    "modes": (("modes",), ("factors", "mode")),
    "mss": (("mss",), ("factors", "mss")),
    "others": (("factors",),),
    "baseline_others": (("baseline",),),
}


class At(ValueError):
    """A value that is not allowed, with where it stands below what is being checked."""

    def __init__(self, where: tuple[str, ...], what: str) -> None:
        super().__init__(what)
        self.where = where


def explain(
    error: Mapping[str, Any],
    tree: yaml.Node,
    name: str,
    parts: Mapping[Any, type[BaseModel]],
    whole: type[BaseModel],
) -> str:
    """Return the line for one of pydantic's errors.

    Parameters
    ----------
    tree, name
        The file, composed, and what to call it.
    parts, whole
        The models of the study's keys and of the study, for the keys that are allowed.
    """
    location = list(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, At):
        location += cause.where
    location = _as_written(tree, location)
    line = line_of(tree, location)
    key = ".".join(_short(p) for p in location) or "study"
    value = error.get("input")
    if kind == "extra_forbidden":
        model = parts.get(location[0], whole) if len(location) > 1 else whole
        allowed = [f for f in model.model_fields if f not in ("others", "baseline_others")]
        if model is whole:
            allowed.append("factors")
        what = str(UnknownKey("key", _short(location[-1]), allowed))
        key = ".".join(str(p) for p in location[:-1]) or "study"
    elif kind == "missing":
        what = "is missing"
    elif kind == "value_error":
        what = str(context.get("error", error["msg"]))
    else:
        shown = type(value).__name__ if isinstance(value, (dict, list)) else _short(value, repr)
        what = f"{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"
    return f"{name}:{line}: {key}: {what}"


def _short(value: Any, shown: Callable[[Any], str] = str) -> str:
    text = shown(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _as_written(tree: yaml.Node, location: list) -> list:
    for first in _WRITTEN.get(location[0], ()) if location else ():
        if line_of(tree, list(first), whole=True):
            return [*first, *location[1:]]
    return location


def line_of(node: yaml.Node | None, location: list, *, whole: bool = False) -> int:
    """Return the 1-based line of the deepest part of ``location`` that the file has; 0 if ``whole`` and not all."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            hit = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if hit is None:
                return 0 if whole else line
            line, node = hit[0].start_mark.line + 1, hit[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return 0 if whole else line
    return line
