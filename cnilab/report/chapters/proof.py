"""How each mode was proved on the wire; what it is, where the lab leaves the original, what stood in for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.language import Language
from cnilab.report.language.text import Said
from cnilab.report.record import Record
from cnilab.runs import schema1
from cnilab.testbeds.proof.base import Row


def applies(run: Record) -> Fact | None:
    """Every run says how its modes were proved, if only that they were not."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return the modes, their substitutes, and what was seen on the underlay."""
    out: list[Block] = [Heading(language.word("proof.title"), "proof")]
    rows = [r for p in run.proofs.values() for r in p.get("rows", ())]
    if rows:
        out.append(
            Paragraph(
                language.say(
                    "proof.held",
                    deployments=language.count(len(run.proofs), "deployment"),
                    held=sum(r["status"] == "ok" for r in rows),
                    rows=language.count(len(rows), "row"),
                )
            )
        )
        out += [
            Paragraph(
                language.say(
                    "proof.substitute", mode=language.mode(mode, run.kernel_paths.get(mode)), how=how
                )
            )
            for mode, how in sorted(_substitutes(run, language))
        ]
        out.append(proofs(run, language))
    else:
        out.append(Paragraph(language.say("proof.none")))
    out.append(Facts(tuple(_modes(run, language)), "modes"))
    return out


def _modes(run: Record, language: Language) -> Iterable[tuple[Said, tuple[Said, ...]]]:
    """Yield each mode with what it is and, in the lab, where it leaves the original on purpose."""
    for mode in run.study.modes:
        said: list[Said] = [language.about(mode)]
        if run.study.testbed == "lab" and (departures := language.departures(mode)):
            said.append(language.say("proof.departure", departures=language.SEMICOLON.join(departures)))
        yield language.mode(mode, run.kernel_paths.get(mode)), tuple(said)


def _substitutes(run: Record, language: Language) -> set[tuple[str, str]]:
    deployments = run.manifest.get("deployments", {}).values()
    return {
        (d["mode"], language.tell(how)) for d in deployments if (how := schema1.read(d.get("substitute")))
    }


def proofs(run: Record, language: Language) -> Table:
    """Return how each mode was proved: what carried its packets, longest packet, TTL, checks passed."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for proof in run.proofs.values():
        for row in proof.get("rows", ()):
            groups.setdefault((row["placement"], row["mode"]), []).append(row)
    found = [(p, m) for p in run.placements for m in run.study.modes if (p, m) in groups]
    columns = ("mode", "on_the_wire", "longest", "ttl", "deployments", "checks", "said")
    return table(
        "proofs",
        language.word("proofs.caption"),
        [language.word(f"column.{c}") for c in columns],
        [
            (
                str(language.mode(mode, run.kernel_paths.get(mode))),
                *_seen(groups[place, mode], language),
            )
            for place, mode in found
        ],
        groups=[language.placement(place) for place, _ in found],
        right=range(2, 6),
    )


def _seen(rows: list[dict[str, Any]], language: Language) -> tuple[str, ...]:
    held, total = sum(c["ok"] for r in rows for c in r["checks"]), sum(len(r["checks"]) for r in rows)
    return (
        _distinct(language.on_the_wire(r["outer"]) for r in rows),
        *(_distinct(r[key] for r in rows) for key in ("mtu", "ttl")),
        str(len(rows)),
        language.word("n_of_m", n=held, m=total),
        _distinct(language.tell(reason) for r in rows if (reason := Row.from_dict(r).reason) is not None),
    )


def _distinct(values: Iterable[Any]) -> str:
    """Return the distinct values, commonest first; a dash is nothing seen."""
    seen = Counter(digits.MISSING if v in (None, "-") else str(v) for v in values)
    return " / ".join(value for value, _ in seen.most_common())
