"""The report's parts in the order a reader meets them: answer, table, a picture a question, limits.

Each part is HTML made of words, tables and pictures that are computed from the record. What a part has
nothing to say about is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cnilab import digits as numbers
from cnilab.modes import MODES
from cnilab.report import figures, names, tables, words
from cnilab.report import path_drawing as trails
from cnilab.report import segment_size as losses
from cnilab.report import time_order as steadiness
from cnilab.report.language import tell
from cnilab.report.record import Record
from cnilab.runs import schema1

#: Names of modes in a sentence; not the word in the kernel's "no route to host".
_IDS = re.compile(
    r"(?<![\w-])(?<!route to )("
    + "|".join(sorted(map(re.escape, MODES), key=len, reverse=True))
    + r")(?![\w-])(?: \((?:eBPF|userspace)\))?"
)


@dataclass(frozen=True)
class Part:
    """A piece of the page; a notebook shows it as it is."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.html)).strip()


def emphasise(text: str) -> str:
    """Escape a sentence and set the modes' names apart."""
    return _IDS.sub(lambda m: f'<span class="mode">{m[0]}</span>', escape(text, quote=False))


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{f' class={kind!r}' if kind else ''}>{emphasise(text)}</p>"


def heading(title: str, anchor: str, level: int = 2) -> str:
    return f'<h{level} id="{anchor}">{escape(title)}</h{level}>'


# ---- top -------------------------------------------------------------------------------------------------


def answer(record: Record) -> Part:
    """Say the answer: the first paragraph, then a sentence a finding, near before far."""
    rows = record.primary
    out = [f'<p class="notice" role="note">{escape(record.notice)}</p>'] if record.notice else []
    out.append(f"<h1>What each CNI mode costs</h1><p class='kicker'>{_kicker(record)}</p>")
    if not any(r["n_used"] for r in record.rows):
        return Part(
            "".join(
                [
                    *out,
                    paragraph(
                        "No comparison could be made: no block holds a value of both the baseline and "
                        "another mode.",
                        "lead",
                    ),
                ]
            )
        )
    out.append(paragraph(words.lead(rows or record.rows, record.header), "lead"))
    for place in dict.fromkeys(r["placement"] for r in rows):
        found = words.bullets([r for r in rows if r["placement"] == place])
        items = "".join(
            f'<li><span class="sign" aria-hidden="true">{sign}</span>{emphasise(text)}</li>'
            for sign, text in found
        )
        out.append(f'<p class="where">{names.placement(place)}</p><ul class="findings">{items}</ul>')
    return Part("".join(out))


def _kicker(record: Record) -> str:
    study, given = record.study, record.manifest.get("provenance", {})
    day = str(given.get("recorded_at") or "")[:10]
    kernel = f"Linux {given['kernel']}" if given.get("kernel") else ""
    where = {
        "lab": "lab of network namespaces",
        "kubernetes": "Kubernetes cluster",
        "replay": "replayed record",
    }[study.testbed]
    return " · ".join(escape(x) for x in (f"study {study.name}", where, kernel, day) if x)


def table(record: Record) -> Part:
    """Show the declared family as a table and as a map."""
    rows = record.primary
    if not any(r["n_used"] for r in rows):
        return Part("")
    return Part(
        heading("Every mode against the baseline", "table")
        + tables.comparisons(rows)._repr_html_()
        + figures.overview(record)._repr_html_()
    )


def questions(record: Record) -> Iterator[Part]:
    """Show one picture a question, the declared one first; the others say that they are exploratory."""
    asked = [q for q in record.questions() if any(r["ratio"] is not None for r in record.select(*q))]
    several = {q[:2] for q in asked if sum(q[:2] == o[:2] for o in asked) > 1}
    for metric, stat, test in asked:
        rows = record.select(metric, stat, test)
        title = names.quantity(metric, stat).question
        title = f"{title[:-1]} ({test})?" if (metric, stat) in several else title
        anchor = f"q-{metric}-{stat}-{test}".replace("_", "-").replace("@", "-")
        if rows[0]["family"] == "primary":
            said = paragraph(
                f"This is the question that was declared before the first trial; its "
                f"{words.count(len(rows), 'comparison')} are protected together.",
                "note",
            )
        else:
            places = dict.fromkeys(r["placement"] for r in rows)
            found = [(p, words.bullets([r for r in rows if r["placement"] == p], brief=True)) for p in places]
            items = "".join(
                f"<dt>{names.placement(p)}</dt>" + "".join(f"<dd>{emphasise(text)}</dd>" for _, text in b)
                for p, b in found
                if b
            )
            said = f"<dl class='said'>{items}</dl>" + paragraph(
                "Exploratory: not declared beforehand, so take it as a lead and not as a finding.", "note"
            )
        yield Part(heading(title, anchor) + said + figures.ratios(record, metric, stat, test)._repr_html_())


