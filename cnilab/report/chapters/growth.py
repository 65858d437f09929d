"""How routing grows: what a mesh, reflectors and flannel's programming take as nodes are added, and what lies beyond.

Shown where a study grew routing. Counts are exact; times and CPU are of all routers on one machine, and the chapter
says so. A law that misses its held-back sizes is not carried beyond them, and no sentence is longer than its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Any

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report import growing
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.figures import growth as figure
from cnilab.report.growing import Law
from cnilab.report.language import Language
from cnilab.report.language.text import Said, joined, text
from cnilab.report.record import Record
from cnilab.stats.growth import DECADES, SIZES, Prediction
from cnilab.units import scale_for, unit_of

#: Columns of the table of sizes that are amounts or times, in its order.
SHOWN = ("rss_bytes", "cpu_s", "bytes", "converged_s", "joined_s", "withdrawn_s", "reflector_lost_s")


def applies(run: Record) -> Fact | None:
    """Where routing was grown and some of it was measured."""
    grown = growing.test_of(run.study)
    there = grown and ((run.samples["test"] == grown) & (run.samples["status"] == "ok")).any()
    return None if there else Fact("no_growth")


def content(run: Record, language: Language) -> list[Block]:
    """Return the first sentence, the claims, the laws with their figure, and every size."""
    found = growing.laws(run.run)
    sizes, laws = tables(run, found, language)
    rows = growing.rows(run.run)
    blocks: list[Block] = [
        Heading(language.word("growth.title"), "growth"),
        Paragraph(lead(rows, language)),
        Paragraph(language.say("growth.intro")),
        Heading(language.word("growth.claims"), level=3),
        Facts(tuple(claimed(rows, language)), "said"),
    ]
    if found:
        data = _points(found, language)
        blocks += [
            Heading(language.word("growth.laws"), level=3),
            Facts(tuple(_said(found, language)), "said"),
            figure.picture(found, language, data=data),
            laws,
        ]
    blocks += [Heading(language.word("growth.sizes"), level=3), sizes]
    if stopped := growing.stopped(run.run):
        told = tuple(
            (_name(name, language), (language.tell(why) + language.STOP,)) for name, _, why in stopped
        )
        blocks.append(Facts(told, "said"))
    limit = run.manifest["provenance"].get("gc_thresh3")
    known = language.word("growth.neighbours.here", limit=f"{limit:,}") if limit else ""
    notes = [language.say("growth.neighbours", here=known), language.say("growth.departures")]
    return [*blocks, *(Paragraph(note, "note") for note in notes)]


def tables(run: Record, found: Sequence[Law], language: Language) -> list[Table]:
    """Return the table of sizes and the table of laws."""
    return [_sizes(growing.rows(run.run), language), _laws(found, language)]


def lead(rows: Sequence[Mapping[str, Any]], language: Language) -> Said:
    """Say what the largest mesh takes, and the largest size with reflectors beside it."""
    by: dict[str, Mapping[str, Any]] = {
        growing.label_of(row): row for row in rows
    }  # the largest size stands last
    reflected = [name for name in by if name.startswith("reflectors")]
    parts = []
    for name in ("mesh", *reflected[:1], "flannel-vxlan"):
        if row := by.get(name):
            counts = {key: f"{row[key]:,}" for key in ("nodes", "sessions", "routes")}
            time = amount("converged_s", row["converged_s"])
            key = f"growth.lead.{'bgp' if row['sessions'] else 'flannel'}"
            parts.append(language.say(key, how=_how(name, language), time=time, **counts))
    return joined(language.SPACE, parts)


def claimed(rows: Sequence[Mapping[str, Any]], language: Language) -> list[tuple[Said, tuple[Said, ...]]]:
    """Return each claim of the notes with what the numbers say of it."""
    facts = growing.claims(rows)
    return [
        (language.word(f"growth.claim.{fact.code.split('_')[1]}"), (language.tell(fact) + language.STOP,))
        for fact in facts
    ]


def sentence(law: Law, language: Language) -> Said:
    """Say how one quantity grows, whether its law holds, and what it makes of the largest size asked for."""
    said = law.growth
    holes = {"quantity": text(language.word(f"growth.{law.quantity}")).capitalised}
    grown = (
        language.word("growth.no_exponent", **holes)
        if said.exponent is None
        else language.word("growth.exponent", exponent=_exponent(law, language), **holes)
    )
    held = [p for p in said.predictions if p.measured is not None]
    which = "holds" if said.law_holds else "open" if said.law_holds is None else "broken"
    sizes = language.listing([f"{p.size:.0f}" for p in held])
    verdict = (
        language.word(f"growth.verdict.{which}", sizes=sizes)
        if held
        else language.word("growth.verdict.none")
    )
    beyond = next((p for p in reversed(said.predictions) if p.measured is None), None)
    if beyond is None or said.law_holds is False or not beyond.useful:
        return language.say("growth.sentence", grown=grown, verdict=verdict)
    tail = language.word(
        "growth.beyond", n=f"{beyond.size:,.0f}", value=_predicted(law.quantity, beyond, language)
    )
    return language.say("growth.sentence.beyond", grown=grown, verdict=verdict, beyond=tail)


def _said(found: Sequence[Law], language: Language) -> list[tuple[Said, tuple[Said, ...]]]:
    """Return the sentences on the laws of what is drawn, by topology; those not yet told are counted, not listed."""
    drawn = [law for law in found if law.quantity in figure.DRAWN]
    told = [law for law in drawn if law.growth.law_holds is not None]
    said: list[tuple[Said, tuple[Said, ...]]] = [
        (_name(name, language), tuple(sentence(law, language) for law in told if law.topology == name))
        for name in dict.fromkeys(law.topology for law in told)
    ]
    if left := len(drawn) - len(told):
        words = language.word("growth.open", n=left, of=len(drawn), sizes=SIZES, decades=DECADES)
        said.append((language.word("growth.law.open"), (words,)))
    return said


def amount(quantity: str, value: float | None) -> str:
    """Return one amount with its unit, as large as it is.

    >>> amount("rss_bytes", 2.66e9), amount("converged_s", None)
    ('2.66 GB', '–')
    """
    if value is None:
        return digits.MISSING
    scale = scale_for([value], "B" if quantity == "bytes" else unit_of(quantity))
    return f"{digits.rounded(scale(value), None)} {scale.label}"


def _name(topology: str, language: Language) -> str:
    kind, _, number = topology.partition(":")
    return language.count(int(number), "reflector") if number else language.word(f"growth.topology.{kind}")


def _how(topology: str, language: Language) -> str:
    """Return how the routers are wired, as a sentence goes on."""
    kind, _, number = topology.partition(":")
    return (
        language.word(f"growth.how.{kind}", reflectors=_name(topology, language))
        if number
        else language.word(f"growth.how.{kind}")
    )


def _exponent(law: Law, language: Language) -> str:
    exponent = law.growth.exponent
    if exponent is None:
        return digits.MISSING
    if isinf(exponent.high):
        return language.word("growth.no_interval", value=digits.rounded(exponent.estimate, None))
    return digits.centre(exponent.estimate, exponent.low, exponent.high)


def _predicted(quantity: str, p: Prediction, language: Language) -> str:
    """Return a prediction with its interval, in one unit."""
    if not p.useful:
        return language.word("growth.useless")
    scale = scale_for([p.predicted], "B" if quantity == "bytes" else unit_of(quantity))
    if p.low is None or p.high is None:
        return f"{digits.rounded(scale(p.predicted), None)} {scale.label}"
    ends = " – ".join(digits.rounded(scale(v), None) for v in (p.low, p.high))
    return f"{digits.rounded(scale(p.predicted), None)} ({ends}) {scale.label}"


def _sizes(rows: Sequence[Mapping[str, Any]], language: Language) -> Table:
    heads = ["nodes", "sessions", "routes_per_node", "routes", "messages", *SHOWN]
    return table(
        "growth-sizes",
        language.word("growth.sizes.caption"),
        [language.word(f"growth.column.{head}") for head in heads],
        [
            (
                str(row["nodes"]),
                *(digits.MISSING if row[k] is None else f"{row[k]:,}" for k in heads[1:5]),
                *(
                    amount(k, row[k] if k != "cpu_s" or row[k] is not None else row["programming_cpu_s"])
                    for k in SHOWN
                ),
            )
            for row in rows
        ],
        groups=[_name(growing.label_of(row), language) for row in rows],
        right=range(1, len(heads)),
    )


def _laws(found: Sequence[Law], language: Language) -> Table:
    rows = []
    for law in found:
        held = [p for p in law.growth.predictions if p.measured is not None]
        beyond = next((p for p in reversed(law.growth.predictions) if p.measured is None), None)
        which = {True: "holds", False: "broken", None: "open"}[law.growth.law_holds]
        far = (
            digits.MISSING
            if beyond is None or law.growth.law_holds is False
            else _predicted(law.quantity, beyond, language)
        )
        looked = language.SEMICOLON.join(
            language.word(
                "growth.looked",
                n=f"{p.size:.0f}",
                predicted=_predicted(law.quantity, p, language),
                measured=amount(law.quantity, p.measured),
            )
            for p in held
        )
        name = language.word(f"growth.{law.quantity}")
        rows.append(
            (
                name,
                _exponent(law, language),
                looked or digits.MISSING,
                language.word(f"growth.law.{which}"),
                far,
                str(law.growth.n),
            )
        )
    heads = ("quantity", "exponent", "held_back", "law", "beyond", "blocks")
    return table(
        "growth-laws",
        language.word("growth.laws.caption"),
        [language.word(f"growth.column.{head}") for head in heads],
        rows,
        groups=[_name(law.topology, language) for law in found],
        right=(1, 5),
    )


def _points(found: Sequence[Law], language: Language) -> Table:
    return table(
        "fig-growth-data",
        language.word("growth.figure.data"),
        [language.word(f"growth.column.{head}") for head in ("quantity", "nodes", "value")],
        [
            (language.word(f"growth.{law.quantity}"), f"{n:.0f}", amount(law.quantity, value))
            for law in found
            if law.quantity in figure.DRAWN
            for n, value in law.points
        ],
        groups=[
            _name(law.topology, language) for law in found if law.quantity in figure.DRAWN for _ in law.points
        ],
        right=(1, 2),
    )
