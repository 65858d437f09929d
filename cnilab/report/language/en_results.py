"""What comparisons say, in English: a sentence never says more than its verdict does.

Every number in a sentence is a number of its comparison. "Different", "the same" and "cannot tell yet" have words of
their own and never borrow each other's. No mode is called better than another, because what was tested is each mode
against the baseline. Single words and captions are :mod:`.en_words`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnilab import digits
from cnilab.report.language.about import Row, interval, reason_of, unbounded, why_absent
from cnilab.report.language.base import Quantity
from cnilab.report.language.en_grammar import Grammar
from cnilab.report.language.en_quantities import ADJECTIVES, QUANTITIES, VERBS
from cnilab.report.language.sentences import OUT_OF_REACH, TIMES
from cnilab.report.language.text import Name, Said, Text, text
from cnilab.verdicts import FLAGS, absence_in

if TYPE_CHECKING:
    from cnilab.stats.ratio import Interval

_SUBSTITUTES = {
    "ebpf": "its packets were carried by eBPF in place of the kernel's own device",
    "userspace": "its packets were carried in userspace in place of the kernel's own device",
}
#: Verdict -> how a sentence begins that lists many modes with it.
_LISTED = {
    "different_material": "{Noun} differs from {base}'s by more than the margin of\u00a0{margin}",
    "different_size_unclear": (
        "{Noun} differs from {base}'s; whether by more than the margin of\u00a0{margin} is not clear yet"
    ),
    "inconclusive": "{Noun}: cannot tell yet against {base}",
}
#: Verdict or absence -> how many modes have it, one of them and several.
_TALLY = {
    "different_material": ("{n} differs by more than {bound}", "{n} differ by more than {bound}"),
    "different_size_unclear": (
        "{n} differs by an amount not clear yet",
        "{n} differ by an amount not clear yet",
    ),
    "different_negligible": ("{n} differs by less than {bound}", "{n} differ by less than {bound}"),
    "equivalent": ("{n} is the same within {bound}", "{n} are the same within {bound}"),
    "inconclusive": ("of {n} it cannot be told yet", "of {n} it cannot be told yet"),
    "insufficient_n": ("{n} has too few blocks", "{n} have too few blocks"),
    "not_comparable": ("{n} cannot be compared", "{n} cannot be compared"),
    "does_not_cross_subnets": ("{n} does not cross", "{n} do not cross"),
    "all_skipped": ("{n} could not run here", "{n} could not run here"),
    "all_failed": ("{n} failed in every trial", "{n} failed in every trial"),
    "no_rows": ("{n} was not measured", "{n} were not measured"),
}


class Results(Grammar):
    """Sentences about comparisons."""

    QUANTITIES = QUANTITIES
    SUBSTITUTES = _SUBSTITUTES
    LISTED = _LISTED
    TALLY = _TALLY

    def margin_of(self, row: Row) -> str:
        """Return the margin that a comparison was judged by; of a share in percentage points."""
        if row.get("scale") == "linear" and row["margin"] is not None and row["metric"].endswith("_ratio"):
            return f"{100 * row['margin']:g} percentage points"
        return super().margin_of(row)

    def connected(self, names: Said, predicate: Text) -> Text:
        """Return a sentence of its subject and its predicate."""
        return text(names, " ", predicate)

    def unnamed(self, noun: str) -> Quantity:
        """Return the words for a metric for which nobody has found any."""
        return Quantity(noun, "less", "more", "as much", f"What of {noun}?")

    # ---- one comparison --------------------------------------------------------------------------------------

    def finding(self, row: Row, several: bool = False) -> Text:
        """Return what the verdict says as a predicate, without the names of the mode or modes and the full stop."""
        base, verdict = self.baseline(row["baseline"]), row["verdict"]
        within = f"the margin of\u00a0{self.margin_of(row)}"
        if verdict == "different_material":
            return text(self.claim(row, several), f" ({self._change(row)[1]}), beyond {within}")
        if verdict in ("different_size_unclear", "different_negligible"):
            size, ends = self._change(row)
            about = size.removesuffix(f" {self.direction(row)}")
            by = f" ({ends})" if about == self.direction(row) else f", by about {about} ({ends})"
            tail = (
                f"; whether by more than {within} is not clear yet"
                if verdict == "different_size_unclear"
                else f", yet practically the same: within {within}"
            )
            return text(self.claim(row, several, sized=False), by, tail)
        if "none_in_either" in row["flags"] and verdict != "insufficient_n":
            where = f"{row['n_used']} of {row['n_blocks']} blocks"
            return text("counts no more than ", base, f": none in either, {where}")
        if verdict == "equivalent":
            verb, noun = self._verb(row, several)
            return text(f"{verb} the same {noun} as ", base, f", within {within}{self._estimate(row)}")
        if verdict == "inconclusive" and unbounded(row):
            return text(
                "cannot be told apart from ",
                base,
                f" yet: so few blocks set no bound to a difference{self._needed(row)}",
            )
        if verdict == "inconclusive":
            alone = "bh_not_rejected" in row["flags"]
            return text(
                "cannot be told apart from ",
                base,
                f" yet: {'' if alone else 'anything from '}{self._ends(row)} {self._verb(row, several)[1]} "
                + (
                    "in this table, which does not hold among all that was explored"
                    if alone
                    else "fits the data"
                )
                + self._needed(row),
            )
        if verdict == "insufficient_n" and not why_absent(row):
            return text(
                f"{'have' if several else 'has'} too few blocks to tell: {row['n_used']}, and at least "
                f"{row['n_min']} are needed before any data could be significant"
            )
        return text(self._why_not(row, several))

    def baseline(self, mode: str) -> Name:
        """Return what the baseline is called in a sentence."""
        return Name(mode, "the host network") if mode == "host" else self.mode(mode)

    def claim(self, row: Row, several: bool = False, *, sized: bool = True) -> Text:
        """Say that there is a difference, and of what size: ``delivers 38 % less goodput than the host network``."""
        what, base = self.quantity(row["metric"], row["stat"]), self.baseline(row["baseline"])
        verb, noun = self._verb(row, several)
        change = self._change(row)[0] if sized else self.direction(row)
        than, adjective = "as" if change.endswith(what.times) else "than", what.less in ADJECTIVES
        if adjective:
            return text(f"{verb} a {noun} {change} {than} ", base, "'s")
        return text(f"{verb} {change} {noun} {than} ", base)

    def _verb(self, row: Row, several: bool) -> tuple[str, str]:
        """Return what a mode does, or several do, and with what."""
        verbs = VERBS.get((row["metric"], row["stat"]), ("has", "have"))
        return verbs[several], self.quantity(row["metric"], row["stat"]).noun

    def _estimate(self, row: Row) -> str:
        """Return the estimate of a sameness, as what it is of the baseline's and with no word for more or less."""
        if row["scale"] == "linear":
            return ""
        low, high = interval(row)
        places = digits.ratio_decimals(row["ratio"], low, high)
        return f" ({digits.percent(row['ratio'], None if places is None else places - 2)} of it)"

    def _change(self, row: Row) -> tuple[str, str]:
        what = self.quantity(row["metric"], row["stat"])
        if "states_differ" in row["flags"]:
            return self.direction(row), self._by_state(row)
        if row["scale"] == "log":
            return self.change(row["ratio"], *interval(row), what)
        low, high = interval(row)
        head = self._amount(row["difference"], row, (low, high))
        if low is not None and high is not None and (low >= 0 or high <= 0):
            near, far = sorted((abs(low), abs(high)))
            ends = [self._amount(end, row, (low, high), signed=False) for end in (near, far)]
            return head, f"up to {ends[1]}" if near == 0 else f"{ends[0]} to {ends[1]}"
        return head, self._ends(row)

    def _by_state(self, row: Row) -> str:
        """Return what each state of the machine says by itself: where they differ, a mean over them is no finding."""
        what, parts = self.quantity(row["metric"], row["stat"]), []
        for told in row["states"]:
            low, high = told["ci_low"], told["ci_high"]
            if row["scale"] == "log":
                head, ends = self.change(told["estimate"], low, high, what)
            else:
                head = self._amount(told["estimate"], row, (low, high))
                sides = ("unbounded" if end is None else self._amount(end, row, (low, high)) for end in (low, high))
                ends = " to ".join(sides)
            parts.append(self.word("in_state", said=head, ends=ends, number=told["state"] + 1))
        return str(self.listing(parts))

    def _amount(
        self, value: float, row: Row, ends: tuple[float | None, float | None], *, signed: bool = True
    ) -> str:
        """Return a difference in its unit, with the word for more or less; shares in percentage points."""
        what, share = self.quantity(row["metric"], row["stat"]), row["metric"].endswith("_ratio")
        places = digits.decimals(*ends)
        if share:
            value, places = 100 * value, None if places is None else places - 2
        said = digits.rounded(abs(value), None if value and round(value, places or 0) == 0 else places)
        unit = " percentage points" if share else ""
        return f"{said}{unit}" + (f" {what.more if value > 0 else what.less}" if signed and value else "")

    def _ends(self, row: Row) -> str:
        """Return the simultaneous interval as ``12 % less to 9 % more``."""
        what = self.quantity(row["metric"], row["stat"])
        (low, high), none = interval(row), 0.0 if row["scale"] == "linear" else 1.0
        if row["scale"] == "linear":
            left, right = ("" if end is None else self._amount(end, row, (low, high)) for end in (low, high))
        elif low is not None and high is not None and (low > none or high < none) and high < TIMES:
            return f"{self.change(row['ratio'], low, high, what)[1]} {what.more if low > none else what.less}"
        else:
            left, right = ("" if end is None else self._side(end, low, high, what, "") for end in (low, high))
        return f"{left or f'any amount {what.less}'} to {right or f'any amount {what.more}'}"

    def entry(self, row: Row) -> str:
        """Return what stands after a mode's name in a sentence that lists many modes of one verdict."""
        if row["verdict"] == "inconclusive":
            return (
                "no bound yet"
                if unbounded(row)
                else f"{self._ends(row)}{self._needed(row).replace(';', ',')}"
            )
        change, ends = self._change(row)
        return f"{self.direction(row) if row['verdict'] == 'different_size_unclear' else change} ({ends})"

    def _needed(self, row: Row) -> str:
        """Return what would tell, a number for each of the two answers."""
        if row["verdict"] != "inconclusive":
            return ""
        differ, same, most = row["blocks_to_differ"], row["blocks_to_be_same"], OUT_OF_REACH * row["n_blocks"]
        if not (differ or same):
            return ""
        if min(n for n in (differ, same) if n) > most:
            return f"; more than {OUT_OF_REACH} times the blocks of this run would be needed to tell"
        out = []
        if differ and differ <= most:
            out.append(f"about {self.count(differ, 'block')} in all would call a difference as large as estimated")
        if same and same <= most:
            out.append(f"about {self.count(same, 'block')} would show sameness within {self.margin_of(row)}")
        elif same:
            out.append(f"to show sameness would take more than {OUT_OF_REACH} times those of this run")
        return f"; {', '.join(out)}"

    def _why_not(self, row: Row, several: bool) -> str:
        """Return why there is no comparison, in the words of the trials themselves where there are some."""
        fact = reason_of(row)
        flag = absence_in(row["flags"])
        if fact and flag == "does_not_cross_subnets":
            detail = " by ".join(str(part) for part in (fact.quoted, fact.args.get("by")) if part)
            return f"{'do' if several else 'does'} not cross subnets{f' ({detail})' if detail else ''}"
        reason = self.tell(fact) if fact else ""
        if flag:
            said = {
                "all_failed": "failed in every trial",
                "no_rows": f"{'were' if several else 'was'} not measured",
            }
            return said.get(flag, self.word(f"absent.{flag}")) + (f": {reason}" if reason else "")
        if row["verdict"] == "insufficient_n":
            return f"{'have' if several else 'has'} too few blocks to tell: {row['n_used']}"
        why = [self.flag(f) for f in row["flags"] if FLAGS[f].bars and FLAGS[f].kind == "note"]
        return f"{'are' if several else 'is'} not comparable: {reason or self.listing(why) or 'the data allow none'}"

    # ---- ratios ----------------------------------------------------------------------------------------------

    def change(self, ratio: float, low: float | None, high: float | None, what: Quantity) -> tuple[str, str]:
        """Return a ratio and its interval in words, e.g. ``("38 % less", "34 to 42 %")``; an open end is None."""
        if ratio >= TIMES:
            if low == 1 and high is not None:
                return (
                    f"{self._multiple(ratio, low, high)} times {what.times}",
                    f"up to {self._multiple(high, low, high)}",
                )
            left = digits.MISSING if low is None else self._multiple(low, low, high)
            right = "∞" if high is None else self._multiple(high, low, high)
            return f"{self._multiple(ratio, low, high)} times {what.times}", f"{left} to {right}"
        head = f"{digits.away_from_one(ratio, low, high)} {what.more if ratio > 1 else what.less}"
        if low is not None and high is not None and high < digits.MULTIPLE and (low >= 1 or high <= 1):
            near, far = sorted((low, high), key=lambda end: abs(end - 1))
            most = digits.away_from_one(far, low, high)
            if near == 1:
                return head, f"up to {most}"
            return head, f"{digits.away_from_one(near, low, high).removesuffix(digits.THIN + '%')} to {most}"
        left = self._side(low, low, high, what, "unbounded")
        return head, f"{left} to {self._side(high, low, high, what, 'unbounded')}"

    def _multiple(self, value: float, low: float | None, high: float | None) -> str:
        return digits.rounded(value, digits.ratio_decimals(value, low, high))

    def _side(
        self, end: float | None, low: float | None, high: float | None, what: Quantity, open_end: str
    ) -> str:
        if end is None:
            return open_end
        if end >= TIMES:
            return f"{self._multiple(end, low, high)} times {what.times}"
        return f"{digits.away_from_one(end, low, high)} {what.more if end >= 1 else what.less}"

    def factor(self, part: Interval) -> str:
        """Say what the interval of one factor of a ratio says, and no more."""
        if not (part.high < float("inf") and part.low > 0):
            return "too few blocks to say"
        head, ends = self.change(part.estimate, part.low, part.high, self.quantity("goodput_bps"))
        return f"may be none ({ends})" if part.low <= 1 <= part.high else f"{head} ({ends})"

    # ---- several comparisons ---------------------------------------------------------------------------------

    def headline(self, row: Row, names: Text, several: bool) -> Text:
        """Return a title: what modes of one verdict do, without a number."""
        verb, noun = self._verb(row, several)
        if row["verdict"] == "equivalent":
            return text(names, f" {verb} the same {noun} as ", self.baseline(row["baseline"]))
        return text(names, " ", self.claim(row, several, sized=False))

    def cost(self, rows: Sequence[Row]) -> Text:
        """Say what one mode costs in each of several places, in one sentence without its stop."""
        first, *others = rows
        out = text(self.named(first), " ", self.claim(first), self._where(first))
        parts = [f"{self._change(row)[0]}{self._where(row)}" for row in others]
        return text(self.listing([out, *parts]))

    def _where(self, row: Row) -> str:
        place = self.placement(row["placement"])
        return f" {place[:1].lower()}{place[1:]} ({self._change(row)[1]})"

    def control(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Say what the A/A control showed: the bench's own noise, and whether it saw what is not there."""
        aa = header["aa"]
        if not aa["tables"]:
            return text("The baseline was not measured a second time, so the bench's own noise is not known.")
        primary = header["family"]["primary"] or {}
        controls = [r for r in rows if r["family"] == "aa"]
        own = [r for r in controls if all(r.get(k) == v for k, v in primary.items() if v)] or controls[:2]
        ratios = self.listing(
            [
                f"{self.placement(r['placement']).lower()} {digits.ratio(r['ratio'], r['ci_low'], r['ci_high'])}"
                for r in own
                if r.get("ratio") is not None
            ]
        )
        head = text(
            self.mode(rows[0]["baseline"] if rows else header["baseline"]),
            " was measured twice in every block, the second time under a blind label",
            text(": against itself it has the ratio ", ratios) if ratios else "",
            ". ",
        )
        if not aa["judged"]:
            return text(head, "There are too few blocks to judge that.")
        return text(
            head,
            f"{aa['different']} of {self.count(aa['judged'], 'such_table')} "
            f"{'was' if aa['different'] == 1 else 'were'} judged different, where "
            f"{aa['expected_by_chance']:.2g} would be by chance.",
        )

    def alt(self, rows: Sequence[Row]) -> str:
        """Describe a picture of ratios in at most two sentences: what is compared, and the finding."""
        if not rows:
            return "No data."
        places = list(dict.fromkeys(r["placement"] for r in rows))
        found = [
            f"{self.placement(place).lower()} {self.tally([r for r in rows if r['placement'] == place])}"
            for place in places
        ]
        return (
            f"Ratio of {self.quantity(rows[0]['metric'], rows[0]['stat']).noun} to {rows[0]['baseline']} with "
            f"simultaneous intervals for {self.count(len({r['mode'] for r in rows}), 'mode')}, "
            f"{self.listing([self.placement(place).lower() for place in places])}. "
            f"{text('; '.join(found)).capitalised}."
        )
