"""What each mode costs: the first paragraph, then a sentence per finding, near before far."""

from __future__ import annotations

from cnilab.facts import Fact
from cnilab.report.blocks import Block, Findings, Heading, Paragraph
from cnilab.report.language import Language
from cnilab.report.record import Record


def applies(run: Record) -> Fact | None:
    """Every run has an answer, if only that there is none."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return title, what was run where and when, the answer and its findings."""
    rows = run.primary
    out: list[Block] = [
        Heading(language.word("title"), level=1),
        Paragraph(_kicker(run, language), "kicker"),
    ]
    if not run.compared(run.rows):
        return [*out, Paragraph(language.say("nothing_compared"), "lead")]
    out.append(Paragraph(language.lead(rows or run.rows, run.header), "lead"))
    for place in dict.fromkeys(r["placement"] for r in rows):
        found = language.bullets([r for r in rows if r["placement"] == place])
        out.append(Findings(language.placement(place), tuple(found)))
    return out


def _kicker(run: Record, language: Language) -> str:
    given = run.manifest.get("provenance", {})
    parts = (
        language.word("kicker.study", name=run.study.name),
        language.word(f"testbed.{run.study.testbed}"),
        language.word("kicker.kernel", version=given["kernel"]) if given.get("kernel") else "",
        str(given.get("recorded_at") or "")[:10],
    )
    return " · ".join(part for part in parts if part)
