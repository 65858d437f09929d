"""A fact: a code with its arguments, and another program's own words where it has any.

Why a trial has no value, what a proof expected, what a check found: all of it is stored and passed on as facts, and
becomes a sentence only where a person reads it (:mod:`cnilab.report.language`). Code decides by ``code``, never by
words, so a sentence can be improved or translated without changing what anything means. Knows no codes itself: each
room defines its own, and the language's catalogue has them all (a test keeps that so). Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Union

__all__ = ["Arg", "Fact"]

Scalar = str | int | float | bool | None
#: What an argument may be: what JSON keeps as it is, and a fact that is the reason for another. Lists become tuples,
#: so that a fact can be hashed.
Arg = Union[Scalar, tuple["Arg", ...], "Fact"]


@dataclass(frozen=True)
class Fact:
    """One statement, as data.

    Parameters
    ----------
    code
        What is stated: a lower-case identifier, dots parting families (``bench_failed.agent_lost``).
    args
        The values the statement is about, by name; base units. Lists are kept as tuples.
    quoted
        Another program's or the kernel's own words: shown as they are, never translated, never parsed. Only what a
        terminal or a page would act on is made visible (:func:`visible`); the bytes themselves stand in the raw files.

    Examples
    --------
    >>> fact = Fact("not_crossing", {"by": "192.0.2.1"}, "network is unreachable")
    >>> Fact.from_dict(fact.to_dict()) == fact
    True
    """

    code: str
    args: Mapping[str, Any] = field(default_factory=dict)
    quoted: str | None = None

    def __post_init__(self) -> None:
        frozen = {key: _frozen(value) for key, value in self.args.items()}
        object.__setattr__(self, "args", MappingProxyType(frozen))
        if self.quoted is not None:
            object.__setattr__(self, "quoted", visible(self.quoted))

    def __hash__(self) -> int:
        return hash((self.code, tuple(sorted(self.args.items(), key=lambda item: item[0])), self.quoted))

    def __reduce__(self) -> tuple[Any, ...]:
        return Fact, (self.code, dict(self.args), self.quoted)  # a mapping proxy cannot be pickled

    def within(self, family: str) -> bool:
        """Whether the code is ``family`` or one of that family's."""
        return self.code == family or self.code.split(".")[0] == family

    def to_dict(self) -> dict[str, Any]:
        """Return ``{code, args, quoted}`` for JSON, without what is empty."""
        out: dict[str, Any] = {"code": self.code}
        if self.args:
            out["args"] = {key: _plain(value) for key, value in self.args.items()}
        if self.quoted is not None:
            out["quoted"] = self.quoted
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fact:
        """Read what :meth:`to_dict` wrote."""
        return cls(str(data["code"]), data.get("args") or {}, data.get("quoted"))

    def to_json(self) -> str:
        """Return the fact as one line of JSON, for a table's column; equal facts give equal text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Fact:
        """Read what :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.args.items())
        return f"{self.code}({inside})" + (f": {self.quoted}" if self.quoted is not None else "")


def visible(text: str) -> str:
    """Return text with control characters, marks of direction and the like written out; line ends and tabs stay.

    Examples
    --------
    >>> visible("\\x1b[2Jgone")
    '\\\\x1b[2Jgone'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _frozen(value: Any) -> Arg:
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, Mapping) and "code" in value:  # a fact as JSON has it
        return Fact.from_dict(value)
    if value is None or isinstance(value, str | int | float | bool | Fact):
        return value
    raise TypeError(
        f"a fact's argument is text, a number, a truth value, None, a fact or a list of such, not {value!r}"
    )


def _plain(value: Arg) -> Any:
    if isinstance(value, Fact):
        return value.to_dict()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
