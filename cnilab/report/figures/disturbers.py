"""What the machine did beside the trials: its reference over time, and the CPU time of others, with their names.

The reference uses no network code, so that what moves it is the machine and never a mode. How it is taken is
:mod:`cnilab.testbeds.watch`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnilab import digits
from cnilab.report.blocks import Picture, table
from cnilab.report.language import Language
from cnilab.report.style import Style, axes_for, legend, titled

NAME = "fig-disturbers"
#: Marker of each state, the fastest first; further states share the last.
_STATES = ("o", "s", "^", "v")
#: Peaks of others' CPU time that are named.
_NAMED = 3


def over_time(watched: pd.DataFrame, states: Sequence[int]) -> pd.DataFrame:
    """Return what is drawn of a run's watch (:mod:`cnilab.runs.watched`), one row per trial in the order of time.

    Returns
    -------
    DataFrame
        ``minute`` since the first trial, ``reference_s`` (geometric mean of both ends), ``state`` (-1: none),
        ``foreign_cpus``, ``disturbers``, ``disturbed``, and ``foreign`` where that CPU time was the cause.
    """
    at = pd.to_datetime(watched["started_at"], utc=True, format="ISO8601")
    return pd.DataFrame(
        {
            "minute": (at - at.min()).dt.total_seconds() / 60,
            "reference_s": np.exp(np.log(watched[["before_s", "after_s"]].to_numpy(float)).mean(axis=1)),
            "state": list(states),
            "foreign_cpus": watched["foreign_cpus"],
            "disturbers": watched["disturbers"],
            "disturbed": watched["disturbed"].notna(),
            "foreign": watched["disturbed"] == "foreign_cpu",
        }
    )


def picture(frame: pd.DataFrame, borders: Sequence[float], language: Language) -> Picture:
    """Return the strip of :func:`over_time`, with the borders of the machine's states in seconds."""
    known = frame["reference_s"].dropna()
    low, high = (
        (f"{1e6 * v:.1f}" for v in (known.min(), known.max())) if len(known) else (digits.MISSING,) * 2
    )
    caption = language.word("disturbers.caption")
    return Picture(
        NAME,
        partial(draw, frame, borders),
        language.word(
            "disturbers.alt",
            states=len(borders) + 1,
            low=low,
            high=high,
            disturbed=int(frame["disturbed"].sum()),
            trials=len(frame),
        ),
        caption,
        table(
            f"{NAME}-data",
            language.word("figure.data_caption", caption=caption),
            [
                language.word(f"disturbers.column.{c}")
                for c in ("minute", "reference", "state", "foreign", "who")
            ],
            [
                (
                    f"{r.minute:.2f}",
                    digits.MISSING if pd.isna(r.reference_s) else f"{1e6 * r.reference_s:.1f}",
                    digits.MISSING if r.state < 0 else str(r.state + 1),
                    digits.MISSING if pd.isna(r.foreign_cpus) else f"{r.foreign_cpus:.2f}",
                    "" if pd.isna(r.disturbers) else r.disturbers,
                )
                for r in frame.itertuples()
            ],
            right=range(4),
        ),
        language.word("figure.data"),
        language,
    )


def draw(frame: pd.DataFrame, borders: Sequence[float], style: Style, *, language: Language) -> Figure:
    """Draw the reference above and the CPU time of others below, on one axis of time."""
    figure, (above, below) = axes_for(style, 2, 1.7, stacked=True, sharex=True)
    handles = []
    for state in sorted(set(frame["state"])):
        some = frame[(frame["state"] == state) & ~frame["disturbed"]]
        marker = _STATES[min(max(state, 0), len(_STATES) - 1)]
        colour = (style.blue, style.orange, style.violet, style.quiet)[min(max(state, 0), 3)]
        label = (
            language.word("disturbers.state", number=state + 1)
            if state >= 0
            else language.word("disturbers.no_state")
        )
        handles += above.plot(
            some["minute"], 1e6 * some["reference_s"], marker, ms=3.5, color=colour, label=label
        )
    bad = frame[frame["disturbed"]]
    label = language.word("disturbers.disturbed")
    handles += above.plot(bad["minute"], 1e6 * bad["reference_s"], "x", ms=5, color=style.ink, label=label)
    for border in borders:
        above.axhline(1e6 * border, color=style.quiet, lw=0.9, ls=":")
    above.set_yscale("log")
    above.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    above.yaxis.set_minor_locator(MaxNLocator(1))
    above.yaxis.set_major_formatter(lambda v, _: f"{v:g} µs")
    titled(above, language.word("disturbers.reference"), "", style)
    below.vlines(frame["minute"], 0, frame["foreign_cpus"], color=style.quiet, lw=1.2)
    below.vlines(bad["minute"], 0, bad["foreign_cpus"], color=style.orange, lw=1.6)
    below.set_ylim(0, max(0.2, 1.25 * float(frame["foreign_cpus"].max())))
    titled(below, language.word("disturbers.foreign"), language.word("disturbers.axis"), style)
    named = bad["foreign"].fillna(False).astype(bool) & bad["disturbers"].notna()
    worst = bad[named].sort_values("foreign_cpus", ascending=False)
    for name, row in worst.drop_duplicates("disturbers").head(_NAMED).set_index("disturbers").iterrows():
        below.annotate(
            str(name).split(", ")[0],
            (row["minute"], row["foreign_cpus"]),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=7.5,
            color=style.ink,
            ha="center",
        )
    legend(figure, style, handles, columns=4)
    return figure
