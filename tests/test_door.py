"""Every public name is the same function or class whatever was imported before it, and can be used at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cnilab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cnilab"
#: Modules that are programs or part of a build: importing one is running it, or needs what builds.
NOT_IMPORTED = {"cnilab.cli.__main__", "cnilab.setup.wheel"}

#: name -> an expression that uses it; what it must be equal to.
USES = {
    "Lab": ("cnilab.Lab.__mro__[-1] is object", True),
    "MODES": ("cnilab.MODES['flannel-vxlan'].id", "flannel-vxlan"),
    "Run": ("cnilab.Run.open(sample).study.name", "sample"),
    "Study": ("cnilab.Study(**yaml.safe_load(open(f'{sample}/study.yaml'))).name", "sample"),
    "advise": ("[r.mode for r in cnilab.advise(sample, subnets=2).admitted][:2]", ["calico-ipip", "flannel-vxlan"]),
    "check": ("'code' in cnilab.check(sample).columns", True),
    "compare": ("cnilab.compare(samples, baseline='host').rows[0]['baseline']", "host"),
    "doctor": ("cnilab.doctor().to_dict()['schema_version']", 1),
    "load": ("sorted(set(cnilab.load(f'{sample}/raw', progress=False).samples['tool']))", ["iperf3", "netperf"]),
    "load_study": ("cnilab.load_study(f'{sample}/study.yaml').name", "sample"),
    "plan_size": ("cnilab.plan_size(0.05).blocks > 1", True),
    "rank": ("'host' in repr(cnilab.rank(samples, metric='goodput_bps', test='tcp_stream', placement='same_subnet'))", True),
    "run": ("cnilab.run(replayed, out, progress=False).study.testbed", "replay"),
    "__version__": ("cnilab.__version__", cnilab.__version__),
}
PROGRAM = """
import contextlib, io, json, pkgutil, sys
from importlib import import_module
import yaml, cnilab
skipped, sample, out, uses = json.loads(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(cnilab.__path__, "cnilab.") if m.name not in skipped]
for name in names:
    import_module(name)
kinds = {name: type(getattr(cnilab, name)).__name__ for name in cnilab.__all__}
replayed = cnilab.load_study(f"{sample}/study.yaml").model_copy(update={"testbed": "replay"})
samples = cnilab.Run.open(sample).samples
answers = {}
for name, use in uses.items():
    try:
        answers[name] = eval(use)
    except Exception as error:
        answers[name] = f"{type(error).__name__}: {error}"
print(json.dumps({"modules": names, "kinds": kinds, "answers": answers}))
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """What a process finds that has imported every submodule before it touches the door."""
    out = tmp_path_factory.mktemp("door") / "run"
    uses = {name: use for name, (use, _) in USES.items()}
    given = json.dumps([sorted(NOT_IMPORTED), str(ROOT / "data" / "sample"), str(out), uses])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, given], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_public_name_has_a_use_here():
    assert set(USES) == set(cnilab.__all__)


def test_every_submodule_was_imported(used):
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts) for p in PACKAGE.rglob("*.py")}
    modules = {name.removesuffix(".__init__") for name in files} - NOT_IMPORTED - {"cnilab"}
    assert set(used["modules"]) == modules


@pytest.mark.parametrize("name", USES)
def test_a_public_name_works_after_every_import(used, name):
    assert used["kinds"][name] != "module"
    assert used["answers"][name] == USES[name][1]


def test_no_public_name_is_a_submodules():
    """Importing ``cnilab.x`` sets the attribute ``x``: a function of that name would be gone."""
    assert set(cnilab.__all__) & {p.stem for p in PACKAGE.iterdir()} == {"__init__"} & set(cnilab.__all__)
