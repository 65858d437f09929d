"""What must hold of every answer of every reader, whatever it was given."""

from __future__ import annotations

import math

from cnilab import measurements
from cnilab.errors import ParseError
from cnilab.measurements.base import Reading
from cnilab.measurements.reading import plausible as checks
from cnilab.measurements.remarks import REMARKS


def read(name: str, raw: bytes, *, totals: bool = False) -> list[Reading] | None:
    """Parse, and check what must hold of every answer; None for a ParseError."""
    try:
        found = measurements.read(name, raw, totals=totals)
    except ParseError:
        return None
    assert found, "neither a reading nor a ParseError"
    for reading in found:
        assert reading.status in ("ok", "failed", "skipped", "timeout")
        assert (reading.status == "ok") == bool(reading.samples), reading
        assert reading.status == "ok" or reading.reason
        assert checks.fault(reading.samples) is None
        assert reading.line is None or reading.line >= 1
        assert {note.partition(":")[0] for note in reading.notes} <= REMARKS.keys(), reading.notes
        for interval in reading.intervals:
            assert math.isfinite(interval.value)
            assert interval.t_end_s > interval.t_start_s
    return found
