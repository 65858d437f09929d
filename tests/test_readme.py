"""The README's commands exist as they are written, its tables match the tree, and no path it names is missing."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))


def commands(text):
    return [
        line.split("#")[0].split(" | ")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.split("#")[0].strip()
    ]


COMMANDS = list(dict.fromkeys(commands(TEXT) + commands(CHINESE)))
#: Commands short enough to be run whole; of the others the call is checked.
RUN = ["cnilab modes", "cnilab lab script calico-bgp-mesh"]


def test_there_are_the_two_commands_first():
    assert commands(TEXT)[:2] == commands(CHINESE)[:2] == ["make", "make test"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_knows_the_target(command):
    done = subprocess.run(
        [*command.split(), "-n", "SYSTEM_DEPS=no"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if "cnilab" in c.split()[0]])
def test_cnilab_takes_the_call(command, tmp_path, monkeypatch):
    """Parse the call as the command line would, running nothing."""
    from typer.main import get_command

    from cnilab.cli import app

    monkeypatch.chdir(ROOT)
    words = shlex.split(command)[1:]
    group = get_command(app)
    while hasattr(group, "commands"):
        group = group.commands[words.pop(0)]
    group.make_context("cnilab", words)  # raises on an unknown option or a missing argument


@pytest.mark.parametrize("command", RUN)
def test_quick_commands_run(command):
    done = subprocess.run(
        [sys.executable, "-m", "cnilab.cli", *command.split()[1:]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_its_lines_of_python_run_as_they_stand():
    (lines,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    program = lines + "\nprint(len(comparisons.rows), type(run).__name__)\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, kind = done.stdout.splitlines()[-1].split()
    assert int(rows) > 0
    assert kind == "Run"


def test_every_notebook_has_its_question():
    told = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert told == {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("text", [TEXT, CHINESE], ids=["en", "zh"])
def test_every_file_it_names_is_there(text):
    named = set(re.findall(r"(?:data|cnilab)/[\w./-]+\.\w+|[A-Z]+\.(?:zh\.)?md", text))
    assert named
    assert [n for n in named if not (ROOT / n).exists()] == []


def test_every_reader_it_names_is_there():
    from cnilab.measurements import TOOLS

    sentence = TEXT[TEXT.index("`cnilab load` reads") :].split(", by content")[0].replace("\n", " ")
    for tool in (
        "iperf3",
        "iperf2",
        "netperf",
        "qperf",
        "sockperf",
        "ping",
        "fping",
        "wrk",
        "ab",
        "hey",
        "fortio",
        "vegeta",
        "nuttcp",
        "bombardier",
        "flent",
        "knb",
    ):
        assert tool in TOOLS, tool
        assert re.search(rf"\b{tool}\b", sentence), tool
