"""YAML from anywhere: numbers, texts, lists and mappings with their lines, within bounds that no honest file meets.

YAML lets a kilobyte stand for a gigabyte (aliases, merge keys), lets a key stand twice and the later one win, and makes
dates and binary objects of what looks like text. Here a file is bounded before anything is built from it, a key given
twice is refused with both lines, and what is no number, truth value or null is text. It knows no study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from cnilab.errors import StudyError

#: Kinds of scalars that YAML itself makes; anything else is text, a date too.
_BUILT = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "merge", "value")}
_CONTAINERS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq")}
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float")}
_MERGE = "tag:yaml.org,2002:merge"
_DIGITS = 40


@dataclass(frozen=True)
class Bounds:
    """The most that a file may be: characters, levels within each other, and values with all aliases written out."""

    characters: int = 1 << 16
    depth: int = 32
    values: int = 4000


class _Loader(yaml.SafeLoader):
    """The safe loader without dates: ``2001-99-99`` is text, and not an error from the calendar."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str, name: str, bounds: Bounds | None = None) -> tuple[Any, yaml.Node | None]:
    """Return what YAML text holds, and its tree with the lines.

    Parameters
    ----------
    text
        The file's text.
    name
        What errors call it.
    bounds
        Other bounds than a study's.

    Raises
    ------
    StudyError
        One sentence with the line: no YAML, too much of it, a key given twice, a number without end.
    """
    bounds = bounds or Bounds()
    if len(text) > bounds.characters:
        raise StudyError(f"{name}: {len(text)} characters; at most {bounds.characters} are read")
    try:
        _walk(text, name, bounds)
        tree = yaml.compose(text, Loader=_Loader)
        if tree is None:
            return None, None
        _check(tree, name, bounds)
        return _Loader("").construct_document(tree), tree
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = (
            getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
        )
        raise StudyError(f"{name}{line}: not YAML: {problem}") from error
    except (ValueError, OverflowError) as error:
        raise StudyError(f"{name}: not readable: {error}") from error


def _walk(text: str, name: str, bounds: Bounds) -> None:
    """Count levels and values as the parser meets them, so that nothing is built of a file that has too many."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > bounds.depth:
            raise StudyError(f"{name}:{event.start_mark.line + 1}: more than {bounds.depth} levels deep")
        if values > bounds.values:
            raise StudyError(f"{name}:{event.start_mark.line + 1}: more than {bounds.values} values")


def _check(tree: yaml.Node, name: str, bounds: Bounds) -> None:
    """Look at every node once; count what it stands for wherever an alias repeats it."""
    size: dict[int, int] = {}
    open_: set[int] = set()

    def visit(node: yaml.Node) -> int:
        where = f"{name}:{node.start_mark.line + 1}"
        if id(node) in open_:
            raise StudyError(f"{where}: an alias that holds itself")
        if id(node) in size:
            return size[id(node)]
        open_.add(id(node))
        total = 1
        if isinstance(node, yaml.ScalarNode):
            _scalar(node, where)
        elif node.tag not in _CONTAINERS:
            raise StudyError(f"{where}: {node.tag!r} is not read; lists and mappings of text and numbers are")
        elif isinstance(node, yaml.MappingNode):
            _keys(node, name)
            total += sum(visit(key) + visit(value) for key, value in node.value)
        else:
            total += sum(visit(item) for item in node.value)
        open_.discard(id(node))
        size[id(node)] = total
        if total > bounds.values:
            raise StudyError(f"{where}: more than {bounds.values} values with its aliases written out")
        return total

    visit(tree)


def _scalar(node: yaml.ScalarNode, where: str) -> None:
    if node.tag not in _BUILT:
        raise StudyError(f"{where}: {node.tag!r} is not read; text, numbers, true, false and null are")
    if node.tag in _NUMBERS and len(node.value) > _DIGITS:
        raise StudyError(f"{where}: a number of {len(node.value)} characters; at most {_DIGITS} are read")
    strange = next((c for c in node.value if not c.isprintable() and c not in "\n\t"), None)
    if strange is not None:
        raise StudyError(f"{where}: the character U+{ord(strange):04X} does not belong in a text")


def _keys(node: yaml.MappingNode, name: str) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise StudyError(f"{name}:{line}: a key is text, not a list or a mapping")
        if key.value in first and key.tag != _MERGE:
            raise StudyError(
                f"{name}:{line}: {key.value[:60]!r} is given twice; it stands in line {first[key.value]} already"
            )
        first[key.value] = line


__all__ = ["Bounds", "read"]
