"""The result of ``compare``: rows a program reads, a table a person reads, the same content in both.

Nothing is computed here but layout. Numbers are rounded only where they are shown; ``rows`` and ``to_json``
hold them as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import IO, Any

import pandas as pd

from cnilab import digits
from cnilab.errors import DataError, UnknownKey
from cnilab.facts import Fact
from cnilab.layout import columns, html_table
from cnilab.runs.files import replacing
from cnilab.stats.comparison import Comparison, from_table, to_table

#: Of what a program reads (:meth:`Comparisons.to_dict`).
SCHEMA_VERSION = 1
#: Of the file; 1 had no header, 2 no levels, 3 no states, 4 no interval shown: they are made anew.
FILE_SCHEMA_VERSION = 5
_DESIGNS = {
    "randomised": "in randomised order",
    "williams": "in the orders of a Williams square",
    "not_recorded": "how their order was drawn is not recorded",
}
_TABLE = ("family", "test", "metric", "stat", "placement", "path", "baseline")


@dataclass(frozen=True)
class Comparisons:
    """Every comparison of a study; made by :func:`cnilab.stats.compare`.

    Parameters
    ----------
    rows
        The comparisons. Missing is None; no number is rounded, NaN or infinite.
    header
        What holds for all rows.
    """

    rows: tuple[Comparison, ...]
    header: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame; ``flags`` and ``warnings`` hold lists."""
        frame = pd.DataFrame([row.to_dict() for row in self.rows])
        for column in ("flags", "warnings", "outlier_blocks"):
            if column in frame:
                frame[column] = [list(row[column]) for row in self.rows]
        frame.attrs["schema_version"] = SCHEMA_VERSION
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"schema_version", "header", "rows"}``, clean for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "header": dict(self.header),
            "rows": [row.to_dict() for row in self.rows],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON text, every number unrounded."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def save(self, path: str | Path, *, within: Path | None = None) -> Path:
        """Write rows and header to one parquet file, in one step.

        Parameters
        ----------
        path
            The file; it is replaced.
        within
            The folder below which no link is followed; by default the file's own.
        """
        import pyarrow.parquet as pq

        path = Path(path)
        about = {
            "schema_version": str(FILE_SCHEMA_VERSION),
            "header": json.dumps(self.header, allow_nan=False),
        }
        with replacing(path, within) as part:
            pq.write_table(to_table(self.rows).replace_schema_metadata(about), part)
        return path

    @classmethod
    def load(cls, source: str | Path | IO[bytes]) -> Comparisons | None:
        """Read what :meth:`save` wrote, from a path or an open file; None where it is of another schema."""
        import pyarrow.parquet as pq

        table = pq.read_table(source)
        about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if about.get("schema_version") != str(FILE_SCHEMA_VERSION):
            return None
        return cls(from_table(table), json.loads(about["header"]))

    def row(self, mode: str, **where: str) -> Comparison:
        """Return the one row of ``mode`` that matches, as in ``row("calico-ipip", placement="same_subnet")``.

        Raises
        ------
        DataError
            If none or several match; the message says how many.
        """
        found = [r for r in self.rows if r["mode"] == mode and all(r[k] == v for k, v in where.items())]
        if len(found) != 1:
            raise DataError(
                f"{len(found)} rows for mode {mode!r} and {where}; name test, metric, stat, placement"
            )
        return found[0]

    def only(self, **where: str | None) -> Comparisons:
        """Return the same result with fewer rows, as in ``only(metric="rtt_s", placement="same_subnet")``.

        A view: no number depends on it, and the header stays that of all rows. None restricts nothing.

        Raises
        ------
        UnknownKey
            If a value is not there.
        """
        rows = self.rows
        for key, value in where.items():
            if value is None:
                continue
            known = sorted({str(row[key]) for row in rows if row[key] is not None})
            if str(value) not in known:
                raise UnknownKey(key, value, known)
            rows = tuple(row for row in rows if row[key] == value)
        return replace(self, rows=rows)

    @property
    def primary(self) -> tuple[Comparison, ...]:
        """The declared family, without controls."""
        return tuple(row for row in self.rows if row.family == "primary")

    @property
    def controls(self) -> tuple[Comparison, ...]:
        """The A/A rows: the baseline against itself."""
        return tuple(row for row in self.rows if row.family == "aa")

    def select(self, metric: str, stat: str = "value", test: str | None = None) -> tuple[Comparison, ...]:
        """Return the comparisons of one metric and stat (in one test), without controls; none if there are none."""
        return tuple(
            row
            for row in self.rows
            if row.family != "aa" and (row.metric, row.stat) == (metric, stat) and test in (None, row.test)
        )

    def groups(self) -> list[list[Comparison]]:
        """Return the rows table by table, in the order they are shown."""
        out: dict[tuple, list[Comparison]] = {}
        for row in self.rows:
            out.setdefault(tuple(str(row[k]) for k in _TABLE), []).append(row)
        return list(out.values())

    def headlines(self) -> list[str]:
        """Return the header in sentences: baseline, families, what the control says, where rows went."""
        h = self.header
        level = f"{h['alpha']:g}" + (
            f" ({h['alpha_used']:g} used: stopped on precision)" if h["sequential"] else ""
        )
        family, aa, rows = h["family"], h["aa"], h["rows"]
        lines = [
            f"baseline {h['baseline']}; {_count(h['n_blocks'], 'block')}, "
            f"{_DESIGNS[h['design']]}; margin {h['margin']:.3g}"
            f"{'' if h['margin_declared'] else ' (chosen after the data)'}; alpha {level}",
        ]
        if family["primary"] and family["size"]:
            name = " ".join(str(v) for v in family["primary"].values() if v)
            lines.append(f"primary family: {name}, Holm over {family['size']}")
        else:
            lines.append("no primary family was declared: every row is exploratory")
        if family["exploratory_rows"]:
            lines.append(
                f"exploratory: {_count(family['exploratory_rows'], 'row')}; differences hold among all of them "
                "(Benjamini–Hochberg), 'the same' in its own table only"
            )
        if aa["tables"]:
            lines.append(
                f"A/A control: {aa['different']} of {_count(aa['judged'], 'table')} judged different "
                f"({aa['expected_by_chance']:.2g} expected by chance)"
            )
        else:
            lines.append("A/A control: not measured")
        bad = {k: rows[k] for k in ("failed", "timeout", "skipped") if rows[k]}
        lines.append(f"{rows['total']} rows: {rows['compared']} compared, {rows['not_compared']} not compared"
                     + "".join(f", {v} {k}" for k, v in bad.items()))  # fmt: skip
        return lines

    def __repr__(self) -> str:
        out = [*self.headlines()]
        notes: list[str] = []
        for rows in self.groups():
            out += ["", _title(rows), *columns(_body(rows, notes), "  ")]
        out += [""] if notes else []
        out += [f"  [{i}] {text}" for i, text in enumerate(notes, 1)]
        return "\n".join(out)

    def _repr_html_(self) -> str:
        out = ["<div class='cnilab-comparisons'>", *(f"<p>{escape(line)}</p>" for line in self.headlines())]
        notes: list[str] = []
        for rows in self.groups():
            out.append(html_table(_body(rows, notes), _title(rows)))
        if notes:
            out.append("<ol>" + "".join(f"<li>{escape(text)}</li>" for text in notes) + "</ol>")
        return "".join([*out, "</div>"])


