"""What was changed after it was recorded: the study that was declared, and the raw bytes."""

from __future__ import annotations

from collections.abc import Iterator

from cnilab.findings.finding import finding
from cnilab.report.language import tell
from cnilab.runs.run import Run


def study_changed(run: Run) -> Iterator[dict]:
    """Keys of the study that are not as they were declared before the first trial."""
    for edit in run.edits:
        yield finding(
            "serious" if edit.matters else "info",
            f"the study was changed after the run began: {edit}",
            remedy="what was declared is in manifest.json; a run under other terms is a new run",
        )


def raw_changed(run: Run) -> Iterator[dict]:
    """Trials whose raw bytes are not those that were recorded; they have no value."""
    for trial, why in sorted(run.altered.items()):
        text = f"{tell(why)}; the trial counts as failed"
        yield finding("serious", text, trial_id=trial, remedy="put the recorded file back")
