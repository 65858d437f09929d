"""The house stays as it was drawn: import direction, size of rooms, one public door, one registry a package."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnilab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cnilab"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))

#: Layer of each first-level room; a module imports only from its own layer or one below (DESIGN: one direction).
LAYERS = {
    "units": 0, "digits": 0, "layout": 0, "errors": 0, "verdicts": 0, "facts": 0, "bench": 0, "modes": 0, "setup": 0, "bundled": 0, "admission": 0, "published": 0,
    "study": 1, "runs.files": 0, "runs.samples": 1, "runs.schema1": 1,
    "measurements": 2, "testbeds": 2, "stats": 2,
    "runs": 3, "loading": 3, "diagnosis": 3, "localcluster": 3, "execute": 4,
    "findings": 5, "advice": 5, "forecast": 5,
    "report.language": 2, "report": 6, "cli": 7, "__init__": 7,
}  # fmt: skip
#: Imports inside functions that go the other way on purpose, each with its reason.
LATE = {
    ("study", "measurements"): "a study may only name what can be measured",
    ("execute", "stats"): "stopping on precision, imported only by studies that ask for it",
    ("findings", "report"): "findings still keep words",
    ("stats", "report"): "a result that a person looks at is told in words",
    ("advice", "report"): "an advice that a person looks at is told in words",
    ("testbeds", "report"): "an error's sentence is told in words",
    ("diagnosis", "report"): "what is missing is told in words",
    ("testbeds", "runs"): "a replayed run is a run directory",
}


def room(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:2]) if ".".join(parts[:2]) in LAYERS else parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cnilab":
            parts = node.module.split(".")[1:]
            for name in [[*parts, a.name] for a in node.names]:
                yield ".".join(name[:2]) if ".".join(name[:2]) in LAYERS else name[0]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("cnilab."))


def test_every_room_has_a_layer():
    assert {room(p) for p in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = room(path)
    for other in imports(path):
        if other in LAYERS and other != own and (own, other) not in LATE:
            assert LAYERS[other] <= LAYERS[own], f"{own} imports {other}"


@pytest.mark.parametrize(
    ("one", "other"),
    [("stats", "testbeds"), ("testbeds", "stats"), ("measurements", "testbeds"), ("measurements", "stats")],
)
def test_rooms_that_never_meet(one, other):
    assert [p for p in MODULES if room(p) == one and other in imports(p)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_outgrows_its_room(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 430


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module opens with what it is for"


def test_the_public_door():
    assert len(cnilab.__all__) <= 15
    assert dir(cnilab) == sorted(cnilab.__all__)
    for name in cnilab.__all__:
        assert getattr(cnilab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'speed'; it has Lab, MODES"):
        _ = cnilab.speed


def test_the_door_opens_without_loading_the_house():
    """A process inside the lab starts in milliseconds only because this import is almost nothing."""
    code = (
        "import sys, cnilab; print([m for m in ('numpy', 'pandas', 'pydantic', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


#: File names that stand twice, each with why a reader who opens the wrong one is not misled. A name that is not here,
#: or that means two things, is changed (house rule: one file name, one meaning).
SAME_NAME = {
    "__init__": "Python's",
    "base": "a room's own first words: its protocols and values",
    "calico": "the plugin, wherever one plugin is one file",
    "flannel": "the plugin, wherever one plugin is one file",
    "http": "its chapter, its figure",
    "k3s": "the distribution, detected and switched",
    "bench": "what a measurement is given, and how a cluster gives it",
    "growth": "of a quantity with a size: its statistics, its chapter, its figure",
    "policy": "its chapter, its figure",
    "path": "of a packet: its chapter, its figure",
    "replicas": "its chapter, its figure",
    "segment_size": "its chapter, its figure",
    "table": "the samples table that loading makes; the chapter of the report that is one table",
    "conditions": "under which a value was measured: read by a testbed from a machine, by a reader from an output",
    "declared": "before the first trial: as a run keeps it, as statistics use it",
    "documents": "JSON of files: a run directory's, iperf3's",
    "evidence": "of a mode on the wire: the lab's, a cluster's",
    "lab": "the lab, and the command group that shows it",
    "margins": "before a line: what a log put there (loading), what a tool's reader takes off itself",
    "state": "of a node or cluster, as read: judged by the proof, put back by switching",
    "testbed": "the Testbed of each kind",
    "text": "a tool's text report, beside its other forms",
    "verify": "proves a mode: in the lab, on a cluster",
}


def test_no_file_name_means_two_things():
    stems = [path.stem for path in MODULES]
    twins = {stem for stem in stems if stems.count(stem) > 1}
    assert twins <= set(SAME_NAME), "rename one, or say here why it does not mislead"
    assert set(SAME_NAME) <= twins, "no longer twice: strike it from the table"


def test_the_map_of_the_house_has_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = text[text.index("```\ncnilab/") : text.index("## The one rule")]
    for path in sorted(PACKAGE.iterdir()):
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists()):
            name = path.name if path.suffix else f"{path.name}/"
            assert re.search(rf"(^|[ (]){re.escape(name)}", drawn, re.M), f"CONTRIBUTING's map has no {name}"
    for name in re.findall(r"[\w/]+\.py\b", drawn):
        assert list(PACKAGE.rglob(name)) or "*" in drawn[drawn.index(name) - 1], f"the map names {name}"


def test_the_paths_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:cnilab|tests|benchmarks|data|notebooks)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
