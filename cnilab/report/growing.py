"""What a run says of how routing grows: a row a size and topology, a law a quantity, and the notes' claims as facts.

Read from a run's samples; what is exact is a count, what varies is the blocks' median, and a law is
:mod:`cnilab.stats.growth`'s. Times and CPU are those of all routers on this machine's processors, not of a cluster in
which each node has its own; that is said wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cnilab.errors import DataError
from cnilab.facts import Fact
from cnilab.runs.run import Run
from cnilab.stats.growth import Growth, Prediction, grow
from cnilab.study import Study

TOOL = "convergence"
SCHEMA_VERSION = 1
#: Column of a row -> the metric it is of.
COLUMNS = {
    "sessions": "sessions",
    "routes_per_node": "routes_per_node",
    "routes": "routes",
    "paths": "paths",
    "neighbours": "neighbours",
    "fdb_entries": "fdb_entries",
    "rss_bytes": "rss_bytes",
    "cpu_s": "cpu_s",
    "programming_cpu_s": "programming_cpu_s",
    "messages": "messages",
    "bytes": "received_bytes",
    "converged_s": "converged_s",
    "joined_s": "joined_s",
    "withdrawn_s": "withdrawn_s",
    "reflector_lost_s": "reflector_lost_s",
    "emptied_s": "emptied_s",
}
COUNTS = ("sessions", "routes_per_node", "routes", "paths", "neighbours", "fdb_entries", "messages")
#: Quantity that has a law -> power of the number of routers with which the part grows that is there without growth:
#: every daemon costs something alone, and a time begins with a timer.
LAWS = {
    "rss_bytes": 1.0,
    "cpu_s": 1.0,
    "programming_cpu_s": 1.0,
    "bytes": 1.0,
    "converged_s": 0.0,
    "joined_s": 0.0,
    "withdrawn_s": 0.0,
    "reflector_lost_s": 0.0,
}
#: The claim that is looked at, in routers.
CLAIMED = 100
_MODES = {"calico-bgp-mesh": "mesh", "calico-bgp-rr": "reflectors"}


@dataclass(frozen=True)
class Law:
    """How one quantity grows in one topology; ``curve`` is its prediction at sizes from the smallest to the last."""

    quantity: str
    topology: str
    growth: Growth
    curve: tuple[Prediction, ...]
    points: tuple[tuple[float, float], ...]


def test_of(study: Study) -> str | None:
    """Return the name of a study's test that grows routing, or None."""
    return next((test.name for test in study.tests if test.tool == TOOL), None)


def sizes_of(study: Study, option: str) -> tuple[int, ...]:
    """Return the numbers of routers that the study's test names under an option."""
    name = test_of(study)
    return tuple(sorted(map(int, study.test(name).options.get(option, "").split()))) if name else ()


def measured(run: Run) -> pd.DataFrame:
    """Return every value: ``block, nodes, mode, topology, reflectors, quantity, value``."""
    name, study = test_of(run.study), run.study
    known = {metric: column for column, metric in COLUMNS.items()}
    frame = run.samples
    frame = frame[(frame["test"] == name) & (frame["status"] == "ok") & frame["metric"].isin(known)]
    out = pd.DataFrame(
        {
            "block": frame["block"].astype(int),
            "mode": frame["mode"].astype(str),
            "nodes": _levels(frame, study, "routers").astype(int),
            "reflectors": _levels(frame, study, "reflectors")
            .where(frame["mode"] == "calico-bgp-rr", 0)
            .astype(int),
            "quantity": frame["metric"].map(known).astype(str),
            "value": frame["value"].astype(float),
        }
    )
    labels = [label(mode, k) for mode, k in zip(out["mode"], out["reflectors"])]
    return out.assign(topology=np.array(labels, dtype=object))


def _levels(frame: pd.DataFrame, study: Study, factor: str) -> pd.Series:
    """Return a factor's level in each row; one that does not vary is in no column."""
    only = study.factors.get(factor, (0,))[0]
    there = frame[factor] if factor in frame else pd.Series(only, index=frame.index)
    return pd.to_numeric(there, errors="coerce").fillna(0)


def label(mode: str, reflectors: int) -> str:
    """Return a topology's name as `cnilab scale` takes it.

    >>> label("calico-bgp-rr", 2), label("calico-bgp-mesh", 0), label("flannel-vxlan", 0)
    ('reflectors:2', 'mesh', 'flannel-vxlan')
    """
    name = _MODES.get(mode, mode)
    return f"{name}:{reflectors}" if name == "reflectors" else name


def rows(run: Run) -> list[dict[str, Any]]:
    """Return a row a size and topology, as `cnilab scale --json` has it: medians of the blocks, None where missing."""
    values = measured(run)
    out = []
    for (topology, reflectors, nodes), part in values.groupby(
        ["topology", "reflectors", "nodes"], sort=False
    ):
        medians = part.groupby("quantity")["value"].median()
        row: dict[str, Any] = {
            "nodes": int(nodes),
            "topology": topology.partition(":")[0],
            "reflectors": int(reflectors),
        }
        for column in COLUMNS:
            value = medians.get(column)
            row[column] = None if value is None else int(value) if column in COUNTS else float(value)
        out.append(row | {"blocks": int(part["block"].nunique())})
    return sorted(out, key=lambda row: (_order(label_of(row)), row["nodes"]))


