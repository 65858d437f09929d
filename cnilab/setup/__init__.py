"""What cnilab needs from the system, as data, and where the programs are once they are there.

`packages.txt` is the one list: `system.sh` installs from it, `cnilab doctor` names the remedy from it.
Nothing here installs anything from Python.
"""

from cnilab.setup.programs import Package, find, package_for, packages

__all__ = ["Package", "find", "package_for", "packages"]
