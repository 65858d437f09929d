"""Set-up: the lock, the conda twin, the Makefile's stamps, and the scripts against a machine made of stubs.

Nothing here installs anything or reaches a network: `apt-get`, `sudo` and their friends are small scripts on
a PATH of the test's own, which write down how they were called.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cnilab.measurements import programs
from cnilab.setup import find, package_for, packages

ROOT = Path(__file__).parents[1]
SETUP = ROOT / "cnilab" / "setup"
SCRIPTS = sorted(SETUP.glob("*.sh"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# PyPI's name -> conda-forge's, where they differ ("kubernetes" there is the cluster's own binaries)
CONDA_NAMES = {"kubernetes": "python-kubernetes", "matplotlib": "matplotlib-base"}
# conda-forge packages beside Python's: a program of the lab
CONDA_PROGRAMS = {"iperf3"}


def requirements(*groups):
    """{canonical name: Requirement} of the run-time dependencies and the named extras and groups."""
    lines = list(PROJECT["project"]["dependencies"])
    for group in groups:
        lines += PROJECT["project"]["optional-dependencies"].get(group, [])
        lines += PROJECT["dependency-groups"].get(group, [])
    found = [Requirement(line) for line in lines]
    assert len({canonicalize_name(r.name) for r in found}) == len(found), "a package is named twice"
    return {canonicalize_name(r.name): r for r in found}


def locked():
    """[(Requirement, number of hashes)] of constraints.txt."""
    text = re.sub(r"^#.*\n", "", (ROOT / "constraints.txt").read_text(), flags=re.M).replace("\\\n", " ")
    rows = []
    for line in filter(str.strip, text.splitlines()):
        head, *hashes = re.split(r"\s+--hash=", line.strip())
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), line[:80]
        rows.append((Requirement(head), len(hashes)))
    return rows


# ---- the conda twin -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def test_environment_has_the_same_packages_and_floors_as_pyproject(environment):
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    conda = {r.name: str(r.specifier) for r in map(Requirement, lines) if r.name not in {"python", "pip"}}
    expected = {CONDA_NAMES.get(name, name): str(r.specifier) for name, r in requirements("test").items()}
    assert {k: v for k, v in conda.items() if k not in CONDA_PROGRAMS} == expected


def test_environment_takes_python_from_conda_forge_only_and_adds_cnilab_itself(environment):
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python = next(Requirement(x) for x in environment["dependencies"] if str(x).startswith("python>"))
    assert str(python.specifier) == PROJECT["project"]["requires-python"]
    assert {"pip": ["-e ."]} in environment["dependencies"]
    assert "pip" in environment["dependencies"]


# ---- the lock -----------------------------------------------------------------------------------------


def test_every_locked_package_is_pinned_with_hashes():
    rows = locked()
    assert len(rows) > 100
    for requirement, hashes in rows:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), f"{requirement} is not pinned"
        assert hashes, f"{requirement} has no hash"


def test_lock_names_no_address_and_no_path():
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(--|-[a-z]\b|.* @ )(?!-?hash)", text, flags=re.M)
    assert not re.search(r"#.*/", text)


def test_lock_holds_every_direct_dependency_inside_its_bounds():
    pins = {}
    for requirement, _ in locked():
        pins.setdefault(canonicalize_name(requirement.name), []).append(
            next(iter(requirement.specifier)).version
        )
    for name, requirement in requirements("test", "setup").items():
        assert name in pins, f"'{name}' is in pyproject.toml and not in constraints.txt; type: make lock"
        for version in pins[name]:
            assert requirement.specifier.contains(version), (
                f"{name} {version} is outside {requirement}; type: make lock"
            )


def test_a_package_locked_twice_is_told_apart_by_markers():
    seen = {}
    for requirement, _ in locked():
        seen.setdefault(canonicalize_name(requirement.name), []).append(requirement.marker)
    for name, markers in seen.items():
        if len(markers) == 1:
            continue
        for minor in range(11, 15):
            env = {"python_full_version": f"3.{minor}.7", "python_version": f"3.{minor}"}
            assert sum(m is None or m.evaluate(env) for m in markers) == 1, f"{name} on Python 3.{minor}"


# ---- what the code imports ----------------------------------------------------------------------------


def imported(*folders):
    """The third-party modules that the folders' Python files import."""
    names = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.split(".")[0])
    own = {"cnilab"} | {path.stem for folder in folders for path in (ROOT / folder).rglob("*.py")}
    return names - set(sys.stdlib_module_names) - own


