"""What a chapter is made of: values that say what stands there, and a template that says how it looks.

Each block is frozen, knows no run and computes nothing. A notebook shows a block as it is; the page is the same
blocks in the page's style sheet. HTML is made in ``templates/blocks.html.j2`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnilab.layout import columns
from cnilab.report.language.text import Code, Name, Said, Text

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

    from cnilab.report.language import Language
    from cnilab.report.style import Draw, Style

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """The templates; everything that is not marked safe in them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.tests["amount"] = lambda cell: isinstance(cell, Amount)
    made.tests["name"] = lambda piece: isinstance(piece, Name)
    made.tests["code"] = lambda piece: isinstance(piece, Code)
    made.filters["pieces"] = lambda said: said if isinstance(said, Text) else [said]
    return made


class Block:
    """Anything a chapter can hold."""

    def _repr_html_(self) -> str:
        macros: Any = environment().get_template("blocks.html.j2").module
        return str(macros.block(self))

    @property
    def kind(self) -> str:
        """Which macro renders it."""
        return type(self).__name__


@dataclass(frozen=True, repr=False)
class Chapter(Block):
    """The blocks of one question, shown together."""

    blocks: tuple[Block, ...]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.blocks))


@dataclass(frozen=True, repr=False)
class Heading(Block):
    """A heading; those of level 2 make the list of contents, by their anchor."""

    title: str
    anchor: str = ""
    level: int = 2

    def __repr__(self) -> str:
        return self.title


@dataclass(frozen=True, repr=False)
class Paragraph(Block):
    """One or more sentences; ``role`` is ``lead``, ``note``, ``notice``, ``kicker`` or nothing."""

    text: Said
    role: str = ""

    def __repr__(self) -> str:
        return str(self.text)


@dataclass(frozen=True, repr=False)
class Findings(Block):
    """What was found, ``(sign, sentence)`` each; in one place, or ``where`` is empty."""

    where: str
    items: tuple[tuple[str, Text], ...]

    def __repr__(self) -> str:
        return "\n".join([*[self.where] * bool(self.where), *(f"{sign} {said}" for sign, said in self.items)])


@dataclass(frozen=True, repr=False)
class Facts(Block):
    """Terms with what is to be said of each; ``role`` is ``said``, ``method``, ``facts`` or nothing."""

    items: tuple[tuple[Said, tuple[Said, ...]], ...]
    role: str = ""
    code: bool = False

    def __repr__(self) -> str:
        return "\n".join(f"{term}: {'; '.join(map(str, said))}" for term, said in self.items)


@dataclass(frozen=True, repr=False)
class Files(Block):
    """Names of files, each with what is to be said of it, or nothing."""

    items: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "\n".join(f"{name} {said}".rstrip() for name, said in self.items)


@dataclass(frozen=True, repr=False)
class Commands(Block):
    """Lines to be typed."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Mark:
    """A word in a table with the sign and the tone it carries; the sign is hidden from who has the word read out."""

    sign: str
    word: str
    tone: str
    role: str = "verdict"

    def __str__(self) -> str:
        return f"{self.sign} {self.word}"


@dataclass(frozen=True)
class Amount:
    """A price in a table: the verdict's sign and words, the ratio, the mode's own value, what caps it."""

    sign: str
    word: str
    tone: str
    ratio: str
    own: str
    capped: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.ratio}, {self.own}{f' ({self.capped})' if self.capped else ''}"


Cell = str | Mark | Amount


@dataclass(frozen=True, repr=False)
class Table(Block):
    """A table of text.

    Parameters
    ----------
    id
        Unique in the page.
    caption
        What the table says it is.
    head
        The columns' heads; the first column heads its rows.
    rows
        Cells, as many a row as there are heads.
    groups
        What each row belongs to, where rows are parted: one per row, equal ones following each other.
    right
        Indexes of the columns set flush right.
    """

    id: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[str, ...] = ()
    right: frozenset[int] = frozenset()

    @property
    def parts(self) -> list[tuple[str, list[tuple[Cell, ...]]]]:
        """``(group, its rows)`` in order; one group without a name where the rows are not parted."""
        out: list[tuple[str, list[tuple[Cell, ...]]]] = []
        for group, row in zip(self.groups or [""] * len(self.rows), self.rows, strict=True):
            if not out or out[-1][0] != group:
                out.append((group, []))
            out[-1][1].append(row)
        return out

    def __repr__(self) -> str:
        rows: list[Sequence[str]] = [self.head]
        for group, cells in self.parts:
            rows += [[group]] * bool(group) + [list(map(str, row)) for row in cells]
        return "\n".join([self.caption, *columns(rows)])


def table(
    id: str,
    caption: Said,
    head: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    groups: Iterable[str] = (),
    right: Iterable[int] = (),
) -> Table:
    """Return a :class:`Table`; rows of one group are brought together, in the order in which groups first occur."""
    given, parted = [tuple(row) for row in rows], list(groups)
    if parted:
        first = {group: i for i, group in reversed(list(enumerate(parted)))}
        order = sorted(range(len(given)), key=lambda i: first[parted[i]])
        given, parted = [given[i] for i in order], [parted[i] for i in order]
    return Table(id, str(caption), tuple(head), tuple(given), tuple(parted), frozenset(right))


@dataclass(frozen=True, repr=False)
class Picture(Block):
    """A figure to be, with all a reader who cannot see it needs.

    Parameters
    ----------
    name
        Unique in the page.
    draw
        Makes the figure in a style and a language.
    alt
        At most two sentences: what is compared, and the finding.
    caption
        How to read it.
    data
        What is drawn, as a table.
    data_summary
        What the fold says that holds the data.
    language
        Of its words; what is drawn is in English where no font here can write it.
    """

    name: str
    draw: Draw = field(compare=False)
    alt: str
    caption: str
    data: Table
    data_summary: str
    language: Language

    def figure(self, style: Style | None = None) -> Figure:
        """Return the matplotlib figure."""
        from cnilab.report import style as styles

        return styles.drawn(self.draw, style or styles.LIGHT, self.language)

    @property
    def images(self) -> dict[str, str]:
        """The renderings as data URIs, by the name of their style."""
        from cnilab.report import style as styles

        return {name: styles.data_uri(self.figure(style), style.dpi) for name, style in styles.STYLES.items()}

    @property
    def width(self) -> int:
        """Width in CSS pixels on a desk."""
        from cnilab.report import style as styles

        return round(styles.LIGHT.width * 100)

    def __repr__(self) -> str:
        return self.alt


@dataclass(frozen=True)
class Stop:
    """A device on a packet's path; ``change`` is what was added or removed on the way to it, empty for nothing."""

    where: str
    device: str
    length: str
    wrapped: bool = False
    change: str = ""


@dataclass(frozen=True, repr=False)
class Paths(Block):
    """Packets' paths as boxes that wrap, one row per mode: ``(mode, the path as a sentence, its stops)``."""

    name: str
    rows: tuple[tuple[str, str, tuple[Stop, ...]], ...]
    caption: str

    def __repr__(self) -> str:
        return "\n".join(f"{mode}: {told}" for mode, told, _ in self.rows)


@dataclass(frozen=True, repr=False)
class Details(Block):
    """Blocks that are folded away until asked for."""

    summary: str
    blocks: tuple[Block, ...]

    def __repr__(self) -> str:
        return f"{self.summary}\n" + "\n".join(map(repr, self.blocks))
