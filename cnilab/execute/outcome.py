"""How a deployment or a trial ended, in the form that its record keeps: a status, and a fact where there is no value.

What a trial measured is not read here.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

from cnilab.bench import Ended
from cnilab.errors import TestbedError, Unavailable
from cnilab.facts import Fact

#: Failures of the bench that may not come again: what they cost is measured once more at the end of the run.
PASSING = frozenset(
    f"bench_failed.{code}"
    for code in (
        "daemon_ended", "lab_changed", "lab_ended", "lab_lost", "lab_silent",
        "mode_lost", "not_built", "order_died", "stalled",
    )
)  # fmt: skip


def fact_of(error: Exception) -> Fact:
    """Return what is recorded of an error; one that was not raised on purpose is a defect of the testbed's."""
    if isinstance(error, TestbedError | Unavailable):
        return error.fact
    return Fact("bench_failed.defect", {"error": type(error).__name__}, str(error))


def outcome(ended: Ended, tool: str, folder: Path, limit_s: float) -> dict:
    """Turn a measurement's end into a status; what it measured is read later, from its bytes."""
    meta = {
        "code": ended.code,
        "timed_out": ended.timed_out,
        "started_at": datetime.fromtimestamp(ended.started_at, UTC).isoformat(timespec="milliseconds"),
        "wall_s": ended.wall_s,
        **ended.called,
    }
    if ended.timed_out:
        late = Fact("timeout", {"tool": tool, "limit_s": limit_s})
        return meta | {"status": "timeout", "reason": late.to_dict()}
    if ended.code == -signal.SIGXFSZ:
        return meta | {"status": "failed", "reason": Fact("output_too_long", {"tool": tool}).to_dict()}
    if ended.code != 0:
        files = [folder / name for name in ("client.err", "client.out")]
        texts = [f.read_text(errors="replace").strip() for f in files if f.is_file()]
        said = next(filter(None, texts), "")
        failed = Fact("tool_failed", {"tool": tool, "status": ended.code}, said[-300:] or None)
        return meta | {"status": "failed", "reason": failed.to_dict()}
    return meta | {"status": "ok", "reason": None}
