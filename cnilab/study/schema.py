"""A study: what is measured, and how, before anything is measured.

It is one YAML file, checked key by key; what is wrong is told with its line (:mod:`.complaints`), the value and what
is allowed. In which order it is measured is :mod:`cnilab.study.plan`'s business. Knows nothing of testbeds and runs
nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cnilab import modes
from cnilab.errors import RunDirError, StudyError, UnknownKey
from cnilab.runs import files
from cnilab.runs.samples import PATHS, PLACEMENTS, SPREAD, STATS
from cnilab.study import factors as registry
from cnilab.study import yaml_text
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.study.complaints import At, explain
from cnilab.study.factors import Level, Treatment
from cnilab.study.parts import RECORDED, SEQUENTIAL, Primary, Quiet, Stop, Strict, Test, Tested
from cnilab.study.plan import Plan

SCHEMA_VERSION = 1
T = TypeVar("T")

#: ``mss`` in a study -> levels of the factor it is short for.
_MSS = {"as_shipped": ("as_shipped",), "equal": ("equal",), "both": ("as_shipped", "equal")}
Placement = Literal["same_node", "same_subnet", "cross_subnet"]
Path_ = Literal["pod_to_pod", "pod_to_service", "host_to_host"]


class Study(Strict):
    """A whole study. See ``data/studies/quick.yaml`` for one with comments.

    Parameters
    ----------
    modes, baseline
        Ids from the catalogue, or ``all``; the baseline is measured in every block and, with ``aa``, once more
        as its blind twin. Short for ``factors: {mode: […]}`` and ``baseline: {mode: …}``.
    others, baseline_others
        In the file part of ``factors`` and ``baseline``: levels of every other factor of
        :data:`cnilab.study.factors.FACTORS`, and which of them the baseline has.
    placements, path
        Where client and server stand, and what the client calls.
    underlay
        ``plain``, or ``routed``: the router between the subnets takes part in BGP.
    mss
        ``as_shipped``: each mode with its own MTU. ``equal``: all modes with the smallest one's segment size.
        ``both``: each TCP stream both ways in the same deployment. Short for ``factors: {mss: […]}``.
    blocks, seed, design
        Complete blocks, the seed of their order, and ``randomised`` or ``williams``.
    congestion_control, pin_cpus
        Set at both ends of every trial, so that a machine's default does not slip in.
    rounds
        Passes over a block's deployments. In the lab they then all stand at once, and a round measures each cell at
        every one of them in random order, so that what is compared is close in time; elsewhere each deployment is
        measured that often before the next. None: each deployment once, from its begin to its end.
    quiet
        When a trial is disturbed, and how often it is then measured again; None: never.
    stop
        Optional early stop on precision; ``blocks`` is then the most there will be.
    cluster
        What a run on a real cluster needs besides; see :class:`cnilab.study.cluster_settings.ClusterSettings`.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    testbed: Literal["lab", "routers", "kubernetes", "replay"] = "lab"
    modes: tuple[str, ...] = Field(min_length=1)
    baseline: str = "host"
    others: dict[str, tuple[Level, ...]] = Field(default_factory=dict)
    baseline_others: dict[str, Level] = Field(default_factory=dict)
    placements: tuple[Placement, ...] = Field(default=("same_subnet", "cross_subnet"), min_length=1)
    path: Path_ = "pod_to_pod"
    underlay: Literal["plain", "routed"] = "plain"
    tests: tuple[Test, ...] = Field(min_length=1)
    primary: Primary
    margin: float = Field(default=0.05, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    blocks: int = Field(default=10, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)
    design: Literal["randomised", "williams"] = "randomised"
    aa: bool = True
    mss: Literal["as_shipped", "equal", "both"] = "as_shipped"
    congestion_control: str | None = "cubic"
    pin_cpus: bool = True
    rest_s: float = Field(default=0, ge=0, le=600)
    rounds: int | None = Field(default=None, ge=1, le=1000)
    quiet: Quiet | None = None
    stop: Stop | None = None
    cluster: ClusterSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, data: Any) -> Any:
        """Part ``factors`` and ``baseline`` into what has a key of its own and what has none."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for hidden in ("others", "baseline_others"):
            if hidden in data:
                raise ValueError(str(UnknownKey("key", hidden, ["factors", "baseline"])))
        given = data.pop("factors", None)
        if given is not None:
            if not isinstance(given, dict):
                raise At(("factors",), f"{given!r}; it must be a mapping of a factor to its levels")
            given = dict(given)
            for name, key in (("mode", "modes"), ("mss", "mss")):
                if name in given:
                    if key in data:
                        raise At((key,), f"is told twice: here and in factors.{name}")
                    data[key] = given.pop(name)
            if isinstance(data.get("mss"), list):
                as_list = tuple(data["mss"])
                data["mss"] = next((k for k, v in _MSS.items() if v == as_list), as_list)
            data["others"] = given
        if isinstance(data.get("baseline"), dict):
            at = dict(data["baseline"])
            data["baseline"] = at.pop("mode", "host")
            data["baseline_others"] = at
        return data

    @field_validator("others")
    @classmethod
    def _known_factors(cls, value: dict[str, tuple[Level, ...]]) -> dict[str, tuple[Level, ...]]:
        for name, levels in value.items():
            try:
                factor = registry.get(name)
            except UnknownKey as error:
                raise At((name,), str(error)) from None
            if not levels:
                raise At((name,), "has no levels")
            for level in _unique(name, levels):
                try:
                    factor.check(level)
                except ValueError as error:
                    raise At((name,), str(error)) from None
        return value

    @field_validator("modes", mode="before")
    @classmethod
    def _all_modes(cls, value: Any) -> Any:
        return list(modes.MODES) if value == "all" else value

    @field_validator("modes")
    @classmethod
    def _known_modes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for mode in value:
            if mode not in modes.MODES:
                raise ValueError(str(UnknownKey("mode", mode, modes.MODES)))
        return _unique("mode", value)

    @field_validator("placements")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _unique("placement", value)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Study:
        from cnilab.measurements import measurement

        if self.baseline not in self.modes:
            raise ValueError(f"baseline {self.baseline!r} is not among the modes: {', '.join(self.modes)}")
        names = _unique("test", tuple(t.name for t in self.tests))
        if self.primary.test not in names:
            raise ValueError(f"primary test {self.primary.test!r} is not among the tests: {', '.join(names)}")
        if info.context != RECORDED:
            primary = self.test(self.primary.test)
            gives = measurement(primary.tool).KINDS[primary.kind].metrics
            if self.primary.metric not in gives:
                raise At(("primary", "metric"), str(UnknownKey("metric", self.primary.metric, gives)))
            if self.primary.stat not in STATS:
                raise At(("primary", "stat"), str(UnknownKey("stat", self.primary.stat, STATS)))
            if (self.primary.metric in SPREAD) == (self.primary.stat == "value"):
                spread = self.primary.metric in SPREAD
                raise At(
                    ("primary", "stat") if "stat" in self.primary.model_fields_set else ("primary", "metric"),
                    f"{self.primary.metric} has "
                    + (
                        f"no single value; add stat: one of {', '.join(STATS[1:])}"
                        if spread
                        else "one value, no stat"
                    ),
                )
        if self.mss != "as_shipped" and not any(t.takes("mss_bytes") for t in self.tests):
            raise ValueError(
                f"mss {self.mss!r}: no test can be told a segment size; add an iperf3 tcp_stream"
            )
        for name, levels in self.factors.items():
            factor = registry.get(name)
            if factor.where == "trial" and not any(t.takes(factor.sets) for t in self.tests):
                raise At(("factors", name), "no test can be told this")
            if factor.compared and name != "mode" and factor.applies({"mode": self.baseline}):
                self._baseline_at(name, levels)
        if max(self.others.get("replicas", (1,))) != 1 and self.path != "pod_to_service":
            raise At(("factors", "replicas"), "they stand behind a Service; add path: pod_to_service")
        if self.stop and info.context != RECORDED:
            self.stop.check(self.fewest_blocks, self.comparisons)
        for name in self.baseline_others:
            if name not in self.others or registry.get(name).where != "deployment":
                raise At(("baseline", name), "is no factor that this study varies by deployment")
        if len(self.treatments) - self.aa < 2 and not self.varying and self.testbed != "routers":
            raise At(("modes",), "one treatment alone compares with nothing; name at least two")
        return self

    def _baseline_at(self, name: str, levels: tuple[Level, ...]) -> None:
        if name not in self.baseline_others and len(levels) > 1:
            raise At(
                ("baseline",), f"{name} varies: say at which level the baseline is, {{mode: …, {name}: …}}"
            )
        if self.baseline_others.get(name, levels[0]) not in levels:
            raise At(("baseline", name), f"{self.baseline_others[name]!r} is not among {list(levels)}")

    # ---- what varies ----------------------------------------------------------------------------------

    @property
    def factors(self) -> dict[str, tuple[Level, ...]]:
        """Every factor the study tells with its levels, in the registry's order; the mode is always one."""
        own: dict[str, tuple[Level, ...]] = {"mode": self.modes, **self.others}
        if self.mss != "as_shipped":
            own["mss"] = _MSS[self.mss]
        return {name: own[name] for name in registry.FACTORS if name in own}

    @property
    def varying(self) -> tuple[str, ...]:
        """The factors with more than one level."""
        return tuple(name for name, levels in self.factors.items() if len(levels) > 1)

    def _by(self, where: str) -> dict[str, tuple[Level, ...]]:
        return {n: levels for n, levels in self.factors.items() if registry.get(n).where == where}

    @property
    def control(self) -> Treatment:
        """The treatment the others are compared with."""
        own = {n: self.baseline_others.get(n, levels[0]) for n, levels in self._by("deployment").items()}
        return Treatment(registry.applying({**own, "mode": self.baseline}))

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """What is put in place in every block: every combination, and the baseline's blind twin.

        What a factor does not apply to is put in place once, without a level of it.
        """
        by = self._by("deployment")
        combined = (registry.applying(dict(zip(by, levels))) for levels in product(*by.values()))
        each = tuple(dict.fromkeys(map(Treatment, combined)))
        return (*each, Treatment(self.control.levels, twin=True)) if self.aa else each

    @property
    def tested(self) -> tuple[Tested, ...]:
        """What is measured in every placement of a deployment.

        A test that a factor does not apply to is measured once, at the first level of the others.
        """
        by = {name: v for name, v in self.factors.items() if registry.get(name).where != "deployment"}
        found = []
        for levels in product(*by.values()):
            at = dict(zip(by, levels))
            for test in self.tests:
                applying = {n: v for n, v in at.items() if not registry.get(n).sets or test.takes(registry.get(n).sets)}
                if all(at[n] == by[n][0] for n in at.keys() - applying.keys()):
                    found.append(Tested(test, applying))
        return tuple(found)

    def possible(self, treatment: Treatment, placement: str) -> bool:
        """Whether a treatment can carry the study's traffic in a placement, by what its mode is."""
        mode = modes.get(treatment.mode)
        return mode.reaches(placement, self.underlay) and mode.offers(self.path)

    @property
    def comparisons(self) -> int:
        """How many comparisons the primary family can have: what the catalogue rules out is none."""
        others = [t for t in self.treatments if not t.twin and t != self.control]
        return sum(
            self.possible(t, placement) and self.possible(self.control, placement)
            for t in others
            for placement in self.placements
        )

    @property
    def fewest_blocks(self) -> int:
        """Blocks below which no data could show a difference: an exact test of n blocks gives no p below 2 / 2**n."""
        alpha = self.alpha * (SEQUENTIAL if self.stop else 1)
        return math.ceil(math.log2(2 * max(1, self.comparisons) / alpha))

    def asked(self, levels: Mapping[str, Level]) -> dict[str, Any]:
        """Return the fields of a call that levels of factors by trial set."""
        fields: dict[str, Any] = {}
        for name, level in levels.items():
            asked = registry.get(name).asked(level, self.modes)
            options = fields.get("options", {}) | asked.get("options", {})
            fields |= asked | ({"options": options} if options else {})
        return fields

    def test(self, name: str) -> Test:
        """Return the test called ``name``."""
        return next(t for t in self.tests if t.name == name)

    @property
    def together(self) -> bool:
        """Whether all deployments of a block stand at once: asked for by rounds, and possible but on a real cluster."""
        return self.rounds is not None and self.testbed != "kubernetes"

    # ---- as text --------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value as a file has it, defaults too; shorthand where that says all."""
        out = self.model_dump(mode="json")
        others, at = out.pop("others"), out.pop("baseline_others")
        for key in ("rounds", "quiet"):  # younger than many a recorded study, whose digest must stay
            if out[key] is None:
                del out[key]
        if others:
            out["factors"] = others
        if at:
            out["baseline"] = {"mode": out["baseline"], **at}
        return out

    def to_yaml(self, *, access: bool = True) -> str:
        """Return the study as a file that gives it again.

        Parameters
        ----------
        access
            With how the cluster is reached; a run keeps what was measured, not whose kubeconfig was used.
        """
        out = self.to_dict()
        if self.stop and "first_look" not in self.stop.model_fields_set:
            del out["stop"]["first_look"]  # nobody asked for it: written down, it would be taken as asked for
        if out.get("cluster") and not access:
            out["cluster"] = {k: v for k, v in out["cluster"].items() if k not in ("kubeconfig", "context")}
        return yaml.safe_dump(out, sort_keys=False, allow_unicode=True)

    @property
    def digest(self) -> str:
        """SHA-256 over every value but the cluster's settings; two studies are the same study if this is."""
        values = {k: v for k, v in self.to_dict().items() if k != "cluster"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def plan(self) -> Plan:
        """Lay out every trial in order."""
        return Plan.of(self)


#: Mistakes told one by one; a file with more is not a study with mistakes.
_TOLD = 20

_PARTS: dict[Any, type[BaseModel]] = {
    "tests": Test,
    "primary": Primary,
    "quiet": Quiet,
    "stop": Stop,
    "cluster": ClusterSettings,
}


def _unique(what: str, values: tuple[T, ...]) -> tuple[T, ...]:
    twice = [v for v in values if values.count(v) > 1]
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is listed twice")
    return values


def load(source: str | Path, *, recorded: bool = False) -> Study:
    """Read a study from a YAML file; ``recorded`` for one that was run already and is only read.

    Raises
    ------
    StudyError
        With the file, the line, the key, the value and what is allowed.
    """
    path = Path(source)
    try:
        text = files.read(path.resolve()).decode()
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = f"; in {path.parent} there are: {', '.join(near)}" if near else ""
        raise StudyError(f"no study at {path}{hint}") from None
    except (OSError, UnicodeDecodeError, RunDirError) as error:
        raise StudyError(f"cannot read the study {path}: {error}") from error
    return parse(text, name=str(path), recorded=recorded)


def parse(text: str, name: str = "study", *, recorded: bool = False) -> Study:
    """Read a study from YAML text; ``name`` is what errors call it."""
    data, tree = yaml_text.read(text, name)
    if not isinstance(data, dict):
        raise StudyError(
            f"{name}:1: a study is a mapping of keys; this is {type(data).__name__}. See data/studies/quick.yaml"
        )
    try:
        return Study.model_validate(data, context=RECORDED if recorded else None)
    except ValidationError as error:
        wrong = error.errors()
        lines = [explain(e, tree, name, _PARTS, Study) for e in wrong[:_TOLD]]
        if len(wrong) > _TOLD:
            lines.append(f"{name}: and {len(wrong) - _TOLD} more")
        raise StudyError("\n".join(lines)) from None


__all__ = [
    "PATHS",
    "PLACEMENTS",
    "Primary",
    "Quiet",
    "Stop",
    "Study",
    "Test",
    "Tested",
    "load",
    "parse",
]
