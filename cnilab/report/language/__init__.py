"""The languages a report can be told in: codes, comparisons and numbers come in, sentences go out.

A new language is one module beside :mod:`.en` with a class, and one line in :data:`LANGUAGES`. Nothing here
computes a number, and no code decides by what a language returns.
"""

from __future__ import annotations

from cnilab.errors import UnknownKey
from cnilab.facts import Fact
from cnilab.report.language.base import Language, Quantity
from cnilab.report.language.en import English
from cnilab.report.language.zh import Chinese

__all__ = ["LANGUAGES", "Language", "Quantity", "get", "tell"]

LANGUAGES: dict[str, Language] = {"en": English(), "zh": Chinese()}


def get(code: str) -> Language:
    """Return a language by its code.

    Raises
    ------
    UnknownKey
        Listing the known ones.
    """
    if code not in LANGUAGES:
        raise UnknownKey("language", code, LANGUAGES)
    return LANGUAGES[code]


def tell(fact: Fact, language: str = "en") -> str:
    """Return a fact as a sentence without its full stop.

    >>> tell(Fact("not_crossing", {"by": "192.0.2.1"}, "network is unreachable"))
    'does not cross subnets: network is unreachable by 192.0.2.1'
    """
    return get(language).tell(fact)
