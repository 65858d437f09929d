"""One figure per question, the declared one first; the others say that they are exploratory."""

from __future__ import annotations

from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph
from cnilab.report.figures import ratios
from cnilab.report.language import Language
from cnilab.report.language.text import Said
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
        if rows[0]["family"] == "primary":
            n = language.count(len(rows), "comparison")
            out.append(Paragraph(language.say("question.declared", comparisons=n), "note"))
        else:
            places = dict.fromkeys(r["placement"] for r in rows)
            found = {
                p: language.bullets([r for r in rows if r["placement"] == p], brief=True) for p in places
            }
            items: list[tuple[Said, tuple[Said, ...]]] = [
                (language.placement(p), tuple(said for _, said in bullets))
                for p, bullets in found.items()
                if bullets
            ]
            out += [Facts(tuple(items), "said"), Paragraph(language.say("question.exploratory"), "note")]
        out.append(ratios.picture(rows, language, run.block_ratios(metric, stat, test)))
    return out


def _asked(run: Record) -> list[tuple[str, str, str]]:
    return [q for q in run.questions() if any(r["ratio"] is not None for r in run.select(*q))]
