"""A notebook's kernel that imports nothing from where it was called, nor from what it reports on.

Python puts the folder of a script, the current folder and ``PYTHONPATH`` before its own libraries: a file that has a
library's name is executed in the library's place. A kernel for a notebook is started without all three, and with the
``cnilab`` that started it. What the user installed is trusted; what lies in a folder is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_THIS_CNILAB = (
    "import importlib.util as u, sys; "
    f"s = u.spec_from_file_location('cnilab', {str(_PACKAGE / '__init__.py')!r}, "
    f"submodule_search_locations=[{str(_PACKAGE)!r}]); "
    "sys.modules['cnilab'] = m = u.module_from_spec(s); s.loader.exec_module(m); del u, sys, s, m"
)
#: Options of the kernel, beside the environment of :func:`isolated`.
ISOLATED_KERNEL = ("--IPKernelApp.ignore_cwd=True", f"--IPKernelApp.exec_lines={_THIS_CNILAB}")


@contextmanager
def isolated() -> Iterator[None]:
    """Start what is started in this block without the caller's ``PYTHONPATH`` and without any current folder."""
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP")}
    for name in before:
        os.environ.pop(name, None)
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


__all__ = ["ISOLATED_KERNEL", "isolated"]