def test_every_third_party_import_of_the_library_is_a_declared_dependency():
    providers = metadata.packages_distributions()
    declared = set(requirements())
    for module in sorted(imported("cnilab") - {"setuptools"}):
        distributions = {canonicalize_name(name) for name in providers.get(module, [module])}
        assert distributions & declared, (
            f"cnilab imports '{module}' and pyproject.toml does not name its package"
        )


def test_only_the_build_hook_imports_what_builds():
    """setuptools is there while a wheel is built ([build-system]), not where cnilab runs."""
    files = [
        p.name
        for p in (ROOT / "cnilab").rglob("*.py")
        if re.search(r"^\s*(from|import) setuptools", p.read_text(), re.M)
    ]
    assert files == ["wheel.py"]


# Dependencies no file imports, and why they are installed all the same.
WITHOUT_IMPORT = {
    "jupyterlab": "make lab",
    "ipykernel": "the notebooks' kernel",
    "pyarrow": "what pandas writes parquet with",
    "jinja2": "the language of the report's page template, which nbconvert renders",
    "kubernetes": "the testbed of a real cluster",
    "tenacity": "asking a real cluster's API again",
}


def test_every_dependency_is_imported_or_has_a_reason():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not notebooks:
        pytest.skip("the notebooks, which import some of them, are not in this tree")
    cells = "".join(path.read_text(encoding="utf-8") for path in notebooks)
    providers = metadata.packages_distributions()
    modules = imported("cnilab") | set(re.findall(r"(?:import|from) (\w+)", cells))
    used = {canonicalize_name(name) for module in modules for name in providers.get(module, [module])}
    idle = set(requirements()) - used - set(WITHOUT_IMPORT)
    assert not idle, f"nothing imports {sorted(idle)}: drop it from pyproject.toml or give the reason above"


# ---- the Makefile -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def makefile():
    if shutil.which("make") is None:
        pytest.skip("make is not on this machine")
    return (ROOT / "Makefile").read_text()


def test_every_target_a_person_types_is_in_make_help(makefile):
    phony = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.M)
    targets = {name for line in phony for name in line.split() if not line.startswith("$")}
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, env=clean_environment()
    )
    listed = set(re.findall(r"^  make (\S+) +\S", shown.stdout, flags=re.M))
    assert listed == targets
    assert {
        "report",
        "test",
        "setup",
        "bench",
        "validate",
        "fuzz",
        "lock",
        "lint",
        "full",
        "lab",
        "clean",
    } <= targets


def test_default_goal_is_the_report(makefile):
    assert ".DEFAULT_GOAL := report" in makefile


def clean_environment(**extra):
    """The environment without what an outer make hands down."""
    dropped = {
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "MAKEOVERRIDES",
        "SYSTEM_DEPS",
        "PYTHON",
        "NO_UV",
        "RUN",
        "PYTEST",
    }
    return {k: v for k, v in os.environ.items() if k not in dropped} | extra


STUBS = {
    "system.sh": 'echo "system $*" >>calls; exit ${SYSTEM_EXIT:-0}',
    "venv.sh": 'echo venv >>calls; mkdir -p $1/bin; ln -sf "$PYTHON_OF_TEST" $1/bin/python',
    "netperf.sh": "test -x $1/bin/python || exit 9; echo netperf >>calls; exit ${NETPERF_EXIT:-0}",
}


class Checkout:
    """A checkout whose set-up scripts are the stubs: they note that they were called."""

    def __init__(self, folder):
        self.root = folder
        (folder / "cnilab" / "setup").mkdir(parents=True)
        for name in ("Makefile", "constraints.txt", "pyproject.toml", "cnilab/setup/packages.txt"):
            shutil.copy(ROOT / name, folder / name)
        for name, body in STUBS.items():
            write_script(folder / "cnilab" / "setup" / name, body)

    def make(self, *words, **environment):
        """Run make; return the calls the scripts noted, in order."""
        calls = self.root / "calls"
        calls.write_text("")
        self.result = subprocess.run(
            ["make", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            env=clean_environment(PYTHON_OF_TEST=sys.executable, **environment),
        )
        return calls.read_text().split("\n")[:-1]

    def touch(self, name):
        path = self.root / name
        stat = path.stat()
        os.utime(path, (stat.st_atime + 3600, stat.st_mtime + 3600))


def write_script(path, body):
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path, makefile):
    return Checkout(tmp_path)


