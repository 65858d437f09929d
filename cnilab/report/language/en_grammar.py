"""How English counts and lists; sentences about comparisons are built on it (:mod:`.en_results`)."""

from __future__ import annotations

from collections.abc import Iterable

from cnilab.report.language.answers import Answers
from cnilab.report.language.en_facts import CATALOGUE
from cnilab.report.language.en_proof import CHECKS
from cnilab.report.language.en_stats import FLAGS
from cnilab.report.language.en_words import COUNTED, WORDS
from cnilab.report.language.text import Said, Text, joined, text


class Grammar(Answers):
    """Plurals, lists and the catalogues."""

    CODE = "en"
    WORDS = WORDS
    COUNTED = COUNTED
    FACTS = CATALOGUE
    FLAGS = FLAGS
    CHECKS = CHECKS

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
