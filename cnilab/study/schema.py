"""A study: what is measured, and how, before anything is measured.

It is one YAML file, checked key by key; what is wrong is told with its line, the value and what is allowed. In which
order it is measured is :mod:`cnilab.study.plan`'s business. Knows nothing of testbeds and runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cnilab import modes
from cnilab.errors import RunDirError, StudyError, UnknownKey
from cnilab.modes import AA_SUFFIX
from cnilab.runs import files
from cnilab.runs.samples import PATHS, PLACEMENTS
from cnilab.study import yaml_text
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.study.plan import Plan

SCHEMA_VERSION = 1

#: What the variant of a test at equal MSS adds to its name; ``@`` is in no name a study can give.
EQUAL_MSS = "@equal_mss"

Placement = Literal["same_node", "same_subnet", "cross_subnet"]
Path_ = Literal["pod_to_pod", "pod_to_service", "host_to_host"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Test(_Strict):
    """One thing measured in every cell: a tool, the kind of test, and how long.

    Parameters
    ----------
    name
        What the results call it.
    tool
        A name from :data:`cnilab.measurements.TOOLS` that can be run.
    kind
        ``tcp_stream``, ``tcp_rr`` …; by default ``name`` without a trailing number of streams.
    streams
        Parallel connections.
    duration_s, omit_s
        Seconds that count, and seconds before them that do not.
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
            stem = data["name"].rstrip("0123456789").rstrip("_-.x")
            data = {**data, "kind": stem}
        return data


def sets_mss(test: Test) -> bool:
    """Whether a test's tool can be told a segment size: iperf3 can, for a TCP stream."""
    return test.tool == "iperf3" and test.kind == "tcp_stream"


class Primary(_Strict):
    """The one family that Holm protects; all else is exploratory and says so."""

    test: str
    metric: str
    stat: str = "value"


class Stop(_Strict):
    """Stop once every primary interval is this narrow; p-values are never looked at."""

    half_width: float = Field(gt=0, lt=1)
    first_look: int = Field(default=10, ge=6)


