"""Sentences about results, made from report rows alone: a sentence never says more than its verdict does.

Every number in a sentence is a number of its row. "Different", "the same" and "cannot tell yet" have words of
their own and never borrow each other's. No mode is called better than another, because what was tested is
each mode against the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnilab import digits as numbers
from cnilab.digits import margin
from cnilab.facts import Fact
from cnilab.report import names
from cnilab.report.language import en_stats, tell
from cnilab.stats.verdict import FLAGS, VERDICTS, absence_in

Row = Mapping[str, Any]

#: Order in which verdicts are told: what is known first.
ORDER = tuple(VERDICTS)
_SUBSTITUTE_PHRASE = {
    "ebpf": "its packets were carried by eBPF in place of the kernel's own device",
    "userspace": "its packets were carried in userspace in place of the kernel's own device",
}
#: Flags that change how a verdict is to be read, beyond what the sentence says already.
_DOUBTS = tuple(flag.code for flag in FLAGS.values() if flag.kind == "doubt")


def label(row: Row) -> str:
    """Return the mode's name with its substitute."""
    return names.mode_label(row["mode"], row.get("kernel_path"), twin=bool(row.get("twin")))


def sentence(row: Row) -> str:
    """Say what one comparison showed, in one sentence.

    Parameters
    ----------
    row
        A report row (:mod:`cnilab.stats.rows`).

    Examples
    --------
    >>> sentence({"mode": "x", "baseline": "host", "metric": "goodput_bps", "stat": "value", "flags": (),
    ...           "verdict": "equivalent", "margin": 0.05, "scale": "log", "kernel_path": "native"})
    'x: the same goodput as host within the margin of\\xa05\\u202f%.'
    """
    how = substitute(row)
    return f"{label(row)}: {finding(row)}{f'; {how}' if how else ''}.{doubts(row)}"


def finding(row: Row, several: bool = False) -> str:
    """Return what the verdict says, without the names of the mode or modes and the full stop."""
    what = names.quantity(row["metric"], row["stat"])
    base, within = row["baseline"], f"the margin of\u00a0{_margin(row)}"
    verdict = row["verdict"]
    if verdict == "different_material":
        head, ends = _change(row)
        if what.times in head:
            return f"{what.noun} {head} as {base}'s ({ends}), beyond {within}"
        return f"{head} {what.noun} than {base} ({ends}), beyond {within}"
    if verdict == "different_size_unclear":
        return (
            f"{_direction(row)} {what.noun} than {base}; whether by more than {within} is not clear yet "
            f"({_change(row)[1]})"
        )
    if verdict == "different_negligible":
        return f"{_direction(row)} {what.noun} than {base}, yet practically the same: within {within}"
    if verdict == "equivalent":
        return f"the same {what.noun} as {base} within {within}"
    if verdict == "inconclusive" and _unbounded(row):
        return f"cannot tell yet; so few blocks set no bound to a difference{_needed(row)}"
    if verdict == "inconclusive":
        return (
            f"cannot tell yet; anything from {_ends(row)} {what.noun} than {base} fits the data{_needed(row)}"
        )
    if verdict == "insufficient_n" and not _absence(row):
        return (
            f"too few blocks to tell: {row['n_used']}, and at least {row['n_min']} are needed before any "
            f"data "
            "could be significant"
        )
    return _why_not(row, several)


def substitute(row: Row) -> str:
    """Return how a substitute carried the packets; empty for the real thing."""
    paths = str(row.get("kernel_path") or "").split("+")
    return listing([_SUBSTITUTE_PHRASE[p] for p in paths if p in _SUBSTITUTE_PHRASE])


def doubts(row: Row) -> str:
    """Return further sentences for flags that change how the verdict is to be read."""
    out = []
    for flag in row["flags"]:
        if flag not in _DOUBTS:
            continue
        text = en_stats.FLAGS[flag]
        if flag == "depends_on_block" and row.get("outlier_blocks"):
            text = f"{text} (block {listing(row['outlier_blocks'])})"
        out.append(f" {text[0].upper()}{text[1:]}.")
    return "".join(out)


def _margin(row: Row) -> str:
    if row.get("scale") == "linear":
        return numbers.MISSING if row["margin"] is None else f"{row['margin']:g}"
    return margin(row["margin"])


