"""Remarks and their meanings: none without words, none that no reader makes. (Each reader's are held in invariants.)"""

from __future__ import annotations

import ast
from pathlib import Path

from cnilab import loading, measurements
from cnilab.measurements.remarks import REMARKS, in_words


def test_each_meaning_is_of_a_remark_that_a_reader_makes():
    code = [
        p
        for p in (
            *Path(measurements.__file__).parent.rglob("*.py"),
            *Path(loading.__file__).parent.rglob("*.py"),
        )
        if p.name != "remarks.py"
    ]
    words = {
        str(node.value).partition(":")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant)
    }
    assert set(REMARKS) <= words
    assert list(REMARKS) == sorted(REMARKS)


def test_a_summary_says_what_a_remark_means(tmp_path):
    text = "131072  16384  16384    1.00     941.50\n"  # netperf -P 0
    (tmp_path / "netperf.txt").write_text(text)
    loaded = loading.load(tmp_path / "netperf.txt", progress=False)
    assert "1 file: 1 read, 0 failed, 0 skipped\n1 value of 1 test (1 netperf) in 1 block" in repr(loaded)
    assert [n["note"] for n in loaded.notes] == ["unit_assumed"]
    assert "  note     1 test: unit_assumed (a unit is not printed; the tool's default is taken)" in repr(
        loaded
    )
    assert in_words("unknown: 5") == "unknown: 5"
