"""What this machine can run, what is missing, and the command that adds it. Changes nothing.

Every answer comes from trying: programs are looked up where the lab looks them up, devices are made in a
scratch namespace, modes are asked of the same table that the lab builds from.
"""

from __future__ import annotations

import html
import os
from dataclasses import asdict, dataclass

from cnilab import modes
from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.measurements import programs
from cnilab.setup.programs import find, package_for

SCHEMA_VERSION = 1
_MARKS = {"ok": "ok", "substitute": "~", "missing": "--"}


@dataclass(frozen=True)
class Finding:
    """One need: what for, whether it is met, what was found, and how to meet it.

    ``status`` is ``ok``, ``substitute`` (met otherwise than natively, and named so in every result) or ``missing``.
    """

    need: str
    use: str
    status: str
    found: str
    remedy: str | None = None


@dataclass(frozen=True)
class Examination:
    """All findings; prints as a table."""

    findings: tuple[Finding, ...]

    @property
    def can_run_lab(self) -> bool:
        """Whether the lab runs at all here."""
        return all(f.status != "missing" for f in self.findings if f.use == "the lab")

    def to_dict(self) -> dict:
        rows = [{("for" if k == "use" else k): v for k, v in asdict(f).items()} for f in self.findings]
        return {"schema_version": SCHEMA_VERSION, "rows": rows}

    def __repr__(self) -> str:
        width = max(len(f.need) for f in self.findings)
        lines, last = [], None
        for f in self.findings:
            if f.use != last:
                lines.append(("" if last is None else "\n") + f"for {f.use}")
                last = f.use
            lines.append(f"  {_MARKS[f.status]:<3}{f.need:<{width}}  {f.found}")
            if f.remedy and f.status == "missing":
                lines.append(f"     {'':<{width}}  try: {f.remedy}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def examine() -> Examination:
    """Try everything and report; takes about a third of a second."""
    return Examination((*_lab(), *_tools(), *_modes()))


def _program(name: str, use: str, get: str = "") -> Finding:
    path, package = find(name), package_for(name)
    remedy = get or (package.remedy if package else None)
    return Finding(
        name, use, "ok" if path else "missing", str(path) if path else "not found", None if path else remedy
    )


def _lab() -> list[Finding]:
    use = "the lab"
    findings = [_program(name, use) for name in ("ip", "unshare")]
    try:
        from cnilab.testbeds.lab.client import AgentProcess

        with AgentProcess() as agent:
            who = "as root" if agent.root else "in a user namespace"
        findings.append(Finding("namespaces", use, "ok", f"mount, network and process namespaces, {who}"))
    except Unavailable as error:
        findings.append(Finding("namespaces", use, "missing", error.need, error.remedy or None))
    except LabError as error:
        findings.append(Finding("namespaces", use, "missing", f"the lab was disturbed: {error}", "cnilab doctor"))
    cpus = len(os.sched_getaffinity(0))
    note = (
        "client and server on one each"
        if cpus > 1
        else "client and server share it: rates are halves of a whole"
    )
    findings.append(Finding("CPUs", use, "ok", f"{cpus}, {note}"))
    return findings


def _tools() -> list[Finding]:
    return [_program(p.name, "benchmarks", p.get) for p in programs().values()]


def _modes() -> list[Finding]:
    from cnilab.report.language import tell  # here: it loads what a report needs
    from cnilab.testbeds.lab import kernel

    use, out = "modes", []
    try:
        can = kernel.probe()
    except (LabError, Unavailable) as error:
        return [Finding(m, use, "missing", tell(error.fact)) for m in modes.MODES]
    for name in modes.MODES:
        path, why = kernel.kernel_path(name, can)
        if path is None:
            out.append(Finding(name, use, "missing", tell(why) if why else name, _remedy(why)))
        else:
            status = "ok" if path == "native" else "substitute"
            out.append(Finding(name, use, status, path if not why else f"{path}: {tell(why)}"))
    return out


def _remedy(why: Fact | None) -> str | None:
    """Return the command that helps, which stands in the reason or in the reason's own reason."""
    if why is None:
        return None
    remedy, cause = why.args.get("remedy"), why.args.get("why")
    return str(remedy) if remedy else _remedy(cause) if isinstance(cause, Fact) else None
