"""What an application notices: requests a second at most, and how long one takes at a share of that.

Of a study that loads a web server. Capacity is a closed loop's; latency is an open loop's at a share of each mode's own
capacity, counted from the moment each request was due. A saturated trial has no latency and is counted. Ratios
and verdicts are the comparisons'; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnilab import digits, modes
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Heading, Paragraph, Table, table
from cnilab.report.figures import http as figure
from cnilab.report.language import Language
from cnilab.report.language.text import Said, text
from cnilab.report.record import Record
from cnilab.stats.projection import label_of_test
from cnilab.study import Test
from cnilab.study.factors import FACTORS

RATE, LATENCY, BOUND, CPU = "request_rate_per_s", "latency_s", "latency_at_least_s", "cpu_s_per_request"
_CLOSED, _OPEN = "http_load", "http_rate"
#: A quantile is shown where at least this many requests lie beyond it in each trial.
_BEYOND = 100
_TAILS = (("p99", 0.99), ("p90", 0.9))


@dataclass(frozen=True)
class Latency:
    """Latency at one load: medians over blocks in seconds, and the trials that were saturated of all."""

    load: float
    p50: float | None
    tail: float | None
    saturated: int
    trials: int


@dataclass(frozen=True)
class Row:
    """One treatment in one placement: requests a second in each block, its ratio to the baseline, latency by load."""

    label: str
    mode: str
    kernel_path: str | None
    placement: str
    rates: tuple[float, ...]
    ratio: tuple[float | None, float | None, float | None]
    cpu_s: float | None
    latencies: tuple[Latency, ...]

    @property
    def rate(self) -> float:
        return float(np.median(self.rates))


def applies(run: Record) -> Fact | None:
    """Where a web server's capacity was measured."""
    return None if rows(run) else Fact("no_http_load")


def content(run: Record, language: Language) -> list[Block]:
    """Return what was found as sentences, a table and a figure."""
    found, top = rows(run), ceiling(run)
    tail = tail_of(run)
    shown = parts(found, tail, run, language)
    items: list[tuple[Said, tuple[Said, ...]]] = [
        (language.placement(place), tuple(_sentences([x for x in found if x.placement == place], tail, language)))
        for place in dict.fromkeys(x.placement for x in found)
    ]
    out: list[Block] = [
        Heading(language.word("http.title"), "http"),
        Facts(tuple(items), "said"),
        Paragraph(language.say("http.intro")),
    ]
    if top:
        reached = max(x.rate for x in found) / top
        key = "http.ceiling_near" if reached > 0.7 else "http.ceiling"
        out.append(Paragraph(language.say(key, rate=f"{top:,.0f}", share=f"{reached:.0%}"), "note"))
    data = parts(found, tail, run, language, id="fig-http-data")
    return [*out, shown, figure.picture(found, top, language, data=data)]


def closed(run: Record) -> Test | None:
    """Return the test that finds the capacity: the first closed loop over the network, with kept connections."""
    return next(
        (t for t in run.study.tests if t.kind == _CLOSED and not {"over", "connection"} & set(t.options)), None
    )


def opened(run: Record) -> list[tuple[float, str]]:
    """Return each load that was offered with the label of its test."""
    varied = {n: v for n, v in run.study.factors.items() if FACTORS[n].where != "deployment"}
    plain = {name: FACTORS[name].order(levels)[0] for name, levels in varied.items()}
    out = {}
    for test, levels in run.study.tested:
        if test.kind == _OPEN and test.options.get("over") != "loopback":
            named = {n: v for n, v in levels.items() if plain[n] != v}
            load = levels.get("load", test.options.get("load", 0 if "offered_per_s" in test.options else 0.5))
            if float(load):
                out[float(load)] = label_of_test(test.name, named)
    return sorted(out.items())


def rows(run: Record) -> list[Row]:
    """Return every treatment whose capacity was measured, in the catalogue's order within placements."""
    test = closed(run)
    if test is None:
        return []
    out = []
    counted = _saturated(run)
    for place in run.placements:
        rates = run.table(RATE, "value", test.name, place)
        if rates is None:
            continue
        ratios = {r["mode"]: r for r in run.select(RATE, "value", test.name) if r["placement"] == place}
        cpu = medians(run, CPU, "value", test.name, place)
        by_load = {
            load: (
                medians(run, LATENCY, "p50", label, place),
                medians(run, LATENCY, tail_of(run), label, place),
                label,
            )
            for load, label in opened(run)
        }
        for label in rates.modes:
            values = rates.values[rates.row(label)]
            if label in run.cells.twins or np.isnan(values).all():
                continue
            mode = str(rates.treatments.get(label, {"mode": label})["mode"])
            row = ratios.get(label)
            ratio = (row["ratio"], row["ci_low"], row["ci_high"]) if row else (None, None, None)
            latencies = tuple(
                Latency(load, p50.get(label), tail.get(label), *counted.get((label, place, test_label), (0, 0)))
                for load, (p50, tail, test_label) in by_load.items()
            )
            measured = tuple(np.exp(values[~np.isnan(values)]))
            out.append(
                Row(label, mode, run.kernel_paths.get(mode), place, measured, ratio, cpu.get(label), latencies)
            )
    order = {mode: i for i, mode in enumerate(modes.order({x.mode for x in out}))}
    return sorted(out, key=lambda x: (run.placements.index(x.placement), order[x.mode]))


