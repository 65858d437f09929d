"""Whether more replicas of a server beat a faster mode, and what stops them.

Of a study that varies ``replicas`` behind one Service. What is said rests on the ratio within blocks of two treatments,
the mode that is slowest alone, with the most replicas, and the one that is fastest alone, with its exact interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.chapters import http
from cnilab.report.figures import replicas as figure
from cnilab.report.language import Language
from cnilab.report.language.text import Said, Text, text
from cnilab.report.record import Record
from cnilab.stats.ratio import Interval, hodges_lehmann

REPLICAS, SPREAD, BUSY = "replicas", "spread", "cpu_busy_ratio"
#: Share of its CPU time from which on a machine counts as full.
_FULL = 0.95


@dataclass(frozen=True)
class Step:
    """One number of replicas under one mode: medians over blocks, and the logarithm of each block's capacity."""

    mode: str
    kernel_path: str | None
    placement: str
    spread: str
    replicas: int
    rate: float
    latency_s: float | None
    cpu_s: float | None
    busy: float | None
    logs: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """The slowest mode with the most replicas against the fastest with the fewest, by block.

    ``alone`` is the same ratio with the fewest for both: one mode is the faster only if its interval says so.
    """

    slow: Step
    fast: Step
    ratio: Interval
    alone: Interval


def applies(run: Record) -> Fact | None:
    """Where a server's capacity was measured at several numbers of replicas."""
    return None if len({x.replicas for x in steps(run)}) > 1 else Fact("no_replicas")


def content(run: Record, language: Language) -> list[Block]:
    """Return the answer of each placement and spread, a table and a figure."""
    found = steps(run)
    items: list[tuple[Said, tuple[Said, ...]]] = []
    for place, spread in dict.fromkeys((x.placement, x.spread) for x in found):
        here = [x for x in found if (x.placement, x.spread) == (place, spread)]
        items.append((_where(here[0], language), tuple(_sentences(here, run.study.alpha, language))))
    return [
        Heading(language.word("replicas.title"), "replicas"),
        Facts(tuple(items), "said"),
        Paragraph(language.say("replicas.intro")),
        parts(found, run.study.alpha, language),
        figure.picture(found, language, data=parts(found, run.study.alpha, language, id="fig-replicas-data")),
    ]


def _where(step: Step, language: Language) -> str:
    return f"{language.placement(step.placement)}{language.COMMA}{language.word(f'replicas.{step.spread}')}"


def steps(run: Record) -> list[Step]:
    """Return every mode and number of replicas that has a capacity, in the order of the study's levels."""
    test = http.closed(run)
    if test is None or REPLICAS not in run.study.varying:
        return []
    label = next((x for _, x in http.opened(run)), None)
    out = []
    for place in run.placements:
        rates = run.table(http.RATE, "value", test.name, place)
        if rates is None:
            continue
        cpu = http.medians(run, http.CPU, "value", test.name, place)
        latency = {} if label is None else http.medians(run, http.LATENCY, "p50", label, place)
        busy = _busy(run, test.name, place)
        for treatment in rates.modes:
            levels = rates.treatments.get(treatment, {})
            values = rates.values[rates.row(treatment)]
            if treatment in run.cells.twins or REPLICAS not in levels or np.isnan(values).all():
                continue
            mode = str(levels["mode"])
            logs = {str(b): float(v) for b, v in zip(rates.blocks, values, strict=True) if np.isfinite(v)}
            out.append(
                Step(
                    mode,
                    run.kernel_paths.get(mode),
                    place,
                    str(levels.get(SPREAD, "one_node")),
                    int(levels[REPLICAS]),
                    float(np.exp(np.median(list(logs.values())))),
                    latency.get(treatment),
                    cpu.get(treatment),
                    busy.get((mode, int(levels[REPLICAS]), levels.get(SPREAD))),
                    logs,
                )
            )
    order = {m: i for i, m in enumerate(run.study.modes)}
    return sorted(out, key=lambda x: (x.placement, x.spread != "one_node", order[x.mode], x.replicas))