def loss(record: Record) -> Part:
    """Part the loss into what segment size costs and the rest, where both segment sizes were measured."""
    found, base = losses.losses(record), record.study.baseline
    if not found:
        return Part("")
    said = paragraph(
        "Headers leave a mode less payload in a packet; putting them on and taking them off is work besides. Every "
        "stream ran twice in each deployment, with the mode's own segment size and with one that fits all modes. How "
        "the two differ, against the same of the baseline, is what segment size does; the rest is the ratio at equal "
        "MSS."
    )
    items = "".join(
        f"<dt>{names.placement(place)}</dt>"
        + "".join(f"<dd>{emphasise(losses.sentence(x))}</dd>" for x in found if x.placement == place)
        for place in dict.fromkeys(x.placement for x in found)
    )
    said += f"<dl class='said'>{items}</dl>"
    note = paragraph(
        "Exploratory: parts of the comparisons above, not comparisons of their own. Whether a mode differs is what "
        "its verdict says.",
        "note",
    )
    return Part(
        heading("Segment size, or the rest?", "loss")
        + said
        + losses.page(found, base, 1 - record.study.alpha)._repr_html_()
        + losses.picture(found, base)._repr_html_()
        + note
    )


# ---- what to make of it ----------------------------------------------------------------------------------


def limits(record: Record) -> Part:
    """Say what cannot be told, what the bench itself did, and list every doubt."""
    out = [heading("Limits and warnings", "limits"), paragraph(words.control(record.rows, record.header))]
    if open_ := words.undecided(record.primary):
        out.append(
            "<h3>What cannot be told yet</h3><ul>"
            + "".join(f"<li>{emphasise(t)}</li>" for t in open_)
            + "</ul>"
        )
    if record.study.testbed == "lab":
        out.append(
            paragraph(
                "All nodes are network namespaces of one kernel and their links are veth pairs: what is "
                "compared is the CPU cost of each data "
                "path, without a network card, its offloads, or a wire. Ratios hold for this kernel and "
                "processor; a cluster has to be measured itself."
            )
        )
    found = record.warnings
    out.append(
        tables.warnings(found)._repr_html_()
        if len(found)
        else paragraph("Nothing was found when the run was looked over.")
    )
    out.append("<h3>Was the machine steady?</h3>")
    try:
        out.append(steadiness.stability(record)._repr_html_())
    except ValueError:  # nothing measured: there is no block to draw
        out.append(paragraph("Not known: there are no values."))
    out.append(
        f"<details><summary>Every comparison that was made "
        f"({len(record.rows)})</summary>{tables.everything(record)._repr_html_()}</details>"
    )
    return Part("".join(out))


def method(record: Record) -> Part:
    """Say how it was measured and judged, with this study's own numbers."""
    s, h = record.study, record.header
    tests = words.listing(
        f"{t.name} ({t.tool}, {t.duration_s:g} s{f', {t.streams} streams' if t.streams > 1 else ''})"
        for t in s.tests
    )
    done = record.manifest.get("stopped")
    stop = (
        f" It stopped before block {done['before_block']}, by a rule declared beforehand that looks at "
        f"precision only."
        if done
        else ""
    )
    family = h["family"]["size"]
    steps = [
        f"Design: randomised complete blocks. Each of {words.count(s.blocks, 'block')} puts "
        f"{words.count(len(s.treatments), 'deployment')} in place in an order drawn "
        f"with the seed {s.seed} and recorded before the first trial; {s.baseline} is measured in every "
        f"block{' and once more under a blind label' if s.aa else ''}.{stop}",
        f"Trials: each deployment runs {tests}, "
        f"{words.listing(names.placement(p).lower() for p in s.placements)}; before its first trial it "
        f"is proved on the wire.",
        "Sample: the (block, mode) cell, one number. Seconds within a run are never counted as samples.",
        "Estimate: the Hodges–Lehmann ratio to the baseline within blocks, with the exact interval of the "
        "signed-rank test, "
        + (
            f"simultaneous over the {family} comparisons of the primary family."
            if family
            else "simultaneous over each table's comparisons."
        ),
        f"Test: exact Wilcoxon signed-rank, Holm's adjustment at {h['alpha']:g}; ‘the same’ needs two "
        f"one-sided tests against the margin of "
        f"{numbers.margin(h['margin'])}, "
        f"{'declared beforehand' if h['margin_declared'] else 'chosen after the data'}. "
        "All else is exploratory, with Benjamini–Hochberg over it.",
        "Verdicts: different, the same, and cannot tell yet are three answers and are never mixed. "
        "Failures are results; no value is deleted for what it is.",
    ]
    items = "".join(
        f"<dt>{a}</dt><dd>{emphasise(b.strip()[0].upper() + b.strip()[1:])}</dd>"
        for a, _, b in (x.partition(":") for x in steps)
    )
    return Part(
        heading("Method", "method") + f"<dl class='method'>{items}</dl>" + tables.trials(record)._repr_html_()
    )


