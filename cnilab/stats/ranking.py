"""``rank``: in which order the modes come, as far as the data can tell.

Every pair is compared, Holm over all of them; a rank is an interval. There is no critical-difference diagram:
whether two modes differ in mean rank would depend on which others were measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cnilab.errors import DataError, UnknownKey
from cnilab.facts import Fact
from cnilab.layout import columns, html_table
from cnilab.stats.cells import Table, collect
from cnilab.stats.equivalence import log_margin
from cnilab.stats.family import controls
from cnilab.stats.letters import compact_letters, rank_intervals
from cnilab.stats.metrics import describe
from cnilab.stats.omnibus import Omnibus, permutation_f
from cnilab.stats.pairs import Family, analyse
from cnilab.stats.ratio import check_alpha
from cnilab.stats.rows import centres, number
from cnilab.stats.sensitivity import under_failures
from cnilab.stats.subjects import subject
from cnilab.stats.verdict import is_difference
from cnilab.verdicts import FLAGS

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Ranking:
    """The modes of one table in order of their centre.

    ``rows``: ``mode, rank_low, rank_high, letters, centre, centre_low, centre_high, ratio_to_best, n, ranked,
    reason, kernel_path``. ``matrix``: mode x mode of verdicts, ``pairs`` the comparisons behind them.
    """

    rows: tuple[dict[str, Any], ...]
    matrix: pd.DataFrame
    pairs: tuple[dict[str, Any], ...]
    omnibus: Omnibus
    title: str
    unit: str
    alpha: float
    margin: float
    n_blocks: int
    n_complete: int

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        return pd.DataFrame(list(self.rows))

    def to_json(self) -> str:
        """Return rows, pairs and header as JSON with ``schema_version``, unrounded."""
        head = {"title": self.title, "unit": self.unit, "alpha": self.alpha, "margin": self.margin,
                "n_blocks": self.n_blocks, "n_complete": self.n_complete,
                "omnibus": {"status": self.omnibus.status, "p": self.omnibus.p}}  # fmt: skip
        out = {
            "schema_version": SCHEMA_VERSION,
            "header": head,
            "rows": list(self.rows),
            "pairs": list(self.pairs),
        }
        return json.dumps(out, allow_nan=False, ensure_ascii=False)

    def captions(self) -> list[str]:
        """Return what a reader must know beside the table."""
        p = self.omnibus.p
        out = [
            f"{self.title}: {self.n_complete} of {self.n_blocks} blocks complete, Holm over "
            f"{len(self.pairs)} pairs at {self.alpha:g}",
            "Modes sharing a letter were not shown to differ; see the matrix for modes shown to be the same.",
        ]
        if p is not None:
            out.append(f"All modes at once: permutation F, p = {p:.4f} ({self.omnibus.n} blocks)")
        return out

    def _table(self) -> list[list[str]]:
        from cnilab.report.language import tell  # here: words are for a person who looks

        out = [["mode", "rank", "letters", "ratio to the first", "note"]]
        for r in self.rows:
            span = "–"
            if r["ranked"]:
                low, high = r["rank_low"], r["rank_high"]
                span = str(low) if low == high else f"{low}–{high}"
            ratio = "–" if r["ratio_to_best"] is None else f"{r['ratio_to_best']:.3f}"
            why = tell(Fact.from_dict(r["reason"])) if r["reason"] else ""
            out.append([r["mode"], span, r["letters"] or "–", ratio, why])
        return out

    def __repr__(self) -> str:
        return "\n".join([*self.captions(), *columns(self._table(), "  "), "", self.matrix.to_string()])

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{escape(line)}</p>" for line in self.captions()[1:])
        matrix = [["mode", *map(str, self.matrix.columns)]]
        matrix += [[str(m), *map(str, row)] for m, row in zip(self.matrix.index, self.matrix.to_numpy())]
        return (f"<div>{html_table(self._table(), self.captions()[0])}{words}"
                f"{html_table(matrix, 'Verdict of each pair')}</div>")  # fmt: skip


def rank(
    samples: pd.DataFrame,
    *,
    metric: str | None = None,
    test: str | None = None,
    placement: str | None = None,
    path: str | None = None,
    stat: str | None = None,
    margin: float = 0.05,
    alpha: float = 0.05,
    planned_modes: Sequence[str] | None = None,
    kernel_paths: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank the modes of one table.

    Parameters
    ----------
    samples
        The samples table or a bare frame, as for :func:`cnilab.stats.compare`.
    metric, test, placement, path, stat
        Which table; together they must leave exactly one.
    margin, alpha
        As for :func:`cnilab.stats.compare`.
    planned_modes
        Modes that were planned; all pairs of them count in the family, failed ones included.
    kernel_paths
        Mode -> kernel path, for tables without that column.
    seed
        Of the omnibus test's permutations.

    Returns
    -------
    Ranking
        Controls are left out. A mode without values, or carried by a userspace substitute, is listed
        unranked: its number says nothing of the kernel mode it stands for.

    Raises
    ------
    DataError
        If the choice leaves no or several tables, the metric has no better side, or fewer than two modes are
        there.
    UnknownKey
        If a value to restrict to is not in the table.
    """
    lam, level = log_margin(margin), check_alpha(alpha)
    table, skip = _one_table(samples, metric, test, placement, path, stat, planned_modes)
    about = describe(table.metric)
    bound = lam if about.scale == "log" else about.margin
    modes = [m for m in table.modes if m not in skip]
    out_of_it: dict[str, Fact | None] = {}
    for mode in modes:
        paths = table.kernel_paths.get(mode) or tuple(filter(None, [(kernel_paths or {}).get(mode)]))
        one = subject(table, mode, mode, Family(("rank",), 1), bound, kernel_paths)
        if one.absent:
            out_of_it[mode] = one.reason
        elif "userspace" in paths:
            out_of_it[mode] = Fact("not_ranked_userspace")
    planned = len(modes)
    ranked = [m for m in modes if m not in out_of_it]
    if len(ranked) < 2:
        raise DataError(
            f"{len(ranked)} of {', '.join(modes)} can be ranked; a ranking needs two modes with values"
        )
    family = Family(("rank",), planned * (planned - 1) // 2)
    subjects = [subject(table, a, b, family, bound, kernel_paths) for a, b in combinations(ranked, 2)]
    subjects, outcomes = under_failures(subjects, analyse([s.pair for s in subjects], level), level)
    k, sign = len(ranked), -1.0 if about.direction == "lower" else 1.0
    better = np.zeros((k, k), dtype=bool)
    matrix = pd.DataFrame("", index=pd.Index(ranked, name="mode"), columns=ranked, dtype=object)
    pairs = []
    for s, o in zip(subjects, outcomes):
        i, j = ranked.index(s.mode), ranked.index(s.baseline)
        verdict = "not_comparable" if s.absent and FLAGS[s.absent].settled else o.verdict
        matrix.iloc[i, j] = matrix.iloc[j, i] = verdict
        if is_difference(verdict) and o.estimate:
            better[(i, j) if sign * o.estimate > 0 else (j, i)] = True
        pairs.append({"a": s.mode, "b": s.baseline, "estimate": number(o.estimate),
                      "sim_low": number(o.sim_low), "sim_high": number(o.sim_high), "p": o.p,
                      "p_holm": o.p_holm, "p_equivalence_holm": o.p_equivalence_holm, "verdict": verdict,
                      "n_used": o.n})  # fmt: skip
    middle = centres([table], level)
    centre = {m: middle[(id(table), m)] for m in ranked}
    order = sorted(range(k), key=lambda i: (-sign * centre[ranked[i]][0], ranked[i]))
    letters, ranks = compact_letters(better | better.T, order), rank_intervals(better)
    best = centre[ranked[order[0]]][0]
    rows = []
    for i in order:
        m = ranked[i]
        c = centre[m]
        rows.append({
            "mode": m, "rank_low": ranks[i][0], "rank_high": ranks[i][1],
            "letters": letters[i],
            "centre": number(c[0]), "centre_low": number(c[1]), "centre_high": number(c[2]),
            "ratio_to_best": c[0] / best if about.scale == "log" else None,
            "n": int((table.runs[table.row(m)] > 0).sum()), "ranked": True,
            "reason": fact.to_dict() if (fact := _carried(table, m, kernel_paths)) else None,
            "kernel_path": _path(table, m, kernel_paths),
        })  # fmt: skip
    rows += [
        {"mode": m, "rank_low": None, "rank_high": None, "letters": None, "centre": None, "centre_low": None,
         "centre_high": None, "ratio_to_best": None, "n": int((table.runs[table.row(m)] > 0).sum()),
         "ranked": False, "reason": why.to_dict() if why else None, "kernel_path": _path(table, m, kernel_paths)}
        for m, why in out_of_it.items()
    ]  # fmt: skip
    values = table.values[[table.row(m) for m in ranked]]
    names = [ranked[i] for i in order]
    kind = None if table.stat == "value" else table.stat
    title = ", ".join(filter(None, (table.test, table.metric, kind, table.placement, table.path)))
    if about.direction is None:
        title += " (from the highest value; which side is better is not known)"
    complete = int((~np.isnan(values).any(axis=0)).sum())
    return Ranking(
        tuple(rows), matrix.loc[names, names], tuple(pairs), permutation_f(values, seed=seed), title,
        table.unit, level, margin, len(table.blocks), complete,
    )  # fmt: skip


def _path(table: Table, mode: str, kernel_paths: Mapping[str, str] | None) -> str | None:
    return "+".join(table.kernel_paths.get(mode, ())) or (kernel_paths or {}).get(mode)


def _carried(table: Table, mode: str, kernel_paths: Mapping[str, str] | None) -> Fact | None:
    path = _path(table, mode, kernel_paths)
    return None if path in (None, "native") else Fact("carried_by_substitute", {"path": path})


def _one_table(
    samples: pd.DataFrame,
    metric: str | None,
    test: str | None,
    placement: str | None,
    path: str | None,
    stat: str | None,
    planned: Sequence[str] | None,
) -> tuple[Table, list[str]]:
    asked = {"test": test, "metric": metric, "stat": stat, "placement": placement, "path": path}
    primary = {k: v for k, v in asked.items() if v is not None} if metric is not None else None
    cells = collect(samples, modes=planned, primary=primary)
    found = [t for t in cells.tables if cells.primary is None or cells.primary.names(t)]
    for key, value in {"test": test, "placement": placement, "path": path, "stat": stat}.items():
        if value is not None:
            known = sorted({str(getattr(t, key)) for t in found})
            found = [t for t in found if getattr(t, key) == value]
            if not found:
                raise UnknownKey(key, value, known)
    if len(found) != 1:
        names = "; ".join(
            " ".join(str(v) for v in (t.test, t.metric, t.stat, t.placement, t.path) if v) for t in found
        )
        raise DataError(
            f"{len(found)} tables to rank ({names}); name test, metric, placement … until one is left"
        )
    if describe(found[0].metric).direction is None and found[0].metric != "value":
        raise DataError(
            f"metric {found[0].metric!r} has no better side in the table of metrics, so it has no ranks"
        )
    return found[0], controls(cells)