def _busy(run: Record, test: str, place: str) -> dict[tuple, float]:
    """Return how busy the machine was while the capacity was measured: the median of each treatment's trials."""
    s = run.samples
    mine = s[(s["metric"] == BUSY) & (s["test"] == test) & (s["placement"] == place) & ~s["twin"]]
    keys = [k for k in ("mode", REPLICAS, SPREAD) if k in mine]
    found = mine.groupby(keys, observed=True)["value"].median()
    return {(k[0], int(k[1]), k[2] if len(k) > 2 else None): float(v) for k, v in found.items()}


def answer(found: Sequence[Step], alpha: float) -> Answer | None:
    """Compare the slowest mode with the most replicas with the fastest mode with one; None where it cannot be."""
    least, most = min(x.replicas for x in found), max(x.replicas for x in found)
    alone = sorted((x for x in found if x.replicas == least), key=lambda x: x.rate)
    if len(alone) < 2:
        return None
    slow = next((x for x in found if x.mode == alone[0].mode and x.replicas == most), None)
    apart = _against(alone[0], alone[-1], alpha)
    ratio = None if slow is None else _against(slow, alone[-1], alpha)
    return None if slow is None or ratio is None or apart is None else Answer(slow, alone[-1], ratio, apart)


def _against(one: Step, other: Step, alpha: float) -> Interval | None:
    apart = [one.logs[b] - other.logs[b] for b in one.logs if b in other.logs]
    if not apart:
        return None
    log = hodges_lehmann(np.array(apart), alpha)
    middle, low, high = (float(np.exp(v)) for v in (log.estimate, log.low, log.high))
    return Interval(middle, low, high, log.level, log.n)


def _sentences(found: Sequence[Step], alpha: float, language: Language) -> list[Said]:
    said: list[Said] = []
    if (told := answer(found, alpha)) is not None:
        said.append(sentence(told, language))
    full = max(found, key=lambda x: x.rate)
    if full.busy is not None:
        key = "replicas.cpu" if full.busy >= _FULL else "replicas.not_cpu"
        said.append(
            language.say(
                key, mode=language.mode(full.mode, full.kernel_path), n=full.replicas, busy=f"{full.busy:.0%}"
            )
        )
    return said


def sentence(found: Answer, language: Language) -> Text:
    """Say what the intervals say: more replicas beat the faster mode, do not, it is open, or no mode is faster."""
    ratio = found.ratio
    key = "beat" if ratio.low > 1 else "beaten" if ratio.high < 1 else "open"
    key = key if found.alone.high < 1 else "no_faster"
    shown = digits.ratio(*_bounded(ratio))
    return language.say(
        f"replicas.{key}",
        slow=language.mode(found.slow.mode, found.slow.kernel_path),
        fast=language.mode(found.fast.mode, found.fast.kernel_path),
        most=found.slow.replicas,
        least=found.fast.replicas,
        ratio=shown,
        alone=digits.ratio(*_bounded(found.alone)),
    )


def parts(found: Sequence[Step], alpha: float, language: Language, id: str = "replicas-table") -> Table:
    """Return every step as a table, each against the same mode's fewest replicas."""
    head = [
        *(language.word(f"replicas.{key}") for key in ("mode", "count")),
        language.word("http.rate"),
        language.word("replicas.ratio"),
        language.word("replicas.latency"),
        language.word("http.cpu"),
        language.word("replicas.busy"),
    ]
    rows = []
    for x in found:
        mine = [y for y in found if (y.mode, y.placement, y.spread) == (x.mode, x.placement, x.spread)]
        told = None if x is mine[0] else _against(x, mine[0], alpha)
        rows.append(
            (
                str(text(language.mode(x.mode, x.kernel_path))),
                str(x.replicas),
                f"{x.rate:,.0f}",
                "–" if told is None else digits.ratio(*_bounded(told)),
                http.time(x.latency_s),
                http.time(x.cpu_s),
                "–" if x.busy is None else f"{x.busy:.0%}",
            )
        )
    return table(
        id,
        language.word("replicas.caption", level=f"{1 - alpha:.0%}"),
        head,
        rows,
        groups=[_where(x, language) for x in found],
        right=range(1, len(head)),
    )


def _bounded(found: Interval) -> tuple[float, float | None, float | None]:
    low, high = (v if np.isfinite(v) and v > 0 else None for v in (found.low, found.high))
    return found.estimate, low, high
