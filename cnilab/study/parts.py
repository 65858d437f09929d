"""The parts of a study: its tests, its primary family, its rule for stopping; each checked by itself.

How they fit together is :mod:`.schema`'s to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from cnilab.errors import UnknownKey
from cnilab.study.complaints import At
from cnilab.study.factors import Level

#: Given as validation context for a study that was run already: it is read as it was, whatever is allowed today.
RECORDED = {"recorded": True}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Test(Strict):
    """One thing measured in every cell: a tool, the kind of test, and how long.

    Parameters
    ----------
    name
        What the results call it.
    tool
        A name from :data:`cnilab.measurements.TOOLS` that can be run.
    kind
        ``tcp_stream``, ``tcp_rr`` …; by default ``name``.
    streams
        Parallel connections.
    duration_s, omit_s
        Seconds that count, and seconds before them that do not.
    options
        What the tool takes besides for this kind of test, by :attr:`cnilab.measurements.base.Kind.options`.
    """

    __test__ = False  # pytest, this is not one of yours

    name: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    tool: str
    kind: str = ""
    streams: int = Field(default=1, ge=1, le=128)
    duration_s: float = Field(default=10, gt=0, le=3600)
    omit_s: float = Field(default=0, ge=0, le=600)
    options: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("kind") and isinstance(data.get("name"), str):
            data = {**data, "kind": data["name"]}
        return data

    @field_validator("options", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """Numbers are taken as they are printed: an option ends in a command line."""
        if not isinstance(value, dict):
            return value
        return {
            k: f"{v:g}" if type(v) is float else str(v) if type(v) is int else v for k, v in value.items()
        }

    @model_validator(mode="after")
    def _can_be_done(self, info: ValidationInfo) -> Test:
        """The tool, its kind of test and what that takes must be there."""
        from cnilab.measurements import runnable

        tools = runnable()
        if self.tool not in tools:
            raise At(("tool",), str(UnknownKey("tool", self.tool, tools)))
        kinds = tools[self.tool].KINDS
        if self.kind not in kinds:
            raise At(
                ("kind",),
                f"test {self.name!r}: {self.tool} has no kind {self.kind!r}; it has {', '.join(kinds)}",
            )
        if info.context == RECORDED:
            return self
        kind = kinds[self.kind]
        for name, value in self.options.items():
            if name not in kind.options:
                known = ", ".join(kind.options) or "none"
                raise At(
                    ("options", name),
                    f"{self.tool} takes no option {name!r} for {self.kind}; it takes: {known}",
                )
            if not kind.options[name].accepts(value):
                raise At(("options", name), f"{value!r}; it must be {kind.options[name].allowed}")
        for name in ("streams", "omit_s"):
            if name not in kind.takes and getattr(self, name) != type(self).model_fields[name].default:
                raise At((name,), f"{getattr(self, name)!r}: {self.tool} cannot do this for {self.kind}")
        return self

    def takes(self, field: str) -> bool:
        """Whether this test heeds a field of :class:`cnilab.measurements.base.Call`, or ``options.NAME``."""
        from cnilab.measurements import measurement

        kind = measurement(self.tool).KINDS[self.kind]
        return field in kind.takes or field in {f"options.{name}" for name in kind.options}


class Tested(NamedTuple):
    """What is measured in every placement: a test, at levels of the factors that vary within a deployment."""

    test: Test
    levels: Mapping[str, Level]


class Primary(Strict):
    """The one family that Holm protects; all else is exploratory and says so."""

    test: str
    metric: str
    stat: str = "value"


#: Factor on alpha for a study whose size was decided by looking at its precision.
SEQUENTIAL = 0.7


class Stop(Strict):
    """Stop once every primary interval, as the report shows it, is this narrow; p-values are never looked at.

    ``half_width`` is of the ratio; ``first_look`` is put off until data could be significant at all, where it is not
    given.
    """

    half_width: float = Field(gt=0, lt=1)
    first_look: int = Field(default=10, ge=6)

    def check(self, fewest: int, comparisons: int) -> None:
        """Refuse a first look that was asked for and at which nothing could be significant."""
        if "first_look" in self.model_fields_set and self.first_look < fewest:
            raise At(
                ("stop", "first_look"),
                f"{self.first_look}: with {comparisons} comparisons no data of fewer than {fewest} blocks can be "
                f"significant; at least {fewest}",
            )


class Quiet(Strict):
    """When a trial counts as disturbed, and how often it is measured again; by causes, never by its value.

    Parameters
    ----------
    repeat
        Times that one trial is measured again at most.
    foreign_cpus
        CPU time of processes that are not the run's, per second of the trial, from which on it is disturbed.
    steal_cpus
        The same of time that the hypervisor took.
    changed
        Relative difference of the wake-up reference between a trial's begin and end from which on the machine is taken
        to have changed its state within it; and between two trials of one cell, from which on they are of two states.
    wait_s
        Longest wait for a quiet machine, before the first trial and before a trial is measured again.
    added
        Share of the measuring time that waiting and repeating may add.
    """

    repeat: int = Field(default=3, ge=0, le=20)
    foreign_cpus: float = Field(default=0.15, gt=0, le=1000)
    steal_cpus: float = Field(default=0.1, gt=0, le=1000)
    changed: float = Field(default=0.2, gt=0, lt=10)
    wait_s: float = Field(default=60, ge=0, le=3600)
    added: float = Field(default=0.6, ge=0, le=10)
