"""What was changed after it was recorded: the study that was declared, and the raw bytes."""

from __future__ import annotations

from collections.abc import Iterator

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.runs.run import Run


def study_changed(run: Run) -> Iterator[dict]:
    """Keys of the study that are not as they were declared before the first trial."""
    for edit in run.edits:
        yield finding(
            "serious" if edit.matters else "info",
            Fact("study_edited", {"key": edit.key, "declared": str(edit.declared), "now": str(edit.now)}),
            remedy=Fact("remedy.new_run"),
        )


def raw_changed(run: Run) -> Iterator[dict]:
    """Trials whose raw bytes are not those that were recorded; they have no value."""
    for trial, why in sorted(run.altered.items()):
        altered = Fact("raw_bytes_altered", {"why": why})
        yield finding("serious", altered, trial_id=trial, remedy=Fact("remedy.put_back"))
