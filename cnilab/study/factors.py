"""What a study can vary, and one combination of it: factors and treatments.

A factor is one row of :data:`FACTORS`. One that is varied by ``deployment`` is put in place by the testbed, which has a
branch for it; one that is varied by ``trial`` changes what a measurement is asked for, in the same deployment; one that
is varied by ``bench`` is put in place by the testbed too, in a standing deployment and for one trial. In which order
treatments are measured is :mod:`.plan`'s business. Nothing is put in place here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from cnilab import modes
from cnilab.errors import UnknownKey

Level = str | int | float | bool

#: Bytes of the IPv4 and TCP headers without options; TCP takes its options out of what it is told.
_HEADERS = 40


@dataclass(frozen=True)
class Factor:
    """One thing that can be varied.

    Parameters
    ----------
    name
        Its key in a study's ``factors``, and its column in the samples table.
    where
        ``deployment``, ``bench`` or ``trial``.
    check
        Raises ValueError with what is allowed where a level is not.
    order
        Puts levels in the order of reports.
    sets
        For a factor by trial: the field of :class:`cnilab.measurements.base.Call` it sets, or ``options.NAME`` for one
        of its options. It applies to those kinds of test that take it.
    asks
        What the field is at a level, given the study's modes; by default the level itself.
    within
        For a factor by deployment: treatments are compared only at the same level of it, as with a size.
    applies
        For a factor by deployment: whether there is anything to vary, given the levels of the others.
    """

    name: str
    where: Literal["deployment", "bench", "trial"]
    check: Callable[[Level], object]
    order: Callable[[Iterable[Any]], list] = sorted
    sets: str = ""
    asks: Callable[[Level, Sequence[str]], object] = lambda level, among: level
    within: bool = False
    applies: Callable[[Mapping[str, Level]], bool] = lambda levels: True

    @property
    def compared(self) -> bool:
        """Whether levels are compared with each other; if not, treatments are compared at each level."""
        return self.where == "deployment" and not self.within

    def asked(self, level: Level, among: Sequence[str]) -> dict[str, Any]:
        """Return the fields of a call at a level, options under ``options``; none where the testbed sets it."""
        if not self.sets:
            return {}
        value = self.asks(level, among)
        field, _, option = self.sets.partition(".")
        return {field: {option: str(value)}} if option else {field: value}


@dataclass(frozen=True)
class Treatment:
    """One combination of levels that is put in place; ``twin`` is the blind second copy of the baseline.

    Examples
    --------
    >>> Treatment({"mode": "flannel-vxlan", "nodes": 10}).label
    'flannel-vxlan, nodes 10'
    >>> Treatment({"mode": "host"}) == Treatment({"mode": "host"}, twin=True)
    False
    """

    levels: Mapping[str, Level]
    twin: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", MappingProxyType(dict(self.levels)))

    def __hash__(self) -> int:
        return hash((frozenset(self.levels.items()), self.twin))

    def __reduce__(self) -> tuple[Any, ...]:
        return Treatment, (dict(self.levels), self.twin)  # a mapping proxy cannot be pickled

    @property
    def mode(self) -> str:
        """The CNI mode, a factor of every treatment."""
        return str(self.levels["mode"])

    @property
    def label(self) -> str:
        """Its name for people: the mode, then what else is varied."""
        others = [f"{name} {level}" for name, level in sorted(self.levels.items()) if name != "mode"]
        return ", ".join([self.mode, *others]) + (" (twin)" if self.twin else "")

    def to_dict(self) -> dict[str, Any]:
        """Return ``{levels, twin}`` for JSON."""
        return {"levels": dict(self.levels), "twin": self.twin}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Treatment:
        """Read what :meth:`to_dict` wrote."""
        return cls(data["levels"], bool(data["twin"]))


def _mode(level: Level) -> None:
    if level not in modes.MODES:
        raise UnknownKey("mode", str(level), modes.MODES)


def _one_of(*allowed: Level) -> Callable[[Level], object]:
    def check(level: Level) -> None:
        if level not in allowed:
            raise ValueError(f"{level!r}; allowed: {', '.join(map(str, allowed))}")

    return check


def _whole(least: int, most: int) -> Callable[[Level], object]:
    def check(level: Level) -> None:
        if not isinstance(level, int) or isinstance(level, bool) or not least <= level <= most:
            raise ValueError(f"{level!r}; it must be a whole number from {least} to {most}")

    return check


def _as_listed(*words: str) -> Callable[[Iterable[Any]], list]:
    return lambda levels: sorted(levels, key=words.index)


def _share(level: Level) -> None:
    """A share of a mode's own capacity; above 1 more is offered than it can answer."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level <= 2:
        raise ValueError(f"{level!r}; it must be a number above 0 and up to 2")


def _mss(level: Level, among: Sequence[str]) -> int | None:
    """``equal``: what the smallest MTU among the modes leaves after the headers, for all of them."""
    return None if level == "as_shipped" else min(modes.get(m).pod_mtu() for m in among) - _HEADERS


def _descending(levels: Iterable[Any]) -> list:
    return sorted(levels, reverse=True)


def _reflects(levels: Mapping[str, Level]) -> bool:
    return modes.get(str(levels["mode"])).bgp == "rr"


#: name -> Factor, in the order in which treatments are listed: the first varies slowest.
FACTORS: dict[str, Factor] = {
    f.name: f
    for f in (
        Factor("mode", "deployment", _mode, modes.order),
        Factor("nodes", "deployment", _whole(3, 250)),
        Factor("replicas", "deployment", _whole(1, 32)),
        Factor("spread", "deployment", _one_of("one_node", "every_node"), _as_listed("one_node", "every_node")),
        # the largest number first: it needs no naming, and is what a study's primary comparison is made at
        Factor("routers", "deployment", _whole(2, 1000), _descending, within=True),
        Factor("reflectors", "deployment", _whole(1, 64), applies=_reflects),
        Factor("mss", "trial", _one_of("as_shipped", "equal"), sets="mss_bytes", asks=_mss),
        Factor("policy_rules", "bench", _whole(0, 5000)),
        Factor("policy_match", "bench", _one_of("last", "first"), _as_listed("last", "first")),
        Factor("streams", "trial", _whole(1, 128), sets="streams"),
        Factor("load", "trial", _share, sets="options.load"),
    )
}


def applying(levels: Mapping[str, Level]) -> dict[str, Level]:
    """Return a combination without the factors that do not apply to it.

    >>> applying({"mode": "calico-bgp-mesh", "reflectors": 2})
    {'mode': 'calico-bgp-mesh'}
    """
    return {name: level for name, level in levels.items() if FACTORS[name].applies(levels)}


def get(name: str) -> Factor:
    """Return the factor called ``name``; raise UnknownKey with the known ones otherwise."""
    try:
        return FACTORS[name]
    except KeyError:
        raise UnknownKey("factor", name, FACTORS) from None
