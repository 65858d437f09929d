"""What is compared within what: factors of a samples table laid onto two axes, and what is left over told.

The statistics know one axis of *treatments* and, across it, tables. Here a table's columns become these: the factors
in ``by`` together name a treatment, those in ``within`` together name what a table is of, and a factor that varies and
is in neither is the residue (golang/perf's ``benchproc`` calls such keys non-singular): whatever it does is in the
noise or, worse, in the difference. Nothing is computed with values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cnilab.errors import DataError
from cnilab.runs import samples as tables
from cnilab.stats.frame import SCENARIO, tidy
from cnilab.study.factors import FACTORS


@dataclass(frozen=True)
class View:
    """Which factors are compared, and within which.

    Parameters
    ----------
    by
        Columns that together name a treatment, the mode first.
    within
        Columns that together name a table: ``test``, ``placement``, ``path``, and factors that vary by trial. The
        first level of such a factor, in its own order, needs no naming.
    """

    by: tuple[str, ...] = ("mode",)
    within: tuple[str, ...] = SCENARIO

    @classmethod
    def of(cls, samples: pd.DataFrame) -> View:
        """Return the view in which every factor of a table has the place that its kind has; nothing is left over."""
        there = [f for f in FACTORS.values() if f.name in samples and f.name != "mode"]
        return cls(
            ("mode", *(f.name for f in there if f.compared)),
            (*SCENARIO, *(f.name for f in there if not f.compared)),
        )


@dataclass(frozen=True)
class Projected:
    """A tidy frame in which ``mode`` and ``test`` are the labels of a view.

    Parameters
    ----------
    treatments
        Label -> level of each factor in ``by``.
    twins
        Label of a blind copy -> label of what it is a copy of.
    tests
        Label -> level of each factor that it has beside the test's own name.
    residue
        Label of a test -> factors that vary there and are in neither ``by`` nor ``within``.
    """

    frame: pd.DataFrame
    treatments: Mapping[str, Mapping[str, Any]]
    twins: Mapping[str, str]
    tests: Mapping[str, Mapping[str, Any]]
    residue: Mapping[str, tuple[str, ...]]


def label_of(levels: Mapping[str, Any]) -> str:
    """Return a treatment's label.

    >>> label_of({"mode": "flannel-vxlan", "nodes": 10})
    'flannel-vxlan, nodes 10'
    """
    first, *others = levels.items()
    return ", ".join([str(first[1]), *(f"{name} {level}" for name, level in sorted(others))])


def label_of_test(test: str | None, levels: Mapping[str, Any]) -> str:
    """Return the label of a test at levels of factors that vary by trial.

    >>> label_of_test("tcp_stream", {"mss": "equal"}), label_of_test("tcp_rr", {})
    ('tcp_stream[mss=equal]', 'tcp_rr')
    """
    told = ",".join(f"{name}={level}" for name, level in levels.items())
    return f"{test or ''}[{told}]" if told else test or ""


def project(samples: pd.DataFrame, view: View | None = None) -> Projected:
    """Lay a samples table, or a bare frame, onto the axes of a view; None: of :meth:`View.of`.

    Raises
    ------
    DataError
        If a column of the view is not in the table, or the frame is none (:func:`cnilab.stats.frame.tidy`).
    """
    frame = tidy(samples)
    view = view or View.of(frame)
    if gone := [c for c in (*view.by, *view.within) if c not in frame]:
        raise DataError(
            f"no column {gone[0]!r} to compare by or within; there are {', '.join(frame.columns)}"
        )
    mode, treatments, twins = _treatments(frame, view.by)
    extra = tuple(c for c in view.within if c not in SCENARIO)
    test, tests = _tests(frame, extra)
    residue = _residue(frame.assign(test=test), samples, {*view.by, *view.within})
    return Projected(frame.assign(mode=mode, test=test), treatments, twins, tests, residue)


def _distinct(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.Series, list[dict[str, Any]]]:
    """Return each row's number among the distinct combinations, and these."""
    number = frame.groupby(list(columns), sort=False, dropna=False, observed=True).ngroup()
    first = frame.loc[~number.duplicated(), list(columns)]
    order = number[~number.duplicated()].to_numpy()
    found: list[dict[str, Any]] = [{}] * len(first)
    for at, row in zip(order, first.to_dict("records")):
        found[at] = {k: v for k, v in row.items() if not pd.isna(v)}
    return number, found


def _treatments(
    frame: pd.DataFrame, by: tuple[str, ...]
) -> tuple[pd.Series, dict[str, dict[str, Any]], dict[str, str]]:
    twinned = bool(frame["twin"].any())
    if by == ("mode",) and not twinned:
        return frame["mode"], {str(m): {"mode": m} for m in frame["mode"].unique()}, {}
    number, found = _distinct(frame, [*by, "twin"])
    treatments, twins, labels = {}, {}, []
    for levels in found:
        twin = bool(levels.pop("twin"))
        plain = levels[by[0]] if len(by) == 1 else label_of(levels)
        label = f"{plain} (twin)" if twin else plain
        treatments[str(label)] = levels
        if twin:
            twins[str(label)] = str(plain)
        labels.append(label)
    return number.map(dict(enumerate(labels))), treatments, twins


def _tests(frame: pd.DataFrame, extra: tuple[str, ...]) -> tuple[pd.Series, dict[str, dict[str, Any]]]:
    if not extra:
        return frame["test"], {}
    plain = {name: next(iter(_order(name)(frame[name].dropna().unique())), None) for name in extra}
    number, found = _distinct(frame, ["test", *extra])
    tests, labels = {}, []
    for levels in found:
        name = levels.pop("test", "")
        label = label_of_test(name, {k: v for k, v in levels.items() if plain.get(k) != v})
        tests[label] = levels
        labels.append(label)
    return number.map(dict(enumerate(labels))), tests


def _order(factor: str) -> Callable[[Iterable[Any]], list]:
    return FACTORS[factor].order if factor in FACTORS else sorted


def _residue(frame: pd.DataFrame, samples: pd.DataFrame, used: set[str]) -> dict[str, tuple[str, ...]]:
    known = set(samples) - set(tables.COLUMNS) if tables.is_samples(samples) else set(samples) & set(FACTORS)
    out: dict[str, tuple[str, ...]] = {}
    for name in sorted(known - used - {"mode", "twin"}):
        varies = frame.groupby("test", dropna=False, observed=True)[name].nunique(dropna=False) > 1
        for test in varies.index[varies]:
            out[str(test)] = (*out.get(str(test), ()), name)
    return out
