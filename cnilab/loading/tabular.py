"""A table that people keep in a text file: a samples table, or a bare one with block, mode and value.

Comma, semicolon or tab between the columns, a decimal comma with semicolons, UTF-8 or UTF-16, packed or not. Names
stay the text they are: block ``01`` is not block 1, and a mode called ``NA`` is a mode. Parquet is read too. Whether
the rows make sense is not asked here.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from pathlib import Path

import pandas as pd

from cnilab.errors import DataError
from cnilab.runs import samples as tables

#: Columns without which a table that is no samples table compares nothing.
BARE = ("block", "mode", "value")
_PACKED = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
#: What stands in a file for a number that is not there.
_NO_NUMBER = ("", "NA", "NaN", "nan", "N/A", "null", "None", "<NA>")
#: Columns of words, in which ``NA`` is one.
_WORDS = ("block", "mode", "metric", "test", "placement", "path", "stat", "status", "unit", "trial_id", "run")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def table(path: Path) -> pd.DataFrame | None:
    """Return the samples or the bare table in a file, or None where it is something else.

    Raises
    ------
    DataError
        If a parquet file is none, or a samples table breaks its contract.
    """
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    packed = _PACKED.get(endings[-1]) if endings else None
    kind = (endings[:-1] if packed else endings)[-1:]
    if not path.is_file() or kind not in ([".csv"], [".tsv"], [".parquet"]):
        return None
    if kind == [".parquet"]:
        try:
            frame = pd.read_parquet(path)
        except ValueError as problem:
            raise DataError(f"{path} is no parquet file: {problem}") from problem
    else:
        try:
            raw = path.read_bytes()
            read = _text(packed(raw) if packed else raw)
        except (OSError, EOFError, lzma.LZMAError, ValueError):  # damaged, or bytes that are no text: raw output
            return None
        if read is None:
            return None
        frame = read
    if tables.is_samples(frame):
        return tables.upgraded(frame)
    return frame if set(BARE) <= set(frame.columns) else None


def _text(raw: bytes) -> pd.DataFrame | None:
    """Read a table from the bytes of a text file; None where its first line does not head one."""
    text = raw.decode(next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8"))
    first, _, rest = text.partition("\n")
    for separator in ",;\t":
        names = [name.strip() for name in next(csv.reader([first.strip("\r")], delimiter=separator), [])]
        if set(BARE) <= set(names):
            break
    else:
        return None
    comma = separator == ";" and "," in rest and "." not in rest.partition("\n")[0]
    nothing = {name: [""] if name in _WORDS else list(_NO_NUMBER) for name in names}
    return pd.read_csv(
        io.StringIO(text), sep=separator, header=0, names=names, decimal="," if comma else ".",
        dtype={"block": "string", "mode": "string"}, keep_default_na=False, na_values=nothing,
    )  # fmt: skip
