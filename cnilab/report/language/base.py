"""What a language is, and what all of them do alike: look words up by key and fill the holes in them.

Codes, comparisons and numbers come in, sentences go out: as plain text, or as
:class:`~cnilab.report.language.text.Text` where names of modes stand in them. Grammar is each language's own. A
catalogue is one dict from a code to its words: a template with the fact's arguments in braces, or a function of them
where grammar asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from string import Formatter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cnilab.errors import UnknownKey
from cnilab.facts import Fact
from cnilab.modes import MODES
from cnilab.report.language.about import Row, substitutes
from cnilab.report.language.text import Code, Name, Said, Text, text

if TYPE_CHECKING:
    from cnilab.stats.ratio import Interval

#: A template with a fact's arguments in braces, or a function of them where grammar asks for one. A function that
#: takes ``quoted`` puts the quoted words where they belong; behind all others they follow a colon.
Words = str | Callable[..., str]


@dataclass(frozen=True)
class Quantity:
    """The words for one metric.

    Parameters
    ----------
    noun
        What it is: ``"goodput"``.
    less, more, times
        What a ratio below one, above one, and a multiple of it are called.
    question
        What a reader wants to know.
    """

    noun: str
    less: str
    more: str
    times: str
    question: str

    @property
    def Noun(self) -> str:
        """The noun at the beginning of a sentence."""
        return str(text(self.noun).capitalised)


class Language(Protocol):
    """What :data:`cnilab.report.language.LANGUAGES` holds."""

    #: For the page's ``lang``.
    CODE: ClassVar[str]
    #: What stands between a mode and what is said of it, between clauses, after a sentence and between two.
    COLON: str
    SEMICOLON: str
    COMMA: str
    STOP: str
    SPACE: str
    #: What an explanation stands in, with its hole.
    BRACKETS: str
    #: Families of fonts whose glyphs a figure needs, the wished for first; empty: any will do.
    FONTS: ClassVar[tuple[str, ...]]
    #: Debian's package that brings the first of them; empty where none is needed.
    FONT_PACKAGE: ClassVar[str]

    # ---- words
    def say(self, key: str, **holes: Any) -> Text:
        """Return the words of a key, names of modes in them kept as names."""
        ...

    def word(self, key: str, **holes: Any) -> str:
        """Return the words of a key as plain text."""
        ...

    def knows(self, key: str) -> bool:
        """Whether there are words for a key."""
        ...

    def characters(self) -> frozenset[str]:
        """Return every character that its words and quantities are written in."""
        ...

    def count(self, n: int, what: str) -> str:
        """Return ``2 blocks``."""
        ...

    def listing(self, items: Iterable[Said]) -> Text:
        """Return ``a, b and c``."""
        ...

    def placement(self, name: str | None) -> str:
        """Return ``In the same subnet``."""
        ...

    def mode(self, mode: str, kernel_path: str | None = None, *, twin: bool = False) -> Name:
        """Return a mode's name, its substitute marked; ``twin``: as the baseline's blind copy."""
        ...

    def quantity(self, metric: str, stat: str = "value") -> Quantity:
        """Return the words for a metric."""
        ...

    # ---- codes
    def tell(self, fact: Fact) -> str:
        """Return the fact in words, without a full stop."""
        ...

    def flag(self, code: str) -> str:
        """Return what a flag of :data:`cnilab.stats.verdict.FLAGS` means."""
        ...

    def check(self, code: str, args: Mapping[str, Any]) -> str:
        """Return what one check of a proof expects."""
        ...

    def about(self, mode: str) -> str:
        """Return one plain sentence on what a mode does."""
        ...

    def on_the_wire(self, outer: str) -> str:
        """Return what carried a proof's packets, for a reader."""
        ...

    def departures(self, mode: str) -> Sequence[str]:
        """Return where the lab leaves the original of a mode on purpose."""
        ...

    # ---- comparisons
    def short_verdict(self, row: Row) -> str:
        """Return a verdict's words for a table."""
        ...

    def sentence(self, row: Row) -> Text:
        """Say what one comparison showed, in one sentence."""
        ...

    def bullets(self, rows: Sequence[Row], brief: bool = False) -> list[tuple[str, Text]]:
        """Return ``(sign, sentence)`` a finding of one place."""
        ...

    def title(self, rows: Sequence[Row]) -> Text:
        """Return the finding as a title."""
        ...

    def lead(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Return the answer as one paragraph."""
        ...

    def answer(self, rows: Sequence[Row], header: Mapping[str, Any]) -> list[tuple[str, Text]]:
        """Return the answer as ``(sign, sentences)``, what is known best first and how sure it is last."""
        ...

    def control(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Say what the A/A control showed."""
        ...

    def factor(self, part: Interval) -> str:
        """Say what the interval of one factor of a ratio says."""
        ...

    def alt(self, rows: Sequence[Row]) -> str:
        """Describe a picture of ratios in at most two sentences."""
        ...


class Vocabulary:
    """Words by key; a language's class starts here."""

    CODE: ClassVar[str]
    FONTS: ClassVar[tuple[str, ...]] = ()
    FONT_PACKAGE: ClassVar[str] = ""
    WORDS: ClassVar[Mapping[str, str]]
    COUNTED: ClassVar[Mapping[str, tuple[str, ...]]]
    #: (metric, stat) -> its words.
    QUANTITIES: ClassVar[Mapping[tuple[str, str], Quantity]]
    #: Code of a fact -> its words.
    FACTS: ClassVar[Mapping[str, Words]]
    #: Flag of a comparison -> what it means.
    FLAGS: ClassVar[Mapping[str, str]]
    #: Check of a proof -> what it expects, of the check's arguments.
    CHECKS: ClassVar[Mapping[str, Callable[[Mapping[str, Any]], str]]]
    COLON, SEMICOLON, COMMA, STOP, SPACE = ": ", "; ", ", ", ".", " "
    BRACKETS = " ({})"

    def knows(self, key: str) -> bool:
        return key in self.WORDS

    def say(self, key: str, **holes: Any) -> Text:
        if key not in self.WORDS:
            raise UnknownKey("words", key, self.WORDS)
        return self.fill(self.WORDS[key], **holes)

    def word(self, key: str, **holes: Any) -> str:
        return str(self.say(key, **holes))

    def fill(self, template: str, **holes: Any) -> Text:
        """Return a template with its holes filled; a name stays a name."""
        out: list[Said] = []
        for literal, hole, form, _ in Formatter().parse(template):
            out.append(literal)
            if hole is not None:
                value = holes[hole]
                out.append(value if isinstance(value, Name | Code | Text) else format(value, form or ""))
        return text(*out)

    def characters(self) -> frozenset[str]:
        """Return every character that the words of figures are written in: words, measures and quantities."""
        counted = (form for forms in self.COUNTED.values() for form in forms)
        quantities = (w for q in self.QUANTITIES.values() for w in (q.noun, q.less, q.more, q.times, q.question))
        return frozenset("".join((*self.WORDS.values(), *counted, *quantities)))

    def placement(self, name: str | None) -> str:
        key = f"placement.{name or ''}"
        return self.word(key) if self.knows(key) else str(name)

    def mode(self, mode: str, kernel_path: str | None = None, *, twin: bool = False) -> Name:
        """Return a mode's name for a reader, with its substitute named; ``twin``: the baseline's blind copy."""
        if twin:
            return Name(mode, self.word("twin", mode=mode))
        marks = self.COMMA.join(self.word(f"mark.{path}") for path in substitutes(kernel_path))
        return Name(mode, self.word("marked", mode=mode, marks=marks) if marks else mode)

    def tell(self, fact: Fact) -> str:
        """Return a fact in words, without a full stop; one whose code is not known stands for itself."""
        if fact.code not in self.FACTS:
            return str(fact)
        words = self.FACTS[fact.code]
        args = {key: self.tell(arg) if isinstance(arg, Fact) else arg for key, arg in fact.args.items()}
        if not isinstance(words, str) and "quoted" in signature(words).parameters:
            return words(**args, quoted=fact.quoted)
        said = words.format(**args) if isinstance(words, str) else words(**args)
        return said if fact.quoted is None else f"{said}{self.COLON}{fact.quoted}"

    def flag(self, code: str) -> str:
        """Return what a flag means."""
        return self.FLAGS[code]

    def check(self, code: str, args: Mapping[str, Any]) -> str:
        """Return what a proof's check expects; a code that is not known stands for itself."""
        return self.CHECKS[code](args) if code in self.CHECKS else code

    def on_the_wire(self, outer: str) -> str:
        """Return what carried a proof's packets (:func:`cnilab.testbeds.proof.packets.outer`) for a reader."""
        known = [f"outer.{part.replace(' ', '_')}" for part in outer.split(", ")]
        parts = [self.word(k) if self.knows(k) else part for k, part in zip(known, outer.split(", "))]
        return self.COMMA.join(parts)

    def departures(self, mode: str) -> Sequence[str]:
        """Return where the lab leaves the original of a mode on purpose."""
        return [self.word(f"departure.{code}") for code in MODES[mode].departures]
