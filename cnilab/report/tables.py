"""The tables of a report, as great_tables with an id, a caption and scopes; text in, no number computed.

:class:`Page` is what a notebook shows: the table with its caption, in a region that scrolls by itself where
the window is narrow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
from great_tables import GT
from great_tables import html as raw

from cnilab import digits as numbers
from cnilab.facts import Fact
from cnilab.modes import order
from cnilab.report import names, words
from cnilab.report.language import en_stats, tell
from cnilab.report.record import Record
from cnilab.stats.cells import BENCH_FAILED
from cnilab.stats.subjects import NOT_CROSSING
from cnilab.stats.verdict import VERDICTS
from cnilab.testbeds.proof.base import Row


@dataclass(frozen=True)
class Page:
    """A table ready to be shown.

    Parameters
    ----------
    id
        Unique in the page.
    caption
        What the table says it is.
    frame
        Text, one row a line; the first column heads its row.
    right
        Columns set flush right.
    groups
        Column that parts the rows, if any.
    html
        Columns that hold HTML made here, not to be escaped.
    """

    id: str
    caption: str
    frame: pd.DataFrame
    right: Sequence[str] = ()
    groups: str | None = None
    html: Sequence[str] = ()

    def gt(self) -> GT:
        """Return it as a great_tables object, to be changed further."""
        frame = self.frame.astype(str)
        stub = frame.columns[0]
        table = GT(frame, id=self.id, rowname_col=stub, groupname_col=self.groups)
        table = table.tab_stubhead(str(stub))
        right = [c for c in self.right if c in frame.columns]
        left = [c for c in frame.columns if c not in right and c not in (stub, self.groups)]
        table = table.cols_align("right", columns=right) if right else table
        table = table.cols_align("left", columns=left) if left else table
        # great_tables escapes text, and leaves alone what a formatter returns.
        for column in self.html:
            table = table.fmt(lambda made: made, columns=column)
        labels: dict[str, Any] = {
            c: raw(escape(str(c))) for c in frame.columns if c not in (stub, self.groups)
        }
        return table.cols_label(**labels)

    def _repr_html_(self) -> str:
        made = self.gt().as_raw_html()
        made = made.replace(
            '<table class="gt_table"', f'<table class="gt_table" aria-labelledby="{self.id}-caption"', 1
        )
        made = re.sub(
            r"(<table[^>]*>)",
            rf'\1<caption id="{self.id}-caption">{escape(self.caption)}</caption>',
            made,
            count=1,
        )
        made = (
            re.sub(
                r"<th class=\"gt_group_heading\"([^>]*?)>",
                r'<th class="gt_group_heading" scope="colgroup"\1>',
                made,
            )
            if 'scope="colgroup"' not in made
            else made
        )
        return re.sub(
            r'^\s*<div id="[^"]*" style="[^"]*"',
            f'<div id="{self.id}" class="scroll" role="region" tabindex="0" '
            f'aria-labelledby="{self.id}-caption"',
            made,
            count=1,
        )

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"


# ---- results ---------------------------------------------------------------------------------------------


def verdict(row: Mapping[str, Any]) -> str:
    """Return a verdict as HTML: sign, words, and a class that colours what the words already say."""
    sign, text = names.verdict_words(row)
    kind = next(v.kind for v in VERDICTS.values() if v.sign == sign)
    return f'<span class="verdict {kind}"><span aria-hidden="true">{sign}</span> {escape(text)}</span>'


def comparisons(
    rows: Sequence[Mapping[str, Any]], id: str = "answer-table", caption: str | None = None
) -> Page:
    """Return the comparisons of one metric: a line a mode, parted by placement.

    Parameters
    ----------
    rows
        Report rows of one metric, stat and test, sorted.
    """
    first = rows[0]
    what = names.quantity(first["metric"], first["stat"])
    scale = numbers.scale_of((r["centre"] for r in rows), first["unit"])
    base = first["baseline"]
    level = next((r["sim_ci_level"] for r in rows if r["sim_ci_level"]), None)
    lines = [
        {
            "mode": words.label(r),
            "where": names.placement(r["placement"]),
            f"{what.noun}{f', {scale.label}' if scale.label else ''}": numbers.centre(
                r["centre"], r["centre_low"], r["centre_high"], scale
            ),
            f"ratio to {base}": numbers.ratio(r["ratio"], r["sim_ci_low"], r["sim_ci_high"]),
            "blocks above" if first["direction"] != "lower" else "blocks below": numbers.MISSING
            if r["wins"] is None
            else f"{r['wins']:.0f} of {r['n_used']:.0f}",
            "p (Holm)": numbers.p_value(r["p_holm"]),
            "p (same)": numbers.p_value(r["p_equivalence_holm"]),
            "verdict": verdict(r),
        }
        for r in rows
    ]
    frame = pd.DataFrame(lines)
    about = f"{what.noun[0].upper()}{what.noun[1:]} of each mode ({first['test']}) against {base}"
    inside = (
        f"; intervals of the ratio hold for all modes and placements at "
        f"once{f' ({level:.1%} each)' if level and level < 0.9999 else ''}"
    )
    right = [c for c in frame.columns if c not in ("mode", "where", "verdict")]
    return Page(id, caption or about + inside, frame, right, "where", ("verdict",))


_SAID = (
    "blocks_missing",
    "does_not_cross_subnets",
    "all_skipped",
    "all_failed",
    "no_rows",
    "difference_scale",
)


def everything(record: Record) -> Page:
    """Return every comparison that was made, controls too, a line each."""
    lines = [
        {
            "mode": words.label(r),
            "where": r["placement"] or numbers.MISSING,
            "test": r["test"] or numbers.MISSING,
            "metric": r["metric"] + ("" if r["stat"] == "value" else f", {r['stat']}"),
            "family": {"primary": "primary", "exploratory": "exploratory", "aa": "A/A"}[r["family"]],
            "ratio or difference": numbers.ratio(r["ratio"], r["sim_ci_low"], r["sim_ci_high"])
            if r["scale"] == "log"
            else numbers.difference(r["difference"], r["difference_sim_ci_low"], r["difference_sim_ci_high"]),
            "blocks": f"{r['n_used']:.0f} of {r['n_blocks']:.0f}",
            "p (Holm)": numbers.p_value(r["p_holm"]),
            "verdict": verdict(r),
            "notes": "; ".join(en_stats.FLAGS[f] for f in r["flags"] if f not in _SAID),
        }
        for r in record.rows
    ]
    frame = pd.DataFrame(lines)
    return Page(
        "everything",
        "Every comparison that was made",
        frame,
        ("ratio or difference", "blocks", "p (Holm)"),
        None,
        ("verdict",),
    )


# ---- the run ---------------------------------------------------------------------------------------------

_MARKS = {"serious": "!!", "warning": "!", "info": "i"}


def _capital(text: str) -> str:
    """Begin a sentence with a capital, unless its first word is a name from a file."""
    return text if re.match(r"[\w#-]*[_\d]", text) else text[:1].upper() + text[1:]


def _weight(severity: str) -> str:
    sign = f'<span aria-hidden="true">{_MARKS[severity]}</span>'
    return f'<span class="weight {severity}">{sign} {severity}</span>'


def _scope(row: Mapping[str, Any]) -> str:
    """Name what a finding is about, as far as it is about a part of the run."""
    parts = [str(row[k]) for k in ("trial_id", "mode", "placement", "test") if not pd.isna(row[k])]
    return ", ".join(parts) or "the whole run"


def warnings(found: pd.DataFrame) -> Page:
    """Return what was found when the run was looked over, serious things first."""
    lines = [
        {
            "weight": _weight(r["severity"]),
            "where": _scope(r),
            "what": _capital(tell(Fact.from_json(r["fact"]))),
            "what helps": "" if pd.isna(r["remedy"]) else tell(Fact.from_json(r["remedy"])),
        }
        for r in found.to_dict("records")
    ]
    return Page(
        "warnings",
        f"{words.count(len(lines), 'finding')} about this run",
        pd.DataFrame(lines, columns=["weight", "where", "what", "what helps"]),
        (),
        None,
        ("weight",),
    )


_FACTS = {
    "recorded_at": "recorded at (UTC)",
    "kernel": "kernel",
    "system": "system",
    "architecture": "architecture",
    "cpu": "processor",
    "cpus_usable": "cores usable",
    "memory_bytes": "memory",
    "virtualised": "virtual machine",
    "governor": "frequency governor",
    "load_1min": "load before the run (1 min)",
    "congestion_control_default": "congestion control, machine's default",
    "congestion_controls": "congestion controls there are",
    "rmem_max_bytes": "largest receive buffer",
    "wmem_max_bytes": "largest send buffer",
    "rps_default": "receive packet steering, default",
    "root": "run as root",
    "python": "Python",
}


def machine(record: Record) -> Page:
    """Return what is recorded of the machine, a line a fact; what could not be read says so."""
    given = record.manifest.get("provenance", {})
    keys = [k for k in _FACTS if k in given] + [k for k in given if k not in _FACTS and k != "notes"]
    lines = []
    for key in keys:
        value = given[key]
        if isinstance(value, Mapping):
            text = "; ".join(f"{k}: {_part(v)}" for k, v in value.items() if v is not None)
            absent = [k for k, v in value.items() if v is None]
            text += f"{'; ' if text else ''}not there: {', '.join(absent)}" if absent else ""
        else:
            text = _fact(key, value)
        lines.append({"fact": _FACTS.get(key, key.replace("_", " ")), "value": text or numbers.MISSING})
    study = record.study
    lines.append(
        {
            "fact": "congestion control in every trial",
            "value": study.congestion_control or "the machine's default",
        }
    )
    lines.append(
        {"fact": "client and server pinned", "value": "each to a core of its own" if study.pin_cpus else "no"}
    )
    lines.append({"fact": "settings of both ends", "value": _settings(record)})
    return Page("machine-facts", "The machine, as recorded before the first trial", pd.DataFrame(lines))


def _settings(record: Record) -> str:
    """Say what the deployments' underlay devices and pods were set to, and where one was not like the rest."""
    from cnilab.findings.offloads import compared

    seen: dict[str, set[str]] = {}
    for setting in compared(record.proofs):
        seen.setdefault(setting.name, set()).add(setting.value)
    if not seen:
        return "not recorded"
    told = "; ".join(f"{name}: {' or '.join(sorted(values))}" for name, values in sorted(seen.items()))
    n = sum("conditions" in (p.get("evidence") or {}) for p in record.proofs.values())
    return f"{told} (read in {n} of {len(record.proofs)} proved deployments)"


