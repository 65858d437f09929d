"""Tells a person what a long command is doing: one line a step, with the seconds since it began."""

from __future__ import annotations

import sys
import time
from typing import TextIO

#: Seconds between two notes of the same step where the output is a file or a pipe.
QUIET_S = 20.0


class Progress:
    """Lines on a stream, standard error by default.

    Parameters
    ----------
    stream
        Where to; on a terminal a :meth:`note` is written over the one before it.
    silent
        Write nothing.
    """

    def __init__(self, stream: TextIO | None = None, silent: bool = False) -> None:
        self.stream, self.silent = stream or sys.stderr, silent
        self.start = self.noted = time.monotonic()
        self.terminal = self.stream.isatty()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.start

    def step(self, text: str) -> None:
        """Say that something was reached."""
        self.noted = time.monotonic()
        self._write(text, "\n")

    def note(self, text: str) -> None:
        """Say how far the present step is; shown on a terminal at once, elsewhere now and then."""
        if self.terminal:
            self._write(text, "\r")
        elif time.monotonic() - self.noted > QUIET_S:
            self.step(text)

    def _write(self, text: str, end: str) -> None:
        if not self.silent:
            erase = "\x1b[2K" if self.terminal else ""
            self.stream.write(f"{erase}{self.elapsed_s:6.1f} s  {text}{end}")
            self.stream.flush()