def test_second_setup_does_nothing(checkout):
    assert checkout.make("setup") == ["system lab", "venv", "netperf"]
    assert checkout.result.returncode == 0, checkout.result.stderr
    assert checkout.make("setup") == []
    assert checkout.result.returncode == 0
    checkout.make("-q", "setup")
    assert checkout.result.returncode == 0


def test_parallel_make_keeps_the_order(checkout):
    assert checkout.make("-j8", "setup", "system-bench", "system-browser")[:1] == ["system lab"]
    calls = checkout.make("-j8", "distclean") + checkout.make("-j8", "setup")
    assert calls == ["system lab", "venv", "netperf"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("constraints.txt", ["venv"]),
        ("pyproject.toml", ["venv"]),
        ("cnilab/setup/venv.sh", ["venv"]),
        ("cnilab/setup/netperf.sh", ["netperf"]),
        ("cnilab/setup/packages.txt", ["system lab"]),
    ],
)
def test_setup_does_again_only_what_a_change_asks_for(checkout, changed, expected):
    checkout.make("setup")
    checkout.touch(changed)
    assert checkout.make("setup") == expected


def test_system_deps_no_leaves_the_system_alone_and_is_forgotten_afterwards(checkout):
    assert checkout.make("setup", "SYSTEM_DEPS=no") == ["venv", "netperf"]
    assert checkout.make("setup") == ["system lab"]


def test_system_packages_that_could_not_be_installed_are_tried_again(checkout):
    assert checkout.make("setup", SYSTEM_EXIT="3") == ["system lab", "venv", "netperf"]
    assert checkout.result.returncode == 0, "set-up goes on without them"
    assert checkout.make("setup") == ["system lab"]
    assert checkout.make("setup") == []


def test_a_broken_script_stops_make(checkout):
    assert checkout.make("setup", SYSTEM_EXIT="2") == ["system lab"]
    assert checkout.result.returncode == 2


def test_missing_netperf_does_not_stop_setup_and_is_not_fetched_each_time(checkout):
    assert checkout.make("setup", NETPERF_EXIT="3") == ["system lab", "venv", "netperf"]
    assert checkout.result.returncode == 0
    assert checkout.make("setup") == []
    assert checkout.make("netperf") == ["netperf"]


def test_netperf_that_could_not_be_fetched_just_now_is_tried_again(checkout):
    assert checkout.make("setup", NETPERF_EXIT="4") == ["system lab", "venv", "netperf"]
    assert checkout.result.returncode == 0
    assert checkout.make("setup") == ["netperf"]
    assert checkout.make("setup") == []


def test_an_environment_that_lost_its_interpreter_is_made_again(checkout):
    checkout.make("setup")
    (checkout.root / ".venv/bin/python").unlink()
    assert checkout.make("setup") == ["venv", "netperf"]


def test_a_moved_checkout_makes_its_environment_again(checkout, tmp_path_factory):
    checkout.make("setup")
    moved = tmp_path_factory.mktemp("elsewhere") / "cnilab"
    shutil.move(checkout.root, moved)
    checkout.root = moved
    assert checkout.make("setup") == ["venv", "netperf"]


def test_bench_runs_every_benchmark_and_stops_at_a_failure(checkout):
    folder = checkout.root / "benchmarks"
    folder.mkdir()
    (folder / "bench_a.py").write_text("print('A ran')")
    (folder / "bench_b.py").write_text("raise SystemExit('B failed')")
    (folder / "other.py").write_text("print('not a benchmark')")
    assert "system bench" in checkout.make("bench")
    assert "A ran" in checkout.result.stdout
    assert "not a benchmark" not in checkout.result.stdout
    assert "B failed" in checkout.result.stderr
    assert checkout.result.returncode != 0


def test_clean_keeps_runs_and_the_environment(checkout):
    checkout.make("setup")
    (checkout.root / "runs").mkdir()
    (checkout.root / "build").mkdir()
    checkout.make("clean")
    assert checkout.result.returncode == 0, checkout.result.stderr
    assert (checkout.root / "runs").is_dir()
    assert (checkout.root / ".venv/bin/python").exists()
    assert not (checkout.root / "build").exists()


