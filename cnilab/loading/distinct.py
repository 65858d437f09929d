"""What makes two results two tests: the conditions under which they were measured, where these vary.

A reader tells what was asked for (:mod:`cnilab.measurements.conditions`). Among the results of one test in one place a
condition that takes several values becomes part of the test's name (``tcp_stream streams=8``) and a column of its own;
one that is the same everywhere, or told nowhere, changes nothing. Nothing is averaged here; what nevertheless falls
into one cell is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnilab.measurements.conditions import CONDITIONS, Value, in_words, suffix

#: A datagram as long as the path's segments allow differs between modes by their headers; nobody asked for that.
NEARLY = {"datagram_bytes": 0.1}
_SHOWN = 3


@dataclass(frozen=True)
class Distinct:
    """The tests' names with the conditions that tell them apart, and which conditions vary.

    Parameters
    ----------
    tests
        A name for each result.
    varying
        Condition -> its values in order, over all tests of which it tells two apart.
    split
        ``(test, condition) -> value -> the modes that were measured under it``.
    """

    tests: list[str]
    varying: dict[str, list[Value]]
    split: dict[tuple[str, str], dict[Value, set[str]]]

    def remarks(self) -> list[str]:
        """Say where two modes were measured under different conditions, so that they are not compared."""
        found = []
        for (test, name), values in self.split.items():
            everywhere = set.union(*values.values())
            if len(everywhere) > 1 and any(modes != everywhere for modes in values.values()):
                where = "; ".join(
                    f"{in_words(name, value)} in {_listed(sorted(modes))}"
                    for value, modes in _ordered(values.items())[:_SHOWN]
                )
                found.append(f"{test}: modes measured under different conditions are not compared: {where}")
        return found


def distinct(
    scenarios: Sequence[tuple[str, str, str]], modes: Sequence[str], told: Sequence[Mapping[str, Value]]
) -> Distinct:
    """Name the tests apart.

    Parameters
    ----------
    scenarios
        Test, placement and path of each result.
    modes, told
        Its mode and its conditions.
    """
    values: dict[tuple[str, str, str], dict[str, dict[Value, set[str]]]] = defaultdict(dict)
    seen = set()
    for scenario, mode, conditions in zip(scenarios, modes, told):
        known = values[scenario]
        if (said := (scenario, mode, *conditions.items())) in seen:
            continue  # as of most files of one kind
        seen.add(said)
        for name, value in conditions.items():
            known.setdefault(name, {}).setdefault(value, set()).add(mode)
    apart = {
        scenario: [
            name for name in CONDITIONS if len(known.get(name, ())) > 1 and not _near(name, known[name])
        ]
        for scenario, known in values.items()
    }
    varying: dict[str, set[Value]] = defaultdict(set)
    split: dict[tuple[str, str], dict[Value, set[str]]] = {}
    for scenario, names in apart.items():
        for name in names:
            varying[name] |= values[scenario][name].keys()
            into = split.setdefault((scenario[0], name), {})
            for value, those in values[scenario][name].items():
                into.setdefault(value, set()).update(those)
    tests = [
        scenario[0] + suffix(conditions, names) if (names := apart[scenario]) else scenario[0]
        for scenario, conditions in zip(scenarios, told)
    ]
    ordered = {
        name: [v for v, _ in _ordered((v, None) for v in varying[name])]
        for name in CONDITIONS
        if name in varying
    }
    return Distinct(tests, ordered, split)


def crowded(cells: Sequence[tuple], files: Sequence[str]) -> list[str]:
    """Say which cells have several results, how many, and of which files: their mean is what is compared.

    Parameters
    ----------
    cells
        Mode, placement, path, test and block of each result.
    files
        The file that each is from.
    """
    if len(set(cells)) == len(cells):
        return []
    within: dict[tuple, list[str]] = defaultdict(list)
    for cell, file in zip(cells, files):
        within[cell].append(file)
    found = []
    for (mode, _, _, test, block, *_), those in within.items():
        if len(those) > 1:
            names = list(dict.fromkeys(those))
            found.append(
                f"one cell: {len(those)} results of {test} in block {block} of {mode}: {_listed(names)}"
            )
    return found


def _near(name: str, values: Iterable[Value]) -> bool:
    """Whether values of a condition differ by no more than what nobody asked for."""
    numbers = [value for value in values if not isinstance(value, str)]
    return name in NEARLY and max(numbers) <= min(numbers) * (1 + NEARLY[name])


def _ordered(items: Iterable[tuple[Value, object]]) -> list:
    return sorted(items, key=lambda item: (isinstance(item[0], str), item[0]))


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
