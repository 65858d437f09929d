"""The form in which a check states what it found: a fact, how much it weighs, where it holds, and what helps."""

from __future__ import annotations

from typing import Any

from cnilab.facts import Fact


def finding(severity: str, fact: Fact, *, remedy: Fact | None = None, **where: Any) -> dict[str, Any]:
    """Return one finding; ``where`` holds mode, placement, test, trial_id, value, threshold."""
    return {"severity": severity, "fact": fact.to_json(), "remedy": remedy.to_json() if remedy else None, **where}