# ---- packages.txt -------------------------------------------------------------------------------------


def test_the_package_list_is_readable_and_without_doubles():
    rows = packages()
    assert {row.set for row in rows} == {"lab", "bench", "browser", "cluster", "native"}
    names = [name for row in rows for name in row.names]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in names)
    assert all(len(row.purpose) > 10 for row in rows)


def test_every_program_a_measurement_calls_has_a_package_or_says_how_to_get_it():
    for program in programs().values():
        assert program.get or package_for(program.name), (
            f"'{program.name}' is called, and set-up does not install it"
        )


def test_the_image_for_any_cluster_has_every_program_a_measurement_calls():
    text = (ROOT / "cnilab/testbeds/kubernetes/Containerfile").read_text()
    for program in programs().values():
        package = package_for(program.name)
        brought_by = {"netserver": "netperf", "python3": "python3-minimal"}
        name = package.names[0] if package else brought_by.get(program.name, program.name)
        assert re.search(rf"^ .*\b{name}\b", text, re.MULTILINE), f"{program.name} is not in the Containerfile"


def test_package_for_tells_the_command():
    assert package_for("bird").remedy == "sudo apt-get install bird2"
    assert package_for("no-such-program") is None


def test_find_looks_in_the_environment_before_path(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    write_script(tmp_path / "bin" / "netperf", "exit 0")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert find("netperf") == tmp_path / "bin" / "netperf"
    monkeypatch.setenv("PATH", "/nowhere")
    assert find("sh"), "the system's folders are searched even where PATH lacks them"
    assert find("no-such-program") is None


# ---- system.sh on a machine of stubs ------------------------------------------------------------------


REAL = [
    "awk",
    "basename",
    "bash",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dirname",
    "dpkg-deb",
    "echo",
    "env",
    "find",
    "grep",
    "head",
    "ln",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sort",
    "tail",
    "tar",
    "touch",
    "wc",
    "xargs",
    "xz",
    "zstd",
]


class Machine:
    """A PATH with the few real programs a script needs and stubs for those that would change the machine."""

    def __init__(self, folder):
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.write_text("")
        self.policy = folder / "policy-rc.d"
        self.lists = folder / "lists"
        self.lists.mkdir()
        (self.lists / "mirror_dists_stable_InRelease").write_text("fetched just now")
        for name in REAL:
            path = shutil.which(name)
            if path:
                (self.bin / name).symlink_to(path)
        self.stub("python3", "exit 0")

    def stub(self, name, body):
        write_script(self.bin / name, f'echo "{name} $*" >>"{self.log}"\n{body}')

    def run(self, script, *words):
        text = (SETUP / script).read_text()
        # The machine's real sbin folders are not part of this one.
        text = text.replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n", "")
        text = text.replace("policy=/usr/sbin/policy-rc.d", f"policy={self.policy}")
        text = text.replace("lists=/var/lib/apt/lists", f"lists={self.lists}")
        text = text.replace("for dir in /usr/local/bin /usr/bin; do", f"for dir in {self.bin}; do")
        home = self.bin.parent / "setup"
        home.mkdir(exist_ok=True)
        (home / script).write_text(text)
        shutil.copy(SETUP / "packages.txt", home)
        return subprocess.run(
            [str(self.bin / "bash"), str(home / script), *words],
            capture_output=True,
            text=True,
            cwd=self.bin.parent,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(self.bin), "HOME": str(self.bin.parent)},
        )

    @property
    def calls(self):
        return self.log.read_text().splitlines()


LAB = [row.names[0] for row in packages() if row.set == "lab"]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_only_missing_packages_are_wanted(machine):
    machine.stub("dpkg-query", 'case "${@: -1}" in libc6-dev) printf installed ;; *) exit 1 ;; esac')
    machine.stub("iperf3", "exit 0")  # built by hand: no package is needed
    result = machine.run("system.sh", "--list", "lab")
    wanted = result.stdout.split()
    assert result.returncode == 0
    assert "iperf3" not in wanted
    assert "libc6-dev" not in wanted
    assert "bird2|bird3" in wanted
    assert "mininet" not in wanted, "that is the bench set"


