"""Comparisons as a table, a line a mode, and a verdict in one; chapters show them."""

from __future__ import annotations

from collections.abc import Sequence

from cnilab import digits
from cnilab.report.blocks import Mark, Table, table
from cnilab.report.language import Language
from cnilab.report.language.about import Row, interval, shown_as


def verdict(row: Row, language: Language) -> Mark:
    """Return a verdict for a table: sign, words, and a tone that says what the words already say."""
    shown = shown_as(row)
    return Mark(shown.sign, language.short_verdict(row), shown.kind)


def comparisons(rows: Sequence[Row], language: Language, id: str = "answer-table") -> Table:
    """Return the comparisons of one metric, stat and test, in the order given: a line per mode, parted by placement."""
    first = rows[0]
    quantity, scale = (
        language.quantity(first["metric"], first["stat"]),
        digits.scale_of((r["centre"] for r in rows), first["unit"]),
    )
    base = language.mode(first["baseline"])
    level = next((r["sim_ci_level"] for r in rows if r["sim_ci_level"]), None)
    caption = language.word("table.about", Noun=quantity.Noun, test=first["test"], base=base)
    caption += language.word("table.simultaneous")
    if level and level < 0.9999:
        caption += language.word("table.level", level=f"{level:.1%}")
    return table(
        id,
        caption,
        [
            language.word("column.mode"),
            language.word("column.with_unit", noun=quantity.noun, unit=scale.label)
            if scale.label
            else quantity.noun,
            language.word("column.ratio_to", base=base),
            language.word("column.below" if first["direction"] == "lower" else "column.above"),
            language.word("column.p_holm"),
            language.word("column.p_same"),
            language.word("column.verdict"),
        ],
        [
            (
                str(language.mode(r["mode"], r["kernel_path"])),
                digits.centre(r["centre"], r["centre_low"], r["centre_high"], scale),
                digits.ratio(r["ratio"], *interval(r)),
                digits.MISSING
                if (n := r["higher"] if r["direction"] is None else r["wins"]) is None
                else language.word("n_of_m", n=f"{n:.0f}", m=f"{r['n_used']:.0f}"),
                digits.p_value(r["p_holm"]),
                digits.p_value(r["p_equivalence_holm"]),
                verdict(r, language),
            )
            for r in rows
        ],
        groups=[language.placement(r["placement"]) for r in rows],
        right=range(1, 6),
    )
