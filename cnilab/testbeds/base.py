"""What a testbed is to the rest: something that can put a treatment in place and give a bench to measure on.

Two protocols and one value. The lab, a real cluster and a recorded run each fulfil them; a study runs unchanged
on any of the three. A testbed knows nothing of statistics, nor of the study it is used by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from cnilab.bench import Bench
from cnilab.facts import Fact
from cnilab.study import Study, Treatment
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.study.factors import FACTORS
from cnilab.study.plan import Trial
from cnilab.testbeds.proof.judge import Row


@dataclass(frozen=True)
class Spec:
    """What a testbed is asked for, whatever treatments come.

    Parameters
    ----------
    placements, path
        Where the ends of a trial will stand, and what a client calls.
    underlay
        ``plain``, or ``routed``: the router between the subnets takes part in BGP.
    cluster
        Settings of a run on a cluster.
    """

    placements: Sequence[str] = ("same_subnet",)
    path: str = "pod_to_pod"
    underlay: str = "plain"
    cluster: ClusterSettings | None = None

    @classmethod
    def of(cls, study: Study) -> Spec:
        """Return what a study asks for."""
        return cls(study.placements, study.path, study.underlay, study.cluster)


def not_built(treatment: Treatment, built: Iterable[str]) -> Fact | None:
    """Return which factors of a treatment a testbed has no branch for, or None."""
    known = sorted({"mode", *built})
    strange = sorted(set(treatment.levels) - set(known))
    return Fact("factor_not_built", {"factors": strange, "known": known}) if strange else None


def not_put_in_place(trial: Trial, built: Iterable[str]) -> Fact | None:
    """Return which factors by bench of a trial a testbed has no branch for, or None."""
    strange = sorted({name for name in trial.levels if FACTORS[name].where == "bench"} - set(built))
    return Fact("factor_not_built", {"factors": strange, "known": sorted(built)}) if strange else None


class Deployment(Protocol):
    """One treatment in place.

    ``kernel_path`` says which implementation carries the packets, ``substitute`` why it is not the native one
    (None if it is), ``notes`` what could not be pinned, ``timings`` seconds spent on what.
    """

    kernel_path: str
    substitute: Fact | None
    notes: tuple[Fact, ...]
    timings: dict[str, float]

    def wait(self) -> Any:
        """Return once traffic can flow; raise TestbedError if it does not come to that."""
        ...

    def prove(self, placements: list[str], path: str) -> tuple[list[Row], dict]:
        """Judge each placement; return the rows and the evidence they rest on."""
        ...

    def guard(self) -> None:
        """Take what stands now, proved, for what is to stay."""
        ...

    def lost(self) -> Fact | None:
        """Return why this is no longer what :meth:`guard` saw, or None; asked after each trial, so it costs nothing."""
        ...

    def bench(self, trial: Trial) -> AbstractContextManager[Bench]:
        """Give the bench of one trial; leaving it raises TestbedError where an end was lost meanwhile.

        Raises Unavailable where what the trial asks for besides cannot be put in place here.
        """
        ...

    def close(self) -> None:
        """Take it down; nothing remains."""
        ...


class Testbed(Protocol):
    """Where treatments are put in place.

    ``builds_ahead`` says whether a second deployment may stand while the first is measured, ``here`` whether trials run
    on this machine, so that what else it does can be watched.
    """

    name: str
    builds_ahead: bool
    here: bool

    def cpus(self) -> tuple[int | None, int | None]:
        """CPU to bind the client to, and the server; (None, None) leaves both free."""
        ...

    def lacks(self, program: str) -> Fact | None:
        """Why a tool's program cannot be run, with the way to get it, or None."""
        ...

    def can(self, treatment: Treatment) -> tuple[str | None, Fact | None]:
        """Kernel path and why; None and the reason where the treatment cannot be put in place here."""
        ...

    def deploy(self, treatment: Treatment) -> Deployment:
        """Begin to put a treatment in place, fresh; its ``wait`` ends it."""
        ...

    def congestion_control(self, wanted: str | None) -> tuple[str | None, Fact | None]:
        """What both ends of a trial can be given of what is wanted, and a note where that is less.

        Asked once a deployment stands.
        """
        ...

    def provenance(self) -> dict:
        """What about this machine or cluster a reader needs to know."""
        ...

    def close(self) -> str:
        """End the testbed after its last deployment; return what could not be put away, or nothing."""
        ...
