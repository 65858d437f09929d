"""What stands first on the page, put together alike in every language: the title and the first paragraph.

Modes that cost something come first, the largest difference before the rest, then what is the same, what cannot be
told and what would tell it, and what has no number. Stand-ins for a kernel's device are never in the title, and come
last. The pieces are a language's own (:mod:`.en_results`), the order is everyone's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnilab import digits
from cnilab.report.language.about import DOUBTS, Row, shown_as, size, substitutes, why_absent
from cnilab.report.language.sentences import Sentences
from cnilab.report.language.text import Said, Text, joined, text
from cnilab.verdicts import VERDICTS

#: As many modes have a sentence of their own in the first paragraph, and a name in the title.
NAMED = 3
#: Verdict, or that there is nothing to compare -> the key of the sentence that lists its modes.
_REST = {
    "different_size_unclear": "unclear",
    "different_negligible": "negligible",
    "equivalent": "same",
    "inconclusive": "undecided",
    "insufficient_n": "few",
    "not_comparable": "absent",
    "absent": "absent",
}


#: Doubts that any study of short trials has, and that keep no finding out of a title.
_SMALL = {"unsteady_short"}


class Answers(Sentences):
    """The title and the first paragraph."""

    def headline(self, row: Row, names: Text, several: bool) -> Text:
        """Return a title: what modes of one verdict do, without a number."""
        raise NotImplementedError

    def cost(self, rows: Sequence[Row]) -> Text:
        """Say what one mode costs in each of several places, in one sentence without its stop."""
        raise NotImplementedError

    def title(self, rows: Sequence[Row]) -> Text:
        """Return the finding as a title: which modes differ by more than the margin, else which are the same.

        Only modes carried by the real thing and without a doubt are in it; a place is named where the modes have
        other verdicts elsewhere.
        """
        rows = [
            r for r in rows if r["family"] == "primary" and r["n_used"] and not substitutes(r["kernel_path"])
        ]
        sure = [r for r in rows if not set(r["flags"]) & (set(DOUBTS) - _SMALL)]
        for verdict in ("different_material", "equivalent"):
            groups: dict[tuple[str, tuple[Any, ...]], list[Row]] = {}
            for mode in dict.fromkeys(r["mode"] for r in sorted(sure, key=size, reverse=True)):
                own = [r for r in sure if r["mode"] == mode and r["verdict"] == verdict]
                everywhere = len(own) == sum(r["mode"] == mode for r in rows)
                for row in own[:1] if everywhere else own:
                    which = self.direction(row) if verdict == "different_material" else ""
                    groups.setdefault((which, () if everywhere else (row["placement"],)), []).append(row)
            if groups:
                (_, places), group = max(groups.items(), key=lambda item: len(item[1]))
                named = group if len(group) <= NAMED else group[: NAMED - 1]
                names = self.listing([self.named(r) for r in named])
                if len(named) < len(group):
                    shown = joined(self.COMMA, [self.named(r) for r in named])
                    names = self.say("title.and_more", names=shown, n=len(group) - len(named))
                said = self.headline(group[0], names, len(group) > 1)
                return self.say("title.in_place", title=said, where=self._place(group[0])) if places else said
        if rows and all(r["verdict"] in ("inconclusive", "insufficient_n") for r in rows):
            return self.say("title.undecided", noun=self.quantity(rows[0]["metric"], rows[0]["stat"]).noun)
        return self.say("title")

    def lead(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Return the answer as one paragraph: :meth:`answer`, a sentence behind the other."""
        return joined(self.SPACE, [said for _, said in self.answer(rows, header)])

    def answer(self, rows: Sequence[Row], header: Mapping[str, Any]) -> list[tuple[str, Text]]:
        """Return ``(sign, sentences)``: what costs how much, what is the same, what is not told, and how sure that is.

        The first is what is known best; the last has no sign and says what was compared and how the intervals hold.
        """
        rows = [r for r in rows if r["family"] == "primary"] or [r for r in rows if r["family"] != "aa"]
        rows = [r for r in rows if all(r[k] == rows[0][k] for k in ("metric", "stat", "test"))]
        if not rows:
            return [("", self.say("nothing_compared"))]
        own = [r for r in rows if not r["n_used"] or not substitutes(r["kernel_path"])]
        by: dict[str, list[Row]] = {}
        for row in own:
            by.setdefault("absent" if why_absent(row) else row["verdict"], []).append(row)
        out: list[tuple[str, Text]] = []
        if costs := self._costs(by.get("different_material", [])):
            out.append((VERDICTS["different_material"].sign, joined(self.SPACE, costs)))
        base, margin = self.baseline(rows[0]["baseline"]), self.margin_of(rows[0])
        noun = self.quantity(rows[0]["metric"], rows[0]["stat"]).noun
        for verdict, key in _REST.items():
            if group := by.get(verdict):
                parts = joined(self.SEMICOLON, self._parts(group, rows))
                said = self.say(f"lead.{key}", parts=parts, noun=noun, base=base, margin=margin)
                out.append((shown_as(group[0]).sign, said))
        if standins := [r for r in rows if r not in own]:
            names = self.listing(dict.fromkeys(self.named(r) for r in standins))
            out.append(("!", self.say("lead.standins", names=names)))
        return [*out, ("", self._certainty(rows, header))]

    def baseline(self, mode: str) -> Said:
        """Return what the baseline is called in a sentence."""
        return self.mode(mode)

    def _costs(self, rows: Sequence[Row]) -> list[Text]:
        modes: dict[str, list[Row]] = {}
        for row in sorted(rows, key=size, reverse=True):
            modes.setdefault(row["mode"], []).append(row)
        order = list(modes.values())
        named = order if len(order) <= NAMED else order[: NAMED - 1]
        out = [text(self.cost(group), self.STOP) for group in named]
        if rest := order[len(named) :]:
            parts = [
                self.say("lead.with", part=self._named_at(r), said=self.entry(r))
                for group in rest
                for r in group[:1]
            ]
            out.append(
                self.say("lead.also", names=joined(self.SEMICOLON, parts), margin=self.margin_of(rows[0]))
            )
        return out

    def _parts(self, group: Sequence[Row], rows: Sequence[Row]) -> list[Said]:
        """Return each mode where it is, with what its verdict leaves open."""
        out: list[Said] = []
        for row in sorted(group, key=size, reverse=True):
            name = self._named_at(row) if len({r["placement"] for r in rows}) > 1 else self.named(row)
            said = self._left_open(row)
            out.append(self.say("lead.with", part=name, said=said) if said else name)
        return out

    def _left_open(self, row: Row) -> str:
        if row["verdict"] in ("different_size_unclear", "inconclusive"):
            return self.entry(row)
        if row["verdict"] == "insufficient_n" and not why_absent(row):
            return self.word("n_of_m", n=row["n_used"], m=row["n_min"])
        return self.short_verdict(row) if row["verdict"] in ("not_comparable", "insufficient_n") else ""

    def _named_at(self, row: Row) -> Text:
        return self.say("lead.in_place", name=self.named(row), where=self._place(row))

    def _place(self, row: Row) -> str:
        place = self.placement(row["placement"])
        return f"{place[:1].lower()}{place[1:]}"

    def _certainty(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        what, blocks = self.quantity(rows[0]["metric"], rows[0]["stat"]), header["n_blocks"]
        kind = "block" if header.get("design") == "not_recorded" else "randomised_block"
        return self.say(
            "lead.certainty",
            Noun=what.Noun,
            test=rows[0]["test"],
            blocks=self.count(blocks if isinstance(blocks, int) else max(blocks), kind),
            comparisons=self.count(rows[0]["family_size"], "comparison"),
            level=digits.percent(1 - header.get("alpha_used", 0.05)),
        )
