"""The machine, as recorded before the first trial; what could not be read says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnilab import digits
from cnilab.facts import Fact
from cnilab.findings.offloads import compared
from cnilab.report.blocks import Block, Heading, Table, table
from cnilab.report.language import Language
from cnilab.report.record import Record

#: What the table opens with; the rest follows in the order recorded.
_FIRST = (
    "recorded_at", "kernel", "system", "architecture", "cpu", "cpus_usable", "memory_bytes", "virtualised", "governor",
    "load_1min", "congestion_control_default", "congestion_controls", "rmem_max_bytes", "wmem_max_bytes", "rps_default",
    "root", "python",
)  # fmt: skip


def applies(run: Record) -> Fact | None:
    """Every run was made on some machine."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return the table of facts."""
    return [Heading(language.word("machine.title"), "machine"), facts(run, language)]


def facts(run: Record, language: Language) -> Table:
    """Return what is recorded of the machine, a line per fact."""
    given = run.manifest.get("provenance", {})
    keys = [k for k in _FIRST if k in given] + [k for k in given if k not in _FIRST and k != "notes"]
    lines = [(_name(key, language), _value(key, given[key], language) or digits.MISSING) for key in keys]
    study = run.study
    lines += [
        (
            language.word("machine.congestion_control"),
            study.congestion_control or language.word("machine.congestion_control.default"),
        ),
        (
            language.word("machine.pinned"),
            language.word("machine.pinned.yes" if study.pin_cpus else "no"),
        ),
        (language.word("machine.settings"), _settings(run.proofs, language)),
    ]
    return table(
        "machine-facts",
        language.word("machine.caption"),
        [language.word("column.fact"), language.word("column.value")],
        lines,
    )


def _name(key: str, language: Language) -> str:
    return language.word(f"machine.{key}") if language.knows(f"machine.{key}") else key.replace("_", " ")


def _value(key: str, value: Any, language: Language) -> str:
    if isinstance(value, Mapping):
        parts = [f"{k}: {_part(v, language)}" for k, v in value.items() if v is not None]
        if absent := [k for k, v in value.items() if v is None]:
            parts.append(language.word("machine.absent", names=", ".join(absent)))
        return "; ".join(parts)
    if value is None:
        return language.word("machine.unread")
    if isinstance(value, bool):
        return language.word("yes" if value else "no")
    if key.endswith("_bytes"):
        return f"{value / 2**30:.1f} GiB" if value >= 2**29 else f"{value / 2**10:.0f} KiB"
    if isinstance(value, float):
        return f"{value:.2f}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _part(value: Any, language: Language) -> Any:
    """Return a recorded value for a reader; a fact, as a kernel's shortcomings are, in words."""
    return language.tell(Fact.from_dict(value)) if isinstance(value, Mapping) and "code" in value else value


def _settings(proofs: dict[str, dict], language: Language) -> str:
    """Say what the deployments' underlay devices and pods were set to, and where one was not like the rest."""
    values: dict[str, set[str]] = {}
    for setting in compared(proofs):
        values.setdefault(setting.name, set()).add(setting.value)
    if not values:
        return language.word("machine.settings.none")
    either = language.word("or")
    n = sum("conditions" in (p.get("evidence") or {}) for p in proofs.values())
    return language.word(
        "machine.settings.read",
        settings="; ".join(f"{name}: {either.join(sorted(found))}" for name, found in sorted(values.items())),
        n=n,
        m=len(proofs),
    )