def test_a_python_without_venv_asks_for_its_package(machine):
    machine.stub(
        "python3", 'case "$2" in *ensurepip*) exit 1 ;; *) echo "python3.12-venv|python3-venv" ;; esac'
    )
    result = machine.run("system.sh", "--list", "lab")
    assert "python3.12-venv|python3-venv" in result.stdout.split()


def test_no_apt_is_said_in_one_sentence(machine):
    result = machine.run("system.sh", "lab")
    assert result.returncode == 3
    assert "no apt-get" in result.stderr
    assert "bird2" in result.stderr


def test_no_root_and_no_sudo_is_said_with_the_command_to_ask_for(machine):
    machine.stub("dpkg-query", "exit 1")
    machine.stub("apt-get", "exit 0")
    machine.stub("id", "echo 1000")
    result = machine.run("system.sh", "lab")
    assert result.returncode == 3
    assert "apt-get install --no-install-recommends" in result.stderr
    assert "SYSTEM_DEPS=no" in result.stderr
    assert not [call for call in machine.calls if call.startswith("apt-get")]


def test_sudo_that_would_ask_for_a_password_is_not_called_without_a_terminal(machine):
    machine.stub("dpkg-query", "exit 1")
    machine.stub("apt-get", "exit 0")
    machine.stub("id", "echo 1000")
    machine.stub("sudo", "exit 1")
    assert machine.run("system.sh", "lab").returncode == 3
    assert [call for call in machine.calls if call.startswith("sudo")] == ["sudo -n true"]


def apt_machine(machine, *, without=(), fails=(), asks=()):
    """A Debian on which everything is missing.

    `without` have no candidate, `fails` cannot be installed, `asks` are the services it would start.
    """
    state = machine.bin.parent / "installed"
    state.write_text("")
    machine.stub("id", "echo 0")
    machine.stub("dpkg-query", f'grep -qx "${{@: -1}}" "{state}" && printf installed')
    none = "|".join(without) or "-"
    machine.stub(
        "apt-cache", f'case "$2" in {none}) echo "  Candidate: (none)" ;; *) echo "  Candidate: 1.0" ;; esac'
    )
    bad = "|".join(fails) or "-"
    machine.stub(
        "apt-get",
        f"""for word; do case "$word" in {bad}) echo "E: $word is broken" >&2; exit 100 ;; esac; done
case " $* " in *" install "*) printf '%s\\n' "$@" >>"{state}"
  for service in {" ".join(asks)}; do
    code=0; "{machine.policy}" "$service" start || code=$?; echo "ANSWER $service $code" >>"{machine.log}"
  done ;;
esac""",
    )
    machine.stub("systemctl", "exit 0")


def installs(machine):
    return [call for call in machine.calls if call.startswith("apt-get") and " install " in call]


def test_packages_are_announced_then_installed_in_one_go_without_removing_anything(machine):
    apt_machine(machine)
    result = machine.run("system.sh", "lab")
    assert result.returncode == 0, result.stderr
    announced = result.stderr.index("installing")
    assert all(name in result.stderr[announced:] for name in LAB if name not in {"util-linux"})
    (call,) = installs(machine)
    assert "--no-remove" in call
    assert "--no-install-recommends" in call
    assert set(LAB) - set(call.split()) == set()


def test_a_service_that_comes_with_a_package_is_kept_off_and_nothing_is_left_behind(machine):
    apt_machine(machine, asks=["bird", "bird.service", "ssh"])
    result = machine.run("system.sh", "lab")
    assert result.returncode == 0, result.stderr
    answers = [call for call in machine.calls if call.startswith("ANSWER")]
    assert answers == ["ANSWER bird 101", "ANSWER bird.service 101", "ANSWER ssh 0"], "only our own are held"
    assert not machine.policy.exists()
    assert "systemctl --quiet disable bird.service" in machine.calls


def test_a_policy_of_the_machines_own_is_left_as_it_is(machine):
    apt_machine(machine)
    write_script(machine.policy, "exit 101")
    before = machine.policy.read_text()
    machine.run("system.sh", "lab")
    assert machine.policy.read_text() == before


