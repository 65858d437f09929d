"""What the checks look at, each part read once, and the form in which they tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from cnilab.runs.run import RunDir


@dataclass
class Evidence:
    """What the checks look at, each part read once and only if a check asks."""

    run: RunDir

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self.run.samples()

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial."""
        return self.samples.drop_duplicates("trial_id")

    @cached_property
    def manifest(self) -> dict:
        return self.run.manifest

    @cached_property
    def metas(self) -> list[dict]:
        return self.run.metas()

    @cached_property
    def deployments(self) -> list[dict]:
        return list(self.manifest.get("deployments", {}).values())


def finding(severity: str, text: str, **more: Any) -> dict[str, Any]:
    """Return one finding; ``more`` holds mode, placement, test, trial_id, value, threshold, remedy."""
    return {"severity": severity, "text": text, **more}