def _change(row: Row) -> tuple[str, str]:
    if row["scale"] == "linear":
        low, high = row["difference_sim_ci_low"], row["difference_sim_ci_high"]
        places = numbers.decimals(low, high)
        word = "more" if row["difference"] > 0 else "less"
        return f"{numbers.rounded(abs(row['difference']), places)} {word}", _ends(row)
    what = names.quantity(row["metric"], row["stat"])
    return change(row["ratio"], row["sim_ci_low"], row["sim_ci_high"], what)


def _ends(row: Row) -> str:
    """Return the simultaneous interval as ``12 % less to 9 % more``."""
    what = names.quantity(row["metric"], row["stat"])
    if row["scale"] == "linear":
        ends = (row["difference_sim_ci_low"], row["difference_sim_ci_high"])
        return " to ".join(
            numbers.rounded(v, numbers.decimals(*ends)) if v is not None else "∞" for v in ends
        )
    low, high = row["sim_ci_low"], row["sim_ci_high"]
    return (
        f"{_side(low, low, high, what, 'any amount ' + what.less)} to "
        f"{_side(high, low, high, what, 'any amount ' + what.more)}"
    )


def _unbounded(row: Row) -> bool:
    stem = "difference_sim_ci" if row["scale"] == "linear" else "sim_ci"
    return row[f"{stem}_low"] is None and row[f"{stem}_high"] is None


def _direction(row: Row) -> str:
    what = names.quantity(row["metric"], row["stat"])
    above = row["difference"] > 0 if row["scale"] == "linear" else row["ratio"] > 1
    return what.more if above else what.less


def _needed(row: Row) -> str:
    n = row.get("blocks_needed")
    return f"; about {count(int(n), 'block')} would tell" if n else ""


def _absence(row: Row) -> str | None:
    return absence_in(row["flags"])


def _why_not(row: Row, several: bool = False) -> str:
    """Return why there is no comparison, in the words of the trials themselves where there are some."""
    fact = Fact.from_dict(row["reason"]) if row.get("reason") else None
    why = fact.args.get("why") if fact else None
    if fact and isinstance(why, Fact) and fact.args.get("mode") == row["mode"]:
        fact = why  # the sentence names the mode already
    flag = _absence(row)
    if fact and flag == "does_not_cross_subnets":
        detail = " by ".join(str(part) for part in (fact.quoted, fact.args.get("by")) if part)
        return f"{'do' if several else 'does'} not cross subnets{f' ({detail})' if detail else ''}"
    reason = tell(fact) if fact else ""
    if flag:
        return f"{names.ABSENCES[flag]}{f': {reason}' if reason else ''}"
    if row["verdict"] == "insufficient_n":
        return f"too few blocks to tell: {row['n_used']}"
    told = [en_stats.FLAGS[f] for f in row["flags"] if FLAGS[f].bars and FLAGS[f].kind == "note"]
    return f"not comparable: {reason or listing(told) or 'the data allow none'}"


# ---- several rows ----------------------------------------------------------------------------------------


def count(n: int, what: str) -> str:
    """Return ``1 block``, ``2 blocks``."""
    return f"{n:d} {what}{'' if n == 1 else 's'}"