def label_of(row: Mapping[str, Any]) -> str:
    """Return a row's topology with its number of reflectors."""
    return f"{row['topology']}:{row['reflectors']}" if row["reflectors"] else str(row["topology"])


def _order(topology: str) -> tuple[int, str]:
    return (0 if topology == "mesh" else 1 if topology.startswith("reflectors") else 2, topology)


def laws(run: Run) -> list[Law]:
    """Return the law of every quantity that was measured at three sizes or more, topology by topology."""
    values = measured(run)
    held, beyond = sizes_of(run.study, "held_back"), sizes_of(run.study, "extrapolate")
    out = []
    for topology in sorted(values["topology"].unique(), key=_order):
        for quantity, q in LAWS.items():
            part = values[(values["topology"] == topology) & (values["quantity"] == quantity)]
            table = part.pivot_table(index="block", columns="nodes", values="value")
            sizes = [int(n) for n in table.columns]
            back = [n for n in held if n in sizes]
            if len(sizes) - len(back) < 3:
                continue
            last = max([*sizes, *beyond])
            grid = np.geomspace(min(sizes), last, 40)
            alone = 1.0 if topology.startswith("flannel") else q  # a program is started on every node in turn
            try:
                found = grow(
                    sizes,
                    table.to_numpy(),
                    held_back=back,
                    beyond=(*beyond, *grid),
                    q=alone,
                    alpha=run.study.alpha,
                )
            except DataError:
                continue  # no block is whole; the rows show what there is
            told, curve = (
                found.predictions[: len(back) + len(beyond)],
                found.predictions[len(back) + len(beyond) :],
            )
            points = tuple((float(n), float(np.exp(np.nanmean(np.log(table[n]))))) for n in sizes)
            out.append(Law(quantity, topology, _with(found, told), curve, points))
    return out


def _with(growth: Growth, predictions: tuple[Prediction, ...]) -> Growth:
    return Growth(**{**vars(growth), "predictions": predictions})


def fits(found: Iterable[Law]) -> list[dict[str, Any]]:
    """Return a row a law and predicted size, as `cnilab scale --json` has it."""
    out = []
    for law in found:
        exponent = law.growth.exponent
        ends = (None, None, None) if exponent is None else (exponent.estimate, exponent.low, exponent.high)
        low, high = (v if v is not None and np.isfinite(v) else None for v in ends[1:])
        for p in law.growth.predictions:
            out.append(
                {
                    "quantity": law.quantity,
                    "topology": law.topology,
                    "exponent": ends[0],
                    "ci_low": low,
                    "ci_high": high,
                    "nodes": int(p.size),
                    "predicted": p.predicted,
                    "pi_low": p.low,
                    "pi_high": p.high,
                    "measured": p.measured,
                    "law_holds": law.growth.law_holds,
                    "blocks": law.growth.n,
                }
            )
    return out


def claims(found: Sequence[Mapping[str, Any]]) -> list[Fact]:
    """Return what the numbers say of the notes' three claims on how many nodes a mesh carries; ``found`` are rows."""
    mesh = [row for row in found if row["topology"] == "mesh"]
    out = []
    if mesh:
        most = mesh[-1]
        cost = {
            "nodes": most["nodes"],
            "sessions": most["sessions"],
            "converged_s": most["converged_s"],
            "rss_per_node": most["rss_bytes"] / most["nodes"],
            "cpu_per_node": most["cpu_s"] / most["nodes"],
        }
        out.append(Fact("claim_mesh", {"claimed": CLAIMED, **cost}))
        out.append(
            Fact("claim_ipip", {"sessions": [n * (n - 1) // 2 for n in (100, 200)], "routes": [99, 199]})
        )
        least = mesh[0]
        about = {
            "sizes": len(mesh),
            "low": least["nodes"],
            "high": most["nodes"],
            "per_node": [least["routes_per_node"], most["routes_per_node"]],
            "in_all": [least["routes"], most["routes"]],
        }
        out.append(Fact("claim_exponential", about))
    return out


def stopped(run: Run) -> list[tuple[str, int, Fact]]:
    """Return ``(topology, routers, why)`` of every size that gave no values, each reason once."""
    from cnilab.runs.samples import reason_of

    frame = run.trials
    frame = frame[(frame["test"] == test_of(run.study)) & (frame["status"] != "ok")]
    out: dict[tuple[str, int, Fact], None] = {}
    for _, row in frame.iterrows():
        treatment = {name: row.get(name) for name in ("routers", "reflectors")}
        number = {k: 0 if v is None or pd.isna(v) else int(v) for k, v in treatment.items()}
        nodes = number["routers"] or int(run.study.factors.get("routers", (0,))[0])
        why = reason_of(row) or Fact("no_reason")
        out[label(str(row["mode"]), number["reflectors"]), nodes, why] = None
    return list(out)