def tail_of(run: Record) -> str:
    """Return the highest quantile that enough requests lie beyond in every trial; empty where none is."""
    done = run.samples[(run.samples["metric"] == RATE) & (run.samples["status"] == "ok")]
    tests = {t.name for t in run.study.tests if t.kind == _OPEN and t.options.get("over") != "loopback"}
    mine = done[done["test"].isin(tests)]
    if mine.empty:
        return ""
    fewest = float((mine["value"] * mine["duration_s"]).min())
    return next((stat for stat, share in _TAILS if fewest * (1 - share) >= _BEYOND), "")


def ceiling(run: Record) -> float | None:
    """Return what the generators reach over loopback, the median of all trials, or None where it was not measured."""
    tests = [t.name for t in run.study.tests if t.options.get("over") == "loopback"]
    done = run.samples[(run.samples["metric"] == RATE) & run.samples["test"].isin(tests)]
    values = done.loc[done["status"] == "ok", "value"]
    return float(values.median()) if len(values) else None


def medians(run: Record, metric: str, stat: str, test: str, place: str) -> dict[str, float]:
    """Return each treatment's median over its blocks; one without a value is absent."""
    found = run.table(metric, stat, test, place) if stat else None
    if found is None:
        return {}
    middle = {label: found.values[found.row(label)] for label in found.modes}
    back = np.exp if found.scale == "log" else np.asarray
    return {k: float(back(np.nanmedian(v))) for k, v in middle.items() if not np.isnan(v).all()}


def _saturated(run: Record) -> Mapping[tuple[str, str, str], tuple[int, int]]:
    """Return (treatment, placement, test) -> trials that were saturated, and all that gave a value."""
    from cnilab.stats.projection import project

    laid = project(run.samples, run.run.view)
    frame = laid.frame[laid.frame["metric"].isin([LATENCY, BOUND]) & (laid.frame["stat"] == "mean")]
    out = {}
    for (label, place, test), group in frame.groupby(["mode", "placement", "test"], observed=True):
        out[str(label), str(place), str(test)] = (int((group["metric"] == BOUND).sum()), len(group))
    return out


def _sentences(found: Sequence[Row], tail: str, language: Language) -> list[Said]:
    """Say the highest and the lowest capacity, then of each treatment what a request takes at each load."""
    best, worst = max(found, key=lambda x: x.rate), min(found, key=lambda x: x.rate)
    said: list[Said] = [
        language.say(
            "http.capacity",
            best=name(best, language),
            high=f"{best.rate:,.0f}",
            worst=name(worst, language),
            low=f"{worst.rate:,.0f}",
        )
    ]
    for row in found:
        at = [x for x in row.latencies if x.p50 is not None]
        if at:
            words = language.SEMICOLON.join(latency(x, tail, language) for x in at)
            said.append(text(name(row, language), f"{language.COLON}{words}{language.STOP}"))
    return said


def latency(found: Latency, tail: str, language: Language) -> str:
    """Say what a request takes at one load."""
    key = "http.latency" if found.tail is None else f"http.latency_{tail}"
    holes = {"load": f"{found.load:.0%}", "p50": time(found.p50), "tail": time(found.tail)}
    return language.word(key, **holes)


def time(seconds: float | None) -> str:
    """Return a time in its own unit, three digits.

    >>> time(0.00123), time(None)
    ('1.23 ms', '–')
    """
    if seconds is None:
        return "–"
    scale = digits.scale_of([seconds], "s")
    return f"{scale(seconds):.3g} {scale.label}"


def name(row: Row, language: Language) -> Said:
    """Return a treatment's name: its mode, and what else is varied."""
    shown = language.mode(row.mode, row.kernel_path)
    return text(shown, row.label.removeprefix(row.mode))


def parts(found: Sequence[Row], tail: str, run: Record, language: Language, id: str = "http-table") -> Table:
    """Return the treatments as a table, parted by placement."""
    loads, test = [x.load for x in found[0].latencies], closed(run)
    base = language.word("column.ratio_to", base=run.run.control)
    head = [language.word("column.mode"), language.word("http.rate"), base]
    for load in loads:
        head.append(language.word("http.p50_at", load=f"{load:.0%}"))
        if tail:
            head.append(language.word(f"http.{tail}_at", load=f"{load:.0%}"))
        head.append(language.word("http.saturated"))
    head += [language.word("http.cpu"), language.word("column.blocks")]
    lines = []
    for row in found:
        line = [str(name(row, language)), f"{row.rate:,.0f}", digits.ratio(*row.ratio)]
        for x in row.latencies:
            line += [time(x.p50), *([time(x.tail)] if tail else [])]
            line.append(language.word("n_of_m", n=x.saturated, m=x.trials))
        lines.append((*line, time(row.cpu_s), str(len(row.rates))))
    return table(
        id,
        language.word("http.caption", test=test.name if test else ""),
        head,
        lines,
        groups=[language.placement(x.placement) for x in found],
        right=range(1, len(head)),
    )
