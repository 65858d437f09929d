"""What a load found, to be looked at: the samples, the files, and what went wrong where."""

from __future__ import annotations

import html
import json
from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from cnilab.layout import html_table
from cnilab.measurements.remarks import in_words
from cnilab.runs import samples as samples_table


@dataclass(frozen=True)
class Loaded:
    """The result of :func:`cnilab.loading.load`.

    Parameters
    ----------
    samples
        The samples table; a test that failed is a row with a reason and no value.
    files
        One row a file or member: ``path, tool, tool_version, samples, status, reason, line``.
    intervals
        The tools' own time series, where they were asked for.
    notes
        Remarks on values that are there: a rate without its receiver's figure, a unit that had to be assumed.
    """

    samples: pd.DataFrame
    files: pd.DataFrame
    intervals: pd.DataFrame
    notes: list[dict] = field(default_factory=list)

    def __repr__(self) -> str:
        return "\n".join([self._headline(), *self._lines(), *self._remarks()])

    def _headline(self) -> str:
        status = self.files["status"].value_counts()
        parts = [
            f"{status.get(s, 0)} {word}"
            for s, word in (("ok", "read"), ("failed", "failed"), ("skipped", "skipped"))
        ]
        good = self.samples[self.samples["status"] == "ok"]
        tools = ", ".join(
            f"{n} {t}" for t, n in self.files.loc[self.files["samples"] > 0, "tool"].value_counts().items()
        )
        modes = sorted(set(self.samples["mode"]))
        return (
            f"{_counted(len(self.files), 'file')}: {', '.join(parts)}\n"
            f"{_counted(len(good), 'value')} of {_counted(good['trial_id'].nunique(), 'test')} ({tools or 'no tool'})"
            f" in {_counted(self.samples['block'].nunique(), 'block')}; modes: {', '.join(modes[:8]) or 'none'}"
            + (f" and {len(modes) - 8} more" if len(modes) > 8 else "")
        )

    def _troubles(self) -> list[tuple[str, str]]:
        """Where and why, of failed files first; skipped ones only by their reasons' counts."""
        failed = self.files[self.files["status"] == "failed"]
        found = [
            (path if pd.isna(line) else f"{path}:{line}", reason)
            for path, line, reason in failed[["path", "line", "reason"]].itertuples(index=False)
        ]
        return found

    def _lines(self) -> list[str]:
        troubles = self._troubles()
        lines = [f"  failed   {where}: {why}" for where, why in troubles[:10]]
        if len(troubles) > 10:
            lines.append(f"  … and {len(troubles) - 10} more in .files")
        skipped = self.files.loc[self.files["status"] == "skipped", "reason"].value_counts()
        return lines + [
            f"  skipped  {_counted(n, 'file')}: {reason}" for reason, n in list(skipped.items())[:10]
        ]

    def _remarks(self) -> list[str]:
        paths = set(self.files["path"])
        counts = Counter(n["note"].partition(":")[0] for n in self.notes if n["path"] in paths)
        lines = [f"  note     {_counted(n, 'test')}: {in_words(note)}" for note, n in counts.most_common(10)]
        return lines + [f"  note     {n['note']}" for n in self.notes if n["path"] not in paths][:10]

    def _repr_html_(self) -> str:
        head = html.escape(self._headline()).replace("\n", "<br>")
        troubles = [(str(where), str(why)) for where, why in self._troubles()[:20]]
        table = html_table([("failed", "reason"), *troubles]) if troubles else ""
        more = [
            line.strip() for line in [*self._lines(), *self._remarks()] if not line.startswith("  failed")
        ]
        rest = "<br>".join(html.escape(line) for line in more)
        return f"<div><p>{head}</p>{table}<p>{rest}</p></div>"

    def to_json(self) -> str:
        """Return one JSON object: ``schema_version``, ``rows`` (samples), ``files``; missing is null."""
        return json.dumps(
            {
                "schema_version": samples_table.SCHEMA_VERSION,
                "rows": _records(self.samples),
                "files": _records(self.files),
                "notes": self.notes,
            },
            ensure_ascii=False,
            allow_nan=False,
        )


def _counted(n: int, what: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def _records(frame: pd.DataFrame) -> list[dict]:
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict(orient="records")
