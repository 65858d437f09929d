"""What others published of the same modes, each figure with its conditions, beside this study's own ratio.

A band to read by, never a criterion: no verdict, no mark and no colour comes of it.
"""

from __future__ import annotations

from cnilab import digits
from cnilab.facts import Fact
from cnilab.published import Figure, figures
from cnilab.report.blocks import Block, Heading, Paragraph, Table, table
from cnilab.report.language import Language
from cnilab.report.language.about import substitutes
from cnilab.report.record import Record


def applies(run: Record) -> Fact | None:
    """Where somebody has published a figure of a mode of this study."""
    return None if _shown(run) else Fact("nothing_published")


def content(run: Record, language: Language) -> list[Block]:
    """Return the note on how to read them, and the table."""
    return [
        Heading(language.word("published.title"), "published"),
        Paragraph(language.say("published.intro")),
        _table(run, language),
    ]


def _shown(run: Record) -> list[Figure]:
    return [f for f in figures() if f.mode in run.study.modes]


def _table(run: Record, language: Language) -> Table:
    columns = ("mode", "published", "published_ratio", "here", "conditions", "source")
    return table(
        "published-table",
        language.word("published.caption"),
        [language.word(f"column.{c}") for c in columns],
        [
            (
                f.mode,
                _value(f, language),
                language.word(
                    "published.ratio", ratio=digits.rounded(f.ratio, 2), base=language.mode(f.against)
                )
                if f.ratio is not None and f.against
                else digits.MISSING,
                _here(f, run, language),
                f.conditions,
                f.source if f.year is None else f"{f.source}{language.COMMA}{f.year}",
            )
            for f in _shown(run)
        ],
        groups=[language.quantity(f.metric, f.stat).Noun for f in _shown(run)],
        right=(1, 2, 3),
    )


def _value(figure: Figure, language: Language) -> str:
    if figure.value is None:
        return digits.MISSING
    scale = digits.scale_of([figure.value], figure.unit)
    return f"{digits.rounded(figure.value / scale.factor, None)}{digits.THIN}{scale.label}"


def _here(figure: Figure, run: Record, language: Language) -> str:
    """Return this study's ratio of the same two modes, metric and number of streams; a stand-in's is marked."""
    for row in run.select(figure.metric, figure.stat):
        same = (row["mode"], row["baseline"], row["placement"]) == (
            figure.mode,
            figure.against,
            figure.placement,
        )
        if same and figure.streams in (None, run.streams(row["test"])) and row["ratio"] is not None:
            marks = [language.word(f"mark.{path}") for path in substitutes(row["kernel_path"])]
            ratio = digits.ratio(row["ratio"], row["shown_low"], row["shown_high"])
            return language.COMMA.join([ratio, *marks])
    return digits.MISSING
