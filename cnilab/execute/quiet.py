"""Was a trial disturbed, and may it be measured again: rules on causes, laid down in the study beforehand.

A rule may look at what stands apart from the value (:mod:`cnilab.testbeds.watch`): foreign CPU time, steal, the
references before and after. It never looks at the value. All raw bytes of a disturbed trial stay; the repeat is a trial
beside it. Which values are compared is decided in :mod:`cnilab.stats.strata`, and nothing is measured here.
"""

from __future__ import annotations

import math
import os
import select
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from cnilab.facts import Fact
from cnilab.study.parts import Quiet
from cnilab.testbeds.watch import foreign, usage

#: Seconds over which a wait looks at what else is running.
_GLANCE_S = 0.5
#: Steps between two references of one trial, in standard deviations of what they show in this run, that are no change.
_STEPS = 5.0
#: Steps behind that standard deviation, at least.
_ENOUGH = 10


class Judge:
    """Tell disturbed trials from others, and keep what repeating and waiting may still cost.

    Parameters
    ----------
    rule
        The study's ``quiet``; None judges nothing and repeats nothing.
    budget_s
        Seconds of measuring that the whole run is planned to take.
    """

    def __init__(self, rule: Quiet | None, budget_s: float) -> None:
        self.rule = rule
        self.left_s = rule.added * budget_s if rule else 0.0
        self.waited_s = 0.0
        self.repeated = 0
        self._steps: list[float] = []

    def cause(self, record: Mapping[str, Any] | None) -> Fact | None:
        """Return what disturbed a trial, by the record of its watch, or None."""
        if self.rule is None or record is None:
            return None
        wall = max(record["wall_s"], 1e-3)
        if (cpus := record["foreign_cpu_s"] / wall) > self.rule.foreign_cpus:
            return Fact(
                "disturbed.foreign_cpu", {"cpus": cpus, "by": [d["name"] for d in record["disturbers"]]}
            )
        if (cpus := record["steal_s"] / wall) > self.rule.steal_cpus:
            return Fact("disturbed.steal", {"cpus": cpus})
        before, after = record["before"]["wake_up_s"], record["after"]["wake_up_s"]
        if before and after:
            self._steps.append(abs(math.log(after / before)))
            if self._steps[-1] > self.limit:
                return Fact("disturbed.state_changed", {"before_s": before, "after_s": after})
        return None

    def learn(self, references: Sequence[float | None]) -> None:
        """Take from references close in time what this machine's are worth, before the first trial."""
        known = [math.log(value) for value in references if value]
        self._steps += [abs(b - a) for a, b in pairwise(known)]

    @property
    def limit(self) -> float:
        """Step of the log reference from which on two moments are of two states of the machine."""
        least = math.log1p(self.rule.changed) if self.rule else math.inf
        if len(self._steps) < _ENOUGH:
            return least
        # the median of |N(0, 2 s²)|: trials within which the state changed are the minority and do not count
        return max(least, _STEPS * statistics.median(self._steps) / 0.6745)

    def may_repeat(self, seconds: float, repeats: int, quiet: Callable[[], bool] = lambda: True) -> bool:
        """Whether a trial of that many seconds, repeated that often already, may be measured again; if so, count it.

        ``quiet`` is asked last and may take its time: a trial that would be disturbed again is not repeated.
        """
        if self.rule is None or repeats >= self.rule.repeat or self.left_s < seconds or not quiet():
            return False
        self.left_s -= seconds
        self.repeated += 1
        return True

    def wait(self, show: Callable[[str], None], *, first: bool = False) -> Fact | None:
        """Wait until the machine is quiet, for as long as the study says; return who still disturbs it, or None.

        Parameters
        ----------
        show
            Shows a sentence to whoever looks on.
        first
            Before the first trial: then the wait costs nothing of what repeats may add.
        """
        if self.rule is None:
            return None
        began = time.monotonic()
        longest = self.rule.wait_s if first else min(self.rule.wait_s, self.left_s)
        busy: Fact | None = None
        try:
            with _keys() as pressed:
                while True:
                    if (busy := self.busy()) is None:
                        return None
                    gone = time.monotonic() - began
                    if gone >= longest or pressed() == "q":
                        return busy
                    by = ", ".join(busy.args["by"]) or "another process"
                    hint = "; q: go on anyway" if sys.stdin.isatty() else ""
                    show(
                        f"{by} uses {busy.args['cpus']:.1f} CPU; waiting, at most {longest - gone:.0f} s{hint}"
                    )
        finally:
            waited = time.monotonic() - began
            self.waited_s += waited
            if not first:
                self.left_s -= waited

    def busy(self) -> Fact | None:
        """Look for half a second at what else is running; None if it is little."""
        if self.rule is None:
            return None
        before = usage()
        time.sleep(_GLANCE_S)
        after = usage()
        spent, by = foreign(before, after)
        cpus = spent / (after.at - before.at)
        if cpus <= self.rule.foreign_cpus:
            return None
        return Fact("disturbed.foreign_cpu", {"cpus": cpus, "by": [d["name"] for d in by]})

    def to_dict(self) -> dict[str, Any]:
        """Return what waiting and repeating came to, for the run's manifest."""
        return {"repeated": self.repeated, "waited_s": self.waited_s, "left_s": max(0.0, self.left_s)}


def state_of(record: Mapping[str, Any] | None) -> float | None:
    """Return the log of the reference around a trial, or None where there is none."""
    if record is None:
        return None
    ends = [record[end]["wake_up_s"] for end in ("before", "after")]
    known = [math.log(value) for value in ends if value]
    return sum(known) / len(known) if known else None


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Give a function that returns the key pressed since, where a person sits at a terminal; else always nothing."""
    if not sys.stdin.isatty() or os.getpgrp() != os.tcgetpgrp(sys.stdin.fileno()):
        yield lambda: ""
        return
    import termios  # here: no batch run needs it, and not every system has it
    import tty

    file = sys.stdin.fileno()
    kept = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)
        yield lambda: os.read(file, 1).decode(errors="replace") if select.select([file], [], [], 0)[0] else ""
    finally:
        with suppress(termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, kept)
