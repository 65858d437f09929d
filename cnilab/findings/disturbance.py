"""What else the machine did while trials ran: who disturbed them, what was measured again, and in which states it was.

Rests on what each trial's record keeps of its watch; a run on a cluster has none, and nothing is said of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.runs.run import Run
from cnilab.study.plan import planned_id

#: Share of trials that stayed disturbed, from which on the bench was never quiet.
NOT_QUIET = 0.2
#: Disturbers named.
NAMED = 3


def disturbed(run: Run) -> Iterator[dict]:
    """Trials in which something else worked, how many were measured again, and by whom they were disturbed."""
    watched = run.watched
    bad = watched[watched["disturbed"].notna()]
    if bad.empty:
        return
    again = watched["trial_id"] != watched["trial_id"].map(planned_id)
    stayed = len(standing_disturbed(watched))
    first = int((~again).sum())
    names = Counter(name for row in bad["disturbers"].dropna() for name in row.split(", "))
    yield finding(
        "serious" if stayed > NOT_QUIET * first else "warning" if stayed else "info",
        Fact(
            "trials_disturbed",
            {
                "disturbed": len(bad),
                "of": len(watched),
                "again": int(again.sum()),
                "stayed": stayed,
                "causes": [cause for cause, _ in Counter(bad["disturbed"]).most_common()],
                "by": [name for name, _ in names.most_common(NAMED)],
            },
        ),
        value=stayed / first if first else None,
        threshold=NOT_QUIET,
        remedy=Fact("remedy.quiet_machine"),
    )


def standing_disturbed(watched: pd.DataFrame) -> pd.DataFrame:
    """Return of each trial that has only disturbed measurements the last one."""
    planned = watched["trial_id"].map(planned_id)
    bad = watched["disturbed"].notna()
    never_quiet = bad.groupby(planned).transform("all")
    return watched[never_quiet & ~planned.duplicated(keep="last")]


def several_states(run: Run) -> Iterator[dict]:
    """The machine was in more than one state: what is compared is compared within each."""
    if run.watched.empty or len(run.states.centres) < 2:
        return
    shares = [float((run.state_of == state).mean()) for state in range(len(run.states.centres))]
    yield finding("info", Fact("machine_states", {"centres_s": list(run.states.centres), "shares": shares}))
