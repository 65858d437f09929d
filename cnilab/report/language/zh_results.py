"""What comparisons say, in Chinese: a sentence never says more than its verdict does.

Every number in a sentence is a number of its comparison, and the same ones stand in every language's sentence. 有差异,
相同 and 尚无法判断 have words of their own and never borrow each other's. Single words and captions are
:mod:`.zh_words`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnilab import digits
from cnilab.report.language.about import Row, interval, reason_of, unbounded, why_absent
from cnilab.report.language.base import Quantity
from cnilab.report.language.sentences import OUT_OF_REACH, TIMES
from cnilab.report.language.text import Name, Said, Text, joined, text
from cnilab.report.language.zh_grammar import Grammar, typeset
from cnilab.report.language.zh_quantities import QUANTITIES
from cnilab.verdicts import FLAGS, absence_in

if TYPE_CHECKING:
    from cnilab.stats.ratio import Interval

_SUBSTITUTES = {
    "ebpf": "它的数据包由 eBPF 承载，而不是内核自己的设备",
    "userspace": "它的数据包在用户态承载，而不是内核自己的设备",
}
#: Verdict -> how a sentence begins that lists many modes with it.
_LISTED = {
    "different_material": "{Noun}与 {base} 相差超出 {margin} 的等价界限",
    "different_size_unclear": "{Noun}与 {base} 有差异，是否超出 {margin} 的等价界限尚不明确",
    "inconclusive": "{Noun}与 {base} 相比尚无法判断",
}
#: Verdict or absence -> how many modes have it; Chinese has no plural.
_TALLY = {
    key: (words, words)
    for key, words in {
        "different_material": "{n} 种相差超出 {bound}",
        "different_size_unclear": "{n} 种有差异但大小尚不明确",
        "different_negligible": "{n} 种虽有差异但不超出 {bound}",
        "equivalent": "{n} 种在 {bound} 之内相同",
        "inconclusive": "{n} 种尚无法判断",
        "insufficient_n": "{n} 种区组太少",
        "not_comparable": "{n} 种无法比较",
        "does_not_cross_subnets": "{n} 种不能跨子网",
        "all_skipped": "{n} 种在此处无法运行",
        "all_failed": "{n} 种试验全部失败",
        "no_rows": "{n} 种没有测量",
    }.items()
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
            return f"{100 * row['margin']:g} 个百分点"
        return super().margin_of(row)

    def connected(self, names: Said, predicate: Text) -> Text:
        """Return a sentence of its subject and its predicate."""
        return typeset(text(names, predicate))

    def unnamed(self, noun: str) -> Quantity:
        """Return the words for a metric for which nobody has found any."""
        return Quantity(noun, "低", "高", "倍", f"{noun} 是多少？")

    # ---- one comparison --------------------------------------------------------------------------------------

    def finding(self, row: Row, several: bool = False) -> Text:
        """Return what the verdict says as a predicate, without the names of the mode or modes and the full stop."""
        what, base = self.quantity(row["metric"], row["stat"]), self.baseline(row["baseline"])
        bound, verdict = f"{self.margin_of(row)}的等价界限", row["verdict"]
        said: tuple[Said, ...]
        if verdict == "different_material":
            said = (self.claim(row), f"（{self._change(row)[1]}），超出{bound}")
        elif verdict in ("different_size_unclear", "different_negligible"):
            size, ends = self._change(row)
            tail = (
                f"；是否超出{bound}尚不明确"
                if verdict == "different_size_unclear"
                else f"，但实际上相同：在{bound}之内"
            )
            about = "" if size == self.direction(row) else f"，约{size}"
            said = (self.claim(row, sized=False), f"{about}（{ends}）{tail}")
        elif "none_in_either" in row["flags"] and verdict != "insufficient_n":
            said = ("与", base, f"在{row['n_blocks']}个区组中的{row['n_used']}个里都是零")
        elif verdict == "equivalent":
            said = (f"的{what.noun}与", base, f"相同，差距在{bound}之内{self._estimate(row)}")
        elif verdict == "inconclusive" and unbounded(row):
            said = ("与", base, f"尚无法区分：区组太少，给不出差异的界限{self._needed(row)}")
        elif verdict == "inconclusive":
            fits = (
                "在这张表中成立，放到全部探索性比较中则不成立"
                if "bh_not_rejected" in row["flags"]
                else "都与数据相符"
            )
            said = ("与", base, f"尚无法区分：{what.noun}{self._ends(row)}{fits}{self._needed(row)}")
        elif verdict == "insufficient_n" and not why_absent(row):
            said = (f"的区组太少，无法判断：只有{row['n_used']}个，至少{row['n_min']}个才有可能显著",)
        else:
            said = (self._why_not(row),)
        return typeset(text(*said))

    def baseline(self, mode: str) -> Name:
        """Return what the baseline is called in a sentence."""
        return Name(mode, "主机网络") if mode == "host" else self.mode(mode)

    def claim(self, row: Row, *, sized: bool = True) -> Text:
        """Say that there is a difference, and of what size: ``的有效吞吐量比主机网络低 38 %``."""
        noun, base = self.quantity(row["metric"], row["stat"]).noun, self.baseline(row["baseline"])
        if not sized:
            return typeset(text(f"的{noun}{self.direction(row)}于", base))
        return typeset(text(f"的{noun}", self._compared(row, base)))

    def _compared(self, row: Row, base: Name) -> Text:
        size, what = self._change(row)[0], self.quantity(row["metric"], row["stat"])
        multiple = size.endswith(what.times)
        return typeset(text("是" if multiple else "比", base, "的" if multiple else "", size))

    def entry(self, row: Row) -> str:
        """Return what stands after a mode's name in a sentence that lists many modes of one verdict."""
        if row["verdict"] == "inconclusive":
            return "尚无界限" if unbounded(row) else self._ends(row) + self._needed(row).replace("；", "，")
        change, ends = self._change(row)
        return f"{self.direction(row) if row['verdict'] == 'different_size_unclear' else change}（{ends}）"

    def _estimate(self, row: Row) -> str:
        """Return the estimate of a sameness, as what it is of the baseline's and with no word for more or less."""
        if row["scale"] == "linear":
            return ""
        places = digits.ratio_decimals(row["ratio"], *interval(row))
        return f"（为其{digits.percent(row['ratio'], None if places is None else places - 2)}）"

    def _change(self, row: Row) -> tuple[str, str]:
        if "states_differ" in row["flags"]:
            return self.direction(row), self._by_state(row)
        what, (low, high) = self.quantity(row["metric"], row["stat"]), interval(row)
        if row["scale"] == "log":
            return self.change(row["ratio"], low, high, what)
        head = self._amount(row["difference"], row, (low, high))
        if low is not None and high is not None and (low >= 0 or high <= 0):
            near, far = sorted((abs(low), abs(high)))
            ends = [self._amount(end, row, (low, high), signed=False) for end in (near, far)]
            return head, f"至多 {ends[1]}" if near == 0 else f"{ends[0]} 至 {ends[1]}"
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
                sides = ["无界限" if end is None else self._amount(end, row, (low, high)) for end in (low, high)]
                ends = str(typeset(text("至".join(sides))))
            parts.append(self.word("in_state", said=head, ends=ends, number=told["state"] + 1))
        return str(self.clauses(parts))

    def _amount(
        self, value: float, row: Row, ends: tuple[float | None, float | None], *, signed: bool = True
    ) -> str:
        """Return a difference in its unit, with the word for more or less; shares in percentage points."""
        what, share = self.quantity(row["metric"], row["stat"]), row["metric"].endswith("_ratio")
        places = digits.decimals(*ends)
        if share:
            value, places = 100 * value, None if places is None else places - 2
        said = digits.rounded(abs(value), None if value and round(value, places or 0) == 0 else places)
        unit = " 个百分点" if share else ""
        return (f"{what.more if value > 0 else what.less} " if signed and value else "") + f"{said}{unit}"

    def _ends(self, row: Row) -> str:
        """Return the simultaneous interval as ``低 12 % 至高 9 %``."""
        what = self.quantity(row["metric"], row["stat"])
        (low, high), none = interval(row), 0.0 if row["scale"] == "linear" else 1.0
        if row["scale"] == "linear":
            left, right = ("" if end is None else self._amount(end, row, (low, high)) for end in (low, high))
        elif low is not None and high is not None and (low > none or high < none) and high < TIMES:
            return f"{what.more if low > none else what.less} {self.change(row['ratio'], low, high, what)[1]}"
        else:
            left, right = ("" if end is None else self._side(end, low, high, what, "") for end in (low, high))
        return str(typeset(text(f"{left or f'{what.less}任意多'}至{right or f'{what.more}任意多'}")))

    def _needed(self, row: Row) -> str:
        """Return what would tell, a number for each of the two answers."""
        if row["verdict"] != "inconclusive":
            return ""
        differ, same, most = row["blocks_to_differ"], row["blocks_to_be_same"], OUT_OF_REACH * row["n_blocks"]
        if not (differ or same):
            return ""
        if min(n for n in (differ, same) if n) > most:
            return f"；要作出判断，区组数需超过本次测试的 {OUT_OF_REACH} 倍"
        out = []
        if differ and differ <= most:
            out.append(f"总共约需 {self.count(differ, 'block')}才能认定估计大小的差异")
        if same and same <= most:
            out.append(f"总共约需 {self.count(same, 'block')}才能证明差距在{self.margin_of(row)}之内")
        elif same:
            out.append(f"要证明两者相同，区组数需超过本次测试的 {OUT_OF_REACH} 倍")
        return f"；{'，'.join(out)}"

    def _why_not(self, row: Row) -> str:
        """Return why there is no comparison, in the words of the trials themselves where there are some."""
        fact, flag = reason_of(row), absence_in(row["flags"])
        reason = self.tell(fact) if fact else ""
        if reason and flag == "does_not_cross_subnets":
            return reason
        if flag:
            said = {"all_skipped": "在此处无法运行", "all_failed": "的试验全部失败"}
            return said.get(flag, self.word(f"absent.{flag}")) + (f"：{reason}" if reason else "")
        if row["verdict"] == "insufficient_n":
            return f"的区组太少，无法判断：{row['n_used']} 个"
        why = [self.flag(f) for f in row["flags"] if FLAGS[f].bars and FLAGS[f].kind == "note"]
        return f"无法比较：{reason or self.clauses(why) or '数据不允许'}"

    # ---- ratios ----------------------------------------------------------------------------------------------

    def change(self, ratio: float, low: float | None, high: float | None, what: Quantity) -> tuple[str, str]:
        """Return a ratio and its interval in words, e.g. ``("低 38 %", "34 % 至 42 %")``; an open end is None."""
        if ratio >= TIMES:
            head = f"{self._multiple(ratio, low, high)} {what.times}"
            if low == 1 and high is not None:
                return head, f"至多 {self._multiple(high, low, high)}"
            left = digits.MISSING if low is None else self._multiple(low, low, high)
            right = "∞" if high is None else self._multiple(high, low, high)
            return head, f"{left} 至 {right}"
        head = f"{what.more if ratio > 1 else what.less} {digits.away_from_one(ratio, low, high)}"
        if low is not None and high is not None and high < digits.MULTIPLE and (low >= 1 or high <= 1):
            near, far = sorted((low, high), key=lambda end: abs(end - 1))
            most = digits.away_from_one(far, low, high)
            return head, f"至多 {most}" if near == 1 else f"{digits.away_from_one(near, low, high)} 至 {most}"
        left = self._side(low, low, high, what, "无下限")
        right = self._side(high, low, high, what, "无上限")
        return head, str(typeset(text(f"{left}至{right}")))

    def _multiple(self, value: float, low: float | None, high: float | None) -> str:
        return digits.rounded(value, digits.ratio_decimals(value, low, high))

    def _side(
        self, end: float | None, low: float | None, high: float | None, what: Quantity, open_end: str
    ) -> str:
        if end is None:
            return open_end
        if end >= TIMES:
            return f"{self._multiple(end, low, high)} {what.times}"
        return f"{what.more if end >= 1 else what.less} {digits.away_from_one(end, low, high)}"

    def factor(self, part: Interval) -> str:
        """Say what the interval of one factor of a ratio says, and no more."""
        if not (part.high < float("inf") and part.low > 0):
            return "区组太少，无法判断"
        head, ends = self.change(part.estimate, part.low, part.high, self.quantity("goodput_bps"))
        return f"可能没有影响（{ends}）" if part.low <= 1 <= part.high else f"{head}（{ends}）"

    # ---- several comparisons ---------------------------------------------------------------------------------

    def headline(self, row: Row, names: Text, several: bool) -> Text:
        """Return a title: what modes of one verdict do, without a number."""
        if row["verdict"] == "equivalent":
            noun = self.quantity(row["metric"], row["stat"]).noun
            return typeset(text(names, f"的{noun}与", self.baseline(row["baseline"]), "相同"))
        return typeset(text(names, self.claim(row, sized=False)))

    def cost(self, rows: Sequence[Row]) -> Text:
        """Say what one mode costs in each of several places, in one sentence without its stop."""
        first, *others = rows
        noun, base = self.quantity(first["metric"], first["stat"]).noun, self.baseline(first["baseline"])
        parts = [text(self.placement(first["placement"]), self._compared(first, base), self._within(first))]
        parts += [
            text(self.placement(row["placement"]), self._change(row)[0], self._within(row)) for row in others
        ]
        return typeset(text(self.named(first), f"的{noun}，", joined(self.COMMA, parts)))

    def _within(self, row: Row) -> str:
        return f"（{self._change(row)[1]}）"

    def control(self, rows: Sequence[Row], header: Mapping[str, Any]) -> Text:
        """Say what the A/A control showed: the bench's own noise, and whether it saw what is not there."""
        aa = header["aa"]
        if not aa["tables"]:
            return text("基线没有再测一次，因此测试台自身的噪声无从得知。")
        primary = header["family"]["primary"] or {}
        controls = [r for r in rows if r["family"] == "aa"]
        own = [r for r in controls if all(r.get(k) == v for k, v in primary.items() if v)] or controls[:2]
        ratios = self.clauses(
            f"{self.placement(r['placement'])} {digits.ratio(r['ratio'], r['ci_low'], r['ci_high'])}"
            for r in own
            if r.get("ratio") is not None
        )
        head = text(
            "每个区组中 ",
            self.mode(rows[0]["baseline"] if rows else header["baseline"]),
            " 都测量了两次，第二次用盲标签",
            text("：它与自己之比为", ratios) if ratios else "",
            "。",
        )
        if not aa["judged"]:
            return text(head, "区组太少，无法据此判断。")
        return text(
            head,
            f"{self.count(aa['judged'], 'such_table')}中有 {aa['different']} 张判为有差异，"
            f"纯属偶然时预期 {aa['expected_by_chance']:.2g} 张。",
        )

    def alt(self, rows: Sequence[Row]) -> str:
        """Describe a picture of ratios in at most two sentences: what is compared, and the finding."""
        if not rows:
            return "没有数据。"
        places = list(dict.fromkeys(r["placement"] for r in rows))
        found = joined(
            "；",
            [
                f"{self.placement(place)}：{self.tally([r for r in rows if r['placement'] == place])}"
                for place in places
            ],
        )
        return (
            f"{self.count(len({r['mode'] for r in rows}), 'mode')}的"
            f"{self.quantity(rows[0]['metric'], rows[0]['stat']).noun}与 {rows[0]['baseline']} 之比，附同时置信区间，"
            f"位置为{self.listing([self.placement(place) for place in places])}。{found}。"
        )
