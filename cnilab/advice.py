"""``advise``: the modes that a network admits, in the order of a study's evidence, and what each requirement costs.

What is admitted is :mod:`cnilab.admission`'s; what is known of the admitted ones is the study's: rank intervals of its
declared metric, and its own comparisons with the baseline. Nothing is estimated here, and nothing is recommended that
no verdict carries: a mode that was not measured has no place, and modes that were not told apart share theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnilab.admission import Constraints, admissible, cautions, refusals
from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.modes import MODES, order
from cnilab.runs.run import Run
from cnilab.stats.metrics import describe
from cnilab.stats.ranking import Ranking, rank
from cnilab.stats.verdict import is_difference

if TYPE_CHECKING:
    from cnilab.report.blocks import Chapter
    from cnilab.stats import Comparison

SCHEMA_VERSION = 1
#: What a network is; the others are what it must do.
SITE = ("nodes", "subnets", "routed_underlay")
#: Constraints that have a price, as far as they refuse a mode.
PRICED = ("nodes", "subnets", "policy", "encryption", "no_bgp", "no_vxlan", "no_ipip")


@dataclass(frozen=True)
class Choice:
    """One mode: whether it may be taken, and what the study knows of it.

    Parameters
    ----------
    mode
        Its id.
    refused_by, cautions
        Codes of :data:`cnilab.admission.RULES` and :data:`~cnilab.admission.CAUTIONS`.
    place
        Its rank interval in the study, None where the study does not carry one.
    unplaced
        Why it has none.
    comparison
        The study's comparison of it with the baseline, on the declared metric where it counts.
    """

    mode: str
    refused_by: tuple[str, ...]
    cautions: tuple[str, ...]
    place: tuple[int, int] | None
    unplaced: Fact | None
    comparison: Comparison | None

    @property
    def admissible(self) -> bool:
        """Whether no rule refuses it."""
        return not self.refused_by

    def to_dict(self) -> dict[str, Any]:
        """Return the row a program reads."""
        low, high = self.place or (None, None)
        return {
            "mode": self.mode, "admissible": self.admissible, "refused_by": list(self.refused_by),
            "place_low": low, "place_high": high, "cautions": list(self.cautions),
            "unplaced": self.unplaced.to_dict() if self.unplaced else None, **_numbers(self.comparison),
        }  # fmt: skip


@dataclass(frozen=True)
class Price:
    """What the modes that meet a requirement cost against the baseline, by the cheapest of them in this study.

    Parameters
    ----------
    constraint
        The requirement, alone in the network that was described; ``""`` for none, ``together`` for all.
    comparison
        The study's comparison of the cheapest mode that meets it; None where no such mode has a value.
    """

    constraint: str
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row a program reads."""
        row = self.comparison
        about = {
            key: row[key] if row else None
            for key in ("metric", "stat", "test", "placement", "mode", "baseline")
        }
        return {"constraint": self.constraint, **about, **_numbers(row)}


def _numbers(row: Comparison | None) -> dict[str, Any]:
    keys = ("ratio", "ci_low", "ci_high", "shown_low", "shown_high", "verdict", "kernel_path")
    return {key: row[key] if row else None for key in keys} | {"flags": list(row["flags"]) if row else []}


