"""Were both ends set alike in every deployment: offloads, RPS, congestion control, buffers, CPUs.

Compares what ought to be equal whatever the mode: the nodes' underlay device, both ends, and the pods' own
device. A tunnel's device is part of its mode and is recorded, not compared. What was read, and how it is kept,
is :mod:`cnilab.testbeds.conditions`'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.modes import MODES
from cnilab.runs.run import Run


@dataclass(frozen=True)
class Setting:
    """One value that should be the same in every deployment.

    Parameters
    ----------
    deployment, mode
        Where it was read.
    place
        ``client``, ``server`` or a node's name.
    placement
        Of the end; empty for a node.
    name
        As a reader knows it, with its device: ``"tso of the pod's device"``.
    value
        As text.
    """

    deployment: str
    mode: str
    place: str
    placement: str
    name: str
    value: str

    @property
    def seat(self) -> tuple[str, str, str]:
        """What it is compared within: the same place in every deployment."""
        return self.place, self.placement, self.name


def settings_differ(run: Run) -> Iterator[dict]:
    """A setting that differs in the same place between deployments, a row a mode and value; and what is not known."""
    proofs = run.proofs
    seats: dict[tuple[str, str, str], list[Setting]] = {}
    usual: dict[str, Counter[str]] = {}
    for s in compared(proofs):
        seats.setdefault(s.seat, []).append(s)
        usual.setdefault(s.name, Counter())[s.value] += 1
    odd: dict[tuple[str, str, str, str], list[Setting]] = {}
    for found in seats.values():
        if len({s.value for s in found}) < 2:
            continue
        # The commonest anywhere: of two modes, one place alone cannot tell which is the odd one.
        common = usual[found[0].name].most_common(1)[0][0]
        for s in found:
            if s.value != common:
                odd.setdefault((s.mode, s.name, s.value, common), []).append(s)
    for (mode, name, value, common), found in odd.items():
        n, of = len({s.deployment for s in found}), sum(p.get("mode") == mode for p in proofs.values())
        differs = {"setting": name, "value": value, "usual": common, "places": _places(found)}
        yield finding(
            "warning",
            Fact("setting_differs", {**differs, "deployments": n, "of": of}),
            mode=mode,
            value=n,
            remedy=Fact("remedy.set_alike"),
        )
    without = sum(not _told(p) for p in proofs.values())
    if without:
        unknown = Fact("settings_not_recorded", {"deployments": without, "of": len(proofs)})
        yield finding("info", unknown, value=without)


def compared(proofs: Mapping[str, dict]) -> Iterator[Setting]:
    """Yield every recorded setting that should be equal; what could not be read is not there."""
    for deployment, proof in proofs.items():
        if not (told := _told(proof)):
            continue
        mode = proof["mode"]
        # Without pods both ends stand on the nodes' own device, which is told once, as the underlay.
        host = MODES[mode].wiring == "host" or proof["evidence"].get("path") == "host_to_host"
        for placement, ends in told.get("placements", {}).items():
            for place, end in ends.items():
                for name, value in (end or {}).items():
                    if name not in ("offloads", "rps_cpus"):
                        yield from _one(deployment, mode, place, placement, name, value)
                if not host:
                    yield from _device(deployment, mode, place, placement, end, "the pod's device")
        for node, devices in told.get("nodes", {}).items():
            yield from _device(deployment, mode, node, "", devices["underlay"], "the underlay device")


def _told(proof: dict) -> dict[str, Any]:
    return (proof.get("evidence") or {}).get("conditions") or {}


def _device(
    deployment: str, mode: str, place: str, placement: str, device: dict | None, what: str
) -> Iterator[Setting]:
    read = device or {}
    for name, on in (read.get("offloads") or {}).items():
        yield from _one(deployment, mode, place, placement, f"{name} of {what}", "on" if on else "off")
    yield from _one(deployment, mode, place, placement, f"rps_cpus of {what}", read.get("rps_cpus"))


def _one(deployment: str, mode: str, place: str, placement: str, name: str, value: Any) -> Iterator[Setting]:
    if value is not None:
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield Setting(deployment, mode, place, placement, name, text)


def _places(found: list[Setting]) -> list[tuple[str, ...]]:
    """Return the places, each with its placements: an end's, none for a node."""
    where: dict[str, list[str]] = {}
    for s in found:
        known = where.setdefault(s.place, [])
        if s.placement and s.placement not in known:
            known.append(s.placement)
    return [(place, *placements) for place, placements in where.items()]
