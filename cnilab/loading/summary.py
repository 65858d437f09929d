"""What a load found, to be looked at: the samples, the files, and what went wrong where."""

from __future__ import annotations

import html
import json
from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from cnilab.layout import html_table
from cnilab.measurements.conditions import COLUMNS
from cnilab.measurements.remarks import in_words
from cnilab.runs import samples as samples_table

#: More files than these are told in five lines.
MANY = 1000


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
        if len(self.files) > MANY:
            return "\n".join([self._headline(), self._tests(), self._conditions(), self._in_short()])
        conditions = [self._conditions()] if self._varying() else []
        return "\n".join([self._headline(), *conditions, *self._lines(), *self._remarks()])

    def _varying(self) -> list[str]:
        return [column for column in COLUMNS.values() if column in self.samples]

    def _tests(self) -> str:
        good = self.samples[self.samples["status"] == "ok"]
        counts = good.groupby("test", observed=True)["trial_id"].nunique().sort_values(ascending=False)
        return _some("tests: ", [f"{test} ({n})" for test, n in counts.items()])

    def _conditions(self) -> str:
        """Which conditions vary, and between what."""
        told = []
        for name in self._varying():
            values = sorted(self.samples[name].dropna().unique())
            words = [value if isinstance(value, str) else f"{value:.12g}" for value in values]
            few = ", ".join(words) if len(words) <= 4 else f"{words[0]} … {words[-1]} ({len(words)} values)"
            told.append(f"{name} {few}")
        return _some("conditions that vary: ", told, "; ") if told else "no condition varies"

    def _in_short(self) -> str:
        """Failures, skipped files and remarks of many files in one line, each with how often."""
        parts = []
        for status in ("failed", "skipped"):
            those = self.files[self.files["status"] == status]
            reasons = those["reason"].value_counts()
            for reason, n in list(reasons.items())[:2]:
                first = those.loc[those["reason"] == reason, "path"].iloc[0]
                parts.append(f"{n} {status}: {str(reason)[:80]} ({first}{' …' if n > 1 else ''})")
            if len(reasons) > 2:
                parts.append(f"{reasons.iloc[2:].sum()} {status} for {len(reasons) - 2} more reasons")
        paths = set(self.files["path"])
        counts = Counter(n["note"].partition(":")[0] for n in self.notes if n["path"] in paths)
        parts += [f"{n} remarked: {note}" for note, n in counts.most_common(3)]
        general = [n["note"] for n in self.notes if n["path"] not in paths]
        parts += general[:1] + ([f"{len(general) - 1} more remarks in .notes"] if len(general) > 1 else [])
        return "; ".join(parts) or "nothing failed"

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


def _some(what: str, words: list[str], between: str = ", ") -> str:
    """Return the first of many, and how many more there are."""
    more = len(words) - 8
    return what + between.join(words[:8]) + (f"{between}and {more} more" if more > 0 else "")


def _counted(n: int, what: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def _records(frame: pd.DataFrame) -> list[dict]:
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict(orient="records")
