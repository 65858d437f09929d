"""Where facts become sentences: one catalogue per language, and nothing but words.

Nothing here decides what is true; a code that the catalogue does not know is shown as it is, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from cnilab.errors import UnknownKey
from cnilab.facts import Fact
from cnilab.report.language import en_facts

#: Language -> the module that has the words of facts in it.
LANGUAGES: Mapping[str, ModuleType] = {"en": en_facts}


def tell(fact: Fact, language: str = "en") -> str:
    """Return a fact as a sentence without its full stop.

    Raises
    ------
    UnknownKey
        If there is no such language.

    Examples
    --------
    >>> tell(Fact("not_crossing", {"by": "192.0.2.1"}, "network is unreachable"))
    'does not cross subnets: network is unreachable by 192.0.2.1'
    """
    if language not in LANGUAGES:
        raise UnknownKey("language", language, LANGUAGES)
    say = LANGUAGES[language].FACTS.get(fact.code)
    return say(fact) if say else str(fact)
