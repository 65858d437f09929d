"""Where the files are that come with cnilab beside its code: the notebooks, the studies, the recorded sample.

A checkout has them at its top level, in ``notebooks/`` and ``data/``; a wheel carries copies inside the package
(``cnilab.setup.wheel`` puts them there). An editable install reads the checkout. Nothing here opens a file.
"""

from __future__ import annotations

from pathlib import Path

#: Where a wheel carries them, inside the package.
FOLDER = "_bundle"


def bundled(path: str | Path = "") -> Path:
    """Return where ``path`` is, which is named as in the checkout.

    Examples
    --------
    >>> bundled("notebooks/05_report.ipynb").is_file(), bundled("data/studies/quick.yaml").is_file()
    (True, True)
    """
    package = Path(__file__).resolve().parent
    carried = package / FOLDER
    return (carried if carried.is_dir() else package.parent) / path


def here_or_bundled(path: Path) -> Path:
    """Return ``path``, or the bundled file of that name where nothing of that name is here.

    Examples
    --------
    >>> here_or_bundled(Path("data/studies/quick.yaml")).is_file()
    True
    >>> here_or_bundled(Path("nowhere.yaml"))
    PosixPath('nowhere.yaml')
    """
    return path if path.exists() or not bundled(path).exists() else bundled(path)


__all__ = ["FOLDER", "bundled", "here_or_bundled"]
