"""The price list: what each mode costs beside the baseline, in the order of this study's evidence."""

from __future__ import annotations

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.blocks import Amount, Block, Cell, Heading, Paragraph, Table, table
from cnilab.report.language import Language
from cnilab.report.language.about import interval, shown_as, substitutes, why_absent
from cnilab.report.pricing import COLUMNS, Line, Place, Prices, prices
from cnilab.report.record import Record
from cnilab.stats.metrics import describe
from cnilab.units import Scale


def applies(run: Record) -> Fact | None:
    """Where anything was compared."""
    return None if run.compared(run.rows) else Fact("nothing_compared")


def content(run: Record, language: Language) -> list[Block]:
    """Return a list per placement, and what was not measured."""
    found = prices(run)
    out: list[Block] = [
        Heading(language.word("prices.title"), "prices"),
        Paragraph(language.say("prices.intro", base=language.mode(run.study.baseline)), "note"),
    ]
    out += [_list(one, language) for one in found]
    measured = {column[:2] for one in found for column in one.columns}
    missing = [language.quantity(*column).noun for column in COLUMNS if column not in measured and column in _ASKED]
    if missing:
        out.append(Paragraph(language.say("prices.not_measured", what=language.listing(missing)), "note"))
    return out


#: What a reader expects in a price list and is told of where it was not measured.
_ASKED = (
    ("goodput_bps", "value"), ("rtt_s", "p50"), ("rtt_s", "p99"), ("transaction_rate_per_s", "value"),
    ("cpu_s_per_byte", "value"), ("cpu_s_per_transaction", "value"),
)  # fmt: skip
#: Of these one full core is a ceiling.
_CAPPED = ("goodput_bps", "throughput_bps")


def _list(found: Prices, language: Language) -> Table:
    """Return one placement's list: the baseline's line, the others, and below a line the stand-ins."""
    where = language.placement(found.placement)
    scales = {column[:2]: _scale(found, column[:2]) for column in found.columns}
    standin = language.word("answer.standins", where=where)
    base: list[Cell] = [str(language.mode(found.baseline)), _place(found.baseline_place, language)]
    base += [_own(found, column[:2], scales, language) for column in found.columns]
    rows: list[tuple[list[Cell], str]] = [([*base, *_wire(found, found.baseline_wire, language)], "")]
    for line in found.lines:
        cells: list[Cell] = [str(language.mode(line.mode, line.kernel_path)), _place(line.place, language)]
        cells += [
            _cell(line, column[:2], scales, (line.mode, column[2]) in found.ceilings, language)
            for column in found.columns
        ]
        stands_in = bool(substitutes(line.kernel_path))
        rows.append(([*cells, *_wire(found, line.wire, language)], standin if stands_in else ""))
    tests = dict.fromkeys(column[2] for column in found.columns)
    return table(
        f"prices-{found.placement}".replace("_", "-"),
        language.word(
            "prices.caption", where=where, base=language.mode(found.baseline), tests=language.listing(tests)
        ),
        [
            language.word("column.mode"),
            language.word("column.place"),
            *(_head(column, scales, language) for column in found.columns),
            *[language.word("column.wire")] * bool(found.baseline_wire),
        ],
        [cells for cells, _ in rows],
        groups=[group for _, group in rows],
        right=range(1, 2 + len(found.columns) + bool(found.baseline_wire)),
    )


def _head(column: tuple[str, str, str], scales: dict[tuple[str, str], Scale], language: Language) -> str:
    """Return a column's head: what, in which unit, and which way is better."""
    metric, stat, _ = column
    better = {"higher": "↑", "lower": "↓"}.get(describe(metric).direction or "", "")
    unit = scales[metric, stat].label
    return f"{language.quantity(metric, stat).noun}{f', {unit}' if unit else ''} {better}".rstrip()


def _scale(found: Prices, key: tuple[str, str]) -> Scale:
    rows = [line.rows[key] for line in found.lines if key in line.rows]
    return digits.scale_of((r["centre"] for r in rows), rows[0]["unit"])


def _place(place: Place | None, language: Language) -> str:
    if place is None:
        return digits.MISSING
    span = str(place.low) if place.low == place.high else f"{place.low}–{place.high}"
    return language.word("n_of_m", n=span, m=place.of)


def _own(
    found: Prices, key: tuple[str, str], scales: dict[tuple[str, str], Scale], language: Language
) -> Cell:
    """Return the baseline's own value, with its interval."""
    row = next(line.rows[key] for line in found.lines if key in line.rows)
    ends = row["baseline_centre_low"], row["baseline_centre_high"]
    return digits.centre(row["baseline_centre"], *ends, scales[key])


def _cell(
    line: Line, key: tuple[str, str], scales: dict[tuple[str, str], Scale], capped: bool, language: Language
) -> Cell:
    """Return the ratio to the baseline with its interval and verdict, the mode's own value beside it; or why not."""
    row = line.rows.get(key)
    if row is None:
        return language.word("absent.no_rows")
    shown = shown_as(row)
    if row["ratio"] is None or why_absent(row):
        return language.short_verdict(row)
    scale = scales[key]
    own = digits.centre(row["centre"], row["centre_low"], row["centre_high"], scale).partition(" ")[0]
    return Amount(
        shown.sign,
        language.short_verdict(row),
        shown.kind,
        digits.ratio(row["ratio"], *interval(row)),
        f"{own}{digits.THIN}{scale.label}".rstrip(),
        language.word("prices.ceiling") if key[0] in _CAPPED and capped else "",
    )


def _wire(found: Prices, bytes_per_byte: float | None, language: Language) -> list[Cell]:
    """Return the cell of bytes on the wire, none at all where the list has no wire."""
    if found.baseline_wire is None:
        return []
    return [digits.MISSING if bytes_per_byte is None else f"{bytes_per_byte:.3f}"]
