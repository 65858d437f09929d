"""What each mode costs: the finding as the title, the answer in sentences, and in what state bench and machine were."""

from __future__ import annotations

from cnilab import digits
from cnilab.facts import Fact
from cnilab.report.blocks import Block, Facts, Findings, Heading, Paragraph
from cnilab.report.chapters.method import endings
from cnilab.report.language import Language
from cnilab.report.language.text import Said, text
from cnilab.report.record import Record


def applies(run: Record) -> Fact | None:
    """Every run has an answer, if only that there is none."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return the title, what was run where and when, the answer, and the state of bench and machine."""
    compared = run.compared(run.rows)
    title = language.title(run.rows) if compared else language.say("title")
    out: list[Block] = [Heading(str(title), level=1), Paragraph(_kicker(run, language), "kicker")]
    loud = run.warnings[(run.warnings["code"] == "disturbed") & (run.warnings["severity"] == "serious")]
    for fact in loud["fact"]:  # before all else: the verdicts stand on what there is
        out.append(Paragraph(text(text(language.tell(Fact.from_json(fact))).capitalised, language.STOP), "notice"))
    if not compared:
        out.append(Paragraph(language.say("nothing_compared"), "lead"))
    else:
        (_, first), *others, (_, certainty) = language.answer(run.rows, run.header)
        out.append(Paragraph(first, "lead"))
        out += [Findings("", tuple(others))] * bool(others)
        out.append(Paragraph(certainty, "note"))
    return [*out, Facts(tuple(_state(run, language)), "strip")]


def _kicker(run: Record, language: Language) -> str:
    given = run.manifest.get("provenance", {})
    parts = (
        language.word("kicker.study", name=run.study.name),
        language.word(f"testbed.{run.study.testbed}"),
        language.word("kicker.kernel", version=given["kernel"]) if given.get("kernel") else "",
        str(given.get("recorded_at") or "")[:10],
    )
    return " · ".join(part for part in parts if part)


def _state(run: Record, language: Language) -> list[tuple[Said, tuple[Said, ...]]]:
    """Return how the trials ended, what was proved, how busy the machine was, and the baseline's own spread."""
    base = run.study.baseline
    return [
        (language.word("strip.trials"), (_trials(run, language),)),
        (language.word("strip.proofs"), (_proofs(run, language),)),
        (language.word("strip.machine"), (_machine(run, language),)),
        (language.say("strip.baseline", base=language.mode(base)), _itself(run, language)),
        (language.word("strip.findings"), (_findings(run, language),)),
    ]


def _trials(run: Record, language: Language) -> str:
    ended = endings(run.samples).value_counts()
    ok, n = int(ended.get("ok", 0)), int(ended.sum())
    others = {
        "not_crossing": int(ended.get("not_crossing", 0)),
        "skipped": int(ended.get("skipped", 0)),
    }
    others["failed"] = n - ok - sum(others.values())
    said = "".join(language.word(f"strip.trials.{end}", n=count) for end, count in others.items() if count)
    return language.word("strip.trials.ended", ok=ok, trials=language.count(n, "trial"), others=said)


def _proofs(run: Record, language: Language) -> str:
    rows = [row for proof in run.proofs.values() for row in proof["rows"]]
    if not rows:
        return language.word("strip.proofs.none")
    held = sum(row["status"] == "ok" for row in rows)
    return language.word("strip.proofs.held", held=held, rows=len(rows))


def _machine(run: Record, language: Language) -> str:
    given = run.manifest.get("provenance", {})
    load, cores = given.get("load_1min"), given.get("cpus_usable")
    if load is None or cores is None:
        return language.word("strip.machine.unread")
    return language.word("strip.machine.load", load=f"{load:.2f}", cores=language.count(cores, "core"))


def _itself(run: Record, language: Language) -> tuple[str, ...]:
    """Return the ratio of the baseline to its own blind copy, a line a placement."""
    own = run.study.primary
    rows = [
        r
        for r in run.rows
        if r["family"] == "aa"
        and (r["test"], r["metric"], r["stat"]) == (own.test, own.metric, own.stat)
        and r["ratio"] is not None
    ]
    said = [
        f"{language.placement(r['placement'])}{language.COLON}"
        f"{digits.ratio(r['ratio'], r['ci_low'], r['ci_high'])}"
        for r in rows
    ]
    return tuple(said) or (language.word("strip.baseline.unknown"),)


def _findings(run: Record, language: Language) -> str:
    weights = run.warnings["severity"].value_counts()
    serious, warnings = int(weights.get("serious", 0)), int(weights.get("warning", 0))
    if not serious + warnings:
        return language.word("strip.findings.none")
    return language.word(
        "strip.findings.weights", serious=serious, warnings=language.count(warnings, "warning")
    )