def proof(record: Record) -> Part:
    """Show how each mode was proved on the wire, and where a substitute stood in."""
    out = [heading("How each mode was proved", "proof")]
    rows = [r for p in record.proofs.values() for r in p.get("rows", ())]
    if not rows:
        return Part(
            "".join(
                [
                    *out,
                    paragraph(
                        "There are no proofs in this run: that the modes were in effect rests on their "
                        "labels alone."
                    ),
                ]
            )
        )
    held = sum(r["status"] == "ok" for r in rows)
    out.append(
        paragraph(
            f"{words.count(len(record.proofs), 'deployment')} were looked at on the underlay before any "
            f"number was taken; {held} of {words.count(len(rows), 'row')} held every check."
        )
    )
    why = {
        (d["mode"], tell(how))
        for d in record.manifest.get("deployments", {}).values()
        if (how := schema1.read(d.get("substitute")))
    }
    out += [paragraph(f"{record.label(mode)}: {text}.") for mode, text in sorted(why)]
    out.append(tables.proofs(record)._repr_html_())
    if drawn := [d for p in record.study.placements if (d := trails.diagram(record, p))]:
        out += ["<h3>The way of one packet</h3>", *drawn]
    return Part("".join(out))


def machine(record: Record) -> Part:
    return Part(heading("The machine", "machine") + tables.machine(record)._repr_html_())


def reproduce(record: Record) -> Part:
    """Give the commands, the seed, the hashes, and where the raw files are."""
    s, m = record.study, record.manifest
    files = sorted(
        (p for p in record.run.path.iterdir() if not p.name.startswith(".")),
        key=lambda p: (p.is_dir(), p.name),
    )
    raw = len(record.run.done())
    told = {
        "raw": f"{words.count(raw, 'folder')}, one a trial: every byte the tools printed",
        "proof": f"{words.count(len(record.proofs), 'file')}, one a deployment",
    }
    items = "".join(_file(p, told.get(p.name)) for p in files)
    facts = "".join(
        f"<dt>{k}</dt><dd><code>{escape(str(v))}</code></dd>"
        for k, v in (
            ("run", m["run_id"]),
            ("seed", s.seed),
            ("order of trials, SHA-256", m["plan_hash"]),
            ("study, SHA-256", m["study_hash"]),
        )
    )
    return Part(
        heading("How to reproduce", "reproduce")
        + paragraph(
            "Two commands: the first sets up what is needed and runs the default study; the second runs "
            "this very study again, in the same order, from the file in the run directory."
        )
        + f"<pre><code>make\ncnilab study {escape(m['run_id'])}/study.yaml</code></pre><dl "
        f"class='facts'>{facts}</dl>"
        + f"<h3>Raw files</h3><p>In the run directory. Everything but <code>raw/</code> and "
        f"<code>proof/</code> can be made again with <code>cnilab report "
        f"{escape(m['run_id'])}</code>.</p><ul class='files'>{items}</ul>"
    )


def _file(path: Path, told: str | None) -> str:
    name = f"<code>{escape(path.name)}{'/' if path.is_dir() else ''}</code>"
    return f"<li>{name}{f' – {told}' if told else ''}</li>"


def parts(record: Record) -> Iterable[Part]:
    """Yield the whole report."""
    yield answer(record)
    yield table(record)
    yield from questions(record)
    yield loss(record)
    for part in (limits, method, machine, proof, reproduce):
        yield part(record)
