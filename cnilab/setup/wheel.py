"""Puts the notebooks and ``data/`` of the checkout into the wheel, where :mod:`cnilab.bundled` finds them.

setuptools runs it while it builds a wheel or a source archive (``[tool.setuptools.cmdclass]`` in pyproject.toml).
An editable install copies nothing and reads the checkout. cnilab itself never imports this.
"""

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

FOLDERS = ("notebooks", "data")
TARGET = Path("cnilab", "_bundle")  # cnilab.bundled.FOLDER; the build must not import what it builds
_LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


class BuildWithBundle(build_py):
    """``build_py`` that also copies :data:`FOLDERS`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        shutil.rmtree(
            Path(self.build_lib) / TARGET, ignore_errors=True
        )  # an earlier build's: a file may be gone
        for source in self._bundle():
            target = Path(self.build_lib) / TARGET / source
            self.mkpath(str(target.parent))
            self.copy_file(source, str(target), preserve_mode=False)

    def get_source_files(self) -> list[str]:
        """What a source archive holds: a wheel is built from that, too."""
        return [*super().get_source_files(), *self._bundle()]

    def _bundle(self) -> list[str]:
        files = (path for folder in FOLDERS for path in Path(folder).rglob("*"))
        return sorted(str(p) for p in files if p.is_file() and not _LEFT_OUT & set(p.parts))
