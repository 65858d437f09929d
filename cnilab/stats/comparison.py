"""One comparison as a value: everything it says, unrounded, with nothing missing disguised as a number.

Its keys are a contract (programs read them), and are a mapping's keys here too: ``row["ci_low"]`` is
``row.ci.low``. How it is kept in a file is written here too, beside the keys. All of a study together are
:class:`cnilab.stats.comparisons.Comparisons`; nothing is computed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa


class Interval(NamedTuple):
    """Two ends; None where there is none, or it is not finite."""

    low: float | None = None
    high: float | None = None


NOWHERE = Interval()


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison(Mapping[str, Any]):
    """A mode against the baseline in one table, with its verdict and all that qualifies it.

    Ratios stand for metrics compared as such, differences (in the metric's unit) for the others; ``ci`` is the
    interval of this comparison alone, ``sim_ci`` the one that holds for its whole family at once, ``shown`` the one
    that goes with the verdict (:mod:`cnilab.stats.shown`; a ratio or a difference, as the scale is). ``same_within``
    is the smallest margin with which this comparison alone would be called the same, chosen after the data. ``wins``
    counts blocks in which the mode was better, None where nobody has said what is; ``higher`` those in which it was
    higher. ``blocks_to_differ`` would call a difference as large as the estimate, ``blocks_to_be_same`` would show
    sameness if there is none. ``centre`` is a mode by itself, a description and never a comparison. ``mode`` and
    ``test`` are labels; ``levels`` are those of the factors behind them, and ``twin`` marks the baseline against its
    own blind copy. ``states`` has an entry per state of the machine, where there were several: ``state`` (0 the
    fastest), ``n`` blocks, and ``estimate``, ``ci_low``, ``ci_high`` as ratio or difference. Equal to a dict of the
    same keys and values.
    """

    metric: str
    test: str | None = None
    placement: str | None = None
    path: str | None = None
    mode: str
    baseline: str
    n_blocks: int
    n_used: int
    ratio: float | None = None
    ci: Interval = field(default=NOWHERE, metadata={"keys": ("ci_low", "ci_high")})
    sim_ci: Interval = field(default=NOWHERE, metadata={"keys": ("sim_ci_low", "sim_ci_high")})
    p: float | None = None
    p_holm: float | None = None
    p_equivalence: float | None = None
    margin: float | None = None
    wins: int | None = None
    verdict: str
    flags: tuple[str, ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    stat: str
    family: str
    family_size: int
    q_bh: float | None = None
    p_equivalence_holm: float | None = None
    ci_level: float | None = None
    sim_ci_level: float | None = None
    rank_biserial: float | None = None
    ties: int | None = None
    largest_not_excluded: float | None = None
    n_min: int
    sd: float | None = None
    noise: float | None = None
    blocks_to_differ: int | None = None
    blocks_to_be_same: int | None = None
    same_within: float | None = None
    higher: int | None = None
    shown: Interval = field(default=NOWHERE, metadata={"keys": ("shown_low", "shown_high")})
    difference: float | None = None
    difference_ci: Interval = field(
        default=NOWHERE, metadata={"keys": ("difference_ci_low", "difference_ci_high")}
    )
    difference_sim_ci: Interval = field(
        default=NOWHERE, metadata={"keys": ("difference_sim_ci_low", "difference_sim_ci_high")}
    )
    centre: float | None = None
    centre_ci: Interval = field(default=NOWHERE, metadata={"keys": ("centre_low", "centre_high")})
    baseline_centre: float | None = None
    baseline_centre_ci: Interval = field(
        default=NOWHERE, metadata={"keys": ("baseline_centre_low", "baseline_centre_high")}
    )
    unit: str
    direction: str | None = None
    scale: str
    kernel_path: str | None = None
    baseline_kernel_path: str | None = None
    n_failed: int
    n_failed_baseline: int
    n_runs: int
    failed_reason: Mapping[str, Any] | None = None
    failed_reason_baseline: Mapping[str, Any] | None = None
    outlier_blocks: tuple[str, ...] = ()
    reason: Mapping[str, Any] | None = None
    states: tuple[Mapping[str, Any], ...] = ()
    twin: bool = False
    levels: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        name, end = KEYS[key]
        value = getattr(self, name)
        return value if end is None else value[end]

    def __iter__(self) -> Iterator[str]:
        return iter(KEYS)

    def __len__(self) -> int:
        return len(KEYS)

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's keys with their values, in its order."""
        return {key: self[key] for key in KEYS}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Comparison:
        """Read what :meth:`to_dict` made."""
        made: dict[str, Any] = {}
        for about in fields(cls):
            if ends := about.metadata.get("keys"):
                made[about.name] = Interval(*(row[end] for end in ends))
            else:
                value = row[about.name]
                made[about.name] = tuple(value) if about.name in LISTS else value
        return cls(**made)


#: Key of the contract -> the field that holds it, and which end of an interval it is (None: the field itself).
KEYS: dict[str, tuple[str, int | None]] = {
    key: (about.name, None if end < 0 else end)
    for about in fields(Comparison)
    for end, key in enumerate(about.metadata.get("keys", (about.name,)), -1 if not about.metadata else 0)
}
#: Keys that hold several values.
LISTS = ("flags", "warnings", "outlier_blocks", "states")

#: Annotation of a field -> how its keys are kept in a file. What is no plain value is kept as JSON text.
_KEPT = {
    "str": "string", "str | None": "string", "int": "int64", "int | None": "int64",
    "float": "float64", "float | None": "float64", "Interval": "float64", "tuple[str, ...]": "strings",
    "bool": "bool",
}  # fmt: skip


def to_table(rows: Iterable[Comparison]) -> pa.Table:
    """Return comparisons as a table of a fixed schema, one column per key, so that an empty column keeps its type."""
    import pyarrow as pa

    kinds = {key: _KEPT.get(_ANNOTATIONS[name], "json") for key, (name, _) in KEYS.items()}
    types = {
        "strings": pa.list_(pa.string()),
        "json": pa.string(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "float64": pa.float64(),
    }
    schema = pa.schema([(key, types.get(kind, pa.string())) for key, kind in kinds.items()])
    kept = [
        {key: _packed(row[key]) if kind == "json" else row[key] for key, kind in kinds.items()}
        for row in rows
    ]
    return pa.Table.from_pylist(kept, schema=schema)


def from_table(table: pa.Table) -> tuple[Comparison, ...]:
    """Read what :func:`to_table` made; nothing is lost on the way."""
    packed = [key for key, (name, _) in KEYS.items() if _ANNOTATIONS[name] not in _KEPT]
    return tuple(
        Comparison.from_dict(
            row | {key: None if row[key] is None else json.loads(row[key]) for key in packed}
        )
        for row in table.to_pylist()
    )


def _packed(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


_ANNOTATIONS = {about.name: str(about.type) for about in fields(Comparison)}
