"""Every exception cnilab raises on purpose, one base, so that a caller can catch them all.

A message says what failed, the value it failed on, what is allowed, and, where there is one, the next
command to type. Nothing here is raised for a *measurement* that failed: that is a row with a status and a
reason (see :mod:`cnilab.runs.samples`), because a failed trial is a result and must not stop the matrix.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from cnilab.facts import Fact


class CnilabError(Exception):
    """Base of all errors cnilab raises on purpose."""


class StudyError(CnilabError, ValueError):
    """The study file is wrong: the message names its line, the value and what is allowed."""


class UnknownKey(CnilabError, KeyError):
    """A name that is in no registry; the message lists the known ones.

    Parameters
    ----------
    what
        The kind of thing asked for, e.g. ``"mode"``.
    got
        The name that was asked for.
    known
        The names that exist.
    """

    def __init__(self, what: str, got: object, known: Iterable[str]) -> None:
        self.what, self.got, self.known = what, got, tuple(known)
        close = difflib.get_close_matches(str(got), self.known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {what} {got!r}.{hint} Known: {', '.join(self.known)}")

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


class ParseError(CnilabError, ValueError):
    """A tool's output that does not say what a value is.

    Parameters
    ----------
    what
        What is wrong, and the text it is wrong with.
    path
        The file, if the bytes came from one.
    line
        1-based line in the file, if it is known.
    """

    def __init__(self, what: str, *, path: str | Path | None = None, line: int | None = None) -> None:
        self.what, self.path, self.line = what, path, line
        where = "".join((f"{path}:" if path is not None else "", f"{line}: " if line is not None else " "))
        super().__init__(f"{where}{what}".strip())


class DataError(CnilabError, ValueError):
    """A table that breaks its contract: the message names the column or key and the first offending value."""


class TestbedError(CnilabError, RuntimeError):
    """A mode could not be put in place, or what held it has died: a failed row, and the matrix goes on.

    Parameters
    ----------
    message
        The sentence a person gets.
    fact
        What the row records; without one, that the bench failed, with the message as its words. Codes of the family
        ``bench_failed`` are never charged to a mode.
    """

    __test__ = False  # pytest, this is not one of yours

    def __init__(self, message: str, fact: Fact | None = None) -> None:
        super().__init__(message)
        self.fact = fact or Fact("bench_failed.testbed", quoted=message)


class LabError(TestbedError):
    """The lab could not be built or has died; the message carries the kernel's or the program's own words."""


class ClusterError(TestbedError):
    """The cluster refused, lost or does not have what was asked; the message carries the server's own words."""


class Unavailable(CnilabError, RuntimeError):
    """This machine cannot run what was asked.

    Parameters
    ----------
    need
        What is missing, or what the kernel or a program said of it.
    remedy
        The command that adds it, if there is one.
    fact
        The same as data; made of the two where none is given.
    """

    def __init__(self, need: str, remedy: str = "", *, fact: Fact | None = None) -> None:
        super().__init__(f"{need}; try: {remedy}" if remedy else need)
        self.need, self.remedy = need, remedy
        self.fact = fact or Fact("unavailable", {"remedy": remedy} if remedy else {}, need)


class WriteError(CnilabError, OSError):
    """A file that was asked for cannot be written; the message carries the system's own words."""


class RunDirError(CnilabError, RuntimeError):
    """A run directory that is missing, damaged, or belongs to another study."""
