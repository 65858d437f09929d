"""How it was measured and judged, with this study's own numbers, and how its trials ended."""

from __future__ import annotations

import pandas as pd

from cnilab import digits
from cnilab.facts import Fact
from cnilab.modes import order
from cnilab.report.blocks import Block, Facts, Heading, Table, table
from cnilab.report.language import Language
from cnilab.report.language.text import Said
from cnilab.report.record import Record
from cnilab.stats.beside import BENCH_FAILED
from cnilab.stats.subjects import NOT_CROSSING

#: How a trial can end, in the order of the columns.
_ENDS = ("ok", "not_crossing", "failed", "timeout", "bench_failed", "skipped")


def applies(run: Record) -> Fact | None:
    """Every run was made in some way."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return the method step by step, and the table of trials."""
    study, header = run.study, run.header
    stopped, family = run.manifest.get("stopped"), header["family"]["size"]
    steps: dict[str, Said] = {
        "design": language.say(
            "method.design.blocks",
            blocks=language.count(study.blocks, "block"),
            deployments=language.count(len(study.treatments), "deployment"),
            seed=study.seed,
            base=language.mode(study.baseline),
            twin=language.word("method.design.twin") if study.aa else "",
            stop=language.word("method.design.stop", block=stopped["before_block"]) if stopped else "",
        ),
        "trials": language.say(
            "method.trials.each",
            tests=_tests(run, language),
            places=language.listing(language.placement(p).lower() for p in study.placements),
        ),
        "sample": language.say("method.sample.cell"),
        "estimate": language.say(
            "method.estimate.ratio",
            over=language.word("method.estimate.family", n=family)
            if family
            else language.word("method.estimate.tables"),
        ),
        "judged": language.say(
            "method.judged.by",
            alpha=f"{header['alpha']:g}",
            margin=digits.margin(header["margin"]),
            when=language.word(f"method.margin.{'before' if header['margin_declared'] else 'after'}"),
        ),
        "verdicts": language.say("method.verdicts.three"),
    }
    return [
        Heading(language.word("method.title"), "method"),
        Facts(tuple((language.word(f"method.{step}"), (said,)) for step, said in steps.items()), "method"),
        trials(run.samples, run.kernel_paths, language),
    ]


def _tests(run: Record, language: Language) -> Said:
    return language.listing(
        language.word(
            "method.test",
            name=t.name,
            tool=t.tool,
            seconds=f"{t.duration_s:g}",
            streams=language.word("method.test.streams", n=t.streams) if t.streams > 1 else "",
        )
        for t in run.study.tests
    )


def trials(samples: pd.DataFrame, kernel_paths: dict[str, str], language: Language) -> Table:
    """Return how many trials ended how, a line per mode; the baseline's blind copy has its own."""
    frame, ended = samples.drop_duplicates("trial_id"), endings(samples)
    counts = pd.crosstab([frame["mode"], frame["twin"]], ended)
    ends = [end for end in _ENDS if end in counts]
    return table(
        "trials",
        language.word("trials.caption"),
        [language.word("column.mode"), *(language.word(f"ended.{end}") for end in ends)],
        [
            (
                str(language.mode(mode, kernel_paths.get(mode), twin=twin)),
                *(str(counts.at[(mode, twin), end]) for end in ends),
            )
            for mode in order(frame["mode"])
            for twin in (False, True)
            if (mode, twin) in counts.index
        ],
        right=range(1, len(ends) + 1),
    )


def endings(samples: pd.DataFrame) -> pd.Series:
    """Return how each trial ended, a key of the language's ``ended`` each.

    Neither has a mode failed that does not cross subnets by design, nor one on a bench that failed.
    """
    frame = samples.drop_duplicates("trial_id")
    code = frame["reason_code"].fillna("")
    bench = code.map(lambda c: Fact(c).within(BENCH_FAILED))
    return frame["status"].mask(code == NOT_CROSSING, "not_crossing").mask(bench, "bench_failed")
