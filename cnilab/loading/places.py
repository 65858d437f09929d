"""Which mode, block, placement, path and test a file belongs to, by the user's pattern or mapping.

A pattern is a path with names in braces, ``results/{mode}/{block}/{test}.json``; it is laid over the end of a
file's path, folder by folder, ``*`` stands for anything within one name and ``**/`` for any folders. For a
member of an archive the archive's own path may fit instead. A mapping gives the same by globs, a line each:

    file,mode,block,test
    monday/vxlan*.json,flannel-vxlan,1,tcp_stream
    monday/host*.json,host,1,tcp_stream

or, as YAML, ``monday/vxlan*.json: {mode: flannel-vxlan, block: 1, test: tcp_stream}``. Neither guesses: a file
that fits neither is left out, and the summary says so.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnilab.errors import DataError, RunDirError, StudyError
from cnilab.runs import files, samples
from cnilab.study import yaml_text

#: A mapping may name every file of an archive, so it is longer than a study.
_BOUNDS = yaml_text.Bounds(characters=1 << 22, values=100_000)

FIELDS = ("mode", "block", "placement", "path", "test", "kernel_path", "run_id")
#: Fields that take only these words.
ALLOWED = {
    "placement": samples.PLACEMENTS,
    "path": samples.PATHS,
    "kernel_path": samples.KERNEL_PATHS,
}
FORM = (
    "a mapping is glob: {mode: …, block: …} in YAML or JSON, or a CSV whose column 'file' has the glob; "
    f"fields: {', '.join(FIELDS)}"
)


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
    table: list[tuple[Any, Any]]
    if isinstance(mapping, Mapping):
        where, table = "the mapping", [*mapping.items()]
    else:
        where, table = f"the mapping {mapping}", _table(Path(mapping))
    pairs = []
    for key, fields in table:
        if not isinstance(fields, Mapping):
            raise DataError(f"{where}: {key!r} has {fields!r}; {FORM}")
        for name, value in fields.items():
            if name not in FIELDS:
                raise DataError(f"{where}, {key!r}: unknown field {name!r}; fields: {', '.join(FIELDS)}")
            if value is None or isinstance(value, (Mapping, list)) or not str(value).strip():
                raise DataError(f"{where}, {key!r}: {name} has no value")
            if name in ALLOWED and str(value) not in ALLOWED[name]:
                raise DataError(f"{where}, {key!r}: {name} {value!r}; allowed: {', '.join(ALLOWED[name])}")
        pairs.append(
            (
                str(key).replace("\\", "/").removeprefix("./"),
                {str(k): str(v).strip() for k, v in fields.items()},
            )
        )
    if not pairs:
        raise DataError(f"{where} is empty; {FORM}")
    return pairs


def _table(file: Path) -> list[tuple[Any, Any]]:
    """Return what stands in a mapping file, in its order."""
    try:
        text = files.read(file.resolve(), limit=_BOUNDS.characters).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, RunDirError) as problem:
        raise DataError(f"the mapping {file} cannot be read: {problem}") from problem
    if file.suffix.lower() == ".csv":
        # Where the decimal comma is usual, spreadsheets write semicolons.
        delimiter = next((mark for mark in ",;\t" if mark in text.partition("\n")[0]), ",")
        rows = csv.DictReader(
            text.splitlines(), restkey="more cells than columns", skipinitialspace=True, delimiter=delimiter
        )
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        if "file" not in (rows.fieldnames or ()):
            raise DataError(
                f"the mapping {file} has no column 'file'; it has {', '.join(rows.fieldnames or ['none'])}"
            )
        return [(row["file"], {k: v for k, v in row.items() if k != "file" and v}) for row in rows]
    try:
        table = (
            json.loads(text)
            if file.suffix.lower() == ".json"
            else yaml_text.read(text, str(file), _BOUNDS)[0]
        )
    except (ValueError, RecursionError, StudyError) as problem:
        raise DataError(f"the mapping {file} is not readable: {problem}") from problem
    if not isinstance(table, Mapping):
        raise DataError(f"the mapping {file} holds no mapping; {FORM}")
    return list(table.items())


def _fits(name: str, key: str) -> bool:
    """Whether a mapping's key is the end of this path: as it stands (a name may have brackets), or as a glob."""
    return f"/{name}".endswith(f"/{key}") or any(
        fnmatch.fnmatchcase(f"/{name}", f"{start}{glob}")
        for glob in {key, key.replace("**/", "")}
        for start in ("/", "*/")
    )


class Places:
    """Answers for each file where it belongs: ``None`` where pattern and mapping leave it out."""

    def __init__(self, pattern: str | None, mapping: object | None) -> None:
        self._written = pattern
        self._pattern = compile_pattern(pattern) if pattern else None
        self._mapping = read_mapping(mapping) if mapping is not None else None  # type: ignore[arg-type]
        self._unused = {glob for glob, _ in self._mapping or ()}
        # Asked for once, because to make ten thousand paths absolute takes as long as to match them.
        self._absolute = any(
            k[:1] == "/" for k in [pattern or "", *(glob for glob, _ in self._mapping or ())]
        )
        self._asked: str | None = None
        self._fitted = False

    @property
    def unused(self) -> list[str]:
        """Globs of the mapping that no file has fitted yet: a misspelt one looks like missing data."""
        return [glob for glob, _ in self._mapping or () if glob in self._unused]

    @property
    def unfitted(self) -> str | None:
        """What to tell where the pattern has fitted none of the paths it was laid over."""
        if self._pattern is None or self._fitted or self._asked is None:
            return None
        return f"the pattern {self._written} fits no file; a file's path here is {self._asked}"

    def of(self, path: str, archive: str | None = None) -> dict[str, str] | None:
        """Return the fields of one shown path; the mapping's last match overrides the pattern.

        Raises
        ------
        DataError
            Where the pattern takes from the path a word that its field does not allow.
        """
        if self._pattern is None and self._mapping is None:
            return {}
        fields: dict[str, str] = {}
        fits = False
        shown = [path] if archive is None else [path, archive]
        whole = [os.path.abspath(name) for name in shown] if self._absolute else shown
        self._asked = self._asked or path
        names = whole if (self._written or "").startswith("/") else shown
        if self._pattern and (found := next(filter(None, map(self._pattern.search, names)), None)):
            fields, fits = found.groupdict(), True
            self._fitted = True
            for field in ALLOWED.keys() & fields.keys():
                if fields[field] not in ALLOWED[field]:
                    raise DataError(
                        f"the pattern {self._written} gives {path} the {field} {fields[field]!r}; allowed: "
                        f"{', '.join(ALLOWED[field])}. Write * there, and give the {field} in a mapping"
                    )
        for key, values in self._mapping or ():
            if any(_fits(name, key) for name in (whole if key[:1] == "/" else shown)):
                fields, fits = {**fields, **values}, True
                self._unused.discard(key)
        return fields if fits else None
