"""The form in which a check tells what it found."""

from __future__ import annotations

from typing import Any


def finding(severity: str, text: str, **more: Any) -> dict[str, Any]:
    """Return one finding; ``more`` holds mode, placement, test, trial_id, value, threshold, remedy."""
    return {"severity": severity, "text": text, **more}