def _part(value: Any) -> Any:
    """Return a recorded value for a reader; a fact, as a kernel's shortcomings are, in words."""
    return tell(Fact.from_dict(value)) if isinstance(value, Mapping) and "code" in value else value


def _fact(key: str, value: Any) -> str:
    if value is None:
        return "could not be read"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_bytes"):
        return f"{value / 2**30:.1f} GiB" if value >= 2**29 else f"{value / 2**10:.0f} KiB"
    return (
        f"{value:.2f}"
        if isinstance(value, float)
        else ", ".join(map(str, value))
        if isinstance(value, (list, tuple))
        else str(value)
    )


def proofs(record: Record) -> Page:
    """Return how each mode was proved: what carried its packets, longest packet, TTL, checks passed."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for proof in record.proofs.values():
        for row in proof.get("rows", ()):
            groups.setdefault((row["placement"], row["mode"]), []).append(row)
    lines = []
    for place in (p for p in names.PLACEMENTS if any(k[0] == p for k in groups)):
        for mode in (m for m in record.study.modes if (place, m) in groups):
            rows = groups[place, mode]
            held = sum(c["ok"] for r in rows for c in r["checks"])
            total = sum(len(r["checks"]) for r in rows)
            lines.append(
                {
                    "mode": record.label(mode),
                    "where": names.placement(place),
                    "on the wire": _values(r["outer"] for r in rows),
                    "longest packet, B": _values(r["mtu"] for r in rows),
                    "TTL left of 64": _values(r["ttl"] for r in rows),
                    "deployments": str(len(rows)),
                    "checks held": f"{held} of {total}",
                    "said of it": _values(
                        tell(reason) for r in rows if (reason := Row.from_dict(r).reason) is not None
                    )
                    if any(r["reason"] for r in rows)
                    else "",
                }
            )
    columns = [
        "mode",
        "where",
        "on the wire",
        "longest packet, B",
        "TTL left of 64",
        "deployments",
        "checks held",
        "said of it",
    ]
    return Page(
        "proofs",
        "What was seen on the underlay before any number was taken",
        pd.DataFrame(lines, columns=columns),
        columns[3:7],
        "where",
    )


def _values(values: Any) -> str:
    """Return the distinct values, commonest first; a dash is nothing seen."""
    seen = Counter(numbers.MISSING if v in (None, "-") else str(v) for v in values)
    return " / ".join(text for text, _ in seen.most_common())


def trials(record: Record) -> Page:
    """Return how many trials ended how, a line a mode."""
    frame = record.samples.drop_duplicates("trial_id")
    code = frame["reason_code"].fillna("")
    bench = code.map(lambda c: Fact(c).within(BENCH_FAILED))
    ended = frame["status"].mask(code == NOT_CROSSING, "does not cross subnets").mask(bench, "the bench failed")
    counts = pd.crosstab(frame["mode"], ended)
    shown = ("ok", "does not cross subnets", "failed", "timeout", "the bench failed", "skipped")
    counts = counts[[c for c in shown if c in counts]]
    lines = [
        {"mode": record.label(str(mode)), **{str(s): str(n) for s, n in counts.loc[mode].items()}}
        for mode in order(counts.index)
    ]
    return Page("trials", "Trials by how they ended", pd.DataFrame(lines), [str(c) for c in counts.columns])
