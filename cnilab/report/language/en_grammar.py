"""How English counts, lists and tells a fact; sentences about comparisons are built on it (:mod:`.en_results`)."""

from __future__ import annotations

from collections.abc import Iterable

from cnilab.facts import Fact
from cnilab.report.language import en_facts
from cnilab.report.language.base import Vocabulary
from cnilab.report.language.en_stats import FLAGS
from cnilab.report.language.en_words import COUNTED, WORDS
from cnilab.report.language.text import Said, Text, joined, text


class Grammar(Vocabulary):
    """Plurals, lists and the catalogues."""

    CODE = "en"
    WORDS = WORDS
    COUNTED = COUNTED

    def count(self, n: int, what: str) -> str:
        """Return ``1 block``, ``2 blocks``.

        >>> Grammar().count(1, "block"), Grammar().count(0, "block")
        ('1 block', '0 blocks')
        """
        one, several = self.COUNTED[what]
        return f"{n:d} {one if n == 1 else several}"

    def listing(self, items: Iterable[Said]) -> Text:
        """Return ``a``, ``a and b``, ``a, b and c``.

        >>> str(Grammar().listing(["a", "b", "c"]))
        'a, b and c'
        """
        items = list(items)
        return text(joined(", ", items[:-1]), " and ", items[-1]) if len(items) > 1 else text(*items)

    def tell(self, fact: Fact) -> str:
        """Return the fact in words; one whose code is not known stands for itself."""
        return en_facts.tell(fact)

    def flag(self, code: str) -> str:
        """Return what a flag means."""
        return FLAGS[code]