def test_a_policy_left_by_a_killed_installation_lets_through_and_goes(machine, tmp_path):
    apt_machine(machine, asks=["bird"])
    kept = tmp_path / "kept"
    machine.stub("systemctl", f'test -e "{machine.policy}" && cp "{machine.policy}" "{kept}"; exit 0')
    machine.run("system.sh", "lab")
    assert subprocess.run([kept, "bird", "start"]).returncode == 0, "its installation has ended"
    assert not kept.exists()


def test_a_package_the_release_does_not_have_is_named_and_left_out(machine):
    apt_machine(machine, without=["gcc-bpf", "wireguard-go"])
    result = machine.run("system.sh", "lab")
    assert result.returncode == 0
    assert "no package wireguard-go gcc-bpf" in result.stderr
    assert "doctor" in result.stderr
    (call,) = installs(machine)
    assert not {"gcc-bpf", "wireguard-go"} & set(call.split())


def test_the_second_name_is_taken_where_the_first_is_gone(machine):
    apt_machine(machine, without=["bird2"])
    machine.run("system.sh", "lab")
    (call,) = installs(machine)
    assert "bird3" in call.split()
    assert "systemctl --quiet disable bird.service" in machine.calls


def test_one_package_that_fails_does_not_take_the_others_with_it(machine):
    apt_machine(machine, fails=["wrk"])
    result = machine.run("system.sh", "lab")
    assert result.returncode == 3, "worth another try"
    assert "wrk is broken" in result.stderr
    installed = (machine.bin.parent / "installed").read_text().split()
    assert set(LAB) - set(installed) == {"wrk"}


def updates(machine):
    return [call for call in machine.calls if call.startswith("apt-get") and call.endswith(" update")]


def test_package_lists_are_read_only_where_they_are_missing(machine):
    apt_machine(machine)
    machine.run("system.sh", "lab")
    assert updates(machine) == []
    (machine.bin.parent / "installed").write_text("")
    (machine.lists / "mirror_dists_stable_InRelease").unlink()
    machine.run("system.sh", "lab")
    assert len(updates(machine)) == 1


def test_lists_that_may_be_stale_are_read_once_before_a_package_is_given_up(machine):
    apt_machine(machine, fails=["wrk"])
    machine.run("system.sh", "lab")
    assert len(updates(machine)) == 1


def test_an_unknown_set_is_refused_with_the_known_ones(machine):
    result = machine.run("system.sh", "lba")
    assert result.returncode == 2
    assert "'lba'" in result.stderr
    assert "bench browser cluster lab" in result.stderr


# ---- netperf.sh ---------------------------------------------------------------------------------------


@pytest.fixture
def archive(machine, tmp_path):
    """A machine whose apt hands out a package that holds two small scripts."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this machine")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "etc/init.d").mkdir(parents=True)
    for name in ("netperf", "netserver"):
        write_script(tree / "usr/bin" / name, "echo 'Netperf version 2.7.0'")
    write_script(tree / "etc/init.d/netperf", "exit 0")  # a trap: executable and of the right name
    (tree / "DEBIAN/control").write_text(
        "Package: netperf\nVersion: 2.7.0\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n"
    )
    subprocess.run(["dpkg-deb", "-b", tree, tmp_path / "netperf.deb"], check=True, capture_output=True)
    (tmp_path / "env/bin").mkdir(parents=True)
    machine.stub("ldconfig", "echo '  libsctp.so.1 (libc6) => /lib/libsctp.so.1'")
    machine.stub("dpkg", "echo amd64")

    def configure(*targets, in_=("non-free", "multiverse"), offline=False):
        lines = "\n".join(targets)
        sections = "|".join(f"*' {name}'*" for name in in_)
        machine.stub(
            "apt-get",
            f"""
if [ "$1" = indextargets ]; then cat <<'LINES'
{lines}
LINES
exit; fi
conf=$3; eval "$(sed -n 's/^Dir::Etc::sourcelist "\\(.*\\)";/list=\\1/p' "$conf")"
echo "LIST $(cat "$list")" >>"{machine.log}"
case "$4" in
  update) {"echo 'E: cannot connect' >&2; exit 100" if offline else "exit 0"} ;;
  download) case "$(cat "$list")" in {sections}) cp "{tmp_path}/netperf.deb" . ;;
            *) echo 'E: Unable to locate package netperf' >&2; exit 100 ;; esac ;;
