"""How Chinese counts and lists; sentences about comparisons are built on it (:mod:`.zh_results`).

A numeral takes its noun's measure word; two things are joined by 和, several by 、 with 和 before the last. A space
stands between Chinese and Latin letters or digits, none beside the marks of a sentence, which are full-width:
:func:`typeset` puts it there, so that a template need not know what fills its holes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cnilab.report.language.answers import Answers
from cnilab.report.language.text import Said, Text, joined, text
from cnilab.report.language.zh_facts import CATALOGUE
from cnilab.report.language.zh_proof import CHECKS
from cnilab.report.language.zh_stats import FLAGS
from cnilab.report.language.zh_words import COUNTED, WORDS

_HAN, _LATIN = r"[\u4e00-\u9fff]", r"[A-Za-z0-9%µ∞×+−]"
_SEAM = re.compile(f"(?<={_HAN})(?={_LATIN})|(?<={_LATIN})(?={_HAN})")


def typeset(said: Text) -> Text:
    """Return a text with a space wherever Chinese meets Latin letters or digits, between its pieces too.

    >>> str(typeset(text("比", "host", "低38 %至46 %")))
    '比 host 低 38 % 至 46 %'
    """
    out: list[Said] = []
    last = ""
    for piece in said:
        shown = str(piece)
        if _SEAM.search(last + shown[:1]):
            out.append(" ")
        out.append(_SEAM.sub(" ", piece) if isinstance(piece, str) else piece)
        last = shown[-1:] or last
    return text(*out)


class Grammar(Answers):
    """Measure words, lists and the catalogues."""

    CODE = "zh"
    WORDS = WORDS
    COUNTED = COUNTED
    FACTS = CATALOGUE
    FLAGS = FLAGS
    CHECKS = CHECKS
    COLON, SEMICOLON, COMMA, STOP, SPACE = "：", "；", "，", "。", ""
    BRACKETS = "（{}）"

    def count(self, n: int, what: str) -> str:
        """Return a number with its measure word and noun.

        >>> Grammar().count(2, "block"), Grammar().count(1, "comparison")
        ('2 个区组', '1 项比较')
        """
        (noun,) = self.COUNTED[what]
        return f"{n:d} {noun}"

    def listing(self, items: Iterable[Said]) -> Text:
        """Return ``a``, ``a 和 b``, ``a、b 和 c``.

        >>> str(Grammar().listing(["a", "b", "c"])), str(Grammar().listing(["区组", "部署"]))
        ('a、b 和 c', '区组和部署')
        """
        items = list(items)
        if len(items) < 2:
            return text(*items)
        return typeset(text(joined("、", items[:-1]), "和", items[-1]))

    def fill(self, template: str, **holes: Any) -> Text:
        """Return a template with its holes filled and its spaces set."""
        return typeset(super().fill(template, **holes))

    def clauses(self, items: Iterable[Said]) -> Text:
        """Return clauses of one sentence, a comma between them: 和 joins nouns only."""
        return joined(self.COMMA, items)
