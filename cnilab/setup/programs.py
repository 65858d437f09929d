"""Finds the programs the lab drives, and the system package that brings each one.

A shell's PATH is not enough: netperf is unpacked into the virtual environment's own `bin`, and an ordinary
user's PATH has no `/usr/sbin`, where `bird`, `ethtool` and `sysctl` live. Whether a program *works* (the
kernel's part) is not asked here; `cnilab doctor` probes that.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnilab.errors import Unavailable
from cnilab.setup import build

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Package:
    """One line of `packages.txt`: a system package and what it is wanted for."""

    set: str
    names: tuple[str, ...]
    program: str | None
    service: str | None
    purpose: str

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"sudo apt-get install {self.names[0]}"


def search_path() -> str:
    """Where programs are looked up: this environment's `bin`, the caller's PATH, the system's folders."""
    folders = [str(Path(sys.prefix) / "bin"), *os.environ.get("PATH", "").split(os.pathsep), *SYSTEM_FOLDERS]
    return os.pathsep.join(dict.fromkeys(folder for folder in folders if folder))


def find(program: str) -> Path | None:
    """Where `program` is, or None; one of ours is compiled first.

    >>> find("sh").name
    'sh'
    """
    if program in build.PROGRAMS:
        try:
            return build.built(program)
        except Unavailable:
            return None
    found = shutil.which(program, path=search_path())
    return Path(found) if found else None


@cache
def packages() -> tuple[Package, ...]:
    """Every line of `packages.txt`, in its order."""
    text = (Path(__file__).parent / "packages.txt").read_text(encoding="utf-8")
    return tuple(_parse(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def package_for(program: str) -> Package | None:
    """The package that brings `program`, or None where the list has none."""
    return next((package for package in packages() if package.program == program), None)


def _parse(line: str) -> Package:
    set_, names, program, service, purpose = line.split(maxsplit=4)
    return Package(
        set=set_,
        names=tuple(names.split("|")),
        program=None if program == "-" else program,
        service=None if service == "-" else service,
        purpose=purpose,
    )
