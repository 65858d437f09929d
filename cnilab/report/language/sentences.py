"""What every language does alike with comparisons: which share a sentence, which doubts follow it, in which order.

Words, their order and grammar are each language's own (:mod:`.en_results`); what stands here puts their pieces
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.language.about import DOUBTS, Row, by_verdict, shown_as, size, substitutes, why_absent
from cnilab.report.language.base import Quantity, Vocabulary
from cnilab.report.language.text import Name, Said, Text, joined, text
from cnilab.verdicts import absence_in

#: From this many modes with one verdict on, they share a sentence that lists them.
MANY = 5
#: From this ratio on, a multiple reads better than per cent.
TIMES = 2.0
#: Blocks beyond this many times those of the run are not asked for.
OUT_OF_REACH = 10


class Sentences(Vocabulary):
    """Sentences about comparisons, made of a language's own pieces."""

    #: kernel_path -> how it carried a mode's packets.
    SUBSTITUTES: ClassVar[Mapping[str, str]]
    #: Verdict -> how a sentence begins that lists many modes with it; holes: ``Noun``, ``base``, ``margin``.
    LISTED: ClassVar[Mapping[str, str]]
    #: Verdict or absence -> how many modes have it, one of them and several; holes: ``n``, ``bound``.
    TALLY: ClassVar[Mapping[str, tuple[str, str]]]

    # ---- each language's own ---------------------------------------------------------------------------------

    def finding(self, row: Row, several: bool = False) -> Text:
        """Return what the verdict says, without the names of the mode or modes and the full stop."""
        raise NotImplementedError

    def entry(self, row: Row) -> str:
        """Return what stands after a mode's name in a sentence that lists many modes of one verdict."""
        raise NotImplementedError

    def unnamed(self, noun: str) -> Quantity:
        """Return the words for a metric for which nobody has found any."""
        raise NotImplementedError

    def count(self, n: int, what: str) -> str:
        """Return ``2 blocks``."""
        raise NotImplementedError

    def listing(self, items: Iterable[Said]) -> Text:
        """Return ``a, b and c``."""
        raise NotImplementedError

    def clauses(self, items: Iterable[Said]) -> Text:
        """Return clauses as one sentence without its stop; as a list of nouns, where a language makes no difference."""
        return self.listing(items)

    # ---- one comparison --------------------------------------------------------------------------------------

    def quantity(self, metric: str, stat: str = "value") -> Quantity:
        """Return the words for a metric, its own name where nobody has found better ones."""
        if known := self.QUANTITIES.get((metric, stat)):
            return known
        return self.unnamed(metric.replace("_", " ") + ("" if stat == "value" else f" ({stat})"))

    def sentence(self, row: Row) -> Text:
        """Say what one comparison showed, in one sentence."""
        return self.connected(self.named(row), self._said(row, self.finding(row), self.substitute(row)))

    def connected(self, names: Said, predicate: Text) -> Text:
        """Return a sentence of its subject and its predicate."""
        return text(names, self.COLON, predicate)

    def _said(self, row: Row, finding: Text, how: str) -> Text:
        failed = f"{self.SEMICOLON}{self.failures(row)}" if self.failures(row) else ""
        doubts = self.doubts(row) if row["n_used"] else ""
        return text(finding, failed, f"{self.SEMICOLON}{how}" if how else "", self.STOP, doubts)

    def failures(self, row: Row) -> str:
        """Return in how many blocks the mode, or its baseline, failed and why, of one that has values in others."""
        out = []
        for end, word in (("", "failed_in"), ("_baseline", "failed_in.baseline")):
            if row["n_used"] and (n := row.get(f"n_failed{end}")):
                why = row.get(f"failed_reason{end}")
                told = self.BRACKETS.format(self.tell(Fact.from_dict(why))) if why else ""
                blocks = self.count(row["n_blocks"], "block")
                out.append(self.word(word, n=n, blocks=blocks, base=self.mode(row["baseline"]), why=told))
        return self.SEMICOLON.join(out)

    def named(self, row: Row) -> Name:
        """Return the name of the mode compared, with its substitute."""
        return self.mode(row["mode"], row.get("kernel_path"), twin=bool(row.get("twin")))

    def substitute(self, row: Row) -> str:
        """Return how a substitute carried the packets; empty for the real thing."""
        return str(self.clauses([self.SUBSTITUTES[path] for path in substitutes(row.get("kernel_path"))]))

    def doubts(self, row: Row) -> str:
        """Return further sentences for flags that change how the verdict is to be read."""
        out = []
        for flag in row["flags"]:
            if flag not in DOUBTS:
                continue
            said = self.flag(flag)
            if flag == "depends_on_block" and row.get("outlier_blocks"):
                said += self.word("in_block", blocks=self.listing(row["outlier_blocks"]))
            out.append(f"{self.SPACE}{text(said).capitalised}{self.STOP}")
        return "".join(out)

    def short_verdict(self, row: Row) -> str:
        """Return the words for a table, with what is known of why there is no comparison."""
        if flag := why_absent(row):
            return self.word(f"absent.{flag}")
        return self.word(f"verdict.{row['verdict']}")

    def margin_of(self, row: Row) -> str:
        """Return the margin that a comparison was judged by."""
        if row.get("scale") == "linear":
            return digits.MISSING if row["margin"] is None else f"{row['margin']:g}"
        return digits.margin(row["margin"])

    def direction(self, row: Row) -> str:
        """Return the word for more or for less, as the estimate is."""
        what = self.quantity(row["metric"], row["stat"])
        above = row["difference"] > 0 if row["scale"] == "linear" else row["ratio"] > 1
        return what.more if above else what.less

    # ---- several comparisons ---------------------------------------------------------------------------------

    def bullets(self, rows: Sequence[Row], brief: bool = False) -> list[tuple[str, Text]]:
        """Return ``(sign, sentence)`` a finding of one place; modes of which the same is to be said share one.

        ``brief`` leaves a substitute to the mark in its name, where it has been told in full before, and says nothing
        of places that a mode does not reach.
        """
        rows = [r for r in rows if not (brief and "does_not_cross_subnets" in r["flags"])]
        compared = [r for r in rows if r["n_used"]]
        # A doubt about the whole table is told once, after the findings, and not with every one of them.
        common = [f for f in DOUBTS if len(compared) > 1 and all(f in r["flags"] for r in compared)]
        rows = [{**r, "flags": [f for f in r["flags"] if f not in common]} for r in rows]
        out: list[tuple[str, Text]] = []
        for verdict, alike in by_verdict(rows):
            alike = sorted(alike, key=size, reverse=True)
            if len(alike) >= MANY and verdict in self.LISTED:
                out.append((shown_as(alike[0]).sign, self._list_of(verdict, alike, brief)))
                continue
            shared: dict[tuple[Text, str], list[Row]] = {}
            for row in alike:
                same = self.finding(row), self.substitute(row) + self.failures(row) + self.doubts(row)
                shared.setdefault(same, []).append(row)
            for group in shared.values():
                first = group[0]
                how = "" if brief or not first["n_used"] else self.substitute(first)
                said = self._said(first, self.finding(first, several=len(group) > 1), how)
                names = self.listing([self.named(r) for r in group])
                out.append((shown_as(first).sign, self.connected(names, said)))
        return out + [("!", text(self.doubts({"flags": [f]}).strip())) for f in common]

    def _list_of(self, verdict: str, rows: Sequence[Row], brief: bool) -> Text:
        """Return one sentence that lists modes of one verdict, each with its own numbers and doubts."""
        first = rows[0]
        head = self.fill(
            self.LISTED[verdict],
            Noun=self.quantity(first["metric"], first["stat"]).Noun,
            base=self.mode(first["baseline"]),
            margin=self.margin_of(first),
        )
        parts = [text(self.named(row), f" {self.entry(row)}") for row in rows]
        tail: list[Said] = []
        for row in rows:
            if self.substitute(row) and not brief:
                tail += [self.SPACE, self.named(row), f"{self.COLON}{self.substitute(row)}{self.STOP}"]
        for row in rows:
            if failed := self.failures(row):
                tail += [self.SPACE, self.named(row), f"{self.COLON}{failed}{self.STOP}"]
            if doubts := self.doubts(row):
                tail += [self.SPACE, self.named(row), self.COLON, doubts.strip()]
        return text(head, self.COLON, joined(self.SEMICOLON, parts), self.STOP, *tail)

    def tally(self, rows: Sequence[Row]) -> Text:
        """Return how many modes of one place have which verdict."""
        groups: dict[str, list[Row]] = {}
        for verdict, alike in by_verdict(rows):
            for row in alike:
                groups.setdefault(absence_in(row["flags"]) or verdict, []).append(row)
        return self.clauses(
            [
                self.TALLY[key][len(group) > 1].format(n=len(group), bound=self.margin_of(group[0]))
                for key, group in groups.items()
            ]
        )
