"""The report, one question a chapter, in the order in which a reader meets them.

A chapter is a module (or anything) with ``applies`` and ``content``. What a chapter has nothing to say about is not
shown. A new chapter is one module and one line in :data:`CHAPTERS`; its words are the language's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from cnilab.facts import Fact
from cnilab.report import blocks, fonts
from cnilab.report.chapters import (
    answer,
    choose,
    elsewhere,
    growth,
    http,
    limits,
    machine,
    method,
    path,
    policy,
    prices,
    proof,
    questions,
    replicas,
    reproduce,
    segment_size,
)
from cnilab.report.language import Language
from cnilab.report.language.text import Code
from cnilab.report.record import Record

__all__ = ["CHAPTERS", "Chapter", "report", "show"]


class Chapter(Protocol):
    """What :data:`CHAPTERS` holds."""

    def applies(self, run: Record) -> Fact | None:
        """Return None where the chapter has something to say of this run, else why it has not."""
        ...

    def content(self, run: Record, language: Language) -> list[blocks.Block]:
        """Return what stands there, in order."""
        ...


CHAPTERS: dict[str, Chapter] = {
    "answer": answer,
    "growth": growth,
    "prices": prices,
    "choose": choose,
    "questions": questions,
    "elsewhere": elsewhere,
    "segment_size": segment_size,
    "http": http,
    "replicas": replicas,
    "policy": policy,
    "limits": limits,
    "method": method,
    "machine": machine,
    "proof": proof,
    "path": path,
    "reproduce": reproduce,
}


def show(name: str, run: Record, language: Language) -> blocks.Block:
    """Return one chapter, or a sentence on why it has nothing to show of this run."""
    chapter = CHAPTERS[name]
    if why_not := chapter.applies(run):
        return blocks.Paragraph(f"{language.tell(why_not)}{language.STOP}", "note")
    return blocks.Chapter(tuple(chapter.content(run, language)))


def report(run: Record, language: Language, notice: str = "") -> Iterator[blocks.Block]:
    """Yield the whole report, a block per chapter that applies.

    Parameters
    ----------
    run
        The run.
    language
        Of every word that is not quoted from elsewhere.
    notice
        A line that stands before everything else, e.g. that these are recorded numbers.
    """
    if notice:
        yield blocks.Paragraph(notice, "notice")
    if glyphs := fonts.lacking(language):
        remedy = Code(f"apt-get install {language.FONT_PACKAGE}")
        yield blocks.Paragraph(language.say("fonts.missing", glyphs=glyphs[:3], remedy=remedy), "notice")
    for name, chapter in CHAPTERS.items():
        if chapter.applies(run) is None:
            yield show(name, run, language)
