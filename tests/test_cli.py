"""The command line as a person meets it: help with an example, one-sentence errors, exit statuses, JSON."""

import io
import json
import re
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from typer.main import get_command

from cnilab.cli import app, main
from cnilab.modes import MODES

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"


def process(*argv):
    """The command line in a process of its own: what a shell sees."""
    argv = [sys.executable, "-m", "cnilab.cli", *argv]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def cnilab(*argv, cwd="."):
    """The same entry point in this process, which has everything imported already."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), chdir(cwd):
        patch.setattr(sys, "argv", ["cnilab", *argv])
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def commands(group, prefix=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


ALL = {" ".join(name): command for name, command in commands(get_command(app))}


def test_the_commands_of_the_design_are_there():
    wanted = ["doctor", "modes", "run", "study", "load", "compare", "report"] + [
        f"lab {c}" for c in ("verify", "script", "shell", "trace")
    ]
    assert set(wanted) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_command_shows_an_example_and_explains_itself(name):
    command = ALL[name]
    assert command.epilog.startswith(f"Example: cnilab {name}")
    assert command.help.strip().endswith(".")


def named_commands():
    """Every `cnilab …` with options that the package, the README or CONTRIBUTING tells a person to type."""
    files = [*(ROOT / "cnilab").rglob("*.py"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    pattern = re.compile(r"\bcnilab ((?:[a-z]+ ?)+?)((?: ?[A-Z{][^ `]*)*(?: --[a-z-]+(?: [A-Z0-9][^ `]*)?)+)")
    for path in files:
        for words, rest in pattern.findall(path.read_text(encoding="utf-8")):
            yield words.split(), re.findall(r"--[a-z-]+", rest)


def test_what_a_person_is_told_to_type_exists():
    seen = list(named_commands())
    assert len(seen) > 8
    for words, options in seen:
        name = " ".join(words[:2]) if " ".join(words[:2]) in ALL else words[0]
        assert name in ALL, f"cnilab {' '.join(words)}"
        known = {o for p in ALL[name].params for o in p.opts} | {"--help"}
        assert set(options) <= known, f"cnilab {name} has no {set(options) - known}"


def test_modes_lists_the_catalogue():
    done = process("modes")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(MODES)
    rows = json.loads(cnilab("modes", "--json").stdout)["rows"]
    assert {r["id"]: r["pod_mtu"] for r in rows}["flannel-vxlan"] == 1450


def test_doctor_is_readable_by_a_program():
    found = json.loads(cnilab("doctor", "--json").stdout)
    assert found["schema_version"] == 1
    assert {"need", "for", "status", "found", "remedy"} == set(found["rows"][0])
    assert {r["need"] for r in found["rows"] if r["for"] == "modes"} == set(MODES)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["run", "nowhere.yaml"], "cnilab: no study at nowhere.yaml"),
        (["compare", "nowhere"], "cnilab: nothing at nowhere"),
        (["report", "nowhere"], "is not a run directory: it has no study.yaml"),
        (["lab", "script", "flanel"], "cnilab: unknown mode 'flanel'. Did you mean 'flannel-"),
        (["lab", "verify", "--mode", "x"], "cnilab: unknown mode 'x'"),
    ],
)
def test_an_error_is_one_sentence_and_status_one(argv, says, tmp_path):
    done = cnilab(*argv, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("cnilab: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_call_is_status_two(tmp_path):
    assert process("run").returncode == 2
    assert cnilab("run", str(ROOT / "data/studies/quick.yaml"), "--resume").returncode == 2


def test_compare_reads_a_bare_csv(tmp_path):
    rows = ["block,mode,value"]
    rows += [
        f"{b},{m},{v + b / 100}"
        for b in range(1, 11)
        for m, v in (("host", 10.0), ("mine", 5.0), ("same", 10.0))
    ]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(rows))
    done = cnilab("compare", str(path), "--json")
    assert done.returncode == 0, done.stderr
    found = {r["mode"]: r for r in json.loads(done.stdout)["rows"]}
    assert found["mine"]["verdict"] == "different_material"
    assert 0.49 < found["mine"]["ratio"] < 0.52
    assert "NaN" not in done.stdout
    missing = process("compare", str(path), "--baseline", "nobody")
    assert missing.returncode == 1
    assert "baseline 'nobody' is not in the data; it has host, mine, same" in missing.stderr


def test_compare_reads_a_run(tmp_path):
    done = cnilab("compare", str(SAMPLE), "--metric", "goodput_bps", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {
        "metric",
        "placement",
        "mode",
        "ratio",
        "ci_low",
        "sim_ci_low",
        "p_holm",
        "verdict",
        "flags",
    } <= set(rows[0])
    assert any("does_not_cross_subnets" in r["flags"] for r in rows)
    assert all("substitute" in r["flags"] for r in rows if r["mode"] == "calico-ipip")


def test_replay_runs_a_study_without_a_lab(tmp_path):
    text = (SAMPLE / "study.yaml").read_text().replace("testbed: lab", "testbed: replay")
    study = tmp_path / "replay.yaml"
    study.write_text(text)
    done = cnilab("run", str(study), "-o", str(tmp_path / "run"), "--quiet")
    assert done.returncode == 0, done.stderr
    count = len((SAMPLE / "plan.csv").read_text().splitlines()) - 1
    told = sum(int(part.split()[0]) for part in done.stdout.strip().rpartition(": ")[2].split(", "))
    assert told == count


def test_no_namespaces_no_lab_and_the_error_says_what_to_do(tmp_path):
    """A machine that does not let anybody unshare: `unshare` is there and says no."""
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    program = (
        "import cnilab.setup.programs as p, cnilab.testbeds.lab.client as c\n"
        f"c.search_path = lambda: {str(tmp_path)!r} + ':' + p.search_path()\n"
        f"c.unshare_argv = lambda: [{str(fake)!r}]\n"
        "from cnilab.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "lab", "shell", "host", "-c", "true"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "cannot make the lab's namespaces: unshare: unshare failed: Operation not permitted" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.lab
def test_lab_verify_for_a_program():
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    done = cnilab("lab", "verify", "--mode", "flannel-vxlan", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(r["placement"], r["outer"], r["mtu"], r["ttl"]) for r in rows] == [
        ("same_node", "stays on the node", 1450, 64),
        ("same_subnet", "vxlan 8472", 1450, 62),
        ("cross_subnet", "vxlan 8472", 1450, 62),
    ]
    assert set(rows[0]["checks"][0]) == {"name", "args", "expected", "found", "ok"}


@pytest.mark.lab
def test_lab_shell_runs_a_command_inside():
    done = process("lab", "shell", "flannel-host-gw", "p1", "-c", "ip -br addr show eth0")
    assert "10.244.1.2/24" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--path", "pod_to_pods", "unknown path 'pod_to_pods'. Did you mean 'pod_to_pod'?"),
        ("--underlay", "bgp", "unknown underlay 'bgp'. Known: plain, routed"),
    ],
)
def test_what_a_verify_cannot_look_at_is_refused(option, value, says):
    done = cnilab("lab", "verify", "--mode", "host", option, value)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_paths_of_the_command_line_are_those_of_the_samples():
    from cnilab.cli.options import PATHS
    from cnilab.runs import samples

    assert PATHS == samples.PATHS