def listing(items: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    items = list(items)
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def change(ratio: float, low: float | None, high: float | None, what: names.Quantity) -> tuple[str, str]:
    """Return a ratio and its interval in words, e.g. ``("38 % less", "34 to 42 %")``.

    Parameters
    ----------
    ratio, low, high
        The estimate and its interval; an end that is None is unbounded.
    what
        The words for below one, above one and ``n times …``.
    """
    if ratio >= TIMES:
        left = numbers.MISSING if low is None else _multiple(low, low, high)
        right = "∞" if high is None else _multiple(high, low, high)
        return f"{_multiple(ratio, low, high)} times {what.times}", f"{left} to {right}"
    head = f"{numbers.away_from_one(ratio, low, high)} {what.more if ratio > 1 else what.less}"
    if low is not None and high is not None and high < TIMES and (low >= 1 or high <= 1):
        near, far = sorted((low, high), key=lambda end: abs(end - 1))
        unit = numbers.THIN + "%"
        return head, (
            f"{numbers.away_from_one(near, low, high).removesuffix(unit)} to {numbers.away_from_one(far, low, high)}"
        )
    return head, f"{_side(low, low, high, what, 'unbounded')} to {_side(high, low, high, what, 'unbounded')}"


#: From this ratio on, "times" reads better than per cent.
TIMES = 2.0


def _multiple(value: float, low: float | None, high: float | None) -> str:
    return numbers.rounded(value, numbers.ratio_decimals(value, low, high))


def _side(
    end: float | None, low: float | None, high: float | None, what: names.Quantity, open_end: str
) -> str:
    if end is None:
        return open_end
    if end >= TIMES:
        return f"{_multiple(end, low, high)} times {what.times}"
    return f"{numbers.away_from_one(end, low, high)} {what.more if end >= 1 else what.less}"


def by_verdict(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Group rows by verdict in the order of :data:`ORDER`."""
    rows = list(rows)
    groups = [(v, [r for r in rows if r["verdict"] == v]) for v in ORDER]
    return [(v, found) for v, found in groups if found]


#: From this many modes with one verdict on, they share a sentence that lists them.
MANY = 5


def bullets(rows: Sequence[Row], brief: bool = False) -> list[tuple[str, str]]:
    """Return ``(sign, sentence)`` a finding of one place; modes of which the same is to be said share one.

    ``brief`` leaves a substitute to the mark in its name, where it has been told in full before, and says
    nothing of places that a mode does not reach.
    """
    rows = [r for r in rows if not (brief and "does_not_cross_subnets" in r["flags"])]
    compared = [r for r in rows if r["n_used"]]
    # A doubt about the whole table is told once, after the findings, and not with every one of them.
    common = [f for f in _DOUBTS if len(compared) > 1 and all(f in r["flags"] for r in compared)]
    rows = [{**r, "flags": [f for f in r["flags"] if f not in common]} for r in rows]
    out: list[tuple[str, str]] = []
    for verdict, found in by_verdict(rows):
        if len(found) >= MANY and verdict in _LISTED:
            out.append((names.verdict_words(found[0])[0], _listed(verdict, found, brief)))
            continue
        said: dict[tuple[str, str], list[Row]] = {}
        for row in found:
            said.setdefault((finding(row), substitute(row) + doubts(row)), []).append(row)
        for group in said.values():
            first = group[0]
            how = "" if brief or not first["n_used"] else substitute(first)
            who = listing([label(r) for r in group])
            text = finding(first, several=len(group) > 1)
            out.append(
                (names.verdict_words(first)[0], f"{who}: {text}{f'; {how}' if how else ''}.{doubts(first)}")
            )
    return out + [("!", doubts({"flags": [f]}).strip()) for f in common]


#: Verdict -> how a sentence begins that lists many modes with it.
_LISTED = {
    "different_material": "{what} differs from {base}'s by more than {within}",
    "different_size_unclear": "{what} differs from {base}'s; whether by more than {within} is not clear yet",
    "inconclusive": "{what}: cannot tell yet against {base}",
}


def _listed(verdict: str, rows: Sequence[Row], brief: bool) -> str:
    """Return one sentence that lists modes of one verdict, each with its own numbers and doubts."""
    first = rows[0]
    noun = names.quantity(first["metric"], first["stat"]).noun
    head = _LISTED[verdict].format(
        what=noun[0].upper() + noun[1:], base=first["baseline"], within=f"the margin of\u00a0{_margin(first)}"
    )
    parts = []
    for row in rows:
        change, ends = _change(row)
        if verdict == "different_size_unclear":
            change = _direction(row)
        text = (
            f"{change} ({ends})"
            if verdict != "inconclusive"
            else "no bound yet"
            if _unbounded(row)
            else f"{_ends(row)}{_needed(row).replace('; about', ', about')}"
        )
        parts.append(f"{label(row)} {text}")
    tail = "".join(f" {label(r)}: {substitute(r)}." for r in rows if substitute(r) and not brief)
    return f"{head}: {'; '.join(parts)}.{tail}" + "".join(
        f" {label(r)}:{doubts(r)}" for r in rows if doubts(r)
    )


def lead(rows: Sequence[Row], header: Mapping[str, Any]) -> str:
    """Return the first paragraph: what was compared, and how many of each verdict there are where."""
    rows = [r for r in rows if r["family"] == "primary"] or [r for r in rows if r["family"] != "aa"]
    if not rows:
        return "Nothing was compared."
    what = names.quantity(rows[0]["metric"], rows[0]["stat"])
    blocks = header["n_blocks"] if isinstance(header["n_blocks"], int) else max(header["n_blocks"])
    modes = len({r["mode"] for r in rows})
    out = [
        f"{count(modes, 'mode')} {'were' if modes > 1 else 'was'} compared with {rows[0]['baseline']} by "
        f"{what.noun}, in {count(blocks, 'randomised block')}."
    ]
    for place in dict.fromkeys(r["placement"] for r in rows):
        here = [r for r in rows if r["placement"] == place]
        parts = [_tally(verdict, found, what) for verdict, found in _tallied(here)]
        out.append(f"{names.placement(place)}, {listing(parts)}.")
    return " ".join(out)


def _tallied(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for verdict, found in by_verdict(rows):
        for row in found:
            groups.setdefault(_absence(row) or verdict, []).append(row)
    return list(groups.items())


def _tally(verdict: str, rows: Sequence[Row], what: names.Quantity) -> str:
    n, bound = len(rows), _margin(rows[0])
    is_, does = ("is", "does") if n == 1 else ("are", "do")
    text = {
        "different_material": f"{n} {'differs' if n == 1 else 'differ'} by more than {bound}",
        "different_size_unclear": f"{n} {'differs' if n == 1 else 'differ'} by an amount not clear yet",
        "different_negligible": f"{n} {'differs' if n == 1 else 'differ'} by less than {bound}",
        "equivalent": f"{n} {is_} the same within {bound}",
        "inconclusive": f"of {n} it cannot be told yet",
        "insufficient_n": f"{n} {'has' if n == 1 else 'have'} too few blocks",
        "not_comparable": f"{n} cannot be compared",
        "does_not_cross_subnets": f"{n} {does} not cross",
        "all_skipped": f"{n} could not run here",
        "all_failed": f"{n} failed in every trial",
        "no_rows": f"{n} {'was' if n == 1 else 'were'} not measured",
    }
    return text[verdict]


def control(rows: Sequence[Row], header: Mapping[str, Any]) -> str:
    """Say what the A/A control showed: the bench's own noise, and whether it saw what is not there."""
    aa = header["aa"]
    if not aa["tables"]:
        return "The baseline was not measured a second time, so the bench's own noise is not known."
    primary = header["family"]["primary"] or {}
    own = [r for r in rows if r["family"] == "aa" and all(r.get(k) == v for k, v in primary.items() if v)]
    parts = []
    for row in own or [r for r in rows if r["family"] == "aa"][:2]:
        if row.get("ratio") is None:
            continue
        wide = numbers.ratio(row["ratio"], row["ci_low"], row["ci_high"])
        parts.append(f"{names.placement(row['placement']).lower()} {wide}")
    head = (
        f"{rows[0]['baseline'] if rows else header['baseline']} was measured twice in every block, the "
        f"second time under a blind label"
    )
    ratios = f": against itself it has the ratio {listing(parts)}" if parts else ""
    if not aa["judged"]:
        return f"{head}{ratios}. There are too few blocks to judge that."
    verdict = (
        f"{aa['different']} of {count(aa['judged'], 'such table')} "
        f"{'was' if aa['different'] == 1 else 'were'} judged different"
    )
    return f"{head}{ratios}. {verdict}, where {aa['expected_by_chance']:.2g} would be by chance."


def undecided(rows: Iterable[Row]) -> list[str]:
    """Return, a sentence each, what the primary family cannot tell yet and what would tell it."""
    out = []
    for row in rows:
        if (
            row["family"] == "primary"
            and row["verdict"] in ("inconclusive", "different_size_unclear", "insufficient_n")
            and not _absence(row)
        ):
            out.append(f"{names.placement(row['placement'])}, {sentence(row)}")
    return out


def alt(rows: Sequence[Row]) -> str:
    """Describe a picture of ratios in at most two sentences: what is compared, and the finding."""
    if not rows:
        return "No data."
    what = names.quantity(rows[0]["metric"], rows[0]["stat"])
    places = listing([names.placement(p).lower() for p in dict.fromkeys(r["placement"] for r in rows)])
    modes = len({r["mode"] for r in rows})
    first = (
        f"Ratio of {what.noun} to {rows[0]['baseline']} with simultaneous intervals for "
        f"{count(modes, 'mode')}, {places}."
    )
    found = []
    for place in dict.fromkeys(r["placement"] for r in rows):
        here = [r for r in rows if r["placement"] == place]
        parts = [_tally(v, g, what) for v, g in _tallied(here)]
        found.append(f"{names.placement(place).lower()} {listing(parts)}")
    text = "; ".join(found)
    return f"{first} {text[0].upper()}{text[1:]}."
