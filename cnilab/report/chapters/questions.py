"""One figure per question, the declared one first; the others say that they are exploratory."""

from __future__ import annotations

from collections.abc import Sequence

from cnilab import published
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Details, Findings, Heading, Paragraph
from cnilab.report.chapters.table import comparisons
from cnilab.report.figures import ratios
from cnilab.report.language import Language
from cnilab.report.language.about import Row, substitutes
from cnilab.report.record import Record


def applies(run: Record) -> Fact | None:
    """Where a ratio could be had."""
    return None if _asked(run) else Fact("nothing_compared")


def content(run: Record, language: Language) -> list[Block]:
    """Return each question with what was found and its figure."""
    asked = _asked(run)
    out: list[Block] = []
    for metric, stat, test in asked:
        rows = run.select(metric, stat, test)
        title = language.quantity(metric, stat).question
        if sum(question[:2] == (metric, stat) for question in asked) > 1:
            title = language.word("question.in_test", question=title[:-1], test=test)
        out.append(Heading(title, f"q-{metric}-{stat}-{test}".replace("_", "-").replace("@", "-")))
        others = published.beside(
            metric,
            stat,
            against=rows[0]["baseline"],
            streams=run.streams(test),
            modes=[r["mode"] for r in rows],
        )
        picture = ratios.picture(rows, language, run.block_ratios(metric, stat, test), others)
        if rows[0]["family"] == "primary":
            n = language.count(len(rows), "comparison")
            out.append(Paragraph(language.say("question.declared", comparisons=n), "note"))
            out += [*_findings(rows, language), picture]
            out.append(Details(language.word("table.title"), (comparisons(rows, language),)))
        else:
            out += [Paragraph(language.say("question.exploratory"), "note"), picture]
            out.append(Details(language.word("question.in_words"), tuple(_findings(rows, language, brief=True))))
    return out


def _findings(rows: Sequence[Row], language: Language, brief: bool = False) -> list[Block]:
    """Return a sentence a finding, near before far; a stand-in's stand apart, behind the real things'."""
    out: list[Block] = []
    for place in dict.fromkeys(r["placement"] for r in rows):
        here = [r for r in rows if r["placement"] == place]
        own = [r for r in here if not r["n_used"] or not substitutes(r["kernel_path"])]
        name = language.placement(place)
        for where, group in (
            (name, own),
            (language.word("answer.standins", where=name), [r for r in here if r not in own]),
        ):
            if said := language.bullets(group, brief=brief) if group else []:
                out.append(Findings(where, tuple(said)))
    return out


def _asked(run: Record) -> list[tuple[str, str, str]]:
    return [q for q in run.questions() if any(r["ratio"] is not None for r in run.select(*q))]
