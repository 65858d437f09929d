"""Which mode, block, placement, path and test a file belongs to, by the user's pattern or mapping.

A pattern is a path with names in braces, ``results/{mode}/{block}/{test}.json``; it is laid over the end of a
file's path, folder by folder, ``*`` stands for anything within one name and ``**/`` for any folders. For a
member of an archive the archive's own path may fit instead. A mapping gives the same by globs. Neither
guesses: a file that fits neither is left out, and the summary says so.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from cnilab.errors import DataError

FIELDS = ("mode", "block", "placement", "path", "test", "kernel_path", "run_id")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into a regular expression over ``/``-separated paths.

    >>> compile_pattern("{mode}/run{block}.json").search("a/b/calico/run3.json").groupdict()
    {'mode': 'calico', 'block': '3'}

    Raises
    ------
    DataError
        For an unknown or repeated name, or a brace that is not closed.
    """
    out: list[str] = []
    seen: set[str] = set()
    pattern = pattern.replace("\\", "/").removeprefix("./")
    for literal, field, stars in re.findall(r"([^{}*?]+)|\{(\w*)\}|(\*\*/|\*+|\?)|[{}]", pattern):
        if literal:
            out.append(re.escape(literal))
        elif stars == "**/":
            out.append(r"(?:[^/]+/)*")
        elif stars:
            out.append("[^/]" if stars == "?" else "[^/]*")
        elif field in FIELDS and field not in seen:
            seen.add(field)
            out.append(rf"(?P<{field}>[^/]+?)")
        else:
            what = f"{{{field}}} stands twice" if field in seen else f"{{{field}}} is no field"
            raise DataError(f"pattern {pattern!r}: {what}; fields: {', '.join(FIELDS)}")
    if not seen:
        raise DataError(f"pattern {pattern!r} names no field; fields: {', '.join(FIELDS)}")
    return re.compile(r"(?:^|/)" + "".join(out) + "$")


def read_mapping(
    mapping: str | Path | Mapping[str, Mapping[str, object]],
) -> list[tuple[str, dict[str, str]]]:
    """Return ``(glob, fields)`` pairs from a mapping, or from a CSV, YAML or JSON file that holds one.

    A CSV has a column ``file`` with the glob and one for each field it sets; YAML and JSON are
    ``glob: {mode: …, block: …}``.

    Raises
    ------
    DataError
        Naming what is wrong with it.
    """
    if isinstance(mapping, Mapping):
        table: object = mapping
    else:
        file = Path(mapping)
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as problem:
            raise DataError(f"the mapping {file} cannot be read: {problem.strerror}") from problem
        if file.suffix.lower() == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
            if rows and "file" not in rows[0]:
                raise DataError(f"the mapping {file} has no column 'file'; it has {', '.join(rows[0])}")
            table = {row["file"]: {k: v for k, v in row.items() if k != "file" and v} for row in rows}
        else:
            try:
                table = json.loads(text) if file.suffix.lower() == ".json" else yaml.safe_load(text)
            except (ValueError, yaml.YAMLError) as problem:
                raise DataError(f"the mapping {file} is not readable: {problem}") from problem
    if not isinstance(table, Mapping) or not all(isinstance(v, Mapping) for v in table.values()):
        raise DataError(
            "a mapping is glob: {mode: …, block: …}, or a CSV with the columns file, mode, block …"
        )
    pairs = []
    for key, fields in table.items():
        if unknown := [name for name in fields if name not in FIELDS]:
            raise DataError(f"mapping of {key!r}: unknown field {unknown[0]!r}; fields: {', '.join(FIELDS)}")
        pairs.append((str(key), {str(k): str(v) for k, v in fields.items()}))
    return pairs


class Places:
    """Answers for each file where it belongs: ``None`` where pattern and mapping leave it out."""

    def __init__(self, pattern: str | None, mapping: object | None) -> None:
        self._pattern = compile_pattern(pattern) if pattern else None
        self._mapping = read_mapping(mapping) if mapping is not None else None  # type: ignore[arg-type]

    def of(self, path: str, archive: str | None = None) -> dict[str, str] | None:
        """Return the fields of one shown path; the mapping's last match overrides the pattern."""
        if self._pattern is None and self._mapping is None:
            return {}
        fields: dict[str, str] = {}
        fits = False
        names = [path] if archive is None else [path, archive]
        if self._pattern and (found := next(filter(None, map(self._pattern.search, names)), None)):
            fields, fits = found.groupdict(), True
        for key, values in self._mapping or ():
            if any(fnmatch.fnmatchcase(name, glob) for name in names for glob in (key, f"*/{key}")):
                fields, fits = {**fields, **values}, True
        return fields if fits else None
