"""What cannot be told, what the bench itself did, and every doubt."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Details, Heading, Mark, Paragraph, Table, table
from cnilab.report.chapters.table import verdict
from cnilab.report.figures import disturbers as others
from cnilab.report.figures import time_order
from cnilab.report.language import Language
from cnilab.report.language.about import interval
from cnilab.report.language.text import text
from cnilab.report.record import Record
from cnilab.runs.run import Run
from cnilab.verdicts import FLAGS

_SIGNS = {"serious": "!!", "warning": "!", "info": "i"}
#: Flags that other columns of the table say already.
_SAID = ("blocks_missing", "difference_scale", *(f.code for f in FLAGS.values() if f.kind == "absence"))


def applies(run: Record) -> Fact | None:
    """Every run has limits."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return the control, the findings, the order of time, and every comparison."""
    out: list[Block] = [
        Heading(language.word("limits.title"), "limits"),
        Paragraph(language.control(run.rows, run.header)),
    ]
    if run.study.testbed == "lab":
        out.append(Paragraph(language.say("limits.lab")))
    out += [
        findings(run.warnings, language)
        if len(run.warnings)
        else Paragraph(language.say("limits.nothing_found")),
        Heading(language.word("limits.steady"), level=3),
        steady(run, language),
        *disturbers(run.run, language),
        Details(language.word("limits.everything", n=len(run.rows)), (everything(run, language),)),
    ]
    return out


def steady(run: Record, language: Language) -> Block:
    """Return the figure of the primary metric in the order of time, or a sentence where nothing was measured."""
    p, warnings = run.study.primary, run.warnings
    tables = {place: run.table(p.metric, p.stat, p.test, place) for place in run.placements}
    series = {place: time_order.relative(cells) for place, cells in tables.items() if cells is not None}
    if not series:
        return Paragraph(language.say("limits.not_known"))
    moved = (warnings["code"] == "bench_moved") & (warnings["severity"] == "warning")
    return time_order.picture(
        series,
        language,
        metric=p.metric,
        stat=p.stat,
        test=p.test,
        baseline=run.study.baseline,
        twin=next(
            (t for c in tables.values() if c for t, of in c.twins.items() if of == run.study.baseline), None
        ),
        flagged=int(moved.sum()),
    )


def disturbers(run: Run, language: Language) -> list[Block]:
    """Return what else the machine did, where it was watched, else nothing."""
    if run.watched.empty:
        return []
    strip = others.over_time(run.watched, [int(state) for state in run.state_of])
    return [others.picture(strip, run.states.borders, language)]


def _scope(row: dict[Any, Any], language: Language) -> str:
    """Name what a finding is about, as far as it is about a part of the run."""
    parts = {k: str(row[k]) for k in ("trial_id", "mode", "placement", "test") if not pd.isna(row[k])}
    if "placement" in parts:
        parts["placement"] = language.placement(parts["placement"]).lower()
    return language.COMMA.join(parts.values()) or language.word("the_whole_run")


def findings(found: pd.DataFrame, language: Language) -> Table:
    """Return what was found when the run was looked over, serious things first."""
    return table(
        "warnings",
        language.word("findings.caption", findings=language.count(len(found), "finding")),
        [language.word(f"column.{c}") for c in ("weight", "where", "what", "helps")],
        [
            (
                Mark(
                    _SIGNS[r["severity"]], language.word(f"severity.{r['severity']}"), r["severity"], "weight"
                ),
                _scope(r, language),
                str(text(language.tell(Fact.from_json(r["fact"]))).capitalised),
                "" if pd.isna(r["remedy"]) else str(language.tell(Fact.from_json(r["remedy"]))),
            )
            for r in found.to_dict("records")
        ],
    )


def everything(run: Record, language: Language) -> Table:
    """Return every comparison that was made, controls too, a line each."""
    columns = (
        "mode", "where", "test", "metric", "family", "ratio_or_difference", "blocks", "p_holm", "verdict", "notes",
    )  # fmt: skip
    return table(
        "everything",
        language.word("everything.caption"),
        [language.word(f"column.{c}") for c in columns],
        [
            (
                str(language.mode(r["mode"], r["kernel_path"], twin=r["twin"])),
                language.placement(r["placement"]),
                r["test"] or digits.MISSING,
                r["metric"] + ("" if r["stat"] == "value" else f", {r['stat']}"),
                language.word(f"family.{r['family']}"),
                digits.ratio(r["ratio"], *interval(r))
                if r["scale"] == "log"
                else digits.difference(r["difference"], *interval(r)),
                language.word("n_of_m", n=f"{r['n_used']:.0f}", m=f"{r['n_blocks']:.0f}"),
                digits.p_value(r["p_holm"]),
                verdict(r, language),
                language.SEMICOLON.join(language.flag(f) for f in r["flags"] if f not in _SAID),
            )
            for r in run.rows
        ],
        right=(5, 6, 7),
    )