def _count(n: Any, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _title(rows: Sequence[Comparison]) -> str:
    r = rows[0]
    name = ", ".join(str(v) for v in (r["test"], r["metric"], None if r["stat"] == "value" else r["stat"],
                                      r["placement"], r["path"]) if v)  # fmt: skip
    kind = {
        "primary": f"primary, Holm over {r['family_size']}",
        "exploratory": "exploratory",
        "aa": "A/A control",
    }[r["family"]]
    better = f"; {r['direction']} is better" if r["direction"] else ""
    return f"{name} ({kind}{better})"


def _body(rows: Sequence[Comparison], notes: list[str]) -> list[list[str]]:
    first = rows[0]
    scale = digits.scale_of((r["centre"] for r in rows), first["unit"])
    log = first["scale"] == "log"
    against = f"{'ratio to' if log else 'difference from'} {first['baseline']}"
    centre = f"centre {scale.label}".strip()
    head = ["mode", f"{centre} (alone)", f"{against} (simultaneous)",
            "wins" if first["direction"] else "higher", "p Holm", "p same", "verdict", "n"]  # fmt: skip
    body = [head]
    for r in rows:
        alone = digits.centre(r["centre"], r["centre_low"], r["centre_high"], scale)
        compared = (
            digits.ratio(r["ratio"], r["shown_low"], r["shown_high"])
            if log
            else digits.difference(r["difference"], r["shown_low"], r["shown_high"])
        )
        marks = "".join(f"[{n}]" for n in sorted({_number(text, notes) for text in _remarks(r)}))
        body.append([
            r["mode"], alone, compared,
            _counted(r), digits.p_value(r["p_holm"]),
            digits.p_value(r["p_equivalence_holm"]), f"{r['verdict']} {marks}".strip(),
            f"{r['n_used']}/{r['n_blocks']}",
        ])  # fmt: skip
    return body


def _counted(row: Comparison) -> str:
    """Return in how many blocks the mode was better, or higher where nobody has said what is better."""
    n = row["higher"] if row["direction"] is None else row["wins"]
    return digits.MISSING if n is None else f"{n}/{row['n_used']}"


def _remarks(row: Comparison) -> Iterable[str]:
    from cnilab.report.language import en_stats, tell  # here: words are for a person who looks

    for flag in row["flags"]:
        if flag == "depends_on_block":
            yield f"{en_stats.FLAGS[flag]} (block {', '.join(row['outlier_blocks'])})"
        elif flag not in ("blocks_missing", "difference_scale"):
            yield en_stats.FLAGS[flag]
    if row["reason"]:
        yield tell(Fact.from_dict(row["reason"]))
    if n := row["blocks_to_differ"]:
        yield f"{row['mode']}: a difference as large as estimated would take about {n} blocks"
    if (n := row["blocks_to_be_same"]) and row["verdict"] == "inconclusive":
        yield f"{row['mode']}: to show sameness within the margin would take about {n} blocks"
    if row["n_failed"] and row["failed_reason"] and row["n_used"]:
        reason = tell(Fact.from_dict(row["failed_reason"]))
        yield f"{row['mode']} failed in {row['n_failed']} of {row['n_blocks']} blocks: {reason}"


def _number(text: str, notes: list[str]) -> int:
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1
