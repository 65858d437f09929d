"""What comparisons say, in English: a sentence never says more than its verdict does.

Every number in a sentence is a number of its comparison. "Different", "the same" and "cannot tell yet" have words of
their own and never borrow each other's. No mode is called better than another, because what was tested is each mode
against the baseline. Single words and captions are :mod:`.en_words`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnilab import digits
from cnilab.report.language.about import Row, reason_of, unbounded, why_absent
from cnilab.report.language.base import Quantity
from cnilab.report.language.en_grammar import Grammar
from cnilab.report.language.en_quantities import QUANTITIES
from cnilab.report.language.text import Text, joined, text
from cnilab.verdicts import FLAGS, absence_in

if TYPE_CHECKING:
    from cnilab.stats.ratio import Interval

#: From this ratio on, "times" reads better than per cent.
TIMES = 2.0

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

    def unnamed(self, noun: str) -> Quantity:
        """Return the words for a metric for which nobody has found any."""
        return Quantity(noun, "less", "more", "as much", f"What of {noun}?")

    # ---- one comparison --------------------------------------------------------------------------------------

    def finding(self, row: Row, several: bool = False) -> Text:
        """Return what the verdict says, without the names of the mode or modes and the full stop."""
        what, base = self.quantity(row["metric"], row["stat"]), self.mode(row["baseline"])
        within, verdict = f"the margin of\u00a0{self.margin_of(row)}", row["verdict"]
        if verdict == "different_material":
            head, ends = self._change(row)
            if what.times in head:
                return text(f"{what.noun} {head} as ", base, f"'s ({ends}), beyond {within}")
            return text(f"{head} {what.noun} than ", base, f" ({ends}), beyond {within}")
        if verdict == "different_size_unclear":
            return text(
                f"{self.direction(row)} {what.noun} than ",
                base,
                f"; whether by more than {within} is not clear yet ({self._change(row)[1]})",
            )
        if verdict == "different_negligible":
            return text(
                f"{self.direction(row)} {what.noun} than ",
                base,
                f", yet practically the same: within {within}",
            )
        if verdict == "equivalent":
            return text(f"the same {what.noun} as ", base, f" within {within}")
        if verdict == "inconclusive" and unbounded(row):
            return text(f"cannot tell yet; so few blocks set no bound to a difference{self._needed(row)}")
        if verdict == "inconclusive":
            return text(
                f"cannot tell yet; anything from {self._ends(row)} {what.noun} than ",
                base,
                f" fits the data{self._needed(row)}",
            )
        if verdict == "insufficient_n" and not why_absent(row):
            return text(
                f"too few blocks to tell: {row['n_used']}, and at least {row['n_min']} are needed before any data "
                "could be significant"
            )
        return text(self._why_not(row, several))

    def _change(self, row: Row) -> tuple[str, str]:
        if row["scale"] == "linear":
            places = digits.decimals(row["difference_sim_ci_low"], row["difference_sim_ci_high"])
            word = "more" if row["difference"] > 0 else "less"
            return f"{digits.rounded(abs(row['difference']), places)} {word}", self._ends(row)
        what = self.quantity(row["metric"], row["stat"])
        return self.change(row["ratio"], row["sim_ci_low"], row["sim_ci_high"], what)

    def _ends(self, row: Row) -> str:
        """Return the simultaneous interval as ``12 % less to 9 % more``."""
        what = self.quantity(row["metric"], row["stat"])
        if row["scale"] == "linear":
            ends = (row["difference_sim_ci_low"], row["difference_sim_ci_high"])
            places = digits.decimals(*ends)
            low, high = ("" if end is None else digits.rounded(end, places) for end in ends)
            return f"{low or '−∞'} to {high or '∞'}"
        low, high = row["sim_ci_low"], row["sim_ci_high"]
        left = self._side(low, low, high, what, f"any amount {what.less}")
        return f"{left} to {self._side(high, low, high, what, f'any amount {what.more}')}"

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
        n = row.get("blocks_needed")
        return f"; about {self.count(int(n), 'block')} would tell" if n else ""

    def _why_not(self, row: Row, several: bool) -> str:
        """Return why there is no comparison, in the words of the trials themselves where there are some."""
        fact = reason_of(row)
        flag = absence_in(row["flags"])
        if fact and flag == "does_not_cross_subnets":
            detail = " by ".join(str(part) for part in (fact.quoted, fact.args.get("by")) if part)
            return f"{'do' if several else 'does'} not cross subnets{f' ({detail})' if detail else ''}"
        reason = self.tell(fact) if fact else ""
        if flag:
            return self.word(f"absent.{flag}") + (f": {reason}" if reason else "")
        if row["verdict"] == "insufficient_n":
            return f"too few blocks to tell: {row['n_used']}"
        why = [self.flag(f) for f in row["flags"] if FLAGS[f].bars and FLAGS[f].kind == "note"]
        return f"not comparable: {reason or self.listing(why) or 'the data allow none'}"

    # ---- ratios ----------------------------------------------------------------------------------------------

    def change(self, ratio: float, low: float | None, high: float | None, what: Quantity) -> tuple[str, str]:
        """Return a ratio and its interval in words, e.g. ``("38 % less", "34 to 42 %")``; an open end is None."""
        if ratio >= TIMES:
            left = digits.MISSING if low is None else self._multiple(low, low, high)
            right = "∞" if high is None else self._multiple(high, low, high)
            return f"{self._multiple(ratio, low, high)} times {what.times}", f"{left} to {right}"
        head = f"{digits.away_from_one(ratio, low, high)} {what.more if ratio > 1 else what.less}"
        if low is not None and high is not None and high < digits.MULTIPLE and (low >= 1 or high <= 1):
            near, far = sorted((low, high), key=lambda end: abs(end - 1))
            unit = digits.THIN + "%"
            return head, (
                f"{digits.away_from_one(near, low, high).removesuffix(unit)} to {digits.away_from_one(far, low, high)}"
            )
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

    def lead(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Return the first paragraph: what was compared, and how many of each verdict there are where."""
        rows = [r for r in rows if r["family"] == "primary"] or [r for r in rows if r["family"] != "aa"]
        if not rows:
            return text("Nothing was compared.")
        blocks = header["n_blocks"] if isinstance(header["n_blocks"], int) else max(header["n_blocks"])
        modes = len({r["mode"] for r in rows})
        out = [
            text(
                f"{self.count(modes, 'mode')} {'were' if modes > 1 else 'was'} compared with ",
                self.mode(rows[0]["baseline"]),
                f" by {self.quantity(rows[0]['metric'], rows[0]['stat']).noun}, in "
                f"{self.count(blocks, 'randomised_block')}.",
            )
        ]
        for place in dict.fromkeys(r["placement"] for r in rows):
            out.append(
                text(
                    self.placement(place),
                    ", ",
                    self.tally([r for r in rows if r["placement"] == place]),
                    ".",
                )
            )
        return joined(" ", out)

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
