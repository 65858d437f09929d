"""A sentence in pieces: words, and names of modes that are set apart where the sentence is shown.

A mode's name is a piece from the start and is never searched for in finished text: the baseline is called ``host``,
which is a word as well. Pieces are put together by a language (:mod:`cnilab.report.language`); how a name looks is the
template's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A mode's name in a sentence.

    Parameters
    ----------
    mode
        Its id.
    shown
        What a reader sees: the id, marked where a substitute carried its packets.
    """

    mode: str
    shown: str

    def __str__(self) -> str:
        return self.shown


@dataclass(frozen=True)
class Code:
    """Something to be typed, or a file's name, in a sentence."""

    shown: str

    def __str__(self) -> str:
        return self.shown


Piece = str | Name | Code


@dataclass(frozen=True)
class Text:
    """Pieces in order; ``str`` gives them as plain text. Equal text is equal and can be a key."""

    pieces: tuple[Piece, ...] = ()

    def __str__(self) -> str:
        return "".join(map(str, self.pieces))

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    def __bool__(self) -> bool:
        return any(map(str, self.pieces))

    def __add__(self, other: Said) -> Text:
        return text(self, other)

    def __radd__(self, other: Said) -> Text:
        return text(other, self)

    @property
    def capitalised(self) -> Text:
        """The same with a capital first letter; a name, or a word with a digit or ``_`` in it, is left as it is."""
        first, *rest = self.pieces or ("",)
        if not isinstance(first, str) or not first.partition(" ")[0].rstrip(":,").replace("-", "").isalpha():
            return self
        return Text((first[:1].upper() + first[1:], *rest))


#: What a sentence can be made of.
Said = Piece | Text


def text(*parts: Said) -> Text:
    """Return parts as one text, neighbouring words joined.

    >>> text("the same as ", Name("host", "host"), ".", "").pieces
    ('the same as ', Name(mode='host', shown='host'), '.')
    """
    pieces: list[Piece] = []
    for part in parts:
        for piece in part if isinstance(part, Text) else (part,):
            if not isinstance(piece, str):
                pieces.append(piece)
            elif pieces and isinstance(pieces[-1], str):
                pieces[-1] += piece
            elif piece:
                pieces.append(piece)
    return Text(tuple(pieces))


def joined(separator: str, parts: Iterable[Said]) -> Text:
    """Return parts with a separator between them."""
    out: list[Said] = []
    for part in parts:
        out += [separator, part] if out else [part]
    return text(*out)