class Study(_Strict):
    """A whole study. See ``data/studies/quick.yaml`` for one with comments.

    Parameters
    ----------
    modes, baseline
        Ids from the catalogue, or ``all``; the baseline is measured in every block and, with ``aa``, once more
        under a blind label.
    placements, path
        Where client and server stand, and what the client calls.
    underlay
        ``plain``, or ``routed``: the router between the subnets takes part in BGP.
    mss
        ``as_shipped``: each mode with its own MTU. ``equal``: all modes with the smallest one's segment size.
        ``both``: as shipped, and every TCP stream once more as ``TEST@equal_mss`` in the same deployment.
    blocks, seed, design
        Complete blocks, the seed of their order, and ``randomised`` or ``williams``.
    congestion_control, pin_cpus
        Set at both ends of every trial, so that a machine's default does not slip in.
    stop
        Optional early stop on precision; ``blocks`` is then the most there will be.
    cluster
        What a run on a real cluster needs besides; see :class:`cnilab.study.cluster_settings.ClusterSettings`.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    testbed: Literal["lab", "kubernetes", "replay"] = "lab"
    modes: tuple[str, ...] = Field(min_length=2)
    baseline: str = "host"
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
    stop: Stop | None = None
    cluster: ClusterSettings | None = None

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
    def _fits_together(self) -> Study:
        from cnilab.measurements import TOOLS

        if self.baseline not in self.modes:
            raise ValueError(f"baseline {self.baseline!r} is not among the modes: {', '.join(self.modes)}")
        names = _unique("test", tuple(t.name for t in self.tests))
        runnable = [n for n, tool in TOOLS.items() if hasattr(tool, "KINDS")]
        for test in self.tests:
            if test.tool not in runnable:
                raise ValueError(str(UnknownKey("tool", test.tool, runnable)))
            kinds = getattr(TOOLS[test.tool], "KINDS", ())
            if test.kind not in kinds:
                raise ValueError(
                    f"test {test.name!r}: {test.tool} has no kind {test.kind!r}; it has {', '.join(kinds)}"
                )
        if self.primary.test not in names:
            raise ValueError(f"primary test {self.primary.test!r} is not among the tests: {', '.join(names)}")
        if self.mss != "as_shipped" and not any(sets_mss(t) for t in self.tests):
            raise ValueError(
                f"mss {self.mss!r}: no test can be told a segment size; add an iperf3 tcp_stream"
            )
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """What is put in place in every block: the modes, and the baseline's blind twin."""
        return (*self.modes, self.baseline + AA_SUFFIX) if self.aa else self.modes

    @property
    def measured(self) -> tuple[Test, ...]:
        """What runs in every cell: the tests, and with ``mss: both`` the equal-MSS variants after them."""
        if self.mss != "both":
            return self.tests
        again = (t.model_copy(update={"name": t.name + EQUAL_MSS}) for t in self.tests if sets_mss(t))
        return (*self.tests, *again)

    def test(self, name: str) -> Test:
        """Return the test, or equal-MSS variant, called ``name``."""
        return next(t for t in self.measured if t.name == name)

    def mss_bytes(self, test: Test) -> int | None:
        """Return the segment size to ask for in ``test``, or None where each mode keeps its own.

        It is what the smallest MTU among the modes leaves after IPv4 and TCP headers, 40 B; TCP takes its
        options out of it, as it does out of a mode's own.
        """
        if not sets_mss(test) or not (self.mss == "equal" or test.name.endswith(EQUAL_MSS)):
            return None
        return min(modes.get(m).pod_mtu() for m in self.modes) - 40

    def to_yaml(self) -> str:
        """Every key with its value, defaults too."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def digest(self) -> str:
        """SHA-256 over every value; two studies are the same study if this is."""
        unset = {"cluster"} if self.cluster is None else None
        told = self.model_dump(mode="json", exclude=unset)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def plan(self) -> Plan:
        """Lay out every trial in order."""
        return Plan.of(self)


#: Mistakes told one by one; a file with more is not a study with mistakes.
_TOLD = 20

_PARTS: dict[Any, type[BaseModel]] = {
    "tests": Test,
    "primary": Primary,
    "stop": Stop,
    "cluster": ClusterSettings,
}


def _unique(what: str, values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({v for v in values if values.count(v) > 1})
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is listed twice")
    return values


def load(source: str | Path) -> Study:
    """Read a study from a YAML file.

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
    return parse(text, name=str(path))


def parse(text: str, name: str = "study") -> Study:
    """Read a study from YAML text; ``name`` is what errors call it."""
    data, tree = yaml_text.read(text, name)
    if not isinstance(data, dict):
        raise StudyError(
            f"{name}:1: a study is a mapping of keys; this is {type(data).__name__}. See data/studies/quick.yaml"
        )
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        wrong = error.errors()
        lines = [_explain(e, tree, name) for e in wrong[:_TOLD]]
        if len(wrong) > _TOLD:
            lines.append(f"{name}: and {len(wrong) - _TOLD} more")
        raise StudyError("\n".join(lines)) from None


def _explain(error: Any, tree: yaml.Node, name: str) -> str:
    """One line an error: file:line: key: what is wrong, the value, what is allowed."""
    location = list(error["loc"])
    line = _line_of(tree, location)
    key = ".".join(_short(p) for p in location) or "study"
    value = error.get("input")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = list(_PARTS.get(location[0], Study).model_fields)
        what = str(UnknownKey("key", _short(location[-1]), allowed))
        key = ".".join(str(p) for p in location[:-1]) or "study"
    elif kind == "missing":
        what = "is missing"
    elif kind == "value_error":
        what = str(context.get("error", error["msg"]))
    else:
        shown = type(value).__name__ if isinstance(value, (dict, list)) else _short(value, repr)
        what = f"{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"
    return f"{name}:{line}: {key}: {what}"


def _short(value: Any, shown: Callable[[Any], str] = str) -> str:
    text = shown(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _line_of(node: yaml.Node | None, location: list) -> int:
    """1-based line of the deepest part of ``location`` that the file has."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            hit = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if hit is None:
                break
            line, node = hit[0].start_mark.line + 1, hit[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


__all__ = [
    "EQUAL_MSS",
    "PATHS",
    "PLACEMENTS",
    "Primary",
    "Stop",
    "Study",
    "Test",
    "load",
    "parse",
    "sets_mss",
]