@dataclass(frozen=True)
class Evidence:
    """What of a study an advice rests on.

    Parameters
    ----------
    run_id
        The study's run.
    metric, stat, test, placement
        The declared metric, in the placement that decides.
    baseline
        The mode that the others were compared with.
    n_blocks
        How many blocks there are.
    """

    run_id: str
    metric: str
    stat: str
    test: str
    placement: str
    baseline: str
    n_blocks: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their names."""
        return dict(vars(self))


@dataclass(frozen=True)
class Advice:
    """What :func:`advise` returns; shown as text, as HTML and as JSON.

    Parameters
    ----------
    constraints
        What was asked.
    rows
        Every mode: the admissible ones in the order of evidence, then those without a place, then the refused ones.
    prices
        One a requirement that was given.
    free, together
        The same with no requirement at all, and with all of them.
    leaders
        Admissible modes with a place that no other one of them was shown to be better than.
    leads
        Whether there is one leader, and it was shown to be better than every other of them.
    evidence
        What it rests on; None: on the rules alone.
    """

    constraints: Constraints
    rows: tuple[Choice, ...]
    prices: tuple[Price, ...] = ()
    free: Price | None = None
    together: Price | None = None
    leaders: tuple[str, ...] = ()
    leads: bool = False
    evidence: Evidence | None = None

    @property
    def admitted(self) -> list[Choice]:
        """The modes that no rule refuses, in order."""
        return [row for row in self.rows if row.admissible]

    @property
    def refused(self) -> list[Choice]:
        """The modes that a rule refuses."""
        return [row for row in self.rows if not row.admissible]

    def to_dict(self) -> dict[str, Any]:
        """Return the object a program reads, numbers unrounded, missing None."""
        return {
            "schema_version": SCHEMA_VERSION,
            "constraints": self.constraints.to_dict(),
            "evidence": self.evidence.to_dict() if self.evidence else None,
            "rows": [row.to_dict() for row in self.rows],
            "leaders": list(self.leaders),
            "leads": self.leads,
            "prices": [price.to_dict() for price in self.prices],
            "free": self.free.to_dict() if self.free else None,
            "together": self.together.to_dict() if self.together else None,
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)

    def _shown(self, language: str = "en") -> Chapter:
        from cnilab.report import language as languages  # here: words are for a person who looks
        from cnilab.report.chapters.choose import shown

        return shown(self, languages.get(language))

    def text(self, language: str = "en") -> str:
        """Return the advice for a terminal, in a language of :data:`cnilab.report.language.LANGUAGES`."""
        return "\n\n".join(map(repr, self._shown(language).blocks))

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()


def advise(
    run: Run | str | Path | None = None, constraints: Constraints | None = None, **asked: Any
) -> Advice:
    """Return which modes may be taken under constraints, and what a study knows of them.

    Parameters
    ----------
    run
        A run directory, or one that was opened; None: the rules alone.
    constraints
        What the network offers and what is required; or the same by name.
    asked
        Fields of :class:`cnilab.admission.Constraints`: ``subnets=2, encryption=True``.

    Returns
    -------
    Advice
        A row a mode.

    Raises
    ------
    DataError
        If the constraints contradict each other.
    RunDirError
        If ``run`` is no run directory.

    Examples
    --------
    >>> [row.mode for row in advise(subnets=2, encryption=True).admitted]
    ['flannel-wireguard', 'calico-wireguard']
    """
    constraints = constraints or Constraints(**asked)
    if run is None:
        return Advice(constraints, tuple(_sorted(_choice(mode, constraints, None) for mode in MODES)))
    return _of_study(
        Known(run if isinstance(run, Run) else Run.open(run), constraints.placement), constraints
    )


class Known:
    """What a study knows in one placement, looked up once for any constraints of that placement.

    Parameters
    ----------
    run
        The run directory.
    placement
        The placement that decides.
    """

    def __init__(self, run: Run, placement: str) -> None:
        study, primary = run.study, run.study.primary
        self.run, self.placement = run, placement
        others = {name: level for name, level in study.control.levels.items() if name != "mode"}
        declared = (primary.metric, primary.stat, primary.test, placement, study.path)
        self.rows: dict[str, Comparison] = {
            str(row.levels.get("mode", row.mode)): row
            for row in run.comparisons.rows
            if (row.metric, row.stat, row.test, row.placement, row.path) == declared
            and not row.twin
            and row.family != "aa"
            and all(row.levels.get(name, level) == level for name, level in others.items())
        }
        self.ranking, self.why_not = self._rank(others)
        self.ranks = {row["mode"]: row for row in self.ranking.rows} if self.ranking else {}
        self.beaten = _beaten(self.ranking, primary.metric) if self.ranking else {}
        self.evidence = Evidence(
            run.run_id, primary.metric, primary.stat, primary.test, placement, study.control.mode, study.blocks,
        )  # fmt: skip

    def _rank(self, others: Mapping[str, Any]) -> tuple[Ranking | None, Fact | None]:
        """Rank the declared metric here, at the baseline's levels of every factor but the mode."""
        study = self.run.study
        if self.placement not in study.placements:
            return None, Fact("placement_not_measured", {"placement": self.placement})
        samples = self.run.samples
        for name, level in others.items():
            samples = samples[samples[name] == level].drop(columns=name)
        here = (samples["test"] == study.primary.test) & (samples["placement"] == self.placement)
        if not (samples.loc[here, "status"] == "ok").any():
            return None, Fact("nothing_compared")
        try:
            found = rank(
                samples, placement=self.placement, path=study.path, margin=study.margin, alpha=study.alpha,
                seed=study.seed, **study.primary.model_dump(),
            )  # fmt: skip
        except DataError as error:  # one mode alone has no rank
            return None, Fact("no_order", quoted=str(error))
        return found, None

    def place(self, mode: str) -> tuple[tuple[int, int] | None, Fact | None]:
        """Return a mode's rank interval, or None and why the study does not carry one."""
        if self.ranking is None:
            return None, self.why_not
        row = self.ranks.get(mode)
        if row is None:
            return None, Fact("mode_not_measured")
        if row["ranked"]:
            return (row["rank_low"], row["rank_high"]), None
        if not row["reason"]:
            return None, Fact("no_value_here")
        fact = Fact.from_dict(row["reason"])
        inner = fact.args.get("why")
        return None, inner if isinstance(inner, Fact) else fact  # the row says whose it is

    def leaders(self, modes: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``modes`` with a place than which no other of them was shown to be better."""
        placed = [m for m in modes if self.place(m)[0]]
        return tuple(m for m in placed if not self.beaten[m] & set(placed))

    def leads(self, modes: Iterable[str]) -> bool:
        """Whether one of ``modes`` was shown to be better than every other of them that has a place."""
        placed = [m for m in modes if self.place(m)[0]]
        return len(placed) > 1 and any(
            all(one in self.beaten[m] for m in placed if m != one) for one in placed
        )

    def price(self, constraint: str, modes: Iterable[str]) -> Price:
        """Return the comparison of the cheapest of ``modes``; a substitute's only where no real device has one."""
        rows = [row for m in order(modes) if (row := self.rows.get(m)) is not None and row.ratio is not None]
        rows = [row for row in rows if row.verdict != "not_comparable"]
        real = [row for row in rows if row.kernel_path in (None, "native")]
        kept = real or [row for row in rows if "userspace" not in str(row.kernel_path)] or rows
        if not kept or kept[0].direction is None:
            return Price(constraint, None)
        best = max if kept[0].direction == "higher" else min
        return Price(constraint, best(kept, key=lambda row: row.ratio or 0.0))


def _of_study(known: Known, constraints: Constraints) -> Advice:
    rows = _sorted(_choice(mode, constraints, known) for mode in MODES)
    admitted = [row.mode for row in rows if row.admissible]
    given = [name for name in PRICED if name in constraints.given and _refuses(constraints, name)]
    alone = {name: admissible(constraints.only(*SITE, name)) for name in given}
    return Advice(
        constraints,
        tuple(rows),
        tuple(known.price(name, modes) for name, modes in alone.items()),
        known.price("", admissible(constraints.only(*SITE))),
        known.price("together", admitted),
        known.leaders(admitted),
        known.leads(admitted),
        known.evidence,
    )


def _refuses(constraints: Constraints, name: str) -> bool:
    """Whether a constraint that was given refuses, alone, any mode that would be admitted without it."""
    alone = constraints.only(name)
    return any(refusals(mode, alone) and not refusals(mode, Constraints(nodes=2)) for mode in MODES.values())


def _choice(name: str, constraints: Constraints, known: Known | None) -> Choice:
    mode = MODES[name]
    place, why_not = known.place(name) if known else (None, None)
    row = known.rows.get(name) if known else None
    return Choice(name, refusals(mode, constraints), cautions(mode, constraints), place, why_not, row)


def _sorted(rows: Iterable[Choice]) -> list[Choice]:
    """Return the rows in the order of evidence; what evidence does not order keeps the catalogue's order."""
    return sorted(
        rows, key=lambda row: (not row.admissible, row.place is None or not row.admissible, _key(row))
    )


def _key(row: Choice) -> Sequence[int]:
    return row.place if row.place and row.admissible else ()


def _beaten(ranking: Ranking, metric: str) -> dict[str, set[str]]:
    """Return, for each ranked mode, those that were shown to be better."""
    sign = -1.0 if describe(metric).direction == "lower" else 1.0
    out: dict[str, set[str]] = {row["mode"]: set() for row in ranking.rows if row["ranked"]}
    for pair in ranking.pairs:
        if is_difference(pair["verdict"]) and pair["estimate"]:
            a_is_better = sign * pair["estimate"] > 0
            better, worse = (pair["a"], pair["b"]) if a_is_better else (pair["b"], pair["a"])
            out[worse].add(better)
    return out


__all__ = ["Advice", "Choice", "Constraints", "Evidence", "Known", "Price", "advise"]