esac""",
        )

    machine.configure = configure
    return machine


def lists(machine):
    return list(dict.fromkeys(call[5:] for call in machine.calls if call.startswith("LIST ")))


DEBIAN = "Debian|mirror://one/debian/|bookworm|$(SIGNED_BY)|main"


def test_netperf_is_unpacked_from_the_machines_own_archive(archive, tmp_path):
    archive.configure(
        "|mirror://three/other/|stable||main",
        "Debian|mirror://one/debian/|bookworm-updates||main",
        DEBIAN,
        "Debian|mirror://two/security/|bookworm-security||main",
    )
    result = archive.run("netperf.sh", "env")
    assert result.returncode == 0, result.stderr
    (line,) = lists(archive)
    assert line.endswith("mirror://one/debian/ bookworm non-free")
    program = tmp_path / "env/bin/netperf"
    assert subprocess.run([program, "-V"], capture_output=True, text=True).stdout == "Netperf version 2.7.0\n"
    assert program.resolve() == tmp_path / "env/opt/netperf/usr/bin/netperf"
    assert sorted(p.name for p in (tmp_path / "env/opt").iterdir()) == ["netperf"], (
        "nothing temporary is left"
    )
    assert archive.run("netperf.sh", "env").stderr.startswith("setup: netperf is already in")


def test_on_ubuntu_it_is_multiverse_and_the_sources_own_key(archive):
    archive.configure("Ubuntu|mirror://one/ubuntu/|noble|/dev/null|main")
    assert archive.run("netperf.sh", "env").returncode == 0
    assert lists(archive) == ["deb [signed-by=/dev/null] mirror://one/ubuntu/ noble multiverse"]


def test_a_release_that_carries_it_free_is_asked_second(archive):
    archive.configure(DEBIAN, in_=["main"])
    assert archive.run("netperf.sh", "env").returncode == 0
    assert [line.split(" bookworm ")[1] for line in lists(archive)] == ["non-free", "main non-free"]


def test_without_libsctp_a_wrapper_names_the_unpacked_one(archive, tmp_path):
    archive.stub("ldconfig", "exit 0")
    archive.configure(DEBIAN)
    assert archive.run("netperf.sh", "env").returncode in {0, 3}
    assert lists(archive)[0].endswith("main non-free")


@pytest.mark.parametrize(
    ("settings", "status", "reason"),
    [
        ({"offline": True}, 4, "could not read 'non-free' of 'bookworm' (cannot connect)"),
        ({"in_": ["nowhere"]}, 3, "has no netperf for amd64 (Unable to locate package netperf)"),
    ],
)
def test_netperf_that_cannot_be_had_is_one_sentence(archive, tmp_path, settings, status, reason):
    archive.configure(DEBIAN, **settings)
    result = archive.run("netperf.sh", "env")
    assert result.returncode == status
    (line,) = [line for line in result.stderr.splitlines() if "no netperf" in line]
    assert reason in line
    assert not list((tmp_path / "env/opt").iterdir())


def test_a_machine_without_a_debian_archive_is_told_so(archive):
    archive.configure("Somebody|mirror://x/|stable||main")
    result = archive.run("netperf.sh", "env")
    assert result.returncode == 3
    assert "none of this machine's apt sources" in result.stderr


# ---- venv.sh ------------------------------------------------------------------------------------------


def test_an_old_python_is_refused_with_its_version_and_the_next_command(tmp_path):
    write_script(tmp_path / "old", 'case "$1" in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    result = subprocess.run(
        [SETUP / "venv.sh", str(tmp_path / "venv")],
        capture_output=True,
        text=True,
        env=clean_environment(PYTHON=str(tmp_path / "old")),
    )
    assert result.returncode == 1
    assert "3.11 or newer and found Python 3.9.2" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (tmp_path / "venv").exists()


# ---- the files themselves -----------------------------------------------------------------------------


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_script_is_executable_parses_and_is_clean(script):
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        result = subprocess.run(["shellcheck", script], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_no_address_stands_in_any_set_up_file():
    names = ["Makefile", "environment.yml", "constraints.txt", "pyproject.toml", ".ci/run", "CONTRIBUTING.md"]
    for path in [*(ROOT / name for name in names), *SETUP.iterdir()]:
        if path.is_file():
            assert "://" not in path.read_text(), path
