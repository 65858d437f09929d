"""The JSON files of a run directory, read as a stranger's: bounded, checked, and named in one sentence if damaged.

What a trial's ``meta.json`` must say is here, so that nothing behind it meets a missing key, a name that leads
elsewhere or a status that does not exist. Nothing is written and nothing repaired here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cnilab.errors import RunDirError
from cnilab.runs import files
from cnilab.runs.samples import KERNEL_PATHS, PATHS, PLACEMENTS, STATUSES

#: A name that is a file's in a run directory: one step, and nothing that a shell or a terminal takes for more.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@#-]{0,120}")
#: One line a deployment, added when it ends; the last one of an id counts.
DEPLOYMENTS = "deployments.jsonl"
_LINE = 1 << 20
_TEXTS = ("trial_id", "deployment_id", "placement", "path", "test", "tool", "status")
_NUMBERS = ("block", "slot", "position")


def read(path: Path, within: Path, newest: int) -> dict[str, Any]:
    """Return the object in a JSON file.

    Parameters
    ----------
    path, within
        The file, and the run directory.
    newest
        The newest ``schema_version`` that can be read.

    Raises
    ------
    RunDirError
        Naming the file and what is wrong with it.
    """
    try:
        value = json.loads(files.read(path, within), parse_constant=_no_number)
    except RunDirError:
        raise
    except OSError as error:
        raise RunDirError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        what = "it is empty" if _empty(path) else str(error)[:200]
        raise RunDirError(f"{path} is damaged: {what}") from error
    if not isinstance(value, dict):
        raise RunDirError(f"{path} is damaged: it holds no object")
    version = value.get("schema_version", 1)
    if type(version) is not int or not 1 <= version <= newest:
        raise RunDirError(
            f"{path} has schema_version {str(version)[:40]!r}; this cnilab reads 1 to {newest}"
            + ("; install a newer one" if type(version) is int and version > newest else "")
        )
    return value


def manifest(path: Path, newest: int) -> dict[str, Any]:
    """Return the manifest of a run directory and its deployments, with every key there that readers rely on."""
    value = read(path / "manifest.json", path, newest)
    if isinstance(value.get("deployments"), dict):
        value["deployments"] |= deployments(path)
    for key, kind in (
        *((name, str) for name in ("run_id", "study", "study_hash", "plan_hash", "state")),
        *((name, dict) for name in ("provenance", "deployments")),
    ):
        if not isinstance(value.get(key), kind):
            raise RunDirError(
                f"{path / 'manifest.json'} is damaged: its {key!r} is missing or of another kind"
            )
    for name, entry in value["deployments"].items():
        if not NAME.fullmatch(name) or not isinstance(entry, dict) or not isinstance(entry.get("mode"), str):
            raise RunDirError(f"{path / 'manifest.json'} is damaged: deployment {name[:60]!r}")
    if not printable(value["run_id"]) or not printable(value["study"]):
        raise RunDirError(f"{path / 'manifest.json'} is damaged: its name holds characters that are no text")
    return value


def deployments(path: Path) -> dict[str, dict[str, Any]]:
    """Return what is recorded of each treatment put in place; a line that a writer was killed at is not there.

    Raises
    ------
    RunDirError
        Naming the file, if a line is of another kind.
    """
    file = path / DEPLOYMENTS
    found: dict[str, dict[str, Any]] = {}
    try:
        with files.opened(file, path) as lines:
            while line := lines.readline(_LINE + 1):
                try:
                    entry = json.loads(line, parse_constant=_no_number)
                except (ValueError, RecursionError):
                    continue
                name = entry.pop("deployment_id", None) if isinstance(entry, dict) else None
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    raise RunDirError(f"{file} is damaged: {line[:60]!r}")
                found[name] = entry
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunDirError(f"{file} cannot be read: {error.strerror or error}") from error
    return found


def meta(folder: Path, within: Path, newest: int) -> dict[str, Any]:
    """Return what ``meta.json`` in a trial's folder says, if it is that trial's."""
    return checked_meta(read(folder / "meta.json", within, newest), folder)


def checked_meta(value: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a trial's meta if it says all that readers rely on, and is of the trial of that folder.

    Raises
    ------
    RunDirError
        Naming the file and the key.
    """
    path = folder / "meta.json"
    wrong = next((k for k in _TEXTS if not isinstance(value.get(k), str) or not printable(value[k])), None)
    wrong = wrong or next((k for k in _NUMBERS if type(value.get(k, 1)) is not int), None)
    if wrong:
        raise RunDirError(f"{path} is damaged: its {wrong!r} is missing or of another kind")
    if not isinstance(value.get("label", value.get("treatment")), str | dict):
        raise RunDirError(f"{path} is damaged: it does not say what was measured")
    if value["trial_id"] != folder.name:
        raise RunDirError(f"{path} is of another trial: {value['trial_id'][:60]!r}")
    for key, allowed in (("status", STATUSES), ("placement", PLACEMENTS), ("path", PATHS)):
        if value[key] not in allowed:
            raise RunDirError(f"{path}: {key} {value[key][:40]!r}; allowed: {', '.join(allowed)}")
    if value.get("kernel_path") not in (None, *KERNEL_PATHS):
        raise RunDirError(f"{path}: kernel_path {str(value['kernel_path'])[:40]!r}")
    if not isinstance(value.get("files", {}), dict):
        raise RunDirError(f"{path} is damaged: its 'files' is no mapping")
    return value


def printable(text: str) -> bool:
    """Whether text holds nothing that a terminal or a page would act on."""
    return all(c.isprintable() or c in "\n\t" for c in text)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


__all__ = ["DEPLOYMENTS", "NAME", "checked_meta", "deployments", "manifest", "meta", "printable", "read"]
