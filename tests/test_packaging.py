"""A wheel, installed where no checkout is: it carries every file, and `study` and `report` work from it.

Nothing is downloaded: the new environment reads this one's packages, and has cnilab alone as its own.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from cnilab.bundled import FOLDER
from cnilab.setup import wheel as building

ROOT = Path(__file__).parents[1]
#: Nothing of this checkout is on the path of what builds, installs or runs: pip would take it for installed.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
#: One worker builds the wheel, once.
pytestmark = pytest.mark.xdist_group("wheel")


def checkout(to):
    """A clean checkout: what git would give, with what is new and not ignored."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        argv = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")
    else:  # an unpacked archive
        kept = ("cnilab", "notebooks", "data", "pyproject.toml", "README.md", "LICENSE")
        names = [str(p.relative_to(ROOT)) for k in kept for p in [ROOT / k, *(ROOT / k).rglob("*")]]
    for name in names:
        if (ROOT / name).is_file() and "__pycache__" not in name:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    return to


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    if Version(metadata.version("setuptools")) < Version("77"):
        pytest.skip("setuptools is older than the build needs; type: make setup")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", folder, source], check=True, capture_output=True, cwd=folder, env=CLEAN)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run the `cnilab` of a new environment, somewhere outside every checkout."""
    place = tmp_path_factory.mktemp("elsewhere")
    venv.create(place / "env", with_pip=False)
    bin_ = place / "env" / "bin"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        bin_ / "python",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, wheel], check=True, capture_output=True, cwd=place, env=CLEAN)
    (packages,) = (place / "env" / "lib").glob("python*/site-packages")
    # Its folder on the path, not its .pth files: the editable cnilab of this environment stays out.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = CLEAN | {
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter")
    }  # nbconvert's templates

    def run(*argv):
        return subprocess.run(
            [bin_ / "cnilab", *argv], cwd=place, env=environment, capture_output=True, text=True, timeout=300
        )

    run.place, run.python, run.environment = place, bin_ / "python", environment
    return run


def test_the_wheel_carries_every_file_of_the_package_and_of_the_bundle(source, wheel, tmp_path):
    shutil.unpack_archive(wheel, tmp_path, "zip")
    carried = {p.relative_to(tmp_path) for p in (tmp_path / "cnilab").rglob("*") if p.is_file()}
    files = {
        p.relative_to(source)
        for p in source.rglob("*")
        if p.is_file() and "egg-info" not in str(p) and "__pycache__" not in p.parts
    }
    package = {p for p in files if p.parts[0] == "cnilab"}
    assert package - carried == set(), "not in the wheel: see package-data in pyproject.toml"
    bundle = {building.TARGET / p for p in files if p.parts[0] in building.FOLDERS}
    assert {p for p in carried if FOLDER in p.parts} == bundle
    assert Path("cnilab", FOLDER) == building.TARGET


def test_an_earlier_build_leaves_nothing_in_the_next(source, monkeypatch):
    from setuptools import Distribution

    monkeypatch.chdir(source)
    command = building.BuildWithBundle(
        Distribution({"name": "x", "packages": ["cnilab"], "script_name": "setup.py"})
    )
    command.ensure_finalized()
    command.build_lib = "build/again"
    gone = Path("build/again") / building.TARGET / "notebooks" / "gone.ipynb"
    gone.parent.mkdir(parents=True)
    gone.touch()
    command.run()
    assert (gone.parent / "05_report.ipynb").exists()
    assert not gone.exists()
    assert "data/sample/manifest.json" in command.get_source_files()


@pytest.mark.slow
def test_study_and_report_work_where_no_checkout_is(installed):
    code = "import cnilab, cnilab.bundled; print(cnilab.__file__); print(cnilab.bundled.bundled())"
    printed = subprocess.run(
        [installed.python, "-c", code],
        cwd=installed.place,
        env=installed.environment,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert all(Path(line).is_relative_to(installed.place / "env") for line in printed), printed

    text = (ROOT / "data" / "sample" / "study.yaml").read_text().replace("testbed: lab", "testbed: replay")
    (installed.place / "replayed.yaml").write_text(text)
    done = installed("study", "replayed.yaml", "-o", "run", "--quiet")
    assert done.returncode == 0, done.stderr
    report = installed.place / "run" / "report.html"
    assert done.stdout.strip() == str(report)
    first = report.read_text()
    assert "<h1" in first
    assert json.loads((installed.place / "run" / "summary.json").read_text())["findings"]

    report.unlink()
    done = installed("report", "run")
    assert done.returncode == 0, done.stderr
    assert "<h1" in report.read_text()


def test_a_bundled_study_is_found_by_the_name_it_has_in_a_checkout(installed):
    done = installed("run", "data/studies/quick.yaml", "-o", "/run/refused")
    assert "the lab hides /run" in done.stderr, "the study was read; the folder is what is refused"
